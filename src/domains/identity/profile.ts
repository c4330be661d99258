// The caller's own profile: read and changed. How an account is closed is in closing.ts.

import { and, eq, isNull, type SQL, sql } from "drizzle-orm";
import { isKeyId } from "../../core/api-keys.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { foreseenProfile, type ProfileChange, type Write } from "../../core/write-buffer.ts";
import { guardD1 } from "../../db/client.ts";
import { accounts, sessions, users } from "../../db/tables.ts";
import { staleness } from "../../http/auth.ts";
import type { Principal } from "../../http/context.ts";
import { ACCESS_TTL_SECONDS } from "../../http/tokens.ts";
import { type OwnBuffer, writeOrKeep } from "../../http/write-buffer.ts";
import { isLive } from "./live.ts";
import { canonicalEmail, type IdentityContext, keptUser, newId, type User, userOf } from "./user.ts";
import { choiceColumns, writeProfile } from "./writes.ts";

const OTHERS_WAIT: Refusal = { code: "unavailable", detail: "Changes of yours still wait for the database." };
const ENDED: Refusal = { code: "session_revoked", detail: "This session has ended; sign in again." };

/**
 * The caller's own profile with what waits to be changed, by session or by key; by session while D1 is away as KV has kept it, which
 * is as old as the access token at most. The account has been asked before. Refuses `session_revoked` once D1 has the end of the
 * caller's session, `unauthenticated` for a key whose person is no more, and `unavailable`.
 */
export async function readProfile(ctx: IdentityContext, buffer: OwnBuffer, caller: Principal): Promise<Result<User>> {
  const waiting = await buffer.waiting();
  if (!waiting.ok) return waiting;
  const found = isKeyId(caller.sessionId) ? await readKeyOwner(ctx, caller) : await readBearer(ctx, caller);
  return found.ok ? ok(foreseenProfile(found.value, waiting.value)) : found;
}

/** The profile of whose session it is. */
async function readBearer(ctx: IdentityContext, caller: Principal): Promise<Result<User>> {
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
    const kept = await keptBearer(ctx, caller);
    return kept === null ? found : ok(kept);
  }
  const row = found.value[0];
  return row === undefined ? refuse(ENDED) : ok(userOf(row.user, row.accountId));
}

async function keptBearer(ctx: IdentityContext, caller: Principal): Promise<User | null> {
  const kept = keptUser(await ctx.edge.read(caller.sessionId));
  return kept?.id === caller.userId ? kept : null;
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
export interface ProfileWish extends ProfileChange {
  email?: string | undefined;
}

/** What a change has come to: done; or, while it waits for the database, what is known of the profile, if anything. */
export type ProfileAnswer = { kind: "done"; user: User } | { kind: "buffered"; user: User | null };

/**
 * Changes the caller's profile, or keeps the change while D1 is away. Another e-mail address cannot wait, nor be asked for while others
 * do. Refuses `session_revoked` for a user who is no more, what {@link changeEmail} refuses, and `unavailable`.
 */
export async function changeProfile(
  ctx: IdentityContext,
  buffer: OwnBuffer,
  caller: Principal,
  { email, ...change }: ProfileWish,
): Promise<Result<ProfileAnswer>> {
  if (email !== undefined) {
    const waiting = await buffer.waiting();
    if (!waiting.ok) return waiting;
    if (waiting.value.length > 0) return refuse(OTHERS_WAIT);
    const asked = await changeEmail(ctx, caller, { ...change, email });
    return asked.ok ? ok({ kind: "done", user: asked.value }) : asked;
  }
  const { userId } = caller;
  const { nowMs } = ctx;
  const write: Write = { id: newId("wrt", nowMs), userId, at: nowMs, act: { kind: "profile.change", change } };
  const written = await writeOrKeep(buffer, write, () => writeProfile(ctx.db, write, change, nowMs));
  if (!written.ok) return written.refusal.code === "not_found" ? refuse(ENDED) : written;
  if ("done" in written.value) return ok({ kind: "done", user: tellChanged(ctx, caller, written.value.done) });
  ctx.audit({ act: "profile.change", target: userId, outcome: "buffered" });
  const kept = await keptBearer(ctx, caller);
  if (kept === null) return ok({ kind: "buffered", user: null });
  const user = foreseenProfile(kept, written.value.waiting);
  // Once it is done it waits no more, and while D1 is away again nothing else would show it.
  keepAtEdge(ctx, caller, user);
  return ok({ kind: "buffered", user });
}

function tellChanged(ctx: IdentityContext, caller: Principal, row: typeof users.$inferSelect): User {
  ctx.audit({ act: "profile.change", target: row.id, outcome: "ok" });
  const user = userOf(row, caller.accountId);
  keepAtEdge(ctx, caller, user);
  return user;
}

function keepAtEdge(ctx: IdentityContext, { sessionId }: Principal, user: User): void {
  ctx.later(ctx.edge.keep(sessionId, user, ACCESS_TTL_SECONDS * 1_000));
}

/**
 * Changes the profile of somebody who wants another e-mail address, too. It takes a fresh password or code (`step_up_required`) and
 * only waits until it is confirmed: the answer is the same when somebody has it, and its owner hears of it by e-mail. The present
 * address again withdraws one that waits. Refuses `session_revoked` once the session has ended, `rate_limited` after too many
 * e-mails, and `unavailable`.
 */
async function changeEmail(
  ctx: IdentityContext,
  caller: Principal,
  wish: ProfileWish & { email: string },
): Promise<Result<User>> {
  const allowed = await mayAskFor(ctx, caller, wish.email);
  if (!allowed.ok) return allowed;
  const changed = await guardD1(
    ctx.db
      .update(users)
      .set({ ...columnsOf(wish), updatedAt: ctx.nowMs })
      .where(and(eq(users.id, caller.userId), isNull(users.closedAt), isLive(ctx, caller)))
      .returning(),
  );
  if (!changed.ok) return refuse(changed.refusal);
  const [row] = changed.value;
  if (row === undefined) return refuse(ENDED);
  const user = tellChanged(ctx, caller, row);
  return row.pendingEmail === null ? ok(user) : askToConfirm(ctx, user, row.pendingEmail);
}

async function mayAskFor(ctx: IdentityContext, caller: Principal, email: string): Promise<Result<unknown>> {
  const stale = staleness(caller, ctx.nowMs);
  if (stale !== null) return refuse(stale);
  const byThem = await ctx.limits.take("mail_to", `user/${caller.userId}`, 1);
  return byThem.ok ? ctx.limits.take("mail_to", `email/${canonicalEmail(email)}`, 1) : byThem;
}

function columnsOf({ email, ...choices }: ProfileWish & { email: string }): Record<string, string | SQL> {
  const isPresent = sql`${users.emailCanonical} = ${canonicalEmail(email)}`;
  return { ...choiceColumns(choices), pendingEmail: sql`CASE WHEN ${isPresent} THEN NULL ELSE ${email} END` };
}

async function askToConfirm(ctx: IdentityContext, user: User, email: string): Promise<Result<User>> {
  ctx.audit({ act: "email.change_ask", target: user.id, outcome: "ok" });
  const asked = await ctx.mail({ kind: "change_email", userId: user.id, email });
  if (!asked.ok) return asked;
  ctx.later(ctx.mail({ kind: "email_change_asked", userId: user.id }));
  return ok(user);
}
