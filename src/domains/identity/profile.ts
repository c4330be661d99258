// The caller's own profile: read and changed. How an account is closed is in closing.ts.

import { and, eq, isNull, type SQL, sql } from "drizzle-orm";
import { isKeyId } from "../../core/api-keys.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { guardD1 } from "../../db/client.ts";
import { accounts, type NotificationChoice, sessions, users } from "../../db/tables.ts";
import { staleness } from "../../http/auth.ts";
import type { Principal } from "../../http/context.ts";
import { ACCESS_TTL_SECONDS } from "../../http/tokens.ts";
import { isLive } from "./live.ts";
import { canonicalEmail, type IdentityContext, keptUser, type User, userOf } from "./user.ts";

const ENDED: Refusal = { code: "session_revoked", detail: "This session has ended; sign in again." };

/**
 * The caller's own profile, by session or by key; by session while D1 is away as KV has kept it, which is as old as the access
 * token at most. The account has been asked before. Refuses `session_revoked` once D1 has the end of the caller's session,
 * `unauthenticated` for a key whose person is no more, and `unavailable`.
 */
export async function readProfile(ctx: IdentityContext, caller: Principal): Promise<Result<User>> {
  if (isKeyId(caller.sessionId)) return readKeyOwner(ctx, caller);
  const found = await guardD1(
    ctx.db
      .select({ user: users, accountId: accounts.id })
      .from(sessions)
      .innerJoin(users, eq(users.id, sessions.userId))
      .innerJoin(accounts, eq(accounts.id, sessions.accountId))
      .where(and(eq(sessions.id, caller.sessionId), eq(users.id, caller.userId), isNull(sessions.endedAt)))
      .limit(1),
  );
  if (!found.ok) {
    const kept = keptUser(await ctx.edge.read(caller.sessionId));
    return kept?.id === caller.userId ? ok(kept) : found;
  }
  const row = found.value[0];
  return row === undefined ? refuse(ENDED) : ok(userOf(row.user, row.accountId));
}

/** The profile of whose key it is. */
async function readKeyOwner(ctx: IdentityContext, { userId, accountId }: Principal): Promise<Result<User>> {
  const person = and(eq(users.id, userId), isNull(users.closedAt));
  const found = await guardD1(ctx.db.select().from(users).where(person).limit(1));
  if (!found.ok) return found;
  const [row] = found.value;
  return row === undefined ? refuse({ code: "unauthenticated" }) : ok(userOf(row, accountId));
}

/** What is to be changed; what is left out stays. */
export interface ProfileWish {
  locale?: string | undefined;
  notifications?: { [K in keyof NotificationChoice]?: boolean | undefined } | undefined;
  email?: string | undefined;
}

/**
 * Changes the caller's profile. Another e-mail address takes a fresh password or code (`step_up_required`) and only waits until
 * it is confirmed: the answer is the same when somebody has it, and its owner hears of it by e-mail. The present address again
 * withdraws one that waits. Refuses `session_revoked` once the session has ended, `rate_limited` after too many e-mails, and `unavailable`.
 */
export async function changeProfile(ctx: IdentityContext, caller: Principal, wish: ProfileWish): Promise<Result<User>> {
  const { email } = wish;
  if (email !== undefined) {
    const allowed = await mayAskFor(ctx, caller, email);
    if (!allowed.ok) return allowed;
  }
  const changed = await guardD1(
    ctx.db
      .update(users)
      .set({ ...columnsOf(wish), updatedAt: ctx.nowMs })
      .where(
        and(eq(users.id, caller.userId), isNull(users.closedAt), email === undefined ? undefined : isLive(ctx, caller)),
      )
      .returning(),
  );
  if (!changed.ok) return refuse(changed.refusal);
  const [row] = changed.value;
  if (row === undefined) return refuse(ENDED);
  ctx.audit({ act: "profile.change", target: row.id, outcome: "ok" });
  const user = userOf(row, caller.accountId);
  ctx.later(ctx.edge.keep(caller.sessionId, user, ACCESS_TTL_SECONDS * 1_000));
  return email === undefined || row.pendingEmail === null ? ok(user) : askToConfirm(ctx, user, row.pendingEmail);
}

async function mayAskFor(ctx: IdentityContext, caller: Principal, email: string): Promise<Result<unknown>> {
  const stale = staleness(caller, ctx.nowMs);
  if (stale !== null) return refuse(stale);
  const byThem = await ctx.limits.take("mail_to", `user/${caller.userId}`, 1);
  return byThem.ok ? ctx.limits.take("mail_to", `email/${canonicalEmail(email)}`, 1) : byThem;
}

/** As they stand in the UPDATE, which reads nothing first: of two changes at once neither undoes the other. */
function columnsOf({ locale, notifications, email }: ProfileWish): Record<string, string | SQL> {
  const { emailCanonical } = users;
  return {
    ...(locale === undefined ? {} : { locale }),
    ...(notifications === undefined
      ? {}
      : { notifications: sql`json_patch(${users.notifications}, ${JSON.stringify(notifications)})` }),
    ...(email === undefined
      ? {}
      : { pendingEmail: sql`CASE WHEN ${emailCanonical} = ${canonicalEmail(email)} THEN NULL ELSE ${email} END` }),
  };
}

async function askToConfirm(ctx: IdentityContext, user: User, email: string): Promise<Result<User>> {
  ctx.audit({ act: "email.change_ask", target: user.id, outcome: "ok" });
  const asked = await ctx.mail({ kind: "change_email", userId: user.id, email });
  if (!asked.ok) return asked;
  ctx.later(ctx.mail({ kind: "email_change_asked", userId: user.id }));
  return ok(user);
}
