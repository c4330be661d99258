// First answers to idempotency keys, in D1: one unique row a caller, route and key decides who acts.
import { and, eq, isNull, lte, sql } from "drizzle-orm";
import { ONCE_KEPT_MS, ONCE_LEASE_MS } from "../../core/limits.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { type Database, type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { idempotencyKeys } from "../../db/edge-tables.ts";
import type { OnceAnswer, OnceStore, OnceWish } from "../../http/idempotency.ts";
import { log } from "../../log.ts";

/** Remembers first answers in D1. */
export function onceStore(env: DatabaseBinding): OnceStore {
  const db = database(env);
  return { begin: (wish) => begin(db, wish, Date.now()), end: (wish, answer) => end(db, wish, answer) };
}

async function begin(db: Database, wish: OnceWish, nowMs: number): Promise<Result<OnceAnswer | null>> {
  const { scope, key, bodyHash, requestId } = wish;
  const lease = { bodyHash, requestId, leaseUntil: nowMs + ONCE_LEASE_MS, createdAt: nowMs };
  const taken = await guardD1(
    db
      .insert(idempotencyKeys)
      .values({ scope, key, ...lease })
      // Whoever took it has died unanswered: nobody knows what came of it, so it is done again.
      .onConflictDoUpdate({
        target: [idempotencyKeys.scope, idempotencyKeys.key],
        set: lease,
        setWhere: sql`${isNull(idempotencyKeys.status)} AND ${lte(idempotencyKeys.leaseUntil, nowMs)} AND ${eq(idempotencyKeys.bodyHash, bodyHash)}`,
      })
      .returning({ key: idempotencyKeys.key }),
  );
  if (!taken.ok) return refuse(taken.refusal);
  if (taken.value.length === 1) return ok(null);
  const found = await guardD1(db.select().from(idempotencyKeys).where(isKey(wish)));
  if (!found.ok) return refuse(found.refusal);
  const [row] = found.value;
  // It has been given free in between: its holder's client asks again.
  if (row === undefined) return refuse({ code: "idempotency_in_flight" });
  if (row.bodyHash !== bodyHash) return refuse({ code: "idempotency_key_reused" });
  const { status, body, contentType } = row;
  if (status === null || body === null || contentType === null) return refuse({ code: "idempotency_in_flight" });
  return ok({ requestId: row.requestId, status, body, contentType });
}

async function end(db: Database, wish: OnceWish, answer: OnceAnswer | null): Promise<void> {
  // Only one's own lease: after a minute the key may be somebody else's.
  const own = and(isKey(wish), isNull(idempotencyKeys.status), eq(idempotencyKeys.requestId, wish.requestId));
  const done = await guardD1(
    answer === null
      ? db.delete(idempotencyKeys).where(own)
      : db
          .update(idempotencyKeys)
          .set({ status: answer.status, contentType: answer.contentType, body: answer.body })
          .where(own),
  );
  if (!done.ok) log("error", "idempotency_answer_not_kept", { request_id: wish.requestId });
}

function isKey({ scope, key }: OnceWish) {
  return and(eq(idempotencyKeys.scope, scope), eq(idempotencyKeys.key, key));
}

/** Forgets keys that have been kept for a day; a few thousand a run, for the cron that calls it each minute. Never throws. */
export async function forgetKeys(env: DatabaseBinding, nowMs: number): Promise<void> {
  const old = sql`SELECT rowid FROM ${idempotencyKeys} WHERE ${idempotencyKeys.createdAt} < ${nowMs - ONCE_KEPT_MS} LIMIT 2000`;
  await guardD1(database(env).run(sql`DELETE FROM ${idempotencyKeys} WHERE rowid IN (${old})`));
}
