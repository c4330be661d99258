// Other terms for an open order: what its market makes of them, and what its owner holds meanwhile.
import { describe, expect, it } from "vitest";
import { replaceRefusal } from "../../src/core/account/replace.ts";
import { applyReports } from "../../src/core/account/reports.ts";
import { fireTriggers } from "../../src/core/market/active.ts";
import { peerOf } from "../../src/core/market/state.ts";
import { UNITS_MAX } from "../../src/core/money.ts";
import { Desk, deskWith, expectBook } from "../support/book.ts";
import { money, now, pair, placed, sol, usd, value } from "../support/pair.ts";

const short = (sentences: string[]) => sentences.map((sentence) => sentence.split(",")[0] ?? "");

describe("an order at its market", () => {
  it("keeps its place when it is for less at the same price", () => {
    const desk = deskWith("a1:3 b1:2 | 179.9 |");
    expect(desk.send("replace a1 -1 @ 179.9")).toEqual(["a1 replaced"]);
    expectBook(desk, "a1:2 b1:2 | 179.9 |");
  });

  it.each(["replace a1 +1 @ 179.9", "replace a1 +0.5 @ 179.9"])("loses it when it is for more: %s", (sentence) => {
    const desk = deskWith("a1:3 b1:2 | 179.9 |");
    expect(desk.send(sentence)).toEqual(["a1 replaced"]);
    expect(desk.state.book.buy.levels.get(desk.price("179.9"))?.orders.keys().next().value).toBe("b1");
  });

  it("loses it when its price changes, to the end of the other level", () => {
    const desk = deskWith("a1:3 b1:2 | 179.9 |\nc1:1 | 179.8 |");
    expect(desk.send("replace a1 -1 @ 179.8")).toEqual(["a1 replaced"]);
    expectBook(desk, "b1:2 | 179.9 |\nc1:1 a1:2 | 179.8 |");
  });

  it("meets what its new price accepts, as one that comes in, at the maker's price", () => {
    const desk = deskWith("| 180.1 | c1:1\na1:3 | 179.9 |");
    expect(short(desk.send("replace a1 +0 @ 180.2"))).toEqual([
      "a1 replaced",
      "a1 fill 1 @ 180.1",
      "c1 filled 1 @ 180.1",
    ]);
    expectBook(desk, "a1:2 | 180.2 |");
  });

  it("is canceled when it has got all that it now wants", () => {
    const desk = deskWith("a1:3 | 179.9 |");
    desk.send("x1 sell 2 @ 179.9");
    expect(desk.send("replace a1 -1 @ 179.9")).toEqual(["a1 canceled: replaced"]);
    expect(desk.state.orders.size).toBe(0);
  });

  it.each([
    ["another's order", "x", "order_not_open"],
    ["a price off the tick", "a", "off_tick"],
    ["a quantity off the lot", "a", "off_lot"],
    ["post_only, at a price that would trade", "a", "post_only_would_cross"],
    ["a trigger for one that waits for none", "a", "order_not_open"],
  ])("stays as it is for %s", (what, account, reason) => {
    const desk = deskWith("| 180.1 | c1:1\na1:3 | 179.9 |");
    const words = {
      off_tick: "+0 @ 179.905",
      off_lot: "+0.00000001 @ 179.9",
      post_only_would_cross: "+0 @ 180.1 post_only",
    };
    const sentence = what.includes("trigger")
      ? "+0 @ 179.9 rises:181"
      : (words[reason as keyof typeof words] ?? "+1 @ 179.9");
    const id = account === "x" ? "z9" : "a1";
    expect(desk.send(`replace ${id} ${sentence}`)).toEqual([`${id} replace_rejected: ${reason}`]);
    expectBook(desk, "| 180.1 | c1:1\na1:3 | 179.9 |");
  });

  it("stays as it is while the market is not open", () => {
    const desk = deskWith("a1:3 | 179.9 |");
    desk.state.rules = { ...desk.rules, status: "cancel_only" };
    expect(desk.send("replace a1 -1 @ 179.9")).toEqual(["a1 replace_rejected: market_not_open"]);
  });

  it("that waits, waits for its other trigger, or is triggered at once", () => {
    const desk = new Desk();
    desk.advance();
    desk.send("x1 sell 1 market falls:170");
    expect(desk.send("replace x1 +0 falls:171")).toEqual(["x1 replaced"]);
    expect(desk.state.orders.get("x1")?.trigger?.price).toBe(desk.price("171"));
    expect(short(desk.send("replace x1 +0 falls:185")).slice(0, 2)).toEqual(["x1 replaced", "x1 triggered at 185"]);
  });
});

describe("its owner", () => {
  it("holds what it may cost more at once, and gets back what it costs less once the market has answered", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("2") });
    expect(money(world, "ann", "USD")).toBe("USD 9639.28 + 360.72");
    value(world.replace("ann", order, { qty: sol("3") }));
    expect(money(world, "ann", "USD")).toBe("USD 9458.92 + 541.08");
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "new", qty: sol("3"), replacing: null });
    value(world.replace("ann", order, { limitPrice: usd("170") }));
    expect(money(world, "ann", "USD")).toBe("USD 9458.92 + 541.08");
    world.settle();
    expect(money(world, "ann", "USD")).toBe("USD 9488.98 + 511.02");
    expect(world.breaks(true)).toEqual([]);
  });

  it("gets back what was held more when the market makes no change", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("2") });
    value(world.replace("ann", order, { qty: sol("3") }));
    world.changeRules("SOL-USD", { status: "halted" });
    world.settle();
    expect(money(world, "ann", "USD")).toBe("USD 9639.28 + 360.72");
    expect(now(world, "ann", order)).toMatchObject({
      qty: sol("2"),
      replacing: null,
      replaceRefused: "market_not_open",
    });
    expect(world.breaks(true)).toEqual([]);
  });

  it("keeps enough for both while fills come under the old terms", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("4") });
    value(world.replace("ann", order, { qty: sol("2"), limitPrice: usd("185") }));
    value(world.place("bob", { side: "sell", qty: sol("3"), limitPrice: usd("180") }));
    world.sendCommands("bob", "SOL-USD");
    world.sendReports("ann", "SOL-USD");
    expect(now(world, "ann", order)).toMatchObject({ status: "partially_filled", filledQty: sol("3") });
    world.settle();
    const ended = now(world, "ann", order);
    expect(ended).toMatchObject({ status: "canceled", reason: "replaced", filledQty: sol("3") });
    // It is what was asked for, and no refusal.
    expect(ended.replaceRefused).toBeNull();
    expect(money(world, "ann", "USD")).toMatch(/ \+ 0$/);
    expect(world.breaks(true)).toEqual([]);
  });

  it("is told once of an order that was filled meanwhile, and nothing is left held", () => {
    const world = pair();
    const order = placed(world, "ann", { side: "sell", qty: sol("2"), limitPrice: usd("180") });
    value(world.replace("ann", order, { qty: sol("5") }));
    value(world.place("bob", { qty: sol("2"), limitPrice: usd("180") }));
    world.sendCommands("bob", "SOL-USD");
    world.sendReports("ann", "SOL-USD");
    expect(now(world, "ann", order)).toMatchObject({ status: "filled", replaceRefused: "order_not_open", hold: 0n });
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "filled", qty: sol("2") });
    expect(money(world, "ann", "SOL")).toBe("SOL 8 + 0");
    expect(world.breaks(true)).toEqual([]);
  });

  it("may cancel what is being replaced", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("2") });
    value(world.replace("ann", order, { qty: sol("3") }));
    world.cancel("ann", order);
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "canceled", reason: "user", replacing: null });
    expect(money(world, "ann", "USD")).toBe("USD 10000 + 0");
  });

  it.each([
    ["a change under way", { qty: sol("3") }, { code: "replace_pending" }],
    ["more than there is", { qty: sol("90") }, { code: "insufficient_funds", asset: "USD", needed: "15871.68" }],
    ["a price off the tick", { limitPrice: usd("180.001") }, { code: "off_tick" }],
    ["a price outside of the band", { limitPrice: usd("120") }, { code: "price_outside_band" }],
    ["a quantity off the lot", { qty: sol("2.00001") }, { code: "off_lot" }],
    ["too little", { qty: sol("0.001") }, { code: "below_min_notional" }],
    ["too much", { qty: sol("20001") }, { code: "above_max_qty" }],
    [
      "a stop, of one that has none",
      { stopPrice: usd("190") },
      { errors: [{ pointer: "/stop_price", code: "not_allowed" }] },
    ],
    [
      "a trail, of one that has none",
      { trail: { bps: 1 } },
      { errors: [{ pointer: "/trail_percent", code: "not_allowed" }] },
    ],
  ] as const)("is refused %s, and nothing is other than before", (what, wish, refusal) => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("2") });
    if (what === "a change under way") value(world.replace("ann", order, { qty: sol("1") }));
    const before = [now(world, "ann", order), money(world, "ann", "USD")];
    expect(world.replace("ann", order, wish)).toMatchObject({ ok: false, refusal });
    expect([now(world, "ann", order), money(world, "ann", "USD")]).toEqual(before);
  });

  it.each([
    ["a quantity, of one by notional", { qty: sol("1") }, "/qty"],
    ["a limit, of one without", { limitPrice: usd("190") }, "/limit_price"],
  ] as const)("is refused %s, while it waits", (_, wish, pointer) => {
    const world = pair();
    const trigger = { when: "rises" as const, price: usd("185"), trail: null };
    const order = placed(world, "ann", { type: "stop", limitPrice: null, trigger, notional: usd("90") });
    const before = [now(world, "ann", order), money(world, "ann", "USD")];
    const refusal = { code: "validation_failed", errors: [{ pointer, code: "not_allowed" }] };
    expect(world.replace("ann", order, wish)).toMatchObject({ ok: false, refusal });
    expect([now(world, "ann", order), money(world, "ann", "USD")]).toEqual(before);
  });

  it("is refused terms that could carry a balance past its bound", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("2") });
    world.depositInParts("ann", "SOL", UNITS_MAX - sol("12.5"), sol("50000"));
    const refusal = { code: "amount_out_of_range", detail: "SOL could pass its bound." };
    expect(world.replace("ann", order, { qty: sol("3") })).toMatchObject({ ok: false, refusal });
    value(world.replace("ann", order, { qty: sol("2.5") }));
  });

  it("may want less than an iceberg has shown at a time, though no new one may be such", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("3"), displayQty: sol("2") });
    value(world.replace("ann", order, { qty: sol("1") }));
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ qty: sol("1"), displayQty: sol("2"), status: "new" });
    expect(world.place("ann", { qty: sol("1"), limitPrice: usd("180"), displayQty: sol("2") })).toMatchObject({
      refusal: { code: "display_qty_out_of_range" },
    });
    expect(world.breaks(true)).toEqual([]);
  });

  it("gets back what its stop was held more for when the market makes no change", () => {
    const world = pair();
    const trigger = { when: "rises" as const, price: usd("185"), trail: null };
    const order = placed(world, "ann", { type: "stop", limitPrice: null, trigger, qty: sol("1") });
    const before = money(world, "ann", "USD");
    value(world.replace("ann", order, { stopPrice: usd("190") }));
    expect(money(world, "ann", "USD")).not.toBe(before);
    world.changeRules("SOL-USD", { status: "halted" });
    world.settle();
    expect(money(world, "ann", "USD")).toBe(before);
    expect(now(world, "ann", order)).toMatchObject({
      ...{ status: "held", trigger, replacing: null, hold: order.hold, credit: order.credit },
      replaceRefused: "market_not_open",
    });
    expect(world.breaks(true)).toEqual([]);
  });

  it("keeps what is held for both while a stop that has come up loses a part to its owner's own order", () => {
    const world = pair();
    placed(world, "ann", { side: "sell", qty: sol("1"), limitPrice: usd("180") });
    placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("181") });
    const trigger = { when: "rises" as const, price: usd("185"), trail: null };
    const wish = { type: "stop", limitPrice: null, trigger, qty: sol("3"), selfTradePrevention: "decrement" } as const;
    const order = placed(world, "ann", wish);
    const asked = value(world.replace("ann", order, { qty: sol("4") }));
    world.atMarket("SOL-USD", (turn) => fireTriggers(turn, usd("185")));
    const { unacknowledged } = peerOf(world.venue("SOL-USD").state, "ann");
    const taken = unacknowledged.findIndex(({ orderId, execType }) => orderId === order.id && execType === "replaced");
    world.atAccount("ann", (turn) =>
      applyReports(turn, "SOL-USD", unacknowledged.slice(0, taken + 1), (id) => world.customer("ann").orders.get(id)),
    );
    expect(now(world, "ann", order)).toMatchObject({
      ...{ status: "new", qty: sol("2"), hold: asked.hold },
      replacing: { qty: sol("3") },
    });
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "canceled", filledQty: sol("1"), hold: 0n });
    expect(money(world, "ann", "USD")).toMatch(/ \+ 0$/);
    expect(world.breaks(true)).toEqual([]);
  });

  it("is refused everything while the account is frozen; cancel works", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: sol("2") });
    world.happen("ann", { kind: "status_changed", status: "frozen", reason: "a drill" });
    expect(world.replace("ann", order, { qty: sol("1") })).toMatchObject({ refusal: { code: "account_frozen" } });
    world.cancel("ann", order);
    world.settle();
    expect(now(world, "ann", order).status).toBe("canceled");
  });

  it("is refused what is filled, canceled, not answered yet or being canceled", () => {
    const world = pair();
    const order = value(world.place("ann", { qty: sol("2"), limitPrice: usd("180") }));
    expect(world.replace("ann", order, { qty: sol("1") })).toMatchObject({ refusal: { code: "replace_pending" } });
    world.settle();
    placed(world, "bob", { side: "sell", qty: sol("1") });
    expect(world.replace("ann", order, { qty: sol("1") })).toMatchObject({
      refusal: { errors: [{ pointer: "/qty", code: "too_small" }] },
    });
    world.cancel("ann", order);
    expect(world.replace("ann", order, { qty: sol("1.5") })).toMatchObject({ refusal: { code: "replace_pending" } });
    world.settle();
    const closed = now(world, "ann", order);
    expect(world.replace("ann", closed, { qty: sol("1.5") })).toMatchObject({ refusal: { code: "order_not_open" } });
  });

  it("has what its stop may cost held at the band around the other price", () => {
    const world = pair();
    const trigger = { when: "rises" as const, price: usd("185"), trail: null };
    const order = placed(world, "ann", { type: "stop", limitPrice: null, trigger, qty: sol("1") });
    const first = money(world, "ann", "USD");
    value(world.replace("ann", order, { stopPrice: usd("190") }));
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "held", trigger: { price: usd("190") } });
    expect(money(world, "ann", "USD")).not.toBe(first);
    value(world.replace("ann", order, { stopPrice: usd("185") }));
    world.settle();
    expect(money(world, "ann", "USD")).toBe(first);
    expect(world.breaks(true)).toEqual([]);
  });

  it("is told of a market's reason by its code, and of any other as an order that is gone", () => {
    expect(replaceRefusal("market_not_open")).toEqual({
      code: "market_not_open",
      detail: "The market's rules refused it: market_not_open.",
    });
    const broken = { rule: "tick_size", limit: "0.01", value: "180.001" };
    expect(replaceRefusal("off_tick", broken)).toMatchObject({ code: "off_tick", broken });
    expect(replaceRefusal("order_not_open")).toEqual({ code: "order_not_open" });
  });

  it("by notional replaces its quantity, which bounds it from then on", () => {
    const world = pair();
    const order = placed(world, "ann", { qty: null, notional: usd("360") });
    value(world.replace("ann", order, { qty: sol("3") }));
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ notional: null, qty: sol("3") });
    expect(world.breaks(true)).toEqual([]);
  });
});
