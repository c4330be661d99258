// What makes a figure: one step for each event that changed it, and the lots that are left.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  balanceStep,
  entryOf,
  fifoOf,
  openLots,
  type PositionStep,
  positionOf,
  positionStep,
} from "../../src/core/account/history.ts";
import type { AccountEvent } from "../../src/core/account/state.ts";
import { decode } from "../../src/core/codec.ts";
import { addToPosition, flatPosition, type Position, takeFromPosition } from "../../src/core/positions.ts";
import { wireBalanceExplained, wireBookedEntry, wirePositionExplained } from "../../src/core/wire-history.ts";
import { NOON } from "../support/book.ts";
import type { CoreWorld } from "../support/core-world.ts";
import { pair, placed, sol, usd } from "../support/pair.ts";

/** Ann has bought 3 SOL of bob at 180, and has sold him 1 at 190. */
function traded(): CoreWorld {
  const world = pair();
  placed(world, "bob", { side: "sell", qty: sol("3") });
  placed(world, "ann", { qty: sol("3") });
  placed(world, "bob", { qty: sol("1"), limitPrice: usd("190") });
  placed(world, "ann", { side: "sell", qty: sol("1"), limitPrice: usd("190") });
  return world;
}

function annsEvents(): AccountEvent[] {
  return traded()
    .customer("ann")
    .journal.map((body) => decode<AccountEvent>(body));
}

function steps(events: readonly AccountEvent[]): PositionStep[] {
  let before = flatPosition("SOL-USD");
  return events
    .filter((event) => positionOf(event, "SOL-USD") !== null)
    .map((event) => {
      const step = positionStep(before, event);
      before = step.position;
      return step;
    });
}

describe("a balance", () => {
  it("after an event that moved it is the one that the event bears", () => {
    const [deposit] = annsEvents();
    if (deposit === undefined) throw new Error("nothing has happened");
    expect(balanceStep(deposit, "USD")).toEqual({
      entry: entryOf(deposit),
      balance: { asset: "USD", available: usd("10000"), held: 0n },
    });
  });

  it("has no step for an event that does not move it", () => {
    const events = annsEvents();
    const [deposit] = events;
    const report = events.find((event) => event.kind === "report" && event.execType === "new");
    if (deposit === undefined || report === undefined) throw new Error("too little has happened");
    expect(() => balanceStep(deposit, "SOL")).toThrow("does not move SOL");
    expect(entryOf(report)).toBeNull();
    expect(() => balanceStep(report, "USD")).toThrow("does not move USD");
  });

  it("is shown with the postings that made it, and with who holds the rest", () => {
    const [deposit] = annsEvents();
    if (deposit === undefined) throw new Error("nothing has happened");
    const value = { asset: "USD", available: usd("9000"), held: usd("1000") };
    const shown = wireBalanceExplained({
      value,
      steps: [balanceStep(deposit, "USD")],
      nextCursor: null,
      holds: [{ orderId: "ord_1", symbol: "SOL-USD", side: "buy", amount: usd("600") }],
      otherHolds: { count: 2, amount: usd("300") },
      withdrawals: [{ withdrawalId: "wdr_1", amount: usd("100") }],
    });
    expect(shown).toMatchObject({
      withdrawals: [{ withdrawal_id: "wdr_1", amount: "100" }],
      value: { asset: "USD", available: "9000", held: "1000", total: "10000" },
      entries: [{ kind: "deposit", balance: { available: "10000", held: "0", total: "10000" } }],
      holds: [{ order_id: "ord_1", symbol: "SOL-USD", side: "buy", amount: "600" }],
      other_holds: { count: 2, amount: "300" },
    });
  });

  it("stands beside each posting of a booked entry", () => {
    const events = annsEvents();
    const fill = entryOf(
      events.find((event) => event.kind === "report" && event.fill !== null) ?? ({} as AccountEvent),
    );
    if (fill === null) throw new Error("nothing was filled");
    const booked = wireBookedEntry(fill);
    expect(Object.keys(booked)).toEqual(["seq", "id", "at", "kind", "ref", "postings", "hash"]);
    expect(booked.postings.find(({ account, asset }) => account === "available" && asset === "SOL")).toEqual({
      account: "available",
      asset: "SOL",
      amount: "3",
      balance: "13",
    });
  });
});

describe("a position", () => {
  it("is the sum of its steps, and each says what it changed", () => {
    const [deposit, buy, sale, ...others] = steps(annsEvents());
    expect(others).toEqual([]);
    expect(deposit).toMatchObject({ fill: null, qty: sol("10"), realizedPnl: 0n });
    const paid = usd("540") + usd("1.08");
    expect(buy).toMatchObject({ qty: sol("3"), cost: paid, realizedPnl: 0n, fill: { price: usd("180") } });
    const costs = (deposit?.cost ?? 0n) + paid;
    const part = costs / 13n;
    expect(sale).toMatchObject({ qty: -sol("1"), cost: -part, realizedPnl: usd("189.62") - part });
    expect(sale?.position).toEqual({
      symbol: "SOL-USD",
      qty: sol("12"),
      costBasis: costs - part,
      realizedPnl: usd("189.62") - part,
    });
  });

  it("has no step for an event that does nothing to it, or to another's", () => {
    const events = annsEvents();
    const [dollars, coins] = events;
    if (dollars === undefined || coins === undefined) throw new Error("too little has happened");
    expect(positionOf(dollars, "SOL-USD")).toBeNull();
    expect(positionOf(coins, "ETH-USD")).toBeNull();
    const accepted = events.find((event) => event.kind === "order_accepted");
    if (accepted === undefined) throw new Error("nothing was placed");
    expect(positionOf(accepted, "SOL-USD")).toBeNull();
    for (const event of [dollars, accepted]) {
      expect(() => positionStep(flatPosition("SOL-USD"), event)).toThrow("is none of SOL-USD");
    }
  });

  it("is shown with price, fee and order of each fill, and with its lots", () => {
    const all = steps(annsEvents());
    const value = all.at(-1)?.position ?? flatPosition("SOL-USD");
    const lots = openLots(value.qty, all.filter((step) => step.qty > 0n).reverse(), 5);
    const shown = wirePositionExplained({ value, steps: all, nextCursor: null, ...lots });
    expect(shown.entries).toMatchObject([
      { kind: "deposit", order_id: null, qty: "10", price: null, fee: null, realized_pnl: "0" },
      { kind: "fill", qty: "3", price: "180", fee: "1.08", cost: "541.08", position: { qty: "13" } },
      { kind: "fill", qty: "-1", price: "190", fee: "0.38", position: { qty: "12" } },
    ]);
    expect(shown.entries[1]?.order_id).toMatch(/^ord_/);
    expect(shown.lots).toMatchObject([{ qty: "9" }, { qty: "3", cost: "541.08", at: new Date(NOON).toISOString() }]);
    expect(shown.older_lots_qty).toBe("0");
  });
});

describe("open lots", () => {
  const [deposit, buy] = steps(annsEvents());
  if (deposit === undefined || buy === undefined) throw new Error("too little has happened");
  const acquired = [buy, deposit];

  it("are what came in last: the oldest units leave first", () => {
    expect(openLots(sol("13"), acquired, 5).lots.map(({ qty }) => qty)).toEqual([sol("10"), sol("3")]);
    expect(openLots(sol("12"), acquired, 5).lots.map(({ qty }) => qty)).toEqual([sol("9"), sol("3")]);
    expect(openLots(sol("3"), acquired, 5).lots.map(({ qty }) => qty)).toEqual([sol("3")]);
    expect(openLots(sol("1"), acquired, 5)).toEqual({
      lots: [{ entry: buy.entry, qty: sol("1"), cost: buy.cost - (buy.cost * 2n) / 3n }],
      olderQty: 0n,
    });
    expect(openLots(0n, acquired, 5)).toEqual({ lots: [], olderQty: 0n });
  });

  it("beyond so many are counted together, and what came before is not read", () => {
    const read: bigint[] = [];
    function* watched() {
      for (const step of acquired) {
        read.push(step.qty);
        yield step;
      }
    }
    const { lots, olderQty } = openLots(sol("12"), watched(), 1);
    expect(lots.map(({ qty }) => qty)).toEqual([sol("3")]);
    expect(olderQty).toBe(sol("9"));
    openLots(sol("2"), watched(), 5);
    expect(read).toEqual([sol("3"), sol("3")]);
  });
});

describe("first in, first out", () => {
  const [first, bought] = steps(annsEvents());
  if (first === undefined || bought === undefined) throw new Error("too little has happened");
  const [{ entry }, { fill: someFill }] = [first, bought];

  /** A step of so many units for so much; a sale brings `proceeds`, what has none is a transfer. */
  function step(position: Position, qty: bigint, amount: bigint | null): PositionStep {
    const after = qty > 0n ? addToPosition(position, qty, amount ?? 0n) : takeFromPosition(position, -qty, amount);
    const fill = amount === null ? null : someFill;
    const cost = after.costBasis - position.costBasis;
    const realizedPnl = after.realizedPnl - position.realizedPnl;
    return { entry, fill, qty, cost, realizedPnl, position: after };
  }

  function history(acts: readonly [qty: bigint, amount: bigint | null][]): PositionStep[] {
    let position = flatPosition("SOL-USD");
    return acts.map(([qty, amount]) => {
      const one = step(position, qty, amount);
      position = one.position;
      return one;
    });
  }

  it("sells what was bought first: dear units that came later stay", () => {
    const acts = history([
      [10n, 1_000n],
      [10n, 3_000n],
      [-10n, 2_500n],
    ]);
    expect(acts.at(-1)?.position).toMatchObject({ costBasis: 2_000n, realizedPnl: 500n });
    expect(fifoOf(acts)).toEqual({ costBasis: 3_000n, realizedPnl: 1_500n });
  });

  it("takes the cost of what is withdrawn along, and makes no profit of it", () => {
    const acts = history([
      [10n, 1_000n],
      [10n, 3_000n],
      [-10n, null],
      [-5n, 2_000n],
    ]);
    expect(fifoOf(acts)).toEqual({ costBasis: 1_500n, realizedPnl: 500n });
  });

  it("has nothing to say of a position that never was", () => {
    expect(fifoOf([])).toEqual({ costBasis: 0n, realizedPnl: 0n });
  });

  it("and the average count the same money, and its lots are those that are left", () => {
    const act = fc.record({
      share: fc.integer({ min: 1, max: 100 }),
      amount: fc.bigInt(0n, 10n ** 9n),
      buys: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 40 }), (wishes) => {
        let had = 0n;
        const acts = wishes.flatMap(({ share, amount, buys }): [bigint, bigint][] => {
          const qty = buys ? BigInt(share) : -((had * BigInt(share)) / 100n);
          if (qty === 0n) return [];
          had += qty;
          return [[qty, amount]];
        });
        const all = history(acts);
        const value = all.at(-1)?.position ?? flatPosition("SOL-USD");
        const fifo = fifoOf(all);
        expect(fifo.realizedPnl - fifo.costBasis).toBe(value.realizedPnl - value.costBasis);
        const acquired = all.filter(({ qty }) => qty > 0n).reverse();
        const { lots } = openLots(value.qty, acquired, 100);
        expect(lots.reduce((sum, { cost }) => sum + cost, 0n)).toBe(fifo.costBasis);
      }),
    );
  });
});
