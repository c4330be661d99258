// From a body that fits the schema to the order request that an account judges: decimals become units of listed assets.
import type { OrderRequest, TriggerWish } from "../../core/account/admission.ts";
import type { ReplaceWish } from "../../core/account/replace.ts";
import { outOfRange } from "../../core/broken-rules.ts";
import { parseDecimal } from "../../core/decimal.ts";
import { findMarket, type MarketRules } from "../../core/listings.ts";
import type { Trail } from "../../core/order.ts";
import { invariant, ok, type PlainOrderCode, type Result, refuse } from "../../core/result.ts";
import type { OrderChange, OrderIn } from "./schema.ts";

/** A hundredth of a percent is the least that a trail is told by. */
const PERCENT_DIGITS = 2;
const WHOLE_BPS = 10_000n;

/**
 * Reads an order in the units of its market. Refuses an unlisted symbol (422 on /symbol), more digits than asset or quote has (off_lot, off_tick, on /notional validation_failed), and amounts out of range.
 */
export function orderRequestOf(order: OrderIn): Result<OrderRequest> {
  const rules = findMarket(order.symbol);
  if (rules === undefined) {
    return refuse({
      code: "validation_failed",
      errors: [{ pointer: "/symbol", code: "unknown_symbol", detail: "No market has this symbol." }],
    });
  }
  // A schema error stands before any refusal: it is not remembered, and the others are.
  const notional = readNotional(order.notional, rules);
  if (!notional.ok && notional.refusal.code === "validation_failed") return notional;
  const trail = readTrail(order, rules);
  if (!trail.ok && trail.refusal.code === "validation_failed") return trail;
  const limitPrice = read(order.limit_price, rules.quoteScale, "off_tick");
  if (!limitPrice.ok) return limitPrice;
  const stopPrice = read(order.stop_price, rules.quoteScale, "off_tick");
  if (!stopPrice.ok) return stopPrice;
  if (!trail.ok) return trail;
  const qty = read(order.qty, rules.baseScale, "off_lot");
  if (!qty.ok) return qty;
  const displayQty = read(order.display_qty, rules.baseScale, "off_lot");
  if (!displayQty.ok) return displayQty;
  if (!notional.ok) return notional;
  const trigger = triggerOf(order, stopPrice.value, trail.value);
  return ok({
    clientOrderId: order.client_order_id ?? null,
    symbol: order.symbol,
    side: order.side,
    type: order.type,
    selfTradePrevention: order.self_trade_prevention ?? "cancel_newest",
    timeInForce: order.time_in_force ?? (order.type === "market" ? "ioc" : "gtc"),
    postOnly: order.post_only,
    qty: qty.value,
    notional: notional.value,
    limitPrice: limitPrice.value,
    expiresAt: order.expires_at ?? null,
    // Left out where there is none: what was asked for is compared by its text, for ever.
    ...(order.self_trade_prevention === "cancel_newest" ? { preventionGiven: true as const } : {}),
    ...(displayQty.value === null ? {} : { displayQty: displayQty.value }),
    ...(trigger === null ? {} : { trigger }),
  });
}

/** A stop goes with the price, a take_profit waits for the price to come to it. */
function triggerOf({ type, side }: OrderIn, price: bigint | null, trail: Trail | null): TriggerWish | null {
  if (price === null && trail === null) return null;
  const rises = (side === "buy") !== (type === "take_profit");
  return { when: rises ? "rises" : "falls", price, trail };
}

/** Reads a change in the units of the order's market. Refuses as {@link orderRequestOf} does. */
export function replaceWishOf(change: OrderChange, symbol: string): Result<ReplaceWish> {
  const rules = findMarket(symbol);
  invariant(rules !== undefined, `an order of ${symbol}, which is not listed`);
  const trail = readTrail(change, rules);
  if (!trail.ok) return trail;
  const limitPrice = read(change.limit_price, rules.quoteScale, "off_tick");
  if (!limitPrice.ok) return limitPrice;
  const stopPrice = read(change.stop_price, rules.quoteScale, "off_tick");
  if (!stopPrice.ok) return stopPrice;
  const qty = read(change.qty, rules.baseScale, "off_lot");
  if (!qty.ok) return qty;
  return ok({
    ...(qty.value === null ? {} : { qty: qty.value }),
    ...(limitPrice.value === null ? {} : { limitPrice: limitPrice.value }),
    ...(stopPrice.value === null ? {} : { stopPrice: stopPrice.value }),
    ...(trail.value === null ? {} : { trail: trail.value }),
  });
}

/** What a trail is followed by, in basis points or units of the quote; null for none. Refuses as {@link orderRequestOf}. */
export function readTrail(
  order: Pick<OrderIn, "trail_percent" | "trail_amount">,
  rules: MarketRules,
): Result<Trail | null> {
  const amount = read(order.trail_amount, rules.quoteScale, "off_tick");
  if (!amount.ok || amount.value !== null) return amount.ok ? ok({ amount: amount.value ?? 0n }) : amount;
  if (order.trail_percent === undefined) return ok(null);
  const bps = parseDecimal(order.trail_percent, PERCENT_DIGITS);
  if (bps.ok && bps.value < WHOLE_BPS) return ok({ bps: Number(bps.value) });
  const code = bps.ok || bps.reason === "range" ? "too_big" : "excess_precision";
  const detail = "A trail is below 100 percent and has two digits.";
  return refuse({ code: "validation_failed", errors: [{ pointer: "/trail_percent", code, detail }] });
}

/** An amount in units, null for none; more digits than there are is refused with `excess`. */
export function read(text: string | undefined, scale: number, excess: PlainOrderCode): Result<bigint | null> {
  if (text === undefined) return ok(null);
  const parsed = parseDecimal(text, scale);
  if (parsed.ok) return ok(parsed.value);
  if (parsed.reason === "range") return refuse(outOfRange(scale, parsed.value));
  return refuse({ code: excess, broken: { rule: "digits", limit: String(scale), value: text } });
}

function readNotional(text: string | undefined, rules: MarketRules): Result<bigint | null> {
  const units = read(text, rules.quoteScale, "off_tick");
  if (units.ok || units.refusal.code === "amount_out_of_range") return units;
  const detail = `${rules.quote} has ${rules.quoteScale} digits.`;
  return refuse({ code: "validation_failed", errors: [{ pointer: "/notional", code: "excess_precision", detail }] });
}
