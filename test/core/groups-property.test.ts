// Groups among everything else that accounts do: no interleaving of fills, cancels, triggers, changes and late messages lets
// exits get out of more than there is, or leaves money held for nobody.
import { afterAll, describe, expect, it } from "vitest";
import { SELF_TRADE_PREVENTIONS } from "../../src/core/order.ts";
import { referencePrice } from "../../src/core/prices.ts";
import { listed, SEED, units } from "../support/book.ts";
import { CoreWorld } from "../support/core-world.ts";
import { groupWrongs, randomGroup } from "../support/groups.ts";
import { expectHistory } from "../support/history.ts";
import { randomChange, randomTrigger } from "../support/orders.ts";
import { type Random, randomOf } from "../support/random.ts";

const SOL = listed("SOL-USD");
const NAMES = ["ann", "bob", "cat"];

/** What the runs have met, over all seeds: a case that is never met is not on trial. */
const met = new Map<string, number>();

function fund(world: CoreWorld): void {
  for (const id of world.customers.keys()) {
    expect(world.transfer(id, "deposit", "USD", units("500000", 6)).ok).toBe(true);
    expect(world.transfer(id, "deposit", "SOL", units("1000", 8)).ok).toBe(true);
  }
}

function act(world: CoreWorld, random: Random): void {
  const id = random.pick(NAMES);
  const open = [...world.customer(id).state.orders.values()];
  const dice = random.int(100);
  const reference = referencePrice(SOL, SEED, world.now);
  const qty = BigInt(1 + random.int(40)) * 1_000n * SOL.lotSize;
  if (dice < 35) {
    const placed = world.placeGroup(id, randomGroup(random, SOL, reference, qty, random.pick([8, 40])));
    const what = placed.ok ? "group" : `refused ${placed.refusal.code}`;
    met.set(what, (met.get(what) ?? 0) + 1);
  } else if (dice < 50 && open.length > 0) world.cancel(id, random.pick(open));
  else if (dice < 65 && open.length > 0) {
    const order = random.pick(open);
    const changed = world.replace(id, order, randomChange(random, order, SOL));
    const what = changed.ok ? `changed ${order.group?.role}` : `not changed ${changed.refusal.code}`;
    met.set(what, (met.get(what) ?? 0) + 1);
  } else place(world, random, id, reference, qty);
}

function place(world: CoreWorld, random: Random, id: string, reference: bigint, qty: bigint): void {
  const type = random.once(3) ? "market" : "limit";
  const side = random.pick(["buy", "sell"] as const);
  const waits = type === "limit" && random.once(5) ? randomTrigger(random, SOL, reference, side) : {};
  world.place(id, {
    side,
    type,
    timeInForce: type === "market" ? "ioc" : random.pick(["gtc", "gtc", "ioc"] as const),
    qty,
    limitPrice: type === "market" ? null : reference + BigInt(random.int(24) - 12) * SOL.tickSize,
    selfTradePrevention: random.pick(SELF_TRADE_PREVENTIONS),
    ...waits,
  });
}

function expectWhole(world: CoreWorld, settled: boolean): void {
  const wrongs = [...world.customers.values()].flatMap(({ orders }) => groupWrongs(orders.values(), settled));
  const breaks = [...world.breaks(settled), ...wrongs];
  if (breaks.length > 0) expect(breaks).toEqual([]);
}

function remember(world: CoreWorld): void {
  for (const { orders } of world.customers.values()) {
    for (const { group, status, reason, filledQty } of orders.values()) {
      if (group === undefined) continue;
      const what = `${group.kind} ${group.role} ${status} ${reason ?? ""}`.trim();
      met.set(what, (met.get(what) ?? 0) + 1);
      if (filledQty > 0n && status === "canceled") met.set("partly", (met.get("partly") ?? 0) + 1);
    }
  }
}

describe("groups among all else that three accounts do", () => {
  it.each([1, 2, 3])("with every message delivered at once, seed %d, 1,500 acts", { timeout: 90_000 }, (seed) => {
    const world = new CoreWorld(NAMES, [SOL]);
    const random = randomOf(seed);
    fund(world);
    for (let i = 0; i < 1_500; i += 1) {
      world.now += random.once(10) ? random.int(20_000) : random.int(50);
      act(world, random);
      world.settle();
      expectWhole(world, true);
    }
    expectHistory(world);
    world.expectReplays();
    remember(world);
  });

  it.each([4, 5, 6])("with messages that wait, seed %d, 1,500 acts", { timeout: 90_000 }, (seed) => {
    const world = new CoreWorld(NAMES, [SOL]);
    const random = randomOf(seed);
    fund(world);
    for (let i = 0; i < 1_500; i += 1) {
      world.now += random.once(10) ? random.int(20_000) : random.int(50);
      act(world, random);
      if (random.once(2)) world.sendCommands(random.pick(NAMES), SOL.symbol);
      if (random.once(2)) world.sendReports(random.pick(NAMES), SOL.symbol);
      if (random.once(300)) world.changeRules(SOL.symbol, { priceBandBps: 900 + random.int(100) });
      expectWhole(world, false);
    }
    world.settle();
    expectWhole(world, true);
    expectHistory(world);
    world.expectReplays();
    remember(world);
  });

  afterAll(() => {
    const wanted = [
      "bracket entry filled",
      "bracket entry canceled exit",
      "bracket entry canceled self_trade_prevention",
      "bracket take_profit filled",
      "bracket take_profit canceled oco",
      "bracket take_profit canceled entry",
      "bracket take_profit canceled self_trade_prevention",
      "bracket stop_loss filled",
      "bracket stop_loss canceled oco",
      "bracket stop_loss canceled user",
      "bracket entry rejected rules_changed",
      "bracket entry rejected post_only_would_cross",
      "oto entry filled",
      "oco container filled",
      "oco container canceled user",
      "changed entry",
      "changed take_profit",
      "changed stop_loss",
      "not changed leg_qty_fixed",
      "not changed exits_misplaced",
      "refused exits_misplaced",
      "partly",
    ];
    const never = wanted.filter((what) => (met.get(what) ?? 0) < 3);
    expect(never, JSON.stringify([...met].sort())).toEqual([]);
  });
});
