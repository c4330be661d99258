// The sentences about orders that wait and orders of groups: each is said of what it is about.
import { describe, expect, it } from "vitest";
import { accountBreaks, marketBreaks } from "../../src/core/invariants.ts";
import type { MarketGroup } from "../../src/core/market/groups.ts";
import type { CoreWorld } from "../support/core-world.ts";
import { pair, placed, sol, usd, value } from "../support/pair.ts";

/** A bracket of ann, of which the entry has got one of three, and a stop of bob; nothing under way. */
function quiet(): CoreWorld {
  const world = pair();
  const lead = { side: "buy", type: "limit", limitPrice: usd("179"), qty: sol("3") } as const;
  const stopLoss = { price: usd("170"), trail: null, limitPrice: null };
  value(world.placeGroup("ann", { kind: "bracket", lead, takeProfit: { limitPrice: usd("181") }, stopLoss }));
  world.settle();
  placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("179"), timeInForce: "ioc" });
  const trigger = { when: "falls", price: usd("160"), trail: null } as const;
  placed(world, "bob", { side: "sell", type: "stop", qty: sol("1"), limitPrice: null, trigger });
  expect(world.breaks(true)).toEqual([]);
  return world;
}

const market = (world: CoreWorld) => world.venue("SOL-USD").state;

function groupAt(world: CoreWorld, change: (group: MarketGroup) => void): void {
  for (const group of market(world).groups.all.values()) change(group);
}

function orderAt(world: CoreWorld, role: "entry" | "take_profit" | "stop_loss") {
  const found = [...market(world).orders.values()].find(({ group }) => group?.role === role);
  if (found === undefined) throw new Error(`no ${role} is open`);
  return found;
}

describe("a market with", () => {
  it.each<[string, RegExp, (world: CoreWorld) => void]>([
    ["a group that has ended", /has ended and is kept/, (w) => groupAt(w, (group) => (group.ended = true))],
    ["a group without exits", /has ended and is kept/, (w) => groupAt(w, (group) => (group.exits = []))],
    [
      "a group with nothing to come",
      /has nothing to get out of, and no entry/,
      (w) => groupAt(w, (group) => Object.assign(group, { entry: null, open: 0n })),
    ],
    ["a group of another's", /has lost its order/, (w) => groupAt(w, (group) => (group.account = "bob"))],
    ["a group whose order is gone", /has lost its order/, (w) => market(w).orders.delete(orderAt(w, "entry").id)],
    [
      "an exit for more than there is",
      /has 100000000 left, its group 7/,
      (w) => groupAt(w, (group) => (group.open = 7n)),
    ],
    ["an exit without its group", /is open, its group is not/, (w) => market(w).groups.all.clear()],
    [
      "an order that waits and is forgotten",
      /waits and is not kept so/,
      (w) => market(w).waiting.delete(orderAt(w, "stop_loss").id),
    ],
    [
      "more that wait than are open",
      /1 orders wait, 2 are kept so/,
      (w) => market(w).orders.delete(orderAt(w, "stop_loss").id),
    ],
    [
      "an order that waits in the book",
      /waits in the book/,
      (w) => (orderAt(w, "take_profit").trigger = { when: "rises", price: usd("190"), trail: null }),
    ],
  ])("%s", (_, sentence, spoil) => {
    const world = quiet();
    spoil(world);
    expect(marketBreaks(market(world)).join("\n")).toMatch(sentence);
  });
});

describe("an account with", () => {
  const ann = (world: CoreWorld) => world.customer("ann").state;
  const change = (world: CoreWorld, facts: object) => {
    for (const group of ann(world).groups.values()) Object.assign(group, facts);
  };

  it.each<[string, RegExp, (world: CoreWorld) => void]>([
    ["a group under another's name", /has ended and is kept/, (w) => change(w, { id: "grp" })],
    ["a group without exits", /has ended and is kept/, (w) => change(w, { exits: [] })],
    ["a group that holds too little", /holds 99999999 and needs 100000000/, (w) => change(w, { hold: 99_999_999n })],
    ["exits that got out of too much", /have got out of more than there was/, (w) => change(w, { open: -1n })],
    ["a group whose entry is not its own", /has lost its order other/, (w) => change(w, { entry: "other" })],
    ["an exit without its group", /is open, its group is not/, (w) => ann(w).groups.clear()],
  ])("%s", (_, sentence, spoil) => {
    const world = quiet();
    spoil(world);
    expect(accountBreaks(ann(world)).join("\n")).toMatch(sentence);
  });
});
