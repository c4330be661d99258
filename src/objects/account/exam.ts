// An account under examination: its own figures, as they are and as the read model should have them.

import type { AccountEvent } from "../../core/account/events.ts";
import { type AccountState, rulesOf } from "../../core/account/state.ts";
import { accountStateHash } from "../../core/account/state-hash.ts";
import type { Fingerprint } from "../../core/backups.ts";
import { decode } from "../../core/codec.ts";
import type { Amount, AsApplied, Booked, Exam, Figures, Question, Window } from "../../core/exam.ts";
import { accountBreaks } from "../../core/invariants.ts";
import { balanceKey, keyParts } from "../../core/ledger.ts";
import { EXAM_HEAD_ROWS_MAX, EXAM_MOVED_ROWS_MAX } from "../../core/limits.ts";
import type { Order } from "../../core/order.ts";
import { balanceBreaks, examined, LedgerMarks, waitingSince } from "../exam.ts";
import type { ObjectPorts } from "../ports.ts";
import type { AtBase } from "./archived.ts";
import type { AccountEngine } from "./engine.ts";
import { AccountHistory } from "./history.ts";

/** The fills of a market: all move its base asset, so the table of moves finds them. */
const FILLS = `FROM moves CROSS JOIN journal ON journal.seq = moves.seq
  WHERE moves.asset = ? AND journal.entry_kind = 'fill' AND journal.symbol = ?`;

/** Looks at an account; changes nothing. */
export class AccountExam {
  readonly #ports: Pick<ObjectPorts, "sql" | "now" | "name" | "sha256">;
  readonly #engine: Pick<AccountEngine, "readable" | "stopped">;
  readonly #marks: LedgerMarks;
  readonly #atBase: AtBase;

  constructor(
    ports: Pick<ObjectPorts, "sql" | "now" | "name" | "sha256">,
    engine: Pick<AccountEngine, "readable" | "stopped">,
    atBase: AtBase,
  ) {
    this.#ports = ports;
    this.#engine = engine;
    this.#atBase = atBase;
    this.#marks = new LedgerMarks(ports.sql, "entry_kind IS NOT NULL", "first");
  }

  /** The account's figures, all of the same moment. */
  inspect(question: Question): Exam {
    const { readable, stopped } = this.#engine;
    return examined(stopped, () => (readable === null ? null : this.#figures(readable, question)));
  }

  /** The account as of its last event. */
  fingerprint(): Fingerprint | null {
    const { readable: state } = this.#engine;
    if (state === null) return null;
    const { epoch, seq, ledgerHead: head } = state;
    return { epoch, seq, hash: accountStateHash(state, this.#ports.sha256), head };
  }

  /**
   * What the customer was owed at a time in ms, assets by symbol, without those of which it was nothing. Null while that
   * time has not come by this account's clock, or nothing can be read.
   */
  owedAt(atMs: number): Amount[] | null {
    const state = this.#engine.readable;
    if (state === null || this.#ports.now() <= atMs) return null;
    const then = this.#history(state).stateAt({ at: atMs });
    if (!then.ok) return null;
    const balances = then.value.balances.map(
      ({ asset, available, held }): Amount => ({ asset, units: available + held }),
    );
    return balances.filter(({ units }) => units !== 0n);
  }

  #history(state: Readonly<AccountState>): AccountHistory {
    return new AccountHistory(this.#ports, () => state, this.#atBase);
  }

  #figures(state: Readonly<AccountState>, question: Question): Figures {
    const { epoch, seq, restoring } = state;
    const { applied, cuts } = question;
    const asOf = applied?.epoch === epoch ? applied.seq : 0;
    // Until it has heard of a cut, the read model has more than there is here.
    const comparable = asOf <= seq && asOf >= state.base.by && (asOf > 0 || seq === 0);
    return {
      epoch,
      seq,
      restoring,
      money: [...state.balances].map(([key, units]) => ({ ...keyParts(key), units })),
      own: accountBreaks(state),
      stored: [...balanceBreaks(this.#ports.sql, state.balances), ...this.#holdBreaks(state)],
      orders: this.#count("orders", "placed_seq", seq),
      entries: this.#count("journal INDEXED BY journal_entries", "entry_kind IS NOT NULL AND seq", seq),
      asApplied: comparable ? this.#asApplied(state, asOf, question) : null,
      waitingSince: waitingSince(this.#ports.sql, asOf),
      booked: cuts.map(({ symbol, rseq }) => this.#booked(state, symbol, rseq)),
      peers: 0,
    };
  }

  #count(table: string, upTo: string, seq: number): number {
    return this.#ports.sql<{ n: number }>(`SELECT count(*) AS n FROM ${table} WHERE ${upTo} <= ?`, seq)[0]?.n ?? 0;
  }

  /** Holds as the table of orders has them, against those in memory: a sum for each market and side tells of any. */
  #holdBreaks(state: Readonly<AccountState>): string[] {
    const sums = new Map<string, [stored: bigint, kept: bigint]>();
    const add = (key: string, stored: bigint, kept: bigint) => {
      const [s, k] = sums.get(key) ?? [0n, 0n];
      sums.set(key, [s + stored, k + kept]);
    };
    const rows = this.#ports.sql<{ symbol: string; side: string; hold: string }>(
      `SELECT symbol, side, CAST(sum(CAST(substr(body ->> '$.hold', 2) AS INTEGER)) AS TEXT) AS hold
        FROM orders WHERE open = 1 GROUP BY symbol, side`,
    );
    for (const { symbol, side, hold } of rows) add(`${symbol} ${side}`, BigInt(hold), 0n);
    for (const { symbol, side, hold } of state.orders.values()) add(`${symbol} ${side}`, 0n, hold);
    return [...sums].flatMap(([key, [stored, kept]]) =>
      stored === kept ? [] : [`open orders ${key} hold ${stored} in the table and ${kept} in memory`],
    );
  }

  #asApplied(state: Readonly<AccountState>, asOf: number, { orders, entries }: Question): AsApplied {
    const then = this.#history(state).stateAt({ seq: asOf });
    return {
      seq: asOf,
      head: this.#marks.headAt(asOf),
      entries: this.#marks.page(entries, asOf),
      entryCount: this.#count("journal INDEXED BY journal_entries", "entry_kind IS NOT NULL AND seq", asOf),
      orderCount: this.#count("orders", "placed_seq", asOf),
      balances: then.ok ? then.value.balances : [],
      orders: this.#orders(orders, asOf),
    };
  }

  #orders({ after, limit, also }: Window<string>, asOf: number): AsApplied["orders"] {
    const { sql } = this.#ports;
    const later = sql<{ order_id: string | null }>(
      "SELECT order_id FROM journal WHERE seq > ? ORDER BY seq LIMIT ?",
      asOf,
      EXAM_MOVED_ROWS_MAX + 1,
    );
    if (later.length > EXAM_MOVED_ROWS_MAX) return null;
    const read = (rows: { body: string }[]) => rows.map(({ body }) => decode<Order>(body));
    const rows = read(sql("SELECT body FROM orders WHERE id > ? ORDER BY id LIMIT ?", after, limit));
    const more = "SELECT body FROM orders WHERE id IN (SELECT value FROM json_each(?))";
    return {
      rows,
      upTo: rows.length === limit ? (rows.at(-1)?.id ?? null) : null,
      also: read(sql(more, JSON.stringify(also))),
      moved: [...new Set(later.flatMap(({ order_id }) => order_id ?? []))],
    };
  }

  #booked(state: Readonly<AccountState>, symbol: string, cut: number): Booked {
    const applied = state.peers.get(symbol)?.rseq ?? 0;
    const { base, quote } = rulesOf(state, symbol);
    const at = applied <= cut ? state.seq : this.#fillBy(state.seq, base, symbol, cut);
    // Where all fills up to the cut are gone, and some after it, nobody can say what had been booked in between.
    let known = at > 0 || (this.#atBase.of(state).peers.get(symbol)?.rseq ?? 0) <= cut;
    const of = (account: string) =>
      [base, quote].map((asset): Amount => {
        const units = this.#balanceAt(state, { account: `${account}:${symbol}`, asset }, { base, symbol, at });
        known &&= units !== null;
        return { asset, units: units ?? 0n };
      });
    return { symbol, rseq: Math.min(applied, cut), clearing: of("clearing"), fees: of("fees"), known };
  }

  /** The event of the last fill in a market that a report up to `cut` has told; 0 when there is none. Halved in on. */
  #fillBy(seq: number, base: string, symbol: string, cut: number): number {
    const next = `SELECT moves.seq AS seq, journal.body ->> '$.rseq' AS rseq ${FILLS} AND moves.seq >= ? ORDER BY moves.seq LIMIT 1`;
    let [low, high] = [0, seq];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const [fill] = this.#ports.sql<{ seq: number; rseq: number }>(next, base, symbol, middle);
      if (fill !== undefined && fill.rseq <= cut) low = fill.seq;
      else high = middle - 1;
    }
    return low;
  }

  /**
   * What a ledger account of a market's had after an event: the running balance that the last posting to it bears. Null when
   * that is further back than {@link EXAM_HEAD_ROWS_MAX} fills.
   */
  #balanceAt(
    state: Readonly<AccountState>,
    { account, asset }: { account: string; asset: string },
    { base, symbol, at }: { base: string; symbol: string; at: number },
  ): bigint | null {
    const now = state.balances.get(balanceKey(account, asset));
    if (now === undefined) return 0n;
    if (at === state.seq) return now;
    const atBase = () => this.#atBase.of(state).balances.get(balanceKey(account, asset)) ?? 0n;
    if (at === 0) return atBase();
    const fills = `SELECT journal.body AS body, moves.seq AS seq ${FILLS} AND moves.seq <= ? ORDER BY moves.seq DESC LIMIT ?`;
    const posts = `EXISTS (SELECT 1 FROM json_each(body, '$.entry.postings') WHERE value ->> 'account' = ? AND value ->> 'asset' = ?)`;
    const [row] = this.#ports.sql<{ body: string }>(
      `SELECT body FROM (${fills}) WHERE ${posts} ORDER BY seq DESC LIMIT 1`,
      ...[base, symbol, at, EXAM_HEAD_ROWS_MAX, account, asset],
    );
    if (row === undefined) {
      const further = `SELECT 1 AS n ${FILLS} AND moves.seq <= ? LIMIT 1 OFFSET ?`;
      return this.#ports.sql(further, base, symbol, at, EXAM_HEAD_ROWS_MAX).length > 0 ? null : atBase();
    }
    const event = decode<AccountEvent>(row.body);
    const postings = "entry" in event ? (event.entry?.postings ?? []) : [];
    return postings.find((one) => one.account === account && one.asset === asset)?.balance ?? 0n;
  }
}
