// `?from=&to=` of what happened in a time.
import type { z } from "@hono/zod-openapi";
import { timestampIn } from "./openapi.ts";

/** The parameters of a period: `from` included, `to` not; either may be left out. */
export const PERIOD_FIELDS = { from: timestampIn.optional(), to: timestampIn.optional() };

/** Refuses a period that ends before it has begun: none at all would look like one in which nothing has happened. */
export function forwards(period: { from?: number | undefined; to?: number | undefined }, ctx: z.RefinementCtx): void {
  if (period.from === undefined || period.to === undefined || period.from < period.to) return;
  ctx.addIssue({ code: "custom", path: ["to"], message: "must be after from", params: { code: "not_after_from" } });
}
