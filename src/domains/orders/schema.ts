// What an order looks like on the wire, in and out, and which bodies are none.
import { z } from "@hono/zod-openapi";
import { BATCH_ORDERS_MAX, CANCEL_AFTER_MAX_MS, CANCEL_AFTER_MIN_MS } from "../../core/limits.ts";
import { SELF_TRADE_PREVENTIONS } from "../../core/order.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { symbolFilter } from "../../http/market-shape.ts";
import { decimalOut, pageQuery, problemSchema, timestampIn, timestampOut } from "../../http/openapi.ts";
import { orderOut } from "../../http/order-shape.ts";
import { FIELD_ERRORS_MAX } from "../../http/problem.ts";
import { fieldErrors } from "../../http/validation.ts";
import { groupFields, groupMisfits, type Misfit, positive } from "./group-schema.ts";

const clientOrderId = z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/);

const orderFields = z.strictObject({
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
  ...groupFields,
  self_trade_prevention: z
    .enum(SELF_TRADE_PREVENTIONS)
    .optional()
    .openapi({ description: "Left out: what the account has chosen, at first cancel_newest" }),
});

const TRAILS = ["trail_percent", "trail_amount"] as const;
type Trail = (typeof TRAILS)[number];

type OrderType = "market" | "limit" | "stop" | "stop_limit" | "take_profit" | "trailing_stop";
const HAS_LIMIT: ReadonlySet<OrderType> = new Set(["limit", "stop_limit"]);
const HAS_STOP: ReadonlySet<OrderType> = new Set(["stop", "stop_limit", "take_profit"]);

const ONE_TRAIL = "A trailing_stop has one of trail_percent and trail_amount; no other type has.";

function trailMisfits({ type, ...order }: Pick<z.output<typeof orderFields>, "type" | Trail>): Misfit[] {
  const given = TRAILS.filter((trail) => order[trail] !== undefined);
  if (type !== "trailing_stop") return given.map((path) => ({ path, code: "trailing_stop_only", detail: ONE_TRAIL }));
  if (given.length === 0) return [{ path: "trail_percent", code: "required", detail: ONE_TRAIL }];
  return given.slice(1).map((path) => ({ path, code: "not_allowed", detail: ONE_TRAIL }));
}

/** Which fields of an order do not go together. Exits without an entry have their prices in themselves. */
function misfits(order: Omit<z.output<typeof orderFields>, "symbol">): Misfit[] {
  const found = groupMisfits(order);
  const { type, time_in_force: timeInForce, order_class: orderClass } = order;
  const wrong = (path: string, code: string, detail: string) => found.push({ path, code, detail });
  const belongs = (path: "limit_price" | "stop_price", types: ReadonlySet<OrderType>) => {
    if (order[path] === undefined && types.has(type)) wrong(path, "required", `A ${type} order needs a ${path}.`);
    if (order[path] !== undefined && !types.has(type)) wrong(path, "not_allowed", `A ${type} order has no ${path}.`);
  };
  if ((order.qty === undefined) === (order.notional === undefined))
    wrong("qty", "exactly_one_of_qty_and_notional", "Give exactly one of qty and notional.");
  if (orderClass !== "oco") belongs("limit_price", HAS_LIMIT);
  belongs("stop_price", HAS_STOP);
  for (const wrongTrail of trailMisfits(order)) found.push(wrongTrail);
  const immediate = timeInForce === "ioc" || timeInForce === "fok";
  if (order.post_only && (type !== "limit" || immediate))
    wrong("post_only", "not_allowed", "Only a limit order that may rest can be post_only.");
  if (order.display_qty !== undefined && (!HAS_LIMIT.has(type) || immediate))
    wrong("display_qty", "not_allowed", "Only an order with a limit that may rest can show a part of itself.");
  if (immediate && type !== "market" && type !== "limit")
    wrong("time_in_force", "not_allowed", "An order that waits for its trigger cannot be immediate.");
  if ((timeInForce === "gtd") !== (order.expires_at !== undefined))
    wrong("expires_at", "gtd_only", "expires_at belongs to time_in_force gtd, and gtd needs it.");
  return found;
}

/** The order types, classes and fields of the contract. */
export const orderIn = orderFields
  .superRefine((order, context) => {
    for (const { path, code, detail } of misfits(order))
      context.addIssue({ code: "custom", path: path.split("/"), message: detail, params: { code } });
  })
  .openapi("NewOrder");

const CHANGES = ["qty", "limit_price", "stop_price", "trail_percent", "trail_amount"] as const;

/** What of an open order is to be other; `qty` in all, what is filled already included. */
export const orderChange = orderFields
  .pick({ qty: true, limit_price: true, stop_price: true, trail_percent: true, trail_amount: true })
  .superRefine((change, context) => {
    const wrong = (path: string, code: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message, params: { code } });
    if (CHANGES.every((name) => change[name] === undefined)) wrong("qty", "required", "Say what is to be other.");
    if (change.trail_percent !== undefined && change.trail_amount !== undefined)
      wrong("trail_percent", "not_allowed", "Give one of trail_percent and trail_amount.");
  })
  .openapi("OrderChange");
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

/** A trade with oneself that did not happen; `side` is the taker's, `price` the maker's, `qty` what would have traded. */
export const preventedOut = z
  .object({
    id: z.string(),
    symbol: z.string(),
    taker_order_id: z.string(),
    maker_order_id: z.string(),
    side: z.enum(["buy", "sell"]),
    price: decimalOut,
    qty: decimalOut,
    self_trade_prevention: z.enum(SELF_TRADE_PREVENTIONS),
    at: timestampOut,
  })
  .openapi("PreventedMatch");

/** What an order would do if it were placed now; `hold` is what would still be held for it. */
export const previewOut = z
  .object({
    status: orderOut.shape.status,
    reason: z.string().nullable(),
    filled_qty: decimalOut,
    filled_notional: decimalOut,
    avg_price: decimalOut.nullable(),
    leaves_qty: decimalOut,
    fee: decimalOut,
    fee_asset: z.string(),
    maker_fee_bps: z.int(),
    taker_fee_bps: z.int(),
    hold: decimalOut,
    fills: z.array(fillOut.pick({ qty: true, price: true, fee: true, liquidity: true })),
    prevented_matches: z.array(preventedOut.pick({ maker_order_id: true, price: true, qty: true })),
    balances_after: z.array(
      z.object({ asset: z.string(), available: decimalOut, held: decimalOut, total: decimalOut }),
    ),
    book_seq: z.int(),
  })
  .openapi("OrderPreview");

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
/** Which executions or prevented matches are wanted; of the latter `order_id` is either order's. */
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
/** A change that fits the schema. */
export type OrderChange = z.output<typeof orderChange>;
