// What checks have found broken: opened once, seen again, closed when it is gone, and acknowledged by operators.
import { and, desc, eq, isNotNull, isNull, lt, type SQL, sql } from "drizzle-orm";
import { typeId } from "../../core/ids.ts";
import type { Finding } from "../../core/reconcile.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { breaks } from "../../db/books-tables.ts";
import { among, type Database, type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { idCursor, type PageWish, pageById, type WirePage } from "../../http/page.ts";
import type { OperatorAct } from "../../objects/protocol.ts";

/** A break as it is stored. */
export type BreakRow = typeof breaks.$inferSelect;
/** What a finding is about: an object, or the sums of all of them. */
export interface Subject {
  object: BreakRow["object"];
  name: string;
}
/** A finding, and what it is about. */
export type Found = Finding & Subject;

/** The breaks of these objects that are open. */
export function openBreaksOf(db: Database, object: BreakRow["object"], names: SQL) {
  return db.select().from(breaks).where(sql`object = ${object} AND name IN ${names} AND closed_at IS NULL`);
}

/** Opens what was found, or says that it was seen again. */
export function keepFound(db: Database, found: readonly Found[], at: number) {
  const rows = found.map(({ kind, object, name, subject, expected, found: there }) => [
    typeId("brk", at, crypto.getRandomValues(new Uint8Array(10))),
    ...[kind, object, name, subject, expected, there],
  ]);
  const values = sql`SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, ${at}, ${at},
    NULL, NULL, NULL, NULL FROM json_each(${JSON.stringify(rows)}) WHERE true`;
  return db
    .insert(breaks)
    .select(values)
    .onConflictDoUpdate({
      target: [breaks.object, breaks.name, breaks.kind, breaks.subject],
      targetWhere: sql`closed_at IS NULL`,
      set: {
        expected: sql`excluded.expected`,
        found: sql`excluded.found`,
        lastSeenAt: sql`excluded.last_seen_at`,
      },
    });
}

/** Closes breaks that are no more. */
export function closeBreaks(db: Database, ids: readonly string[], at: number) {
  return db
    .update(breaks)
    .set({ closedAt: at })
    .where(and(among(breaks.id, ids), isNull(breaks.closedAt)));
}

/** Of open breaks, those that were not found again. */
export function mended(open: readonly BreakRow[], found: readonly Found[]): BreakRow[] {
  const key = ({ object, name, kind, subject }: Found | BreakRow) => JSON.stringify([object, name, kind, subject]);
  const still = new Set(found.map(key));
  return open.filter((row) => !still.has(key(row)));
}

/** Which breaks are wanted. */
export interface BreakWish extends PageWish {
  status: "open" | "acknowledged" | "closed" | "all";
}

/** Breaks, newest first. Refuses a wrong cursor (`validation_failed`), and `unavailable` while D1 is away. */
export async function listBreaks(env: DatabaseBinding, wish: BreakWish): Promise<Result<WirePage<WireBreak>>> {
  const cursor = idCursor("brk", wish.cursor);
  if (!cursor.ok) return cursor;
  const found = await guardD1(
    database(env)
      .select()
      .from(breaks)
      .where(and(STATUS[wish.status], cursor.value === null ? undefined : lt(breaks.id, cursor.value)))
      .orderBy(desc(breaks.id))
      .limit(wish.limit + 1),
  );
  return found.ok ? ok(pageById(found.value, wish.limit, wireBreak)) : found;
}

/** Open ones are those that nobody has acknowledged yet. */
const STATUS: Record<BreakWish["status"], SQL | undefined> = {
  open: and(isNull(breaks.closedAt), isNull(breaks.acknowledgedAt)),
  acknowledged: and(isNull(breaks.closedAt), isNotNull(breaks.acknowledgedAt)),
  closed: isNotNull(breaks.closedAt),
  all: undefined,
};

/**
 * Says that an operator knows of an open break, and why it may stand. Refuses `not_found`, `break_closed`, and `unavailable`.
 * Who comes later says the last word.
 */
export async function acknowledge(
  env: DatabaseBinding,
  id: string,
  { by, reason }: OperatorAct,
  nowMs: number,
): Promise<Result<WireBreak>> {
  const db = database(env);
  const set = { acknowledgedAt: nowMs, acknowledgedBy: by, acknowledgedReason: reason };
  const done = await guardD1(
    db
      .update(breaks)
      .set(set)
      .where(and(eq(breaks.id, id), isNull(breaks.closedAt)))
      .returning(),
  );
  if (!done.ok) return done;
  const [row] = done.value;
  if (row !== undefined) return ok(wireBreak(row));
  const known = await guardD1(db.select({ id: breaks.id }).from(breaks).where(eq(breaks.id, id)));
  if (!known.ok) return known;
  return refuse({ code: known.value.length === 0 ? "not_found" : "break_closed" });
}

/** A break as operators see it. */
export type WireBreak = ReturnType<typeof wireBreak>;

function wireBreak(row: BreakRow) {
  const { id, kind, object, name, subject, expected, found } = row;
  const time = (at: number | null) => (at === null ? null : wireTime(at));
  const status: "open" | "acknowledged" | "closed" =
    row.closedAt !== null ? "closed" : row.acknowledgedAt !== null ? "acknowledged" : "open";
  return {
    ...{ id, status, kind, object, name, subject, detail: { expected, found } },
    opened_at: wireTime(row.openedAt),
    last_seen: wireTime(row.lastSeenAt),
    closed_at: time(row.closedAt),
    acknowledged_at: time(row.acknowledgedAt),
    acknowledged_by: row.acknowledgedBy,
    reason: row.acknowledgedReason,
  };
}
