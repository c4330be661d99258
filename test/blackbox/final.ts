// What is there at the end: everything that the accounts show once they have come to rest, what D1 shows of it, and what
// the objects' own files hold once the server is gone.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { WorkerdServer } from "../../scripts/workerd.ts";
import { type AccountEvent, type AccountState, applyAccountEvent, emptyAccount } from "../../src/core/account/state.ts";
import { accountStateHash } from "../../src/core/account/state-hash.ts";
import { decode } from "../../src/core/codec.ts";
import { accountBreaks, crossBreaks, marketBreaks } from "../../src/core/invariants.ts";
import type { Balances } from "../../src/core/ledger.ts";
import { MARKETS } from "../../src/core/listings.ts";
import type { MarketState } from "../../src/core/market/state.ts";
import { AccountStore } from "../../src/objects/account/store.ts";
import { MarketStore } from "../../src/objects/market/store.ts";
import type { Sql, SqlValue } from "../../src/objects/ports.ts";
import type { Customer } from "./customer.ts";
import { sleep } from "./exchange.ts";
import type { FinalAccount, History, Holding, WireEntry, WireFill, WireOrder } from "./history.ts";

const REST_LIMIT_MS = 60_000;
/** The sweeper looks once a minute, and asks again for what a kill has taken out of the queue. */
const DRAIN_LIMIT_MS = 200_000;
const VENUE = "main";

interface View {
  seq: number;
  balances: { asset: string; available: string; held: string }[];
}

/** Everything one account shows, at one stream number, with D1 up to it. Throws when it does not come to rest in time. */
export async function finalReads(customer: Customer): Promise<FinalAccount> {
  const { exchange, accountId: id } = customer;
  const token = () => customer.token();
  const view = async () => exchange.insist<View>({ method: "GET", path: "/v1/account", token: await token() }, [200]);
  const giveUpAt = performance.now() + REST_LIMIT_MS + DRAIN_LIMIT_MS;
  while (performance.now() < giveUpAt) {
    const before = await atRest(customer, view);
    await drained(customer, before.seq);
    const operator = () => customer.tokenFor(["customer", "operator"]);
    const projected = await exchange.list<WireOrder & { account_id: string }>(
      `/v1/admin/orders?account_id=${id}`,
      operator,
    );
    const orders = await exchange.list<WireOrder>("/v1/orders", token);
    const fills = await exchange.list<WireFill>("/v1/fills", token);
    const ledger = await exchange.list<WireEntry>("/v1/account/ledger", token);
    // The house may have met a resting order meanwhile: then all is read again.
    if ((await view()).seq !== before.seq) continue;
    return {
      id,
      seq: before.seq,
      balances: before.balances,
      orders,
      fills,
      ledger,
      projected: projected.map(({ account_id: _, ...order }) => order),
    };
  }
  throw new Error(`${id} does not come to rest`);
}

/** Waits until nothing of the account waits for a market. */
async function atRest(customer: Customer, view: () => Promise<View>): Promise<View> {
  const giveUpAt = performance.now() + REST_LIMIT_MS;
  for (let before = await view(); performance.now() < giveUpAt; ) {
    const open = await customer.exchange.list<WireOrder>("/v1/orders?status=open", () => customer.token());
    const after = await view();
    const waits = open.some((order) => order.status === "pending_new" || order.cancel_requested);
    if (!waits && after.seq === before.seq) return after;
    before = after;
    await sleep(100);
  }
  throw new Error(`${customer.accountId} waits for a market for ever`);
}

/** Waits until D1 has everything up to a stream number. */
async function drained(customer: Customer, seq: number): Promise<void> {
  const { exchange, accountId } = customer;
  const path = `/v1/admin/projections?name=${accountId}`;
  const giveUpAt = performance.now() + DRAIN_LIMIT_MS;
  while (performance.now() < giveUpAt) {
    const [head] = await exchange.list<{ applied_seq: number }>(path, () =>
      customer.tokenFor(["customer", "operator"]),
    );
    if ((head?.applied_seq ?? 0) >= seq) return;
    await sleep(200);
  }
  throw new Error(`D1 lacks events of ${accountId}`);
}

/**
 * What the files of a server that has been killed hold of these accounts and of every market: all ledger accounts, and
 * what core's invariants say of each object, of both sides together, and of each journal played again. Null when a
 * message between them was under way: then the two sides need not agree yet.
 */
export function storedState(server: WorkerdServer, accountIds: readonly string[]): History["stored"] | null {
  if (server.running) throw new Error("the objects' files are the server's while it runs");
  const holdings: Holding[] = [];
  const breaks: string[] = [];
  const accounts: AccountState[] = [];
  let underWay = false;
  for (const id of accountIds) {
    const file = server.objectFile("AccountObject", id);
    if (!existsSync(file)) continue;
    withSql(file, (sql) => {
      const state = new AccountStore({ sql, tx: (act) => act(), name: id, now: Date.now, sha256 }).load();
      accounts.push(state);
      underWay ||= [...state.peers.values()].some(({ pending }) => pending.length > 0);
      breaks.push(...accountBreaks(state).map((sentence) => `${id}: ${sentence}`), ...replayBreaks(sql, state));
      holdings.push(...holdingsOf("accounts", state.balances));
    });
  }
  for (const rules of MARKETS) {
    const file = server.objectFile("MarketObject", `${VENUE}/${rules.symbol}`);
    if (!existsSync(file)) continue;
    withSql(file, (sql) => {
      const state: MarketState = new MarketStore({ sql, tx: (act) => act(), now: Date.now }).load(rules);
      underWay ||= accounts.some(({ id, peers }) => {
        return (peers.get(rules.symbol)?.rseq ?? 0) !== (state.peers.get(id)?.rseq ?? 0);
      });
      breaks.push(
        ...[...marketBreaks(state), ...crossBreaks(accounts, state)].map((text) => `${rules.symbol}: ${text}`),
      );
      holdings.push(...holdingsOf("markets", state.balances));
    });
  }
  return underWay ? null : { holdings, breaks };
}

/** The journal, played into an empty account, gives the state that the tables have. */
function replayBreaks(sql: Sql, state: AccountState): string[] {
  const replayed = emptyAccount(state.id, state.epoch);
  for (const { body } of sql<{ body: string }>("SELECT body FROM journal ORDER BY seq"))
    applyAccountEvent(replayed, decode<AccountEvent>(body));
  const same = accountStateHash(replayed, sha256) === accountStateHash(state, sha256);
  return same ? [] : [`${state.id}: its journal gives another state than its tables`];
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function holdingsOf(owner: Holding["owner"], balances: Balances): Holding[] {
  return [...balances].map(([key, units]) => {
    const [account = "", asset = ""] = key.split("|");
    return { owner, account, asset, units };
  });
}

function withSql(file: string, work: (sql: Sql) => void): void {
  const database = new DatabaseSync(file);
  try {
    work(<Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]) => {
      return database.prepare(query).all(...bindings) as Row[];
    });
  } finally {
    database.close();
  }
}
