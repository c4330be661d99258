// What accounts and markets have in common when they are examined: their ledgers' rows, by number, and tables against memory.
import type { EntryMark, Exam, Window, WindowPage } from "../core/exam.ts";
import { type Balances, type ChainHead, GENESIS_HASH } from "../core/ledger.ts";
import { EXAM_HEAD_ROWS_MAX } from "../core/limits.ts";
import { loadBalances } from "./balances.ts";
import type { Sql } from "./ports.ts";
import type { LedgerRows } from "./stored.ts";

const HASH = "body ->> '$.entry.hash'";

/** Reads the entries of one object's ledger: `rows` of its journal may have one, which is numbered as in `first`. */
export class LedgerMarks {
  readonly #sql: Sql;
  readonly #rows: LedgerRows;
  readonly #first: "first" | "seq";

  constructor(sql: Sql, rows: LedgerRows, first: "first" | "seq") {
    this.#sql = sql;
    this.#rows = rows;
    this.#first = first;
  }

  /**
   * The last entry with a number of at most `seq`; 0 and the genesis hash when there is none, null when there is none among
   * the {@link EXAM_HEAD_ROWS_MAX} rows before it, or it has been cut.
   */
  headAt(seq: number): ChainHead | null {
    const upTo = this.#rowWith(seq);
    const back = `FROM journal WHERE ${this.#rows} AND seq <= ? ORDER BY seq DESC LIMIT`;
    const [last] = this.#sql<{ seq: number; hash: string }>(
      `SELECT first AS seq, hash FROM (SELECT seq, ${this.#first} AS first, ${HASH} AS hash ${back} ?)
        WHERE hash IS NOT NULL ORDER BY seq DESC LIMIT 1`,
      upTo,
      EXAM_HEAD_ROWS_MAX,
    );
    if (last !== undefined) return last;
    const further = this.#sql(`SELECT seq ${back} 1 OFFSET ?`, upTo, EXAM_HEAD_ROWS_MAX);
    return further.length > 0 || this.#isCut() ? null : { seq: 0, hash: GENESIS_HASH };
  }

  #isCut(): boolean {
    const [first] = this.#sql<{ kind: string }>("SELECT kind FROM journal ORDER BY seq LIMIT 1");
    return first?.kind === "base" || first?.kind === "kept";
  }

  /** The last row with a number of at most `seq` among its own. */
  #rowWith(seq: number): number {
    const [row] = this.#sql<{ first: number; seq: number }>(
      `SELECT ${this.#first} AS first, seq FROM journal WHERE seq >= ? ORDER BY seq LIMIT 1`,
      seq,
    );
    return row !== undefined && row.first <= seq ? row.seq : seq;
  }

  /** The entries of a window, up to an event. The window is of rows: some of a market's have no entry. */
  page({ after, limit, also }: Window<number>, asOf: number): WindowPage<number, EntryMark> {
    const found = this.#sql<{ seq: number; hash: string | null }>(
      `SELECT ${this.#first} AS seq, ${HASH} AS hash FROM journal WHERE ${this.#rows} AND journal.seq > ? AND journal.seq <= ?
        ORDER BY journal.seq LIMIT ?`,
      this.#rowWith(after),
      asOf,
      limit,
    );
    const rows: EntryMark[] = [];
    let before = this.headAt(after)?.hash ?? null;
    for (const { seq, hash } of found) {
      if (hash === null) continue;
      rows.push({ seq, before, hash });
      before = hash;
    }
    const upTo = found.length === limit ? (found.at(-1)?.seq ?? null) : null;
    return { rows, upTo, also: also.filter((seq) => seq <= asOf).flatMap((seq) => this.#mark(seq)) };
  }

  #mark(seq: number): EntryMark[] {
    const [before, here] = [this.headAt(seq - 1), this.headAt(seq)];
    return here?.seq === seq ? [{ seq, before: before?.hash ?? null, hash: here.hash }] : [];
  }
}

/** When the first event after a number happened, in ms; null when there is none. */
export function waitingSince(sql: Sql, seq: number): number | null {
  return sql<{ at: number }>("SELECT at FROM journal WHERE seq > ? ORDER BY seq LIMIT 1", seq)[0]?.at ?? null;
}

/** What stands in the table of balances and not in memory, or the other way round, one sentence each. */
export function balanceBreaks(sql: Sql, memory: Balances): string[] {
  const stored = loadBalances(sql);
  return [...new Set([...stored.keys(), ...memory.keys()])].flatMap((key) => {
    const [table, kept] = [stored.get(key) ?? 0n, memory.get(key) ?? 0n];
    return table === kept ? [] : [`${key} is ${table} in the table and ${kept} in memory`];
  });
}

/** Answers for an object. What is found in its tables that cannot be read is said, and is no bug of who asked. */
export function examined(stopped: string | null, figures: () => Exam["figures"]): Exam {
  try {
    return { stopped, figures: figures() };
  } catch (error) {
    return {
      stopped: stopped ?? `unreadable: ${error instanceof Error ? error.message : String(error)}`,
      figures: null,
    };
  }
}
