// `?as_of=` of what can be shown as it was.
import { z } from "@hono/zod-openapi";
import type { AsOf } from "../core/account/history.ts";
import { timestampIn } from "./openapi.ts";

/** `?as_of=`: a time as {@link timestampIn} reads it, or `seq:` and a stream number of the account. */
export const asOfIn = z
  .string()
  .transform((text, ctx): AsOf => {
    const seq = /^seq:(0|[1-9]\d{0,14})$/.exec(text)?.[1];
    if (seq !== undefined) return { seq: Number(seq) };
    const at = timestampIn.safeParse(text);
    if (at.success) return { at: at.data };
    const message = 'must be a time, or "seq:" and a whole number';
    ctx.addIssue({ code: "custom", message, params: { code: "invalid_format" } });
    return z.NEVER;
  })
  .openapi({ type: "string", example: "seq:120", description: "A time (RFC 3339), or `seq:` and a stream number" });

/** `?as_of=` of what can be shown as it was. */
export const asOfQuery = z.object({ as_of: asOfIn.optional() });
