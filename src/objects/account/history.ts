// What the account was at a moment, and what makes a figure of it, from the journal: the events that moved an asset are
// found by `moves`, and each bears the balance and the position that it led to.
import {
  type AccountPast,
  type AccountThen,
  type AsOf,
  type BalanceExplained,
  balanceStep,
  entryOf,
  fifoOf,
  openLots,
  type Period,
  type PositionExplained,
  type PositionLots,
  type PositionStep,
  positionOf,
  positionStep,
  type StatementFrame,
} from "../../core/account/history.ts";
import { heldParts } from "../../core/account/holds.ts";
import {
  type AccountEvent,
  type AccountState,
  type AccountStatus,
  type Balance,
  balanceOf,
  rulesOf,
} from "../../core/account/state.ts";
import { decode } from "../../core/codec.ts";
import { type ChainHead, isCustomerMoney, keyParts, type LedgerEntry } from "../../core/ledger.ts";
import { EXPLAIN_HOLDS_MAX, EXPLAIN_LOTS_MAX, FIFO_STEPS_MAX, STATEMENT_ENTRIES_MAX } from "../../core/limits.ts";
import type { PerformanceRecord, PerformanceWish } from "../../core/performance.ts";
import { flatPosition, type Position } from "../../core/positions.ts";
import { invariant, ok, type Result, refuse } from "../../core/result.ts";
import type { ObjectPorts, SqlValue } from "../ports.ts";
import type { LedgerQuery, Page, PageRequest } from "../protocol.ts";
import { invalid } from "../stored.ts";
import { type AtBase, archivedBefore, balanceIn, nextGone, periodGone } from "./archived.ts";
import { recordPerformance } from "./performance.ts";
import { AccountReads } from "./reads.ts";

/** An event's number and its time in ms; 0 and 0 before the first. */
interface Moment {
  seq: number;
  at: number;
}

const BEGINNING: Moment = { seq: 0, at: 0 };

/** The events after one by which units of an asset came or left, and a market's position with them. */
const STEPS_OF_POSITION =
  "moves.asset = ? AND moves.moved <> 0 AND moves.seq > ? AND journal.body ->> '$.position.symbol' = ?";

/** What the owner may ask about an account's past. It reads, and never writes. */
export class AccountHistory implements AccountPast {
  readonly #ports: Pick<ObjectPorts, "sql" | "now" | "name">;
  readonly #state: () => Readonly<AccountState>;
  readonly #atBase: AtBase;

  constructor(ports: Pick<ObjectPorts, "sql" | "now" | "name">, state: () => Readonly<AccountState>, atBase: AtBase) {
    this.#ports = ports;
    this.#atBase = atBase;
    this.#state = state;
  }

  stateAt(asOf: AsOf): Result<AccountThen> {
    const moment = this.#momentOf(asOf);
    if (!moment.ok) return moment;
    const { seq } = moment.value;
    const positions = [...this.#state().positions.keys()].flatMap((symbol) => this.#positionAt(symbol, seq) ?? []);
    const balances = this.#balancesAt(seq);
    const known = { id: this.#ports.name, status: this.#statusAt(seq), balances, positions, ledger: this.#headAt(seq) };
    return ok({ ...known, seq, asOf: "at" in asOf ? asOf.at : moment.value.at });
  }

  explainBalance({ asset, limit, cursor }: PageRequest & { asset: string }): Result<BalanceExplained> {
    const state = this.#state();
    const gone = nextGone(state, cursor);
    if (gone !== null) return refuse(gone);
    const value = { asset, available: balanceOf(state, "available", asset), held: balanceOf(state, "held", asset) };
    const events = this.#moves("moves.asset = ? AND moves.seq > ?", [asset, cursor ?? 0], "ASC", limit + 1);
    const steps = events.slice(0, limit).map((event) => balanceStep(event, asset));
    return ok({ value, steps, nextCursor: nextOf(events, limit), ...this.#holdsOf(asset) });
  }

  #holdsOf(asset: string): Pick<BalanceExplained, "holds" | "otherHolds" | "withdrawals"> {
    const parts = heldParts(this.#state()).filter((part) => part.asset === asset && part.units > 0n);
    const all = parts.flatMap((part) => {
      if ("withdrawal" in part) return [];
      // What exits share is held by their group, under its parent's name.
      const { id: orderId, symbol, side } = "order" in part ? part.order : part.group;
      return { orderId, symbol, side, amount: part.units };
    });
    const withdrawals = parts.flatMap((part) =>
      "withdrawal" in part ? { withdrawalId: part.withdrawal.id, amount: part.units } : [],
    );
    const others = all.slice(EXPLAIN_HOLDS_MAX);
    const amount = others.reduce((sum, one) => sum + one.amount, 0n);
    return { holds: all.slice(0, EXPLAIN_HOLDS_MAX), otherHolds: { count: others.length, amount }, withdrawals };
  }

  explainPosition({ symbol, limit, cursor }: PageRequest & { symbol: string }): Result<PositionExplained> {
    const state = this.#state();
    const gone = nextGone(state, cursor);
    if (gone !== null) return refuse(gone);
    const value = state.positions.get(symbol) ?? flatPosition(symbol);
    const { base } = rulesOf(state, symbol);
    const events = this.#moves(STEPS_OF_POSITION, [base, cursor ?? 0, symbol], "ASC", limit + 1);
    const before = this.#positionAt(symbol, cursor ?? 0) ?? flatPosition(symbol);
    const steps = stepsOf(before, events.slice(0, limit));
    const lots = openLots(value.qty, this.#acquisitions(symbol, base), EXPLAIN_LOTS_MAX);
    return ok({ value, steps, nextCursor: nextOf(events, limit), ...lots });
  }

  positionLots({ symbol }: { symbol: string }): Result<PositionLots> {
    const state = this.#state();
    const value = state.positions.get(symbol) ?? flatPosition(symbol);
    const { base } = rulesOf(state, symbol);
    const lots = openLots(value.qty, this.#acquisitions(symbol, base), EXPLAIN_LOTS_MAX);
    const events = this.#moves(STEPS_OF_POSITION, [base, 0, symbol], "ASC", FIFO_STEPS_MAX + 1);
    // Without its first acquisitions nothing is known of what was sold first.
    const whole = events.length <= FIFO_STEPS_MAX && !this.#base().positions.has(symbol);
    const fifo = whole ? fifoOf(stepsOf(flatPosition(symbol), events)) : null;
    return ok({ value, fifo, ...lots });
  }

  /** What brought units in, newest first; read one by one, since few are needed of what may be very many. */
  *#acquisitions(symbol: string, base: string): Generator<PositionStep> {
    const found = "moves.asset = ? AND moves.moved > 0 AND moves.seq < ? AND journal.body ->> '$.position.symbol' = ?";
    let below = this.#state().seq + 1;
    for (;;) {
      const [event] = this.#moves(found, [base, below, symbol], "DESC", 1);
      if (event === undefined) return;
      below = event.seq;
      yield positionStep(this.#positionAt(symbol, below - 1) ?? flatPosition(symbol), event);
    }
  }

  statement({ from, to }: Period): Result<StatementFrame> {
    const madeAt = this.#now();
    if (from !== null && from > madeAt) return inTheFuture("/from");
    const gone = periodGone(this.#state(), from ?? 0);
    if (gone !== null) return refuse(gone);
    const { seq: afterSeq } = from === null ? BEGINNING : this.#lastBy(from - 1);
    const { seq: lastSeq } = to === null ? this.#state() : this.#lastBy(to - 1);
    if (this.#entriesBetween(afterSeq, lastSeq) > STATEMENT_ENTRIES_MAX) {
      return invalid("/to", `more than ${STATEMENT_ENTRIES_MAX} entries: ask for shorter periods`, "period_too_long");
    }
    const before = this.#headAt(afterSeq);
    const head = this.#headAt(lastSeq);
    const books = { opening: this.#balancesAt(afterSeq), closing: this.#balancesAt(lastSeq) };
    return ok({ account: this.#ports.name, from, to, madeAt, before, ...books, head, afterSeq, lastSeq });
  }

  /** As {@link AccountReads.ledger}. Refuses `period_archived` for a beginning that has been, and for a page after what has been. */
  ledger(query: LedgerQuery): Result<Page<LedgerEntry>> {
    const { from, cursor } = query;
    const gone = (from === null ? null : periodGone(this.#state(), from)) ?? nextGone(this.#state(), cursor);
    return gone === null ? ok(new AccountReads(this.#ports).ledger(query)) : refuse(gone);
  }

  performance(wish: PerformanceWish): Result<PerformanceRecord> {
    const { seq, at } = this.#state().base;
    // A year is asked for by people who may not have that much: they get what there is.
    const from = seq === 0 ? wish.from : Math.max(wish.from ?? 0, at + 1);
    return recordPerformance(this.#ports.sql, (asOf) => this.stateAt(asOf), this.#now(), { ...wish, from });
  }

  #entriesBetween(after: number, last: number): number {
    // Without the index every row of the journal would be read, which is a hundred times as much.
    const [row] = this.#ports.sql<{ n: number }>(
      `SELECT count(*) AS n FROM (SELECT 1 FROM journal INDEXED BY journal_entries
        WHERE entry_kind IS NOT NULL AND seq > ? AND seq <= ? LIMIT ?)`,
      after,
      last,
      STATEMENT_ENTRIES_MAX + 1,
    );
    return row?.n ?? 0;
  }

  /** Never before the last event: clocks go back. */
  #now(): number {
    return Math.max(this.#ports.now(), this.#state().at);
  }

  #momentOf(asOf: AsOf): Result<Moment> {
    const { base, seq } = this.#state();
    if ("at" in asOf) {
      const gone = periodGone(this.#state(), asOf.at + 1);
      if (gone !== null) return refuse(gone);
      return asOf.at > this.#now() ? inTheFuture("/as_of") : ok(this.#lastBy(asOf.at));
    }
    if (asOf.seq < base.seq) return refuse(archivedBefore(base));
    return asOf.seq > seq ? inTheFuture("/as_of") : ok(this.#lastWith(asOf.seq));
  }

  /** The last event that has begun by a stream number: an act's first message tells all that it did. */
  #lastWith(seq: number): Moment {
    const [within] = this.#ports.sql<{ first: number; seq: number; at: number }>(
      "SELECT first, seq, at FROM journal WHERE seq >= ? ORDER BY seq LIMIT 1",
      seq,
    );
    if (within !== undefined && within.first <= seq) return { seq: within.seq, at: within.at };
    const [before] = this.#ports.sql<{ seq: number; at: number }>(
      "SELECT seq, at FROM journal WHERE seq < ? ORDER BY seq DESC LIMIT 1",
      seq,
    );
    return before ?? BEGINNING;
  }

  /** The last event at or before a time. Times only grow, so it is halved in on: no index of times need be kept for it. */
  #lastBy(at: number): Moment {
    let [low, high] = [0, this.#state().seq];
    // All up to `low` is early enough, nothing after `high` is.
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const [next] = this.#ports.sql<{ seq: number; at: number }>(
        "SELECT seq, at FROM journal WHERE seq >= ? ORDER BY seq LIMIT 1",
        middle,
      );
      if (next !== undefined && next.at <= at) low = next.seq;
      else high = middle - 1;
    }
    return this.#lastWith(low);
  }

  #statusAt(seq: number): AccountStatus {
    const [row] = this.#ports.sql<{ body: string }>(
      "SELECT body FROM journal WHERE kind = 'status_changed' AND seq <= ? ORDER BY seq DESC LIMIT 1",
      seq,
    );
    const event = row === undefined ? null : decode<AccountEvent>(row.body);
    return event?.kind === "status_changed" ? event.status : this.#base().status;
  }

  #headAt(seq: number): ChainHead {
    const [row] = this.#ports.sql<{ body: string }>(
      "SELECT body FROM journal WHERE entry_kind IS NOT NULL AND seq <= ? ORDER BY seq DESC LIMIT 1",
      seq,
    );
    const entry = row === undefined ? null : entryOf(decode<AccountEvent>(row.body));
    const { ledgerSeq, ledgerHead } = this.#base();
    return entry === null ? { seq: ledgerSeq, hash: ledgerHead } : { seq: entry.seq, hash: entry.hash };
  }

  /** What the owner had of every asset that they had ever had then, by symbol. */
  #balancesAt(seq: number): Balance[] {
    const money = [...this.#state().balances.keys()].map(keyParts).filter(({ account }) => isCustomerMoney(account));
    return [...new Set(money.map(({ asset }) => asset))].sort().flatMap((asset) => {
      const [event] = this.#moves("moves.asset = ? AND moves.seq <= ?", [asset, seq], "DESC", 1);
      return event === undefined ? (balanceIn(this.#base(), asset) ?? []) : balanceStep(event, asset).balance;
    });
  }

  #base(): Readonly<AccountState> {
    return this.#atBase.of(this.#state());
  }

  #positionAt(symbol: string, seq: number): Position | null {
    const { base } = rulesOf(this.#state(), symbol);
    const found =
      "moves.asset = ? AND moves.moved <> 0 AND moves.seq <= ? AND journal.body ->> '$.position.symbol' = ?";
    const [event] = this.#moves(found, [base, seq, symbol], "DESC", 1);
    if (event === undefined) return this.#base().positions.get(symbol) ?? null;
    const position = positionOf(event, symbol);
    invariant(position !== null, `event ${event.seq} has lost its position`);
    return position;
  }

  #moves(found: string, values: SqlValue[], direction: "ASC" | "DESC", limit: number): AccountEvent[] {
    // Joined crosswise the table of moves is read first, in its own order, and the journal by number.
    const rows = this.#ports.sql<{ body: string }>(
      `SELECT journal.body FROM moves CROSS JOIN journal ON journal.seq = moves.seq
        WHERE ${found} ORDER BY moves.seq ${direction} LIMIT ?`,
      ...values,
      limit,
    );
    return rows.map(({ body }) => decode<AccountEvent>(body));
  }
}

/** What each of some events, in their order, did to a position. */
function stepsOf(position: Position, events: readonly AccountEvent[]): PositionStep[] {
  let before = position;
  return events.map((event) => {
    const step = positionStep(before, event);
    before = step.position;
    return step;
  });
}

function inTheFuture(pointer: string) {
  return invalid(pointer, "must not be in the future", "in_the_future");
}

function nextOf(events: AccountEvent[], limit: number): number | null {
  return events.length > limit ? (events[limit - 1]?.seq ?? null) : null;
}
