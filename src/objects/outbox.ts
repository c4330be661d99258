// The journal is the outbox (protocol rule 2): a cursor says how far the read model's queue has been told.
import { FLUSH_SLICES_MAX, SLICE_BYTES_MAX, SLICE_READ_ROWS } from "../core/limits.ts";
import type { ObjectPorts, Sql } from "./ports.ts";
import type { JournalHead, JournalSlice, Page, PageRequest } from "./protocol.ts";

/** What tells the first number of a journal's row: accounts have a column for it, and of a market's events only a base takes several. */
export type FirstNumber = "first" | "CASE kind WHEN 'base' THEN body ->> '$.first' ELSE seq END";

/**
 * Which object's journal this is; `first` tells an event's first stream number, `seq` is the last one written, `base` the
 * last one cut.
 */
export interface OutboxSource {
  object: JournalSlice["object"];
  epoch: () => number;
  first: FirstNumber;
  seq: () => number;
  base: () => number;
}

/** What `from` and `to` take in a message beyond the zeros that stand for them. */
const NUMBERS_CHARS_MAX = 30;

/** The last stream number that the queue has taken. */
export function sentSeq(sql: Sql): number {
  sql("CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY CHECK (id = 1), sent_seq INTEGER NOT NULL) STRICT");
  const [row] = sql<{ sent_seq: number }>("SELECT sent_seq FROM outbox");
  return row?.sent_seq ?? 0;
}

/** Sends an object's journal to the queue, slice by slice, one flight at a time. */
export class Outbox {
  readonly #ports: Pick<ObjectPorts, "sql" | "queue" | "name">;
  readonly #source: OutboxSource;
  /** The last stream number that the queue has taken. */
  #sentSeq: number;
  #flying = false;

  constructor(ports: Pick<ObjectPorts, "sql" | "queue" | "name">, source: OutboxSource) {
    this.#ports = ports;
    this.#source = source;
    this.#sentSeq = sentSeq(ports.sql);
    this.wakeIfBehind();
  }

  /**
   * Sends what has not been sent, at most {@link FLUSH_SLICES_MAX} slices of it, and asks for another flush when more is left.
   * Throws what the queue throws; what it took before that stays sent.
   */
  async flush(): Promise<void> {
    if (this.#flying) return;
    this.#flying = true;
    try {
      for (let sent = 0; sent < FLUSH_SLICES_MAX; sent += 1) {
        const slice = this.sliceFrom(this.#sentSeq + 1, SLICE_BYTES_MAX);
        if (slice === null) return;
        await this.#ports.queue.send(slice);
        this.#setCursor(slice.to);
      }
      this.wakeIfBehind();
    } finally {
      this.#flying = false;
    }
  }

  /** Asks for a flush when anything is unsent: after a start or an alarm, when whoever should have asked may have died. */
  wakeIfBehind(): void {
    if (this.#sentSeq < this.#source.seq()) this.#ports.queue.wake();
  }

  /** The last stream number that the queue has taken. */
  get sent(): number {
    return this.#sentSeq;
  }

  /** Where the journal is. Throws InvariantError while the object cannot be read. */
  head(): JournalHead {
    return { epoch: this.#source.epoch(), seq: this.#source.seq() };
  }

  /** Events as they are stored, oldest first, after the stream number that the cursor is: what a restore begins from. */
  page({ limit, cursor }: PageRequest): Page<string> {
    const rows = this.#ports.sql<{ seq: number; body: string }>(
      "SELECT seq, body FROM journal WHERE seq > ? ORDER BY seq LIMIT ?",
      cursor ?? 0,
      limit + 1,
    );
    const shown = rows.slice(0, limit);
    return {
      data: shown.map(({ body }) => body),
      nextCursor: rows.length > limit ? (shown.at(-1)?.seq ?? null) : null,
    };
  }

  /**
   * The events from the one that has the stream number `fromSeq` on, in a message of at most `bytesMax`, but at least one;
   * null when there is none. What the queue has been told does not matter to it, nor does it change.
   */
  sliceFrom(fromSeq: number, bytesMax: number): JournalSlice | null {
    const { object, epoch, base } = this.#source;
    const whose = { object, name: this.#ports.name, epoch: epoch(), base: base() };
    const slice: JournalSlice = { v: 1, ...whose, from: 0, to: 0, events: [] };
    let bytes = JSON.stringify(slice).length + NUMBERS_CHARS_MAX;
    for (const row of this.#rowsFrom(fromSeq)) {
      // Escaping makes a body longer in the message than in its row, at most twice: it is JSON, without control characters.
      bytes += 2 * row.body.length + 3;
      if (slice.events.length > 0 && bytes > bytesMax) break;
      if (slice.events.length === 0) slice.from = row.first;
      slice.to = row.seq;
      slice.events.push(row.body);
    }
    return slice.events.length === 0 ? null : slice;
  }

  /** Sends everything under another epoch: a restored object's journal is another one. Belongs in the restore's transaction. */
  restart(): void {
    this.#setCursor(0);
  }

  #setCursor(seq: number): void {
    this.#sentSeq = seq;
    this.#ports.sql(
      "INSERT INTO outbox (id, sent_seq) VALUES (1, ?) ON CONFLICT DO UPDATE SET sent_seq = excluded.sent_seq",
      seq,
    );
  }

  /** Rows read a few at a time: a slice takes a hundred or so, and its object may have a million. */
  *#rowsFrom(fromSeq: number): Generator<{ first: number; seq: number; body: string }> {
    let last = fromSeq - 1;
    for (;;) {
      const rows = this.#ports.sql<{ first: number; seq: number; body: string }>(
        `SELECT ${this.#source.first} AS first, seq, body FROM journal WHERE seq > ? ORDER BY seq LIMIT ?`,
        last,
        SLICE_READ_ROWS,
      );
      yield* rows;
      if (rows.length < SLICE_READ_ROWS) return;
      last = rows.at(-1)?.seq ?? last;
    }
  }
}
