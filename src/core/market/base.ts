// What is left of a market's events that have been cut: all of the state that they led to.
import { addToBook, type BookOrder, HOUSE, levelAt, type RestingOrder } from "../book.ts";
import type { MarketRules } from "../listings.ts";
import type { MarketEvent } from "./events.ts";
import type { MarketGroup } from "./groups.ts";
import type { MarketState } from "./state.ts";
import { isWaiting } from "./triggers.ts";

/** One thing that a base says. Orders come in the order of their place in time, the house's quotes among them. */
export type MarketBaseItem =
  | { item: "facts"; facts: MarketBaseFacts }
  | { item: "ledger"; account: string; units: bigint }
  | { item: "peer"; account: string; epoch: number; cseq: number; rseq: number }
  | { item: "order"; order: BookOrder; rests: boolean }
  | { item: "group"; group: MarketGroup };

/** The single values of a market. */
export interface MarketBaseFacts {
  rules: MarketRules;
  epoch: number;
  restoring: boolean;
  step: number;
  ledgerHead: string;
  lastPrice: bigint | null;
}

/** The accounts that an event of a market's concerns. */
export function accountsOf(event: MarketEvent): string[] {
  if (event.kind === "base") return event.items.flatMap((one) => (one.item === "peer" ? [one.account] : []));
  return "account" in event ? [event.account] : [];
}

/** Everything that a state is made of; `epochOf`: an account's, as far as it is known. What accounts are owed is not in it. */
export function marketBase(state: MarketState, epochOf: (account: string) => number): MarketBaseItem[] {
  const { rules, epoch, restoring, step, ledgerHead, lastPrice } = state;
  const items: MarketBaseItem[] = [{ item: "facts", facts: { rules, epoch, restoring, step, ledgerHead, lastPrice } }];
  for (const [account, units] of state.balances) items.push({ item: "ledger", account, units });
  for (const [account, { cseq, rseq }] of state.peers)
    items.push({ item: "peer", account, epoch: epochOf(account), cseq, rseq });
  for (const order of [...state.orders.values(), ...quotesOf(state)].sort((a, b) => a.seq - b.seq))
    items.push({ item: "order", order, rests: order.account === HOUSE || state.resting.has(order.id) });
  for (const group of state.groups.all.values()) items.push({ item: "group", group });
  return items;
}

function quotesOf({ book }: MarketState): RestingOrder[] {
  return [book.buy, book.sell].flatMap((side) =>
    side.prices.flatMap((price) =>
      [...levelAt(side, price).orders.values()].filter(({ account }) => account === HOUSE),
    ),
  );
}

/** Changes an empty state by items of a base. */
export function applyMarketItems(state: MarketState, items: readonly MarketBaseItem[]): void {
  for (const one of items) applyItem(state, one);
}

function applyItem(state: MarketState, one: MarketBaseItem): void {
  switch (one.item) {
    case "facts":
      Object.assign(state, one.facts);
      break;
    case "ledger":
      state.balances.set(one.account, one.units);
      break;
    case "peer":
      state.peers.set(one.account, { cseq: one.cseq, rseq: one.rseq, unacknowledged: [] });
      break;
    case "order":
      putOrder(state, one.order, one.rests);
      break;
    case "group":
      state.groups.all.set(one.group.id, one.group);
      state.groups.touched.add(one.group.id);
  }
}

/** Puts an open order where it was: among those that rest, wait or expire, which are met in this order. */
export function putOrder(state: MarketState, order: BookOrder, rests: boolean): void {
  if (order.account !== HOUSE) {
    state.orders.set(order.id, order);
    if (order.expiresAt !== null) state.expiring.set(order.id, order.expiresAt);
    if (isWaiting(order)) state.waiting.set(order);
    if (rests) state.resting.add(order.id);
  }
  if (rests) addToBook(state.book, order as RestingOrder);
}
