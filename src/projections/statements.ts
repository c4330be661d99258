// The statements that put slices into the read model. Their texts are the same for every batch and are written once: to write
// them takes drizzle a millisecond and a half, about as long as D1 needs to run them.
import { getTableColumns, type Placeholder, type SQL, sql } from "drizzle-orm";
import type { SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import { type Database, type Written, written } from "../db/client.ts";
import { amongSources } from "../db/heads.ts";
import {
  balances,
  executions,
  ledgerEntries,
  type ObjectKind,
  orders,
  projectionHeads,
  projectionSlices,
  trades,
  transfers,
} from "../db/read-model.ts";
import { forgetting, forgettingOpen } from "./forget.ts";
import type { Rows } from "./rows.ts";

/** A table that events make rows of. */
type Table = Exclude<keyof Rows, "cuts" | "bases">;

/**
 * What is run on D1, by the values that it takes. `into` puts rows as {@link rowsText} has them (`rows`) into their table,
 * where the step that they belong to fits (`wanted`). `wanted` is a JSON list of steps: object, name, epoch, the head that
 * the step follows, the head that it moves to; one fits when D1 still has the first.
 */
export interface Statements {
  /** Before a base: a BaseRow, its `step`, and `wanted`. */
  beginAnew: Written;
  into: Record<Table, Written>;
  /** Forgets what an object of a kind has cut: a CutRow, its `step`, and `wanted`. */
  forget: Record<ObjectKind, Written[]>;
  /** Moves the heads of the steps that fit: `wanted`, `atMs`. */
  moveHeads: Written;
  /** Keeps a slice, whose columns are the values. */
  keepSlice: Written;
  /** Where objects stand, and what is kept that fits now, farthest last: `sources`, as {@link sourcesText} has them. */
  positions: Written;
}

let made: Statements | null = null;

/** The statements, written at the first call. */
export function statements(db: Database): Statements {
  made ??= {
    beginAnew: forgettingOpen(db, FITS),
    into: {
      orders: latest(db, orders, [orders.id], [orders.epoch, orders.eventSeq]),
      balances: latest(db, balances, [balances.accountId, balances.asset], [balances.epoch, balances.seq]),
      executions: once(db, executions),
      entries: once(db, ledgerEntries),
      transfers: latest(db, transfers, [transfers.id], [transfers.epoch, transfers.seq]),
      trades: once(db, trades),
    },
    forget: forgetting(db, FITS),
    moveHeads: moveHeads(db),
    keepSlice: keepSlice(db),
    positions: positions(db),
  };
  return made;
}

const FIELDS: Record<Table, string[]> = {
  orders: fieldsOf(orders),
  balances: fieldsOf(balances),
  executions: fieldsOf(executions),
  entries: fieldsOf(ledgerEntries),
  transfers: fieldsOf(transfers),
  trades: fieldsOf(trades),
};

/** The tables that events make rows of, in the order in which they are written. */
export const TABLE_NAMES = Object.keys(FIELDS) as Table[];

function fieldsOf(table: SQLiteTable): string[] {
  return Object.keys(getTableColumns(table));
}

/**
 * A table's rows, by step, as one text: each is a list with its step behind it. D1 takes a hundred parameters, and a batch's
 * rows are below its 2 MB for one. Null where there are none.
 */
export function rowsText(name: Table, rows: readonly Rows[Table][]): string | null {
  const fields = FIELDS[name];
  const lists: unknown[] = [];
  for (const [step, ofStep] of rows.entries()) {
    for (const row of ofStep as Record<string, unknown>[]) {
      const list = fields.map((field) => row[field]);
      list.push(step);
      lists.push(list);
    }
  }
  return lists.length === 0 ? null : JSON.stringify(lists);
}

const WANTED = sql.placeholder("wanted");

/** The numbers of the steps whose object has in D1 the head that they follow. */
const FITS = sql`(SELECT wanted.key FROM json_each(${WANTED}) AS wanted LEFT JOIN ${projectionHeads}
  ON (${projectionHeads.object}, ${projectionHeads.name}, ${projectionHeads.epoch})
    = (wanted.value ->> 0, wanted.value ->> 1, wanted.value ->> 2)
  WHERE coalesce(${projectionHeads.appliedSeq}, 0) = wanted.value ->> 3)`;

function selectRows(table: SQLiteTable): SQL {
  const { length } = fieldsOf(table);
  const columns = Array.from({ length }, (_, index) => `value ->> ${index}`).join(", ");
  return sql`SELECT ${sql.raw(columns)} FROM jsonb_each(${sql.placeholder("rows")}) WHERE ${sql.raw(`value ->> ${length}`)} IN ${FITS}`;
}

/** Rows that never change: what is there already stays. */
function once(db: Database, table: SQLiteTable): Written {
  return written(db.insert(table).select(selectRows(table)).onConflictDoNothing());
}

/** Rows that change: only a row of a later (epoch, seq) replaces one. */
function latest(
  db: Database,
  table: SQLiteTable,
  key: [SQLiteColumn, ...SQLiteColumn[]],
  age: [epoch: SQLiteColumn, seq: SQLiteColumn],
): Written {
  const excluded = (column: SQLiteColumn) => sql`excluded.${sql.identifier(column.name)}`;
  const set: Record<string, SQL> = {};
  for (const [name, column] of Object.entries(getTableColumns(table))) {
    if (!key.includes(column as SQLiteColumn)) set[name] = excluded(column as SQLiteColumn);
  }
  const [epoch, seq] = age;
  const setWhere = sql`(${excluded(epoch)}, ${excluded(seq)}) > (${epoch}, ${seq})`;
  const insert = db.insert(table).select(selectRows(table));
  return written(insert.onConflictDoUpdate({ target: key, set: set as never, setWhere }));
}

function moveHeads(db: Database): Written {
  const moved = sql`SELECT NULL, value ->> 0, value ->> 1, value ->> 2, value ->> 4, ${sql.placeholder("atMs")}
    FROM json_each(${WANTED}) WHERE key IN ${FITS}`;
  return written(
    db
      .insert(projectionHeads)
      .select(moved)
      .onConflictDoUpdate({
        target: [projectionHeads.object, projectionHeads.name, projectionHeads.epoch],
        set: { appliedSeq: sql`excluded.applied_seq`, appliedAt: sql`excluded.applied_at` },
      }),
  );
}

function keepSlice(db: Database): Written {
  const fields = Object.entries(getTableColumns(projectionSlices));
  const values = Object.fromEntries(fields.map(([field]): [string, Placeholder] => [field, sql.placeholder(field)]));
  return written(
    db
      .insert(projectionSlices)
      .values(values as never)
      .onConflictDoNothing(),
  );
}

function positions(db: Database): Written {
  const { object, name, epoch, appliedSeq } = projectionHeads;
  const { fromSeq, toSeq, events } = projectionSlices;
  const itsOwn = sql`(${projectionSlices.object}, ${projectionSlices.name}, ${projectionSlices.epoch}) = (${object}, ${name}, ${epoch})`;
  return written(
    db
      .select({ object, name, epoch, appliedSeq, fromSeq, toSeq, events })
      .from(projectionHeads)
      .leftJoin(projectionSlices, sql`${itsOwn} AND ${fromSeq} <= ${appliedSeq} + 1 AND ${toSeq} > ${appliedSeq}`)
      .where(amongSources(sql.placeholder("sources")))
      .orderBy(toSeq),
  );
}
