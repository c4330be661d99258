// The market object's groups: a row for each that has an exit open.
import { encode } from "../../core/codec.ts";
import { Groups, type MarketGroup } from "../../core/market/groups.ts";
import type { Sql } from "../ports.ts";
import { readBody } from "../stored.ts";

/** A version of a market's tables. */
export const MARKET_GROUPS_SCHEMA = [
  "CREATE TABLE IF NOT EXISTS groups (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID",
];

/** The groups as the table has them. Throws InvariantError for a row that does not decode. */
export function loadGroups(sql: Sql): Groups {
  const rows = sql<{ id: string; body: string }>("SELECT id, body FROM groups ORDER BY id");
  return Groups.of(rows.map(({ id, body }) => readBody<MarketGroup>(body, `group ${id}`)));
}

/** Writes what has been touched since this was called before; belongs in the turn's transaction. */
export function writeGroups(sql: Sql, groups: Groups): void {
  for (const id of groups.touched) {
    const group = groups.all.get(id);
    if (group === undefined) sql("DELETE FROM groups WHERE id = ?", id);
    else sql("INSERT OR REPLACE INTO groups (id, body) VALUES (?, ?)", id, encode(group));
  }
  groups.touched.clear();
}
