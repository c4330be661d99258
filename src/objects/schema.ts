// An object's tables, version by version: each version only adds, so that the code of the version before can still use them.
import type { ObjectPorts, Sql } from "./ports.ts";

/** Brings an object's tables to the newest version. `versions[0]` makes version 1; each runs once, as one transaction. */
export function migrate(
  ports: Pick<ObjectPorts, "sql" | "tx" | "now">,
  versions: readonly (readonly string[])[],
): void {
  ports.sql("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT");
  const [row] = ports.sql<{ version: number | null }>("SELECT max(version) AS version FROM schema_version");
  const done = row?.version ?? 0;
  versions.slice(done).forEach((statements, index) => {
    // A column cannot be added twice: half a version would keep the object from ever opening again.
    ports.tx(() => {
      for (const statement of statements) ports.sql(statement);
      ports.sql("INSERT INTO schema_version (version, at) VALUES (?, ?)", done + index + 1, ports.now());
    });
  });
}

/** Events that wait for the restore that they are for; it is there only between the first of them and that. */
export const SNAPSHOT_PARTS_TABLE = "snapshot_parts";

/**
 * Empties every table but the list of versions and the snapshot that is to come, whatever is in them. Belongs in the transaction that writes them anew.
 * Without a condition no row is looked at, so that a body that SQLite itself cannot read is in nobody's way.
 */
export function emptyTables(sql: Sql): void {
  const tables = sql<{ name: string }>(
    `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*'
      AND name NOT IN ('schema_version', '${SNAPSHOT_PARTS_TABLE}')`,
  );
  for (const { name } of tables) sql(`DELETE FROM "${name}"`);
}
