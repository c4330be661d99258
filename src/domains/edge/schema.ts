// The operators' lists of addresses on the wire.
import { z } from "@hono/zod-openapi";
import { blockIn } from "../../http/ip-block.ts";
import { timestampOut } from "../../http/openapi.ts";
import { reasonIn } from "../../http/operator-act.ts";

/** A new entry. */
export const ruleIn = z
  .strictObject({ list: z.enum(["allow", "deny"]), block: blockIn, reason: reasonIn })
  .openapi("NewIpRule");

/** An entry: who is in an allow block is not shut out by any deny block. */
export const ruleOut = z
  .object({
    id: z.string(),
    list: z.enum(["allow", "deny"]),
    block: z.string(),
    reason: z.string(),
    created_by: z.string(),
    created_at: timestampOut,
  })
  .openapi("IpRule");

export const rulePath = z.object({ id: z.string().min(1).max(64) });
/** A DELETE has no body: its reason is a parameter. */
export const reasonQuery = z.object({ reason: reasonIn });
