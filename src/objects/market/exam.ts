// A market under examination: its own figures, and what it has told accounts by a moment, so that both sides' books can be
// held against each other while both go on.
import type { Fingerprint } from "../../core/backups.ts";
import { opposite } from "../../core/book.ts";
import type { Amount, AsApplied, Exam, Figures, Owed, Question, ToldTo } from "../../core/exam.ts";
import { marketBreaks } from "../../core/invariants.ts";
import { keyParts } from "../../core/ledger.ts";
import { EXAM_ORDERS_MAX, EXAM_OWED_ROWS_MAX } from "../../core/limits.ts";
import type { MarketBasePart } from "../../core/market/events.ts";
import { type MarketState, marketStateHash, type ReportEvent } from "../../core/market/state.ts";
import { notionalOf, type Side } from "../../core/order.ts";
import { invariant } from "../../core/result.ts";
import { balanceBreaks, examined, LedgerMarks, waitingSince } from "../exam.ts";
import type { ObjectPorts } from "../ports.ts";
import { readBody } from "../stored.ts";

/** What examining needs of the market. */
export interface ExamPorts extends Pick<ObjectPorts, "sql" | "sha256"> {
  stopped: () => string | null;
  readable: () => Readonly<MarketState> | null;
}

/** Looks at a market; changes nothing, and does not bring it to now. */
export class MarketExam {
  readonly #ports: ExamPorts;
  readonly #marks: LedgerMarks;

  constructor(ports: ExamPorts) {
    this.#ports = ports;
    this.#marks = new LedgerMarks(ports.sql, "kind = 'report'", "seq");
  }

  /** The market's figures, all of the same moment. */
  inspect(question: Question): Exam {
    const state = this.#ports.readable();
    return examined(this.#ports.stopped(), () => (state === null ? null : this.#figures(state, question)));
  }

  /** The market as of its last event. */
  fingerprint(): Fingerprint | null {
    const state = this.#ports.readable();
    if (state === null) return null;
    const { epoch, seq, ledgerHead: head } = state;
    return { epoch, seq, hash: marketStateHash(state, this.#ports.sha256), head };
  }

  #figures(state: Readonly<MarketState>, question: Question): Figures {
    const { epoch, seq, restoring } = state;
    const { applied } = question;
    const asOf = applied?.epoch === epoch ? applied.seq : 0;
    // Until it has heard of a cut, the read model has more than there is here.
    const comparable = asOf <= seq && asOf >= state.base.by && (asOf > 0 || seq === 0);
    const told = [...state.peers.values()].filter(({ rseq }) => rseq > 0);
    return {
      epoch,
      seq,
      restoring,
      money: [...state.balances].map(([key, units]) => ({ ...keyParts(key), units })),
      // The book of a market with more would keep it from its commands for too long.
      own: state.orders.size > EXAM_ORDERS_MAX ? [] : marketBreaks(state),
      stored: [...balanceBreaks(this.#ports.sql, state.balances), ...this.#orderBreaks(state)],
      orders: 0,
      entries: 0,
      asApplied: comparable ? this.#asApplied(asOf, question) : null,
      waitingSince: waitingSince(this.#ports.sql, asOf),
      booked: [],
      peers: told.length,
    };
  }

  #asApplied(asOf: number, { entries }: Question): AsApplied {
    const page = this.#marks.page(entries, asOf);
    const uncounted = { entryCount: null, orderCount: null, balances: [], orders: null };
    return { seq: asOf, head: this.#marks.headAt(asOf), entries: page, ...uncounted };
  }

  #orderBreaks({ orders }: Readonly<MarketState>): string[] {
    const [stored] = this.#ports.sql<{ n: number; budget: string | null }>(
      `SELECT count(*) AS n, CAST(sum(CAST(substr(body ->> '$.budget', 2) AS INTEGER)) AS TEXT) AS budget
        FROM (SELECT body FROM orders LIMIT ?)`,
      EXAM_ORDERS_MAX + 1,
    );
    if (stored === undefined || orders.size > EXAM_ORDERS_MAX) return [];
    const budget = [...orders.values()].reduce((sum, order) => sum + order.budget, 0n);
    if (stored.n === orders.size && BigInt(stored.budget ?? "0") === budget) return [];
    return [`${stored.n} open orders hold ${stored.budget ?? 0} in the table, ${orders.size} hold ${budget} in memory`];
  }

  /** Up to which report each of some accounts had been told by this market's event `seq`; those without any are left out. */
  toldBy(seq: number, accounts: readonly string[]): ToldTo[] {
    const peers = this.#ports.readable()?.peers;
    return accounts.flatMap((account): ToldTo[] => {
      const last = peers?.get(account)?.rseq ?? 0;
      const rseq = last === 0 ? 0 : this.#reportBy(account, last, seq);
      return rseq === 0 ? [] : [{ account, rseq }];
    });
  }

  /** Halved in on: a busy account may have been told very much since. */
  #reportBy(account: string, last: number, seq: number): number {
    let [low, high] = [0, last];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const [report] = this.#ports.sql<{ seq: number; rseq: number }>(
        "SELECT seq, rseq FROM journal WHERE account = ? AND rseq >= ? ORDER BY rseq LIMIT 1",
        account,
        middle,
      );
      if (report !== undefined && report.seq <= seq) low = report.rseq;
      else high = middle - 1;
    }
    return low > 0 ? low : this.#toldAtBase(account);
  }

  /** The last report to an account that has been cut. */
  #toldAtBase(account: string): number {
    const parts = this.#ports.sql<{ seq: number; body: string }>(
      "SELECT seq, body FROM journal WHERE kind = 'base' AND body LIKE '%' || ? || '%'",
      account,
    );
    const items = parts.flatMap(({ seq, body }) => readBody<MarketBasePart>(body, `journal row ${seq}`).items);
    return items.reduce((last, one) => (one.item === "peer" && one.account === account ? one.rseq : last), 0);
  }

  /** What the reports to an account after `from` and up to `to` have moved in this market's clearing, in parts. */
  owed(account: string, from: number, to: number): Owed {
    const state = this.#ports.readable();
    invariant(state !== null, "what cannot be read owes nothing that could be told");
    const rows = this.#ports.sql<{ seq: number; rseq: number; body: string }>(
      "SELECT seq, rseq, body FROM journal WHERE account = ? AND rseq > ? AND rseq <= ? ORDER BY rseq LIMIT ?",
      ...[account, from, to, EXAM_OWED_ROWS_MAX],
    );
    const { base, quote, baseScale } = state.rules;
    let [inBase, inQuote] = [0n, 0n];
    for (const row of rows) {
      const event = readBody<ReportEvent>(row.body, `journal row ${row.seq}`);
      const { fill } = event.report;
      if (fill === null) continue;
      const sign = this.#sideOf(event) === "buy" ? 1n : -1n;
      inBase += sign * fill.qty;
      inQuote -= sign * notionalOf(fill.price, fill.qty, baseScale) + fill.fee;
    }
    const amounts: Amount[] = [
      { asset: base, units: inBase },
      { asset: quote, units: inQuote },
    ];
    return { upTo: rows.length < EXAM_OWED_ROWS_MAX ? to : (rows.at(-1)?.rseq ?? to), amounts };
  }

  /** The side of a fill's owner: the trade tells the taker's, and of two customers it stands with the taker's report, just before. */
  #sideOf(event: ReportEvent): Side {
    const { trade, report } = event;
    if (trade !== null) return report.fill?.liquidity === "taker" ? trade.side : opposite(trade.side);
    const [row] = this.#ports.sql<{ body: string }>("SELECT body FROM journal WHERE seq = ?", event.seq - 1);
    const before = row === undefined ? null : readBody<ReportEvent>(row.body, `journal row ${event.seq - 1}`).trade;
    invariant(before !== null && before.id === report.fill?.tradeId, `event ${event.seq} has lost its trade`);
    return opposite(before.side);
  }
}
