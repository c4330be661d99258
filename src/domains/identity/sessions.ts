// Sessions: one row a login in D1, whose generation says which refresh token is the newest. D1 decides by one
// conditional UPDATE who rotated. How a session ends is in ending.ts, what is seen of sessions in session-list.ts.

import { and, eq, gt, isNull, type SQL, sql } from "drizzle-orm";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { type Database, guardD1 } from "../../db/client.ts";
import { accounts, sessions, users } from "../../db/tables.ts";
import { ACCESS_TTL_SECONDS, signAccessToken } from "../../http/tokens.ts";
import { tellOfNewDevice } from "./devices.ts";
import { endForReuse } from "./ending.ts";
import { readRefreshToken, refreshTokenOf } from "./refresh-token.ts";
import { type IdentityContext, newId, type Origin, type User, userOf } from "./user.ts";

/** Whole life of a session, however often it is refreshed. */
export const SESSION_TTL_MS = 30 * 24 * 3_600_000;
/** Life of a session nobody refreshes. */
export const SESSION_IDLE_MS = 7 * 24 * 3_600_000;
/** How long a used refresh token is answered with the same successor: a client may have lost the answer. */
export const SUCCESSOR_MS = 10_000;
/** Uses remembered of one session: only a client that refreshes five times a second all the time comes near it. */
const ROTATIONS_KEPT_MAX = 50;
/** Kept of a User-Agent or an address: enough to recognise one's own. */
const ORIGIN_CHARS_MAX = 200;

/** An access token and whose. */
export interface AccessToken {
  accessToken: string;
  expiresInSeconds: number;
  sessionId: string;
}

/** Both tokens of a session. */
export interface Tokens extends AccessToken {
  refreshToken: string;
}

const NOT_OURS: Refusal = { code: "unauthenticated", detail: "This is not a refresh token." };
const EXPIRED: Refusal = { code: "token_expired", detail: "The session has expired; sign in again." };
const REVOKED: Refusal = { code: "session_revoked", detail: "This session has ended; sign in again." };

/**
 * Opens a session for a user who has shown all that is asked of them: only `enter` and a right code end here. `still` is what
 * they have shown it by, judged in the statement that opens it: whoever takes that away meanwhile, or closes the account, wins.
 * Answers null then. Refuses `unavailable`.
 */
export async function openSession(
  ctx: IdentityContext,
  user: User,
  origin: Origin,
  still: SQL | undefined,
): Promise<Result<Tokens | null>> {
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
    authAt: ctx.nowMs,
  };
  const open = and(eq(users.id, user.id), isNull(users.closedAt), still);
  const opened = ctx.db.insert(sessions).select(rowWhile(session, open)).returning({ id: sessions.id });
  const written = await guardD1(opened);
  if (!written.ok) return refuse(written.refusal);
  if (written.value.length === 0) return ok(null);
  ctx.later(tellOfNewDevice(ctx, session));
  return ok(await tokensOf(ctx, user, session));
}

type NewSession = Pick<
  typeof sessions.$inferSelect,
  "id" | "userId" | "accountId" | "generation" | "device" | "ip" | "createdAt" | "rotatedAt" | "expiresAt" | "authAt"
>;

/** The row out of its user's, in the order of the table's columns; no row where `open` does not hold. */
function rowWhile(row: NewSession, open: SQL | undefined): SQL {
  const { id, userId, accountId, generation, device, ip, createdAt, rotatedAt, expiresAt, authAt } = row;
  return sql`SELECT ${id}, ${userId}, ${accountId}, ${generation}, ${device}, ${ip}, ${createdAt}, ${rotatedAt}, '[]',
    ${expiresAt}, NULL, NULL, NULL, NULL, 0, ${authAt} FROM ${users} WHERE ${open}`;
}

/**
 * Rotates a refresh token. The newest one moves the session on. One that was used gets the same successor for
 * {@link SUCCESSOR_MS} from its use, also when that successor has been used itself; after that its use ends the whole
 * family, at the account too, with `refresh_token_reused`.
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
  if (rotated.value) return ok(await tokensOf(ctx, user, { ...session, generation: successor }));
  if (session.generation === token.generation) return refuse(EXPIRED);
  const used = session.rotations.find(([generation]) => generation === token.generation);
  if (used !== undefined && ctx.nowMs - used[1] <= SUCCESSOR_MS) {
    return ok(await tokensOf(ctx, user, { ...session, generation: successor }));
  }
  return endForReuse(ctx, session);
}

/** The one conditional UPDATE: of many calls with the same token, exactly one is told true. */
async function rotate(ctx: IdentityContext, sessionId: string, generation: number): Promise<Result<boolean>> {
  const rotated = await guardD1(
    ctx.db
      .update(sessions)
      .set({ generation: generation + 1, rotatedAt: ctx.nowMs, rotations: withUse(generation, ctx.nowMs) })
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

/** The remembered uses with one more, less those whose time is over: made inside the UPDATE, which reads nothing first. */
function withUse(generation: number, nowMs: number): SQL {
  const kept = sql`SELECT json_group_array(json(value)) FROM json_each(${sessions.rotations})
    WHERE value ->> 1 >= ${nowMs - SUCCESSOR_MS} AND value ->> 0 > ${generation - ROTATIONS_KEPT_MAX}`;
  return sql`json_insert((${kept}), '$[#]', json_array(${generation}, ${nowMs}))`;
}

async function sessionOf(
  db: Database,
  sessionId: string,
): Promise<Result<{ session: typeof sessions.$inferSelect; user: User } | undefined>> {
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

async function tokensOf(
  ctx: IdentityContext,
  user: User,
  session: { id: string; generation: number; authAt: number | null },
): Promise<Tokens> {
  const { id: sessionId, generation, authAt } = session;
  return {
    ...(await accessTokenOf(ctx, user, { id: sessionId, authAt })),
    refreshToken: refreshTokenOf({ sessionId, generation }, ctx.config.refreshSecret),
  };
}

/** An access token of a session, as of now; `authAt` is when its bearer last gave a password or a code. */
export async function accessTokenOf(
  ctx: IdentityContext,
  user: User,
  session: { id: string; authAt: number | null },
): Promise<AccessToken> {
  const subject = {
    userId: user.id,
    accountId: user.accountId,
    sessionId: session.id,
    roles: user.roles,
    emailVerified: user.emailVerified,
    authAtMs: session.authAt,
  };
  ctx.later(ctx.edge.keep(session.id, user, ACCESS_TTL_SECONDS * 1_000));
  return {
    accessToken: await signAccessToken(ctx.config, subject, ctx.nowMs),
    expiresInSeconds: ACCESS_TTL_SECONDS,
    sessionId: session.id,
  };
}
