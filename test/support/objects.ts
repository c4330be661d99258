// Account and market objects on the real runtime, as tests drive them: what is asked, what their tables hold, what time it
// is there. Whatever a test has touched through here is checked by `checkEverything`.
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, vi } from "vitest";
import type { OrderRequest } from "../../src/core/account/admission.ts";
import { type AccountEvent, type AccountState, applyAccountEvent, emptyAccount } from "../../src/core/account/state.ts";
import { accountStateHash } from "../../src/core/account/state-hash.ts";
import { decode } from "../../src/core/codec.ts";
import { typeId } from "../../src/core/ids.ts";
import { accountBreaks, crossBreaks, marketBreaks } from "../../src/core/invariants.ts";
import { SAFETY_NET_MS } from "../../src/core/limits.ts";
import { findMarket, type MarketRules } from "../../src/core/listings.ts";
import {
  applyMarketEvent,
  emptyMarket,
  type MarketEvent,
  type MarketState,
  marketStateHash,
} from "../../src/core/market/state.ts";
import type { Order, Side } from "../../src/core/order.ts";
import { referencePrice } from "../../src/core/prices.ts";
import type { Result } from "../../src/core/result.ts";
import { AccountStore } from "../../src/objects/account/store.ts";
import type { ExchangeAnswer } from "../../src/objects/calls.ts";
import { MarketStore } from "../../src/objects/market/store.ts";
import { sha256 } from "../../src/objects/platform.ts";
import type { SqlValue } from "../../src/objects/ports.ts";
import type { Answered, BookView, Caller } from "../../src/objects/protocol.ts";
import { MarketObject } from "../../src/worker.ts";

type AnyStub = ReturnType<typeof env.ACCOUNT.getByName> | ReturnType<typeof env.MARKET.getByName>;

/** Years ahead of the real time, so that the platform never rings an alarm by itself; it goes on from test to test. */
let clock = Date.parse("2030-01-01T00:00:00.000Z");
const STEP_MS = 1_000;
/** Of a busy machine: an expectation that holds is not waited for. */
const PATIENCE_MS = 20_000;
const SETTLE_ROUNDS = 20;
const SETTLE_PATIENCE_MS = 500;
/** More than the longest pause between two tries. */
const SETTLE_STEP_MS = 31_000;
const accounts = new Set<string>();
/** Markets that were touched, and those of them that accounts have traded in. */
const markets = new Set<string>();
const traded = new Set<string>();

/** Stops the clock, in the test and in every object, early in a second that is new to all; timers run in real time. */
export function stopClock(): void {
  clock = Math.ceil((clock + 1) / STEP_MS) * STEP_MS + 100;
  vi.useFakeTimers({ toFake: ["Date"], now: clock });
}

/** Each test of the file runs on a stopped clock; after it nothing is mocked any more, and whatever it touched is checked. */
export function checkEachTest(): void {
  beforeEach(stopClock);
  afterEach(async () => {
    vi.restoreAllMocks();
    await checkEverything();
    vi.useRealTimers();
  });
}

/** Moves the stopped clock. Nothing rings by itself: see {@link ring}. */
export function passTime(ms: number): void {
  clock += ms;
  vi.setSystemTime(clock);
}

/** Waits until an expectation holds; unlike vi.waitFor it leaves a stopped clock alone. */
export async function eventually(
  expectation: () => Promise<void> | void,
  patienceMs: number = PATIENCE_MS,
): Promise<void> {
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    try {
      return await expectation();
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
      await scheduler.wait(10);
    }
  }
}

/**
 * Lets an object's alarm ring and waits until an expectation holds that hangs on its calls to others. One that a busy machine
 * was too slow for is made again by the object's timer, so time passes between two tries.
 */
export async function ringUntil(stub: AnyStub, expectation: () => Promise<void> | void): Promise<void> {
  for (let round = 1; round < SETTLE_ROUNDS; round += 1) {
    await ring(stub);
    try {
      return await eventually(expectation, SETTLE_PATIENCE_MS);
    } catch {
      passTime(SETTLE_STEP_MS);
    }
  }
  await ring(stub);
  await eventually(expectation);
}

/** A fresh stub: one that has seen its object die stays broken. */
export function accountOf(id: string) {
  return env.ACCOUNT.getByName(id);
}

export function marketOf(symbol: string) {
  markets.add(symbol);
  return env.MARKET.getByName(`${env.VENUE}/${symbol}`);
}

/** A market's book; the test fails when it has none to show. */
export async function bookOf(symbol: string, depth: number): Promise<BookView> {
  const book = await marketOf(symbol).book(depth);
  if (book === null) throw new Error(`${symbol} has no book to show`);
  return book;
}

export function rulesFor(symbol: string): MarketRules {
  const rules = findMarket(symbol);
  if (rules === undefined) throw new Error(`${symbol} is not listed`);
  return rules;
}

/** The house's reference price now: on tick, and strictly between its best bid and its best ask. */
export function middle(symbol: string): bigint {
  return referencePrice(rulesFor(symbol), Number(env.PRICE_SEED), Date.now());
}

/** A price that the house will not come to within hours: a twentieth off the middle, on tick. */
export function faraway(symbol: string, side: Side): bigint {
  const { tickSize } = rulesFor(symbol);
  const off = middle(symbol) / tickSize / 20n;
  return middle(symbol) + (side === "buy" ? -off : off) * tickSize;
}

export function callerOf(accountId: string): Caller {
  return { accountId, sessionId: "ses_test", issuedAtMs: 1_000 };
}

export function newAccountId(): string {
  return typeId("acc", Date.now(), crypto.getRandomValues(new Uint8Array(10)));
}

/** Has an account that was made elsewhere, and a market that it trades in, checked with all others. */
export function watch(accountId: string, symbol: string): void {
  accounts.add(accountId);
  markets.add(symbol);
  traded.add(symbol);
}

/** A new account with a million USD and whatever else, in units. */
export async function openAccount(funds: Record<string, bigint> = {}): Promise<string> {
  const id = newAccountId();
  accounts.add(id);
  for (const [asset, amount] of Object.entries({ USD: 1_000_000_000_000n, ...funds })) {
    unwrap((await accountOf(id).transfer(callerOf(id), { kind: "deposit", asset, amount }, null)).result);
  }
  return id;
}

/** A limit order of 1,000 lots at the middle of the house's spread, where nothing of the house's is in its way. */
export function limit(symbol: string, side: Side, wish: Partial<OrderRequest> = {}): OrderRequest {
  return {
    clientOrderId: crypto.randomUUID(),
    symbol,
    side,
    type: "limit",
    timeInForce: "gtc",
    postOnly: false,
    qty: rulesFor(symbol).lotSize * 1_000n,
    notional: null,
    limitPrice: middle(symbol),
    expiresAt: null,
    selfTradePrevention: "cancel_newest",
    ...wish,
  };
}

/** A market order of 1,000 lots. */
export function atMarket(symbol: string, side: Side, wish: Partial<OrderRequest> = {}): OrderRequest {
  return limit(symbol, side, { type: "market", timeInForce: "ioc", limitPrice: null, ...wish });
}

/** Places an order and answers it as the account does; the account refusing it fails the test. */
export async function place(accountId: string, request: OrderRequest): Promise<Order> {
  return unwrap((await asked(accountId, request)).result);
}

/** Places an order; what the account answers, refusals included. */
export async function asked(accountId: string, request: OrderRequest): Promise<Answered<Order>> {
  marketOf(request.symbol);
  traded.add(request.symbol);
  return await accountOf(accountId).placeOrder(callerOf(accountId), request, null);
}

/** No market takes a call until the mock is restored. */
export function marketsAway() {
  const later: ExchangeAnswer = { outcome: "later" };
  return vi.spyOn(MarketObject.prototype, "exchange").mockImplementation(async () => later);
}

/** Places an order that its market has not answered yet: accepted, held, pending. Whoever asked waits on. */
export async function placePending(accountId: string, request: OrderRequest): Promise<Order> {
  const before = await journalLength(accountOf(accountId));
  void asked(accountId, request).catch(() => undefined);
  await eventually(async () => expect(await journalLength(accountOf(accountId))).toBe(before + 1));
  return orderBy(accountId, request);
}

/** As {@link placePending}, and the call to its market has come back without a use: the account waits for its timer. */
export async function placeUnanswered(accountId: string, request: OrderRequest): Promise<Order> {
  const before = await retryAt(accountId, request.symbol);
  const order = await placePending(accountId, request);
  await backedOff(accountId, request.symbol, before);
  return order;
}

/** When an account will call a market again; null when it need not. */
export async function retryAt(accountId: string, symbol: string): Promise<number | null> {
  const rows = await sql<{ due: number }>(accountOf(accountId), "SELECT due FROM timers WHERE ref = ?", symbol);
  return rows[0]?.due ?? null;
}

/** Waits until a call of an account to a market has failed; `before` is {@link retryAt} from before it. */
export async function backedOff(accountId: string, symbol: string, before: number | null): Promise<void> {
  const stillOut = [before, Date.now() + SAFETY_NET_MS];
  await eventually(async () => expect(stillOut).not.toContain(await retryAt(accountId, symbol)));
}

/** The order that a client_order_id made, as it is now. */
export async function orderBy(accountId: string, request: OrderRequest): Promise<Order> {
  const by = { clientOrderId: request.clientOrderId ?? "" };
  return unwrap(await accountOf(accountId).order(callerOf(accountId), by));
}

export function unwrap<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.refusal)}`);
  return result.value;
}

/** Units of one asset: what may be spent and what is held. */
export async function moneyOf(accountId: string, asset: string): Promise<{ available: bigint; held: bigint }> {
  const view = unwrap(await accountOf(accountId).account(callerOf(accountId)));
  const balance = view.balances.find((one) => one.asset === asset);
  return { available: balance?.available ?? 0n, held: balance?.held ?? 0n };
}

/** Runs one statement on an object's own tables. */
export async function sql<Row extends Record<string, SqlValue>>(
  stub: AnyStub,
  query: string,
  ...bindings: SqlValue[]
): Promise<Row[]> {
  return runInDurableObject(stub as DurableObjectStub, (_, state) =>
    state.storage.sql.exec<Row>(query, ...bindings).toArray(),
  );
}

/** How many events an object has journalled. */
export async function journalLength(stub: AnyStub): Promise<number> {
  const [row] = await sql<{ n: number }>(stub, "SELECT count(*) AS n FROM journal");
  return row?.n ?? 0;
}

/** When an object's alarm is set for; null when it sleeps. */
export function alarmAt(stub: AnyStub): Promise<number | null> {
  return runInDurableObject(stub as DurableObjectStub, (_, state) => state.storage.getAlarm());
}

/** Lets an object's alarm ring, if one is set. */
export function ring(stub: AnyStub): Promise<boolean> {
  return runDurableObjectAlarm(stub as DurableObjectStub);
}

/** Takes an object out of memory between two calls. */
export function evict(stub: AnyStub): Promise<void> {
  return evictDurableObject(stub as DurableObjectStub);
}

/** Kills an object in the middle of what it does: its memory and its calls are gone, what it had stored stays. */
export async function crash(stub: AnyStub): Promise<void> {
  const dying = runInDurableObject(stub as DurableObjectStub, async (_, state) => {
    await state.storage.sync();
    state.abort("killed by a test");
  });
  await dying.catch(() => undefined);
}

/** Makes an object as if a broken invariant had stopped it; null takes it up again. It is out of memory after. */
export async function stopObject(stub: AnyStub, why: string | null): Promise<void> {
  if (why === null) await sql(stub, "DELETE FROM meta WHERE key = 'stopped'");
  else await sql(stub, "INSERT OR REPLACE INTO meta (key, value) VALUES ('stopped', ?)", why);
  await evict(stub);
}

interface Tables<State> {
  /** The state as its tables have it. */
  stored: State;
  storedHash: string;
  /** The hash of the state that its journal gives when it is replayed into an empty one. */
  replayedHash: string;
}

/** What an account's tables hold. */
export function accountTables(id: string): Promise<Tables<AccountState>> {
  return runInDurableObject(accountOf(id) as DurableObjectStub, (_, { storage }) => {
    const stored = new AccountStore(storePorts(storage, id)).load();
    const replayed = emptyAccount(id, 1);
    for (const body of journalOf(storage)) applyAccountEvent(replayed, decode<AccountEvent>(body));
    return {
      stored,
      storedHash: accountStateHash(stored, sha256),
      replayedHash: accountStateHash(replayed, sha256),
    };
  });
}

/** What a market's tables hold. */
export function marketTables(symbol: string): Promise<Tables<MarketState>> {
  return runInDurableObject(marketOf(symbol) as DurableObjectStub, (_, { storage }) => {
    const stored = new MarketStore(storePorts(storage, symbol)).load(rulesFor(symbol));
    const replayed = emptyMarket(rulesFor(symbol), 1);
    for (const body of journalOf(storage)) applyMarketEvent(replayed, decode<MarketEvent>(body));
    return { stored, storedHash: marketStateHash(stored, sha256), replayedHash: marketStateHash(replayed, sha256) };
  });
}

function storePorts(storage: DurableObjectStorage, name: string) {
  const exec = <Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]) =>
    storage.sql.exec<Row>(query, ...bindings).toArray();
  return { sql: exec, tx: <T>(work: () => T) => storage.transactionSync(work), name, now: () => Date.now(), sha256 };
}

function journalOf(storage: DurableObjectStorage): string[] {
  const rows = storage.sql.exec<{ body: string }>("SELECT body FROM journal ORDER BY seq").toArray();
  return rows.map(({ body }) => body);
}

/**
 * Every invariant of every account opened and market touched in this file: each by itself at once, all together when no
 * message is under way. Time passes until that is so.
 */
export async function checkEverything(): Promise<void> {
  expect([...(await ownWrongs()), ...(await crossWrongs(0))]).toEqual([]);
}

async function ownWrongs(): Promise<string[]> {
  const wrongs: string[] = [];
  for (const id of accounts) {
    const { stored, storedHash, replayedHash } = await accountTables(id);
    wrongs.push(...accountBreaks(stored).map((text) => `${id}: ${text}`));
    if (storedHash !== replayedHash) wrongs.push(`${id} replays to another state`);
  }
  for (const symbol of markets) {
    const { stored, storedHash, replayedHash } = await marketTables(symbol);
    wrongs.push(...marketBreaks(stored).map((text) => `${symbol}: ${text}`));
    if (storedHash !== replayedHash) wrongs.push(`${symbol} replays to another state`);
  }
  return wrongs;
}

async function crossWrongs(round: number): Promise<string[]> {
  const states: AccountState[] = [];
  for (const id of accounts) states.push((await accountTables(id)).stored);
  const wrongs = states.flatMap(({ id, orders }) =>
    [...orders.values()].filter((order) => order.status === "pending_new").map((order) => `${id}: ${order.id} hangs`),
  );
  for (const symbol of traded) wrongs.push(...crossBreaks(states, (await marketTables(symbol)).stored));
  if (wrongs.length === 0 || round === SETTLE_ROUNDS) return wrongs;
  passTime(SETTLE_STEP_MS);
  for (const id of accounts) await ring(accountOf(id));
  for (const symbol of markets) await ring(marketOf(symbol));
  return crossWrongs(round + 1);
}
