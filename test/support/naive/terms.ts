// A market written a second time, from the words of the contract and of docs/protocol.md alone: a few plain lists, looked through
// from end to end for everything. Slow and plain; what it says is what the real one must say. Here: what it keeps and says.
import type { SelfTradePrevention, Side, TimeInForce } from "../../../src/core/order.ts";

export interface NaiveRules {
  baseScale: number;
  lotSize: bigint;
  tickSize: bigint;
  priceBandBps: number;
}

export interface NaiveTrigger {
  when: "rises" | "falls";
  price: bigint;
  trail: { bps: number } | { amount: bigint } | null;
}

/** An order's place in a bracket, an oto or an oco, and the dearest price of one that buys back without a limit. */
export interface NaivePlace {
  id: string;
  kind: "bracket" | "oto" | "oco";
  role: "container" | "entry" | "take_profit" | "stop_loss";
  cap?: bigint;
}

export interface NaiveOrder {
  id: string;
  account: string;
  side: Side;
  price: bigint | null;
  leaves: bigint | null;
  /** The most that it shows at a time; all of it where that is not said. */
  displayQty?: bigint;
  timeInForce: TimeInForce;
  postOnly: boolean;
  selfTradePrevention: SelfTradePrevention;
  makerFeeBps: number;
  takerFeeBps: number;
  budget: bigint;
  expiresAt: number | null;
  trigger?: NaiveTrigger | undefined;
  group?: NaivePlace;
}

/**
 * An order that has come in, with what has happened to it: Σ notional × bps and the fee for it, what it shows, what it has traded and
 * what self-trade prevention took off it, whether its trigger has come up, and why it has ended.
 */
export type Working = NaiveOrder & {
  came: number;
  basis: bigint;
  fee: bigint;
  shown: bigint;
  filled: bigint;
  lost: bigint;
  triggered: boolean;
  ended: string | null;
  /** The order of its owner that it ended at, itself alone. */
  stopped: NaivePrevented | null;
};

/** Orders that belong together; `start` is what an oco is for, nothing where there is an entry. */
export interface NaiveGroup {
  id: string;
  start: bigint;
  entry: Working | null;
  exits: Working[];
}

export interface NaiveFill {
  price: bigint;
  qty: bigint;
  fee: bigint;
  liquidity: "maker" | "taker";
  done: boolean;
}

/** So much more or less, at this limit, with this held for it from then on, and where its trigger is put, if it is. */
export interface NaiveChange {
  by: bigint;
  price: bigint | null;
  hold: bigint;
  trigger: bigint | null;
}

/** Two orders of one owner that would have traded so much at the maker's price. */
export interface NaivePrevented {
  taker: string;
  maker: string;
  side: Side;
  price: bigint;
  qty: bigint;
  mode: SelfTradePrevention;
}

export interface NaiveEvent {
  account: string;
  orderId: string;
  what:
    | "new"
    | "rejected"
    | "triggered"
    | "fill"
    | "canceled"
    | "expired"
    | "cancel_rejected"
    | "replaced"
    | "replace_rejected";
  reason: string | null;
  fill: NaiveFill | null;
  change: NaiveChange | null;
  /** Where a trigger stood that has come up. */
  at: bigint | null;
  prevented: NaivePrevented | null;
}

/** Every open order is in one of three lists, each in the order of their coming: in the book, waiting for its trigger, or asleep. */
export interface Naive {
  rules: NaiveRules;
  resting: Working[];
  waiting: Working[];
  asleep: Working[];
  groups: NaiveGroup[];
  /** The groups that something has happened to since they were last settled, in the order in which it did. */
  touched: NaiveGroup[];
  events: NaiveEvent[];
}

export const HOUSE = "house";

export function emptyNaive(rules: NaiveRules): Naive {
  return { rules, resting: [], waiting: [], asleep: [], groups: [], touched: [], events: [] };
}

export function openOrders({ resting, waiting, asleep }: Naive): Working[] {
  return [...resting, ...waiting, ...asleep].filter(({ account }) => account !== HOUSE);
}

export function groupOf({ groups }: Naive, { group }: NaiveOrder): NaiveGroup | undefined {
  return groups.find(({ id }) => id === group?.id);
}

export function isExit({ group }: NaiveOrder): boolean {
  return group !== undefined && group.role !== "entry";
}

/** Takes an order out of wherever it is. */
export function takeOut(market: Naive, order: Working): void {
  market.resting = market.resting.filter((other) => other !== order);
  market.waiting = market.waiting.filter((other) => other !== order);
  market.asleep = market.asleep.filter((other) => other !== order);
}

/** Tells the owner of an order what became of it; whatever it is, its group has to be looked at. */
export function say(
  market: Naive,
  { account, id: orderId, group: place }: NaiveOrder,
  what: NaiveEvent["what"],
  reason: string | null = null,
  more: Partial<NaiveEvent> = {},
): void {
  if (account === HOUSE) return;
  market.events.push({ account, orderId, what, reason, fill: null, change: null, at: null, prevented: null, ...more });
  const group = market.groups.find(({ id }) => id === place?.id);
  if (group !== undefined && !market.touched.includes(group)) market.touched.push(group);
}

export function end(
  market: Naive,
  order: Working,
  reason: string,
  what: "canceled" | "expired" = "canceled",
  prevented: NaivePrevented | null = null,
): void {
  takeOut(market, order);
  order.ended = reason;
  say(market, order, what, reason, { prevented });
}
