// A block of addresses as it comes in.
import { z } from "@hono/zod-openapi";
import { formatBlock, parseBlock } from "../core/ip.ts";

/** A block of addresses, in its one form once it is read. */
export const blockIn = z
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
