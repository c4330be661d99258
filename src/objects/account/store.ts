// The account object's own tables: writes a turn's events and what they changed, reads the state back; reads.ts answers its
// owner from them. The tables that all objects have, and the tickets, are in the files that they are named after.
import {
  type AccountEvent,
  type AccountState,
  accountPeer,
  assetsOf,
  emptyAccount,
  type OnceKey,
  rulesOf,
} from "../../core/account/state.ts";
import { decode, encode } from "../../core/codec.ts";
import { balanceKey, GENESIS_HASH } from "../../core/ledger.ts";
import type { MarketRules } from "../../core/listings.ts";
import type { Command } from "../../core/messages.ts";
import { isOpen, type Order } from "../../core/order.ts";
import type { Position } from "../../core/positions.ts";
import type { Refusal } from "../../core/result.ts";
import { BALANCES_BEYOND, loadBalances, writeBalances } from "../balances.ts";
import { PARKINGS_SCHEMA } from "../parking.ts";
import type { ObjectPorts, Sql } from "../ports.ts";
import { migrate } from "../schema.ts";
import { TICKETS_SCHEMA } from "./tickets.ts";

/** What stored objects have is never edited: a change is a version of its own. */
const VERSION_1 = [
  "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
  `CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY, first INTEGER NOT NULL, v INTEGER NOT NULL, at INTEGER NOT NULL,
    kind TEXT NOT NULL, entry_kind TEXT, symbol TEXT, order_id TEXT, cseq INTEGER, body TEXT NOT NULL) STRICT`,
  "CREATE INDEX IF NOT EXISTS journal_entries ON journal (entry_kind, seq) WHERE entry_kind IS NOT NULL",
  "CREATE INDEX IF NOT EXISTS journal_commands ON journal (symbol, cseq) WHERE cseq IS NOT NULL",
  `CREATE TABLE IF NOT EXISTS ledger_accounts (account TEXT NOT NULL, asset TEXT NOT NULL,
    balance INTEGER NOT NULL CHECK (balance BETWEEN -9007199254740991 AND 9007199254740991),
    PRIMARY KEY (account, asset), CHECK (account NOT IN ('available', 'held') OR balance >= 0)) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, placed_seq INTEGER NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
    open INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID`,
  "CREATE INDEX IF NOT EXISTS orders_placed ON orders (placed_seq)",
  "CREATE INDEX IF NOT EXISTS orders_open ON orders (placed_seq) WHERE open = 1",
  "CREATE TABLE IF NOT EXISTS positions (symbol TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID",
  `CREATE TABLE IF NOT EXISTS peers (symbol TEXT PRIMARY KEY, cseq INTEGER NOT NULL, acknowledged INTEGER NOT NULL,
    rseq INTEGER NOT NULL, parked TEXT, rules TEXT) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS once (scope TEXT NOT NULL, key TEXT NOT NULL, body_hash TEXT NOT NULL, ref TEXT, refusal TEXT,
    answer TEXT, request_id TEXT, PRIMARY KEY (scope, key)) STRICT, WITHOUT ROWID`,
  "CREATE TABLE IF NOT EXISTS revoked_sessions (session_id TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID",
  "INSERT OR IGNORE INTO meta (key, value) VALUES ('epoch', '1')",
];

/** Each market's epoch, and parkings with their times; `peers.parked` is read no more. */
const VERSION_2 = [
  "ALTER TABLE peers ADD COLUMN epoch INTEGER",
  ...PARKINGS_SCHEMA,
  `INSERT INTO parkings (peer, reason, at)
    SELECT symbol, parked, coalesce((SELECT max(at) FROM journal), 0) FROM peers WHERE parked IS NOT NULL`,
  "UPDATE peers SET parked = NULL",
];

/** A transfer asked for again by its key is found by its id, however many there are. */
const TRANSFERS_BY_ID = [
  "CREATE INDEX journal_transfers ON journal (body ->> '$.transfer.id') WHERE kind = 'transfer'",
];

/**
 * What is remembered of an act: what it made (`ref`), or what it was refused with, and the first answer where that is kept.
 * Neither made nor refused: it asked again for the order that its client_order_id had made.
 */
export interface OnceRecord {
  bodyHash: string;
  ref: string | null;
  refusal: Refusal | null;
  answer: string | null;
  requestId: string | null;
}

/** The one writer of an account's journal, orders, positions, counters, keys and own values. */
export class AccountStore {
  readonly #sql: Sql;
  readonly #name: string;

  constructor(ports: Pick<ObjectPorts, "sql" | "tx" | "name" | "now">) {
    this.#sql = ports.sql;
    this.#name = ports.name;
    migrate(ports, [VERSION_1, VERSION_2, BALANCES_BEYOND, TRANSFERS_BY_ID, TICKETS_SCHEMA]);
  }

  /** The state as the tables have it. */
  load(): AccountState {
    const sql = this.#sql;
    const state = emptyAccount(this.#name, Number(this.meta("epoch")));
    const [last] = sql<{ seq: number; at: number }>("SELECT seq, at FROM journal ORDER BY seq DESC LIMIT 1");
    state.seq = last?.seq ?? 0;
    state.at = last?.at ?? 0;
    state.ledgerHead = this.#ledgerHead();
    state.status = this.meta("status") === "frozen" ? "frozen" : "active";
    state.tokensValidFrom = Number(this.meta("tokens_valid_from") ?? "0");
    state.balances = loadBalances(this.#sql);
    for (const row of sql<{ symbol: string; body: string }>("SELECT symbol, body FROM positions")) {
      state.positions.set(row.symbol, decode<Position>(row.body));
    }
    for (const row of sql<{ session_id: string; until: number }>("SELECT session_id, until FROM revoked_sessions")) {
      state.revokedSessions.set(row.session_id, row.until);
    }
    this.#loadPeers(state);
    for (const row of sql<{ body: string }>("SELECT body FROM orders WHERE open = 1 ORDER BY placed_seq")) {
      const order = decode<Order>(row.body);
      state.orders.set(order.id, order);
      const { credited } = assetsOf(rulesOf(state, order.symbol), order.side);
      state.credits.set(credited, (state.credits.get(credited) ?? 0n) + order.credit);
    }
    return state;
  }

  #ledgerHead(): string {
    const [row] = this.#sql<{ body: string }>(
      "SELECT body FROM journal WHERE entry_kind IS NOT NULL ORDER BY seq DESC LIMIT 1",
    );
    const event = row === undefined ? null : decode<AccountEvent>(row.body);
    return event !== null && "entry" in event && event.entry !== null ? event.entry.hash : GENESIS_HASH;
  }

  #loadPeers(state: AccountState): void {
    const rows = this.#sql<{
      symbol: string;
      epoch: number | null;
      cseq: number;
      acknowledged: number;
      rseq: number;
      rules: string | null;
    }>("SELECT symbol, epoch, cseq, acknowledged, rseq, rules FROM peers");
    for (const row of rows) {
      const peer = accountPeer(state, row.symbol);
      peer.epoch = row.epoch;
      peer.cseq = row.cseq;
      peer.acknowledged = row.acknowledged;
      peer.rseq = row.rseq;
      if (row.rules !== null) state.rules.set(row.symbol, decode<MarketRules>(row.rules));
      const commands = this.#sql<{ body: string }>(
        "SELECT body FROM journal WHERE symbol = ? AND cseq > ? ORDER BY cseq",
        row.symbol,
        row.acknowledged,
      );
      for (const { body } of commands) {
        const command = commandOf(decode<AccountEvent>(body));
        if (command !== null) peer.pending.push(command);
      }
    }
  }

  /** Writes a turn: its journal rows, then each row of state that it touched, once. Belongs in the turn's transaction. */
  write(state: AccountState, events: readonly AccountEvent[]): void {
    const balances = new Map<string, bigint>();
    const orders = new Map<string, Order>();
    const peers = new Set<string>();
    for (const event of events) {
      this.#journal(event);
      if ("entry" in event && event.entry !== null) {
        for (const p of event.entry.postings) balances.set(balanceKey(p.account, p.asset), p.balance);
      }
      if ("order" in event) orders.set(event.order.id, event.order);
      if (event.kind === "order_accepted" || event.kind === "cancel_requested") peers.add(event.order.symbol);
      if (event.kind === "report") peers.add(event.symbol);
      if ("position" in event && event.position !== null) this.#position(event.position);
      if ("once" in event) for (const key of event.once) this.#once(key, event);
      if (event.kind === "status_changed") this.setMeta("status", event.status);
      if (event.kind === "session_revoked") {
        this.#sql("DELETE FROM revoked_sessions WHERE until < ?", event.at);
        this.#sql(
          "INSERT OR REPLACE INTO revoked_sessions (session_id, until) VALUES (?, ?)",
          event.sessionId,
          event.until,
        );
      }
      if (event.kind === "tokens_valid_from") this.setMeta("tokens_valid_from", String(event.from));
    }
    writeBalances(this.#sql, balances);
    for (const order of orders.values()) this.#order(order);
    for (const symbol of peers) this.writePeer(state, symbol);
  }

  #journal(event: AccountEvent): void {
    const entry = "entry" in event ? event.entry : null;
    const order = "order" in event ? event.order : null;
    this.#sql(
      "INSERT INTO journal (seq, first, v, at, kind, entry_kind, symbol, order_id, cseq, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      event.seq,
      event.first,
      event.v,
      event.at,
      event.kind,
      entry?.kind ?? null,
      order?.symbol ?? null,
      order?.id ?? null,
      commandOf(event)?.cseq ?? null,
      encode(event),
    );
  }

  #order(order: Order): void {
    const open = isOpen(order.status) ? 1 : 0;
    this.#sql(
      `INSERT INTO orders (id, placed_seq, symbol, side, open, body) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET open = excluded.open, body = excluded.body`,
      order.id,
      order.seq,
      order.symbol,
      order.side,
      open,
      encode(order),
    );
  }

  #position(position: Position): void {
    this.#sql("INSERT OR REPLACE INTO positions (symbol, body) VALUES (?, ?)", position.symbol, encode(position));
  }

  #once(key: OnceKey, event: AccountEvent): void {
    const ref = event.kind === "order_accepted" ? event.order.id : event.kind === "transfer" ? event.transfer.id : null;
    const refusal = event.kind === "refused" ? encode(event.refusal) : null;
    this.#sql(
      "INSERT INTO once (scope, key, body_hash, ref, refusal, request_id) VALUES (?, ?, ?, ?, ?, ?)",
      key.scope,
      key.key,
      key.bodyHash,
      ref,
      refusal,
      key.requestId,
    );
  }

  /** Writes the epoch and the counters of one market. */
  writePeer(state: AccountState, symbol: string): void {
    const peer = accountPeer(state, symbol);
    const rules = state.rules.get(symbol);
    this.#sql(
      `INSERT INTO peers (symbol, epoch, cseq, acknowledged, rseq, rules) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET epoch = excluded.epoch, cseq = excluded.cseq, acknowledged = excluded.acknowledged,
          rseq = excluded.rseq, rules = excluded.rules`,
      symbol,
      peer.epoch,
      peer.cseq,
      peer.acknowledged,
      peer.rseq,
      rules === undefined ? null : encode(rules),
    );
  }

  /** What is remembered of an act under this key. */
  findOnce(scope: OnceKey["scope"], key: string): OnceRecord | undefined {
    const [row] = this.#sql<{
      body_hash: string;
      ref: string | null;
      refusal: string | null;
      answer: string | null;
      request_id: string | null;
    }>("SELECT body_hash, ref, refusal, answer, request_id FROM once WHERE scope = ? AND key = ?", scope, key);
    if (row === undefined) return undefined;
    const refusal = row.refusal === null ? null : decode<Refusal>(row.refusal);
    return { bodyHash: row.body_hash, ref: row.ref, refusal, answer: row.answer, requestId: row.request_id };
  }

  /** Keeps the first answer to a key, and answers the one that is kept: the same for ever, whoever comes second. */
  keepAnswer(scope: OnceKey["scope"], key: string, answer: string): string {
    const [row] = this.#sql<{ answer: string }>(
      "UPDATE once SET answer = coalesce(answer, ?) WHERE scope = ? AND key = ? RETURNING answer",
      answer,
      scope,
      key,
    );
    return row?.answer ?? answer;
  }

  /** An order of this account, open or closed. */
  findOrder(id: string): Order | undefined {
    const [row] = this.#sql<{ body: string }>("SELECT body FROM orders WHERE id = ?", id);
    return row === undefined ? undefined : decode<Order>(row.body);
  }

  /** One value of the object's own, or undefined. */
  meta(key: string): string | undefined {
    return this.#sql<{ value: string }>("SELECT value FROM meta WHERE key = ?", key)[0]?.value;
  }

  /** Keeps one value of the object's own, in place of any it had. */
  setMeta(key: string, value: string): void {
    this.#sql(
      "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
      key,
      value,
    );
  }
}

function commandOf(event: AccountEvent): Command | null {
  return "command" in event ? event.command : null;
}
