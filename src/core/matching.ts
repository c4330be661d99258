// Decides what an incoming order meets: strict price, then time, at the maker's price. Reads the book, never changes it.
import { accepts, type Book, type BookOrder, type Level, levelAt, opposite, type RestingOrder } from "./book.ts";
import { FILLS_PER_COMMAND_MAX } from "./limits.ts";
import { feeOfFill, notionalOf, qtyWithinBudget, type SelfTradePrevention } from "./order.ts";
import { invariant } from "./result.ts";

/** One meeting: the maker, its price (quote units per whole base unit), base units, and what they cost in quote units. */
export interface PlannedFill {
  maker: RestingOrder;
  price: bigint;
  qty: bigint;
  notional: bigint;
}

/** A trade with oneself that does not happen: the maker is canceled, or both sides lose so many base units. */
export interface Prevented {
  prevents: "cancel" | "decrement";
  maker: RestingOrder;
  qty: bigint;
}

/** What an incoming order comes upon. */
export type Meeting = PlannedFill | Prevented;

/** Whether two orders trade. */
export function isFill(meeting: Meeting): meeting is PlannedFill {
  return !("prevents" in meeting);
}

/** Why matching ended before the incoming order was done; null when it found no more acceptable prices. */
export type MatchEnd = "self_trade_prevention" | "hold_exhausted" | "too_many_fills" | "halted" | null;

/** Prices, in quote units per whole base unit, inclusive. */
export interface PriceRange {
  low: bigint;
  high: bigint;
}

/** `complete`: the order has got all that it may get; `end`: why it stopped, when not by itself. */
export interface MatchPlan {
  meetings: Meeting[];
  complete: boolean;
  end: MatchEnd;
}

/** What matching needs of a market's rules: the base's digits, and the least quantity in base units. */
export interface MatchRules {
  baseScale: number;
  lotSize: bigint;
}

/** What a plan still may take: shrinks as fills are planned, without touching the order. */
interface Remainder {
  traded: boolean;
  leaves: bigint | null;
  budget: bigint;
  feeNumerator: bigint;
  fee: bigint;
}

/**
 * Plans the fills of `taker` against the other side of the book, down to `limit` (its limit price, or the band's edge for
 * a market order). A buy never passes its budget: notional plus fee, rounded up. Throws InvariantError for an order of
 * nothing: it would rest for ever without a place in its level's total. The first trade that would be outside of `tradable` does
 * not happen, and none after it: `halted`.
 */
export function planMatch(
  book: Book,
  taker: BookOrder,
  limit: bigint,
  rules: MatchRules,
  tradable: PriceRange | null = null,
): MatchPlan {
  invariant(taker.leaves === null || taker.leaves > 0n, `order ${taker.id} is for nothing`);
  const meetings: Meeting[] = [];
  const left: Remainder = {
    traded: false,
    leaves: taker.leaves,
    budget: taker.budget,
    feeNumerator: taker.feeNumerator,
    fee: taker.fee,
  };
  const side = book[opposite(taker.side)];
  for (const price of side.prices) {
    if (!accepts(taker.side, limit, price)) break;
    const outside = tradable !== null && (price < tradable.low || price > tradable.high);
    const end = planLevel(levelAt(side, price), taker, left, rules, meetings, outside);
    if (end !== "next_level") return { meetings, complete: end === "complete", end: end === "complete" ? null : end };
  }
  return { meetings, complete: false, end: null };
}

function planLevel(
  level: Level,
  taker: BookOrder,
  left: Remainder,
  rules: MatchRules,
  meetings: Meeting[],
  outside: boolean,
): "next_level" | "complete" | Exclude<MatchEnd, null> {
  for (const maker of level.orders.values()) {
    const affordable = affordableQty(taker, level.price, left, rules);
    // An order by notional is done when its money buys no further lot; one by qty has run out of hold.
    if (affordable === 0n) return taker.leaves === null && left.traded ? "complete" : "hold_exhausted";
    if (meetings.length === FILLS_PER_COMMAND_MAX) return "too_many_fills";
    if (maker.account === taker.account && taker.selfTradePrevention !== "none") {
      if (prevent(maker, taker.selfTradePrevention, left, meetings)) return "self_trade_prevention";
      continue;
    }
    if (outside) return "halted";
    const qty = smallest(maker.leaves, affordable, left.leaves);
    const notional = notionalOf(level.price, qty, rules.baseScale);
    meetings.push({ maker, price: level.price, qty, notional });
    take(taker, left, qty, notional);
    if (left.leaves === 0n) return "complete";
    if (qty < maker.leaves) return taker.leaves === null ? "complete" : "hold_exhausted";
  }
  return "next_level";
}

/** Keeps an order from meeting its owner's; whether that is the end of it. One by notional has no quantity to lose. */
function prevent(maker: RestingOrder, mode: SelfTradePrevention, left: Remainder, meetings: Meeting[]): boolean {
  if (mode === "decrement" && left.leaves !== null) {
    const qty = smallest(maker.leaves, left.leaves, null);
    meetings.push({ prevents: "decrement", maker, qty });
    left.leaves -= qty;
    return left.leaves === 0n;
  }
  if (mode === "cancel_oldest" || mode === "cancel_both")
    meetings.push({ prevents: "cancel", maker, qty: maker.leaves });
  return mode !== "cancel_oldest";
}

function affordableQty(taker: BookOrder, price: bigint, left: Remainder, rules: MatchRules): bigint {
  if (taker.side === "sell") return left.budget;
  return qtyWithinBudget(left.budget, price, taker.takerFeeBps, left, rules);
}

function take(taker: BookOrder, left: Remainder, qty: bigint, notional: bigint): void {
  const next = feeOfFill(left, notional, taker.takerFeeBps);
  left.budget -= taker.side === "buy" ? notional + next.fee : qty;
  left.feeNumerator = next.feeNumerator;
  left.fee += next.fee;
  left.traded = true;
  if (left.leaves !== null) left.leaves -= qty;
}

function smallest(a: bigint, b: bigint, c: bigint | null): bigint {
  const least = a < b ? a : b;
  return c !== null && c < least ? c : least;
}
