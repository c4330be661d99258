// What of D1 goes into a backup: every table but those that are made again from the journals, or that end with a restore.
import { type SQL, sql } from "drizzle-orm";
import { referringFirst, type TablePart } from "../../core/backups.ts";
import { BACKUP_ROWS_MAX } from "../../core/limits.ts";
import { type Database, type Guarded, guardD1 } from "../../db/client.ts";

/** Tables that a restore does without. A new table is in a backup unless it is named here. */
export const LEFT_OUT: ReadonlySet<string> = new Set([
  // The read model: the objects' journals fill it again.
  ...["projection_heads", "projection_slices", "dead_letters", "sweep_cursors"],
  ...["orders", "executions", "ledger_entries", "balances", "transfers", "trades"],
  // Whoever was signed in signs in again: a session that has ended since must not come back.
  ...["sessions", "mail_tokens", "mfa_challenges", "oauth_used_states", "idempotency_keys"],
  // Marks of writes that are done, for those that are under way: copied beside the rows at another moment they could be wrong.
  "applied_writes",
  // What checks and backups have come to is about this instance.
  ...["checks", "breaks", "check_marks", "liability_nodes", "backups"],
]);

const NOT_OURS = /^(?:sqlite_|_cf_|d1_)/;

/** Where a backup of D1 goes on: a table, and the row after which. */
export interface TablePlace {
  table: string;
  after: number;
}

/** The tables of a backup in the order in which they are copied: those that refer to others before these, so that none is missing there. */
export async function tablesOf(db: Database): Promise<Guarded<string[]>> {
  const found = await guardD1(
    db.all<{ name: string; parent: string | null }>(
      sql`SELECT m.name, f."table" AS parent FROM sqlite_master m LEFT JOIN pragma_foreign_key_list(m.name) f
        WHERE m.type = 'table' AND substr(m.name, 1, 4) <> '_cf_' ORDER BY m.name`,
    ),
  );
  if (!found.ok) return found;
  const names = new Set(found.value.map(({ name }) => name));
  const tables = [...names].filter((name) => !NOT_OURS.test(name) && !LEFT_OUT.has(name));
  const references = found.value.flatMap(({ name: from, parent: to }) => (to === null ? [] : [{ from, to }]));
  return { ok: true, value: referringFirst(tables, references) };
}

/** The next rows of a table; `next` is null at its end. */
export async function copyRows(
  db: Database,
  { table, after }: TablePlace,
): Promise<Guarded<{ part: TablePart; next: TablePlace | null }>> {
  const found = await guardD1(db.all<Record<string, string | number | null>>(rowsQuery(table, after)));
  if (!found.ok) return found;
  const last = found.value.at(-1)?.[PLACE];
  const rows = found.value.map(({ [PLACE]: _, ...row }) => row);
  const isMore = rows.length === BACKUP_ROWS_MAX && typeof last === "number";
  return { ok: true, value: { part: { table, rows }, next: isMore ? { table, after: last } : null } };
}

const PLACE = "backup_place";

function rowsQuery(table: string, after: number): SQL {
  return sql`SELECT rowid AS ${sql.identifier(PLACE)}, * FROM ${sql.identifier(table)}
    WHERE rowid > ${after} ORDER BY rowid LIMIT ${BACKUP_ROWS_MAX}`;
}
