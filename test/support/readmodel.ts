// The read model beside the objects that it tells of: what D1 has, and what it must have by the objects' own tables. Written
// apart from the projection's mapping, so that it can check it.

import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import { ordersOf } from "../../src/core/account/events.ts";
import type { AccountEvent } from "../../src/core/account/state.ts";
import type { TransferEvent } from "../../src/core/account/transfer-events.ts";
import { decode, encode } from "../../src/core/codec.ts";
import { isCustomerMoney, type LedgerEntry } from "../../src/core/ledger.ts";
import { MARKETS } from "../../src/core/listings.ts";
import type { MarketEvent } from "../../src/core/market/state.ts";
import type { Order } from "../../src/core/order.ts";
import type { Trader } from "./session.ts";

type Cell = string | number | null;
type Row = Record<string, Cell>;
/** Rows by table, each as D1 has it: units and times as numbers, names in snake_case. */
type Tables = Record<(typeof TABLES)[number], Row[]>;

const TABLES = [
  "orders",
  "executions",
  "ledger_entries",
  "balances",
  "transfers",
  "trades",
  "projection_heads",
] as const;
/** What an account keeps of an order for itself alone. */
const PRIVATE = ["body_hash", "fee_numerator", "credit", "replacing", "replace_refused", "broken"];
const PATIENCE = { timeout: 10_000, interval: 50 };

/** Writes a trader into D1 as signing up would: the sweeper looks at those who are there. */
export async function enroll(who: Trader): Promise<void> {
  const at = Date.now();
  await env.DB.batch([
    env.DB.prepare(
      "INSERT INTO users (id, email, email_canonical, username, password_hash, created_at, updated_at) VALUES (?1, ?1, ?1, ?1, '', ?2, ?2)",
    ).bind(who.userId, at),
    env.DB.prepare("INSERT INTO accounts (id, user_id, created_at) VALUES (?, ?, ?)").bind(
      who.accountId,
      who.userId,
      at,
    ),
  ]);
}

/** Waits until the queue has brought D1 as far as every object is, and checks all of D1 against all of the objects. */
export async function expectReadModelEqual(people: readonly Trader[]): Promise<void> {
  const expected = await objectTables(people);
  await expect.poll(() => headsOf(), PATIENCE).toEqual(headsIn(expected));
  const found = await d1Tables();
  for (const table of TABLES) expect(found[table], table).toEqual(expected[table]);
}

/** How far D1 is, by object. */
export async function headsOf(): Promise<Row> {
  const { results } = await env.DB.prepare("SELECT name, applied_seq FROM projection_heads").all<{
    name: string;
    applied_seq: number;
  }>();
  return Object.fromEntries(results.map(({ name, applied_seq }) => [name, applied_seq]));
}

function headsIn(tables: Tables): Row {
  return Object.fromEntries(tables.projection_heads.map((row) => [String(row.name), row.applied_seq ?? null]));
}

async function d1Tables(): Promise<Tables> {
  const tables = emptyTables();
  for (const table of TABLES) {
    const { results } = await env.DB.prepare(`SELECT * FROM ${table}`).all<Row>();
    tables[table] = results;
  }
  for (const row of tables.projection_heads) {
    delete row.id;
    delete row.applied_at;
  }
  return sorted(tables);
}

async function objectTables(people: readonly Trader[]): Promise<Tables> {
  const tables = emptyTables();
  for (const { accountId } of people) await accountTables(tables, accountId);
  for (const { symbol } of MARKETS) await marketTables(tables, `main/${symbol}`);
  return sorted(tables);
}

function emptyTables(): Tables {
  return {
    orders: [],
    executions: [],
    ledger_entries: [],
    balances: [],
    transfers: [],
    trades: [],
    projection_heads: [],
  };
}

function sorted(tables: Tables): Tables {
  const inOrder = (row: Row) => JSON.stringify(Object.entries(row).sort());
  for (const table of TABLES) tables[table].sort((a, b) => (inOrder(a) < inOrder(b) ? -1 : 1));
  return tables;
}

async function accountTables(tables: Tables, name: string): Promise<void> {
  const stored = await runInDurableObject(env.ACCOUNT.getByName(name), (_, { storage }) => ({
    events: bodies(storage, "SELECT body FROM journal ORDER BY seq"),
    orders: bodies(storage, "SELECT body FROM orders"),
    money: storage.sql
      .exec<{ account: string; asset: string; balance: number }>("SELECT account, asset, balance FROM ledger_accounts")
      .toArray(),
  }));
  const events = stored.events.map((body) => decode<AccountEvent>(body));
  const lastOf = (touches: (event: AccountEvent) => boolean) => events.findLast(touches)?.seq ?? 0;
  const whose = { account_id: name, epoch: 1 };
  for (const body of stored.orders) {
    const { trigger, group, ...kept } = decode<Order>(body);
    const order = flat(kept);
    for (const column of PRIVATE) delete order[column];
    order["group_id"] = group?.id ?? null;
    order["order_class"] = group?.kind ?? null;
    order["display_qty"] ??= null;
    order["trigger"] = trigger === undefined ? null : encode(trigger);
    order["replace_requested"] = (kept.replacing ?? null) === null ? 0 : 1;
    const event_seq = lastOf((event) => ordersOf(event).some(({ id }) => id === order.id));
    tables.orders.push({ ...order, ...whose, event_seq });
  }
  for (const asset of new Set(stored.money.filter(({ account }) => isCustomerMoney(account)).map((row) => row.asset))) {
    const unitsIn = (wanted: string) =>
      stored.money.find((row) => row.account === wanted && row.asset === asset)?.balance ?? 0;
    const seq = lastOf((event) => "entry" in event && event.entry !== null && movesFor(event.entry, asset));
    tables.balances.push({ ...whose, asset, available: unitsIn("available"), held: unitsIn("held"), seq });
  }
  for (const event of events) {
    const { seq } = event;
    if ("entry" in event && event.entry !== null) tables.ledger_entries.push(entryRow("account", name, event.entry));
    if (event.kind === "report" && event.fill !== null) tables.executions.push({ ...flat(event.fill), ...whose, seq });
  }
  for (const event of new Map(events.flatMap(named)).values()) {
    const { decisions = [], ...said } = event.transfer;
    tables.transfers.push({
      ...{ worth: null, updated_at: null, provider: null, provider_ref: null, failure: null },
      ...{ ...flat(said), decisions: JSON.stringify(decisions), ...whose, seq: event.seq },
    });
  }
  headRow(tables, "account", name, events);
}

/** An event of a transfer under the transfer's id: of several the last is what the read model has. */
function named(event: AccountEvent): [string, TransferEvent][] {
  return "transfer" in event ? [[event.transfer.id, event]] : [];
}

async function marketTables(tables: Tables, name: string): Promise<void> {
  const stored = await runInDurableObject(env.MARKET.getByName(name), (_, { storage }) =>
    bodies(storage, "SELECT body FROM journal ORDER BY seq"),
  );
  const events = stored.map((body) => decode<MarketEvent>(body));
  for (const event of events) {
    if (event.kind !== "report") continue;
    if (event.entry !== null) tables.ledger_entries.push(entryRow("market", name, event.entry));
    if (event.trade !== null) tables.trades.push({ ...flat(event.trade), market: name, epoch: 1, seq: event.seq });
  }
  headRow(tables, "market", name, events);
}

function bodies(storage: DurableObjectStorage, query: string): string[] {
  return storage.sql
    .exec<{ body: string }>(query)
    .toArray()
    .map(({ body }) => body);
}

function movesFor(entry: LedgerEntry, asset: string): boolean {
  return entry.postings.some((posting) => posting.asset === asset && ["available", "held"].includes(posting.account));
}

function entryRow(object: string, name: string, entry: LedgerEntry): Row {
  const { postings, ...rest } = entry;
  const moved = postings.map((p) => [p.account, p.asset, Number(p.amount), String(p.balance)]);
  return { ...flat(rest), object, name, epoch: 1, postings: JSON.stringify(moved) };
}

function headRow(tables: Tables, object: string, name: string, events: readonly { seq: number }[]): void {
  const applied_seq = events.at(-1)?.seq ?? 0;
  if (applied_seq > 0) tables.projection_heads.push({ object, name, epoch: 1, applied_seq });
}

/** A record as a row: snake_case names, units as numbers, booleans as 0 and 1. */
function flat(record: object): Row {
  const row: Row = {};
  for (const [key, value] of Object.entries(record)) {
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    row[name] = typeof value === "bigint" || typeof value === "boolean" ? Number(value) : (value as Cell);
  }
  return row;
}
