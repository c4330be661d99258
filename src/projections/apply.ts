// The read model's tables: slices and the heads that they move are one D1 batch, and every row of it is guarded by the head
// that it follows. Whoever comes second, or with an old head, changes nothing.
import { getTableColumns, type InferInsertModel, type SQL, sql } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import type { SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import { type Database, type Guarded, guardD1 } from "../db/client.ts";
import { amongSources, type Source, sourceKey } from "../db/heads.ts";
import {
  balances,
  executions,
  ledgerEntries,
  orders,
  projectionHeads,
  projectionSlices,
  trades,
  transfers,
} from "../db/read-model.ts";
import { beginAnew, forget } from "./forget.ts";
import type { Rows } from "./rows.ts";
import { readSlice, type Slice } from "./slice.ts";

/** How far an object has been applied, and the kept slice that can be applied now, if any. */
export interface Position {
  head: number;
  next: Slice | null;
}

/** Where an object stands of which nothing has been applied. */
export const NOWHERE: Position = { head: 0, next: null };

/** A slice, and the head of its object that its first new event follows. */
export interface Step {
  slice: Slice;
  head: number;
}

/** Where objects stand now, in the order given. */
export async function readPositions(db: Database, sources: readonly Source[]): Promise<Guarded<Position[]>> {
  const found = await guardD1(positionsQuery(db, sources));
  return found.ok ? { ok: true, value: positionsOf(sources, found.value) } : found;
}

/**
 * Applies slices of different objects as one D1 batch, and answers where each object stands then. Each is guarded for
 * itself: when D1 has another head for it by then, it changes nothing and the answer says so; the caller decides anew. A
 * failure leaves all as it was, or, when only the answer was lost, all applied.
 */
export async function applySlices(db: Database, steps: readonly Step[], atMs: number): Promise<Guarded<Position[]>> {
  const wanted = JSON.stringify(
    steps.map(({ slice: { source, to }, head }) => [source.object, source.name, source.epoch, head, to]),
  );
  const fits = sql`(SELECT wanted.key FROM json_each(${wanted}) AS wanted LEFT JOIN ${projectionHeads}
    ON (${projectionHeads.object}, ${projectionHeads.name}, ${projectionHeads.epoch})
      = (wanted.value ->> 0, wanted.value ->> 1, wanted.value ->> 2)
    WHERE coalesce(${projectionHeads.appliedSeq}, 0) = wanted.value ->> 3)`;
  const gathered = steps.map(({ slice, head }) => gather(slice, head));
  const of = <Name extends keyof Rows>(name: Name) => gathered.map((rows): Rows[Name] => rows[name]);
  return batchThenPositions(
    db,
    steps.map(({ slice }) => slice.source),
    [
      ...beginAnew(db, of("bases"), fits),
      ...latest(db, orders, of("orders"), fits, [orders.id], [orders.epoch, orders.eventSeq]),
      ...latest(
        db,
        balances,
        of("balances"),
        fits,
        [balances.accountId, balances.asset],
        [balances.epoch, balances.seq],
      ),
      ...once(db, executions, of("executions"), fits),
      ...once(db, ledgerEntries, of("entries"), fits),
      ...latest(db, transfers, of("transfers"), fits, [transfers.id], [transfers.epoch, transfers.seq]),
      ...once(db, trades, of("trades"), fits),
      ...forget(db, of("cuts"), fits),
      moveHeads(db, wanted, atMs, fits),
    ],
  );
}

/** Keeps a slice that came too early, and answers where its object stands then. Keeping it twice keeps it once. */
export async function keepSlice(db: Database, slice: Slice, atMs: number): Promise<Guarded<Position>> {
  const { source, from: fromSeq, to: toSeq, bodies } = slice;
  const kept = { ...source, fromSeq, toSeq, events: bodies, keptAt: atMs };
  const insert = db.insert(projectionSlices).values(kept).onConflictDoNothing();
  const positions = await batchThenPositions(db, [source], [insert]);
  return positions.ok ? { ok: true, value: positions.value[0] ?? NOWHERE } : positions;
}

/**
 * Reading the positions in the same batch is what leaves no gap between consumers: of one that keeps a slice and one that
 * applies the slice before it, the later sees what the earlier did.
 */
async function batchThenPositions(
  db: Database,
  sources: readonly Source[],
  writes: BatchItem<"sqlite">[],
): Promise<Guarded<Position[]>> {
  const batch = [...writes, positionsQuery(db, sources)] as unknown as [BatchItem<"sqlite">];
  const answers = await guardD1(db.batch(batch));
  if (!answers.ok) return answers;
  // A batch answers in the order of its statements; their types do not survive an array of any length.
  return { ok: true, value: positionsOf(sources, (answers.value as unknown[]).at(-1) as PositionRow[]) };
}

function positionsQuery(db: Database, sources: readonly Source[]) {
  const { object, name, epoch, appliedSeq } = projectionHeads;
  const { fromSeq, toSeq, events } = projectionSlices;
  const itsOwn = sql`(${projectionSlices.object}, ${projectionSlices.name}, ${projectionSlices.epoch}) = (${object}, ${name}, ${epoch})`;
  return db
    .select({ object, name, epoch, appliedSeq, fromSeq, toSeq, events })
    .from(projectionHeads)
    .leftJoin(projectionSlices, sql`${itsOwn} AND ${fromSeq} <= ${appliedSeq} + 1 AND ${toSeq} > ${appliedSeq}`)
    .where(amongSources(sources))
    .orderBy(toSeq);
}

type PositionRow = Awaited<ReturnType<typeof positionsQuery>>[number];

function positionsOf(sources: readonly Source[], found: readonly PositionRow[]): Position[] {
  // Of several kept slices that fit, the one that reaches farthest comes last and stays.
  const rows = new Map(found.map((row) => [sourceKey(row), row]));
  return sources.map((source) => {
    const row = rows.get(sourceKey(source));
    if (row === undefined) return NOWHERE;
    if (row.events === null) return { head: row.appliedSeq, next: null };
    const kept = readSlice({ v: 1, ...source, from: row.fromSeq, to: row.toSeq, events: row.events });
    // Kept by a newer version and not known to this one: it stays for that one.
    return { head: row.appliedSeq, next: kept.kind === "slice" ? kept.slice : null };
  });
}

/** The rows of the events after `head`; of an order, a balance or a transfer only the last, since one statement may not hit it twice. */
function gather(slice: Slice, head: number): Rows {
  const fresh = slice.events.filter((event) => event.seq > head).map((event) => event.rows);
  const last = <Row>(rows: Row[], key: (row: Row) => string) => [
    ...new Map(rows.map((row) => [key(row), row])).values(),
  ];
  return {
    orders: last(
      fresh.flatMap((rows) => rows.orders),
      (row) => row.id,
    ),
    balances: last(
      fresh.flatMap((rows) => rows.balances),
      (row) => `${row.accountId} ${row.asset}`,
    ),
    executions: fresh.flatMap((rows) => rows.executions),
    entries: fresh.flatMap((rows) => rows.entries),
    transfers: last(
      fresh.flatMap((rows) => rows.transfers),
      (row) => row.id,
    ),
    trades: fresh.flatMap((rows) => rows.trades),
    cuts: fresh.flatMap((rows) => rows.cuts),
    bases: fresh.flatMap((rows) => rows.bases),
  };
}

/** Rows of one table, by step. */
type StepRows<T extends SQLiteTable> = readonly (readonly InferInsertModel<T>[])[];

/**
 * The rows of the steps that fit, all as one bound text with each row's step behind it: D1 takes a hundred parameters, and
 * a batch's rows are far below its 2 MB for one.
 */
function selectRows<T extends SQLiteTable>(table: T, rows: StepRows<T>, fits: SQL): SQL {
  const keys = Object.keys(getTableColumns(table));
  const values = rows.flatMap((ofStep, step) =>
    ofStep.map((row: Record<string, unknown>) => [...keys.map((key) => row[key] ?? null), step]),
  );
  const columns = sql.raw(keys.map((_, index) => `value ->> ${index}`).join(", "));
  const step = sql.raw(`value ->> ${keys.length}`);
  return sql`SELECT ${columns} FROM jsonb_each(${JSON.stringify(values)}) WHERE ${step} IN ${fits}`;
}

/** Rows that never change: what is there already stays. */
function once<T extends SQLiteTable>(db: Database, table: T, rows: StepRows<T>, fits: SQL) {
  if (rows.every((ofStep) => ofStep.length === 0)) return [];
  return [
    db
      .insert(table)
      .select(selectRows(table, rows, fits))
      .onConflictDoNothing(),
  ];
}

/** Rows that change: only a row of a later (epoch, seq) replaces one. */
function latest<T extends SQLiteTable>(
  db: Database,
  table: T,
  rows: StepRows<T>,
  fits: SQL,
  key: [SQLiteColumn, ...SQLiteColumn[]],
  age: [epoch: SQLiteColumn, seq: SQLiteColumn],
) {
  if (rows.every((ofStep) => ofStep.length === 0)) return [];
  const excluded = (column: SQLiteColumn) => sql`excluded.${sql.identifier(column.name)}`;
  const set: Record<string, SQL> = {};
  for (const [name, column] of Object.entries(getTableColumns(table))) {
    if (!key.includes(column as SQLiteColumn)) set[name] = excluded(column as SQLiteColumn);
  }
  const [epoch, seq] = age;
  const setWhere = sql`(${excluded(epoch)}, ${excluded(seq)}) > (${epoch}, ${seq})`;
  const insert = db.insert(table).select(selectRows(table, rows, fits));
  return [insert.onConflictDoUpdate({ target: key, set: set as never, setWhere })];
}

function moveHeads(db: Database, wanted: string, atMs: number, fits: SQL) {
  return db
    .insert(projectionHeads)
    .select(
      sql`SELECT NULL, value ->> 0, value ->> 1, value ->> 2, value ->> 4, ${atMs} FROM json_each(${wanted}) WHERE key IN ${fits}`,
    )
    .onConflictDoUpdate({
      target: [projectionHeads.object, projectionHeads.name, projectionHeads.epoch],
      set: { appliedSeq: sql`excluded.applied_seq`, appliedAt: sql`excluded.applied_at` },
    });
}
