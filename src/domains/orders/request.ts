// From a body that fits the schema to the order request that an account judges: decimals become units of listed assets.
import type { OrderRequest } from "../../core/account/admission.ts";
import { parseDecimal } from "../../core/decimal.ts";
import { findMarket, type MarketRules } from "../../core/listings.ts";
import { ok, type PlainOrderCode, type Refusal, type Result, refuse } from "../../core/result.ts";
import type { OrderIn } from "./schema.ts";

const UNSUPPORTED: Refusal = { code: "unsupported_order_type", detail: "No market takes this kind of order yet." };

/**
 * Reads an order in the units of its market. Refuses an unlisted symbol (422 on /symbol), an unsupported kind of order,
 * more digits than asset or quote has (off_lot, off_tick, on /notional validation_failed), and amounts out of range.
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
  const kind = kindOf(order);
  if (kind === null) return refuse(UNSUPPORTED);
  const limitPrice = read(order.limit_price, rules.quoteScale, "off_tick");
  if (!limitPrice.ok) return limitPrice;
  const qty = read(order.qty, rules.baseScale, "off_lot");
  if (!qty.ok) return qty;
  if (!notional.ok) return notional;
  return ok({
    clientOrderId: order.client_order_id ?? null,
    symbol: order.symbol,
    side: order.side,
    ...kind,
    timeInForce: order.time_in_force ?? (kind.type === "market" ? "ioc" : "gtc"),
    postOnly: order.post_only,
    qty: qty.value,
    notional: notional.value,
    limitPrice: limitPrice.value,
    expiresAt: order.expires_at ?? null,
  });
}

/** The order's kind when markets take it today; null otherwise. */
function kindOf(order: OrderIn): Pick<OrderRequest, "type" | "selfTradePrevention"> | null {
  const { type, self_trade_prevention: selfTradePrevention } = order;
  const extras = [
    order.stop_price,
    order.trail_percent,
    order.trail_amount,
    order.display_qty,
    order.take_profit,
    order.stop_loss,
  ];
  if (order.order_class !== "simple" || extras.some((extra) => extra !== undefined)) return null;
  if (type !== "market" && type !== "limit") return null;
  if (selfTradePrevention !== "none" && selfTradePrevention !== "cancel_newest") return null;
  return { type, selfTradePrevention };
}

function read(text: string | undefined, scale: number, excess: PlainOrderCode): Result<bigint | null> {
  if (text === undefined) return ok(null);
  const parsed = parseDecimal(text, scale);
  if (parsed.ok) return ok(parsed.value);
  return refuse({ code: parsed.reason === "range" ? "amount_out_of_range" : excess });
}

function readNotional(text: string | undefined, rules: MarketRules): Result<bigint | null> {
  const units = read(text, rules.quoteScale, "off_tick");
  if (units.ok || units.refusal.code === "amount_out_of_range") return units;
  const detail = `${rules.quote} has ${rules.quoteScale} digits.`;
  return refuse({ code: "validation_failed", errors: [{ pointer: "/notional", code: "excess_precision", detail }] });
}
