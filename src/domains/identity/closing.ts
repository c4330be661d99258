// How an account is closed by its owner. Its books stay as they are, under its id; the person behind it is forgotten.

import { and, eq, isNull } from "drizzle-orm";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { guardD1 } from "../../db/client.ts";
import { mails, mailTokens, mfaChallenges, mfaFactors, oauthIdentities, sessions, users } from "../../db/tables.ts";
import { tasks } from "../../db/tasks-tables.ts";
import { staleness } from "../../http/auth.ts";
import type { Principal } from "../../http/context.ts";
import { type AccountAccess, accountStub, askAccount, callObject, goingOn } from "../../objects/stubs.ts";
import { blacklistEnded, endStatement, refreshedSince, tellLate } from "./ending.ts";
import { factorOf } from "./second-factor.ts";
import { showOnceMore } from "./step-up.ts";
import type { IdentityContext } from "./user.ts";

type Person = Pick<typeof users.$inferSelect, "id" | "email" | "username">;

const NOT_EMPTY: Refusal = {
  code: "account_not_empty",
  detail: "Cancel your orders, sell what you have and withdraw your money first; what is on its way must have come.",
};

/**
 * Closes the caller's account: it is frozen, every session and API key ends, and name, addresses, password, second factor,
 * linked identities and tasks are forgotten; an e-mail says so. Wants the password; a fresh sign-in of who has none; with a second factor both. Refuses `account_not_empty` while it
 * has a balance or an open order, `wrong_password`, `step_up_required`, `rate_limited`, and `unavailable`, after which it can
 * be asked for again.
 */
export async function closeAccount(
  ctx: IdentityContext,
  access: AccountAccess,
  caller: Principal,
  password: string | undefined,
  forgetWrites: () => Promise<Result<null>>,
): Promise<Result<null>> {
  const shown = await mayClose(ctx, caller, password);
  if (!shown.ok) {
    if (shown.refusal.code === "wrong_password")
      ctx.audit({ act: "account.close", target: caller.userId, outcome: "wrong_password" });
    return shown;
  }
  const frozen = await freezeEmpty(access);
  if (!frozen.ok) return frozen;
  const ended = await endAccess(ctx, caller);
  // What waits for the database would come back after it.
  const emptied = ended.ok ? await forgetWrites() : ended;
  const closed = emptied.ok ? await forget(ctx, caller) : emptied;
  const { id: userId, email, username } = shown.value;
  if (closed.ok) ctx.later(ctx.mail({ kind: "account_closed", userId, email, username }));
  // An account that is not closed after all must not stay locked.
  if (!closed.ok && frozen.value === "now") await setStatus(access, "active");
  return closed;
}

/** Sessions and API keys, where they are judged. */
async function endAccess(ctx: IdentityContext, { accountId }: Principal): Promise<Result<null>> {
  const told = await ctx.revoker.revokeAll(accountId, ctx.nowMs + 1);
  return told.ok ? ctx.revoker.revokeKeys(accountId) : told;
}

/** Who it is that may. */
async function mayClose(
  ctx: IdentityContext,
  caller: Principal,
  password: string | undefined,
): Promise<Result<Person>> {
  const found = await guardD1(ctx.db.select().from(users).where(eq(users.id, caller.userId)).limit(1));
  if (!found.ok) return found;
  const factor = await factorOf(ctx, caller.userId);
  if (!factor.ok) return factor;
  const [user] = found.value;
  if (user === undefined) return refuse({ code: "not_found" });
  const stale = staleness(caller, ctx.nowMs);
  if (factor.value !== null && factor.value.confirmedAt !== null && stale !== null) return refuse(stale);
  const shown = await showOnceMore(ctx, caller, user, password);
  return shown.ok ? ok(user) : shown;
}

/** Freezes an account that has nothing, and looks again: what came in between is not locked in. Says who has frozen it. */
async function freezeEmpty(access: AccountAccess): Promise<Result<"now" | "before">> {
  const before = await statusOfEmpty(access);
  if (!before.ok) return before;
  if (before.value === "frozen") return ok("before");
  const frozen = await setStatus(access, "frozen");
  if (!frozen.ok) return frozen;
  const after = await statusOfEmpty(access);
  if (!after.ok) await setStatus(access, "active");
  return after.ok ? ok("now") : after;
}

/** The status of an account without a balance, which an open order holds, and to which nothing will come. Refuses `account_not_empty`, `unavailable`. */
async function statusOfEmpty(access: AccountAccess): Promise<Result<string>> {
  // The door has counted this call.
  const found = await askAccount(goingOn(access), async (account, caller) => account.account(caller));
  if (!found.ok) return found;
  const { balances, status, pending = 0 } = found.value;
  const empty = pending === 0 && balances.every(({ available, held }) => available === 0n && held === 0n);
  return empty ? ok(status) : refuse(NOT_EMPTY);
}

function setStatus({ env, caller }: AccountAccess, status: "active" | "frozen"): Promise<Result<null>> {
  return callObject(() => accountStub(env, caller.accountId).setStatus(status, "closed by its owner"));
}

/** In one transaction. No name has a `~` in it and no address lacks an `@`: nobody can sign in as what stays, or sign up. */
async function forget(ctx: IdentityContext, { userId, accountId }: Principal): Promise<Result<null>> {
  const nobody = `~${userId}`;
  const { db, nowMs } = ctx;
  const open = and(eq(users.id, userId), isNull(users.closedAt));
  const blank = {
    email: nobody,
    emailCanonical: nobody,
    username: nobody,
    passwordHash: null,
    pendingEmail: null,
    emailVerified: false,
    roles: [],
    locale: "en",
    updatedAt: nowMs,
    closedAt: nowMs,
  };
  const written = await guardD1(
    db.batch([
      endStatement(ctx, eq(sessions.userId, userId), { reason: "account_closed", by: userId }),
      db.update(users).set(blank).where(open),
      db.delete(mfaFactors).where(eq(mfaFactors.userId, userId)),
      db.delete(mfaChallenges).where(eq(mfaChallenges.userId, userId)),
      db.delete(oauthIdentities).where(eq(oauthIdentities.userId, userId)),
      db.delete(tasks).where(eq(tasks.userId, userId)),
      db.delete(mailTokens).where(eq(mailTokens.userId, userId)),
      db.update(mails).set({ recipient: "", text: null, html: null }).where(eq(mails.userId, userId)),
      db.update(sessions).set({ device: "", ip: "" }).where(eq(sessions.userId, userId)),
    ]),
  );
  if (!written.ok) return refuse(written.refusal);
  ctx.audit({ act: "account.close", target: userId, outcome: "ok" });
  const [ended] = written.value;
  blacklistEnded(ctx, ended);
  await tellLate(ctx, accountId, refreshedSince(ctx, ended));
  return ok(null);
}
