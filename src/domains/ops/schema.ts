// What operators see of the read model and of the objects, and how they ask for it.
import { z } from "@hono/zod-openapi";
import { isTypeId } from "../../core/ids.ts";
import { findMarket } from "../../core/listings.ts";
import { pageOf, pageQuery, timestampOut } from "../../http/openapi.ts";
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

/** Any name makes an object: what cannot be an account's, and what is not listed, is not found. */
const accountId = z.string().refine((text) => isTypeId("acc", text));
const symbol = z.string().refine((text) => findMarket(text) !== undefined);

export const accountPath = z.object({ account_id: accountId });
export const marketPath = z.object({ symbol });
export const pairPath = z.object({ account_id: accountId, symbol });

export const parkedOut = pageOf(
  z.object({ peer: z.string(), reason: z.string(), since: timestampOut, waiting: z.int() }).openapi("ParkedPair"),
)
  .extend({ stopped: z.string().nullable() })
  .openapi("Parked");

export const resumeIn = z.strictObject({ reason: z.string().trim().min(1).max(500) }).openapi("Resume");

export type AdminOrderQuery = z.output<typeof adminOrderQuery>;
