// What is seen of sessions: by their owner, and by operators, to whom an ended one is an entry of the blacklist.

import { and, count, desc, eq, gt, isNotNull, isNull, lt, type SQL, sum } from "drizzle-orm";
import { ok, type Result, refuse } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { guardD1 } from "../../db/client.ts";
import { sessions } from "../../db/tables.ts";
import type { Principal } from "../../http/context.ts";
import { idCursor, type PageWish, pageById } from "../../http/page.ts";
import { ACCESS_TTL_SECONDS } from "../../http/tokens.ts";
import { SESSION_IDLE_MS, SUCCESSOR_MS } from "./sessions.ts";
import type { IdentityContext } from "./user.ts";

/** How far back the blacklist's figures look. */
const FIGURES_MS = 24 * 3_600_000;

type SessionRow = typeof sessions.$inferSelect;

/** Which sessions an operator wants to see. */
export interface SessionWish extends PageWish {
  user_id?: string | undefined;
  status: "live" | "ended" | "all";
}

function live(nowMs: number): SQL | undefined {
  return and(isNull(sessions.endedAt), gt(sessions.expiresAt, nowMs), gt(sessions.rotatedAt, nowMs - SESSION_IDLE_MS));
}

function isLive(row: SessionRow, nowMs: number): boolean {
  return row.endedAt === null && row.expiresAt > nowMs && row.rotatedAt > nowMs - SESSION_IDLE_MS;
}

function page(ctx: IdentityContext, wish: PageWish, cursor: string | null, which: SQL | undefined) {
  return guardD1(
    ctx.db
      .select()
      .from(sessions)
      .where(and(which, cursor === null ? undefined : lt(sessions.id, cursor)))
      .orderBy(desc(sessions.id))
      .limit(wish.limit + 1),
  );
}

/** The caller's sessions that can still be refreshed, the newest login first. Refuses a wrong cursor, and `unavailable`. */
export async function listSessions(ctx: IdentityContext, caller: Principal, wish: PageWish) {
  const cursor = idCursor("ses", wish.cursor);
  if (!cursor.ok) return cursor;
  const found = await page(ctx, wish, cursor.value, and(eq(sessions.userId, caller.userId), live(ctx.nowMs)));
  if (!found.ok) return found;
  const render = (row: SessionRow) => ({
    id: row.id,
    device: row.device,
    ip: row.ip,
    created_at: wireTime(row.createdAt),
    last_used_at: wireTime(row.rotatedAt),
    current: row.id === caller.sessionId,
  });
  return ok(pageById(found.value, wish.limit, render));
}

/**
 * Whether the presented token may still do something. Account (`admit`) and D1 are both asked, since either may have been told
 * of an end before the other. Refuses `rate_limited`, and `unavailable` when one of them does not answer.
 */
export async function tokenStatus(ctx: IdentityContext, caller: Principal, admit: () => Promise<Result<unknown>>) {
  const [admitted, found] = await Promise.all([
    admit(),
    guardD1(ctx.db.select({ endedAt: sessions.endedAt }).from(sessions).where(eq(sessions.id, caller.sessionId))),
  ]);
  if (!admitted.ok && admitted.refusal.code !== "session_revoked") return admitted;
  if (!found.ok) return found;
  const [row] = found.value;
  const blacklisted = !admitted.ok || (row !== undefined && row.endedAt !== null);
  return ok({
    active: !blacklisted && row !== undefined,
    session_id: caller.sessionId,
    expires_at: wireTime(caller.expiresAtMs),
    blacklisted,
  });
}

function wireAdminSession(row: SessionRow, nowMs: number) {
  return {
    id: row.id,
    user_id: row.userId,
    account_id: row.accountId,
    device: row.device,
    ip: row.ip,
    created_at: wireTime(row.createdAt),
    last_used_at: wireTime(row.rotatedAt),
    expires_at: wireTime(row.expiresAt),
    active: isLive(row, nowMs),
    blacklisted: row.endedAt !== null,
    ended:
      row.endedAt === null || row.endedReason === null
        ? null
        : {
            at: wireTime(row.endedAt),
            reason: row.endedReason,
            by: row.endedBy,
            note: row.endedNote,
            refused_uses: row.refusedUses,
          },
  };
}

/** Sessions of all users, the newest login first. Refuses a wrong cursor, and `unavailable`. */
export async function listAllSessions(ctx: IdentityContext, wish: SessionWish) {
  const cursor = idCursor("ses", wish.cursor);
  if (!cursor.ok) return cursor;
  const ended = isNotNull(sessions.endedAt);
  const status = wish.status === "all" ? undefined : wish.status === "ended" ? ended : live(ctx.nowMs);
  const owner = wish.user_id === undefined ? undefined : eq(sessions.userId, wish.user_id);
  const found = await page(ctx, wish, cursor.value, and(owner, status));
  if (!found.ok) return found;
  return ok(pageById(found.value, wish.limit, (row) => wireAdminSession(row, ctx.nowMs)));
}

/** One session, whoever's it is. Refuses `not_found`, and `unavailable`. */
export async function findSession(
  ctx: IdentityContext,
  id: string,
): Promise<Result<ReturnType<typeof wireAdminSession>>> {
  const found = await guardD1(ctx.db.select().from(sessions).where(eq(sessions.id, id)).limit(1));
  if (!found.ok) return found;
  const [row] = found.value;
  if (row === undefined) return refuse({ code: "not_found", detail: "There is no such session." });
  return ok(wireAdminSession(row, ctx.nowMs));
}

/**
 * How large the blacklist is and what it has refused: sessions that ended while a token of theirs may still be good, and
 * the last day's by reason. Refuses `unavailable`.
 */
export async function blacklistFigures(ctx: IdentityContext) {
  const { endedAt, endedReason, refusedUses } = sessions;
  const since = ctx.nowMs - FIGURES_MS;
  const stillGood = gt(sessions.rotatedAt, ctx.nowMs - ACCESS_TTL_SECONDS * 1_000 - SUCCESSOR_MS);
  const found = await guardD1(
    ctx.db.batch([
      ctx.db
        .select({ n: count() })
        .from(sessions)
        .where(and(gt(endedAt, since), stillGood)),
      ctx.db
        .select({ reason: endedReason, entries: count(), refused: sum(refusedUses) })
        .from(sessions)
        .where(gt(endedAt, since))
        .groupBy(endedReason)
        .orderBy(endedReason),
    ]),
  );
  if (!found.ok) return found;
  const [[now], reasons] = found.value;
  return ok({
    size: now?.n ?? 0,
    since: wireTime(since),
    reasons: reasons.flatMap(({ reason, entries, refused }) => {
      return reason === null ? [] : [{ reason, entries, refused_uses: Number(refused ?? 0) }];
    }),
  });
}
