// The audit trail as operators read it.
import { and, desc, eq, gte, lt } from "drizzle-orm";
import { ok } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { auditEvents } from "../../db/edge-tables.ts";
import { idCursor, type PageWish, pageById } from "../../http/page.ts";

/** Which events: of whom, which act, to what, from when (included) to when (not), in ms. */
export interface AuditWish extends PageWish {
  actor?: string | undefined;
  act?: string | undefined;
  target?: string | undefined;
  from?: number | undefined;
  to?: number | undefined;
}

/** Events, newest first. Refuses a wrong cursor, and `unavailable` while D1 is away. */
export async function listAudit(env: DatabaseBinding, wish: AuditWish) {
  const cursor = idCursor("aud", wish.cursor);
  if (!cursor.ok) return cursor;
  const { actor, act, target, from, to } = wish;
  const found = await guardD1(
    database(env)
      .select()
      .from(auditEvents)
      .where(
        and(
          actor === undefined ? undefined : eq(auditEvents.actor, actor),
          act === undefined ? undefined : eq(auditEvents.act, act),
          target === undefined ? undefined : eq(auditEvents.target, target),
          from === undefined ? undefined : gte(auditEvents.at, from),
          to === undefined ? undefined : lt(auditEvents.at, to),
          cursor.value === null ? undefined : lt(auditEvents.id, cursor.value),
        ),
      )
      .orderBy(desc(auditEvents.id))
      .limit(wish.limit + 1),
  );
  return found.ok ? ok(pageById(found.value, wish.limit, wireEvent)) : found;
}

function wireEvent({
  id,
  at,
  actorKind,
  actor,
  act,
  target,
  outcome,
  ip,
  requestId,
  reason,
  request,
}: typeof auditEvents.$inferSelect) {
  const who = { actor_kind: actorKind, actor: actor === "" ? null : actor };
  return { id, at: wireTime(at), ...who, act, target, outcome, ip, request_id: requestId, reason, request };
}
