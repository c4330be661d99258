// From a body that fits the schema to the group that an account judges.
import type { OrderRequest } from "../../core/account/admission.ts";
import type { GroupRequest, StopLossWish } from "../../core/account/grouping.ts";
import { findMarket, type MarketRules } from "../../core/listings.ts";
import { invariant, ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { orderRequestOf, read, readTrail } from "./request.ts";
import type { OrderIn } from "./schema.ts";

/** Why a group is not taken among others. */
export const GROUP_IN_BATCH: Refusal = {
  code: "unsupported_order_type",
  detail: "A batch has simple orders alone; a group is placed by itself.",
};

/** Reads an order, or a group, in the units of its market. Refuses as {@link orderRequestOf} does, of the exits too. */
export function wishOf(order: OrderIn): Result<OrderRequest | GroupRequest> {
  const { order_class: kind } = order;
  return kind === "simple" ? orderRequestOf(order) : groupRequestOf(order, kind);
}

function groupRequestOf(order: OrderIn, kind: GroupRequest["kind"]): Result<GroupRequest> {
  const { take_profit: profit, stop_loss: loss } = order;
  // Both exits of an oco have the same terms; its parent has no limit of its own.
  const lead = orderRequestOf(kind === "oco" ? { ...order, limit_price: profit?.limit_price } : order);
  if (!lead.ok) return lead;
  const rules = findMarket(order.symbol);
  invariant(rules !== undefined, `${order.symbol} has been read and is not listed`);
  const limitPrice = read(profit?.limit_price, rules.quoteScale, "off_tick");
  if (!limitPrice.ok) return limitPrice;
  const stopLoss = loss === undefined ? ok(null) : readStopLoss(loss, rules);
  if (!stopLoss.ok) return stopLoss;
  const { clientOrderId } = lead.value;
  const takeProfit = limitPrice.value === null ? null : { limitPrice: limitPrice.value };
  return ok({ clientOrderId, kind, lead: lead.value, takeProfit, stopLoss: stopLoss.value });
}

function readStopLoss(loss: NonNullable<OrderIn["stop_loss"]>, rules: MarketRules): Result<StopLossWish> {
  const trail = readTrail(loss, rules);
  if (!trail.ok) {
    const { refusal } = trail;
    if (refusal.code !== "validation_failed") return trail;
    const errors = refusal.errors.map((error) => ({ ...error, pointer: `/stop_loss${error.pointer}` }));
    return refuse({ ...refusal, errors });
  }
  const price = read(loss.stop_price, rules.quoteScale, "off_tick");
  if (!price.ok) return price;
  const limitPrice = read(loss.limit_price, rules.quoteScale, "off_tick");
  return limitPrice.ok ? ok({ price: price.value, trail: trail.value, limitPrice: limitPrice.value }) : limitPrice;
}
