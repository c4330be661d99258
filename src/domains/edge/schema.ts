// The operators' lists of addresses on the wire.
import { z } from "@hono/zod-openapi";
import { formatBlock, parseBlock } from "../../core/ip.ts";
import { timestampOut } from "../../http/openapi.ts";
import { reasonIn } from "../../http/operator-act.ts";

/** A block of addresses, in its one form once it is read. */
const blockIn = z
  .string()
  .max(49)
  .refine((text) => parseBlock(text) !== undefined, {
    message: "must be an address, or a block such as 10.0.0.0/8 or 2001:db8::/32 with no bit set after its prefix",
    params: { code: "invalid_block" },
    abort: true,
  })
  .transform((text) => {
    const block = parseBlock(text);
    return block === undefined ? text : formatBlock(block);
  })
  .openapi({ type: "string", example: "203.0.113.0/24" });

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
