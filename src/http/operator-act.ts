// What operators say with every act, and what it is kept with.
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { type AppEnv, callerOf } from "./context.ts";
import { lineIn } from "./line.ts";

/** Why an operator does something. */
export const reasonIn = lineIn(500);

/** The body of an act that needs nothing but its reason. */
export const reasonBody = z.strictObject({ reason: reasonIn }).openapi("OperatorReason");

/** Who does it, by user id, and why: kept with what was done, and told to the audit trail. Throws as {@link callerOf} does. */
export function actOf(c: Context<AppEnv>, reason: string): { by: string; reason: string } {
  c.set("reason", reason);
  return { by: callerOf(c).userId, reason };
}
