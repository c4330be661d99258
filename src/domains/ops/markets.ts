// Operators' acts on one market: each is one call to the object, which journals who did it and why.
import { parseDecimal } from "../../core/decimal.ts";
import { findMarket, type MarketRules, type MarketStatus } from "../../core/listings.ts";
import type { RulesChange } from "../../core/market/rules.ts";
import { referencePrice } from "../../core/prices.ts";
import { type FieldError, ok, type Result, refuse } from "../../core/result.ts";
import { wireMarket } from "../../core/wire-market.ts";
import type { MarketView, OperatorAct } from "../../objects/protocol.ts";
import { callObject, marketStub, type ObjectBindings } from "../../objects/stubs.ts";

/** What of a market's rules an operator wants to be other, as it was sent: amounts as decimals. */
export type RulesWish = Partial<
  Record<"tick_size" | "lot_size" | "min_notional" | "max_qty", string | undefined> &
    Record<
      | "max_open_orders"
      | "price_band_bps"
      | "breaker_bps"
      | "breaker_window_ms"
      | "breaker_halt_ms"
      | "maker_fee_bps"
      | "taker_fee_bps",
      number | undefined
    >
>;

/** What prices are simulated from, and when. */
export interface MarketMoment {
  priceSeed: number;
  nowMs: number;
}

/** A market as operators see it. */
export function wireAdminMarket({ rules, takes, canceling }: MarketView, { priceSeed, nowMs }: MarketMoment) {
  return { ...wireMarket({ rules, takes, reference: referencePrice(rules, priceSeed, nowMs) }), canceling };
}

/** Gives a listed market another status. Refuses `unavailable`. */
export function setMarketStatus(
  env: ObjectBindings,
  symbol: string,
  status: MarketStatus,
  act: OperatorAct,
): Promise<Result<MarketView>> {
  return callObject(() => marketStub(env, symbol).setStatus(status, act));
}

/**
 * Changes a listed market's rules. Refuses `validation_failed` for more digits than the assets have, and for rules that do not fit
 * each other; `market_not_empty`; and `unavailable`.
 */
export async function changeMarketRules(
  env: ObjectBindings,
  symbol: string,
  wish: RulesWish,
  act: OperatorAct,
): Promise<Result<MarketView>> {
  const listed = findMarket(symbol);
  if (listed === undefined) return refuse({ code: "not_found" });
  const change = rulesChangeOf(wish, listed);
  if (!change.ok) return change;
  return callObject(() => marketStub(env, symbol).changeRules(change.value, act));
}

const NUMBERS = [
  ["max_open_orders", "maxOpenOrders"],
  ["price_band_bps", "priceBandBps"],
  ["breaker_bps", "breakerBps"],
  ["breaker_window_ms", "breakerWindowMs"],
  ["breaker_halt_ms", "breakerHaltMs"],
  ["maker_fee_bps", "makerFeeBps"],
  ["taker_fee_bps", "takerFeeBps"],
] as const;

function rulesChangeOf(wish: RulesWish, { baseScale, quoteScale }: MarketRules): Result<RulesChange> {
  const change: RulesChange = {};
  const errors: FieldError[] = [];
  const amounts = [
    ["tick_size", "tickSize", quoteScale],
    ["lot_size", "lotSize", baseScale],
    ["min_notional", "minNotional", quoteScale],
    ["max_qty", "maxQty", baseScale],
  ] as const;
  for (const [sent, name, scale] of amounts) {
    const text = wish[sent];
    const units = text === undefined ? null : parseDecimal(text, scale);
    if (units === null) continue;
    if (units.ok) change[name] = units.value;
    else if (units.reason === "range") errors.push(wrong(sent, "too_big", "No amount can be so large."));
    else errors.push(wrong(sent, "excess_precision", `It has at most ${scale} digits.`));
  }
  for (const [sent, name] of NUMBERS) {
    const value = wish[sent];
    if (value !== undefined) change[name] = value;
  }
  return errors.length === 0 ? ok(change) : refuse({ code: "validation_failed", errors });
}

function wrong(name: string, code: string, detail: string): FieldError {
  return { pointer: `/${name}`, code, detail };
}
