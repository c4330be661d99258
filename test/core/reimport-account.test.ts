// The rules of an account that was restored, or whose market was, one by one. What it gets back is in reimport.test.ts.
import { describe, expect, it } from "vitest";
import { meetMarket, owedToSuspense, reimport, repaySuspense } from "../../src/core/account/reimport.ts";
import { type AccountEvent, accountPeer, applyAccountEvent, balanceOf } from "../../src/core/account/state.ts";
import { accountStateHash } from "../../src/core/account/state-hash.ts";
import type { RestingOrder } from "../../src/core/book.ts";
import { accountBreaks } from "../../src/core/invariants.ts";
import { STREAM_RESTART_GAP } from "../../src/core/limits.ts";
import { marketStateHash } from "../../src/core/market/state.ts";
import { conflictOf, type Mark, type Told } from "../../src/core/messages.ts";
import type { Order } from "../../src/core/order.ts";
import { listed, NOON, sha256 } from "../support/book.ts";
import { CoreWorld } from "../support/core-world.ts";
import { AT_MARKET, money, now, pair, placed, sol, usd, value } from "../support/pair.ts";
import { knownOrders, open, recover, restoreAccount, restoreMarket, shake, toldByMarket } from "../support/restore.ts";

/** The events of her own deposits: before any order. */
const DEPOSITS = 2;

/** What an account of which nothing but some deposits is left is told by its market, in one turn. */
function tell(world: CoreWorld, told: readonly Told[]): AccountEvent[] {
  const known = knownOrders(world, "ann");
  return world.atAccount("ann", (turn) => {
    reimport(turn, "SOL-USD", told, known);
    return [...turn.events];
  });
}

function stateHash(world: CoreWorld): string {
  return accountStateHash(world.customer("ann").state, sha256);
}

function onlyOrder(world: CoreWorld): Order {
  const [order] = world.customer("ann").state.orders.values();
  if (order === undefined) throw new Error("ann has no open order");
  return order;
}

function pending(world: CoreWorld, symbol = "SOL-USD"): string[] {
  const commands = world.customer("ann").state.peers.get(symbol)?.pending ?? [];
  return commands.map(
    (one) =>
      `${one.cseq} ${one.kind} ${"orderId" in one ? one.orderId : "order" in one ? one.order.id : one.orders.map(({ order }) => order.id)}`,
  );
}

describe("the next life of an account", () => {
  it("begins with a higher epoch, cancel-only, and with nothing on its way: the markets say what they have heard", () => {
    const world = pair();
    value(world.place("ann", { qty: sol("1"), limitPrice: usd("180") }));
    expect(pending(world)).toHaveLength(1);
    restoreAccount(world, "ann", DEPOSITS + 1);
    expect(world.customer("ann").state).toMatchObject({ epoch: 2, restoring: true });
    expect(accountPeer(world.customer("ann").state, "SOL-USD")).toMatchObject({
      cseq: 1,
      acknowledged: 1,
      pending: [],
    });
  });

  it.each([1, 0])("never with one that has been: %d after 1", (epoch) => {
    const world = pair();
    expect(() => world.happen("ann", { kind: "restored", epoch, by: "usr_1", reason: "" })).toThrow(
      `epoch ${epoch} after 1`,
    );
  });

  it("has stream numbers of its own, so that who resumes from one of the life before is told of a gap", () => {
    const world = pair();
    const { seq } = world.customer("ann").state;
    restoreAccount(world, "ann", DEPOSITS);
    const restored = world.accountEvents("ann").at(-1);
    expect(restored).toMatchObject({ kind: "restored", first: seq + 1, seq: seq + STREAM_RESTART_GAP });
  });

  it("is told apart by its hash: by its epoch, and by whether it takes orders", () => {
    const world = pair();
    const before = stateHash(world);
    const { state } = world.customer("ann");
    state.epoch = 2;
    const other = stateHash(world);
    state.restoring = true;
    expect(new Set([before, other, stateHash(world)]).size).toBe(3);
  });

  it("is in the journal: replayed, it gives the same state", () => {
    const world = pair();
    placed(world, "ann", { qty: sol("1"), clientOrderId: "one" });
    value(world.place("ann", { qty: sol("2"), limitPrice: usd("179") }));
    restoreAccount(world, "ann", DEPOSITS);
    recover(world);
    expect(accountStateHash(world.replayedAccount("ann"), sha256)).toBe(stateHash(world));
    expect(world.replayedAccount("ann")).toMatchObject({ epoch: 2, restoring: false });
    expect(accountPeer(world.replayedAccount("ann"), "SOL-USD")).toMatchObject({ epoch: 1 });
  });
});

describe("an order that its account has forgotten", () => {
  it("of an oco that was rejected brings their parent back once", () => {
    const world = pair();
    const lead = { side: "buy", type: "limit", qty: sol("1"), limitPrice: usd("170") } as const;
    const stopLoss = { price: usd("190"), trail: null, limitPrice: null };
    const parent = value(
      world.placeGroup("ann", { kind: "oco", lead, takeProfit: { limitPrice: usd("170") }, stopLoss }),
    );
    world.settle();
    const told = toldByMarket(world, "SOL-USD", "ann").filter(({ report }) => report.execType === "new");
    expect(told).toHaveLength(2);
    restoreAccount(world, "ann", DEPOSITS);
    const rejected = told.map((one, index) => {
      return {
        ...one,
        report: { ...one.report, rseq: index + 1, execType: "rejected" as const, reason: "rules_changed" },
      };
    });
    const made = tell(world, rejected).filter((event) => event.kind === "reimported");
    expect(made.filter(({ order }) => order.id === parent.id)).toHaveLength(1);
    expect(made).toHaveLength(3);
    expect(world.customer("ann").state.orders.size).toBe(0);
  });

  it("is made again as its market has it: pending, with its hold, its key and its bounds; reports follow", () => {
    const world = pair();
    const wish = { qty: sol("3"), timeInForce: "gtd", expiresAt: NOON + 60_000, clientOrderId: "first" } as const;
    const before = placed(world, "ann", { ...wish, selfTradePrevention: "none" });
    world.now = NOON + 5_000;
    restoreAccount(world, "ann", DEPOSITS);
    const [made, reported] = tell(world, toldByMarket(world, "SOL-USD", "ann"));
    if (made?.kind !== "reimported") throw new Error("nothing was made again");
    const { first } = made;
    expect(made.order).toEqual({ ...before, updatedAt: world.now, seq: first });
    expect(made.order).toMatchObject({ status: "pending_new", createdAt: NOON, credit: sol("3"), symbol: "SOL-USD" });
    expect(made.once).toEqual([{ scope: "client_order_id", key: "first", bodyHash: "body", requestId: null }]);
    expect(made.entry).toMatchObject({ kind: "hold", ref: before.id });
    expect(reported).toMatchObject({ kind: "report", rseq: 1, execType: "new", order: { status: "new" } });
    expect(money(world, "ann", "USD")).toBe("USD 9458.92 + 541.08");
  });

  it("and hides a part comes back with what it may show, to its account and to its market", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("3"), displayQty: sol("1") });
    expect(order.displayQty).toBe(sol("1"));
    const kept = world.marketEvents("SOL-USD").findIndex(({ kind }) => kind === "report");
    const shownAt = () => {
      const { orders } = world.venue("SOL-USD").state;
      const { displayQty, shownQty } = orders.get(order.id) as RestingOrder;
      return [displayQty, shownQty];
    };
    expect(shownAt()).toEqual([sol("1"), sol("1")]);
    restoreAccount(world, "ann", DEPOSITS);
    recover(world);
    expect(onlyOrder(world)).toMatchObject({ id: order.id, qty: sol("3"), displayQty: sol("1"), status: "new" });
    restoreMarket(world, "SOL-USD", kept);
    expect(world.venue("SOL-USD").state.orders.size).toBe(0);
    recover(world);
    expect(shownAt()).toEqual([sol("1"), sol("1")]);
    expect(world.breaks(true)).toEqual([]);
  });

  it("is told why a change of it was not made, though the wish is forgotten: no money moves", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("2") });
    value(world.replace("ann", order, { qty: sol("3") }));
    world.changeRules("SOL-USD", { status: "halted" });
    world.settle();
    const wished = world.accountEvents("ann").findIndex(({ kind }) => kind === "replace_requested");
    restoreAccount(world, "ann", wished);
    expect(onlyOrder(world)).not.toHaveProperty("replacing");
    const [told] = tell(world, toldByMarket(world, "SOL-USD", "ann"));
    expect(told).toMatchObject({ kind: "report", execType: "replace_rejected", entry: null });
    expect(onlyOrder(world)).toMatchObject({ qty: sol("2"), replacing: null, replaceRefused: "market_not_open" });
    expect(money(world, "ann", "USD")).toBe("USD 9639.28 + 360.72");
  });

  it("that was sent as an iceberg and not heard of is sent as one again", () => {
    const world = pair();
    value(world.place("ann", { qty: sol("3"), limitPrice: usd("180"), displayQty: sol("1") }));
    const { pending: before } = accountPeer(world.customer("ann").state, "SOL-USD");
    expect(before).toMatchObject([{ kind: "submit_iceberg", order: { displayQty: sol("1") } }]);
    restoreAccount(world, "ann", DEPOSITS + 1);
    expect(shake(world, "ann", "SOL-USD")).toBeNull();
    const { pending: again } = accountPeer(world.customer("ann").state, "SOL-USD");
    expect(again).toMatchObject([{ kind: "submit_iceberg", cseq: 2, order: { displayQty: sol("1") } }]);
  });

  it("whose market keeps it as the version before sent it, comes back without what the account alone knew", () => {
    const world = pair();
    placed(world, "ann", { ...AT_MARKET, notional: usd("50"), clientOrderId: "spend" });
    const limit = placed(world, "ann", { qty: sol("1"), postOnly: true, clientOrderId: "rest" });
    world.now = NOON + 5_000;
    restoreAccount(world, "ann", DEPOSITS);
    const told = toldByMarket(world, "SOL-USD", "ann").map((one) => ({ ...one, origin: null }));
    const made = tell(world, told).flatMap((event) => (event.kind === "reimported" ? [event] : []));
    const plain = { clientOrderId: null, bodyHash: "", postOnly: false, notional: null, credit: 0n };
    expect(made.map(({ order }) => order)).toMatchObject([
      { ...plain, type: "market", qty: null, limitPrice: null, createdAt: world.now },
      { ...plain, type: "limit", qty: sol("1"), limitPrice: usd("180"), id: limit.id },
    ]);
    expect(made.map(({ once }) => once)).toEqual([[], []]);
  });

  it("leaves its key to the order that has taken it since: an operator had opened the account before its market told", () => {
    const world = pair();
    const before = placed(world, "ann", { qty: sol("1"), clientOrderId: "mine" });
    restoreAccount(world, "ann", DEPOSITS);
    world.happen("ann", { kind: "opened", by: "usr_operator", reason: "they cannot wait" });
    value(world.place("ann", { qty: sol("2"), limitPrice: usd("179"), clientOrderId: "mine" }));
    const made = tell(world, toldByMarket(world, "SOL-USD", "ann"));
    expect(made[0]).toMatchObject({ kind: "reimported", order: { id: before.id, clientOrderId: "mine" }, once: [] });
  });

  it("is not made twice: what is told again, and what comes after a gap, changes nothing", () => {
    const world = pair();
    placed(world, "ann", { qty: sol("3") });
    placed(world, "bob", { side: "sell", qty: sol("1") });
    placed(world, "ann", { qty: sol("1"), limitPrice: usd("179") });
    restoreAccount(world, "ann", DEPOSITS);
    const told = toldByMarket(world, "SOL-USD", "ann");
    tell(world, told.slice(1));
    expect(world.customer("ann").state.orders.size).toBe(0);
    tell(world, told.slice(0, 2));
    tell(world, told);
    const hash = stateHash(world);
    expect(tell(world, told)).toEqual([]);
    expect(stateHash(world)).toBe(hash);
    expect(world.customer("ann").state.orders.size).toBe(2);
    expect(money(world, "ann", "SOL")).toBe("SOL 11 + 0");
  });

  it("causes no new command: what a report led to has happened, or is asked for when hands are shaken", () => {
    const world = pair();
    world.changeRules("SOL-USD", { takerFeeBps: 50 });
    world.cancel("ann", value(world.place("ann", { qty: sol("3"), limitPrice: usd("180") })));
    world.settle();
    restoreAccount(world, "ann", DEPOSITS);
    const told = toldByMarket(world, "SOL-USD", "ann");
    expect(told.map(({ report }) => report.execType)).toEqual(["rules_changed", "cancel_rejected", "new", "canceled"]);
    tell(world, told.slice(0, 2));
    expect(onlyOrder(world)).toMatchObject({ status: "pending_new", cancelRequested: false });
    expect(world.customer("ann").state.rules.get("SOL-USD")).toMatchObject({ version: 2 });
    tell(world, told);
    expect(pending(world)).toEqual([]);
    expect(money(world, "ann", "USD")).toBe("USD 10000 + 0");
  });
});

describe("what cannot be true together with what the account knows stops before anything is kept:", () => {
  const brokenBy = (forge: (told: Told[]) => Told[], message: RegExp) => {
    const world = pair();
    world.cancel("ann", placed(world, "ann", { qty: sol("1") }));
    world.settle();
    const told = toldByMarket(world, "SOL-USD", "ann");
    restoreAccount(world, "ann", DEPOSITS);
    expect(() => tell(world, forge(told))).toThrow(message);
  };
  const numbered = (told: Told[]) => told.map((one, index) => ({ ...one, report: { ...one.report, rseq: index + 1 } }));

  it("an order, told as new, that has ended in the same breath", () => {
    brokenBy((told) => numbered([...told, ...told]), /a report for ord_\d+, which is not open/);
  });

  it("an order, told as new, that is stored as ended", () => {
    const world = pair();
    world.cancel("ann", placed(world, "ann", { qty: sol("1") }));
    world.settle();
    const told = toldByMarket(world, "SOL-USD", "ann");
    const again = told.map((one) => ({ ...one, report: { ...one.report, rseq: one.report.rseq + told.length } }));
    expect(() => tell(world, again)).toThrow(/a report for ord_\d+, which is not open/);
  });

  it("a report for an order of which nobody tells the terms", () => {
    brokenBy((told) => numbered(told.slice(1)), /which this account never placed/);
  });
});

describe("money that is missing for a forgotten order", () => {
  it("comes out of suspense, no more than is missing; the customer is never below zero", () => {
    const world = pair();
    world.transfer("ann", "deposit", "USD", usd("500"));
    placed(world, "ann", { qty: sol("58"), limitPrice: usd("180") });
    restoreAccount(world, "ann", DEPOSITS);
    const [moved, made] = tell(world, toldByMarket(world, "SOL-USD", "ann"));
    expect(moved).toMatchObject({ kind: "suspense", asset: "USD", amount: usd("460.88"), position: null });
    expect(moved).toMatchObject({ entry: { kind: "suspense", ref: "USD" } });
    expect(made).toMatchObject({ kind: "reimported" });
    expect(money(world, "ann", "USD")).toBe("USD 0 + 10460.88");
    expect(owedToSuspense(world.customer("ann").state)).toEqual([["USD", usd("460.88")]]);
    expect(balanceOf(world.customer("ann").state, "suspense", "USD")).toBe(-usd("460.88"));
  });

  it("comes out of suspense for what an order was changed to, too", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("50"), limitPrice: usd("180") });
    const kept = world.customer("ann").journal.length;
    world.transfer("ann", "deposit", "USD", usd("500"));
    value(world.replace("ann", order, { qty: sol("58") }));
    world.settle();
    restoreAccount(world, "ann", kept);
    const [moved, replaced] = tell(world, toldByMarket(world, "SOL-USD", "ann"));
    expect(moved).toMatchObject({ kind: "suspense", asset: "USD", amount: usd("460.88") });
    expect(replaced).toMatchObject({ kind: "report", execType: "replaced", order: { qty: sol("58") } });
    expect(money(world, "ann", "USD")).toBe("USD 0 + 10460.88");
  });

  it("keeps the account from opening until it has been booked again, and is paid back as far as money is there", () => {
    const world = pair();
    world.transfer("ann", "deposit", "USD", usd("500"));
    const order = placed(world, "ann", { qty: sol("58"), limitPrice: usd("180") });
    restoreAccount(world, "ann", DEPOSITS);
    recover(world);
    expect(world.customer("ann").state.restoring).toBe(true);
    world.transfer("ann", "deposit", "USD", usd("200"));
    open(world);
    expect(owedToSuspense(world.customer("ann").state)).toEqual([["USD", usd("260.88")]]);
    expect(money(world, "ann", "USD")).toBe("USD 0 + 10460.88");
    expect(world.customer("ann").state.restoring).toBe(true);
    world.transfer("ann", "deposit", "USD", usd("300"));
    open(world);
    expect(owedToSuspense(world.customer("ann").state)).toEqual([]);
    expect(money(world, "ann", "USD")).toBe("USD 39.12 + 10460.88");
    expect(world.customer("ann").state.restoring).toBe(false);
    expect(now(world, "ann", order)).toMatchObject({ status: "new" });
    expect(world.breaks(true)).toEqual([]);
  });

  it("in a base asset is in its position too, at what it is worth; paid back, it takes its part of the cost along", () => {
    const world = pair();
    world.transfer("ann", "deposit", "SOL", sol("5"));
    placed(world, "ann", { side: "sell", qty: sol("12"), limitPrice: usd("185") });
    restoreAccount(world, "ann", DEPOSITS);
    const position = () => world.customer("ann").state.positions.get("SOL-USD");
    const cost = position()?.costBasis ?? 0n;
    tell(world, toldByMarket(world, "SOL-USD", "ann"));
    expect(money(world, "ann", "SOL")).toBe("SOL 0 + 12");
    // Two more, at the price at which ten came in.
    expect(position()).toMatchObject({ qty: sol("12"), costBasis: cost + cost / 5n, realizedPnl: 0n });
    world.transfer("ann", "deposit", "SOL", sol("2"));
    expect(position()).toMatchObject({ qty: sol("14") });
    world.atAccount("ann", repaySuspense);
    expect(money(world, "ann", "SOL")).toBe("SOL 0 + 12");
    expect(position()).toMatchObject({ qty: sol("12"), costBasis: cost + cost / 5n, realizedPnl: 0n });
    expect(owedToSuspense(world.customer("ann").state)).toEqual([]);
  });

  it("is missing for a moment only when another market has it: markets are told one after the other", () => {
    const world = new CoreWorld(["ann", "bob"], [listed("SOL-USD"), listed("DOGE-USD")]);
    world.transfer("ann", "deposit", "DOGE", 1_000_000_000n);
    world.transfer("bob", "deposit", "USD", usd("1000"));
    for (const { state } of world.venues.values()) state.step = Number.MAX_SAFE_INTEGER;
    const kept = world.customer("ann").journal.length;
    const price = usd("0.2");
    placed(world, "bob", { symbol: "DOGE-USD", qty: 1_000_000_000n, limitPrice: price });
    placed(world, "ann", { symbol: "DOGE-USD", side: "sell", qty: 1_000_000_000n, limitPrice: price });
    const has = usd("199.6");
    expect(balanceOf(world.customer("ann").state, "available", "USD")).toBe(has);
    placed(world, "ann", { qty: sol("1") });
    restoreAccount(world, "ann", kept);
    shake(world, "ann", "SOL-USD");
    expect(owedToSuspense(world.customer("ann").state)).toEqual([["USD", usd("180.36")]]);
    expect(accountBreaks(world.customer("ann").state)).toEqual([]);
    shake(world, "ann", "DOGE-USD");
    expect(balanceOf(world.customer("ann").state, "available", "USD")).toBe(has);
    open(world);
    expect(owedToSuspense(world.customer("ann").state)).toEqual([]);
    expect(money(world, "ann", "USD")).toBe("USD 19.24 + 180.36");
    expect(world.customer("ann").state.restoring).toBe(false);
    const journal = world.accountEvents("ann").length;
    world.atAccount("ann", repaySuspense);
    expect(world.accountEvents("ann")).toHaveLength(journal);
  });
});

describe("when hands are shaken", () => {
  it("commands that no report has answered are sent anew, under the next numbers", () => {
    const world = pair();
    const heard = placed(world, "ann", { qty: sol("1"), limitPrice: usd("171") });
    world.cancel("ann", heard);
    const unheard = value(world.place("ann", { qty: sol("2"), limitPrice: usd("172") }));
    const both = value(world.place("ann", { qty: sol("3"), limitPrice: usd("173") }));
    world.cancel("ann", both);
    const kept = world.customer("ann").journal.length;
    restoreAccount(world, "ann", kept);
    expect(shake(world, "ann", "SOL-USD")).toBeNull();
    expect(pending(world)).toEqual([
      `6 cancel ${heard.id}`,
      `7 submit ${unheard.id}`,
      `8 submit ${both.id}`,
      `9 cancel ${both.id}`,
    ]);
    open(world);
    world.settle();
    const ends = [heard, unheard, both].map((order) => now(world, "ann", order).status);
    expect(ends).toEqual(["canceled", "new", "canceled"]);
    expect(world.breaks(true)).toEqual([]);
  });

  it("a change is asked for anew as it was, and a group goes as one again", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("1"), limitPrice: usd("171") });
    value(world.replace("ann", order, { qty: sol("2") }));
    const lead = { side: "buy", type: "limit", limitPrice: usd("172"), qty: sol("1") } as const;
    const parent = value(
      world.placeGroup("ann", { kind: "oto", lead, takeProfit: { limitPrice: usd("190") }, stopLoss: null }),
    );
    const kept = world.customer("ann").journal.length;
    restoreAccount(world, "ann", kept);
    expect(shake(world, "ann", "SOL-USD")).toBeNull();
    const ids = [parent.id, ...(parent.group?.legs ?? [])];
    expect(pending(world)).toEqual([`4 replace ${order.id}`, `5 submit_group ${ids}`]);
    open(world);
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ qty: sol("2"), replacing: null, replaceRefused: null });
    expect(ids.map((id) => now(world, "ann", { ...parent, id }).status)).toEqual(["new", "held"]);
    expect(world.breaks(true)).toEqual([]);
  });

  it("what the market has heard is not sent again, although its answer was lost", () => {
    const world = pair();
    const order = value(world.place("ann", { qty: sol("2"), limitPrice: usd("172") }));
    const kept = world.customer("ann").journal.length;
    world.sendCommands("ann", "SOL-USD");
    restoreAccount(world, "ann", kept);
    expect(shake(world, "ann", "SOL-USD")).toBeNull();
    expect(pending(world)).toEqual([]);
    expect(now(world, "ann", order)).toMatchObject({ status: "new" });
  });

  it("nothing is asked of another market", () => {
    const world = new CoreWorld(["ann"], [listed("SOL-USD"), listed("DOGE-USD")]);
    world.transfer("ann", "deposit", "USD", usd("1000"));
    value(world.place("ann", { qty: sol("1"), limitPrice: usd("180") }));
    const kept = world.customer("ann").journal.length;
    restoreAccount(world, "ann", kept);
    shake(world, "ann", "DOGE-USD");
    expect([pending(world), pending(world, "DOGE-USD")]).toEqual([[], []]);
    shake(world, "ann", "SOL-USD");
    expect(pending(world)).toHaveLength(1);
  });

  it("commands up to the higher count are done with, and the market is known in its epoch", () => {
    const world = pair();
    const { state } = world.customer("ann");
    value(world.place("ann", { qty: sol("1"), limitPrice: usd("180") }));
    world.atAccount("ann", (turn) => meetMarket(turn, "SOL-USD", 4, 7));
    expect(accountPeer(state, "SOL-USD")).toMatchObject({ epoch: 4, cseq: 8, acknowledged: 7 });
    expect(pending(world)).toEqual([`8 submit ${onlyOrder(world).id}`]);
    expect(() => world.atAccount("ann", (turn) => meetMarket(turn, "SOL-USD", 4, 7))).toThrow(
      "SOL-USD has met 7 of 8 commands",
    );
  });

  it("an order is asked for again as it was: with its first hold and its first time", () => {
    const world = pair();
    const order = value(world.place("ann", { qty: sol("1"), timeInForce: "ioc", limitPrice: usd("180") }));
    const [before] = world.customer("ann").state.peers.get("SOL-USD")?.pending ?? [];
    world.now = NOON + 60_000;
    restoreMarket(world, "SOL-USD", 0);
    shake(world, "ann", "SOL-USD");
    const [after] = world.customer("ann").state.peers.get("SOL-USD")?.pending ?? [];
    expect(after).toEqual({ ...before, cseq: 2 });
    shake(world, "bob", "SOL-USD");
    open(world);
    world.settle();
    // It counted for five seconds.
    expect(now(world, "ann", order)).toMatchObject({ status: "rejected", reason: "submitted_too_late" });
  });
});

describe("two sides that give different names to one report have a conflict", () => {
  const mark: Mark = { rseq: 2, orderId: "ord_1", execType: "fill", executionId: "exe_1" };

  it.each<[string, Mark | null, Mark | null]>([
    ["the same names", mark, { ...mark }],
    ["different numbers: one knows more", mark, { ...mark, rseq: 3, orderId: "ord_2" }],
    ["nothing known here", null, mark],
    ["nothing known there", mark, null],
  ])("not with %s", (_what, mine, theirs) => {
    expect(conflictOf(mine, theirs)).toBeNull();
  });

  it.each<[string, Partial<Mark>, string]>([
    ["another order", { orderId: "ord_2" }, "fill of ord_2 exe_1"],
    ["another kind", { execType: "canceled" }, "canceled of ord_1 exe_1"],
    ["another kind, of which nothing was executed", { execType: "canceled", executionId: null }, "canceled of ord_1"],
    ["another execution", { executionId: "exe_2" }, "fill of ord_1 exe_2"],
  ])("with %s", (_what, other, name) => {
    expect(conflictOf(mark, { ...mark, ...other })).toBe(
      `conflict: report 2 is fill of ord_1 exe_1 here and ${name} there`,
    );
  });

  it("and nothing is applied on either side", () => {
    const world = pair();
    placed(world, "bob", { side: "sell", qty: sol("1") });
    const order = placed(world, "ann", { qty: sol("1") });
    // The snapshot of another market's life.
    const venue = world.venue("SOL-USD");
    venue.journal = venue.journal.map((event) => event.replaceAll("exe_", "exe_other_"));
    venue.read = [];
    restoreMarket(world, "SOL-USD", venue.journal.length);
    const before = [stateHash(world), marketStateHash(world.venue("SOL-USD").state, sha256)];
    const conflict = /^conflict: report 2 is fill of (ord_\d+) exe_other_\d+ here and fill of \1 exe_\d+ there$/;
    expect(shake(world, "ann", "SOL-USD")).toMatch(conflict);
    expect([stateHash(world), marketStateHash(world.venue("SOL-USD").state, sha256)]).toEqual(before);
    expect(now(world, "ann", order)).toMatchObject({ status: "filled" });
  });
});

describe("an event of a restore that does not follow is refused:", () => {
  it("an order made again that is open", () => {
    const world = pair();
    placed(world, "ann", { qty: sol("3") });
    restoreAccount(world, "ann", DEPOSITS);
    const [made] = tell(world, toldByMarket(world, "SOL-USD", "ann"));
    if (made?.kind !== "reimported") throw new Error("nothing was made again");
    const { state } = world.customer("ann");
    const again = { ...made, first: state.seq + 1, seq: state.seq + 1, at: state.at };
    expect(() => applyAccountEvent(state, again)).toThrow(/order ord_\d+ exists/);
  });
});
