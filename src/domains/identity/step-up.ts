// Showing once more who one is, for what asks for a fresh password or code.

import { and, eq, isNull } from "drizzle-orm";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { guardD1 } from "../../db/client.ts";
import { accounts, mfaFactors, sessions, users } from "../../db/tables.ts";
import { staleness } from "../../http/auth.ts";
import type { Principal } from "../../http/context.ts";
import { ownTries } from "./locks.ts";
import { checkPassword } from "./password-check.ts";
import { takeCode } from "./second-factor.ts";
import { type AccessToken, accessTokenOf } from "./sessions.ts";
import { type IdentityContext, userOf } from "./user.ts";

const WRONG_PASSWORD: Refusal = { code: "wrong_password", detail: "The password is wrong." };
type PasswordOwner = Pick<typeof users.$inferSelect, "id" | "passwordHash">;

const ENDED: Refusal = { code: "session_revoked", detail: "This session has ended; sign in again." };

/**
 * Takes the caller's password, or with a second factor a code and nothing less, and answers an access token whose `auth_time`
 * is now. The session keeps it, so that a refresh carries it on. Refuses `validation_failed` when the other of the two is
 * needed, `wrong_password`, `invalid_code`, `rate_limited`, `session_revoked`, and `unavailable`.
 */
export async function stepUp(
  ctx: IdentityContext,
  caller: Principal,
  shown: { password?: string | undefined; code?: string | undefined },
): Promise<Result<AccessToken>> {
  const found = await guardD1(
    ctx.db
      .select({ user: users, accountId: accounts.id, mfaSince: mfaFactors.confirmedAt })
      .from(users)
      .innerJoin(accounts, eq(accounts.userId, users.id))
      .leftJoin(mfaFactors, eq(mfaFactors.userId, users.id))
      .where(eq(users.id, caller.userId))
      .limit(1),
  );
  if (!found.ok) return found;
  const [row] = found.value;
  if (row === undefined) return refuse(ENDED);
  const judged =
    row.mfaSince === null ? await byPassword(ctx, row.user, shown.password) : await byCode(ctx, row.user, shown.code);
  if (!judged.ok) {
    const outcome = judged.refusal.code;
    if (outcome === "wrong_password" || outcome === "invalid_code")
      ctx.audit({ act: "session.step_up", target: caller.sessionId, outcome });
    return judged;
  }
  const own = and(eq(sessions.id, caller.sessionId), isNull(sessions.endedAt));
  const kept = await guardD1(
    ctx.db.update(sessions).set({ authAt: ctx.nowMs }).where(own).returning({ id: sessions.id }),
  );
  if (!kept.ok) return refuse(kept.refusal);
  if (kept.value.length === 0) return refuse(ENDED);
  ctx.audit({ act: "session.step_up", target: caller.sessionId, outcome: "ok" });
  return ok(await accessTokenOf(ctx, userOf(row.user, row.accountId), { id: caller.sessionId, authAt: ctx.nowMs }));
}

/**
 * Whether somebody signed in shows once more who they are: by the password, if they have one, else by a fresh sign-in. Refuses
 * `validation_failed` without the password, `wrong_password`, `step_up_required`, `rate_limited`, `unavailable`.
 */
export async function showOnceMore(
  ctx: IdentityContext,
  caller: Principal,
  user: PasswordOwner,
  password: string | undefined,
): Promise<Result<null>> {
  if (user.passwordHash !== null) return byPassword(ctx, user, password);
  const stale = staleness(caller, ctx.nowMs);
  return stale === null ? ok(null) : refuse(stale);
}

async function byPassword(
  ctx: IdentityContext,
  { id, passwordHash }: PasswordOwner,
  password: string | undefined,
): Promise<Result<null>> {
  if (password === undefined) return required("/password");
  const right = await checkPassword(ctx, ownTries(id), password, passwordHash);
  if (!right.ok) return right;
  return right.value ? ok(null) : refuse(WRONG_PASSWORD);
}

async function byCode(ctx: IdentityContext, { id }: PasswordOwner, code: string | undefined): Promise<Result<null>> {
  return code === undefined ? required("/code") : takeCode(ctx, id, code);
}

/** The refusal of a body that lacks what this user has to give. */
function required(pointer: "/password" | "/code"): Result<never> {
  return refuse({
    code: "validation_failed",
    errors: [{ pointer, code: "required", detail: "This field is required." }],
  });
}
