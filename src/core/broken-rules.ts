// How a refusal names the rule that an order breaks: the rule, its bound, and what the order had, as the wire shows figures.
import { formatDecimal } from "./decimal.ts";
import type { MarketRules, MarketStatus } from "./listings.ts";
import { UNITS_MAX } from "./money.ts";
import type { BrokenRule, PlainOrderCode } from "./result.ts";

/** A refusal with the rule that it is for. */
export interface RuleRefusal {
  code: PlainOrderCode;
  broken: BrokenRule;
}

/** What a rule's figures are told in. */
type Scales = Pick<MarketRules, "baseScale" | "quoteScale">;

function refusal(code: PlainOrderCode, rule: string, limit: string, value: string): RuleRefusal {
  return { code, broken: { rule, limit, value } };
}

/** A price, or a distance of prices, that is not a positive multiple of the tick. */
export function offTick(rules: MarketRules, price: bigint): RuleRefusal {
  return refusal("off_tick", "tick_size", priceText(rules, rules.tickSize), priceText(rules, price));
}

/** A quantity that is not in whole lots. */
export function offLot(rules: MarketRules, qty: bigint): RuleRefusal {
  return refusal("off_lot", "lot_size", qtyText(rules, rules.lotSize), qtyText(rules, qty));
}

/** An order worth too little, in quote units. */
export function belowMinNotional(rules: MarketRules, worth: bigint): RuleRefusal {
  return refusal("below_min_notional", "min_notional", priceText(rules, rules.minNotional), priceText(rules, worth));
}

/** A quantity above the most that one order may have. */
export function aboveMaxQty(rules: MarketRules, qty: bigint): RuleRefusal {
  return refusal("above_max_qty", "max_qty", qtyText(rules, rules.maxQty), qtyText(rules, qty));
}

/** A limit beyond an edge of the band; `edge` is the nearest price that it allows. */
export function outsideBand(rules: MarketRules, edge: bigint, price: bigint): RuleRefusal {
  return refusal("price_outside_band", "price_band_bps", priceText(rules, edge), priceText(rules, price));
}

/** A market that takes no such order as it is; null where it takes it. */
export function notTaken({ status }: { status: MarketStatus }, postOnly: boolean): RuleRefusal | null {
  if (status === "open" || (status === "post_only" && postOnly)) return null;
  return refusal(status === "post_only" ? "market_post_only" : "market_not_open", "status", "open", status);
}

/** One order more than may be open. */
export function tooManyOpen(most: number, open: number): RuleRefusal {
  return refusal("too_many_open_orders", "max_open_orders", String(most), String(open));
}

/** A time, in ms, on the wrong side of another. */
export function tooLate(rule: "expires_at" | "not_after", limit: number, value: number): RuleRefusal {
  return refusal("submitted_too_late", rule, new Date(limit).toISOString(), new Date(value).toISOString());
}

/** Exits that are not on either side of their entry and of each other: `price` should be below `bound`. */
export function exitsMisplaced(rules: Scales, bound: bigint, price: bigint): RuleRefusal {
  return refusal("exits_misplaced", "exits", priceText(rules, bound), priceText(rules, price));
}

/** A post-only order whose limit meets the best price of the other side. */
export function wouldCross(rules: Scales, best: bigint, limit: bigint): RuleRefusal {
  return refusal("post_only_would_cross", "post_only", priceText(rules, best), priceText(rules, limit));
}

/** An iceberg that shows too little or too much of itself at a time; `bound` is the nearest quantity that it may show. */
export function displayOutOfRange(rules: Scales, bound: bigint, shown: bigint): RuleRefusal {
  return refusal("display_qty_out_of_range", "display_qty", qtyText(rules, bound), qtyText(rules, shown));
}

/** An order for at once and whole, of which only `fillable` base units could be had. */
export function notFillable(rules: Scales, fillable: bigint, wanted: bigint): RuleRefusal {
  return refusal("fok_not_fillable", "fok", qtyText(rules, fillable), qtyText(rules, wanted));
}

/** One by notional, of which only `spendable` quote units could be spent, fee included. */
export function notSpendable(rules: Scales, spendable: bigint, wanted: bigint): RuleRefusal {
  return refusal("fok_not_fillable", "fok", priceText(rules, spendable), priceText(rules, wanted));
}

/** More units of an asset with so many digits than any amount may have. */
export function outOfRange(scale: number, units: bigint): RuleRefusal {
  return refusal("amount_out_of_range", "amount", formatDecimal(UNITS_MAX, scale), formatDecimal(units, scale));
}

function priceText({ quoteScale }: Scales, units: bigint): string {
  return formatDecimal(units, quoteScale);
}

function qtyText({ baseScale }: Scales, units: bigint): string {
  return formatDecimal(units, baseScale);
}
