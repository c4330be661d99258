// How sessions end. The account object is told first, since it is asked by every act with money; then D1, whose row is the
// blacklist's entry and its audit; KV last, which only spares the others some work.

import { and, eq, isNull, type SQL } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import type { SessionEndReason } from "../../core/session-ends.ts";
import { guardD1 } from "../../db/client.ts";
import { sessions } from "../../db/tables.ts";
import type { Principal } from "../../http/context.ts";
import { ACCESS_TTL_SECONDS } from "../../http/tokens.ts";
import { log } from "../../log.ts";
import { withdrawAddress } from "./links.ts";
import type { IdentityContext } from "./user.ts";

/** Who ended sessions, and why; `by` null: nobody did. */
export interface Ending {
  reason: SessionEndReason;
  by: string | null;
  note?: string;
}

/** A session's last access token may be signed while it ends, and clocks differ: an end is remembered a minute longer. */
export const REVOKED_KEPT_MS = ACCESS_TTL_SECONDS * 1_000 + 60_000;
/** Ended sessions of one act that KV hears of: a request may write a thousand keys. The others only D1 and account refuse. */
const BLACKLISTED_AT_ONCE_MAX = 500;

const NO_SESSION: Refusal = { code: "not_found", detail: "There is no such session." };
const REUSED: Refusal = {
  code: "refresh_token_reused",
  detail: "This refresh token was used before, so its session has ended; sign in again.",
};

/** How much longer an access token of a session may be good that was last refreshed at `rotatedAt`, with a minute to spare. */
function tokenLeftMs(ctx: IdentityContext, rotatedAt: number): number {
  return rotatedAt + REVOKED_KEPT_MS - ctx.nowMs;
}

/** The statement that ends the rows that fit `which` and have not ended; {@link blacklistEnded} takes what it answers. */
export function endStatement(ctx: IdentityContext, which: SQL | undefined, ending: Ending) {
  const { reason, by, note = null } = ending;
  return ctx.db
    .update(sessions)
    .set({ endedAt: ctx.nowMs, endedReason: reason, endedBy: by, endedNote: note })
    .where(and(which, isNull(sessions.endedAt)))
    .returning({ id: sessions.id, rotatedAt: sessions.rotatedAt });
}

/** Tells KV of sessions that D1 has ended. Answers those of which an access token may still be good. */
export function blacklistEnded(ctx: IdentityContext, ended: { id: string; rotatedAt: number }[]): string[] {
  const usable = ended.filter(({ rotatedAt }) => tokenLeftMs(ctx, rotatedAt) > 0);
  for (const { id, rotatedAt } of usable.slice(0, BLACKLISTED_AT_ONCE_MAX)) {
    ctx.later(ctx.edge.blacklist(id, tokenLeftMs(ctx, rotatedAt)));
  }
  return usable.map(({ id }) => id);
}

/** Those of ended sessions that were opened or refreshed after the act that ended them began. */
export function refreshedSince(ctx: IdentityContext, ended: { id: string; rotatedAt: number }[]): string[] {
  return ended.filter(({ rotatedAt }) => rotatedAt > ctx.nowMs).map(({ id }) => id);
}

async function endRows(
  ctx: IdentityContext,
  which: SQL | undefined,
  ending: Ending,
  also: readonly BatchItem<"sqlite">[] = [],
): Promise<Result<null>> {
  const ended = await guardD1(ctx.db.batch([endStatement(ctx, which, ending), ...also]));
  if (!ended.ok) return refuse(ended.refusal);
  blacklistEnded(ctx, ended.value[0]);
  return ok(null);
}

/** Ends that their user's verbs tell the audit trail of; an operator's is told at the door, with what they said. */
const ACTS: Partial<Record<SessionEndReason, string>> = {
  logout: "session.logout",
  logout_all: "session.logout_all",
  revoked: "session.revoke",
};

/** Once the account has been told it is over, whatever D1 says. */
function tellTrail(ctx: IdentityContext, { reason }: Ending, target: string): void {
  const act = ACTS[reason];
  if (act !== undefined) ctx.audit({ act, target, outcome: "ok" });
}

/** Ends one session, account first. When that cannot be told nothing has ended (`unavailable`). */
async function endOne(
  ctx: IdentityContext,
  session: { id: string; accountId: string },
  ending: Ending,
): Promise<Result<null>> {
  const told = await ctx.revoker.revokeSession(session.accountId, session.id, ctx.nowMs + REVOKED_KEPT_MS);
  if (!told.ok) return told;
  tellTrail(ctx, ending, session.id);
  return endRows(ctx, eq(sessions.id, session.id), ending);
}

/** Ends the caller's session. Refuses `unavailable`. */
export function logout(ctx: IdentityContext, caller: Principal): Promise<Result<null>> {
  const { sessionId: id, accountId } = caller;
  return endOne(ctx, { id, accountId }, { reason: "logout", by: caller.userId });
}

/** Ends every session of a user, in the same order, and does `also` in the transaction that ends them. */
export async function endAll(
  ctx: IdentityContext,
  user: { userId: string; accountId: string },
  ending: Ending,
  also: readonly BatchItem<"sqlite">[] = [],
): Promise<Result<null>> {
  const told = await ctx.revoker.revokeAll(user.accountId, ctx.nowMs + 1);
  if (!told.ok) return told;
  tellTrail(ctx, ending, user.userId);
  return endRows(ctx, eq(sessions.userId, user.userId), ending, also);
}

/** Ends every session of the caller, and withdraws an e-mail address that one of them has asked for. Refuses `unavailable`. */
export function logoutAll(ctx: IdentityContext, caller: Principal): Promise<Result<null>> {
  return endAll(ctx, caller, { reason: "logout_all", by: caller.userId }, withdrawAddress(ctx, caller.userId));
}

/**
 * Ends one of the caller's sessions; one that has ended already is told to the account again. Refuses `not_found` for what
 * is not the caller's, and `unavailable`.
 */
export async function endOwn(ctx: IdentityContext, caller: Principal, sessionId: string): Promise<Result<null>> {
  const own = and(eq(sessions.id, sessionId), eq(sessions.userId, caller.userId));
  return endFound(ctx, own, { reason: "revoked", by: caller.userId });
}

/** Ends anybody's session for an operator, who says why. Refuses as {@link endOwn}. */
export function endAsOperator(ctx: IdentityContext, act: { by: string; reason: string }, sessionId: string) {
  return endFound(ctx, eq(sessions.id, sessionId), { reason: "operator", by: act.by, note: act.reason });
}

async function endFound(ctx: IdentityContext, which: SQL | undefined, ending: Ending): Promise<Result<null>> {
  const found = await guardD1(
    ctx.db.select({ id: sessions.id, accountId: sessions.accountId }).from(sessions).where(which).limit(1),
  );
  if (!found.ok) return found;
  const [session] = found.value;
  return session === undefined ? refuse(NO_SESSION) : endOne(ctx, session, ending);
}

/** Here D1 goes first: the thief's next refresh must fail even while the account cannot be told. A retry tells it again. */
export async function endForReuse(
  ctx: IdentityContext,
  session: { id: string; userId: string; accountId: string },
): Promise<Result<never>> {
  const ended = await guardD1(endStatement(ctx, eq(sessions.id, session.id), { reason: "reuse", by: null }));
  if (!ended.ok) return refuse(ended.refusal);
  blacklistEnded(ctx, ended.value);
  if (ended.value.length > 0) ctx.later(ctx.mail({ kind: "refresh_token_reused", userId: session.userId }));
  ctx.audit({ act: "session.refresh", actor: session.userId, target: session.id, outcome: REUSED.code });
  const told = await ctx.revoker.revokeSession(session.accountId, session.id, ctx.nowMs + REVOKED_KEPT_MS);
  return told.ok ? refuse(REUSED) : told;
}

/**
 * Tells an account of sessions that were opened or refreshed after it had heard of the act that ended them. They have ended
 * in D1 already and can refresh no more, so nothing is undone where it cannot be told: what they have got lasts ten minutes.
 */
export async function tellLate(ctx: IdentityContext, accountId: string, sessionIds: readonly string[]): Promise<void> {
  const told = await tellAccount(ctx, accountId, sessionIds);
  if (!told.ok) log("warn", "session_end_untold", { sessions: sessionIds });
}

/** Tells an account that these sessions of it have ended. Refuses `unavailable` when it has not heard of each. */
export async function tellAccount(
  ctx: IdentityContext,
  accountId: string,
  sessionIds: readonly string[],
): Promise<Result<null>> {
  const until = ctx.nowMs + REVOKED_KEPT_MS;
  const told = await Promise.all(sessionIds.map((id) => ctx.revoker.revokeSession(accountId, id, until)));
  return told.find((one) => !one.ok) ?? ok(null);
}
