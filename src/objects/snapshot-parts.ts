// A snapshot that is longer than one request takes: its first events are kept apart, beside all that the object is, until the call
// that begins the next life finds them.
import { SNAPSHOT_READ_ROWS } from "../core/limits.ts";
import { ok, type Result } from "../core/result.ts";
import type { ObjectPorts } from "./ports.ts";
import type { SnapshotPart } from "./protocol.ts";
import { SNAPSHOT_PARTS_TABLE } from "./schema.ts";
import { invalid } from "./stored.ts";

/** The events that one object keeps for a restore. */
export class SnapshotParts {
  readonly #ports: Pick<ObjectPorts, "sql" | "tx">;

  constructor(ports: Pick<ObjectPorts, "sql" | "tx">) {
    this.#ports = ports;
  }

  /**
   * Keeps events behind the first `after` of those that are kept for the same epoch, and forgets all others: handed in again, a
   * part is there once. Answers how many are kept. Refuses `validation_failed` where a part before is missing.
   */
  keep({ epoch, after, journal }: SnapshotPart): Result<number> {
    const { sql, tx } = this.#ports;
    const missing = this.#missing(epoch, after);
    if (missing !== null) return missing;
    tx(() => {
      sql(
        `CREATE TABLE IF NOT EXISTS ${SNAPSHOT_PARTS_TABLE} (nth INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, body TEXT NOT NULL) STRICT`,
      );
      sql(`DELETE FROM ${SNAPSHOT_PARTS_TABLE} WHERE epoch <> ? OR nth > ?`, epoch, after);
      for (const [at, body] of journal.entries())
        sql(`INSERT INTO ${SNAPSHOT_PARTS_TABLE} (nth, epoch, body) VALUES (?, ?, ?)`, after + at + 1, epoch, body);
    });
    return ok(after + journal.length);
  }

  /** The first `after` kept events, then `journal`, in pages. Refuses `validation_failed` where fewer are kept for this epoch. */
  pages({ epoch, after, journal }: SnapshotPart): Result<Iterable<readonly string[]>> {
    return this.#missing(epoch, after) ?? ok(this.#pages(after, journal));
  }

  *#pages(after: number, journal: readonly string[]): Generator<readonly string[]> {
    for (let last = 0; last < after; last += SNAPSHOT_READ_ROWS) {
      const upTo = Math.min(after, last + SNAPSHOT_READ_ROWS);
      const rows = this.#ports.sql<{ body: string }>(
        `SELECT body FROM ${SNAPSHOT_PARTS_TABLE} WHERE nth > ? AND nth <= ? ORDER BY nth`,
        last,
        upTo,
      );
      yield rows.map(({ body }) => body);
    }
    for (let at = 0; at < journal.length; at += SNAPSHOT_READ_ROWS) yield journal.slice(at, at + SNAPSHOT_READ_ROWS);
  }

  /** Forgets what is kept: it has been brought back. Belongs in the transaction that does so. */
  forget(): void {
    this.#ports.sql(`DROP TABLE IF EXISTS ${SNAPSHOT_PARTS_TABLE}`);
  }

  #missing(epoch: number, after: number): Result<never> | null {
    const kept = after === 0 ? 0 : this.#kept(epoch);
    return after > kept ? invalid("/after", `${kept} events are kept for epoch ${epoch}`) : null;
  }

  #kept(epoch: number): number {
    const { sql } = this.#ports;
    const [made] = sql("SELECT 1 AS made FROM sqlite_master WHERE name = ?", SNAPSHOT_PARTS_TABLE);
    if (made === undefined) return 0;
    const [row] = sql<{ kept: number }>(`SELECT count(*) AS kept FROM ${SNAPSHOT_PARTS_TABLE} WHERE epoch = ?`, epoch);
    return row?.kept ?? 0;
  }
}
