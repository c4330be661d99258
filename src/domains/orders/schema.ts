// What an order looks like on the wire, in and out, and which bodies are none.
import { z } from "@hono/zod-openapi";
import { BATCH_ORDERS_MAX, CANCEL_AFTER_MAX_MS, CANCEL_AFTER_MIN_MS } from "../../core/limits.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import {
  decimalIn,
  decimalOut,
  pageQuery,
  problemSchema,
  symbolFilter,
  timestampIn,
  timestampOut,
} from "../../http/openapi.ts";
import { orderOut } from "../../http/order-shape.ts";
import { FIELD_ERRORS_MAX } from "../../http/problem.ts";
import { fieldErrors } from "../../http/validation.ts";

const positive = decimalIn.refine((text) => /[1-9]/.test(text), {
  message: "must be greater than zero",
  params: { code: "not_positive" },
});

const clientOrderId = z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/);
const takeProfitIn = z.strictObject({ limit_price: positive });
const stopLossIn = z.strictObject({
  stop_price: positive.optional(),
  trail_percent: positive.optional(),
  limit_price: positive.optional(),
});

/** The order types, classes and fields of the contract; those that no market takes yet are `unsupported_order_type`. */
export const orderIn = z
  .strictObject({
    symbol: z.string().min(1).max(32).openapi({ example: "BTC-USD" }),
    side: z.enum(["buy", "sell"]),
    type: z.enum(["market", "limit", "stop", "stop_limit", "take_profit", "trailing_stop"]),
    qty: positive.optional(),
    notional: positive.optional(),
    limit_price: positive.optional(),
    stop_price: positive.optional(),
    trail_percent: positive.optional(),
    trail_amount: positive.optional(),
    time_in_force: z.enum(["gtc", "gtd", "day", "ioc", "fok"]).optional(),
    post_only: z.boolean().default(false),
    display_qty: positive.optional(),
    expires_at: timestampIn.optional(),
    client_order_id: clientOrderId.optional(),
    order_class: z.enum(["simple", "bracket", "oco", "oto"]).default("simple"),
    take_profit: takeProfitIn.optional(),
    stop_loss: stopLossIn.optional(),
    self_trade_prevention: z
      .enum(["none", "cancel_newest", "cancel_oldest", "cancel_both", "decrement"])
      .default("cancel_newest"),
  })
  .superRefine((order, context) => {
    const wrong = (path: string, code: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message, params: { code } });
    if ((order.qty === undefined) === (order.notional === undefined) && order.order_class !== "oco") {
      wrong("qty", "exactly_one_of_qty_and_notional", "Give exactly one of qty and notional.");
    }
    if (order.type === "limit" && order.limit_price === undefined && order.order_class !== "oco") {
      wrong("limit_price", "required", "A limit order needs a limit_price.");
    }
    if (order.type === "market" && order.limit_price !== undefined) {
      wrong("limit_price", "not_allowed", "A market order has no limit_price.");
    }
    if (
      order.post_only &&
      (order.type === "market" || order.time_in_force === "ioc" || order.time_in_force === "fok")
    ) {
      wrong("post_only", "not_allowed", "Only an order that may rest can be post_only.");
    }
    if ((order.time_in_force === "gtd") !== (order.expires_at !== undefined)) {
      wrong("expires_at", "gtd_only", "expires_at belongs to time_in_force gtd, and gtd needs it.");
    }
  })
  .openapi("NewOrder");

/**
 * Many orders. Each is judged for itself by {@link readOrder}: one that does not fit its schema must not keep the others
 * from being placed, so here it may be anything.
 */
export const batchIn = z
  .strictObject({
    orders: z
      .array(z.unknown())
      .min(1)
      .max(BATCH_ORDERS_MAX)
      .openapi({
        type: "array",
        items: { $ref: "#/components/schemas/NewOrder" },
        minItems: 1,
        maxItems: BATCH_ORDERS_MAX,
      }),
    atomic: z.boolean().default(false),
  })
  .openapi("NewBatch");

/** An order of a batch as it came, and as it fits the schema of a single one; refused with `validation_failed`, as that is. */
export function readOrder(sent: unknown): { sent: unknown; order: Result<OrderIn> } {
  const read = orderIn.safeParse(sent);
  if (read.success) return { sent, order: ok(read.data) };
  const errors = fieldErrors(read.error.issues, sent).slice(0, FIELD_ERRORS_MAX);
  return { sent, order: refuse({ code: "validation_failed", errors }) };
}

/** One order's answer in a batch's: what POST /v1/orders would have answered to it alone. */
export const batchItemOut = z.object({
  status_code: z.int(),
  order: orderOut.optional(),
  problem: problemSchema.optional(),
});

/** In how many ms all open orders are to be canceled; 0: not at all. */
export const cancelAfterIn = z
  .strictObject({
    timeout_ms: z
      .int()
      .min(0)
      .max(CANCEL_AFTER_MAX_MS)
      .refine((ms) => ms === 0 || ms >= CANCEL_AFTER_MIN_MS, {
        message: `must be 0, or at least ${CANCEL_AFTER_MIN_MS}`,
        params: { code: "too_small" },
      })
      .openapi({ description: `0, or from ${CANCEL_AFTER_MIN_MS} on`, example: 30_000 }),
  })
  .openapi("CancelAllAfter");

/** When they will be; null: not at all. */
export const cancelAfterOut = z.object({ timeout_ms: z.int(), cancel_at: timestampOut.nullable() });

/** One execution; `fee` is charged in `fee_asset`. */
export const fillOut = z
  .object({
    id: z.string(),
    order_id: z.string(),
    symbol: z.string(),
    side: z.enum(["buy", "sell"]),
    qty: decimalOut,
    price: decimalOut,
    fee: decimalOut,
    fee_asset: z.string(),
    liquidity: z.enum(["maker", "taker"]),
    at: timestampOut,
  })
  .openapi("Fill");

/** One item of a bulk answer: its own status code, and the order or what was wrong with it. */
export const bulkItemOut = z.object({
  id: z.string(),
  status_code: z.int(),
  order: orderOut.optional(),
  problem: z.looseObject({}).optional(),
});

/** What a bulk cancel is narrowed by. */
export const orderFilter = z.object({
  symbol: symbolFilter.optional(),
  side: z.enum(["buy", "sell"]).optional(),
});
/** Which orders are wanted; open ones may still trade. */
export const orderQuery = pageQuery.extend({
  ...orderFilter.shape,
  status: z.enum(["open", "closed", "all"]).default("all"),
});
/** Which executions are wanted. */
export const fillQuery = pageQuery.extend({
  symbol: symbolFilter.optional(),
  order_id: z.string().max(64).optional(),
});
/** An id that is none of ours is not found, like another user's. */
export const orderPath = z.object({ id: z.string().max(64) });
/** The id that the client gave; `.` and `..` never get here, since URLs do away with them. */
export const clientOrderPath = z.object({ client_order_id: clientOrderId });

/** An order that fits the schema, with its defaults. */
export type OrderIn = z.output<typeof orderIn>;
