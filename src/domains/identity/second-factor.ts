// Whether a code of the second factor is good. The only place that takes one, so that every guess is counted, and every code
// is spent by one UPDATE: of many at once, one is told that it was good.

import { and, eq, isNotNull, lt, sql } from "drizzle-orm";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { guardD1 } from "../../db/client.ts";
import { mfaFactors } from "../../db/tables.ts";
import { log } from "../../log.ts";
import { settleTry } from "./locks.ts";
import { openSeed, recoveryHash } from "./mfa-secrets.ts";
import { isTotpCode, stepOf } from "./totp.ts";
import type { IdentityContext } from "./user.ts";

/** The refusal of a wrong or used code; which of the two is not said. */
export const WRONG_CODE: Refusal = { code: "invalid_code", detail: "This code is wrong, or was used before." };
/** The refusal of a user without a second factor. */
export const NO_FACTOR: Refusal = { code: "not_found", detail: "There is no second factor." };

type Factor = typeof mfaFactors.$inferSelect;
/** A used code is no guess: it is not counted, or of fifty same ones at once even the good one would be locked out. */
type Spent = "good" | "used" | "wrong";

/** A user's second factor, on or on its way; null when there is none. Refuses `unavailable`. */
export async function factorOf(ctx: IdentityContext, userId: string): Promise<Result<Factor | null>> {
  const found = await guardD1(ctx.db.select().from(mfaFactors).where(eq(mfaFactors.userId, userId)).limit(1));
  return found.ok ? ok(found.value[0] ?? null) : found;
}

/**
 * Takes a code of a user's second factor, six digits or a recovery code, and spends it. Refuses `invalid_code` for a wrong or
 * used one, `rate_limited` after too many wrong ones, `not_found` without a second factor, and `unavailable`.
 */
export async function takeCode(ctx: IdentityContext, userId: string, code: string): Promise<Result<null>> {
  const free = await ctx.limits.failures("mfa_failures", userId);
  if (!free.ok) return free;
  const found = await factorOf(ctx, userId);
  if (!found.ok) return found;
  const factor = found.value;
  if (factor === null || factor.confirmedAt === null) return refuse(NO_FACTOR);
  const spent = isTotpCode(code) ? await spendStep(ctx, factor, code) : await spendRecovery(ctx, factor, code);
  if (!spent.ok) return spent;
  return settle(ctx, userId, spent.value);
}

/** Counts how a try ended, and says whether it was good. */
async function settle(ctx: IdentityContext, userId: string, spent: Spent): Promise<Result<null>> {
  const settled = await settleTry(ctx, { policy: "mfa_failures", key: userId, userId }, spent === "wrong");
  if (!settled.ok) return settled;
  return spent === "good" ? ok(null) : refuse(WRONG_CODE);
}

/** The step of a code by a factor's seed; null for a wrong code. Refuses `unavailable` when the seed cannot be opened. */
async function stepBy(ctx: IdentityContext, factor: Factor, code: string): Promise<Result<number | null>> {
  const seed = await openSeed(ctx.config.mfaSecret, factor.userId, factor.seed);
  if (seed !== null) return ok(stepOf(seed, code, ctx.nowMs));
  log("error", "mfa_seed_not_opened", { user: factor.userId });
  return refuse({ code: "unavailable", detail: "Codes cannot be checked at the moment; use a recovery code." });
}

async function spendStep(ctx: IdentityContext, factor: Factor, code: string): Promise<Result<Spent>> {
  const step = await stepBy(ctx, factor, code);
  if (!step.ok) return step;
  if (step.value === null) return ok("wrong");
  // The same seed: between the two statements the factor may have become another one.
  const which = and(
    eq(mfaFactors.userId, factor.userId),
    eq(mfaFactors.seed, factor.seed),
    isNotNull(mfaFactors.confirmedAt),
  );
  const moved = await guardD1(
    ctx.db
      .update(mfaFactors)
      .set({ lastStep: step.value })
      .where(and(which, lt(mfaFactors.lastStep, step.value)))
      .returning({ userId: mfaFactors.userId }),
  );
  return moved.ok ? ok(moved.value.length === 1 ? "good" : "used") : refuse(moved.refusal);
}

async function spendRecovery(ctx: IdentityContext, factor: Factor, code: string): Promise<Result<Spent>> {
  const hash = recoveryHash(code);
  if (!Object.hasOwn(factor.recovery, hash)) return ok("wrong");
  const place = `$."${hash}"`;
  const spent = await guardD1(
    ctx.db
      .update(mfaFactors)
      .set({ recovery: sql`json_set(${mfaFactors.recovery}, ${place}, ${ctx.nowMs})` })
      .where(and(eq(mfaFactors.userId, factor.userId), sql`json_extract(${mfaFactors.recovery}, ${place}) = 0`))
      .returning({ recovery: mfaFactors.recovery }),
  );
  if (!spent.ok) return refuse(spent.refusal);
  const [row] = spent.value;
  if (row === undefined) return ok("used");
  ctx.audit({ act: "mfa.recovery_code", actor: factor.userId, target: factor.userId, outcome: "ok" });
  ctx.later(ctx.mail({ kind: "recovery_code_used", userId: factor.userId, left: recoveryLeft(row.recovery) }));
  return ok("good");
}

/** How many recovery codes have not been used. */
export function recoveryLeft(recovery: Factor["recovery"]): number {
  return Object.values(recovery).filter((usedAt) => usedAt === 0).length;
}

/**
 * Judges the first code of a factor that is on its way, which shows that its user has the seed; answers its step. Counted
 * and refused as by {@link takeCode}; what is written with the step spends it.
 */
export async function firstStep(ctx: IdentityContext, factor: Factor, code: string): Promise<Result<number>> {
  const free = await ctx.limits.failures("mfa_failures", factor.userId);
  if (!free.ok) return free;
  const step = await stepBy(ctx, factor, code);
  if (!step.ok) return step;
  const settled = await settle(ctx, factor.userId, step.value === null ? "wrong" : "good");
  if (!settled.ok) return settled;
  return step.value === null ? refuse(WRONG_CODE) : ok(step.value);
}
