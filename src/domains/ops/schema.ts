// What operators see of the read model, and how they ask for it.
import { z } from "@hono/zod-openapi";
import { decimalOut, pageQuery, timestampOut } from "../../http/openapi.ts";

/** The contract's order with the account that it belongs to. */
export const adminOrderOut = z
  .object({
    account_id: z.string(),
    id: z.string(),
    client_order_id: z.string().nullable(),
    symbol: z.string(),
    side: z.enum(["buy", "sell"]),
    type: z.enum(["market", "limit"]),
    time_in_force: z.enum(["gtc", "gtd", "day", "ioc", "fok"]),
    qty: decimalOut.nullable(),
    notional: decimalOut.nullable(),
    limit_price: decimalOut.nullable(),
    post_only: z.boolean(),
    expires_at: timestampOut.nullable(),
    self_trade_prevention: z.enum(["none", "cancel_newest"]),
    status: z.enum(["pending_new", "new", "partially_filled", "filled", "canceled", "expired", "rejected"]),
    reason: z.string().nullable(),
    cancel_requested: z.boolean(),
    leaves_qty: decimalOut,
    filled_qty: decimalOut,
    filled_avg_price: decimalOut.nullable(),
    filled_notional: decimalOut,
    fee: decimalOut,
    fee_asset: z.string(),
    legs: z.null(),
    created_at: timestampOut,
    updated_at: timestampOut,
    seq: z.int(),
  })
  .openapi("AdminOrder");

export const deadLetterOut = z
  .object({
    id: z.string(),
    queue: z.string(),
    subject: z.string(),
    reason: z.string(),
    body: z.string(),
    count: z.int(),
    at: timestampOut,
    last_at: timestampOut,
    replayed_at: timestampOut.nullable(),
  })
  .openapi("DeadLetter");

export const projectionOut = z
  .object({
    object: z.enum(["account", "market"]),
    name: z.string(),
    epoch: z.int(),
    applied_seq: z.int(),
    applied_at: timestampOut,
  })
  .openapi("Projection");

export const adminOrderQuery = pageQuery.extend({
  symbol: z.string().min(1).max(32).optional(),
  status: z.enum(["open", "closed", "all"]).default("all"),
  account_id: z.string().min(1).max(64).optional(),
});

export const projectionQuery = pageQuery.extend({ name: z.string().min(1).max(128).optional() });

export type AdminOrderQuery = z.output<typeof adminOrderQuery>;
