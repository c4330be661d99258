// An order as its owner's account keeps it: terms frozen at admission, what has happened since, and what it may still cost.

import type { Membership } from "./groups.ts";
import type { CancelReason } from "./messages.ts";
import { ceilDiv } from "./money.ts";
import type { BrokenRule } from "./result.ts";

/** What the owner does with the base asset. */
export type Side = "buy" | "sell";
/**
 * At any price inside the band, or at `limitPrice` or better; the others wait for their {@link Trigger} and are one of the two
 * from then on: `stop_limit` the second, `stop`, `take_profit` and `trailing_stop` the first.
 */
export type OrderType = "market" | "limit" | "stop" | "stop_limit" | "take_profit" | "trailing_stop";
/** How long an order lives: until canceled, until its expiry, until 00:00 UTC; at once and no longer, or at once and whole. */
export type TimeInForce = "gtc" | "gtd" | "day" | "ioc" | "fok";
/**
 * What happens when an order would meet one of its own account: they trade (`none`); the one that comes in, the one that
 * rests or both are canceled; or both lose what they would have traded.
 */
export const SELF_TRADE_PREVENTIONS = ["none", "cancel_newest", "cancel_oldest", "cancel_both", "decrement"] as const;
/** One of {@link SELF_TRADE_PREVENTIONS}. */
export type SelfTradePrevention = (typeof SELF_TRADE_PREVENTIONS)[number];
/** Where an order is; {@link canTransition} says where it may go from there. */
export type OrderStatus =
  | "pending_new"
  | "held"
  | "new"
  | "partially_filled"
  | "filled"
  | "canceled"
  | "expired"
  | "rejected";
/** What a market reports of an order. */
export type ExecType = "new" | "rejected" | "fill" | "canceled" | "expired" | "triggered" | "replaced";
/** Which side of a trade: the order that rested, or the one that met it. */
export type Liquidity = "maker" | "taker";

/** How far a trailing trigger stays behind the best reference price since it was placed. */
export type Trail = { bps: number } | { amount: bigint };

/**
 * What an order waits for: the reference price at `price` or beyond, coming from below (`rises`) or above (`falls`). With
 * `trail` it follows a reference price that moves away, and never goes back.
 */
export interface Trigger {
  when: "rises" | "falls";
  price: bigint;
  trail: Trail | null;
}

/** What is agreed at admission and never changes. Amounts in units; times in ms since the epoch. */
export interface OrderTerms {
  symbol: string;
  side: Side;
  type: OrderType;
  timeInForce: TimeInForce;
  postOnly: boolean;
  qty: bigint | null;
  notional: bigint | null;
  limitPrice: bigint | null;
  /** The most that it shows in the book at a time; without, all that is left of it. */
  displayQty?: bigint;
  /** What it waits for, or has waited for. */
  trigger?: Trigger;
  expiresAt: number | null;
  selfTradePrevention: SelfTradePrevention;
  makerFeeBps: number;
  takerFeeBps: number;
}

/**
 * What the owner has asked to change and the market has not answered. `hold` and `credit` are what they are once it has been
 * replaced, and those `before` what they are if not.
 */
export interface Replacement {
  qty: bigint | null;
  limitPrice: bigint | null;
  trigger?: Trigger;
  /** The other cap that goes with it, see {@link Membership}. */
  cap?: bigint;
  hold: bigint;
  credit: bigint;
  before: { hold: bigint; credit: bigint };
}

/**
 * The account's order. `hold` is what is reserved now (quote for a buy, base for a sell); `credit` the most it may still
 * bring in, under its terms and those it may be replaced with; `feeNumerator` is Σ fill notional × bps, of which `fee` = ceil(/10,000) has been charged.
 */
export interface Order extends OrderTerms {
  id: string;
  clientOrderId: string | null;
  bodyHash: string;
  status: OrderStatus;
  reason: string | null;
  cancelRequested: boolean;
  replacing?: Replacement | null;
  /** Why the last change that was asked for has not been made. */
  replaceRefused?: string | null;
  /** The rule that it, or the last change of it, has been refused for; the version before leaves it out. */
  broken?: BrokenRule | undefined;
  /** Why its cancel was asked for, where that was not by hand. */
  cancelReason?: CancelReason;
  /** The atomic batch that it was placed with, if any. */
  batch?: string;
  /** Its place in a group, if any, and the ids of the parent's legs; of a leg of an oco, what its parent was placed under. */
  group?: Membership & { legs: string[]; key?: { clientOrderId: string | null; bodyHash: string } };
  /** Its legs as they are now: in answers alone, and never stored. */
  legs?: Order[];
  filledQty: bigint;
  filledNotional: bigint;
  feeNumerator: bigint;
  fee: bigint;
  hold: bigint;
  credit: bigint;
  createdAt: number;
  updatedAt: number;
  seq: number;
}

const TRANSITIONS: Record<OrderStatus, readonly OrderStatus[]> = {
  pending_new: ["new", "held", "rejected"],
  held: ["new", "canceled", "expired"],
  new: ["partially_filled", "filled", "canceled", "expired"],
  partially_filled: ["partially_filled", "filled", "canceled", "expired"],
  filled: [],
  canceled: [],
  expired: [],
  rejected: [],
};

/** Whether an order may go from one status to another in one report; terminal statuses go nowhere. */
export function canTransition(from: OrderStatus, to: OrderStatus): boolean {
  return TRANSITIONS[from].includes(to);
}

/** Whether the order may still trade or is still to be answered by its market. */
export function isOpen(status: OrderStatus): boolean {
  return TRANSITIONS[status].length > 0;
}

/** Whether its owner has asked to change it and its market has not answered. */
export function isReplacing({ replacing }: { replacing?: unknown }): boolean {
  return (replacing ?? null) !== null;
}

/** What is left to trade, in base units; 0 for a closed order and for one that is bounded by its notional alone. */
export function leavesOf(order: Pick<Order, "qty" | "filledQty" | "status">): bigint {
  return order.qty === null || !isOpen(order.status) ? 0n : order.qty - order.filledQty;
}

const BPS = 10_000n;

/** The fee due for a cumulative numerator (Σ notional × bps): rounded up to one unit, protocol rule 12. */
export function feeOf(numerator: bigint): bigint {
  return ceilDiv(numerator, BPS);
}

/**
 * What one fill adds to an order's fee, in quote units: the cumulative fee less what was charged before, so that
 * splitting a fill never costs more than one unit in all.
 */
export function feeOfFill(charged: { feeNumerator: bigint; fee: bigint }, notional: bigint, bps: number) {
  const feeNumerator = charged.feeNumerator + notional * BigInt(bps);
  return { feeNumerator, fee: feeOf(feeNumerator) - charged.fee };
}

/** Quote units for `qty` base units at `price` quote units per whole base unit. Exact on tick and lot, protocol rule 12. */
export function notionalOf(price: bigint, qty: bigint, baseScale: number): bigint {
  return (price * qty) / 10n ** BigInt(baseScale);
}

/** The most a limit buy can still cost: what is left at its limit plus the dearer of its two fees, not yet charged. */
export function limitBuyReserve(
  order: Pick<Order, "makerFeeBps" | "takerFeeBps" | "feeNumerator" | "fee">,
  limitPrice: bigint,
  leaves: bigint,
  baseScale: number,
): bigint {
  const worst = notionalOf(limitPrice, leaves, baseScale);
  const bps = BigInt(Math.max(order.makerFeeBps, order.takerFeeBps));
  return worst + feeOf(order.feeNumerator + worst * bps) - order.fee;
}

type Priced = Pick<Order, "side" | "makerFeeBps" | "takerFeeBps" | "feeNumerator" | "fee">;

/**
 * All that an order can still cost at a limit with so much left, exactly; null where only its hold bounds it: for a buy
 * without a limit.
 */
export function worstCost(order: Priced, limitPrice: bigint | null, leaves: bigint, baseScale: number): bigint | null {
  if (order.side === "sell") return leaves;
  return limitPrice === null ? null : limitBuyReserve(order, limitPrice, leaves, baseScale);
}

/**
 * The greatest quantity, in whole lots, that `budget` quote units still buy at `price`, fee included.
 * Solves n + ceil((numerator + n × bps) / 10,000) − charged ≤ budget for the notional n, then floors to the lot.
 */
export function qtyWithinBudget(
  budget: bigint,
  price: bigint,
  bps: number,
  charged: { feeNumerator: bigint; fee: bigint },
  market: { baseScale: number; lotSize: bigint },
): bigint {
  const room = (budget + charged.fee) * BPS - charged.feeNumerator;
  const notional = room / (BPS + BigInt(bps));
  const qty = (notional * 10n ** BigInt(market.baseScale)) / price;
  return qty - (qty % market.lotSize);
}

/** The prices between which a market allows trading entry, on tick, inclusive. */
export function bandOf(reference: bigint, bandBps: number, tickSize: bigint): { low: bigint; high: bigint } {
  const low = ceilDiv(reference * (BPS - BigInt(bandBps)), BPS);
  const high = (reference * (BPS + BigInt(bandBps))) / BPS;
  return { low: ceilDiv(low, tickSize) * tickSize, high: high - (high % tickSize) };
}

/**
 * The trigger price that trails `reference` (quote units per whole base unit) on its far side, on tick: rounded away from the
 * reference, so that it is never nearer than was asked for.
 */
export function trailFrom(when: Trigger["when"], trail: Trail, reference: bigint, tickSize: bigint): bigint {
  if (when === "rises") {
    const price = "amount" in trail ? reference + trail.amount : ceilDiv(reference * (BPS + BigInt(trail.bps)), BPS);
    return ceilDiv(price, tickSize) * tickSize;
  }
  const price = "amount" in trail ? reference - trail.amount : (reference * (BPS - BigInt(trail.bps))) / BPS;
  return price - (price % tickSize);
}
