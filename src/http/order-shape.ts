// An order as answers show it; what owners and operators read alike. The same names as core/wire.ts writes.
import { z } from "@hono/zod-openapi";
import { SELF_TRADE_PREVENTIONS } from "../core/order.ts";
import { decimalOut, timestampOut } from "./openapi.ts";

const fields = z.object({
  id: z.string(),
  client_order_id: z.string().nullable(),
  symbol: z.string(),
  side: z.enum(["buy", "sell"]),
  type: z.enum(["market", "limit", "stop", "stop_limit", "take_profit", "trailing_stop"]),
  time_in_force: z.enum(["gtc", "gtd", "day", "ioc", "fok"]),
  qty: decimalOut.nullable(),
  notional: decimalOut.nullable(),
  limit_price: decimalOut.nullable(),
  stop_price: decimalOut.nullable(),
  trail_percent: decimalOut.nullable(),
  trail_amount: decimalOut.nullable(),
  post_only: z.boolean(),
  display_qty: decimalOut.nullable(),
  expires_at: timestampOut.nullable(),
  self_trade_prevention: z.enum(SELF_TRADE_PREVENTIONS),
  status: z.enum(["pending_new", "held", "new", "partially_filled", "filled", "canceled", "expired", "rejected"]),
  reason: z.string().nullable(),
  cancel_requested: z.boolean(),
  replace_requested: z.boolean(),
  leaves_qty: decimalOut,
  filled_qty: decimalOut,
  filled_avg_price: decimalOut.nullable(),
  filled_notional: decimalOut,
  fee: decimalOut,
  fee_asset: z.string(),
  maker_fee_bps: z.int(),
  taker_fee_bps: z.int(),
  order_class: z.enum(["simple", "bracket", "oco", "oto"]),
  parent_id: z.string().nullable(),
  created_at: timestampOut,
  updated_at: timestampOut,
  seq: z.int(),
});

/** An order, out. `legs`: of a parent, as they are with this answer; null of any other, and on streams. */
export const orderOut = fields.extend({ legs: z.array(fields.openapi("Leg")).nullable() }).openapi("Order");
