// Groups in a market that does not trade, or stops trading in the middle of what they do: exits rest and wait, nothing is half done,
// and every hold is released. SOL-USD is at 179.97; here nothing trades farther than one percent from that.
import { describe, expect, it } from "vitest";
import { learnRules } from "../../src/core/account/rules.ts";
import type { MarketStatus } from "../../src/core/listings.ts";
import { settleGroups } from "../../src/core/market/exits.ts";
import { changeRules } from "../../src/core/market/rules.ts";
import { changeStatus } from "../../src/core/market/status.ts";
import { type MarketTurn, referenceNow, report } from "../../src/core/market/turn.ts";
import type { Order } from "../../src/core/order.ts";
import { STEP_MS } from "../../src/core/prices.ts";
import { listed } from "../support/book.ts";
import { CoreWorld } from "../support/core-world.ts";
import { money, now, placed, sol, usd, value } from "../support/pair.ts";
import { recover, restoreMarket } from "../support/restore.ts";

type Wish = Parameters<CoreWorld["placeGroup"]>[1];

const SYMBOL = "SOL-USD";
const ACT = { by: "usr_olivia", reason: "a drill" };

/** Accounts that go by the usual band, at a market whose band and breaker are narrower: what rests may be too far away to trade. */
function narrow(): CoreWorld {
  const world = new CoreWorld(["ann", "bob", "cyd"], [{ ...listed(SYMBOL), priceBandBps: 50, breakerBps: 50 }]);
  for (const id of ["ann", "bob", "cyd"]) {
    world.transfer(id, "deposit", "USD", usd("10000"));
    world.transfer(id, "deposit", "SOL", sol("10"));
  }
  // The house would stand between them.
  world.venue(SYMBOL).state.step = Number.MAX_SAFE_INTEGER;
  return world;
}

const stop = (price: string, limitPrice: string | null = null) => ({
  price: usd(price),
  trail: null,
  limitPrice: limitPrice === null ? null : usd(limitPrice),
});
const BRACKET: Wish = {
  kind: "bracket",
  lead: { side: "buy", type: "limit", limitPrice: usd("185"), qty: sol("3") },
  takeProfit: { limitPrice: usd("190") },
  stopLoss: stop("182"),
};
const OCO: Wish = {
  kind: "oco",
  lead: { side: "sell", type: "limit", limitPrice: usd("181"), qty: sol("3") },
  takeProfit: { limitPrice: usd("181") },
  stopLoss: stop("178"),
};

function grouped(world: CoreWorld, wish: Wish): Order[] {
  const parent = value(world.placeGroup("ann", wish));
  world.settle();
  return [parent, ...(parent.group?.legs ?? []).map((leg) => now(world, "ann", { ...parent, id: leg }))];
}

/** A group as sentences: role, status and reason, what is filled of what. */
function shown(world: CoreWorld, orders: readonly Order[]): string[] {
  return orders.map((order) => {
    const { group, status, reason, filledQty, qty } = now(world, "ann", order);
    const why = reason === null ? "" : `: ${reason}`;
    return `${group?.role} ${status}${why} ${Number(filledQty) / 1e8}/${Number(qty) / 1e8}`;
  });
}

const asks = (world: CoreWorld, id: string, qty: string, price: string) =>
  placed(world, id, { side: "sell", qty: sol(qty), limitPrice: usd(price) });
const bids = (world: CoreWorld, id: string, qty: string, price: string) =>
  placed(world, id, { side: "buy", qty: sol(qty), limitPrice: usd(price) });

function atMarket(world: CoreWorld, act: (turn: MarketTurn) => void): void {
  world.atMarket(SYMBOL, act);
  world.settle();
}

const become = (world: CoreWorld, status: MarketStatus) => atMarket(world, (turn) => changeStatus(turn, status, ACT));
const statusOf = (world: CoreWorld) => world.venue(SYMBOL).state.rules.status;

/** Two ends that agree, and nobody who holds anything. */
function expectOver(world: CoreWorld): void {
  expect(world.breaks(true)).toEqual([]);
  expect(world.customer("ann").state.groups.size + world.venue(SYMBOL).state.groups.all.size).toBe(0);
  for (const asset of ["USD", "SOL"] as const) expect(money(world, "ann", asset)).toMatch(/\+ 0$/);
}

describe("the breaker that trips", () => {
  it("by an entry: its exits are for what it has got, rest and wait, though the loss is there already", () => {
    const world = narrow();
    asks(world, "bob", "1", "180");
    const far = asks(world, "bob", "5", "184");
    const group = grouped(world, BRACKET);
    expect(shown(world, group)).toEqual(["entry partially_filled 1/3", "take_profit new 0/1", "stop_loss held 0/1"]);
    expect(statusOf(world)).toBe("halted");
    expect(world.breaks(true)).toEqual([]);
    expect(money(world, "ann", "SOL")).toBe("SOL 10 + 1");
    // It ends its entry, and trades, once the house's price has found the market open.
    world.cancel("ann", group[0] as Order);
    world.cancel("bob", far);
    world.settle();
    become(world, "open");
    world.venue(SYMBOL).state.step = world.now / STEP_MS;
    world.now += STEP_MS;
    world.wake(SYMBOL);
    world.settle();
    expect(shown(world, group)).toEqual([
      "entry canceled: user 1/3",
      "take_profit canceled: oco 0/1",
      "stop_loss filled 1/1",
    ]);
    expectOver(world);
  });

  it("by an exit that is triggered: what is left of it rests where it may, and is canceled where not", () => {
    for (const [limit, rest] of [
      ["172", "stop_loss partially_filled 1/3"],
      [null, "stop_loss canceled: price_band 1/3"],
    ] as const) {
      const world = narrow();
      bids(world, "bob", "1", "180");
      bids(world, "bob", "5", "175");
      const group = grouped(world, { ...OCO, stopLoss: stop("178", limit) });
      value(world.replace("ann", group[2] as Order, { stopPrice: usd("179.98") }));
      world.settle();
      expect(shown(world, group).slice(1)).toEqual(["take_profit canceled: oco 0/3", rest]);
      // A sale without a limit never gets beyond the band, which is within the breaker.
      expect(statusOf(world)).toBe(limit === null ? "open" : "halted");
      expect(world.breaks(true)).toEqual([]);
      if (limit === null) continue;
      expect(money(world, "ann", "SOL")).toBe("SOL 7 + 2");
      become(world, "open");
      expect(statusOf(world)).toBe("halted");
      world.cancel("ann", group[0] as Order);
      world.settle();
      expect(shown(world, group)[0]).toBe("container canceled: user 1/3");
      expectOver(world);
    }
  });

  it("by whoever meets an exit: the other follows in the same turn", () => {
    const world = narrow();
    asks(world, "cyd", "5", "184");
    const group = grouped(world, OCO);
    bids(world, "bob", "4", "190");
    expect(statusOf(world)).toBe("halted");
    expect(shown(world, group)).toEqual([
      "container filled 3/3",
      "take_profit filled 3/3",
      "stop_loss canceled: oco 0/3",
    ]);
    expectOver(world);
  });

  it("and a market that opens crossed: an exit that trades then ends the other before anything else does", () => {
    const world = narrow();
    asks(world, "cyd", "1", "184");
    const group = grouped(world, {
      ...OCO,
      lead: { ...OCO.lead, limitPrice: usd("185") },
      takeProfit: { limitPrice: usd("185") },
    });
    bids(world, "bob", "3", "190");
    expect([statusOf(world), shown(world, group)[0]]).toEqual(["halted", "container new 0/3"]);
    atMarket(world, (turn) => changeRules(turn, { priceBandBps: 1_000 }, ACT));
    become(world, "open");
    expect(shown(world, group)).toEqual([
      "container partially_filled 2/3",
      "take_profit partially_filled 2/3",
      "stop_loss held 0/1",
    ]);
    expect(statusOf(world)).toBe("open");
    expect(world.breaks(true)).toEqual([]);
  });
});

describe("a group in a market that is", () => {
  const QUIET: Wish = {
    ...BRACKET,
    lead: { ...BRACKET.lead, limitPrice: usd("179") },
    takeProfit: { limitPrice: usd("185") },
    stopLoss: stop("170"),
  };
  const PASSIVE: Wish = { ...QUIET, lead: { ...QUIET.lead, postOnly: true } };

  it.each<[MarketStatus, string, Wish, string | null]>([
    ["open", "one that may trade", QUIET, null],
    ["post_only", "one that may trade", QUIET, "market_post_only"],
    ["post_only", "one whose entry is post-only", PASSIVE, null],
    ["post_only", "an oco", OCO, "market_post_only"],
    ["post_only", "a post-only oco", { ...OCO, lead: { ...OCO.lead, postOnly: true } }, null],
    ["cancel_only", "one whose entry is post-only", PASSIVE, "market_not_open"],
    ["halted", "one whose entry is post-only", PASSIVE, "market_not_open"],
  ])("%s: %s", (status, _, wish, code) => {
    const world = narrow();
    become(world, status);
    const learn = () => world.atAccount("ann", (turn) => learnRules(turn, world.venue(SYMBOL).state.rules));
    if (status !== "open") {
      // Sent under rules that were not these: all of it is refused, and the account knows from then on.
      const group = grouped(world, wish);
      for (const order of group) expect(now(world, "ann", order).status).toBe("rejected");
      expectOver(world);
    }
    atMarket(world, (turn) => changeRules(turn, { priceBandBps: 1_000 }, ACT));
    learn();
    const made = world.placeGroup("ann", wish);
    world.settle();
    expect(made.ok ? null : made.refusal).toEqual(
      code === null ? null : { code, broken: { rule: "status", limit: "open", value: status } },
    );
    if (made.ok) expect(now(world, "ann", made.value).status).toBe("new");
    else expectOver(world);
    expect(world.breaks(true)).toEqual([]);
  });

  it.each<MarketStatus>(["post_only", "cancel_only", "halted"])("%s: cancels end all of it", (status) => {
    const world = narrow();
    const groups = [QUIET, OCO].map((wish) => grouped(world, wish));
    become(world, status);
    for (const [parent] of groups) world.cancel("ann", parent as Order);
    world.settle();
    expect(groups.flatMap((group) => shown(world, group).map((said) => said.split(" ").slice(0, 3).join(" ")))).toEqual(
      [
        "entry canceled: user",
        "take_profit canceled: entry",
        "stop_loss canceled: entry",
        "container canceled: user",
        "take_profit canceled: user",
        "stop_loss canceled: oco",
      ],
    );
    expectOver(world);
  });

  it.each<MarketStatus>(["post_only", "halted"])("%s: other terms of a leg are refused as any order's", (status) => {
    const world = narrow();
    const group = grouped(world, OCO);
    become(world, status);
    value(world.replace("ann", group[1] as Order, { limitPrice: usd("181.5") }));
    world.settle();
    const refused = status === "halted" ? "market_not_open" : "market_post_only";
    expect(now(world, "ann", group[1] as Order)).toMatchObject({ limitPrice: usd("181"), replaceRefused: refused });
    world.atAccount("ann", (turn) => learnRules(turn, world.venue(SYMBOL).state.rules));
    const again = world.replace("ann", group[1] as Order, { limitPrice: usd("181.5") });
    expect(again.ok ? null : again.refusal.code).toBe(refused);
  });

  it("halted: exits end with a day order's entry, and what they hold is released", () => {
    const world = narrow();
    const group = grouped(world, { ...QUIET, lead: { ...QUIET.lead, timeInForce: "day" } });
    become(world, "halted");
    world.wakeAt(Date.UTC(2026, 10, 22));
    world.settle();
    expect(shown(world, group)[0]).toBe("entry expired: day 0/3");
    expectOver(world);
  });

  it("killed, its orders with it: all end, whatever part of a group a turn comes to", () => {
    for (const many of [1, 2, 9]) {
      const world = narrow();
      asks(world, "bob", "1", "178.5");
      const groups = [{ ...QUIET, stopLoss: stop("177") }, OCO].map((wish) => grouped(world, wish));
      for (let turns = 0; world.venue(SYMBOL).state.orders.size > 0; turns += 1) {
        expect(turns).toBeLessThan(9);
        atMarket(world, (turn) => {
          for (const { id: orderId, account } of [...turn.state.orders.values()].slice(0, many))
            report(turn, account, { orderId, execType: "canceled", reason: "kill_switch" });
          settleGroups(turn, referenceNow(turn));
        });
        expect(world.breaks(true)).toEqual([]);
      }
      for (const said of groups.flatMap((group) => shown(world, group))) expect(said).toContain(" canceled: ");
      expectOver(world);
    }
  });

  it("being restored: an exit that its owner's own order has met has as little to get out of as before", () => {
    const world = narrow();
    const group = grouped(world, { ...OCO, lead: { ...OCO.lead, selfTradePrevention: "decrement" } });
    placed(world, "ann", {
      side: "buy",
      qty: sol("1"),
      limitPrice: usd("181"),
      selfTradePrevention: "decrement",
    });
    expect(shown(world, group)).toEqual(["container new 0/2", "take_profit new 0/2", "stop_loss held 0/2"]);
    restoreMarket(world, SYMBOL, 0);
    recover(world);
    expect(shown(world, group).slice(1)).toEqual(["take_profit new 0/2", "stop_loss held 0/2"]);
    expect(money(world, "ann", "SOL")).toBe("SOL 8 + 2");
    expect(world.breaks(true)).toEqual([]);
  });
});
