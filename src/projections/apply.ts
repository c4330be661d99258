// The read model's tables: a slice and the head that it moves are one D1 batch, and every statement of it is guarded by the
// head that it follows. Whoever comes second, or with an old head, changes nothing.
import { and, desc, eq, getTableColumns, type InferInsertModel, type SQL, sql } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import type { SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import { type Database, type Guarded, guardD1 } from "../db/client.ts";
import type { Source } from "../db/heads.ts";
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
import type { Rows } from "./rows.ts";
import { readSlice, type Slice } from "./slice.ts";

/** How far an object has been applied, and the kept slice that can be applied now, if any. */
export interface Position {
  head: number;
  next: Slice | null;
}

/** Where an object stands now. */
export async function readPosition(db: Database, source: Source): Promise<Guarded<Position>> {
  const found = await guardD1(positionQuery(db, source));
  return found.ok ? { ok: true, value: positionOf(source, found.value) } : found;
}

/**
 * Applies a slice whose first new event follows `head`. When D1 has another head by then, nothing changes and the answer
 * says which; the caller decides anew. A failure leaves all as it was, or, when only the answer was lost, all applied.
 */
export async function applySlice(db: Database, slice: Slice, head: number, atMs: number): Promise<Guarded<Position>> {
  const { source } = slice;
  const guard = sql`coalesce(${headOf(source)}, 0) = ${head}`;
  const rows = gather(slice, head);
  return batchThenPosition(db, source, [
    ...latest(db, orders, rows.orders, guard, [orders.id], [orders.epoch, orders.eventSeq]),
    ...latest(db, balances, rows.balances, guard, [balances.accountId, balances.asset], [balances.epoch, balances.seq]),
    ...once(db, executions, rows.executions, guard),
    ...once(db, ledgerEntries, rows.entries, guard),
    ...once(db, transfers, rows.transfers, guard),
    ...once(db, trades, rows.trades, guard),
    moveHead(db, source, slice.to, atMs, guard),
  ]);
}

/** Keeps a slice that came too early. Keeping it twice keeps it once. */
export async function keepSlice(db: Database, slice: Slice, atMs: number): Promise<Guarded<Position>> {
  const { source, from: fromSeq, to: toSeq, bodies } = slice;
  const kept = { ...source, fromSeq, toSeq, events: bodies, keptAt: atMs };
  return batchThenPosition(db, source, [db.insert(projectionSlices).values(kept).onConflictDoNothing()]);
}

/**
 * Reading the position in the same batch is what leaves no gap between consumers: of one that keeps a slice and one that
 * applies the slice before it, the later sees what the earlier did.
 */
async function batchThenPosition(
  db: Database,
  source: Source,
  writes: BatchItem<"sqlite">[],
): Promise<Guarded<Position>> {
  const batch = [...writes, positionQuery(db, source)] as unknown as [BatchItem<"sqlite">];
  const answers = await guardD1(db.batch(batch));
  if (!answers.ok) return answers;
  // A batch answers in the order of its statements; their types do not survive an array of any length.
  return { ok: true, value: positionOf(source, (answers.value as unknown[]).at(-1) as PositionRows) };
}

function isSource(table: typeof projectionHeads | typeof projectionSlices, source: Source): SQL | undefined {
  return and(eq(table.object, source.object), eq(table.name, source.name), eq(table.epoch, source.epoch));
}

function headOf(source: Source): SQL {
  return sql`(SELECT ${projectionHeads.appliedSeq} FROM ${projectionHeads} WHERE ${isSource(projectionHeads, source)})`;
}

function positionQuery(db: Database, source: Source) {
  const fits = sql`${projectionSlices.fromSeq} <= ${projectionHeads.appliedSeq} + 1 AND ${projectionSlices.toSeq} > ${projectionHeads.appliedSeq}`;
  return db
    .select({
      appliedSeq: projectionHeads.appliedSeq,
      fromSeq: projectionSlices.fromSeq,
      toSeq: projectionSlices.toSeq,
      events: projectionSlices.events,
    })
    .from(projectionHeads)
    .leftJoin(projectionSlices, and(isSource(projectionSlices, source), fits))
    .where(isSource(projectionHeads, source))
    .orderBy(desc(projectionSlices.toSeq))
    .limit(1);
}

type PositionRows = Awaited<ReturnType<typeof positionQuery>>;

function positionOf(source: Source, found: PositionRows): Position {
  const [row] = found;
  if (row === undefined) return { head: 0, next: null };
  if (row.events === null) return { head: row.appliedSeq, next: null };
  const kept = readSlice({ v: 1, ...source, from: row.fromSeq, to: row.toSeq, events: row.events });
  // Kept by a newer version and not known to this one: it stays for that one.
  return { head: row.appliedSeq, next: kept.kind === "slice" ? kept.slice : null };
}

/** The rows of the events after `head`; of an order or a balance only the last, since one statement may not hit it twice. */
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
    transfers: fresh.flatMap((rows) => rows.transfers),
    trades: fresh.flatMap((rows) => rows.trades),
  };
}

/** All rows as one bound text: D1 takes a hundred parameters, and a slice's rows are far below its 2 MB for one. */
function selectRows<T extends SQLiteTable>(table: T, rows: readonly InferInsertModel<T>[], guard: SQL): SQL {
  const keys = Object.keys(getTableColumns(table));
  const values = rows.map((row: Record<string, unknown>) => keys.map((key) => row[key] ?? null));
  const columns = sql.raw(keys.map((_, index) => `value ->> ${index}`).join(", "));
  return sql`SELECT ${columns} FROM json_each(${JSON.stringify(values)}) WHERE ${guard}`;
}

/** Rows that never change: what is there already stays. */
function once<T extends SQLiteTable>(db: Database, table: T, rows: readonly InferInsertModel<T>[], guard: SQL) {
  if (rows.length === 0) return [];
  return [
    db
      .insert(table)
      .select(selectRows(table, rows, guard))
      .onConflictDoNothing(),
  ];
}

/** Rows that change: only a row of a later (epoch, seq) replaces one. */
function latest<T extends SQLiteTable>(
  db: Database,
  table: T,
  rows: readonly InferInsertModel<T>[],
  guard: SQL,
  key: [SQLiteColumn, ...SQLiteColumn[]],
  age: [epoch: SQLiteColumn, seq: SQLiteColumn],
) {
  if (rows.length === 0) return [];
  const excluded = (column: SQLiteColumn) => sql`excluded.${sql.identifier(column.name)}`;
  const set: Record<string, SQL> = {};
  for (const [name, column] of Object.entries(getTableColumns(table))) {
    if (!key.includes(column as SQLiteColumn)) set[name] = excluded(column as SQLiteColumn);
  }
  const [epoch, seq] = age;
  const setWhere = sql`(${excluded(epoch)}, ${excluded(seq)}) > (${epoch}, ${seq})`;
  const insert = db.insert(table).select(selectRows(table, rows, guard));
  return [insert.onConflictDoUpdate({ target: key, set: set as never, setWhere })];
}

function moveHead(db: Database, source: Source, to: number, atMs: number, guard: SQL) {
  const { object, name, epoch } = source;
  return db
    .insert(projectionHeads)
    .select(sql`SELECT NULL, ${object}, ${name}, ${epoch}, ${to}, ${atMs} WHERE ${guard}`)
    .onConflictDoUpdate({
      target: [projectionHeads.object, projectionHeads.name, projectionHeads.epoch],
      set: { appliedSeq: sql`excluded.applied_seq`, appliedAt: sql`excluded.applied_at` },
    });
}
