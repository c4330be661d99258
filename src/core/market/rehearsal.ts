// What orders would do in a market, on a copy of what they can meet.
import { accepts, addToBook, type Book, emptyBook, HOUSE, levelAt, opposite } from "../book.ts";
import type { SubmitOrder } from "../messages.ts";
import type { Side } from "../order.ts";
import { limitOf } from "./active.ts";
import { Groups } from "./groups.ts";
import type { MarketState } from "./state.ts";
import { Thresholds } from "./thresholds.ts";
import { Waiting } from "./triggers.ts";
import { type MarketTurn, referenceNow } from "./turn.ts";

/**
 * A turn like this one, of which nothing is kept: orders change copies alone. Of the book it has what these orders accept,
 * since copying the whole of it would cost more than matching. Whatever else of the state an order may change belongs here.
 */
export function rehearsalOf(turn: MarketTurn, orders: readonly SubmitOrder[]): MarketTurn {
  const { state } = turn;
  const reference = () => referenceNow(turn);
  const worstOf = ({ side, limitPrice: price }: SubmitOrder) => limitOf(state.rules, { side, price }, reference);
  const book = emptyBook();
  for (const side of ["buy", "sell"] as const) {
    const limits = orders.flatMap((order) => (order.side === side ? [worstOf(order)] : []));
    copyAccepted(state.book, book, side, limits);
  }
  const copied = [book.buy, book.sell].flatMap(({ levels }) =>
    [...levels.values()].flatMap((level) => [...level.orders.values()]),
  );
  const customers = copied.filter((order) => order.account !== HOUSE);
  const copies: Partial<MarketState> = {
    book,
    orders: new Map(customers.map((order) => [order.id, order])),
    resting: new Set(customers.map((order) => order.id)),
    expiring: new Thresholds(),
    waiting: new Waiting(),
    // What exits do to each other comes after the command that is rehearsed.
    groups: new Groups(),
    // Their counters begin anew: what is numbered here is told to nobody.
    peers: new Map(),
    balances: new Map(state.balances),
  };
  return { state: { ...state, ...copies }, ctx: turn.ctx, events: [] };
}

/** Copies what orders of a side with these limits would meet, and the level behind: that there is more is told of a rest. */
function copyAccepted(from: Book, to: Book, side: Side, limits: readonly bigint[]): void {
  const other = from[opposite(side)];
  for (const price of other.prices) {
    for (const order of levelAt(other, price).orders.values()) addToBook(to, { ...order });
    if (!limits.some((limit) => accepts(side, limit, price))) return;
  }
}
