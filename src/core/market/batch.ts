// Orders of which a market takes all or none: rehearsed one after the other on a copy of what they can meet, then done or not.
import { accepts, addToBook, type Book, type BookOrder, emptyBook, HOUSE, levelAt, opposite } from "../book.ts";
import type { Command, SubmitOrder } from "../messages.ts";
import type { Side } from "../order.ts";
import { protectionPrice } from "./active.ts";
import type { MarketState } from "./state.ts";
import { Thresholds } from "./thresholds.ts";
import { Waiting } from "./triggers.ts";
import { type MarketTurn, referenceNow, report } from "./turn.ts";

type SubmitAll = Command & { kind: "submit_all" };

/** How a market takes one order. */
type Submit = (turn: MarketTurn, account: string, command: Extract<Command, { order: SubmitOrder }>) => void;

/** Why the others of an atomic batch are refused when one is. */
const ABORTED = "batch_aborted";

/**
 * Takes all orders of a batch, in their order and in one turn, or rejects all: the first that the market would refuse with
 * its reason, the others with `batch_aborted`. Under rules that are not this market's all are, and the account is told them.
 */
export function submitAll(turn: MarketTurn, account: string, command: SubmitAll, submit: Submit): void {
  const { cseq, rulesVersion, orders } = command;
  const { rules } = turn.state;
  const from = turn.events.length;
  const newer = rulesVersion === rules.version ? null : rules;
  const refused = newer === null ? refusedOf(turn, account, command, submit) : { orderId: "", reason: ABORTED };
  for (const { order, notAfter } of orders) {
    const { id: orderId, origin = null } = order;
    if (refused === null) {
      submit(turn, account, { kind: "submit", cseq, order, notAfter, rulesVersion });
      continue;
    }
    const reason = refused.orderId === orderId ? refused.reason : ABORTED;
    const told = order === orders[0]?.order ? newer : null;
    const facts = { orderId, execType: "rejected" as const, reason, rules: told };
    report(turn, account, facts, { cseq, order: bookOrderOf(account, order), origin });
  }
  const made = turn.events.splice(from);
  const last = made.length - 1;
  turn.events.push(
    ...made.map((event, index) =>
      event.kind === "report" && index < last ? { ...event, more: true as const } : event,
    ),
  );
}

function bookOrderOf(account: string, sent: SubmitOrder): BookOrder {
  const { origin: _, postOnly: __, limitPrice: price, qty: leaves, ...terms } = sent;
  return { ...terms, account, price, leaves, feeNumerator: 0n, fee: 0n, seq: 0 };
}

/** The first order that would be refused after those before it, and why; null when all would be taken. */
function refusedOf(turn: MarketTurn, account: string, { cseq, orders, rulesVersion }: SubmitAll, submit: Submit) {
  const rehearsal = rehearsalOf(
    turn,
    orders.map(({ order }) => order),
  );
  for (const { order, notAfter } of orders) {
    const from = rehearsal.events.length;
    submit(rehearsal, account, { kind: "submit", cseq, order, notAfter, rulesVersion });
    const answer = rehearsal.events[from];
    if (answer?.kind === "report" && answer.report.execType === "rejected")
      return { orderId: order.id, reason: answer.report.reason };
  }
  return null;
}

/**
 * A turn like this one, of which nothing is kept: orders change copies alone. Of the book it has what these orders accept,
 * since copying the whole of it would cost more than matching. Whatever else of the state an order may change belongs here.
 */
function rehearsalOf(turn: MarketTurn, orders: readonly SubmitOrder[]): MarketTurn {
  const { state } = turn;
  const reference = referenceNow(turn);
  const limitOf = ({ side, limitPrice }: SubmitOrder) => limitPrice ?? protectionPrice(state.rules, side, reference);
  const book = emptyBook();
  for (const side of ["buy", "sell"] as const) {
    const limits = orders.flatMap((order) => (order.side === side ? [limitOf(order)] : []));
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
    // Their counters begin anew: what is numbered here is told to nobody.
    peers: new Map(),
    balances: new Map(state.balances),
  };
  return { state: { ...state, ...copies }, ctx: turn.ctx, events: [] };
}

/** Copies what orders of a side with these limits would meet. */
function copyAccepted(from: Book, to: Book, side: Side, limits: readonly bigint[]): void {
  const other = from[opposite(side)];
  for (const price of other.prices) {
    if (!limits.some((limit) => accepts(side, limit, price))) return;
    for (const order of levelAt(other, price).orders.values()) addToBook(to, { ...order });
  }
}
