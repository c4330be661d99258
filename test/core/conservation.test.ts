import { describe, expect, it } from "vitest";
import { SELF_TRADE_PREVENTIONS } from "../../src/core/order.ts";
import { referencePrice } from "../../src/core/prices.ts";
import { listed, SEED, units } from "../support/book.ts";
import { CoreWorld } from "../support/core-world.ts";
import { expectClearingExplained, expectHistory, expectTradesBalance } from "../support/history.ts";
import { randomChange, randomTrigger } from "../support/orders.ts";
import { type Random, randomOf } from "../support/random.ts";

const SOL = listed("SOL-USD");
const DOGE = listed("DOGE-USD");
const NAMES = ["ann", "bob", "cat", "dan", "eve"];

function fund(world: CoreWorld): void {
  for (const id of world.customers.keys()) {
    expect(world.transfer(id, "deposit", "USD", units("50000", 6)).ok).toBe(true);
    expect(world.transfer(id, "deposit", "SOL", units("100", 8)).ok).toBe(true);
    expect(world.transfer(id, "deposit", "DOGE", units("80000", 6)).ok).toBe(true);
  }
}

/** One thing that somebody does; refusals (for want of money, above all) are part of it. */
function act(world: CoreWorld, random: Random): void {
  const id = random.pick(NAMES);
  const { state } = world.customer(id);
  const open = [...state.orders.values()];
  const dice = random.int(100);
  if (dice < 3) {
    const asset = random.pick(["USD", "USD", "SOL", "DOGE"]);
    const amount = BigInt(1 + random.int(2_000_000_000));
    world.transfer(id, random.pick(["deposit", "withdrawal"]), asset, amount);
  } else if (dice < 33 && open.length > 0) world.cancel(id, random.pick(open));
  else if (dice < 45 && open.length > 0) {
    const order = random.pick(open);
    const rules = order.symbol === SOL.symbol ? SOL : DOGE;
    world.replace(id, order, randomChange(random, order, rules));
  } else placeSomething(world, random, id);
}

function placeSomething(world: CoreWorld, random: Random, id: string): void {
  const rules = random.pick([SOL, SOL, DOGE]);
  const reference = referencePrice(rules, SEED, world.now);
  const type = random.once(4) ? "market" : "limit";
  const timeInForce =
    type === "market" ? "ioc" : random.pick(["gtc", "gtc", "gtc", "gtd", "day", "ioc", "fok"] as const);
  // From a few lots to more than an account has.
  const whole = random.pick([1n, 10n, 100n, 5_000n, 100_000n]) * BigInt(1 + random.int(40));
  const qty = (rules === SOL ? whole : whole * 3n) * rules.lotSize;
  const byNotional = random.once(3);
  const side = random.pick(["buy", "sell"] as const);
  const waits = timeInForce === "gtc" && random.once(3) ? randomTrigger(random, rules, reference, side) : {};
  world.place(id, {
    symbol: rules.symbol,
    side,
    type,
    timeInForce,
    postOnly: timeInForce === "gtc" && random.once(5),
    qty: byNotional ? null : qty,
    notional: byNotional ? BigInt(1 + random.int(random.pick([3_000_000, 2_000_000_000]))) : null,
    limitPrice: type === "market" ? null : reference + BigInt(random.int(40) - 20) * rules.tickSize,
    expiresAt: timeInForce === "gtd" ? world.now + 1_000 + random.int(20_000) : null,
    selfTradePrevention: random.pick(SELF_TRADE_PREVENTIONS),
    ...waits,
  });
}

function expectWhole(world: CoreWorld, settled: boolean): void {
  const breaks = world.breaks(settled);
  if (breaks.length > 0) expect(breaks).toEqual([]);
}

describe("whatever five accounts do in two markets, no invariant breaks", () => {
  it.each([1, 2])("with every message delivered at once, seed %d, 6,000 acts", { timeout: 60_000 }, (seed) => {
    const world = new CoreWorld(NAMES, [SOL, DOGE]);
    const random = randomOf(seed);
    fund(world);
    for (let i = 0; i < 6_000; i += 1) {
      world.now += random.once(20) ? random.int(5_000) : random.int(20);
      act(world, random);
      world.settle();
      expectWhole(world, true);
    }
    expectHistory(world);
    expect(expectTradesBalance(world)).toBeGreaterThan(400);
  });

  it.each([3, 4])("with messages that wait, seed %d, 4,000 acts", { timeout: 60_000 }, (seed) => {
    const world = new CoreWorld(NAMES, [SOL, DOGE]);
    const random = randomOf(seed);
    fund(world);
    for (let i = 0; i < 4_000; i += 1) {
      world.now += random.once(20) ? random.int(5_000) : random.int(20);
      act(world, random);
      const symbol = random.pick([SOL.symbol, DOGE.symbol]);
      if (random.once(2)) world.sendCommands(random.pick(NAMES), symbol);
      if (random.once(2)) world.sendReports(random.pick(NAMES), symbol);
      if (random.once(300)) world.changeRules(symbol, { priceBandBps: 900 + random.int(100) });
      expectWhole(world, false);
      expectClearingExplained(world, symbol);
    }
    world.settle();
    expectWhole(world, true);
    expectHistory(world);
    expect(expectTradesBalance(world)).toBeGreaterThan(100);
  });
});
