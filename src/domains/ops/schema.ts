// What operators see of the read model, and how they ask for it.
import { z } from "@hono/zod-openapi";
import { pageQuery, timestampOut } from "../../http/openapi.ts";
import { orderOut } from "../../http/order-shape.ts";

/** The contract's order with the account that it belongs to. */
export const adminOrderOut = orderOut.extend({ account_id: z.string() }).openapi("AdminOrder");

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
