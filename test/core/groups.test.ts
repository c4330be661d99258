// Groups, one rule at a time: what exits hold and trade, and how orders of a group end each other. SOL-USD is at 179.97; the
// house does not quote here, so what trades is what the two have sent.
import { describe, expect, it } from "vitest";
import type { GroupRequest } from "../../src/core/account/grouping.ts";
import type { ReplaceWish } from "../../src/core/account/replace.ts";
import { decode } from "../../src/core/codec.ts";
import { exitCost } from "../../src/core/groups.ts";
import { fireTriggers } from "../../src/core/market/active.ts";
import { settleGroups } from "../../src/core/market/exits.ts";
import { Groups } from "../../src/core/market/groups.ts";
import type { MarketEvent } from "../../src/core/market/state.ts";
import type { Order } from "../../src/core/order.ts";
import type { CoreWorld } from "../support/core-world.ts";
import { AT_MARKET, money, now, pair, placed, sol, usd, value } from "../support/pair.ts";
import { recover, restoreAccount } from "../support/restore.ts";

type Wish = Parameters<CoreWorld["placeGroup"]>[1];

const exits = (profit: string | null, loss: string | null) => ({
  takeProfit: profit === null ? null : { limitPrice: usd(profit) },
  stopLoss: loss === null ? null : { price: usd(loss), trail: null, limitPrice: null },
});

const BUY = { side: "buy", type: "limit", limitPrice: usd("179"), qty: sol("3") } as const;
const BRACKET: Wish = { kind: "bracket", lead: BUY, ...exits("181", "170") };
const OCO: Wish = {
  kind: "oco",
  lead: { side: "sell", type: "limit", limitPrice: usd("181"), qty: sol("3") },
  ...exits("181", "170"),
};

/** Places a group and lets everybody hear of it; the parent, then its legs. */
function grouped(world: CoreWorld, id: string, wish: Wish): Order[] {
  const parent = value(world.placeGroup(id, wish));
  world.settle();
  return [parent, ...(parent.group?.legs ?? []).map((leg) => now(world, id, { ...parent, id: leg }))];
}

/** A group as sentences: role, status and reason, what is filled of what. */
function shown(world: CoreWorld, id: string, orders: readonly Order[]): string[] {
  return orders.map((order) => {
    const { group, status, reason, filledQty, qty } = now(world, id, order);
    const why = reason === null ? "" : `: ${reason}`;
    return `${group?.role} ${status}${why} ${Number(filledQty) / 1e8}/${Number(qty) / 1e8}`;
  });
}

/** What a market has told of a group, in its order: whom, what, how much, and why. */
function told(world: CoreWorld, orders: readonly Order[]): string[] {
  const roles = new Map(orders.map(({ id, group }) => [id, group?.role]));
  return world.marketEvents("SOL-USD").flatMap((event) => {
    if (event.kind !== "report" || !roles.has(event.report.orderId)) return [];
    const { orderId, execType, replaced, fill, reason } = event.report;
    const qty = replaced?.qtyDelta ?? fill?.qty;
    const much = qty === undefined ? "" : ` ${Number(qty) / 1e8}`;
    return [`${roles.get(orderId)} ${execType}${much}${reason === null ? "" : `: ${reason}`}`];
  });
}

const sells = (world: CoreWorld, qty: string, price: string) =>
  placed(world, "bob", { side: "sell", qty: sol(qty), limitPrice: usd(price), timeInForce: "ioc" });
const buys = (world: CoreWorld, qty: string, price: string) =>
  placed(world, "bob", { side: "buy", qty: sol(qty), limitPrice: usd(price), timeInForce: "ioc" });

describe("a bracket", () => {
  it("holds its entry alone, and its exits sleep", () => {
    const world = pair();
    const group = grouped(world, "ann", BRACKET);
    expect(shown(world, "ann", group)).toEqual(["entry new 0/3", "take_profit held 0/0", "stop_loss held 0/0"]);
    expect(money(world, "ann", "SOL")).toBe("SOL 10 + 0");
    expect([...world.venue("SOL-USD").state.resting]).toEqual([group[0]?.id]);
    expect(world.venue("SOL-USD").state.waiting.size).toBe(0);
  });

  it("holds what its entry brings in for both exits at once, fill by fill", () => {
    const world = pair();
    const group = grouped(world, "ann", BRACKET);
    sells(world, "1", "179");
    expect(shown(world, "ann", group)).toEqual([
      "entry partially_filled 1/3",
      "take_profit new 0/1",
      "stop_loss held 0/1",
    ]);
    expect(money(world, "ann", "SOL")).toBe("SOL 10 + 1");
    sells(world, "2", "179");
    expect(shown(world, "ann", group)).toEqual(["entry filled 3/3", "take_profit new 0/3", "stop_loss held 0/3"]);
    expect(money(world, "ann", "SOL")).toBe("SOL 10 + 3");
    expect(money(world, "ann", "USD")).toContain("+ 0");
  });

  it("of which an exit trades, gets no more in", () => {
    const world = pair();
    const group = grouped(world, "ann", BRACKET);
    sells(world, "2", "179");
    buys(world, "0.5", "181");
    expect(shown(world, "ann", group)).toEqual([
      "entry canceled: exit 2/3",
      "take_profit partially_filled 0.5/2",
      "stop_loss held 0/1.5",
    ]);
    expect(money(world, "ann", "SOL")).toBe("SOL 10 + 1.5");
    buys(world, "9", "181");
    expect(shown(world, "ann", group)).toEqual([
      "entry canceled: exit 2/3",
      "take_profit filled 2/2",
      "stop_loss canceled: oco 0/1.5",
    ]);
    expect(money(world, "ann", "SOL")).toBe("SOL 10 + 0");
    expect(world.customer("ann").state.groups.size).toBe(0);
    expect(world.venue("SOL-USD").state.groups.all.size).toBe(0);
  });

  it("whose entry ends before any fill, ends; after some, its exits stay for those", () => {
    const world = pair();
    const [unfilled, filled] = [grouped(world, "ann", BRACKET), grouped(world, "ann", BRACKET)];
    world.cancel("ann", unfilled[0] as Order);
    world.settle();
    expect(shown(world, "ann", unfilled)).toEqual([
      "entry canceled: user 0/3",
      "take_profit canceled: entry 0/0",
      "stop_loss canceled: entry 0/0",
    ]);
    sells(world, "1", "179");
    world.cancel("ann", filled[0] as Order);
    world.settle();
    expect(shown(world, "ann", filled)).toEqual([
      "entry canceled: user 1/3",
      "take_profit new 0/1",
      "stop_loss held 0/1",
    ]);
  });

  it("of which an exit is canceled, has no exits: its entry is a simple order from then on", () => {
    const world = pair();
    const group = grouped(world, "ann", BRACKET);
    sells(world, "1", "179");
    world.cancel("ann", group[2] as Order);
    world.settle();
    expect(money(world, "ann", "SOL")).toBe("SOL 11 + 0");
    sells(world, "1", "179");
    expect(shown(world, "ann", group)).toEqual([
      "entry partially_filled 2/3",
      "take_profit canceled: oco 0/1",
      "stop_loss canceled: user 0/1",
    ]);
    expect(money(world, "ann", "SOL")).toBe("SOL 12 + 0");
  });

  it("that sells holds what both exits may cost, the dearer once, and gives back as its entry ends", () => {
    const world = pair();
    const wish: Wish = {
      kind: "bracket",
      lead: { side: "sell", type: "limit", limitPrice: usd("181"), qty: sol("2") },
      ...exits("175", "190"),
    };
    const group = grouped(world, "ann", wish);
    // Two at the band's edge around 190, and 20 bps on that.
    expect(money(world, "ann", "USD")).toBe("USD 9581.164 + 418.836");
    buys(world, "1", "181");
    expect(money(world, "ann", "USD")).toBe(`USD ${9581.164 + 181 - 0.181} + 418.836`);
    world.cancel("ann", group[0] as Order);
    world.settle();
    expect(money(world, "ann", "USD")).toBe(`USD ${9581.164 + 181 - 0.181 + 209.418} + 209.418`);
    sells(world, "1", "175");
    expect(shown(world, "ann", group).slice(1)).toEqual(["take_profit filled 1/1", "stop_loss canceled: oco 0/1"]);
    expect(money(world, "ann", "USD")).toContain("+ 0");
  });

  it("whose entry is immediate has exits for what it got", () => {
    const world = pair();
    placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("180") });
    const group = grouped(world, "ann", { ...BRACKET, lead: { ...AT_MARKET, side: "buy", qty: sol("3") } });
    expect(shown(world, "ann", group)).toEqual([
      "entry canceled: no_liquidity 1/3",
      "take_profit new 0/1",
      "stop_loss held 0/1",
    ]);
  });

  it("whose profit is there already takes it, and its loss never awakes", () => {
    const world = pair();
    placed(world, "bob", { side: "buy", qty: sol("5"), limitPrice: usd("179.5"), selfTradePrevention: "none" });
    const trail = { price: null, trail: { amount: usd("9") }, limitPrice: null };
    const wish: Wish = {
      kind: "bracket",
      lead: { ...BUY, limitPrice: usd("179") },
      ...exits("179.2", null),
      stopLoss: trail,
    };
    const group = grouped(world, "ann", wish);
    world.cancel("bob", [...world.customer("bob").state.orders.values()][0] as Order);
    world.settle();
    sells(world, "3", "179");
    buys(world, "3", "180");
    expect(shown(world, "ann", group)).toEqual([
      "entry filled 3/3",
      "take_profit filled 3/3",
      "stop_loss canceled: oco 0/3",
    ]);
  });
});

describe("what a market tells of a group", () => {
  it("is each step once, in the order in which it comes about", () => {
    const world = pair();
    const group = grouped(world, "ann", BRACKET);
    sells(world, "2", "179");
    buys(world, "0.5", "181");
    buys(world, "1.5", "181");
    expect(told(world, group)).toEqual([
      ...["entry new", "take_profit new", "stop_loss new"],
      ...["entry fill 2", "take_profit replaced 2: entry", "stop_loss replaced 2: entry"],
      ...["take_profit fill 0.5", "entry canceled: exit", "stop_loss replaced -0.5: oco"],
      ...["take_profit fill 1.5", "stop_loss canceled: oco"],
    ]);
  });

  it("is nothing of another quantity, where an exit that comes up has it already", () => {
    const world = pair();
    const group = grouped(world, "ann", { ...BRACKET, ...exits("181", "178.5") });
    sells(world, "3", "179");
    placed(world, "bob", { side: "buy", qty: sol("3"), limitPrice: usd("170") });
    world.atMarket("SOL-USD", (turn) => fireTriggers(turn, usd("178.5")));
    expect(told(world, group).slice(6)).toEqual([
      ...["stop_loss triggered", "take_profit canceled: oco", "stop_loss fill 3"],
    ]);
  });

  it.each<[string, Wish["stopLoss"], boolean]>([
    ["stands still", exits(null, "170").stopLoss, false],
    ["trails: it begins there", { price: null, trail: { amount: usd("2") }, limitPrice: null }, true],
  ])("has the trigger of an exit that awakes where it %s", (_, stopLoss, moves) => {
    const world = pair();
    grouped(world, "ann", { kind: "oto", lead: BUY, takeProfit: null, stopLoss });
    sells(world, "1", "179");
    sells(world, "1", "179");
    const replaced = world
      .marketEvents("SOL-USD")
      .flatMap((event) => (event.kind === "report" && event.report.replaced ? [event.report.replaced] : []));
    expect(replaced.map((to) => to.trigger !== undefined)).toEqual([moves, false]);
  });

  it.each<[string, Wish, string[]]>([
    [
      "a bracket",
      BRACKET,
      ["entry rejected: rules_changed", "take_profit rejected: entry", "stop_loss rejected: entry"],
    ],
    ["an oco", OCO, ["take_profit rejected: rules_changed", "stop_loss rejected: oco"]],
  ])("is why none of it was taken: %s", (_, wish, wanted) => {
    const world = pair();
    const parent = value(world.placeGroup("ann", wish));
    world.changeRules("SOL-USD", { priceBandBps: 900 });
    world.settle();
    const orders = (parent.group?.legs ?? []).map((leg) => now(world, "ann", { ...parent, id: leg }));
    expect(told(world, [parent, ...orders])).toEqual(wanted);
  });
});

describe("an entry that waits", () => {
  const STOPPED: Wish = {
    kind: "bracket",
    lead: {
      ...{ side: "buy", type: "stop", limitPrice: null, qty: sol("1") },
      trigger: { when: "rises", price: usd("181"), trail: null },
    },
    ...exits("190", "170"),
  };

  it("trades no sooner than its trigger says, and then its exits awake", () => {
    const world = pair();
    placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("180") });
    const group = grouped(world, "ann", STOPPED);
    expect(shown(world, "ann", group)).toEqual(["entry held 0/1", "take_profit held 0/0", "stop_loss held 0/0"]);
    world.atMarket("SOL-USD", (turn) => {
      fireTriggers(turn, usd("181"));
      settleGroups(turn, usd("181"));
    });
    world.settle();
    expect(shown(world, "ann", group)).toEqual(["entry filled 1/1", "take_profit new 0/1", "stop_loss held 0/1"]);
    expect(money(world, "ann", "SOL")).toBe("SOL 10 + 1");
  });

  it("for a price that is there already comes up as it is placed", () => {
    const world = pair();
    placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("180") });
    const trigger = { when: "rises", price: usd("179"), trail: null } as const;
    const group = grouped(world, "ann", { ...STOPPED, lead: { ...STOPPED.lead, trigger } });
    expect(told(world, group)).toEqual([
      ...["entry new", "take_profit new", "stop_loss new", "entry triggered", "entry fill 1"],
      ...["take_profit replaced 1: entry", "stop_loss replaced 1: entry"],
    ]);
  });
});

describe("an exit that awakes", () => {
  it("takes its profit at once where somebody pays it, and ends the other", () => {
    const world = pair();
    placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("181") });
    placed(world, "bob", { side: "buy", qty: sol("1"), limitPrice: usd("180.5") });
    const lead = { ...AT_MARKET, side: "buy", qty: sol("1") } as const;
    const group = grouped(world, "ann", { kind: "bracket", lead, ...exits("180", "170") });
    expect(told(world, group).slice(3)).toEqual([
      ...["entry fill 1", "take_profit replaced 1: entry", "take_profit fill 1", "stop_loss canceled: oco"],
    ]);
    // What it got is 180.5, less 20 bps.
    expect(now(world, "ann", group[1] as Order)).toMatchObject({ filledNotional: usd("180.5"), fee: usd("0.361") });
  });

  it("comes up at once where its trigger is there by then", () => {
    const world = pair();
    const sale = { side: "sell", type: "limit", limitPrice: usd("181"), qty: sol("1") } as const;
    const group = grouped(world, "ann", { kind: "oto", lead: sale, ...exits(null, "190") });
    value(world.replace("ann", group[1] as Order, { stopPrice: usd("179") }));
    world.settle();
    placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("182") });
    buys(world, "1", "181");
    expect(shown(world, "ann", group)).toEqual(["entry filled 1/1", "stop_loss filled 1/1"]);
  });
});

describe("an exit that is triggered", () => {
  it("does not come up once the other has been canceled in the same second, with something left to get out of", () => {
    const world = pair();
    const group = grouped(world, "ann", { ...BRACKET, ...exits("181", "178.5") });
    sells(world, "2", "179");
    // Her own order meets her profit, and cancels it.
    const trigger = { when: "falls", price: usd("178.4"), trail: null } as const;
    const own = { side: "buy", type: "stop", qty: sol("1"), limitPrice: null, trigger } as const;
    const stop = placed(world, "ann", { ...own, selfTradePrevention: "cancel_oldest" });
    placed(world, "bob", { side: "buy", qty: sol("5"), limitPrice: usd("170") });
    const { state } = world.venue("SOL-USD");
    // It came first, whatever its price.
    for (const order of state.orders.values()) if (order.id === stop.id) order.seq = 0;
    world.atMarket("SOL-USD", (turn) => {
      fireTriggers(turn, usd("178.4"));
      settleGroups(turn, usd("178.4"));
    });
    world.settle();
    expect(shown(world, "ann", group)).toEqual([
      "entry partially_filled 2/3",
      "take_profit canceled: self_trade_prevention 0/2",
      "stop_loss canceled: oco 0/2",
    ]);
    expect(money(world, "ann", "SOL")).toBe("SOL 12 + 0");
  });

  const trail = { price: null, trail: { amount: usd("0.01") }, limitPrice: null };

  it("cancels the other exit and its own entry before it trades", () => {
    const world = pair();
    // Its own entry is the best bid: a sale that met it would be prevented, and the position left alone.
    const group = grouped(world, "ann", { ...BRACKET, stopLoss: { price: usd("178"), trail: null, limitPrice: null } });
    sells(world, "1", "179");
    placed(world, "bob", { side: "buy", qty: sol("4"), limitPrice: usd("170") });
    const loss = group[2] as Order;
    // To a stop at the price of now: it is due at once.
    value(world.replace("ann", loss, { stopPrice: usd("179.98") }));
    world.settle();
    expect(shown(world, "ann", group)).toEqual([
      "entry canceled: exit 1/3",
      "take_profit canceled: oco 0/1",
      "stop_loss filled 1/1",
    ]);
    expect(money(world, "ann", "SOL")).toBe("SOL 10 + 0");
  });

  it("comes up only once all groups of its turn are what they must be", () => {
    const world = pair();
    const sale = { side: "sell", type: "limit", limitPrice: usd("181"), qty: sol("1") } as const;
    const back = grouped(world, "ann", { kind: "bracket", lead: sale, ...exits("175", "190") });
    // Due in the moment in which it awakes.
    value(world.replace("ann", back[2] as Order, { stopPrice: usd("179") }));
    world.settle();
    const other = grouped(world, "ann", BRACKET);
    sells(world, "1", "179");
    buys(world, "1.5", "181");
    const names = new Map(
      [...back, ...other].map(({ id }, index) => [id, `${index < 3 ? "back" : "other"} ${index % 3}`]),
    );
    const said = world.venue("SOL-USD").journal.flatMap((text) => {
      const event = decode<MarketEvent>(text);
      const told = event.kind === "report" ? `${names.get(event.report.orderId)} ${event.report.execType}` : "";
      return ["other 0 canceled", "other 2 replaced", "back 2 triggered"].includes(told) ? [told] : [];
    });
    // The first is by what the other's entry had got before.
    expect(said.slice(1)).toEqual(["other 0 canceled", "other 2 replaced", "back 2 triggered"]);
  });

  it("is not, where the other exit has got all of it in the same second", () => {
    const world = pair();
    const group = grouped(world, "ann", { ...BRACKET, ...exits("181", "178.5") });
    sells(world, "3", "179");
    const waits = { when: "falls", price: usd("178.4"), trail: null } as const;
    placed(world, "bob", { side: "buy", type: "stop", qty: sol("3"), limitPrice: usd("181"), trigger: waits });
    const { state } = world.venue("SOL-USD");
    // It came first, whatever its price.
    const first = [...state.orders.values()].find(({ account }) => account === "bob");
    if (first !== undefined) first.seq = 0;
    world.atMarket("SOL-USD", (turn) => {
      fireTriggers(turn, usd("178.4"));
      settleGroups(turn, usd("178.4"));
    });
    world.settle();
    expect(shown(world, "ann", group)).toEqual([
      "entry filled 3/3",
      "take_profit filled 3/3",
      "stop_loss canceled: oco 0/3",
    ]);
  });

  it("is told that its entry has got more for it, where that was by what came up before it in the same second", () => {
    const world = pair();
    const waits = { when: "falls", price: usd("178.6"), trail: null } as const;
    placed(world, "bob", { side: "sell", type: "stop", qty: sol("1"), limitPrice: null, trigger: waits });
    const group = grouped(world, "ann", { ...BRACKET, ...exits("181", "178.5") });
    sells(world, "1", "179");
    placed(world, "bob", { side: "buy", qty: sol("4"), limitPrice: usd("170") });
    const said: (string | null)[] = [];
    world.atMarket("SOL-USD", (turn) => {
      fireTriggers(turn, usd("178.5"));
      for (const event of turn.events)
        if (event.kind === "report" && event.report.execType === "replaced") said.push(event.report.reason);
    });
    world.settle();
    expect(said).toEqual(["entry"]);
    expect(shown(world, "ann", group)).toEqual([
      "entry canceled: exit 2/3",
      "take_profit canceled: oco 0/1",
      "stop_loss filled 2/2",
    ]);
  });

  it("that trails begins to as its entry fills, not before", () => {
    const world = pair();
    const group = grouped(world, "ann", { kind: "oto", lead: BUY, takeProfit: null, stopLoss: trail });
    world.now += 3_600_000;
    sells(world, "1", "179");
    const loss = now(world, "ann", group[1] as Order);
    const reference = world.venue("SOL-USD").state.orders.get(loss.id)?.trigger?.price;
    expect(loss.trigger?.price).toBe(reference);
    expect(loss.trigger?.price).not.toBe((group[1] as Order).trigger?.price);
  });
});

describe("an oto", () => {
  it("whose exit is filled whole, while its entry has got but a part, gets no more in", () => {
    const world = pair();
    const group = grouped(world, "ann", { kind: "oto", lead: BUY, ...exits("181", null) });
    sells(world, "1", "179");
    buys(world, "1", "181");
    expect(shown(world, "ann", group)).toEqual(["entry canceled: exit 1/3", "take_profit filled 1/1"]);
    expect(money(world, "ann", "USD")).toContain("+ 0");
    expect(world.venue("SOL-USD").state.groups.all.size).toBe(0);
  });
});

describe("an oco", () => {
  it("holds its quantity once, and its parent follows what its exits do", () => {
    const world = pair();
    const group = grouped(world, "ann", OCO);
    expect(shown(world, "ann", group)).toEqual(["container new 0/3", "take_profit new 0/3", "stop_loss held 0/3"]);
    expect(money(world, "ann", "SOL")).toBe("SOL 7 + 3");
    buys(world, "1", "181");
    expect(shown(world, "ann", group)).toEqual([
      "container partially_filled 1/3",
      "take_profit partially_filled 1/3",
      "stop_loss held 0/2",
    ]);
    buys(world, "2", "181");
    expect(shown(world, "ann", group)).toEqual([
      "container filled 3/3",
      "take_profit filled 3/3",
      "stop_loss canceled: oco 0/2",
    ]);
    const { fee, filledNotional } = now(world, "ann", group[0] as Order);
    expect([filledNotional, fee]).toEqual([usd("543"), usd("0.543")]);
  });

  it("is canceled with any of its legs, or by its parent", () => {
    const world = pair();
    for (const which of [0, 1, 2]) {
      const group = grouped(world, "ann", OCO);
      world.cancel("ann", group[which] as Order);
      world.settle();
      expect(shown(world, "ann", group)[0]).toBe("container canceled: user 0/3");
      expect(money(world, "ann", "SOL")).toBe("SOL 10 + 0");
    }
  });

  it("restored from before its parent followed its legs has nothing to cancel any more", () => {
    const world = pair();
    const group = grouped(world, "ann", OCO);
    world.cancel("ann", group[1] as Order);
    world.settle();
    const followed = world.accountEvents("ann").findLastIndex(({ kind }) => kind === "followed");
    restoreAccount(world, "ann", followed);
    expect(shown(world, "ann", group)).toEqual([
      "container new 0/3",
      "take_profit canceled: user 0/3",
      "stop_loss canceled: oco 0/3",
    ]);
    const parent = now(world, "ann", group[0] as Order);
    expect(world.cancel("ann", parent)).toBe(parent);
    expect(world.accountEvents("ann").at(-1)).toMatchObject({ kind: "restored" });
    recover(world);
    expect(shown(world, "ann", group)[0]).toBe("container canceled: user 0/3");
  });

  it("that buys back holds the dearer of its exits", () => {
    const world = pair();
    const lead = { side: "buy", type: "limit", limitPrice: usd("175"), qty: sol("1") } as const;
    grouped(world, "ann", { kind: "oco", lead, ...exits("175", "190") });
    expect(money(world, "ann", "USD")).toBe("USD 9790.582 + 209.418");
  });
});

describe("a group is refused as a whole", () => {
  const refusalOf = (world: CoreWorld, wish: Wish) => {
    const placedGroup = world.placeGroup("ann", wish);
    return placedGroup.ok ? "placed" : placedGroup.refusal.code;
  };

  it.each<[string, Partial<Wish> & { lead?: GroupRequest["lead"] }, string]>([
    ["a profit at the entry", exits("179", "170"), "exits_misplaced"],
    ["a loss at the entry", exits("181", "179"), "exits_misplaced"],
    ["a loss above the profit", exits("181", "182"), "exits_misplaced"],
    ["a profit off the tick", exits("181.001", "170"), "off_tick"],
    ["a loss off the tick", exits("181", "170.001"), "off_tick"],
    ["a profit outside of the band", exits("300", "170"), "price_outside_band"],
  ])("by its account for %s", (_, change, code) => {
    const world = pair();
    expect(refusalOf(world, { ...BRACKET, ...change })).toBe(code);
    expect(money(world, "ann", "USD")).toBe("USD 10000 + 0");
    expect(world.customer("ann").state.orders.size).toBe(0);
  });

  it("for funds that its exits would need", () => {
    const world = pair();
    const lead = { side: "sell", type: "limit", limitPrice: usd("181"), qty: sol("9") } as const;
    expect(refusalOf(world, { kind: "bracket", lead, ...exits("175", "190") })).toBe("placed");
    expect(refusalOf(pair(), { kind: "bracket", lead: { ...lead, qty: sol("10") }, ...exits("175", "1100") })).toBe(
      "insufficient_funds",
    );
    expect(refusalOf(pair(), { ...OCO, lead: { ...OCO.lead, qty: sol("11") } })).toBe("insufficient_funds");
  });

  it.each([
    ["its lead", { lead: { ...BUY, limitPrice: usd("180"), postOnly: true } }, "post_only_would_cross"],
    ["rules that changed on the way", {}, "rules_changed"],
  ])("by its market for %s: nothing is held, no leg is left", (_, change, reason) => {
    const world = pair();
    placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("179.99") });
    const parent = value(world.placeGroup("ann", { ...BRACKET, ...change }));
    if (reason === "rules_changed") world.changeRules("SOL-USD", { priceBandBps: 900 });
    world.settle();
    const legs = (parent.group?.legs ?? []).map((id) => ({ ...parent, id }));
    expect(shown(world, "ann", [parent, ...legs])).toEqual([
      `entry rejected: ${reason} 0/3`,
      "take_profit rejected: entry 0/0",
      "stop_loss rejected: entry 0/0",
    ]);
    expect(money(world, "ann", "USD")).toBe("USD 10000 + 0");
    // The account knows the rules by now.
    expect(world.customer("ann").state.rules.size).toBe(reason === "rules_changed" ? 1 : 0);
  });
});

describe("terms of a group's orders", () => {
  it("of an exit that buys are paid for before its market hears of them", () => {
    const world = pair();
    const lead = { side: "buy", type: "limit", limitPrice: usd("175"), qty: sol("1") } as const;
    const group = grouped(world, "ann", { kind: "oco", lead, ...exits("175", "190") });
    value(world.replace("ann", group[2] as Order, { stopPrice: usd("200") }));
    expect(money(world, "ann", "USD")).toBe("USD 9779.56 + 220.44");
    world.settle();
    value(world.replace("ann", now(world, "ann", group[2] as Order), { stopPrice: usd("190") }));
    expect(money(world, "ann", "USD")).toBe("USD 9779.56 + 220.44");
    world.settle();
    expect(money(world, "ann", "USD")).toBe("USD 9790.582 + 209.418");
  });

  it("of an entry that buys may be more: its exits follow", () => {
    const world = pair();
    const group = grouped(world, "ann", BRACKET);
    value(world.replace("ann", group[0] as Order, { qty: sol("5") }));
    world.settle();
    sells(world, "5", "179");
    expect(shown(world, "ann", group)).toEqual(["entry filled 5/5", "take_profit new 0/5", "stop_loss held 0/5"]);
  });

  it.each([
    ["the quantity of an exit", 1, { qty: sol("1") }, "leg_qty_fixed"],
    ["a profit below the loss", 1, { limitPrice: usd("170") }, "exits_misplaced"],
    ["a loss above the profit", 2, { stopPrice: usd("181") }, "exits_misplaced"],
  ])("are not %s", (_, which, wish, code) => {
    const world = pair();
    const group = grouped(world, "ann", BRACKET);
    const asked = world.replace("ann", now(world, "ann", group[which] as Order), wish);
    expect(asked.ok ? "asked" : asked.refusal.code).toBe(code);
  });

  it.each<[string, ReplaceWish]>([
    ["/limit_price", { limitPrice: usd("182") }],
    ["/stop_price", { stopPrice: usd("171") }],
    ["/trail_percent", { trail: { amount: usd("1") } }],
    ["/qty", { qty: sol("4") }],
  ])("of the parent of an oco are its legs': %s", (pointer, wish) => {
    const world = pair();
    const group = grouped(world, "ann", OCO);
    const asked = world.replace("ann", now(world, "ann", group[0] as Order), wish);
    expect(asked).toMatchObject({ refusal: { code: "validation_failed", errors: [{ pointer }] } });
  });
});

describe("two exits that meet their owner's orders", () => {
  it("lose what they would have traded, both of them", () => {
    const world = pair();
    const group = grouped(world, "ann", OCO);
    placed(world, "ann", { side: "buy", qty: sol("1"), limitPrice: usd("181"), selfTradePrevention: "decrement" });
    expect(shown(world, "ann", group)).toEqual(["container new 0/2", "take_profit new 0/2", "stop_loss held 0/2"]);
    expect(money(world, "ann", "SOL")).toBe("SOL 8 + 2");
    placed(world, "bob", { side: "buy", qty: sol("2"), limitPrice: usd("181") });
    expect(shown(world, "ann", group)).toEqual([
      "container filled 2/2",
      "take_profit filled 2/2",
      "stop_loss canceled: oco 0/2",
    ]);
  });
});

describe("a market's groups", () => {
  it("may come from a version that says nothing of their origin", () => {
    const world = pair();
    value(world.placeGroup("ann", BRACKET));
    for (const command of world.customer("ann").state.peers.get("SOL-USD")?.pending ?? [])
      if (command.kind === "submit_group") for (const { order } of command.orders) delete order.origin;
    world.sendCommands("ann", "SOL-USD");
    const reports = world.marketEvents("SOL-USD").filter(({ kind }) => kind === "report");
    expect(reports.map((event) => ("origin" in event ? event.origin : "left out"))).toEqual([null, null, null]);
  });

  it("are copied whole: what happens to the copy touches none of them", () => {
    const world = pair();
    grouped(world, "ann", BRACKET);
    const { groups } = world.venue("SOL-USD").state;
    const before = structuredClone([...groups.all]);
    const copy = Groups.of(groups.all.values());
    expect([...copy.all]).toEqual(before);
    expect([copy.touched.size, copy.unsettled.size]).toEqual([0, 0]);
    for (const group of copy.all.values()) {
      group.open += 1n;
      group.exits.pop();
    }
    expect([...groups.all]).toEqual(before);
  });
});

describe("what an exit may cost", () => {
  const terms = { makerFeeBps: 10, takerFeeBps: 20, feeNumerator: 0n, fee: 0n };
  const group = { id: "ord_1", kind: "oco", role: "stop_loss", cap: usd("190") } as const;

  it.each([
    ["a sell what is left", { ...terms, side: "sell" as const }, null, sol("2")],
    ["a buy its limit, and the dearer fee", { ...terms, side: "buy" as const, group }, usd("180"), usd("360.72")],
    ["a buy without one its cap", { ...terms, side: "buy" as const, group }, null, usd("380.76")],
  ])("is of %s", (_, exit, limitPrice, cost) => {
    expect(exitCost(exit, limitPrice, sol("2"), 8)).toBe(cost);
  });

  it.each([{}, { group: { id: "ord_1", kind: "oco", role: "stop_loss" } as const }])(
    "is bounded: a buy with neither is a mistake (%o)",
    (membership) => {
      const exit = { ...terms, side: "buy" as const, ...membership };
      expect(() => exitCost(exit, null, sol("2"), 8)).toThrow("an exit that buys has a limit or a cap");
    },
  );
});
