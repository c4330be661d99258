// Decides what an incoming order meets: strict price, then time, at the maker's price. Reads the book, never changes it.
import {
  accepts,
  type Book,
  type BookOrder,
  type Level,
  levelAt,
  nextShown,
  opposite,
  type RestingOrder,
  shownOf,
} from "./book.ts";
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

/**
 * A trade with oneself that does not happen, of so many base units: the incoming order alone ends, the maker is canceled, or both
 * sides lose that much.
 */
export interface Prevented {
  prevents: "cancel_taker" | "cancel_maker" | "decrement";
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

/** What a plan is made of as it grows. */
interface Planning {
  taker: BookOrder;
  rules: MatchRules;
  tradable: PriceRange | null;
  meetings: Meeting[];
  left: Remainder;
}

type PlanEnd = "complete" | Exclude<MatchEnd, null>;

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
  const { leaves, budget, feeNumerator, fee } = taker;
  const planning: Planning = {
    taker,
    rules,
    tradable,
    meetings,
    left: { traded: false, leaves, budget, feeNumerator, fee },
  };
  const side = book[opposite(taker.side)];
  for (const price of side.prices) {
    if (!accepts(taker.side, limit, price)) break;
    const end = planLevel(planning, levelAt(side, price));
    if (end !== null) return { meetings, complete: end === "complete", end: end === "complete" ? null : end };
  }
  return { meetings, complete: false, end: null };
}

/** Goes through a level, what it shows first and then what icebergs show in turn; null when the order wants more than that. */
function planLevel(planning: Planning, level: Level): PlanEnd | null {
  const hiding: { maker: RestingOrder; displayQty: bigint; hidden: bigint }[] = [];
  for (const maker of level.orders.values()) {
    const shown = shownOf(maker);
    const end = meet(planning, maker, shown);
    if (end !== null) return end;
    const { displayQty, leaves } = maker;
    if (displayQty !== undefined && leaves > shown && !isPrevented(planning.taker, maker))
      hiding.push({ maker, displayQty, hidden: leaves - shown });
  }
  // Grows while it is gone through: whoever shows more stands behind those who did so before.
  for (const { maker, displayQty, hidden } of hiding) {
    const shown = nextShown(displayQty, hidden);
    const end = meet(planning, maker, shown);
    if (end !== null) return end;
    if (hidden > shown) hiding.push({ maker, displayQty, hidden: hidden - shown });
  }
  return null;
}

/** Meets so many base units of one order; null when the incoming order wants more than that. */
function meet(
  { taker, rules, tradable, meetings, left }: Planning,
  maker: RestingOrder,
  shown: bigint,
): PlanEnd | null {
  const { price } = maker;
  const affordable = affordableQty(taker, price, left, rules);
  // An order by notional is done when its money buys no further lot; one by qty has run out of hold.
  if (affordable === 0n) return taker.leaves === null && left.traded ? "complete" : "hold_exhausted";
  if (meetings.length === FILLS_PER_COMMAND_MAX) return "too_many_fills";
  if (isPrevented(taker, maker)) {
    const ends = prevent(maker, taker.selfTradePrevention, left, { meetings, affordable });
    return ends ? "self_trade_prevention" : null;
  }
  if (tradable !== null && (price < tradable.low || price > tradable.high)) return "halted";
  const qty = smallest(shown, affordable, left.leaves);
  const notional = notionalOf(price, qty, rules.baseScale);
  meetings.push({ maker, price, qty, notional });
  take(taker, left, qty, notional);
  if (left.leaves === 0n) return "complete";
  if (qty < shown) return taker.leaves === null ? "complete" : "hold_exhausted";
  return null;
}

function isPrevented(taker: BookOrder, maker: RestingOrder): boolean {
  return maker.account === taker.account && taker.selfTradePrevention !== "none";
}

/** Keeps an order from meeting its owner's, what that hides included; whether that is the end of it. One by notional has no quantity to lose. */
function prevent(
  maker: RestingOrder,
  mode: SelfTradePrevention,
  left: Remainder,
  { meetings, affordable }: { meetings: Meeting[]; affordable: bigint },
): boolean {
  if (mode === "decrement" && left.leaves !== null) {
    const qty = smallest(maker.leaves, left.leaves, null);
    meetings.push({ prevents: "decrement", maker, qty });
    left.leaves -= qty;
    return left.leaves === 0n;
  }
  const prevents = mode === "cancel_oldest" || mode === "cancel_both" ? "cancel_maker" : "cancel_taker";
  meetings.push({ prevents, maker, qty: smallest(maker.leaves, affordable, left.leaves) });
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
