// Whether an account may place an order, judged in the contract's order: the order's terms first, its funds last.

import {
  aboveMaxQty,
  belowMinNotional,
  displayOutOfRange,
  notTaken,
  offLot,
  offTick,
  outOfRange,
  outsideBand,
  tooLate,
  tooManyOpen,
} from "../broken-rules.ts";
import { feesAt, tierOf, volumeAt } from "../fees.ts";
import { formatUnits } from "../ledger.ts";
import { EXPIRES_AHEAD_MIN_MS, ICEBERG_PARTS_MAX, OPEN_ORDERS_MAX } from "../limits.ts";
import { listedAsset, type MarketRules } from "../listings.ts";
import { ceilDiv, UNITS_MAX } from "../money.ts";
import {
  bandOf,
  feeOf,
  limitBuyReserve,
  notionalOf,
  type OrderTerms,
  qtyWithinBudget,
  type Trigger,
  trailFrom,
} from "../order.ts";
import { invariant, ok, type Refusal, type Result, refuse } from "../result.ts";
import { type AccountState, assetsOf, balanceOf, creditOf } from "./state.ts";

/** A trigger as it is asked for: one that trails begins where admission finds the reference price. */
export type TriggerWish = Omit<Trigger, "price"> & { price: bigint | null };

/** What a client asks for, parsed: amounts in units, `expiresAt` in ms. Exactly one of qty and notional is set. */
export type OrderRequest = Omit<OrderTerms, "makerFeeBps" | "takerFeeBps" | "trigger"> & {
  trigger?: TriggerWish;
  /** `cancel_newest` was asked for; without it, that stands for whatever the account has chosen. */
  preventionGiven?: true;
  clientOrderId: string | null;
};

/**
 * An order that fits the schema and yet cannot be judged by its account: of a kind that no market takes, or with amounts
 * that have no units. `body` is its canonical text, which tells the same order from another.
 */
export interface UnreadOrder {
  clientOrderId: string | null;
  body: string;
  refusal: Refusal;
}

/** An admitted order's terms, with what is held for it and the most it may bring in, both in units. */
export interface Admitted {
  terms: OrderTerms;
  hold: bigint;
  credit: bigint;
}

/** What an order pays: frozen as it is admitted. */
type Fees = Pick<OrderTerms, "makerFeeBps" | "takerFeeBps">;

/** A resting price can lie above the reference by the band and the reference's own drift: twice covers both for ever. */
const CREDIT_PRICE_FACTOR = 2n;

/**
 * Judges a request under the market's rules at the reference price. Refuses with the first rule broken; on success the
 * terms have their fees frozen, at the account's tier, and a limit order by notional has become one by qty.
 */
export function admit(
  state: AccountState,
  request: OrderRequest,
  rules: MarketRules,
  reference: bigint,
  now: number,
): Result<Admitted> {
  if (state.status === "frozen") return refuse({ code: "account_frozen" });
  const crowded = crowdedness(state, rules);
  if (crowded !== null) return refuse(crowded);
  const terms = termsOf(chosen(state, request), rules, reference, feesAt(rules, tierOf(volumeAt(state.volumes, now))));
  const broken = brokenRule(terms, rules, reference, now);
  if (broken !== null) return refuse(broken);
  const { hold, credit } = stakeOf(terms, rules, reference);
  const { held, credited } = assetsOf(rules, terms.side);
  const beyond = creditRefusal(state, credited, credit);
  if (beyond !== null) return refuse(beyond);
  const available = balanceOf(state, "available", held);
  if (hold > available) {
    const needed = formatUnits(hold, held);
    return refuse({ code: "insufficient_funds", asset: held, needed, available: formatUnits(available, held) });
  }
  return ok({ terms, hold, credit });
}

/** The request with what its account has chosen where it does not say. */
function chosen({ selfTradePrevention }: AccountState, request: OrderRequest): OrderRequest {
  const left = request.selfTradePrevention === "cancel_newest" && request.preventionGiven !== true;
  return left ? { ...request, selfTradePrevention } : request;
}

/** What tells a request from another one under the same key: the same whether a default is written out or not. */
export function bodyOf({ preventionGiven: _, ...request }: OrderRequest): Omit<OrderRequest, "preventionGiven"> {
  return request;
}

/** Whether an account's balance could pass its bound with so many units more to come in (protocol rule 13). */
export function creditRefusal(state: AccountState, asset: string, credit: bigint): Refusal | null {
  const room = balanceOf(state, "available", asset) + balanceOf(state, "held", asset) + creditOf(state, asset);
  if (room + credit <= UNITS_MAX) return null;
  return { ...outOfRange(listedAsset(asset).scale, room + credit), detail: `${asset} could pass its bound.` };
}

/** Whether so many orders more may be open: in the account, and in this market. Null when they may. */
export function crowdedness(state: AccountState, rules: MarketRules, more = 1): Refusal | null {
  const { size } = state.orders;
  if (size + more > OPEN_ORDERS_MAX) return tooManyOpen(OPEN_ORDERS_MAX, size);
  // Counted only where so many are open at all: there may be thousands.
  if (size + more <= rules.maxOpenOrders) return null;
  let here = 0;
  for (const { symbol } of state.orders.values()) if (symbol === rules.symbol) here += 1;
  return here + more <= rules.maxOpenOrders ? null : tooManyOpen(rules.maxOpenOrders, here);
}

function termsOf(request: OrderRequest, rules: MarketRules, reference: bigint, fees: Fees): OrderTerms {
  const { clientOrderId: _, preventionGiven: __, trigger: wish, ...asked } = request;
  const terms: OrderTerms = { ...asked, ...fees };
  if (wish !== undefined) terms.trigger = { ...wish, price: wish.price ?? firstPrice(wish, rules, reference) };
  return withQty(terms, rules, reference);
}

/** Where a trigger that trails begins, by the price that it trails. One without a trail has its price. */
export function firstPrice({ when, trail }: Omit<TriggerWish, "price">, rules: MarketRules, reference: bigint): bigint {
  invariant(trail !== null, "a trigger has a price or a trail");
  return trailFrom(when, trail, reference, rules.tickSize);
}

/** The price that an order is judged at: its own limit, else where it is triggered, else the reference. */
function judgedAt({ limitPrice, trigger }: OrderTerms, reference: bigint): bigint {
  return limitPrice ?? trigger?.price ?? reference;
}

function withQty(terms: OrderTerms, rules: MarketRules, reference: bigint): OrderTerms {
  const { notional, side } = terms;
  if (notional === null || terms.qty !== null || (terms.limitPrice === null && side === "buy")) return terms;
  const price = judgedAt(terms, reference);
  const bps = side === "buy" ? Math.max(terms.makerFeeBps, terms.takerFeeBps) : 0;
  const qty = price > 0n ? qtyWithinBudget(notional, price, bps, { feeNumerator: 0n, fee: 0n }, rules) : 0n;
  return { ...terms, qty };
}

/**
 * The first rule of the market that an order breaks at the reference price; null when it breaks none. A limit that it has
 * already, `kept`, is not judged by the band again: it rests where it is.
 */
export function brokenRule(
  terms: OrderTerms,
  rules: MarketRules,
  reference: bigint,
  now: number,
  kept: bigint | null = null,
): Refusal | null {
  const { limitPrice, qty, trigger } = terms;
  const price = judgedAt(terms, reference);
  const closed = notTaken(rules, terms.postOnly);
  if (closed !== null) return closed;
  const trailed = trigger?.trail != null && "amount" in trigger.trail ? trigger.trail.amount : null;
  const prices = [limitPrice, trigger?.price ?? null, trailed];
  const slanted = prices.find((one) => one !== null && !isOnTick(one, rules));
  if (slanted != null) return offTick(rules, slanted);
  const value = worthOf(terms, price, rules);
  if (value === null) return offLot(rules, qty ?? 0n);
  const { displayQty } = terms;
  if (displayQty !== undefined && displayQty % rules.lotSize !== 0n) return offLot(rules, displayQty);
  if (limitPrice !== null && limitPrice !== kept) {
    const { low, high } = bandOf(reference, rules.priceBandBps, rules.tickSize);
    if (limitPrice < low || limitPrice > high) return outsideBand(rules, limitPrice < low ? low : high, limitPrice);
  }
  if (value < rules.minNotional || qty === 0n) return belowMinNotional(rules, value);
  const wanted = qty ?? notionalQty(value, price, rules);
  if (wanted > rules.maxQty) return aboveMaxQty(rules, wanted);
  const misshown = displayRefusal(terms, price, rules, kept === null);
  if (misshown !== null) return misshown;
  const soonest = now + EXPIRES_AHEAD_MIN_MS;
  return terms.expiresAt !== null && terms.expiresAt < soonest ? tooLate("expires_at", soonest, terms.expiresAt) : null;
}

function isOnTick(price: bigint, { tickSize }: MarketRules): boolean {
  return price > 0n && price % tickSize === 0n;
}

/** What an order is worth; null for nothing, and for a quantity that is not in whole lots. */
function worthOf({ qty, notional }: OrderTerms, price: bigint, rules: MarketRules): bigint | null {
  // An order by notional has its quantity when it is judged again, perhaps under another lot.
  if (qty !== null && qty % rules.lotSize !== 0n) return null;
  if (notional !== null) return notional;
  return qty === null || qty <= 0n ? null : notionalOf(price, qty, rules.baseScale);
}

/** Refuses an iceberg that shows too little at a time, and, where it is `fresh`, one that shows more than there is of it. */
function displayRefusal(terms: OrderTerms, price: bigint, rules: MarketRules, fresh: boolean): Refusal | null {
  const { qty, displayQty } = terms;
  if (displayQty === undefined || qty === null) return null;
  if (displayQty > qty) return fresh ? displayOutOfRange(rules, qty, displayQty) : null;
  const byParts = ceilDiv(qty, ICEBERG_PARTS_MAX);
  const byWorth = ceilDiv(rules.minNotional * 10n ** BigInt(rules.baseScale), price);
  const least = ceilDiv(byParts > byWorth ? byParts : byWorth, rules.lotSize) * rules.lotSize;
  return displayQty < least ? displayOutOfRange(rules, least, displayQty) : null;
}

function notionalQty(value: bigint, price: bigint, rules: MarketRules): bigint {
  return (value * 10n ** BigInt(rules.baseScale)) / price;
}

/**
 * What is held for an order, and the most that it may bring in. Only a buy by notional without a limit is still without a
 * qty.
 */
export function stakeOf(terms: OrderTerms, rules: MarketRules, reference: bigint): { hold: bigint; credit: bigint } {
  const { side, qty, notional, trigger } = terms;
  if (qty === null) {
    invariant(side === "buy" && notional !== null, "an admitted order has a quantity or is a buy by notional");
    const cheapest = trigger !== undefined && trigger.price < reference ? trigger.price : reference;
    return { hold: notional, credit: CREDIT_PRICE_FACTOR * notionalQty(notional, cheapest, rules) };
  }
  if (side === "buy") return { hold: buyHold(terms, qty, rules, reference), credit: qty };
  const dearest = trigger !== undefined && trigger.price > reference ? trigger.price : reference;
  return { hold: qty, credit: notionalOf(dearest * CREDIT_PRICE_FACTOR, qty, rules.baseScale) };
}

/**
 * A buy with a limit is held at it; one without, at the band's edge around the price at which it becomes a market order: the
 * dearest that each can be filled.
 */
function buyHold(terms: OrderTerms, qty: bigint, rules: MarketRules, reference: bigint): bigint {
  const { limitPrice, trigger } = terms;
  if (limitPrice !== null)
    return limitBuyReserve({ ...terms, feeNumerator: 0n, fee: 0n }, limitPrice, qty, rules.baseScale);
  // One that waits for the price to rise is triggered at once where the reference is beyond that already.
  const waits = trigger !== undefined && (trigger.when === "falls" || trigger.price > reference);
  const { high } = bandOf(waits ? trigger.price : reference, rules.priceBandBps, rules.tickSize);
  const worst = notionalOf(high, qty, rules.baseScale);
  return worst + feeOf(worst * BigInt(terms.takerFeeBps));
}
