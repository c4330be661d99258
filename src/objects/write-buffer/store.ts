// What a write buffer keeps in its SQLite: writes in the order in which they came, and conflicts until they are dismissed.
import type { Refusal } from "../../core/result.ts";
import type { Conflict, Fullness, Write } from "../../core/write-buffer.ts";
import type { ObjectPorts, Sql } from "../ports.ts";
import type { Page, PageRequest } from "../protocol.ts";
import { migrate } from "../schema.ts";

const VERSIONS = [
  [
    "CREATE TABLE writes (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL) STRICT",
    `CREATE TABLE conflicts (seq INTEGER PRIMARY KEY AUTOINCREMENT, found_at INTEGER NOT NULL, refusal TEXT NOT NULL,
      body TEXT NOT NULL) STRICT`,
  ],
];

interface ConflictRow extends Record<string, string | number> {
  seq: number;
  found_at: number;
  refusal: string;
  body: string;
}

/** The tables of one buffer. */
export class WriteBufferStore {
  readonly #ports: Pick<ObjectPorts, "sql" | "tx" | "now">;
  #made: boolean;

  constructor(ports: Pick<ObjectPorts, "sql" | "tx" | "now">) {
    this.#ports = ports;
    this.#made = ports.sql("SELECT 1 AS made FROM sqlite_master WHERE name = 'conflicts'").length > 0;
  }

  /** Runs a statement; before anything was written there is nothing to read, and no file for it. */
  #sql: Sql = (query, ...bindings) => (this.#made ? this.#ports.sql(query, ...bindings) : []);

  /** What waits, oldest first. */
  waiting(): Write[] {
    return this.#sql<{ body: string }>("SELECT body FROM writes ORDER BY seq").map(({ body }) => JSON.parse(body));
  }

  fullness(): Fullness {
    const [written] = this.#sql<{ bytes: number }>("SELECT total(length(CAST(body AS BLOB))) AS bytes FROM writes");
    const [kept] = this.#sql<{ n: number }>("SELECT count(*) AS n FROM conflicts");
    return { bytes: written?.bytes ?? 0, conflicts: kept?.n ?? 0 };
  }

  /** Makes the tables, unless they are there: each version is a transaction of its own. */
  make(): void {
    if (!this.#made) migrate(this.#ports, VERSIONS);
    this.#made = true;
  }

  add(write: Write): void {
    this.#sql("INSERT INTO writes (id, body) VALUES (?, ?)", write.id, JSON.stringify(write));
  }

  remove(writes: readonly Write[]): void {
    for (const { id } of writes) this.#sql("DELETE FROM writes WHERE id = ?", id);
  }

  /** Puts a write among the conflicts. */
  keep(write: Write, refusal: Refusal, foundAt: number): void {
    this.#sql(
      "INSERT INTO conflicts (found_at, refusal, body) VALUES (?, ?, ?)",
      foundAt,
      JSON.stringify(refusal),
      JSON.stringify(write),
    );
  }

  /** Conflicts, newest first. */
  conflicts({ limit, cursor }: PageRequest): Page<Conflict> {
    const rows = this.#sql<ConflictRow>(
      "SELECT seq, found_at, refusal, body FROM conflicts WHERE seq < ? ORDER BY seq DESC LIMIT ?",
      cursor ?? Number.MAX_SAFE_INTEGER,
      limit + 1,
    );
    const data = rows.slice(0, limit).map(({ seq, found_at, refusal, body }) => ({
      ...{ seq, foundAt: found_at },
      ...{ refusal: JSON.parse(refusal) as Refusal, write: JSON.parse(body) as Write },
    }));
    return { data, nextCursor: rows.length > limit ? (data.at(-1)?.seq ?? null) : null };
  }

  /** Forgets a conflict by its write's id. False when there is none. */
  dismiss(writeId: string): boolean {
    const gone = this.#sql<{ seq: number }>(
      "DELETE FROM conflicts WHERE json_extract(body, '$.id') = ? RETURNING seq",
      writeId,
    );
    return gone.length > 0;
  }

  /** Forgets everything. */
  clear(): void {
    this.#sql("DELETE FROM writes");
    this.#sql("DELETE FROM conflicts");
  }
}
