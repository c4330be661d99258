import { describe, expect, it } from "vitest";
import { HOUSE, type Level, type RestingOrder } from "../../src/core/book.ts";
import { accountBreaks, crossBreaks, marketBreaks } from "../../src/core/invariants.ts";
import type { Order } from "../../src/core/order.ts";
import type { Position } from "../../src/core/positions.ts";
import { listed, units } from "../support/book.ts";
import { CoreWorld } from "../support/core-world.ts";

const SOL = listed("SOL-USD");
const BID = units("180", 6);

describe("a checker that never speaks proves nothing:", () => {
  /** Two bids and an ask of ann, one of them partly filled by bob; nothing under way. */
  function quiet(): CoreWorld {
    const world = new CoreWorld(["ann", "bob"], [SOL]);
    for (const id of ["ann", "bob"]) {
      world.transfer(id, "deposit", "USD", units("50000", 6));
      world.transfer(id, "deposit", "SOL", units("100", 8));
    }
    world.place("ann", { qty: units("3", 8), limitPrice: units("180", 6) });
    world.place("ann", { qty: units("2", 8), limitPrice: units("180", 6) });
    world.place("ann", { side: "sell", qty: units("2", 8), limitPrice: units("190", 6) });
    world.settle();
    world.place("bob", { side: "sell", qty: units("1", 8), limitPrice: units("180", 6) });
    world.settle();
    expect(world.breaks(true)).toEqual([]);
    return world;
  }

  const firstOrder = (world: CoreWorld): Order => {
    const [order] = world.customer("ann").state.orders.values();
    if (order === undefined) throw new Error("ann has no order");
    return order;
  };

  it.each<[string, RegExp, (world: CoreWorld, order: Order) => void]>([
    ["money out of nothing", /the ledger leaves 1 of USD/, (w) => add(w, "available|USD", 1n)],
    ["negative money", /available\|USD is negative/, (w) => add(w, "available|USD", -units("60000", 6))],
    ["money beyond its column", /available\|USD is out of range/, (w) => add(w, "available|USD", 2n ** 53n)],
    ["a hold that no order has", /of USD is held, what it is held for comes to/, (w) => add(w, "held|USD", 1n)],
    [
      "credits that no order has",
      /of SOL may come in, kept is 5$/m,
      (w) => w.customer("ann").state.credits.set("SOL", 5n),
    ],
    ["a credit that it forgot", /of SOL may come in, kept is 0/, (w) => w.customer("ann").state.credits.delete("SOL")],
    ["an open order that holds nothing", /is open and holds 0/, (w, o) => change(w, o, { hold: 0n })],
    ["an order that may bring in less than nothing", /may bring in -1$/m, (w, o) => change(w, o, { credit: -1n })],
    ["a hold below the worst cost", /holds \d+ and may cost/, (w, o) => change(w, o, { hold: o.hold - 1n })],
    ["a hold above it", /can cost no more than/, (w, o) => change(w, o, { hold: o.hold + 1n })],
    [
      "a closed order that is kept",
      /is canceled and still kept as open, holding \d+/,
      (w, o) => change(w, o, { status: "canceled" }),
    ],
    [
      "an order filled past its quantity",
      /has 400000000 of 300000000 filled/,
      (w, o) => change(w, o, { filledQty: units("4", 8) }),
    ],
    [
      "an order that is filled and open",
      /is filled and still open/,
      (w, o) => change(w, o, { filledQty: units("3", 8) }),
    ],
    ["a status that its fills contradict", /is new with 100000000 filled/, (w, o) => change(w, o, { status: "new" })],
    ["a fee that is not the one due", /has a fee of 1 for/, (w, o) => change(w, o, { fee: 1n })],
    ["a buy that cost more than its notional", /cost more than 7/, (w, o) => change(w, o, { notional: 7n })],
    ["an order under another's name", /is kept as/, (w, o) => change(w, o, { id: "ord_x" })],
    ["a position that is not what is there", /of SOL is there, positions have/, (w) => position(w, { qty: 1n })],
    ["a position of nothing that cost something", /is flat and cost/, (w) => position(w, { qty: 0n })],
    ["a position with a negative cost", /position SOL-USD cost -1/, (w) => position(w, { costBasis: -1n })],
    [
      "pending commands with a gap",
      /pending command 0 for SOL-USD is not number 3/,
      (w) => w.customer("ann").state.peers.get("SOL-USD")?.pending.push({ kind: "cancel", cseq: 9, orderId: "o" }),
    ],
  ])("an account with %s", (_what, sentence, spoil) => {
    const world = quiet();
    spoil(world, firstOrder(world));
    expect(accountBreaks(world.customer("ann").state).join("\n")).toMatch(sentence);
  });

  it.each<[string, RegExp, (world: CoreWorld, order: RestingOrder) => void]>([
    ["a crossed book", /the book is crossed: bid 180000000, ask 179000000/, (w) => reprice(w, units("179", 6))],
    [
      "a wrong level total",
      /level buy 180000000 has 400000000 and says 400000001/,
      (w) => level(w, (l) => (l.total += 1n)),
    ],
    ["an empty level", /is empty/, (w) => level(w, (l) => l.orders.clear())],
    ["a later order in front", /has order ord_\d+ of \d+ after \d+/, (_, o) => (o.seq = 999)],
    ["a price that has no level", /buy 5 has no level/, (w) => w.venue("SOL-USD").state.book.buy.prices.push(5n)],
    [
      "prices in the wrong order",
      /buy has 5 before 180000000/,
      (w) => w.venue("SOL-USD").state.book.buy.prices.unshift(5n),
    ],
    ["an order at another's price", /has the foreign order/, (_, o) => (o.price = 5n)],
    ["an order in two levels", /rests in two places/, (w, o) => ask(w, (found) => found.orders.set(o.id, o))],
    ["an order with nothing left", /rests with 0 left/, (_, o) => (o.leaves = 0n)],
    ["an order that should rest and does not", /is open and not in the book/, (w, o) => drop(w, o)],
    [
      "a resting order that it does not know",
      /does not count as resting/,
      (w, o) => w.venue("SOL-USD").state.resting.delete(o.id),
    ],
    [
      "an order that is not the one in the book",
      /is not the order that the market keeps/,
      (w, o) => w.venue("SOL-USD").state.orders.set(o.id, { ...o }),
    ],
    ["a budget above it", /beyond its cost of/, (_, o) => (o.budget += 1n)],
    ["a budget below the worst cost", /has a budget of 7 and may cost/, (_, o) => (o.budget = 7n)],
    ["a fee that is not the one due", /has a fee of 1 for/, (_, o) => (o.fee = 1n)],
    ["an expiry of nobody", /will expire and is not open/, (w) => w.venue("SOL-USD").state.expiring.set("ord_x", 1)],
    ["an expiry that it forgot", /expires at another time/, (_, o) => (o.expiresAt = 1)],
    ["a ledger that leaves something", /the ledger leaves 1 of USD/, (w) => bump(w, "fees|USD", 1n)],
    ["a gap in what it reports", /unacknowledged report 0 for ann/, unacknowledged],
    ["an order that hides what it may show", /shows 1 of \d+, where it may show all/, (_, o) => (o.shownQty = 1n)],
    ["an iceberg that shows nothing", /shows 0 of \d+, where it may show 5/, (_, o) => iceberg(o, 5n, 0n)],
    ["an iceberg that shows more than it may", /shows 6 of \d+, where it may show 5/, (_, o) => iceberg(o, 5n, 6n)],
    [
      "an iceberg that shows more than it has",
      /shows \d+ of \d+, where it may show \d+$/m,
      (_, o) => iceberg(o, o.leaves + 1n, o.leaves + 1n),
    ],
    ["a house order of a customer's name", /has the house's order/, (_, o) => (o.account = HOUSE)],
  ])("a market with %s", (_what, sentence, spoil) => {
    const world = quiet();
    const market = world.venue("SOL-USD").state;
    const resting = [...(market.book.buy.levels.get(BID)?.orders.values() ?? [])].find(
      (order) => order.account === "ann",
    );
    if (resting === undefined) throw new Error("ann's bid does not rest");
    spoil(world, resting);
    expect(marketBreaks(market).join("\n")).toMatch(sentence);
  });

  it.each<[string, RegExp, (world: CoreWorld, order: Order) => void]>([
    ["clearing", /clearing of SOL-USD leaves 1 of SOL/, (w) => add(w, "clearing:SOL-USD|SOL", 1n)],
    [
      "fees that the market never got",
      /accounts paid \d+ of USD in fees, the market has/,
      (w) => add(w, "fees:SOL-USD|USD", 1n),
    ],
    ["fees that nobody paid", /the market has \d+ of USD in fees, accounts paid/, (w) => bump(w, "fees|USD", 1n)],
    ["how many commands there were", /count commands or reports differently/, miscount],
    ["what is left of an order", /is not the same at ann and at its market/, (w, o) => change(w, o, { filledQty: 1n })],
    [
      "whether an order is open",
      /is partially_filled at ann and not open at its market/,
      (w, o) => w.venue("SOL-USD").state.orders.delete(o.id),
    ],
    [
      "how many orders are open",
      /has 3 open orders, its accounts 2/,
      (w, o) => w.customer("ann").state.orders.delete(o.id),
    ],
  ])("an account and a market that disagree on %s", (_what, sentence, spoil) => {
    const world = quiet();
    spoil(world, firstOrder(world));
    const states = [...world.customers.values()].map(({ state }) => state);
    expect(crossBreaks(states, world.venue("SOL-USD").state).join("\n")).toMatch(sentence);
  });

  it("and one that speaks of another market's orders and money would never be silent", () => {
    const world = new CoreWorld(["ann"], [SOL, listed("DOGE-USD")]);
    world.transfer("ann", "deposit", "USD", units("1000", 6));
    world.place("ann", { qty: units("1", 8), limitPrice: units("175", 6) });
    world.place("ann", { symbol: "DOGE-USD", type: "market", timeInForce: "ioc", notional: units("100", 6) });
    world.settle();
    expect(world.customer("ann").state.orders.size).toBe(1);
    expect(world.breaks(true)).toEqual([]);
  });
});

function add(world: CoreWorld, key: string, amount: bigint): void {
  const { balances } = world.customer("ann").state;
  balances.set(key, (balances.get(key) ?? 0n) + amount);
}

function bump(world: CoreWorld, key: string, amount: bigint): void {
  const { balances } = world.venue("SOL-USD").state;
  balances.set(key, (balances.get(key) ?? 0n) + amount);
}

function change(world: CoreWorld, order: Order, facts: Partial<Order>): void {
  world.customer("ann").state.orders.set(order.id, { ...order, ...facts });
}

function position(world: CoreWorld, facts: Partial<Position>): void {
  const { positions } = world.customer("ann").state;
  for (const [symbol, is] of positions) positions.set(symbol, { ...is, ...facts });
}

function level(world: CoreWorld, spoil: (level: Level) => void): void {
  for (const found of world.venue("SOL-USD").state.book.buy.levels.values()) if (found.price === BID) spoil(found);
}

function ask(world: CoreWorld, spoil: (level: Level) => void): void {
  for (const found of world.venue("SOL-USD").state.book.sell.levels.values()) spoil(found);
}

/** Moves the best level of asks to another price, whole and in order. */
function reprice(world: CoreWorld, price: bigint): void {
  const { sell } = world.venue("SOL-USD").state.book;
  for (const [at, found] of [...sell.levels]) {
    if (at !== sell.prices[0]) continue;
    sell.levels.delete(at);
    sell.levels.set(price, found);
    sell.prices[0] = price;
  }
}

function drop(world: CoreWorld, order: RestingOrder): void {
  level(world, (found) => {
    found.orders.delete(order.id);
    found.total -= order.leaves;
  });
}

function unacknowledged(world: CoreWorld): void {
  const report = { rseq: 9, orderId: "o", execType: "new", at: 0, reason: null, fill: null, rules: null } as const;
  world.venue("SOL-USD").state.peers.get("ann")?.unacknowledged.push(report);
}

function miscount(world: CoreWorld): void {
  const peer = world.venue("SOL-USD").state.peers.get("bob");
  if (peer !== undefined) peer.cseq += 1;
}

function iceberg(order: RestingOrder, displayQty: bigint, shownQty: bigint): void {
  Object.assign(order, { displayQty, shownQty });
}
