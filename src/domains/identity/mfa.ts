// The second factor: how it is turned on and off, and how a sign-in ends with it.

import { and, eq, exists, gt, isNull } from "drizzle-orm";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { guardD1 } from "../../db/client.ts";
import { accounts, mfaChallenges, mfaFactors, users } from "../../db/tables.ts";
import type { Principal } from "../../http/context.ts";
import { changeAndEndOthers } from "./ending-others.ts";
import { mfaTokenHash } from "./enter.ts";
import { isLive } from "./live.ts";
import { newRecoveryCodes, newSeed, recoveryHash, sealSeed } from "./mfa-secrets.ts";
import { factorOf, firstStep, NO_FACTOR, recoveryLeft, takeCode } from "./second-factor.ts";
import { openSession, type Tokens } from "./sessions.ts";
import { showOnceMore } from "./step-up.ts";
import { otpauthUri, seedText } from "./totp.ts";
import { type IdentityContext, type Origin, type User, userOf } from "./user.ts";

const ALREADY_ON: Refusal = { code: "mfa_already_on", detail: "Turn the second factor off before you set up another." };
const NO_SIGN_IN: Refusal = {
  code: "unauthenticated",
  detail: "This mfa_token is unknown, used, or too old; sign in again.",
};

/** The caller's second factor: since when it is on, null while it is off, and how many recovery codes are left. */
export async function mfaStatus(
  ctx: IdentityContext,
  caller: Principal,
): Promise<Result<{ since: number | null; recoveryLeft: number }>> {
  const found = await factorOf(ctx, caller.userId);
  if (!found.ok) return found;
  const since = found.value?.confirmedAt ?? null;
  return ok({ since, recoveryLeft: since === null ? 0 : recoveryLeft(found.value?.recovery ?? {}) });
}

/**
 * Begins to set up the caller's second factor: a new seed, in place of one that was not confirmed. It is asked for only once
 * {@link confirmTotp} has seen a code. Wants the password; of who has none, a fresh sign-in (`step_up_required`). Refuses
 * `wrong_password`, `mfa_already_on`, and `unavailable`.
 */
export async function enrolTotp(
  ctx: IdentityContext,
  caller: Principal,
  password: string | undefined,
): Promise<Result<{ secret: string; uri: string }>> {
  const found = await guardD1(ctx.db.select().from(users).where(eq(users.id, caller.userId)).limit(1));
  if (!found.ok) return found;
  const [user] = found.value;
  if (user === undefined) return refuse({ code: "not_found" });
  const shown = await showOnceMore(ctx, caller, user, password);
  if (!shown.ok) return refused(ctx, caller, "mfa.enrol", shown);
  const seed = newSeed();
  const sealed = await sealSeed(ctx.config.mfaSecret, user.id, seed);
  const row = { seed: sealed, lastStep: 0, recovery: {}, createdAt: ctx.nowMs };
  const written = await guardD1(
    ctx.db
      .insert(mfaFactors)
      .values({ userId: user.id, ...row })
      .onConflictDoUpdate({ target: mfaFactors.userId, set: row, setWhere: isNull(mfaFactors.confirmedAt) })
      .returning({ userId: mfaFactors.userId }),
  );
  if (!written.ok) return refuse(written.refusal);
  if (written.value.length === 0) return refuse(ALREADY_ON);
  return ok({ secret: seedText(seed), uri: otpauthUri(seed, user.username) });
}

/**
 * Turns the caller's second factor on, once a code has shown that they have its seed, and ends their other sessions. Answers
 * the recovery codes, which nobody can read again. Refuses `invalid_code`, which counts as one at a sign-in does,
 * `mfa_already_on` (also when the session has ended meanwhile), `not_found` when nothing was begun, and `unavailable`.
 */
export async function confirmTotp(ctx: IdentityContext, caller: Principal, code: string): Promise<Result<string[]>> {
  const found = await factorOf(ctx, caller.userId);
  if (!found.ok) return found;
  const factor = found.value;
  if (factor === null) return refuse(NO_FACTOR);
  if (factor.confirmedAt !== null) return refuse(ALREADY_ON);
  const step = await firstStep(ctx, factor, code);
  if (!step.ok) return refused(ctx, caller, "mfa.on", step);
  const codes = newRecoveryCodes();
  const recovery = Object.fromEntries(codes.map((one) => [recoveryHash(one), 0]));
  // The same seed: of two set up at once, the one is confirmed whose code was seen.
  const same = and(
    eq(mfaFactors.userId, caller.userId),
    eq(mfaFactors.seed, factor.seed),
    isNull(mfaFactors.confirmedAt),
    isLive(ctx, caller),
  );
  const change = ctx.db
    .update(mfaFactors)
    .set({ confirmedAt: ctx.nowMs, lastStep: step.value, recovery })
    .where(same)
    .returning({ userId: mfaFactors.userId });
  const changed = await changeAndEndOthers(ctx, caller, "mfa_changed", change);
  if (!changed.ok) return changed;
  if (!changed.value) return refuse(ALREADY_ON);
  ctx.audit({ act: "mfa.on", target: caller.userId, outcome: "ok" });
  ctx.later(ctx.mail({ kind: "mfa_on", userId: caller.userId }));
  return ok(codes);
}

/**
 * Turns the caller's second factor off by one of its codes, and ends their other sessions. Refuses as {@link takeCode} does,
 * and `unavailable`; the code is spent then.
 */
export async function removeTotp(ctx: IdentityContext, caller: Principal, code: string): Promise<Result<null>> {
  const taken = await takeCode(ctx, caller.userId, code);
  if (!taken.ok) return refused(ctx, caller, "mfa.off", taken);
  const change = ctx.db
    .delete(mfaFactors)
    .where(eq(mfaFactors.userId, caller.userId))
    .returning({ userId: mfaFactors.userId });
  const changed = await changeAndEndOthers(ctx, caller, "mfa_changed", change);
  if (!changed.ok) return changed;
  ctx.audit({ act: "mfa.off", target: caller.userId, outcome: "ok" });
  ctx.later(ctx.mail({ kind: "mfa_off", userId: caller.userId }));
  return ok(null);
}

/** Tells the trail of a wrong password or code; other refusals are no try. */
function refused(ctx: IdentityContext, { userId }: Principal, act: string, refusal: Result<never>): Result<never> {
  if (refusal.ok) return refusal;
  const { code } = refusal.refusal;
  if (code === "invalid_code" || code === "wrong_password") ctx.audit({ act, target: userId, outcome: code });
  return refusal;
}

/**
 * Ends a sign-in that waits for its code: opens the session. Refuses `unauthenticated` for an `mfaToken` that is unknown,
 * used or too old, or whose user has set another password since; else as {@link takeCode}. A wrong code leaves it good.
 */
export async function verifyMfa(
  ctx: IdentityContext,
  wish: { mfaToken: string; code: string },
  origin: Origin,
): Promise<Result<Tokens>> {
  const waits = and(
    eq(mfaChallenges.hash, mfaTokenHash(wish.mfaToken)),
    isNull(mfaChallenges.usedAt),
    gt(mfaChallenges.expiresAt, ctx.nowMs),
  );
  const user = await whoWaits(ctx, waits);
  if (!user.ok) return user;
  const taken = await takeCode(ctx, user.value.id, wish.code);
  if (!taken.ok) {
    const outcome = taken.refusal.code;
    if (outcome === "invalid_code") ctx.audit({ act: "session.login", target: user.value.id, outcome });
    // Turned off meanwhile: the password alone is asked for again.
    return outcome === "not_found" ? refuse(NO_SIGN_IN) : taken;
  }
  const used = await guardD1(
    ctx.db.update(mfaChallenges).set({ usedAt: ctx.nowMs }).where(waits).returning({ hash: mfaChallenges.hash }),
  );
  if (!used.ok) return refuse(used.refusal);
  if (used.value.length === 0) return refuse(NO_SIGN_IN);
  // Another password removes the sign-ins that wait, used ones included: what began with the one before opens nothing.
  const kept = eq(mfaChallenges.hash, mfaTokenHash(wish.mfaToken));
  const still = exists(ctx.db.select({ hash: mfaChallenges.hash }).from(mfaChallenges).where(kept));
  const opened = await openSession(ctx, user.value, origin, still);
  if (!opened.ok) return opened;
  const tokens = opened.value;
  if (tokens === null) return refuse(NO_SIGN_IN);
  ctx.audit({ act: "session.login", actor: user.value.id, target: tokens.sessionId, outcome: "ok" });
  return ok(tokens);
}

async function whoWaits(ctx: IdentityContext, waits: ReturnType<typeof and>): Promise<Result<User>> {
  const found = await guardD1(
    ctx.db
      .select({ user: users, accountId: accounts.id })
      .from(mfaChallenges)
      .innerJoin(users, and(eq(users.id, mfaChallenges.userId), isNull(users.closedAt)))
      .innerJoin(accounts, eq(accounts.userId, users.id))
      .where(waits)
      .limit(1),
  );
  if (!found.ok) return found;
  const [row] = found.value;
  return row === undefined ? refuse(NO_SIGN_IN) : ok(userOf(row.user, row.accountId));
}
