// What an account or a market that was brought back from the first part of its journal learns from the other end.
import { describe, expect, it } from "vitest";
import { accountBreaks, marketBreaks } from "../../src/core/invariants.ts";
import { NOON } from "../support/book.ts";
import type { CoreWorld, GroupWish } from "../support/core-world.ts";
import { AT_MARKET, pair, placed, sol, usd, value } from "../support/pair.ts";
import { promisedBy, recover, restoreAccount, restoreMarket } from "../support/restore.ts";

const RISES = { when: "rises", trail: null } as const;
const STOP = { type: "stop", qty: sol("1"), limitPrice: null } as const;
const BID = { side: "buy", type: "limit", limitPrice: usd("179"), qty: sol("3") } as const;
const EXITS = {
  takeProfit: { limitPrice: usd("181") },
  stopLoss: { price: usd("170"), trail: null, limitPrice: null },
};

function grouped(world: CoreWorld, wish: GroupWish): void {
  value(world.placeGroup("ann", wish));
  world.settle();
}

/** What happened after the snapshot; ann is who is restored, or her market. */
const STORIES: [string, (world: CoreWorld) => void][] = [
  ["nothing", () => undefined],
  ["an order that rests", (world) => placed(world, "ann", { qty: sol("3"), clientOrderId: "first" })],
  ["an order to sell", (world) => placed(world, "ann", { side: "sell", qty: sol("3"), clientOrderId: "first" })],
  [
    "a resting order that is partly filled",
    (world) => {
      placed(world, "ann", { qty: sol("3") });
      placed(world, "bob", { side: "sell", qty: sol("1") });
    },
  ],
  [
    "an order that took what rested, and rests with the rest of it",
    (world) => {
      placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("179.5") });
      placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("179.9") });
      placed(world, "ann", { qty: sol("3"), clientOrderId: "both" });
    },
  ],
  [
    "an order filled in parts, at two fees, until it is done",
    (world) => {
      placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("179.5") });
      placed(world, "ann", { qty: sol("3") });
      placed(world, "bob", { side: "sell", qty: sol("0.7501") });
      placed(world, "bob", { side: "sell", qty: sol("1.2499") });
    },
  ],
  [
    "a market order by notional",
    (world) => {
      placed(world, "bob", { side: "sell", qty: sol("1") });
      placed(world, "ann", { ...AT_MARKET, notional: usd("100"), clientOrderId: "spend" });
    },
  ],
  [
    "a market order that found too little",
    (world) => {
      placed(world, "bob", { side: "sell", qty: sol("1") });
      placed(world, "ann", { ...AT_MARKET, qty: sol("2") });
    },
  ],
  [
    "an order canceled by its owner, half filled",
    (world) => {
      const order = placed(world, "ann", { qty: sol("3") });
      placed(world, "bob", { side: "sell", qty: sol("1") });
      world.cancel("ann", order);
      world.settle();
    },
  ],
  [
    "an order that ended at its time",
    (world) => {
      placed(world, "ann", { qty: sol("3"), timeInForce: "gtd", expiresAt: NOON + 60_000 });
      world.wakeAt(NOON + 60_000);
      world.settle();
    },
  ],
  [
    "an order that will end at its time",
    (world) => placed(world, "ann", { qty: sol("3"), timeInForce: "gtd", expiresAt: NOON + 60_000 }),
  ],
  [
    "an order that its market rejected",
    (world) => {
      placed(world, "bob", { side: "sell", qty: sol("1") });
      placed(world, "ann", { qty: sol("1"), postOnly: true, clientOrderId: "never crossing" });
    },
  ],
  [
    "a cancel that came too late",
    (world) => {
      const order = placed(world, "ann", { qty: sol("1") });
      value(world.place("bob", { side: "sell", qty: sol("1"), limitPrice: usd("180") }));
      world.sendCommands("bob", "SOL-USD");
      world.cancel("ann", order);
      world.settle();
    },
  ],
  [
    "an atomic batch that took and rests",
    (world) => {
      placed(world, "bob", { side: "sell", qty: sol("1") });
      const wish = { limitPrice: usd("180"), qty: sol("1.5") };
      world.placeMany("ann", [{ ...wish, clientOrderId: "a" }, wish, { ...wish, limitPrice: usd("179") }], true);
      world.settle();
    },
  ],
  [
    "an atomic batch of which the market took none",
    (world) => {
      placed(world, "bob", { side: "sell", qty: sol("1") });
      const wish = { limitPrice: usd("180"), qty: sol("1") };
      world.placeMany("ann", [wish, { ...wish, timeInForce: "fok" }, wish], true);
      world.settle();
    },
  ],
  [
    "new rules, under which an order was admitted again, and canceled meanwhile",
    (world) => {
      world.changeRules("SOL-USD", { takerFeeBps: 50 });
      world.cancel("ann", value(world.place("ann", { qty: sol("3"), limitPrice: usd("180") })));
      world.settle();
      placed(world, "ann", { qty: sol("2"), clientOrderId: "under new rules" });
    },
  ],
  [
    "a change that needs more money, and one that its market refused",
    (world) => {
      const order = placed(world, "ann", { qty: sol("2") });
      value(world.replace("ann", order, { qty: sol("40") }));
      world.settle();
      value(world.replace("ann", order, { limitPrice: usd("179") }));
      world.settle();
      placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("179") });
    },
  ],
  [
    "an iceberg of which a part has traded",
    (world) => {
      placed(world, "ann", { qty: sol("3"), displayQty: sol("1") });
      placed(world, "bob", { side: "sell", qty: sol("1.5") });
    },
  ],
  [
    "a stop that came up, and one that waits",
    (world) => {
      placed(world, "bob", { side: "sell", qty: sol("1") });
      for (const price of ["179", "185"]) placed(world, "ann", { ...STOP, trigger: { ...RISES, price: usd(price) } });
    },
  ],
  [
    "a bracket of which the entry is filled in part, and one that nobody has met",
    (world) => {
      grouped(world, { kind: "bracket", lead: BID, ...EXITS });
      placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("179") });
      grouped(world, { kind: "bracket", lead: { ...BID, limitPrice: usd("178") }, ...EXITS });
    },
  ],
  [
    "a bracket of which an exit has traded",
    (world) => {
      grouped(world, { kind: "bracket", lead: BID, ...EXITS });
      placed(world, "bob", { side: "sell", qty: sol("2"), limitPrice: usd("179") });
      placed(world, "bob", { qty: sol("1"), limitPrice: usd("181") });
    },
  ],
  [
    "an entry that sells, with an exit that buys back",
    (world) => {
      const lead = { side: "sell", type: "limit", limitPrice: usd("181"), qty: sol("2") } as const;
      grouped(world, { kind: "oto", lead, takeProfit: null, stopLoss: { ...EXITS.stopLoss, price: usd("190") } });
      placed(world, "bob", { qty: sol("1"), limitPrice: usd("181") });
    },
  ],
  [
    "exits alone, of which one has traded",
    (world) => {
      const lead = { side: "sell", type: "limit", limitPrice: usd("181"), qty: sol("3") } as const;
      grouped(world, { kind: "oco", lead, ...EXITS });
      placed(world, "bob", { qty: sol("1"), limitPrice: usd("181") });
    },
  ],
];

function expectWhole(world: CoreWorld): void {
  expect(world.breaks(true)).toEqual([]);
}

describe.each(STORIES)("after %s", (_what, story) => {
  it("an account restored from before it, or from anywhere in it, has the same orders, money and positions", () => {
    const told = pair();
    const snapshot = told.customer("ann").journal.length;
    story(told);
    const wanted = promisedBy(told);
    const { length } = told.customer("ann").journal;
    for (let kept = snapshot; kept <= length; kept += 1) {
      const world = pair();
      story(world);
      restoreAccount(world, "ann", kept);
      expect(accountBreaks(world.customer("ann").state)).toEqual([]);
      recover(world);
      expect(promisedBy(world), `${kept} of ${length} events kept`).toEqual(wanted);
      expect(world.customer("ann").state).toMatchObject({ restoring: false, epoch: 2 });
      expectWhole(world);
    }
  });

  it("a market restored from nothing, or from anywhere in it, has the same orders, money and counters", () => {
    const told = pair();
    story(told);
    const wanted = promisedBy(told);
    const { length } = told.venue("SOL-USD").journal;
    for (let kept = 0; kept <= length; kept += 1) {
      const world = pair();
      story(world);
      restoreMarket(world, "SOL-USD", kept);
      recover(world);
      expect(promisedBy(world), `${kept} of ${length} events kept`).toEqual(wanted);
      expect(marketBreaks(world.venue("SOL-USD").state)).toEqual([]);
      expectWhole(world);
    }
  });

  it("the market is lost, then the account, and what the one was told by the other it tells again", () => {
    const world = pair();
    const snapshot = world.customer("ann").journal.length;
    story(world);
    const wanted = promisedBy(world);
    restoreMarket(world, "SOL-USD", 0);
    recover(world);
    restoreAccount(world, "ann", snapshot);
    recover(world);
    expect(promisedBy(world)).toEqual(wanted);
    expectWhole(world);
  });

  it("the account is lost, then the market", () => {
    const world = pair();
    const snapshot = world.customer("ann").journal.length;
    story(world);
    const wanted = promisedBy(world);
    restoreAccount(world, "ann", snapshot);
    recover(world);
    restoreMarket(world, "SOL-USD", 0);
    recover(world);
    expect(promisedBy(world)).toEqual(wanted);
    expectWhole(world);
  });
});
