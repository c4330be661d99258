// The account object's own tables: writes a turn's events and what they changed, reads the state back; reads.ts answers its
// owner from them. The tables that all objects have, and the tickets, are in the files that they are named after.
import type { BatchVerdict } from "../../core/account/batch.ts";
import { commandOf, ordersOf, refOf, type StatusChanged } from "../../core/account/events.ts";
import {
  type AccountEvent,
  type AccountState,
  accountPeer,
  assetsOf,
  emptyAccount,
  type ReportApplied,
  rulesOf,
} from "../../core/account/state.ts";
import type { Base } from "../../core/base.ts";
import { decode, encode } from "../../core/codec.ts";
import { balanceKey, type ChainHead, GENESIS_HASH } from "../../core/ledger.ts";
import type { MarketRules } from "../../core/listings.ts";
import { isOpen, type Order } from "../../core/order.ts";
import type { Position } from "../../core/positions.ts";
import { loadBalances, writeBalances } from "../balances.ts";
import { OwnValues } from "../own-values.ts";
import type { ObjectPorts, Sql } from "../ports.ts";
import { migrate } from "../schema.ts";
import { readBody } from "../stored.ts";
import { type BasePlaces, type Touched, writeBase } from "./base-rows.ts";
import { loadGroups, writeGroup } from "./groups.ts";
import { OnceTable } from "./once.ts";
import { readSettings, writeSettings } from "./settings.ts";
import { ACCOUNT_VERSIONS } from "./tables.ts";
import { loadTransfers } from "./transfer-rows.ts";
import { loadVolumes } from "./volumes.ts";

/** The one writer of an account's journal, orders, positions, counters, keys and own values. */
export class AccountStore extends OwnValues {
  readonly #sql: Sql;
  readonly #name: string;
  /** The acts that are done at most once. */
  readonly once: OnceTable;
  readonly #places: BasePlaces;

  constructor(ports: Pick<ObjectPorts, "sql" | "tx" | "name" | "now" | "sha256">) {
    super(ports.sql);
    this.#sql = ports.sql;
    this.#name = ports.name;
    this.once = new OnceTable(ports);
    this.#places = { sql: ports.sql, once: this.once, setMeta: (key, value) => this.setMeta(key, value) };
    migrate(ports, ACCOUNT_VERSIONS);
  }

  /** The state as the tables have it. Throws InvariantError for a row that does not decode. */
  load(): AccountState {
    const sql = this.#sql;
    const state = emptyAccount(this.#name, this.epoch());
    state.base = this.base();
    state.restoring = this.meta("restoring") === "1";
    const [last] = sql<{ seq: number; at: number }>("SELECT seq, at FROM journal ORDER BY seq DESC LIMIT 1");
    state.seq = last?.seq ?? 0;
    state.at = last?.at ?? 0;
    const head = this.#ledgerHead(state.base);
    state.ledgerHead = head.hash;
    state.ledgerSeq = head.seq;
    readSettings(state, (key) => this.meta(key));
    state.balances = loadBalances(this.#sql);
    state.groups = loadGroups(this.#sql);
    state.volumes = loadVolumes(this.#sql);
    for (const row of sql<{ symbol: string; body: string }>("SELECT symbol, body FROM positions")) {
      state.positions.set(row.symbol, readBody<Position>(row.body, `position ${row.symbol}`));
    }
    for (const row of sql<{ session_id: string; until: number }>("SELECT session_id, until FROM revoked_sessions")) {
      state.revokedSessions.set(row.session_id, row.until);
    }
    this.#loadPeers(state);
    for (const row of sql<{ id: string; body: string }>(
      "SELECT id, body FROM orders WHERE open = 1 ORDER BY placed_seq",
    )) {
      const order = readBody<Order>(row.body, `order ${row.id}`);
      state.orders.set(order.id, order);
      const { credited } = assetsOf(rulesOf(state, order.symbol), order.side);
      state.credits.set(credited, (state.credits.get(credited) ?? 0n) + order.credit);
    }
    loadTransfers(sql, state, this.meta("moved_today"));
    return state;
  }

  #ledgerHead(base: Base): ChainHead {
    const [row] = this.#sql<{ seq: number; body: string }>(
      "SELECT seq, body FROM journal WHERE entry_kind IS NOT NULL ORDER BY seq DESC LIMIT 1",
    );
    const event = row === undefined ? null : readBody<AccountEvent>(row.body, `journal row ${row.seq}`);
    return event !== null && "entry" in event && event.entry !== null ? event.entry : this.#headAtBase(base);
  }

  /** Where the ledger was when the journal was cut: its base begins with that. */
  #headAtBase({ seq }: Base): ChainHead {
    const [row] =
      seq === 0
        ? []
        : this.#sql<{ seq: number; body: string }>(
            "SELECT seq, body FROM journal WHERE kind = 'base' ORDER BY seq LIMIT 1",
          );
    const event = row === undefined ? null : readBody<AccountEvent>(row.body, `journal row ${row.seq}`);
    const [first] = event?.kind === "base" ? event.items : [];
    return first?.item === "facts" ? first.facts.ledger : { seq: 0, hash: GENESIS_HASH };
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
      if (row.rules !== null) state.rules.set(row.symbol, readBody<MarketRules>(row.rules, `rules of ${row.symbol}`));
      const commands = this.#sql<{ seq: number; body: string }>(
        "SELECT seq, body FROM journal WHERE symbol = ? AND cseq > ? ORDER BY cseq",
        row.symbol,
        row.acknowledged,
      );
      for (const { seq, body } of commands) {
        const command = commandOf(readBody<AccountEvent>(body, `journal row ${seq}`));
        if (command !== null) peer.pending.push(command);
      }
    }
  }

  /** Writes a turn: its journal rows, then each row of state that it touched, once. Belongs in the turn's transaction. */
  write(state: AccountState, events: readonly AccountEvent[]): void {
    const touched: Touched = {
      balances: new Map(),
      orders: new Map(),
      groups: new Map(),
      positions: new Map(),
      peers: new Set(),
    };
    for (const event of events) {
      this.journal(event);
      this.#touch(state, event, touched);
      if ("once" in event)
        for (const key of event.once)
          this.once.keep(key, refOf(event), event.kind === "refused" ? event.refusal : null);
      this.#writeOwn(state, event);
      if (event.kind === "base" || event.kind === "kept") writeBase(this.#places, event.items, touched);
    }
    writeBalances(this.#sql, touched.balances);
    for (const order of touched.orders.values()) this.#order(order);
    for (const group of touched.groups.values()) writeGroup(this.#sql, group);
    for (const [symbol, position] of touched.positions)
      this.#sql("INSERT OR REPLACE INTO positions (symbol, body) VALUES (?, ?)", symbol, encode(position));
    for (const symbol of touched.peers) this.writePeer(state, symbol);
  }

  #touch(state: AccountState, event: AccountEvent, { balances, orders, groups, positions, peers }: Touched): void {
    if ("entry" in event && event.entry !== null) {
      for (const p of event.entry.postings) balances.set(balanceKey(p.account, p.asset), p.balance);
    }
    for (const order of ordersOf(event)) orders.set(order.id, order);
    if ("group" in event && event.group !== undefined) groups.set(event.group.id, event.group);
    if ("position" in event && event.position !== null) positions.set(event.position.symbol, event.position);
    if ("command" in event && event.command !== null) peers.add(event.order.symbol);
    if (event.kind === "report" || event.kind === "met" || event.kind === "rules_learned") peers.add(event.symbol);
    if (event.kind === "restored") for (const symbol of state.peers.keys()) peers.add(symbol);
  }

  /** Single values, and the sessions that have ended. */
  #writeOwn(state: AccountState, event: AccountEvent): void {
    writeSettings(event, this.#places.setMeta);
    if (event.kind === "cut" || event.kind === "base") this.setBase(state.base);
    if (event.kind === "session_revoked") {
      this.#sql("DELETE FROM revoked_sessions WHERE until < ?", event.at);
      this.#sql(
        "INSERT OR REPLACE INTO revoked_sessions (session_id, until) VALUES (?, ?)",
        event.sessionId,
        event.until,
      );
    }
    if (event.kind === "restored") {
      this.setMeta("epoch", String(event.epoch));
      // Storage of an earlier day has keys in it that were revoked since.
      this.#sql("DELETE FROM api_keys");
    }
    if (event.kind === "restored" || event.kind === "opened")
      this.setMeta("restoring", event.kind === "restored" ? "1" : "0");
  }

  /** Writes a row of the journal. Belongs in a transaction. */
  journal(event: AccountEvent): void {
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

  /** What the orders of a batch came to, by the number of its event. */
  findBatch(seq: number): BatchVerdict[] | undefined {
    const [row] = this.#sql<{ body: string }>("SELECT body FROM journal WHERE seq = ? AND kind = 'batched'", seq);
    const event = row === undefined ? undefined : decode<AccountEvent>(row.body);
    return event?.kind === "batched" ? event.verdicts : undefined;
  }

  /** An order of this account, open or closed. */
  findOrder(id: string): Order | undefined {
    const [row] = this.#sql<{ body: string }>("SELECT body FROM orders WHERE id = ?", id);
    return row === undefined ? undefined : decode<Order>(row.body);
  }

  /** The last time that the account was frozen or thawed; null when it never was. */
  lastStatusChange(): StatusChanged | null {
    const [row] = this.#sql<{ body: string }>(
      "SELECT body FROM journal WHERE kind = 'status_changed' ORDER BY seq DESC LIMIT 1",
    );
    return decode<StatusChanged | null>(row?.body ?? this.meta("status_change") ?? "null");
  }

  /** The reports of a market after a number, as they were applied, lowest first. */
  reportsAfter(symbol: string, rseq: number, limit: number): ReportApplied[] {
    const rows = this.#sql<{ body: string }>(
      `SELECT body FROM journal WHERE kind = 'report' AND symbol = ? AND body ->> '$.rseq' > ? ORDER BY seq LIMIT ?`,
      symbol,
      rseq,
      limit,
    );
    return rows.map(({ body }) => decode<ReportApplied>(body));
  }
}
