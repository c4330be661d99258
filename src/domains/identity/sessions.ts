// Sessions: one row a login in D1, whose generation says which refresh token is the newest. D1 decides by one
// conditional UPDATE who rotated; the account object is told first when a session ends.

import { and, eq, gt, isNull } from "drizzle-orm";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { type Database, guardD1 } from "../../db/client.ts";
import { accounts, sessions, users } from "../../db/tables.ts";
import type { Config, Principal } from "../../http/context.ts";
import { ACCESS_TTL_SECONDS, signAccessToken } from "../../http/tokens.ts";
import { readRefreshToken, refreshTokenOf } from "./refresh-token.ts";
import { type IdentityContext, newId, type Origin, type User, userOf } from "./user.ts";

/** Whole life of a session, however often it is refreshed. */
export const SESSION_TTL_MS = 30 * 24 * 3_600_000;
/** Life of a session nobody refreshes. */
export const SESSION_IDLE_MS = 7 * 24 * 3_600_000;
/** How long a used refresh token is answered with the same successor: a client may have lost the answer. */
export const SUCCESSOR_MS = 10_000;
/** How long an account remembers an ended session: its last access token, signed while it ended, plus a minute. */
const REVOKED_KEPT_MS = ACCESS_TTL_SECONDS * 1_000 + 60_000;
/** Kept of a User-Agent or an address: enough to recognise one's own. */
const ORIGIN_CHARS_MAX = 200;

/** Both tokens of a session. */
export interface Tokens {
  accessToken: string;
  expiresInSeconds: number;
  refreshToken: string;
  sessionId: string;
}

const NOT_OURS: Refusal = { code: "unauthenticated", detail: "This is not a refresh token." };
const EXPIRED: Refusal = { code: "token_expired", detail: "The session has expired; sign in again." };
const REVOKED: Refusal = { code: "session_revoked", detail: "This session has ended; sign in again." };
const REUSED: Refusal = {
  code: "refresh_token_reused",
  detail: "This refresh token was used before, so its session has ended; sign in again.",
};

/** Opens a session for a user whose password was right. */
export async function openSession(ctx: IdentityContext, user: User, origin: Origin): Promise<Result<Tokens>> {
  const session = {
    id: newId("ses", ctx.nowMs),
    userId: user.id,
    accountId: user.accountId,
    generation: 1,
    device: origin.device.slice(0, ORIGIN_CHARS_MAX),
    ip: origin.ip.slice(0, ORIGIN_CHARS_MAX),
    createdAt: ctx.nowMs,
    rotatedAt: ctx.nowMs,
    expiresAt: ctx.nowMs + SESSION_TTL_MS,
  };
  const written = await guardD1(ctx.db.insert(sessions).values(session));
  if (!written.ok) return refuse(written.refusal);
  return ok(await tokensOf(ctx.config, ctx.nowMs, user, session.id, session.generation));
}

/**
 * Rotates a refresh token. The newest one moves the session on; the one before it gets the same successor for
 * {@link SUCCESSOR_MS}; any older use ends the whole family, at the account too, with `refresh_token_reused`.
 */
export async function refresh(ctx: IdentityContext, text: string): Promise<Result<Tokens>> {
  const token = readRefreshToken(text, ctx.config.refreshSecret);
  if (token === undefined) return refuse(NOT_OURS);
  const rotated = await rotate(ctx, token.sessionId, token.generation);
  if (!rotated.ok) return rotated;
  const found = await sessionOf(ctx.db, token.sessionId);
  if (!found.ok) return found;
  if (found.value === undefined) return refuse(NOT_OURS);
  const { session, user } = found.value;
  // Whoever ended it between the two statements wins: an ended session gets no token.
  if (session.endedReason === "reuse") return endForReuse(ctx, session);
  if (session.endedAt !== null) return refuse(REVOKED);
  const successor = token.generation + 1;
  if (rotated.value) return ok(await tokensOf(ctx.config, ctx.nowMs, user, session.id, successor));
  if (session.generation === token.generation) return refuse(EXPIRED);
  if (session.generation === successor && ctx.nowMs - session.rotatedAt <= SUCCESSOR_MS) {
    return ok(await tokensOf(ctx.config, ctx.nowMs, user, session.id, successor));
  }
  return endForReuse(ctx, session);
}

/** The one conditional UPDATE: of many calls with the same token, exactly one is told true. */
async function rotate(ctx: IdentityContext, sessionId: string, generation: number): Promise<Result<boolean>> {
  const rotated = await guardD1(
    ctx.db
      .update(sessions)
      .set({ generation: generation + 1, rotatedAt: ctx.nowMs })
      .where(
        and(
          eq(sessions.id, sessionId),
          eq(sessions.generation, generation),
          isNull(sessions.endedAt),
          gt(sessions.expiresAt, ctx.nowMs),
          gt(sessions.rotatedAt, ctx.nowMs - SESSION_IDLE_MS),
        ),
      )
      .returning({ id: sessions.id }),
  );
  return rotated.ok ? ok(rotated.value.length === 1) : rotated;
}

type SessionRow = typeof sessions.$inferSelect;

async function sessionOf(
  db: Database,
  sessionId: string,
): Promise<Result<{ session: SessionRow; user: User } | undefined>> {
  const found = await guardD1(
    db
      .select({ session: sessions, user: users, accountId: accounts.id })
      .from(sessions)
      .innerJoin(users, eq(users.id, sessions.userId))
      .innerJoin(accounts, eq(accounts.id, sessions.accountId))
      .where(eq(sessions.id, sessionId))
      .limit(1),
  );
  if (!found.ok) return found;
  const row = found.value[0];
  return ok(row === undefined ? undefined : { session: row.session, user: userOf(row.user, row.accountId) });
}

/** Here D1 goes first: the thief's next refresh must fail even while the account cannot be told. A retry tells it again. */
async function endForReuse(ctx: IdentityContext, session: SessionRow): Promise<Result<never>> {
  const ended = await guardD1(
    ctx.db
      .update(sessions)
      .set({ endedAt: ctx.nowMs, endedReason: "reuse" })
      .where(and(eq(sessions.id, session.id), isNull(sessions.endedAt))),
  );
  if (!ended.ok) return refuse(ended.refusal);
  ctx.audit({ act: "session.refresh", actor: session.userId, target: session.id, outcome: REUSED.code });
  const told = await ctx.revoker.revokeSession(session.accountId, session.id, ctx.nowMs + REVOKED_KEPT_MS);
  return told.ok ? refuse(REUSED) : told;
}

/** Ends the caller's session. The account object hears of it first; when it cannot, nothing has ended (`unavailable`). */
export async function logout(ctx: IdentityContext, caller: Principal): Promise<Result<null>> {
  const told = await ctx.revoker.revokeSession(caller.accountId, caller.sessionId, ctx.nowMs + REVOKED_KEPT_MS);
  if (!told.ok) return told;
  const ended = await guardD1(
    ctx.db
      .update(sessions)
      .set({ endedAt: ctx.nowMs, endedReason: "logout" })
      .where(and(eq(sessions.id, caller.sessionId), isNull(sessions.endedAt))),
  );
  // The account has been told: the session is over, whatever D1 says.
  ctx.audit({ act: "session.logout", target: caller.sessionId, outcome: "ok" });
  return ended.ok ? ok(null) : refuse(ended.refusal);
}

/** Ends every session of the caller, in the same order as {@link logout}. */
export async function logoutAll(ctx: IdentityContext, caller: Principal): Promise<Result<null>> {
  const told = await ctx.revoker.revokeAll(caller.accountId, ctx.nowMs + 1);
  if (!told.ok) return told;
  const ended = await guardD1(
    ctx.db
      .update(sessions)
      .set({ endedAt: ctx.nowMs, endedReason: "logout_all" })
      .where(and(eq(sessions.userId, caller.userId), isNull(sessions.endedAt))),
  );
  ctx.audit({ act: "session.logout_all", target: caller.userId, outcome: "ok" });
  return ended.ok ? ok(null) : refuse(ended.refusal);
}

async function tokensOf(
  config: Config,
  nowMs: number,
  user: User,
  sessionId: string,
  generation: number,
): Promise<Tokens> {
  const subject = {
    userId: user.id,
    accountId: user.accountId,
    sessionId,
    roles: user.roles,
    emailVerified: user.emailVerified,
  };
  return {
    accessToken: await signAccessToken(config, subject, nowMs),
    expiresInSeconds: ACCESS_TTL_SECONDS,
    refreshToken: refreshTokenOf({ sessionId, generation }, config.refreshSecret),
    sessionId,
  };
}
