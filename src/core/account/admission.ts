// Whether an account may place an order, judged in the contract's order: the order's terms first, its funds last.

import { formatUnits } from "../ledger.ts";
import { EXPIRES_AHEAD_MIN_MS, OPEN_ORDERS_MAX } from "../limits.ts";
import type { MarketRules } from "../listings.ts";
import { UNITS_MAX } from "../money.ts";
import { bandOf, feeOf, limitBuyReserve, notionalOf, type OrderTerms, qtyWithinBudget } from "../order.ts";
import { invariant, ok, type Refusal, type Result, refuse } from "../result.ts";
import { type AccountState, assetsOf, balanceOf, creditOf } from "./state.ts";

/** What a client asks for, parsed: amounts in units, `expiresAt` in ms. Exactly one of qty and notional is set. */
export type OrderRequest = Omit<OrderTerms, "makerFeeBps" | "takerFeeBps"> & { clientOrderId: string | null };

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

/** A resting price can lie above the reference by the band and the reference's own drift: twice covers both for ever. */
const CREDIT_PRICE_FACTOR = 2n;

/**
 * Judges a request under the market's rules at the reference price. Refuses with the first rule broken; on success the
 * terms have their fees frozen and a limit order by notional has become one by qty.
 */
export function admit(
  state: AccountState,
  request: OrderRequest,
  rules: MarketRules,
  reference: bigint,
  now: number,
): Result<Admitted> {
  if (state.status === "frozen") return refuse({ code: "account_frozen" });
  if (state.orders.size >= OPEN_ORDERS_MAX) return refuse({ code: "too_many_open_orders" });
  const terms = withQty(request, rules, reference);
  const broken = brokenRule(terms, rules, reference, now);
  if (broken !== null) return refuse(broken);
  const { hold, credit } = stakeOf(terms, rules, reference);
  const { held, credited } = assetsOf(rules, terms.side);
  const room = balanceOf(state, "available", credited) + balanceOf(state, "held", credited) + creditOf(state, credited);
  if (room + credit > UNITS_MAX)
    return refuse({ code: "amount_out_of_range", detail: `${credited} could pass its bound` });
  const available = balanceOf(state, "available", held);
  if (hold > available) {
    const needed = formatUnits(hold, held);
    return refuse({ code: "insufficient_funds", asset: held, needed, available: formatUnits(available, held) });
  }
  return ok({ terms, hold, credit });
}

function withQty(request: OrderRequest, rules: MarketRules, reference: bigint): OrderTerms {
  const { clientOrderId: _, ...asked } = request;
  const terms: OrderTerms = { ...asked, makerFeeBps: rules.makerFeeBps, takerFeeBps: rules.takerFeeBps };
  if (terms.notional === null || terms.qty !== null || (terms.type === "market" && terms.side === "buy")) return terms;
  const price = terms.limitPrice ?? reference;
  const bps = terms.side === "buy" ? Math.max(rules.makerFeeBps, rules.takerFeeBps) : 0;
  const qty = price > 0n ? qtyWithinBudget(terms.notional, price, bps, { feeNumerator: 0n, fee: 0n }, rules) : 0n;
  return { ...terms, qty };
}

function brokenRule(terms: OrderTerms, rules: MarketRules, reference: bigint, now: number): Refusal | null {
  const { limitPrice, qty } = terms;
  const price = limitPrice ?? reference;
  if (rules.status !== "open") return { code: "market_not_open" };
  if (limitPrice !== null && (limitPrice <= 0n || limitPrice % rules.tickSize !== 0n)) return { code: "off_tick" };
  const value = worthOf(terms, price, rules);
  if (value === null) return { code: "off_lot" };
  if (limitPrice !== null) {
    const band = bandOf(reference, rules.priceBandBps, rules.tickSize);
    if (limitPrice < band.low || limitPrice > band.high) return { code: "price_outside_band" };
  }
  if (value < rules.minNotional || qty === 0n) return { code: "below_min_notional" };
  if ((qty ?? notionalQty(value, price, rules)) > rules.maxQty) return { code: "above_max_qty" };
  if (terms.expiresAt !== null && terms.expiresAt < now + EXPIRES_AHEAD_MIN_MS) return { code: "submitted_too_late" };
  return null;
}

/** What an order is worth; null for nothing, and for a quantity that is not in whole lots. */
function worthOf({ qty, notional }: OrderTerms, price: bigint, rules: MarketRules): bigint | null {
  // An order by notional has its quantity when it is judged again, perhaps under another lot.
  if (qty !== null && qty % rules.lotSize !== 0n) return null;
  if (notional !== null) return notional;
  return qty === null || qty <= 0n ? null : notionalOf(price, qty, rules.baseScale);
}

function notionalQty(value: bigint, price: bigint, rules: MarketRules): bigint {
  return (value * 10n ** BigInt(rules.baseScale)) / price;
}

/** What is held for an order, and the most that it may bring in. Only a market buy by notional is still without a qty. */
function stakeOf(terms: OrderTerms, rules: MarketRules, reference: bigint): { hold: bigint; credit: bigint } {
  const { side, qty, notional } = terms;
  if (qty === null) {
    invariant(side === "buy" && notional !== null, "an admitted order has a quantity or is a buy by notional");
    return { hold: notional, credit: CREDIT_PRICE_FACTOR * notionalQty(notional, reference, rules) };
  }
  if (side === "buy") return { hold: buyHold(terms, qty, rules, reference), credit: qty };
  return { hold: qty, credit: notionalOf(reference * CREDIT_PRICE_FACTOR, qty, rules.baseScale) };
}

/** A limit buy is held at its limit, a market buy at the band's edge: the dearest that each can be filled. */
function buyHold(terms: OrderTerms, qty: bigint, rules: MarketRules, reference: bigint): bigint {
  if (terms.limitPrice !== null) {
    return limitBuyReserve({ ...terms, feeNumerator: 0n, fee: 0n }, terms.limitPrice, qty, rules.baseScale);
  }
  const { high } = bandOf(reference, rules.priceBandBps, rules.tickSize);
  const worst = notionalOf(high, qty, rules.baseScale);
  return worst + feeOf(worst * BigInt(rules.takerFeeBps));
}
