import { describe, expect, it } from "vitest";
import { applyReports, understands } from "../../src/core/account/reports.ts";
import { type AccountEvent, applyAccountEvent, balanceOf } from "../../src/core/account/state.ts";
import { accountStateHash } from "../../src/core/account/state-hash.ts";
import { streamMessages } from "../../src/core/account/stream.ts";
import { OPEN_ORDERS_MAX, SUBMIT_DEADLINE_MS } from "../../src/core/limits.ts";
import { applyCommands } from "../../src/core/market/decide.ts";
import { marketStateHash } from "../../src/core/market/state.ts";
import type { Report } from "../../src/core/messages.ts";
import { UNITS_MAX } from "../../src/core/money.ts";
import type { Order } from "../../src/core/order.ts";
import { referencePrice } from "../../src/core/prices.ts";
import { countingIds, listed, NOON, SEED, sha256 } from "../support/book.ts";
import { CoreWorld } from "../support/core-world.ts";
import { money, now, pair, placed, sol, usd, value } from "../support/pair.ts";

const SOL = listed("SOL-USD");
function commands(world: CoreWorld, id: string) {
  return world.customer(id).state.peers.get("SOL-USD")?.pending ?? [];
}

function reportAt(world: CoreWorld, id: string, report: Partial<Report>): () => number {
  const { state, orders } = world.customer(id);
  const turn = { state, ctx: { now: world.now, makeId: countingIds(), sha256, priceSeed: SEED }, events: [] };
  const full: Report = {
    rseq: 1,
    orderId: "",
    execType: "new",
    at: world.now,
    reason: null,
    fill: null,
    rules: null,
    ...report,
  };
  return () => applyReports(turn, "SOL-USD", [full], (order) => orders.get(order));
}

describe("placing an order", () => {
  it("holds its worst cost and sends it, in one event; it is pending until the market has spoken", () => {
    const world = pair();
    const order = value(world.place("ann", { qty: sol("3"), limitPrice: usd("180.1") }));
    expect(order).toMatchObject({ status: "pending_new", hold: usd("541.3806"), credit: sol("3"), fee: 0n });
    expect(world.accountEvents("ann").at(-1)).toMatchObject({ kind: "order_accepted", first: order.seq });
    expect(money(world, "ann", "USD")).toBe("USD 9458.6194 + 541.3806");
    expect(commands(world, "ann")).toMatchObject([
      { kind: "submit", cseq: 1, order: { id: order.id, budget: order.hold } },
    ]);
    world.settle();
    expect(now(world, "ann", order).status).toBe("new");
    expect(money(world, "ann", "USD")).toBe("USD 9458.6194 + 541.3806");
  });

  it("refused, leaves nothing but the refusal in the journal", () => {
    const world = pair();
    expect(world.place("ann", { qty: sol("1000"), limitPrice: usd("180") }).ok).toBe(false);
    expect(world.accountEvents("ann").at(-1)).toMatchObject({
      kind: "refused",
      refusal: { code: "insufficient_funds" },
    });
    expect(money(world, "ann", "USD")).toBe("USD 10000 + 0");
    expect([...world.customer("ann").orders]).toEqual([]);
  });

  it.each<[string, object, number | null]>([
    [
      "five seconds for a market order",
      { type: "market", timeInForce: "ioc", limitPrice: null },
      NOON + SUBMIT_DEADLINE_MS,
    ],
    ["five seconds for one that says gtc, too", { type: "market", limitPrice: null }, NOON + SUBMIT_DEADLINE_MS],
    ["five seconds for ioc", { timeInForce: "ioc" }, NOON + SUBMIT_DEADLINE_MS],
    ["five seconds for fok", { timeInForce: "fok" }, NOON + SUBMIT_DEADLINE_MS],
    ["its own time for gtd", { timeInForce: "gtd", expiresAt: NOON + 90_000 }, NOON + 90_000],
    ["00:00 UTC for day", { timeInForce: "day" }, Date.UTC(2026, 10, 22)],
    ["for ever for gtc", {}, null],
  ])("counts %s", (_rule, wish, notAfter) => {
    const world = pair();
    value(world.place("ann", { qty: sol("1"), limitPrice: usd("180"), ...wish }));
    expect(commands(world, "ann")).toMatchObject([{ notAfter, rulesVersion: 1 }]);
  });
});

describe("a fill", () => {
  it("at a better price and the cheaper fee releases what it did not cost; the seller gets its worth less the fee", () => {
    const world = pair();
    const ask = value(world.place("ann", { side: "sell", qty: sol("2"), limitPrice: usd("180") }));
    world.settle();
    const bid = value(world.place("bob", { qty: sol("3"), limitPrice: usd("181") }));
    world.settle();
    // Two at 180 and 20 bps, paid; one more at 181 and 20 bps, held.
    expect(now(world, "bob", bid)).toMatchObject({
      status: "partially_filled",
      filledQty: sol("2"),
      fee: usd("0.72"),
      hold: usd("181.362"),
    });
    expect(money(world, "bob", "USD")).toBe("USD 9457.918 + 181.362");
    expect(money(world, "bob", "SOL")).toBe("SOL 12 + 0");
    expect(now(world, "ann", ask)).toMatchObject({
      status: "filled",
      filledNotional: usd("360"),
      fee: usd("0.36"),
      hold: 0n,
    });
    expect(money(world, "ann", "USD")).toBe("USD 10359.64 + 0");
    expect(money(world, "ann", "SOL")).toBe("SOL 8 + 0");
    expect(world.breaks(true)).toEqual([]);
  });

  it("of a maker buy ends with nothing held: the dearer fee that was held is released", () => {
    const world = pair();
    value(world.place("bob", { qty: sol("2"), limitPrice: usd("180") }));
    world.settle();
    value(world.place("ann", { side: "sell", type: "market", timeInForce: "ioc", qty: sol("2") }));
    world.settle();
    expect(money(world, "bob", "USD")).toBe("USD 9639.64 + 0");
    expect(money(world, "ann", "USD")).toBe("USD 10359.28 + 0");
  });

  it("moves the position at average cost, fees included", () => {
    const world = pair();
    const cost = world.customer("bob").state.positions.get("SOL-USD")?.costBasis ?? 0n;
    expect(cost).toBe(10n * referencePrice(SOL, SEED, NOON));
    value(world.place("ann", { side: "sell", qty: sol("2"), limitPrice: usd("180") }));
    world.settle();
    value(world.place("bob", { qty: sol("2"), limitPrice: usd("180") }));
    world.settle();
    expect(world.customer("bob").state.positions.get("SOL-USD")).toMatchObject({
      qty: sol("12"),
      costBasis: cost + usd("360.72"),
    });
    const realizedPnl = usd("359.64") - cost / 5n;
    expect(world.customer("ann").state.positions.get("SOL-USD")).toMatchObject({ qty: sol("8"), realizedPnl });
  });

  it("opens a position for what the account never had", () => {
    const world = new CoreWorld(["ann", "bob"], [SOL]);
    world.transfer("ann", "deposit", "SOL", sol("1"));
    world.transfer("bob", "deposit", "USD", usd("200"));
    value(world.place("ann", { side: "sell", qty: sol("1"), limitPrice: usd("180") }));
    world.venue("SOL-USD").state.step = Number.MAX_SAFE_INTEGER;
    world.settle();
    value(world.place("bob", { qty: sol("1"), limitPrice: usd("180") }));
    world.settle();
    const bought = { symbol: "SOL-USD", qty: sol("1"), costBasis: usd("180.36"), realizedPnl: 0n };
    expect(world.customer("bob").state.positions.get("SOL-USD")).toEqual(bought);
  });

  it("of a market order by notional leaves what it could not spend available", () => {
    const world = pair();
    value(world.place("ann", { side: "sell", qty: sol("5"), limitPrice: usd("180") }));
    world.settle();
    const order = value(world.place("bob", { type: "market", timeInForce: "ioc", notional: usd("100") }));
    world.settle();
    expect(now(world, "bob", order)).toMatchObject({ status: "filled", filledQty: sol("0.5544"), hold: 0n });
    expect(money(world, "bob", "USD")).toBe("USD 9900.008416 + 0");
  });

  it("tells the stream of the order, the fill and each balance, every message with a number of its own", () => {
    const world = pair();
    value(world.place("ann", { side: "sell", qty: sol("1"), limitPrice: usd("180") }));
    world.settle();
    value(world.place("bob", { qty: sol("1"), limitPrice: usd("180") }));
    world.settle();
    const fill = world.accountEvents("bob").find((event) => event.kind === "report" && event.fill !== null);
    if (fill === undefined) throw new Error("bob got no fill");
    expect(streamMessages(fill).map(({ channel }) => channel)).toEqual(["orders", "fills", "balances", "balances"]);
    let last = 0;
    for (const event of world.accountEvents("bob")) {
      expect([event.first, event.seq - event.first + 1]).toEqual([last + 1, Math.max(1, streamMessages(event).length)]);
      last = event.seq;
    }
  });
});

describe("a report's messages on the account stream", () => {
  const world = pair();
  placed(world, "ann", { qty: sol("1"), limitPrice: usd("181") });
  placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("181") });
  const told = world.accountEvents("bob").find((event) => event.kind === "report" && event.fill !== null);
  if (told?.kind !== "report" || told.fill === null) throw new Error("bob got no fill");
  const channels = (event: AccountEvent) => streamMessages(event).map(({ channel }) => channel);

  it("are the order as it is now, its fill where there is one, and each balance", () => {
    const [order, fill, ...balances] = streamMessages(told);
    expect([order, fill]).toEqual([
      { channel: "orders", execType: "fill", order: told.order },
      { channel: "fills", fill: told.fill },
    ]);
    expect(balances).toEqual(told.balances.map((balance) => ({ channel: "balances", balance })));
    expect(channels({ ...told, execType: "canceled", fill: null, balances: [] })).toEqual(["orders"]);
  });

  it.each(["cancel_rejected", "rules_changed"] as const)(
    "say nothing of the order that has not changed: %s",
    (execType) => {
      expect(channels({ ...told, execType, balances: [] })).toEqual([]);
    },
  );
});

describe("an event says which of the customer's balances it changes, and what they are after it:", () => {
  it("both parts of each, once for each asset, in the order of its postings", () => {
    const world = pair();
    placed(world, "ann", { qty: sol("3"), limitPrice: usd("181") });
    placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("181") });
    const order = placed(world, "ann", { side: "sell", qty: sol("2"), limitPrice: usd("190") });
    placed(world, "bob", { qty: sol("1"), limitPrice: usd("190") });
    world.cancel("ann", now(world, "ann", order));
    world.settle();
    world.transfer("ann", "deposit", "USD", usd("1"));
    const told = world
      .accountEvents("ann")
      .map((event) => event.balances.map((b) => `${b.asset} ${b.available} + ${b.held}`).join(", "));
    const rest = usd("362.724");
    const left = usd("10000") - usd("181.181") - rest;
    expect(told).toEqual([
      `USD ${usd("10000")} + 0`,
      `SOL ${sol("10")} + 0`,
      `USD ${usd("9455.914")} + ${usd("544.086")}`,
      "",
      `USD ${left} + ${rest}, SOL ${sol("11")} + 0`,
      `SOL ${sol("9")} + ${sol("2")}`,
      "",
      `SOL ${sol("9")} + ${sol("1")}, USD ${left + usd("189.81")} + ${rest}`,
      "",
      `SOL ${sol("10")} + 0`,
      `USD ${left + usd("190.81")} + ${rest}`,
    ]);
  });
});

describe("the end of an order releases all that it holds, once", () => {
  it.each<[string, (world: CoreWorld, order: Order) => unknown, object]>([
    [
      "canceled",
      (world, order) => world.cancel("ann", order),
      { status: "canceled", reason: "user", cancelRequested: false },
    ],
    ["expired", (world) => world.wakeAt(NOON + 60_000), { status: "expired", reason: "gtd" }],
  ])("%s", (_end, act, facts) => {
    const world = pair();
    const order = value(
      world.place("ann", { qty: sol("3"), limitPrice: usd("180"), timeInForce: "gtd", expiresAt: NOON + 60_000 }),
    );
    world.settle();
    value(world.place("bob", { side: "sell", qty: sol("1"), limitPrice: usd("180") }));
    world.settle();
    act(world, order);
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ ...facts, filledQty: sol("1"), hold: 0n });
    expect(money(world, "ann", "USD")).toBe("USD 9819.82 + 0");
    expect(world.breaks(true)).toEqual([]);
  });

  it("rejected by its market", () => {
    const world = pair();
    value(world.place("bob", { side: "sell", qty: sol("1"), limitPrice: usd("180") }));
    world.settle();
    const order = value(world.place("ann", { qty: sol("3"), limitPrice: usd("180"), postOnly: true }));
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "rejected", reason: "post_only_would_cross", hold: 0n });
    expect(money(world, "ann", "USD")).toBe("USD 10000 + 0");
  });
});

describe("a cancel", () => {
  it("changes nothing until the market has reported, and is sent once however often it is asked for", () => {
    const world = pair();
    const order = value(world.place("ann", { qty: sol("3"), limitPrice: usd("180") }));
    world.settle();
    const asked = world.cancel("ann", now(world, "ann", order));
    expect(asked).toMatchObject({ status: "new", cancelRequested: true, hold: order.hold });
    expect(world.cancel("ann", asked)).toBe(asked);
    expect(commands(world, "ann")).toEqual([{ kind: "cancel", cseq: 2, orderId: order.id }]);
    expect(money(world, "ann", "USD")).toBe("USD 9458.92 + 541.08");
  });

  it("stays asked for while its order is filled in parts, and no longer than the order is open", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("2") });
    value(world.place("bob", { side: "sell", qty: sol("0.5"), limitPrice: usd("180") }));
    world.sendCommands("bob", "SOL-USD");
    world.cancel("ann", order);
    world.sendReports("ann", "SOL-USD");
    expect(now(world, "ann", order)).toMatchObject({ status: "partially_filled", cancelRequested: true });
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "canceled", cancelRequested: false });
  });

  it("that comes too late leaves the order as its market filled it", () => {
    const world = pair();
    const order = value(world.place("ann", { qty: sol("1"), limitPrice: usd("180") }));
    world.settle();
    value(world.place("bob", { side: "sell", qty: sol("1"), limitPrice: usd("180") }));
    world.sendCommands("bob", "SOL-USD");
    world.cancel("ann", now(world, "ann", order));
    const filled = { status: "filled", cancelRequested: false };
    world.sendReports("ann", "SOL-USD");
    expect(now(world, "ann", order)).toMatchObject(filled);
    world.settle();
    expect(now(world, "ann", order)).toMatchObject(filled);
    expect(world.breaks(true)).toEqual([]);
  });
});

describe("a market whose rules have changed", () => {
  it("has an order under the old ones admitted again under the new, its hold and its fees as they were", () => {
    const world = pair();
    world.changeRules("SOL-USD", { takerFeeBps: 50 });
    const order = value(world.place("ann", { qty: sol("3"), limitPrice: usd("180") }));
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "new", takerFeeBps: 20, hold: order.hold });
    expect(world.customer("ann").state.rules.get("SOL-USD")).toMatchObject({ version: 2, takerFeeBps: 50 });
    expect(world.breaks(true)).toEqual([]);
  });

  it.each<[string, object, string]>([
    ["tick", { tickSize: usd("0.05") }, "off_tick"],
    ["lot", { lotSize: sol("0.01") }, "off_lot"],
    ["least worth", { minNotional: usd("1000") }, "below_min_notional"],
    ["status", { status: "halted" }, "market_not_open"],
  ])("has it refused for another %s, all its money released", (_rule, change, reason) => {
    const world = pair();
    world.changeRules("SOL-USD", change);
    const order = value(world.place("ann", { qty: sol("0.0551"), limitPrice: usd("180.01") }));
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "rejected", reason, hold: 0n });
    expect(money(world, "ann", "USD")).toBe("USD 10000 + 0");
  });

  it("judges one by notional by the quantity that it has become, which is in the lots of then", () => {
    const world = pair();
    world.changeRules("SOL-USD", { lotSize: sol("0.01") });
    const [odd, even] = ["99", "90.18"].map((notional) =>
      value(world.place("ann", { notional: usd(notional), limitPrice: usd("180") })),
    );
    expect([odd?.qty, even?.qty]).toEqual([sol("0.5489"), sol("0.5")]);
    world.settle();
    const ends = [odd, even].map((order) => order && now(world, "ann", order));
    expect(ends).toMatchObject([
      { status: "rejected", reason: "off_lot" },
      { status: "new", qty: sol("0.5") },
    ]);
  });

  it("does not refuse it for its own hold, nor for its own credit", () => {
    const world = pair();
    world.changeRules("SOL-USD", { takerFeeBps: 20 });
    const { state } = world.customer("ann");
    // All its money, and base that leaves room for this one order.
    world.transfer("ann", "withdrawal", "USD", usd("9819.64"));
    world.depositInParts("ann", "SOL", UNITS_MAX - sol("11"), sol("50000"));
    const order = value(world.place("ann", { qty: sol("1"), limitPrice: usd("180") }));
    expect(balanceOf(state, "available", "USD")).toBe(0n);
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "new", reason: null });
  });

  it("does not refuse it for its own place among the open orders", () => {
    const world = pair();
    world.changeRules("SOL-USD", { takerFeeBps: 50 });
    const { orders } = world.customer("ann").state;
    const order = value(world.place("ann", { qty: sol("1"), limitPrice: usd("180") }));
    for (let others = 1; others < OPEN_ORDERS_MAX; others += 1) orders.set(`ord_other_${others}`, order);
    expect(world.place("ann", { qty: sol("1") })).toMatchObject({ refusal: { code: "too_many_open_orders" } });
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "new" });
  });

  it("rejects it for what its account has become meanwhile, and names no rule for that", () => {
    const world = pair();
    world.changeRules("SOL-USD", { takerFeeBps: 50 });
    const order = value(world.place("ann", { qty: sol("1"), limitPrice: usd("180") }));
    world.happen("ann", { kind: "status_changed", status: "frozen", reason: "a drill" });
    world.settle();
    const rejected = now(world, "ann", order);
    expect(rejected).toMatchObject({ status: "rejected", reason: "account_frozen", hold: 0n });
    expect(rejected).not.toHaveProperty("broken");
    expect(money(world, "ann", "USD")).toBe("USD 10000 + 0");
    expect(world.breaks(true)).toEqual([]);
  });

  it("does not lose a cancel that was sent before it had judged the order", () => {
    const world = pair();
    world.changeRules("SOL-USD", { takerFeeBps: 50 });
    const order = value(world.place("ann", { qty: sol("3"), limitPrice: usd("180") }));
    world.cancel("ann", order);
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "canceled", reason: "user" });
    const late = world.accountEvents("ann").find((event) => event.kind === "report" && event.rseq === 2);
    expect(late).toMatchObject({
      execType: "cancel_rejected",
      command: { kind: "cancel", cseq: 4, orderId: order.id },
    });
    expect(money(world, "ann", "USD")).toBe("USD 10000 + 0");
    expect(world.breaks(true)).toEqual([]);
  });
});

describe("a frozen account", () => {
  const freeze = (world: CoreWorld, status: "frozen" | "active") =>
    world.happen("ann", { kind: "status_changed", status, reason: "asked by the police" });

  it("takes no order and lets no money out; what it had agreed to before goes on, and money may come in", () => {
    const world = pair();
    const [sold, resting] = ["1", "2"].map((qty) =>
      value(world.place("ann", { qty: sol(qty), limitPrice: usd("180") })),
    );
    if (sold === undefined || resting === undefined) throw new Error("ann has no orders");
    world.settle();
    freeze(world, "frozen");
    const refused = { ok: false, refusal: { code: "account_frozen" } };
    expect(world.place("ann", { qty: sol("1"), limitPrice: usd("180") })).toMatchObject(refused);
    expect(world.transfer("ann", "withdrawal", "USD", 1n)).toMatchObject(refused);
    value(world.transfer("ann", "deposit", "USD", usd("1")));
    value(world.place("bob", { side: "sell", qty: sol("1"), limitPrice: usd("180") }));
    world.settle();
    expect(now(world, "ann", sold)).toMatchObject({ status: "filled" });
    world.cancel("ann", now(world, "ann", resting));
    world.settle();
    expect(now(world, "ann", resting)).toMatchObject({ status: "canceled", hold: 0n });
    expect(money(world, "ann", "USD")).toBe("USD 9820.82 + 0");
  });

  it("thawed, is as it was; both are in the journal", () => {
    const world = pair();
    freeze(world, "frozen");
    freeze(world, "active");
    value(world.transfer("ann", "withdrawal", "USD", usd("10000")));
    value(world.place("ann", { side: "sell", qty: sol("1"), limitPrice: usd("180") }));
    const states = world
      .accountEvents("ann")
      .flatMap((event) => (event.kind === "status_changed" ? [event.status] : []));
    expect(states).toEqual(["frozen", "active"]);
    expect(world.replayedAccount("ann").status).toBe("active");
  });
});

describe("an account remembers", () => {
  it("a session that has ended for as long as its tokens live, and not longer: the list stays short", () => {
    const world = pair();
    const end = (sessionId: string, until: number) =>
      world.happen("ann", { kind: "session_revoked", sessionId, until });
    const { revokedSessions } = world.customer("ann").state;
    end("phone", NOON + 600_000);
    world.now = NOON + 600_000;
    end("laptop", NOON + 1_200_000);
    expect([...revokedSessions.keys()]).toEqual(["phone", "laptop"]);
    world.now += 1;
    end("tablet", NOON + 1_200_001);
    expect(Object.fromEntries(revokedSessions)).toEqual({ laptop: NOON + 1_200_000, tablet: NOON + 1_200_001 });
    expect(world.replayedAccount("ann").revokedSessions).toEqual(revokedSessions);
  });

  it("since when its tokens count, after all of them were ended at once", () => {
    const world = pair();
    world.happen("ann", { kind: "tokens_valid_from", from: NOON });
    expect(world.customer("ann").state.tokensValidFrom).toBe(NOON);
    expect(world.replayedAccount("ann").tokensValidFrom).toBe(NOON);
  });
});

describe("a report", () => {
  it("of a kind that only a newer market knows is not understood, nor is what comes with it", () => {
    const report = { rseq: 1, orderId: "ord_1", at: NOON, reason: null, fill: null, rules: null };
    const kinds = ["new", "rejected", "fill", "canceled", "expired", "cancel_rejected", "rules_changed"] as const;
    const known = kinds.map((execType): Report => ({ ...report, execType }));
    expect(understands([])).toBe(true);
    expect(understands(known)).toBe(true);
    expect(understands([...known, { ...report, execType: "amended" as Report["execType"] }])).toBe(false);
  });

  it("is applied once and in its order: an older one and one after a gap change nothing", () => {
    const world = pair();
    const order = value(world.place("ann", { qty: sol("1"), limitPrice: usd("180") }));
    world.settle();
    const hash = accountStateHash(world.customer("ann").state, sha256);
    expect(reportAt(world, "ann", { orderId: order.id, execType: "canceled", rseq: 1 })()).toBe(1);
    expect(reportAt(world, "ann", { orderId: order.id, execType: "canceled", rseq: 3 })()).toBe(1);
    expect(accountStateHash(world.customer("ann").state, sha256)).toBe(hash);
    expect(reportAt(world, "ann", { orderId: order.id, execType: "canceled", rseq: 2 })()).toBe(2);
    expect(now(world, "ann", order).hold).toBe(order.hold);
    expect(world.customer("ann").state.orders.size).toBe(0);
  });

  it("that changes an order is its last change: time and place in the stream; one that changes none leaves both", () => {
    const world = pair();
    world.changeRules("SOL-USD", { takerFeeBps: 50 });
    const order = value(world.place("ann", { qty: sol("1"), limitPrice: usd("180") }));
    const cancel = world.cancel("ann", order);
    expect(cancel).toMatchObject({ seq: order.seq, updatedAt: NOON });
    world.now = NOON + 1_000;
    world.settle();
    const reports = world.accountEvents("ann").flatMap((event) => (event.kind === "report" ? [event] : []));
    expect(reports.map(({ execType, order: { updatedAt } }) => [execType, updatedAt])).toEqual([
      ["rules_changed", NOON],
      ["cancel_rejected", NOON],
      ["new", NOON + 1_000],
      ["canceled", NOON + 1_000],
    ]);
    expect(reports.map(({ first, order: { seq } }) => seq - first === 0)).toEqual([false, false, true, true]);
    expect(reports.slice(0, 2).map(({ order: { seq } }) => seq)).toEqual([order.seq, order.seq]);
  });

  it("finds an order that others before it in the same turn have ended", () => {
    const world = pair();
    const [one, other] = ["180", "179"].map((price) => placed(world, "ann", { qty: sol("1"), limitPrice: usd(price) }));
    if (one === undefined || other === undefined) throw new Error("ann has no orders");
    value(world.place("bob", { side: "sell", qty: sol("2"), limitPrice: usd("179") }));
    world.sendCommands("bob", "SOL-USD");
    for (const order of [one, other]) world.cancel("ann", order);
    world.settle();
    const ends = world.accountEvents("ann").flatMap((event) => (event.kind === "report" ? [event] : []));
    expect(ends.slice(-4).map(({ execType, order }) => [execType, order.id, order.status, order.hold])).toEqual([
      ["fill", one.id, "filled", 0n],
      ["fill", other.id, "filled", 0n],
      ["cancel_rejected", one.id, "filled", 0n],
      ["cancel_rejected", other.id, "filled", 0n],
    ]);
    expect(money(world, "ann", "SOL")).toBe("SOL 12 + 0");
  });

  const fill = {
    executionId: "exe_x",
    tradeId: "trd_x",
    price: usd("180"),
    qty: sol("1"),
    fee: usd("0.36"),
    liquidity: "taker",
    done: true,
  } as const;

  it.each<[string, Partial<Report>, string]>([
    ["of an order that the account never placed", { orderId: "ord_x" }, "which this account never placed"],
    [
      "of a fee that is not the agreed one",
      { execType: "fill", fill: { ...fill, fee: 1n } },
      "fee 1 of exe_x should be 360000",
    ],
    [
      "of more than was ordered",
      { execType: "fill", fill: { ...fill, qty: sol("2"), fee: usd("0.72") } },
      "overfilled",
    ],
    [
      "of a price above the limit",
      { execType: "fill", fill: { ...fill, price: usd("181"), fee: usd("0.362") } },
      "costs more than its hold",
    ],
    [
      "that it is done when it is not",
      { execType: "fill", fill: { ...fill, qty: sol("0.5"), fee: usd("0.18") } },
      "done too early",
    ],
    ["of a step that no order takes", { execType: "canceled" }, "pending_new to canceled"],
    ["of a fill that does not say what was filled", { execType: "fill" }, "a fill report comes with its fill"],
    ["of changed rules without the rules", { execType: "rules_changed" }, "changed rules come with the report"],
  ])("%s stops the account before anything is kept", (_what, report, message) => {
    const world = pair();
    const order = value(world.place("ann", { qty: sol("1"), limitPrice: usd("180") }));
    const open = report.execType === "fill" ? reportAt(world, "ann", { orderId: order.id }) : () => 0;
    open();
    const rseq = report.execType === "fill" ? 2 : 1;
    expect(reportAt(world, "ann", { orderId: order.id, rseq, ...report })).toThrow(message);
  });

  it("that it has lost an order which it had taken stops the account: a cancel asked for again would be answered the same without end", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("1"), limitPrice: usd("180") });
    world.venue("SOL-USD").state.orders.delete(order.id);
    world.cancel("ann", now(world, "ann", order));
    expect(() => world.settle()).toThrow(`order ${order.id} is open, and its market has none`);
  });
});

describe("money in and out", () => {
  it("settles at once, each with an entry against what is outside", () => {
    const world = pair();
    const deposit = value(world.transfer("ann", "deposit", "USD", usd("5.5")));
    expect(deposit).toMatchObject({ status: "settled", kind: "deposit", amount: usd("5.5") });
    expect(money(world, "ann", "USD")).toBe("USD 10005.5 + 0");
    expect(balanceOf(world.customer("ann").state, "external", "USD")).toBe(-usd("10005.5"));
  });

  it("moves with an entry that says why, and for what", () => {
    const world = pair();
    const bid = placed(world, "ann", { qty: sol("2") });
    placed(world, "bob", { side: "sell", qty: sol("1") });
    world.cancel("ann", now(world, "ann", bid));
    world.settle();
    const paid = value(world.transfer("ann", "withdrawal", "USD", usd("1")));
    const events = world.accountEvents("ann").slice(2);
    const [fill] = events.flatMap((event) => (event.kind === "report" && event.fill ? [event.fill] : []));
    const entries = events.flatMap((event) => ("entry" in event && event.entry ? [event.entry] : []));
    const all = world.accountEvents("ann").flatMap((event) => ("entry" in event && event.entry ? [event] : []));
    expect(all.map(({ entry }) => entry?.seq)).toEqual(all.map(({ first }) => first));
    expect(all.map(({ entry }) => entry?.id)).toEqual(all.map(() => expect.stringMatching(/^ent_\d+$/)));
    expect(paid.id).toMatch(/^wdr_/);
    expect(world.accountEvents("ann")[0]).toMatchObject({ transfer: { id: expect.stringMatching(/^dep_/) } });
    expect(entries.map(({ kind, ref }) => [kind, ref])).toEqual([
      ["hold", bid.id],
      ["fill", fill?.id],
      ["release", bid.id],
      ["withdrawal", paid.id],
    ]);
  });

  it("takes out all that is available and not one unit more; what is held stays", () => {
    const world = pair();
    value(world.place("ann", { qty: sol("1"), limitPrice: usd("180") }));
    const available = balanceOf(world.customer("ann").state, "available", "USD");
    const refused = world.transfer("ann", "withdrawal", "USD", available + 1n);
    expect(refused).toMatchObject({
      ok: false,
      refusal: { code: "insufficient_funds", asset: "USD", available: "9819.64" },
    });
    value(world.transfer("ann", "withdrawal", "USD", available));
    expect(money(world, "ann", "USD")).toBe("USD 0 + 180.36");
  });

  it.each([
    ["USD", usd("10000000")],
    ["SOL", (usd("10000000") * sol("1")) / referencePrice(SOL, SEED, NOON)],
  ])("is worth at most 10,000,000 USD at a time, in %s too; what is refused is journalled", (asset, most) => {
    const world = pair();
    for (const kind of ["deposit", "withdrawal"] as const) {
      for (const amount of [most + 1_000n, UNITS_MAX + 1n, 10n ** 26n]) {
        const detail = "At most 10,000,000 USD at a time.";
        expect(world.transfer("ann", kind, asset, amount)).toMatchObject({
          refusal: { code: "amount_out_of_range", detail },
        });
        expect(world.accountEvents("ann").at(-1)).toMatchObject({ kind: "refused" });
      }
    }
    value(world.transfer("ann", "deposit", asset, most));
    value(world.transfer("ann", "withdrawal", asset, most));
  });

  it("never lets a balance past its bound, counting what is held and what open orders may bring in", () => {
    const world = pair();
    placed(world, "ann", { side: "sell", qty: sol("1"), limitPrice: usd("190") });
    // It may bring in twice its worth at the reference.
    const credit = 2n * referencePrice(SOL, SEED, NOON);
    world.depositInParts("ann", "USD", UNITS_MAX - usd("10000") - credit, usd("10000000"));
    expect(world.transfer("ann", "deposit", "USD", 1n)).toMatchObject({ refusal: { code: "amount_out_of_range" } });
    placed(world, "ann", { qty: sol("1"), limitPrice: usd("170") });
    expect(world.transfer("ann", "deposit", "USD", 1n)).toMatchObject({ refusal: { code: "amount_out_of_range" } });
  });

  it("of nothing is a bug", () => {
    expect(() => pair().transfer("ann", "deposit", "USD", 0n)).toThrow(/transfer dep_\d+ moves nothing/);
  });

  it("never lets a balance past its bound; what has come in altogether may pass it", () => {
    const world = pair();
    world.depositInParts("ann", "USD", UNITS_MAX - usd("10005"), usd("10000000"));
    expect(world.transfer("ann", "deposit", "USD", usd("5") + 1n)).toMatchObject({
      refusal: { code: "amount_out_of_range" },
    });
    value(world.transfer("ann", "deposit", "USD", usd("5")));
    value(world.transfer("bob", "withdrawal", "USD", usd("9000")));
    value(world.place("bob", { side: "sell", qty: sol("1"), limitPrice: usd("180") }));
    world.settle();
    value(world.place("ann", { qty: sol("1"), limitPrice: usd("180") }));
    world.settle();
    expect(balanceOf(world.customer("ann").state, "available", "USD")).toBe(UNITS_MAX - usd("180.36"));
    value(world.transfer("ann", "deposit", "USD", usd("180.36")));
    expect(balanceOf(world.customer("ann").state, "external", "USD")).toBe(-UNITS_MAX - usd("180.36"));
    expect(world.transfer("ann", "deposit", "USD", 1n)).toMatchObject({ refusal: { code: "amount_out_of_range" } });
  });
});

describe("a state hash", () => {
  it("does not tell a market that was never dealt with from one that was only looked at", () => {
    const world = pair();
    const before = accountStateHash(world.customer("ann").state, sha256);
    world.sendReports("ann", "SOL-USD");
    expect(accountStateHash(world.customer("ann").state, sha256)).toBe(before);
  });

  it("of a market neither: an early command leaves no trace in it", () => {
    const { state } = pair().venue("SOL-USD");
    const before = marketStateHash(state, sha256);
    const turn = { state, ctx: { now: NOON, makeId: countingIds(), sha256, priceSeed: SEED }, events: [] };
    applyCommands(turn, "cat", [{ kind: "cancel", cseq: 5, orderId: "ord_1" }]);
    expect(marketStateHash(state, sha256)).toBe(before);
  });

  it("is the same when the journal is replayed, and an event that does not follow is refused", () => {
    const world = pair();
    value(world.place("ann", { qty: sol("1"), limitPrice: usd("180") }));
    world.settle();
    const again = world.replayedAccount("ann");
    expect(accountStateHash(again, sha256)).toBe(accountStateHash(world.customer("ann").state, sha256));
    const [first] = world.accountEvents("ann");
    if (first === undefined) throw new Error("nothing was journalled");
    expect(() => applyAccountEvent(again, first)).toThrow(/account event 1 after \d+/);
    const early: AccountEvent = { ...first, first: again.seq + 1, seq: again.seq + 1, at: again.at - 1 };
    expect(() => applyAccountEvent(again, early)).toThrow("account time went back");
  });
});
