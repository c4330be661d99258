// The market object's own tables: writes a turn's events and what they changed, reads the state back. The tables that all
// objects have are in the files that they are named after: balances.ts, timers.ts, outbox.ts, parking.ts, schema.ts.
import { UNCUT } from "../../core/base.ts";
import { type BookOrder, HOUSE } from "../../core/book.ts";
import { decode, encode } from "../../core/codec.ts";
import { type Balances, balanceKey } from "../../core/ledger.ts";
import type { MarketRules } from "../../core/listings.ts";
import { accountsOf, type MarketBaseFacts, type MarketBaseItem, putOrder } from "../../core/market/base.ts";
import { houseOrder, houseOrderId } from "../../core/market/quotes.ts";
import { emptyMarket, type MarketEvent, type MarketState, peerOf, type ReportEvent } from "../../core/market/state.ts";
import { invariant } from "../../core/result.ts";
import { BALANCES_BEYOND, loadBalances, writeBalances } from "../balances.ts";
import { HANDSHAKES_SCHEMA } from "../handshakes.ts";
import { OwnValues } from "../own-values.ts";
import { PARKINGS_SCHEMA } from "../parking.ts";
import type { ObjectPorts, Sql } from "../ports.ts";
import { migrate } from "../schema.ts";
import { readBody } from "../stored.ts";
import { loadGroups, MARKET_GROUPS_SCHEMA, writeGroups } from "./groups.ts";

/** What stored objects have is never edited: a change is a version of its own. */
const VERSION_1 = [
  "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
  `CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY, v INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL,
    account TEXT, rseq INTEGER, body TEXT NOT NULL) STRICT`,
  "CREATE UNIQUE INDEX IF NOT EXISTS journal_reports ON journal (account, rseq) WHERE account IS NOT NULL",
  "CREATE INDEX IF NOT EXISTS journal_kinds ON journal (kind, seq) WHERE kind <> 'report'",
  `CREATE TABLE IF NOT EXISTS ledger_accounts (account TEXT NOT NULL, asset TEXT NOT NULL,
    balance INTEGER NOT NULL CHECK (balance BETWEEN -9007199254740991 AND 9007199254740991),
    PRIMARY KEY (account, asset)) STRICT, WITHOUT ROWID`,
  "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, rests INTEGER NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID",
  `CREATE TABLE IF NOT EXISTS peers (account TEXT PRIMARY KEY, epoch INTEGER NOT NULL, cseq INTEGER NOT NULL, rseq INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
  "INSERT OR IGNORE INTO meta (key, value) VALUES ('epoch', '1')",
];

/** The reports after which an order's row is no longer what it was. */
const CHANGES_ORDER: ReadonlySet<string> = new Set(["new", "fill", "triggered", "replaced", "canceled", "expired"]);

/** What the tables keep of an account beside the core's record: its epoch, and the last report that it has applied. */
export interface PeerRecord {
  epoch: number;
  acknowledged: number;
}

/** An open order, and whether it is in the book. */
interface Placed {
  order: BookOrder;
  rests: boolean;
}

interface JournalRow extends Record<string, string | number> {
  seq: number;
  body: string;
}

function read<Event>({ seq, body }: JournalRow): Event {
  return readBody<Event>(body, `journal row ${seq}`);
}

/** The one writer of a market's journal, orders, counters and own values. What reads here is what is stored. */
export class MarketStore extends OwnValues {
  readonly #sql: Sql;

  constructor(ports: Pick<ObjectPorts, "sql" | "tx" | "now">) {
    super(ports.sql);
    this.#sql = ports.sql;
    migrate(ports, [VERSION_1, PARKINGS_SCHEMA, BALANCES_BEYOND, HANDSHAKES_SCHEMA, MARKET_GROUPS_SCHEMA]);
  }

  /**
   * The state as the tables have it, under the last rules journalled, else those of the listing. Throws InvariantError for
   * a row that does not decode.
   */
  load(listed: MarketRules): MarketState {
    const [rulesRow] = this.#sql<JournalRow>(
      "SELECT seq, body FROM journal WHERE kind = 'rules' ORDER BY seq DESC LIMIT 1",
    );
    const rules = rulesRow === undefined ? null : read<MarketEvent>(rulesRow);
    const before = this.#baseFacts();
    const state = emptyMarket(rules?.kind === "rules" ? rules.rules : (before?.rules ?? listed), this.epoch());
    state.base = this.base();
    state.restoring = this.meta("restoring") === "1";
    const [last] = this.#sql<{ seq: number; at: number }>("SELECT seq, at FROM journal ORDER BY seq DESC LIMIT 1");
    state.seq = last?.seq ?? 0;
    state.at = last?.at ?? 0;
    state.balances = loadBalances(this.#sql);
    state.groups = loadGroups(this.#sql);
    // First come first served, the house included: a customer may stand before its quote at a price, or behind it.
    const placed = [...this.#openOrders(), ...this.#loadQuotes(state)].sort((a, b) => a.order.seq - b.order.seq);
    for (const { order, rests } of placed) putOrder(state, order, rests);
    this.#loadPeers(state);
    this.#loadLastTrade(state, before);
    return state;
  }

  /** What stands for the events that have been cut begins with what was single of them. */
  #baseFacts(): MarketBaseFacts | null {
    const [row] = this.#sql<JournalRow>("SELECT seq, body FROM journal WHERE kind = 'base' ORDER BY seq LIMIT 1");
    const event = row === undefined ? null : read<MarketEvent>(row);
    const [first] = event?.kind === "base" ? event.items : [];
    return first?.item === "facts" ? first.facts : null;
  }

  #openOrders(): Placed[] {
    const rows = this.#sql<{ id: string; rests: number; body: string }>(
      "SELECT id, rests, body FROM orders ORDER BY seq",
    );
    return rows.map(({ id, rests, body }) => {
      const order = readBody<BookOrder>(body, `order ${id}`);
      invariant(rests === 0 || (order.price !== null && order.leaves !== null), `order ${id} cannot rest`);
      return { order, rests: rests === 1 };
    });
  }

  /** The house's quotes are the last requote less what has been taken since; they have no rows of their own. */
  #loadQuotes(state: MarketState): Placed[] {
    const [row] = this.#sql<JournalRow>(
      "SELECT seq, body FROM journal WHERE kind = 'requote' ORDER BY seq DESC LIMIT 1",
    );
    const since = this.#sql<JournalRow>(
      "SELECT seq, body FROM journal WHERE kind IN ('restored', 'opened', 'rules') AND seq > ? ORDER BY seq",
      row?.seq ?? 0,
    ).map((one) => read<MarketEvent>(one));
    const event = row === undefined ? null : read<MarketEvent>(row);
    // A market restored from before its first quotes has been opened at a step all the same: it must not come twice.
    for (const one of [event, ...since]) if (one !== null && "step" in one) state.step = Math.max(state.step, one.step);
    // A restore takes the house's quotes out of the book, and so does every status in which nothing trades.
    const withdrawn = since.some((one) => one.kind !== "rules" || one.rules.status !== "open");
    if (row === undefined || event?.kind !== "requote" || withdrawn) return [];
    const taken = new Map<string, bigint>();
    for (const later of this.#sql<JournalRow>(
      "SELECT seq, body FROM journal WHERE seq > ? AND kind = 'report'",
      row.seq,
    )) {
      const { house, report } = read<ReportEvent>(later);
      if (house === null || report.fill === null) continue;
      const id = houseOrderId(house.side, house.price);
      taken.set(id, (taken.get(id) ?? 0n) + report.fill.qty);
    }
    return event.quotes
      .map((quote) => houseOrder(quote, row.seq))
      .map((order) => ({ ...order, leaves: order.leaves - (taken.get(order.id) ?? 0n) }))
      .filter((order) => order.leaves > 0n)
      .map((order) => ({ order, rests: true }));
  }

  #loadPeers(state: MarketState): void {
    for (const row of this.#sql<{ account: string; cseq: number; rseq: number; acknowledged: number }>(
      "SELECT account, cseq, rseq, acknowledged FROM peers",
    )) {
      const peer = peerOf(state, row.account);
      peer.cseq = row.cseq;
      peer.rseq = row.rseq;
      const reports = this.#sql<JournalRow>(
        "SELECT seq, body FROM journal WHERE account = ? AND rseq > ? ORDER BY rseq",
        row.account,
        row.acknowledged,
      );
      peer.unacknowledged = reports.map((one) => read<ReportEvent>(one).report);
    }
  }

  #loadLastTrade(state: MarketState, before: MarketBaseFacts | null): void {
    // A body that is no JSON is answered too: SQLite would not say which row it is.
    const [row] = this.#sql<JournalRow>(
      `SELECT seq, body FROM journal WHERE kind = 'report'
        AND CASE WHEN json_valid(body) THEN body ->> '$.trade.id' IS NOT NULL ELSE true END ORDER BY seq DESC LIMIT 1`,
    );
    const event = row === undefined ? null : read<ReportEvent>(row);
    state.ledgerHead = event?.entry?.hash ?? before?.ledgerHead ?? state.ledgerHead;
    state.lastPrice = event?.trade?.price ?? before?.lastPrice ?? null;
  }

  /** Each account's record as the tables have it. */
  peers(): Map<string, PeerRecord> {
    const rows = this.#sql<{ account: string; epoch: number; acknowledged: number }>(
      "SELECT account, epoch, acknowledged FROM peers",
    );
    return new Map(rows.map(({ account, epoch, acknowledged }) => [account, { epoch, acknowledged }]));
  }

  /** Writes a turn: its journal rows, then each row of state that it touched, once. Belongs in the turn's transaction. */
  write(state: MarketState, events: readonly MarketEvent[], records: ReadonlyMap<string, PeerRecord>): void {
    const balances = new Map<string, bigint>();
    const fresh = new Set<string>();
    const orders = new Set<string>();
    const accounts = new Set<string>();
    for (const event of events) {
      for (const account of accountsOf(event)) accounts.add(account);
      if (event.kind === "restored") for (const account of state.peers.keys()) accounts.add(account);
      if (event.kind === "restored") this.setMeta("epoch", String(event.epoch));
      if (event.kind === "restored" || event.kind === "opened")
        this.setMeta("restoring", event.kind === "restored" ? "1" : "0");
      this.journal(event);
      if (event.kind === "cut" || event.kind === "base") this.setBase(state.base);
      if (event.kind === "base") this.#base(event.items, { balances, orders });
      if (event.kind === "requote") for (const { orderId } of event.trails ?? []) orders.add(orderId);
      if (event.kind !== "report") continue;
      const { orderId, execType } = event.report;
      if (execType === "new") fresh.add(orderId);
      if (CHANGES_ORDER.has(execType)) orders.add(orderId);
      for (const p of event.entry?.postings ?? []) balances.set(balanceKey(p.account, p.asset), p.balance);
    }
    writeBalances(this.#sql, balances);
    for (const id of orders) this.#order(state, id, fresh.has(id));
    writeGroups(this.#sql, state.groups);
    for (const account of accounts)
      this.writePeer(state, account, records.get(account) ?? { epoch: 1, acknowledged: 0 });
  }

  /** Writes a row of the journal. Belongs in a transaction. */
  journal(event: MarketEvent): void {
    const report = event.kind === "report" ? event : null;
    this.#sql(
      "INSERT INTO journal (seq, v, at, kind, account, rseq, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
      event.seq,
      event.v,
      event.at,
      event.kind,
      report?.account ?? null,
      report?.report.rseq ?? null,
      encode(event),
    );
  }

  /** What a base says, into the tables that have it beside the journal: in a restore they are empty. */
  #base(items: readonly MarketBaseItem[], { balances, orders }: { balances: Balances; orders: Set<string> }): void {
    for (const one of items) {
      if (one.item === "ledger") balances.set(one.account, one.units);
      if (one.item === "order" && one.order.account !== HOUSE) orders.add(one.order.id);
      if (one.item !== "facts") continue;
      this.setMeta("epoch", String(one.facts.epoch));
      this.setMeta("restoring", one.facts.restoring ? "1" : "0");
    }
  }

  #order(state: MarketState, id: string, fresh: boolean): void {
    const order = state.orders.get(id);
    if (order === undefined) {
      // An order that came and went in this turn has never had a row.
      if (!fresh) this.#sql("DELETE FROM orders WHERE id = ?", id);
      return;
    }
    this.#sql(
      `INSERT INTO orders (id, rests, seq, body) VALUES (?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET rests = excluded.rests, seq = excluded.seq, body = excluded.body`,
      id,
      state.resting.has(id) ? 1 : 0,
      order.seq,
      encode(order),
    );
  }

  /** Writes the counters of one account. */
  writePeer(state: MarketState, account: string, record: PeerRecord): void {
    const peer = peerOf(state, account);
    this.#sql(
      `INSERT INTO peers (account, epoch, cseq, rseq, acknowledged) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET epoch = excluded.epoch, cseq = excluded.cseq, rseq = excluded.rseq, acknowledged = excluded.acknowledged`,
      account,
      record.epoch,
      peer.cseq,
      peer.rseq,
      record.acknowledged,
    );
  }

  /** Forgets the journal of a market in which nobody has traded; answers its empty state. Belongs in a transaction. */
  forgetQuotes({ rules, epoch, peers }: MarketState): MarketState {
    invariant(peers.size === 0, "a market with accounts has more than quotes");
    this.#sql("DELETE FROM journal");
    // What comes in its place would be taken for cut up to there, and be cut without having been archived.
    this.setBase(UNCUT);
    return emptyMarket(rules, epoch);
  }

  /** The reports to an account after a number, lowest first. */
  reportsAfter(account: string, rseq: number, limit: number): ReportEvent[] {
    const rows = this.#sql<{ body: string }>(
      "SELECT body FROM journal WHERE account = ? AND rseq > ? ORDER BY rseq LIMIT ?",
      account,
      rseq,
      limit,
    );
    return rows.map(({ body }) => decode<ReportEvent>(body));
  }
}
