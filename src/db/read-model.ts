// The read model in D1 that the journal queue fills: what happened in the objects, for lists across users and reports.
// Nothing here is an authority: every row can be made again from the objects' journals. Amounts are units, times are ms.

import { getTableName, sql } from "drizzle-orm";
import {
  type AnySQLiteColumn,
  check,
  index,
  integer,
  primaryKey,
  sqliteTable,
  sqliteView,
  text,
  unique,
} from "drizzle-orm/sqlite-core";
import type { TransferKind, TransferStatus } from "../core/account/transfer-events.ts";
import type { GroupKind } from "../core/groups.ts";
import type { Liquidity, OrderStatus, OrderType, SelfTradePrevention, Side, TimeInForce } from "../core/order.ts";

/** Which kind of object wrote a row. */
export type ObjectKind = "account" | "market";

/** One posting of an entry, in whole units: the running balance as text, since a market's may pass what a number holds. */
export type PostingRow = [account: string, asset: string, amount: number, balance: string];

/**
 * The CHECK of a money column; none of this model may be negative. An INTEGER column takes a fraction or a text without a
 * word, and SQLite bindings read integers above 2^53 − 1 wrongly.
 */
function units(column: AnySQLiteColumn) {
  const name = `${getTableName(column.table)}_${column.name}_units`;
  const bounded = sql`typeof(${column}) = 'integer' AND ${column} BETWEEN 0 AND 9007199254740991`;
  return check(name, column.notNull ? bounded : sql`${column} IS NULL OR (${bounded})`);
}

/** How far each object's journal has been applied: every stream number up to `appliedSeq`, none after it. */
export const projectionHeads = sqliteTable(
  "projection_heads",
  {
    id: integer("id").primaryKey(),
    object: text("object").$type<ObjectKind>().notNull(),
    name: text("name").notNull(),
    epoch: integer("epoch").notNull(),
    appliedSeq: integer("applied_seq").notNull(),
    appliedAt: integer("applied_at").notNull(),
  },
  (table) => [
    unique("projection_heads_source").on(table.object, table.name, table.epoch),
    check("projection_heads_applied_seq", sql`${table.appliedSeq} > 0`),
  ],
);

/** Slices that came before the ones they follow: they wait here until the gap is closed. */
export const projectionSlices = sqliteTable(
  "projection_slices",
  {
    object: text("object").$type<ObjectKind>().notNull(),
    name: text("name").notNull(),
    epoch: integer("epoch").notNull(),
    fromSeq: integer("from_seq").notNull(),
    toSeq: integer("to_seq").notNull(),
    events: text("events", { mode: "json" }).$type<string[]>().notNull(),
    keptAt: integer("kept_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.object, table.name, table.epoch, table.fromSeq, table.toSeq] }),
    check("projection_slices_range", sql`${table.fromSeq} > 0 AND ${table.toSeq} >= ${table.fromSeq}`),
  ],
);

/**
 * Messages that could not be applied. `subject` names the slice (or, when it is none, hashes the body), so that what the
 * sweeper sends again counts up one row; `body` is the newest one's.
 */
export const deadLetters = sqliteTable(
  "dead_letters",
  {
    id: text("id").primaryKey(),
    queue: text("queue").notNull(),
    subject: text("subject").notNull(),
    reason: text("reason").notNull(),
    body: text("body").notNull(),
    count: integer("count").notNull(),
    at: integer("at").notNull(),
    lastAt: integer("last_at").notNull(),
    replayedAt: integer("replayed_at"),
  },
  (table) => [unique("dead_letters_subject").on(table.queue, table.subject)],
);

/** How far a walk through all accounts has come: see walks.ts. */
export const walks = sqliteTable("sweep_cursors", {
  name: text("name").primaryKey(),
  position: text("position").notNull(),
  at: integer("at").notNull(),
});

/**
 * Who has had orders in a market that the read model has no more: a market that is restored must hear them too, also while the read
 * model is being made anew.
 */
export const pastTraders = sqliteTable(
  "past_traders",
  { symbol: text("symbol").notNull(), accountId: text("account_id").notNull() },
  (table) => [primaryKey({ columns: [table.symbol, table.accountId] })],
);

/** Orders of every user, as their accounts keep them. `eventSeq` is the event that the row is as of. */
export const orders = sqliteTable(
  "orders",
  {
    id: text("id").primaryKey(),
    accountId: text("account_id").notNull(),
    clientOrderId: text("client_order_id"),
    symbol: text("symbol").notNull(),
    side: text("side").$type<Side>().notNull(),
    type: text("type").$type<OrderType>().notNull(),
    timeInForce: text("time_in_force").$type<TimeInForce>().notNull(),
    postOnly: integer("post_only", { mode: "boolean" }).notNull(),
    qty: integer("qty"),
    notional: integer("notional"),
    limitPrice: integer("limit_price"),
    displayQty: integer("display_qty"),
    /** A Trigger as core/codec.ts writes it. */
    trigger: text("trigger"),
    /** The parent of its group, which may be itself, and what that is; null for an order of none. */
    groupId: text("group_id"),
    orderClass: text("order_class").$type<GroupKind>(),
    expiresAt: integer("expires_at"),
    selfTradePrevention: text("self_trade_prevention").$type<SelfTradePrevention>().notNull(),
    makerFeeBps: integer("maker_fee_bps").notNull(),
    takerFeeBps: integer("taker_fee_bps").notNull(),
    status: text("status").$type<OrderStatus>().notNull(),
    reason: text("reason"),
    cancelRequested: integer("cancel_requested", { mode: "boolean" }).notNull(),
    replaceRequested: integer("replace_requested", { mode: "boolean" }).notNull().default(false),
    filledQty: integer("filled_qty").notNull(),
    filledNotional: integer("filled_notional").notNull(),
    fee: integer("fee").notNull(),
    hold: integer("hold").notNull(),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    seq: integer("seq").notNull(),
    epoch: integer("epoch").notNull(),
    eventSeq: integer("event_seq").notNull(),
  },
  (table) => [
    // Ids are made of the time of creation first, so their order is the order of creation.
    index("orders_symbol").on(table.symbol, table.id),
    index("orders_account").on(table.accountId, table.id),
    index("orders_open")
      .on(table.symbol, table.id)
      .where(sql`status IN ('pending_new', 'held', 'new', 'partially_filled')`),
    units(table.qty),
    units(table.notional),
    units(table.limitPrice),
    units(table.filledQty),
    units(table.filledNotional),
    units(table.fee),
    units(table.hold),
  ],
);

/** One row for each execution of an order; a trade between two customers has two. */
export const executions = sqliteTable(
  "executions",
  {
    id: text("id").primaryKey(),
    tradeId: text("trade_id").notNull(),
    orderId: text("order_id").notNull(),
    accountId: text("account_id").notNull(),
    symbol: text("symbol").notNull(),
    side: text("side").$type<Side>().notNull(),
    qty: integer("qty").notNull(),
    price: integer("price").notNull(),
    fee: integer("fee").notNull(),
    liquidity: text("liquidity").$type<Liquidity>().notNull(),
    at: integer("at").notNull(),
    epoch: integer("epoch").notNull(),
    seq: integer("seq").notNull(),
  },
  (table) => [index("executions_order").on(table.orderId), units(table.qty), units(table.price), units(table.fee)],
);

/** Every ledger entry of every object. The bounds of its amounts are kept by the writer: a CHECK cannot look into JSON. */
export const ledgerEntries = sqliteTable(
  "ledger_entries",
  {
    object: text("object").$type<ObjectKind>().notNull(),
    name: text("name").notNull(),
    epoch: integer("epoch").notNull(),
    seq: integer("seq").notNull(),
    id: text("id").notNull(),
    at: integer("at").notNull(),
    kind: text("kind").notNull(),
    ref: text("ref").notNull(),
    hash: text("hash").notNull(),
    postings: text("postings", { mode: "json" }).$type<PostingRow[]>().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.object, table.name, table.epoch, table.seq] }),
    check("ledger_entries_postings", sql`json_type(${table.postings}) = 'array'`),
  ],
);

/** One row for each posting. Sum many accounts' amounts as text: a sum may pass what a number holds. */
export const ledgerPostings = sqliteView("ledger_postings", {
  object: text("object").$type<ObjectKind>().notNull(),
  name: text("name").notNull(),
  epoch: integer("epoch").notNull(),
  seq: integer("seq").notNull(),
  account: text("account").notNull(),
  asset: text("asset").notNull(),
  amount: integer("amount").notNull(),
  balance: text("balance").notNull(),
}).as(
  sql`SELECT e.object, e.name, e.epoch, e.seq, p.value ->> 0 AS account, p.value ->> 1 AS asset, p.value ->> 2 AS amount, CAST(p.value ->> 3 AS TEXT) AS balance FROM ledger_entries e, json_each(e.postings) p`,
);

/** What each account has of each asset, as of its event `seq`. */
export const balances = sqliteTable(
  "balances",
  {
    accountId: text("account_id").notNull(),
    asset: text("asset").notNull(),
    available: integer("available").notNull(),
    held: integer("held").notNull(),
    epoch: integer("epoch").notNull(),
    seq: integer("seq").notNull(),
  },
  (table) => [primaryKey({ columns: [table.accountId, table.asset] }), units(table.available), units(table.held)],
);

/** Deposits and withdrawals, as of their account's event `seq`. `decisions`: what operators have decided, as JSON. */
export const transfers = sqliteTable(
  "transfers",
  {
    id: text("id").primaryKey(),
    accountId: text("account_id").notNull(),
    kind: text("kind").$type<TransferKind>().notNull(),
    asset: text("asset").notNull(),
    amount: integer("amount").notNull(),
    status: text("status").$type<TransferStatus>().notNull(),
    createdAt: integer("created_at").notNull(),
    epoch: integer("epoch").notNull(),
    seq: integer("seq").notNull(),
    worth: integer("worth"),
    updatedAt: integer("updated_at"),
    provider: text("provider"),
    providerRef: text("provider_ref"),
    failure: text("failure"),
    decisions: text("decisions").notNull().default("[]"),
  },
  (table) => [
    index("transfers_account").on(table.accountId, table.id),
    index("transfers_status").on(table.kind, table.status, table.id),
    units(table.amount),
  ],
);

/** One row for each trade, as the public sees it; `market` is the object's name, venue included. */
export const trades = sqliteTable(
  "trades",
  {
    id: text("id").primaryKey(),
    market: text("market").notNull(),
    price: integer("price").notNull(),
    qty: integer("qty").notNull(),
    side: text("side").$type<Side>().notNull(),
    at: integer("at").notNull(),
    epoch: integer("epoch").notNull(),
    seq: integer("seq").notNull(),
  },
  (table) => [index("trades_market").on(table.market, table.id), units(table.price), units(table.qty)],
);
