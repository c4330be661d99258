import { afterAll, describe, expect, it } from "vitest";
import { HOUSE, type RestingOrder } from "../../src/core/book.ts";
import { marketBreaks } from "../../src/core/invariants.ts";
import { advance } from "../../src/core/market/advance.ts";
import { applyCommands } from "../../src/core/market/decide.ts";
import { emptyMarket, type MarketEvent, type MarketState, peerOf } from "../../src/core/market/state.ts";
import type { MarketTurn } from "../../src/core/market/turn.ts";
import type { Command, SubmitOrder } from "../../src/core/messages.ts";
import { bandOf, feeOf, limitBuyReserve, notionalOf, SELF_TRADE_PREVENTIONS, type Side } from "../../src/core/order.ts";
import { referencePrice } from "../../src/core/prices.ts";
import { countingIds, listed, NOON } from "../support/book.ts";
import { type NaiveEvent, NaiveMarket } from "../support/naive-book.ts";
import { type Random, randomOf } from "../support/random.ts";

const RULES = listed("SOL-USD");
const PRICE_SEED = 35;
const ACCOUNTS = ["ann", "bob", "cat", "dan"];
const NO_MORE_STEPS = Number.MAX_SAFE_INTEGER;
/** How many times as many commands as in every test run: `npm run oracle` is ten. */
const TIMES = Number(process.env["ORACLE_TIMES"] ?? 1);
const TIMEOUT = { timeout: TIMES * 60_000 };

/** What the runs have met, over all seeds: a test that never meets a case says nothing about it. */
const met = new Map<string, number>();

interface Run {
  random: Random;
  state: MarketState;
  now: number;
  orders: number;
  ids: string[];
}

function begin(seed: number): Run {
  return { random: randomOf(seed), state: emptyMarket(RULES, 1), now: NOON, orders: 0, ids: [] };
}

const makeId = countingIds();

function turnOf(run: Run): MarketTurn {
  // The chain has its own tests: here its hash would be most of the time.
  const ctx = { now: run.now, makeId, sha256: () => "", priceSeed: PRICE_SEED };
  return { state: run.state, ctx, events: [] };
}

type Known = Exclude<Command, { kind: "submit_all" | "submit_group" }>;

/** What the naive market knows too. */
function isKnown(what: string): what is NaiveEvent["what"] {
  return ["new", "rejected", "fill", "canceled", "expired", "cancel_rejected", "replaced", "replace_rejected"].includes(
    what,
  );
}

function randomCommand(run: Run): { account: string; command: Known } {
  const { random } = run;
  const account = random.pick(ACCOUNTS);
  const cseq = peerOf(run.state, account).cseq + 1;
  if (run.ids.length > 0 && random.int(5) < 2) {
    // Of the last ones, so that many are still open and the book stays short; of any account.
    const orderId = run.ids[Math.max(0, run.ids.length - 1 - random.int(30))] ?? "";
    if (random.once(3)) return randomReplace(run, orderId, account);
    return { account, command: { kind: "cancel", cseq, orderId } };
  }
  const order = randomOrder(run);
  run.ids.push(order.id);
  return { account, command: { kind: "submit", cseq, order, notAfter: null, rulesVersion: RULES.version } };
}

/** Other terms for an order, mostly by its owner. */
function randomReplace(run: Run, orderId: string, somebody: string): { account: string; command: Known } {
  const { random } = run;
  const order = run.state.orders.get(orderId);
  const account = order === undefined || random.once(10) ? somebody : order.account;
  const lots = BigInt(random.once(3) ? random.int(20_000) - 10_000 : (random.int(5) - 2) * 10_000);
  const away = BigInt(random.once(2) ? 0 : random.int(24) - 12);
  const at = order?.price ?? referencePrice(RULES, PRICE_SEED, run.now);
  const to = { qtyDelta: lots * RULES.lotSize, limitPrice: at + away * RULES.tickSize, postOnly: random.once(6) };
  const cseq = peerOf(run.state, account).cseq + 1;
  return { account, command: { kind: "replace", cseq, orderId, hold: 0n, ...to } };
}

function randomOrder(run: Run): SubmitOrder {
  const { random } = run;
  const { baseScale, tickSize, lotSize, makerFeeBps, takerFeeBps } = RULES;
  const reference = referencePrice(RULES, PRICE_SEED, run.now);
  run.orders += 1;
  const side: Side = random.pick(["buy", "sell"]);
  const lots = random.once(3) ? 1 + random.int(40_000) : (1 + random.int(4)) * 10_000;
  const market = random.once(5);
  // Prices lie close together, on either side of the middle; a few lie at the band's edges and beyond.
  const away = BigInt(random.once(20) ? random.int(4_000) - 2_000 : random.int(24) - 12);
  const limitPrice = market ? null : reference + away * tickSize;
  const timeInForce = market
    ? random.pick(["ioc", "ioc", "fok"] as const)
    : random.pick(["gtc", "gtc", "gtc", "gtd", "ioc", "fok"] as const);
  const order: SubmitOrder = {
    id: `o${run.orders}`,
    side,
    limitPrice,
    qty: market && side === "buy" && random.once(2) ? null : BigInt(lots) * lotSize,
    timeInForce,
    postOnly: timeInForce === "gtc" && random.once(6),
    selfTradePrevention: random.pick(SELF_TRADE_PREVENTIONS),
    makerFeeBps,
    takerFeeBps,
    budget: 0n,
    expiresAt: timeInForce === "gtd" ? run.now + 1_000 + random.int(4_000) : null,
  };
  const rests = limitPrice !== null && timeInForce !== "ioc" && timeInForce !== "fok";
  if (rests && random.once(4)) order.displayQty = BigInt(Math.ceil(lots / (1 + random.int(20)))) * lotSize;
  if (side === "sell") order.budget = order.qty ?? 0n;
  else if (limitPrice !== null)
    order.budget = limitBuyReserve({ ...order, feeNumerator: 0n, fee: 0n }, limitPrice, order.qty ?? 0n, baseScale);
  else if (order.qty === null) order.budget = BigInt(random.once(20) ? random.int(20_000) : random.int(1_500_000_000));
  else {
    // What was held at a band that has moved since may fall short.
    const worst = notionalOf(bandOf(reference, RULES.priceBandBps, tickSize).high, order.qty, baseScale);
    order.budget = ((worst + feeOf(worst * BigInt(takerFeeBps))) * BigInt(random.once(3) ? 80 : 100)) / 100n;
  }
  return order;
}

function said(events: readonly MarketEvent[]): NaiveEvent[] {
  return events.flatMap((event) => {
    if (event.kind !== "report") return [];
    const { orderId, execType, reason, fill } = event.report;
    if (!isKnown(execType)) throw new Error(`${execType} is not known here`);
    const short = fill && {
      price: fill.price,
      qty: fill.qty,
      fee: fill.fee,
      liquidity: fill.liquidity,
      done: fill.done,
    };
    return [{ account: event.account, orderId, what: execType, reason, fill: short }];
  });
}

function realQueue(state: MarketState, side: Side): RestingOrder[] {
  const queue: RestingOrder[] = [];
  for (const price of state.book[side].prices) {
    queue.push(...(state.book[side].levels.get(price)?.orders.values() ?? []));
  }
  return queue;
}

/** What is compared of a resting order, beside its place in the queue. */
function factsOf({ id, price, leaves, fee }: { id: string; price: bigint | null; leaves: bigint | null; fee: bigint }) {
  return { id, price, leaves, fee };
}

/** Texts only when something is amiss: to write two books 100,000 times would take longer than the matching. */
function compareQueues(state: MarketState, naive: NaiveMarket, side: Side): void {
  const mine = realQueue(state, side);
  const other = naive.queue(side);
  const same = (order: RestingOrder, index: number) => {
    const wanted = other[index];
    if (wanted === undefined || order.id !== wanted.id) return false;
    return order.price === wanted.price && order.leaves === wanted.leaves && order.fee === wanted.fee;
  };
  if (mine.length !== other.length || !mine.every(same)) expect(mine.map(factsOf)).toEqual(other.map(factsOf));
}

function same(a: NaiveEvent, b: NaiveEvent | undefined): boolean {
  if (b === undefined || a.orderId !== b.orderId || a.account !== b.account) return false;
  if (a.what !== b.what || a.reason !== b.reason) return false;
  if (a.fill === null || b.fill === null) return a.fill === b.fill;
  const { price, qty, fee, liquidity, done } = a.fill;
  const other = b.fill;
  const money = price === other.price && qty === other.qty && fee === other.fee;
  return money && liquidity === other.liquidity && done === other.done;
}

function compare(run: Run, naive: NaiveMarket, real: NaiveEvent[], expected: NaiveEvent[]): void {
  const agree = real.length === expected.length && real.every((event, index) => same(event, expected[index]));
  if (!agree) expect(real).toEqual(expected);
  compareQueues(run.state, naive, "buy");
  compareQueues(run.state, naive, "sell");
  const breaks = marketBreaks(run.state);
  if (breaks.length > 0) expect(breaks).toEqual([]);
  for (const { what, reason } of expected) {
    const key = reason === null ? what : `${what} ${reason}`;
    met.set(key, (met.get(key) ?? 0) + 1);
  }
}

/** One command at both markets. */
function step(run: Run, naive: NaiveMarket): void {
  run.now += run.random.once(3) ? run.random.int(60) : 0;
  const turn = turnOf(run);
  const { account, command } = randomCommand(run);
  advance(turn);
  applyCommands(turn, account, [command]);
  const expired = naive.expire(run.now);
  const reference = referencePrice(RULES, PRICE_SEED, run.now);
  compare(run, naive, said(turn.events), [...expired, ...naiveAnswer(naive, account, command, reference)]);
  // What the accounts would acknowledge.
  for (const peer of run.state.peers.values()) peer.unacknowledged = [];
}

function naiveAnswer(naive: NaiveMarket, account: string, command: Known, reference: bigint): NaiveEvent[] {
  if (command.kind === "cancel") return naive.cancel(account, command.orderId);
  if (command.kind !== "replace") return naive.submit(naiveOrder(account, command.order), reference);
  const { orderId, qtyDelta, limitPrice, postOnly } = command;
  return naive.replace(account, { orderId, qtyDelta, price: limitPrice ?? 0n, postOnly });
}

function naiveOrder(account: string, order: SubmitOrder) {
  const { limitPrice: price, qty: leaves, selfTradePrevention, ...rest } = order;
  return { ...rest, account, price, leaves, selfTradePrevention };
}

describe("the matching engine does what the naive one does, event for event and order for order,", () => {
  it.each([1, 2, 3, 4, 5, 6])("among customers, seed %d, 12,000 commands", TIMEOUT, (seed) => {
    const run = begin(seed);
    const naive = new NaiveMarket(RULES);
    run.state.step = NO_MORE_STEPS;
    for (let i = 0; i < TIMES * 12_000; i += 1) step(run, naive);
  });

  it.each([7, 8, 9, 10])("around a house that quotes once, seed %d, 8,000 commands", TIMEOUT, (seed) => {
    const run = begin(seed);
    const naive = new NaiveMarket(RULES);
    advance(turnOf(run));
    run.state.step = NO_MORE_STEPS;
    for (const side of ["buy", "sell"] as const) {
      for (const level of run.state.book[side].levels.values()) {
        for (const quote of level.orders.values())
          naive.rest({ ...quote, postOnly: false, selfTradePrevention: "none" });
      }
    }
    for (let i = 0; i < TIMES * 8_000; i += 1) step(run, naive);
  });

  afterAll(() => {
    const wanted = [
      "new",
      "fill",
      "rejected post_only_would_cross",
      "rejected fok_not_fillable",
      "canceled user",
      "canceled ioc",
      "canceled self_trade_prevention",
      "canceled hold_exhausted",
      "canceled no_liquidity",
      "canceled price_band",
      "cancel_rejected order_not_open",
      "expired gtd",
      "replaced",
      "replaced self_trade_prevention",
      "canceled replaced",
      "replace_rejected order_not_open",
      "replace_rejected post_only_would_cross",
    ];
    const never = wanted.filter((what) => (met.get(what) ?? 0) < 10);
    expect(never, JSON.stringify([...met])).toEqual([]);
  });
});

describe("with the house quoting as time goes by", () => {
  it.each([11, 12])("no invariant breaks, seed %d, 4,000 commands", { timeout: 60_000 }, (seed) => {
    const run = begin(seed);
    let requotes = 0;
    let crossings = 0;
    for (let i = 0; i < 4_000; i += 1) {
      run.now += run.random.once(50) ? run.random.int(60_000) : run.random.int(400);
      const turn = turnOf(run);
      advance(turn);
      const { account, command } = randomCommand(run);
      applyCommands(turn, account, [command]);
      const breaks = marketBreaks(run.state);
      if (breaks.length > 0) expect(breaks).toEqual([]);
      requotes += turn.events.filter((event) => event.kind === "requote").length;
      crossings += turn.events.filter(
        (event) => event.kind === "report" && event.house !== null && event.report.fill?.liquidity === "maker",
      ).length;
      for (const peer of run.state.peers.values()) peer.unacknowledged = [];
    }
    expect(requotes).toBeGreaterThan(500);
    expect(crossings).toBeGreaterThan(80);
    expect([...run.state.peers.keys()]).not.toContain(HOUSE);
  });
});
