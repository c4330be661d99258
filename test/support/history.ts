// What must hold over the whole life of a world: chains, running balances, trades, equity; recomputed from its journals alone.

import { expect } from "vitest";
import { balanceOf } from "../../src/core/account/state.ts";
import type { TransferEvent } from "../../src/core/account/transfer-events.ts";
import { isContainer } from "../../src/core/groups.ts";
import { balanceKey, GENESIS_HASH, type LedgerEntry } from "../../src/core/ledger.ts";
import { notionalOf } from "../../src/core/order.ts";
import { referencePrice } from "../../src/core/prices.ts";
import { wireEntry } from "../../src/core/wire.ts";
import { listed, SEED, sha256 } from "./book.ts";
import type { CoreWorld } from "./core-world.ts";

/** Fails with the sentence. One `expect` for each of a million postings would take longer than all the rest. */
function must(holds: boolean, otherwise: string): void {
  if (!holds) expect.fail(otherwise);
}

/** Σ over clearing accounts of both sides is what the reports on their way will move. */
export function expectClearingExplained(world: CoreWorld, symbol: string): void {
  const { state: market } = world.venue(symbol);
  const { base, quote, baseScale } = market.rules;
  let [baseSum, quoteSum] = [base, quote].map((asset) => market.balances.get(balanceKey("clearing", asset)) ?? 0n) as [
    bigint,
    bigint,
  ];
  for (const [id, { state, orders }] of world.customers) {
    baseSum += balanceOf(state, `clearing:${symbol}`, base);
    quoteSum += balanceOf(state, `clearing:${symbol}`, quote) + balanceOf(state, `fees:${symbol}`, quote);
    for (const { orderId, fill } of market.peers.get(id)?.unacknowledged ?? []) {
      if (fill === null) continue;
      const sign = orders.get(orderId)?.side === "buy" ? 1n : -1n;
      quoteSum += sign * notionalOf(fill.price, fill.qty, baseScale) + fill.fee;
      baseSum -= sign * fill.qty;
    }
  }
  if (baseSum !== 0n || quoteSum !== 0n) expect([baseSum, quoteSum]).toEqual([0n, 0n]);
}

/** Whether money came in or went out with this, and was not held or released alone. */
function movesOutside({ entry }: TransferEvent): boolean {
  return entry?.postings.some(({ account }) => account === "external") === true;
}

/** deposits − withdrawals + realized + unrealized = cash + positions' value, with positions at `now`'s prices. */
function expectEquity(world: CoreWorld, id: string): void {
  const { state } = world.customer(id);
  let put = 0n;
  let previous = new Map<string, bigint>();
  for (const event of world.accountEvents(id)) {
    if ("transfer" in event && movesOutside(event)) {
      const back = event.transfer.status === "reversed" ? -1n : 1n;
      const sign = event.transfer.kind === "deposit" ? back : -back;
      const position = "position" in event ? event.position : null;
      // A deposit of base assets counts with what it was worth, a withdrawal with what it had cost.
      put +=
        position === null ? sign * event.transfer.amount : position.costBasis - (previous.get(position.symbol) ?? 0n);
    }
    if (("transfer" in event || event.kind === "report") && "position" in event && event.position !== null) {
      previous = new Map(previous).set(event.position.symbol, event.position.costBasis);
    }
  }
  const cash = balanceOf(state, "available", "USD") + balanceOf(state, "held", "USD");
  let [value, realized, unrealized] = [0n, 0n, 0n];
  for (const position of state.positions.values()) {
    const rules = listed(position.symbol);
    const now = notionalOf(referencePrice(rules, SEED, world.now), position.qty, rules.baseScale);
    value += now;
    realized += position.realizedPnl;
    unrealized += now - position.costBasis;
  }
  expect(put + realized + unrealized, id).toBe(cash + value);
}

/** Recomputes the chain from what a client sees of the entries, nothing else. Answers the last hash. */
export function chainOf(entries: readonly LedgerEntry[]): string {
  let head = GENESIS_HASH;
  for (const entry of entries.map(wireEntry)) {
    const postings = entry.postings.map((p) => [p.account, p.asset, p.amount]);
    const hash = sha256(JSON.stringify([head, entry.seq, entry.id, entry.at, entry.kind, entry.ref, postings]));
    must(hash === entry.hash, `entry ${entry.id} has the hash ${entry.hash}, its bytes give ${hash}`);
    head = hash;
  }
  return head;
}

/** The ledger entries of journalled events, in their order. */
export function entriesOf(events: readonly object[]): LedgerEntry[] {
  return events.flatMap((event) => ("entry" in event && event.entry !== null ? [event.entry as LedgerEntry] : []));
}

/** M5: each posting's running balance is the one before plus its amount; answers the last of every account. */
function foldOf(entries: readonly LedgerEntry[]): Map<string, bigint> {
  const balances = new Map<string, bigint>();
  for (const entry of entries) {
    const sums = new Map<string, bigint>();
    for (const { account, asset, amount, balance } of entry.postings) {
      const key = balanceKey(account, asset);
      const next = (balances.get(key) ?? 0n) + amount;
      must(balance === next, `${key} is ${balance} after ${entry.id}, its entries give ${next}`);
      balances.set(key, next);
      sums.set(asset, (sums.get(asset) ?? 0n) + amount);
    }
    for (const [asset, sum] of sums) must(sum === 0n, `entry ${entry.id} leaves ${sum} of ${asset}`);
  }
  return balances;
}

/** M6 for every trade between two customers: what the buyer pays is what the seller gets and the two fees, to the unit. */
export function expectTradesBalance(world: CoreWorld): number {
  const sides = new Map<string, { usd: bigint; base: bigint; fees: bigint; parties: number }>();
  for (const id of world.customers.keys()) {
    for (const event of world.accountEvents(id)) {
      if (event.kind !== "report" || event.fill === null || event.entry === null) continue;
      const sum = sides.get(event.fill.tradeId) ?? { usd: 0n, base: 0n, fees: 0n, parties: 0 };
      for (const { account, asset, amount } of event.entry.postings) {
        if (account !== "available" && account !== "held") continue;
        if (asset === "USD") sum.usd += amount;
        else sum.base += amount;
      }
      sum.fees += event.fill.fee;
      sum.parties += 1;
      must(event.fill.fee >= 0n, `execution ${event.fill.id} has a fee of ${event.fill.fee}`);
      sides.set(event.fill.tradeId, sum);
    }
  }
  const between = [...sides.values()].filter(({ parties }) => parties === 2);
  for (const { usd, base, fees } of between) {
    must(usd === -fees && base === 0n, `a trade moved ${usd} of USD and ${base} of the base, with ${fees} of fees`);
  }
  return between.length;
}

/** O1, O5 and M7 over a whole life: an order's fills add up to what it says, none worse than its limit, rounded once. */
function expectLives(world: CoreWorld): void {
  for (const [id, { orders }] of world.customers) {
    const filled = new Map<string, { qty: bigint; fee: bigint; notional: bigint }>();
    for (const event of world.accountEvents(id)) {
      if (event.kind !== "report" || event.fill === null) continue;
      const sum = filled.get(event.order.id) ?? { qty: 0n, fee: 0n, notional: 0n };
      sum.qty += event.fill.qty;
      sum.fee += event.fill.fee;
      sum.notional += notionalOf(event.fill.price, event.fill.qty, listed(event.symbol).baseScale);
      filled.set(event.order.id, sum);
      const { side, limitPrice } = event.order;
      // O5: never worse than the limit.
      const worse =
        side === "buy" ? event.fill.price > (limitPrice ?? event.fill.price) : event.fill.price < (limitPrice ?? 0n);
      must(!worse, `order ${event.order.id} traded at ${event.fill.price}, its limit is ${limitPrice}`);
    }
    for (const order of orders.values()) {
      // It has none of its own: test/support/groups.ts holds it to its legs.
      if (isContainer(order)) continue;
      const sum = filled.get(order.id) ?? { qty: 0n, fee: 0n, notional: 0n };
      const { qty, fee, notional } = sum;
      const same = qty === order.filledQty && fee === order.fee && notional === order.filledNotional;
      must(same, `the fills of ${order.id} do not add up to what it says`);
      const dear = order.side === "buy" && order.notional !== null && notional + fee > order.notional;
      must(!dear, `order ${order.id} cost ${notional} and ${fee}, for ${order.notional}`);
      // M7: all fills together were rounded by less than one unit, and never in the customer's favour.
      const rounding = order.fee * 10_000n - order.feeNumerator;
      must(rounding >= 0n && rounding < 10_000n, `order ${order.id} was rounded by ${rounding} ten-thousandths`);
    }
  }
}

/** Everything above, for every account and market: their journals alone give what they are. */
export function expectHistory(world: CoreWorld): void {
  world.expectReplays();
  expectLives(world);
  for (const [id, { state }] of world.customers) {
    const entries = entriesOf(world.accountEvents(id));
    expect(chainOf(entries)).toBe(state.ledgerHead);
    expect(foldOf(entries)).toEqual(state.balances);
    expectEquity(world, id);
  }
  for (const [symbol, { state }] of world.venues) {
    const entries = entriesOf(world.marketEvents(symbol));
    expect(chainOf(entries)).toBe(state.ledgerHead);
    expect(foldOf(entries)).toEqual(state.balances);
  }
}
