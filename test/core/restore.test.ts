// Whatever three accounts did in two markets: one of the five is lost and brought back from any first part of its journal,
// and learns the rest from the others.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { OrderRequest } from "../../src/core/account/admission.ts";
import { listed, units } from "../support/book.ts";
import { CoreWorld } from "../support/core-world.ts";
import { open, promisedBy, recover, restoreAccount, restoreMarket } from "../support/restore.ts";

const SOL = listed("SOL-USD");
const DOGE = listed("DOGE-USD");
const NAMES = ["ann", "bob", "cat"];
const PRICES = { "SOL-USD": units("180", 6), "DOGE-USD": units("0.2", 6) };

const orders = fc.record({
  kind: fc.constant("place" as const),
  id: fc.constantFrom(...NAMES),
  rules: fc.constantFrom(SOL, SOL, DOGE),
  side: fc.constantFrom("buy" as const, "sell" as const),
  timeInForce: fc.constantFrom("gtc", "gtc", "gtc", "ioc", "fok", "gtd", "day", "market") as fc.Arbitrary<
    "gtc" | "ioc" | "fok" | "gtd" | "day" | "market"
  >,
  ticks: fc.bigInt({ min: -6n, max: 6n }),
  lots: fc.bigInt({ min: 600n, max: 20_000n }),
  notional: fc.boolean(),
  postOnly: fc.boolean(),
  waits: fc.option(fc.constantFrom("stop", "stop_limit", "take_profit", "trailing_stop"), { freq: 4 }),
});
const groups = fc.record({
  kind: fc.constant("group" as const),
  id: fc.constantFrom(...NAMES),
  rules: fc.constantFrom(SOL, SOL, DOGE),
  of: fc.constantFrom("bracket" as const, "bracket" as const, "oto" as const, "oco" as const),
  side: fc.constantFrom("buy" as const, "sell" as const),
  type: fc.constantFrom("limit" as const, "limit" as const, "market" as const),
  ticks: fc.bigInt({ min: -6n, max: 6n }),
  profit: fc.bigInt({ min: 1n, max: 8n }),
  loss: fc.bigInt({ min: 1n, max: 8n }),
  trails: fc.boolean(),
  lots: fc.bigInt({ min: 600n, max: 20_000n }),
});
const cancels = fc.record({ kind: fc.constant("cancel" as const), id: fc.constantFrom(...NAMES), which: fc.nat(7) });
const changes = fc.record({
  kind: fc.constant("replace" as const),
  id: fc.constantFrom(...NAMES),
  which: fc.nat(7),
  lots: fc.option(fc.bigInt({ min: 600n, max: 30_000n })),
  ticks: fc.option(fc.bigInt({ min: -6n, max: 6n })),
});
const transfers = fc.record({
  kind: fc.constantFrom("deposit" as const, "withdrawal" as const),
  id: fc.constantFrom(...NAMES),
  asset: fc.constantFrom("USD", "SOL", "DOGE"),
  amount: fc.bigInt({ min: 1n, max: 900_000_000n }),
});
const delays = fc.record({ kind: fc.constant("time" as const), ms: fc.nat(4_000) });
const deliveries = fc.record({
  kind: fc.constantFrom("commands" as const, "reports" as const),
  id: fc.constantFrom(...NAMES),
  symbol: fc.constantFrom(SOL.symbol, DOGE.symbol),
});
const commonActs = [
  { arbitrary: orders, weight: 8 },
  { arbitrary: groups, weight: 4 },
  { arbitrary: cancels, weight: 2 },
  { arbitrary: changes, weight: 3 },
  { arbitrary: delays, weight: 1 },
];
type Of<A> = A extends fc.Arbitrary<infer V> ? V : never;
type Act =
  | Of<typeof orders>
  | Of<typeof groups>
  | Of<typeof cancels>
  | Of<typeof changes>
  | Of<typeof transfers>
  | Of<typeof delays>
  | Of<typeof deliveries>;

/** Who is lost, and how much of its journal is left, as a part of the whole. */
const losses = fc.record({ who: fc.constantFrom(...NAMES, SOL.symbol, DOGE.symbol), part: fc.nat(1_000) });

function beginning(): CoreWorld {
  const world = new CoreWorld(NAMES, [SOL, DOGE]);
  for (const id of NAMES) {
    world.transfer(id, "deposit", "USD", units("20000", 6));
    world.transfer(id, "deposit", "SOL", units("50", 8));
    world.transfer(id, "deposit", "DOGE", units("40000", 6));
  }
  return world;
}

function act(world: CoreWorld, one: Act): void {
  switch (one.kind) {
    case "place":
      place(world, one);
      break;
    case "group":
      placeGroup(world, one);
      break;
    case "cancel":
      cancel(world, one);
      break;
    case "replace":
      replace(world, one);
      break;
    case "time":
      world.now += one.ms;
      break;
    case "commands":
      world.sendCommands(one.id, one.symbol);
      break;
    case "reports":
      world.sendReports(one.id, one.symbol);
      break;
    default:
      world.transfer(one.id, one.kind, one.asset, one.amount);
  }
}

function cancel(world: CoreWorld, { id, which }: Of<typeof cancels>): void {
  const open = [...world.customer(id).state.orders.values()];
  const order = open[which % Math.max(1, open.length)];
  if (order !== undefined) world.cancel(id, order);
}

function replace(world: CoreWorld, { id, which, lots, ticks }: Of<typeof changes>): void {
  const open = [...world.customer(id).state.orders.values()];
  const order = open[which % Math.max(1, open.length)];
  if (order === undefined) return;
  const rules = order.symbol === SOL.symbol ? SOL : DOGE;
  const qty = lots === null || order.qty === null ? {} : { qty: lots * rules.lotSize };
  const price = PRICES[rules.symbol as keyof typeof PRICES] + (ticks ?? 0n) * rules.tickSize;
  const waits = order.trigger?.trail === null && order.status === "held";
  const at =
    ticks === null ? {} : waits ? { stopPrice: price } : order.limitPrice === null ? {} : { limitPrice: price };
  world.replace(id, order, { ...qty, ...at });
}

function place(world: CoreWorld, wish: Of<typeof orders>): void {
  const { id, rules, side, ticks, lots, notional, postOnly } = wish;
  const isMarket = wish.timeInForce === "market";
  const limitPrice = PRICES[rules.symbol as keyof typeof PRICES] + ticks * rules.tickSize;
  const byNotional = notional && isMarket && side === "buy";
  const timeInForce = wish.timeInForce === "market" ? "ioc" : wish.timeInForce;
  world.place(id, {
    ...{ symbol: rules.symbol, side, timeInForce, type: isMarket ? "market" : "limit" },
    qty: byNotional ? null : lots * rules.lotSize * (rules === SOL ? 1n : 3n),
    notional: byNotional ? lots * 10_000n : null,
    limitPrice: isMarket ? null : limitPrice,
    postOnly: postOnly && timeInForce === "gtc",
    expiresAt: timeInForce === "gtd" ? world.now + 3_000 : null,
    clientOrderId: `${id}-${world.customer(id).journal.length}`,
    ...waiting(wish, limitPrice),
  });
}

/** A group with its exits on either side of a price near the others'. */
function placeGroup(world: CoreWorld, wish: Of<typeof groups>): void {
  const { id, rules, of: kind, side, ticks, profit, loss, trails, lots } = wish;
  const type = kind === "oco" ? "limit" : wish.type;
  const price = PRICES[rules.symbol as keyof typeof PRICES] + ticks * rules.tickSize;
  const up = ((side === "buy") === (kind === "oco") ? -1n : 1n) * rules.tickSize;
  const takeProfit = { limitPrice: price + up * profit };
  const stopLoss = {
    price: trails ? null : price - up * loss,
    trail: trails ? { amount: loss * rules.tickSize } : null,
    limitPrice: null,
  };
  world.placeGroup(id, {
    kind,
    lead: {
      ...{ symbol: rules.symbol, side, type, timeInForce: type === "market" ? "ioc" : "gtc" },
      qty: lots * rules.lotSize * (rules === SOL ? 1n : 3n),
      limitPrice: kind === "oco" ? takeProfit.limitPrice : type === "limit" ? price : null,
    },
    takeProfit: kind === "oto" && trails ? null : takeProfit,
    stopLoss: kind === "oto" && !trails ? null : stopLoss,
  });
}

/** An order that waits for the price that it would else have had as its limit. */
function waiting({ waits, side, timeInForce, rules }: Of<typeof orders>, price: bigint): Partial<OrderRequest> {
  if (waits === null || (timeInForce !== "gtc" && timeInForce !== "day")) return {};
  const when = (side === "buy") !== (waits === "take_profit") ? "rises" : "falls";
  const trail = waits === "trailing_stop" ? { amount: 3n * rules.tickSize } : null;
  return {
    type: waits,
    trigger: { when, price: trail === null ? price : null, trail },
    limitPrice: waits === "stop_limit" ? price : null,
    postOnly: false,
  };
}

/** Loses one of them, but for the first `from` events of an account's journal and some part of the rest. */
function lose(world: CoreWorld, { who, part }: Of<typeof losses>, from: number): void {
  const isAccount = NAMES.includes(who);
  const { length } = isAccount ? world.customer(who).journal : world.venue(who).journal;
  const first = isAccount ? from : 0;
  const kept = first + Math.floor(((length - first) * part) / 1_000);
  if (isAccount) restoreAccount(world, who, kept);
  else restoreMarket(world, who, kept);
}

describe("whoever is lost, and wherever its journal ends,", () => {
  const acts = fc.array(fc.oneof(...commonActs), { minLength: 1, maxLength: 40, size: "max" });

  it("has the same money, orders, fills and positions again when nothing was under way", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(acts, fc.array(losses, { minLength: 1, maxLength: 3 }), (story, oneByOne) => {
        const world = beginning();
        const deposits = world.customer("ann").journal.length;
        for (const one of story) {
          act(world, one);
          world.settle();
        }
        const wanted = promisedBy(world);
        for (const loss of oneByOne) {
          lose(world, loss, deposits);
          recover(world);
          expect(promisedBy(world)).toEqual(wanted);
        }
        expect(world.breaks(true)).toEqual([]);
        world.expectReplays();
      }),
      { numRuns: 150 },
    );
  });

  it("agrees with all others again, whatever was under way: nothing pending, each sum zero", {
    timeout: 120_000,
  }, () => {
    const disturbed = fc.array(
      fc.oneof(...commonActs, { arbitrary: deliveries, weight: 8 }, { arbitrary: transfers, weight: 2 }),
      { minLength: 1, maxLength: 60, size: "max" },
    );
    fc.assert(
      fc.property(disturbed, losses, (story, loss) => {
        const world = beginning();
        for (const one of story) act(world, one);
        lose(world, loss, 0);
        recover(world);
        for (const id of NAMES) bookAgain(world, id);
        // Whoever is restored goes on: its next second, its next commands.
        world.now += 60_000;
        for (const { symbol } of [SOL, DOGE]) world.wake(symbol);
        world.settle();
        expect(world.breaks(true)).toEqual([]);
        const states = [...world.customers.values()].map(({ state }) => state);
        expect(states.some((state) => state.restoring)).toBe(false);
        expect(states.flatMap((state) => [...state.orders.values()]).filter(isHalfDone)).toEqual([]);
        expect(executions(world)).toEqual([...new Set(executions(world))]);
        world.expectReplays();
      }),
      { numRuns: 150 },
    );
  });
});

function isHalfDone({ status, cancelRequested }: { status: string; cancelRequested: boolean }): boolean {
  return status === "pending_new" || cancelRequested;
}

function executions(world: CoreWorld): string[] {
  return NAMES.flatMap((id) =>
    world.accountEvents(id).flatMap((event) => (event.kind === "report" && event.fill ? [event.fill.id] : [])),
  );
}

/** Money that no journal explains is deposited again, as an operator would, until the account opens. */
function bookAgain(world: CoreWorld, id: string): void {
  const { state } = world.customer(id);
  for (const [key, units] of [...state.balances]) {
    if (key.startsWith("suspense|") && units < 0n) world.transfer(id, "deposit", key.slice("suspense|".length), -units);
  }
  open(world);
}
