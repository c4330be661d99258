// Every refusal for a rule names it: which, its bound, and what the order had.
import { describe, expect, it } from "vitest";
import type { OrderRequest } from "../../src/core/account/admission.ts";
import { breaksRule, learnRules, replacementBreaksRule } from "../../src/core/account/rules.ts";
import type { MarketRules } from "../../src/core/listings.ts";
import { UNITS_MAX } from "../../src/core/money.ts";
import { referencePrice } from "../../src/core/prices.ts";
import { deskWith, listed, NOON, SEED } from "../support/book.ts";
import { CoreWorld, PLAIN_ORDER } from "../support/core-world.ts";
import { sol, usd } from "../support/pair.ts";

const RULES = listed("SOL-USD");
const REFERENCE = referencePrice(RULES, SEED, NOON);

function fund(made: CoreWorld): void {
  for (const id of made.customers.keys()) {
    made.transfer(id, "deposit", "USD", usd("10000"));
    made.transfer(id, "deposit", "SOL", sol("10"));
  }
}

function world(rules: Partial<MarketRules> = {}): CoreWorld {
  const made = new CoreWorld(["ann", "bob"], [RULES]);
  fund(made);
  if (Object.keys(rules).length > 0) {
    made.changeRules("SOL-USD", rules);
    made.atAccount("ann", (turn) => learnRules(turn, made.venue("SOL-USD").state.rules));
  }
  return made;
}

describe("an account's refusal", () => {
  const LIMIT = { qty: sol("1"), limitPrice: usd("179") };
  it.each<[string, Partial<OrderRequest>, Partial<MarketRules>, [rule: string, limit: string, value: string]]>([
    ["off_tick", { ...LIMIT, limitPrice: usd("179.005") }, {}, ["tick_size", "0.01", "179.005"]],
    ["off_lot", { ...LIMIT, qty: sol("1") + 1n }, {}, ["lot_size", "0.0001", "1.00000001"]],
    ["below_min_notional", { ...LIMIT, qty: sol("0.001") }, {}, ["min_notional", "1", "0.179"]],
    ["above_max_qty", { ...LIMIT, qty: sol("20000.0001") }, {}, ["max_qty", "20000", "20000.0001"]],
    ["price_outside_band", { ...LIMIT, limitPrice: usd("100") }, {}, ["price_band_bps", "161.98", "100"]],
    ["price_outside_band", { ...LIMIT, limitPrice: usd("250") }, {}, ["price_band_bps", "197.96", "250"]],
    ["market_not_open", LIMIT, { status: "halted" }, ["status", "open", "halted"]],
    ["market_post_only", LIMIT, { status: "post_only" }, ["status", "open", "post_only"]],
    ["too_many_open_orders", LIMIT, { maxOpenOrders: 1 }, ["max_open_orders", "1", "1"]],
    [
      "submitted_too_late",
      { ...LIMIT, timeInForce: "gtd", expiresAt: NOON + 1 },
      {},
      ["expires_at", "2026-11-21T12:00:01.000Z", "2026-11-21T12:00:00.001Z"],
    ],
    [
      "off_tick",
      {
        qty: sol("1"),
        side: "sell",
        type: "trailing_stop",
        trigger: { when: "falls", price: null, trail: { amount: 5_000n } },
      },
      {},
      ["tick_size", "0.01", "0.005"],
    ],
  ])("%s", (code, wish, rules, [rule, limit, value]) => {
    const made = world(rules);
    if (code === "too_many_open_orders") expect(made.place("ann", LIMIT).ok).toBe(true);
    expect(made.place("ann", wish)).toEqual({
      ok: false,
      refusal: { code, broken: { rule, limit, value } },
    });
  });

  it("counts open orders in the market alone, where the account has more", () => {
    const made = new CoreWorld(["ann"], [RULES, listed("BTC-USD")]);
    fund(made);
    made.changeRules("SOL-USD", { maxOpenOrders: 1 });
    made.atAccount("ann", (turn) => learnRules(turn, made.venue("SOL-USD").state.rules));
    const btc = { symbol: "BTC-USD", qty: 100_000n, limitPrice: usd("59000") };
    expect(made.place("ann", btc).ok).toBe(true);
    expect(made.place("ann", btc).ok).toBe(true);
    expect(made.place("ann", LIMIT).ok).toBe(true);
    expect(made.place("ann", LIMIT)).toMatchObject({ refusal: { code: "too_many_open_orders" } });
    expect(made.breaks(false)).toEqual([]);
  });
});

describe("a market's refusal is kept with the order", () => {
  it.each<[string, Partial<OrderRequest>, [rule: string, limit: string, value: string]]>([
    ["post_only_would_cross", { postOnly: true, limitPrice: usd("180") }, ["post_only", "179.9", "180"]],
    ["fok_not_fillable", { timeInForce: "fok", limitPrice: usd("179.9") }, ["fok", "0.5", "1"]],
  ])("%s", (code, wish, [rule, limit, value]) => {
    const made = world();
    made.place("bob", { side: "sell", qty: sol("0.5"), limitPrice: usd("179.9") });
    made.settle();
    const placed = made.place("ann", { qty: sol("1"), ...wish });
    made.settle();
    const order = placed.ok ? made.customer("ann").orders.get(placed.value.id) : undefined;
    expect(order).toMatchObject({ status: "rejected", reason: code, broken: { rule, limit, value } });
    made.expectReplays();
  });

  it("fok_not_fillable, in money where the order is by notional: what could be spent, fee included, and what was to be", () => {
    const desk = deskWith("| 180 | c1:0.5");
    expect(desk.send("x1 buy $180 market fok")).toEqual(["x1 rejected: fok_not_fillable"]);
    const [told] = desk.journal.slice(-1);
    expect(told).toMatchObject({ report: { broken: { rule: "fok", limit: "90.18", value: "180" } } });
  });

  it("submitted_too_late", () => {
    const made = world();
    const placed = made.place("ann", { qty: sol("1"), limitPrice: usd("179"), timeInForce: "ioc" });
    made.now += 6_000;
    made.settle();
    const order = placed.ok ? made.customer("ann").orders.get(placed.value.id) : undefined;
    expect(order).toMatchObject({ status: "rejected", reason: "submitted_too_late" });
    expect(order?.broken).toMatchObject({ rule: "not_after", limit: "2026-11-21T12:00:05.000Z" });
  });

  it("also when the account judges it again under newer rules", () => {
    const made = world();
    const placed = made.place("ann", { qty: sol("1"), limitPrice: usd("179") });
    made.changeRules("SOL-USD", { minNotional: usd("1000") });
    made.settle();
    const order = placed.ok ? made.customer("ann").orders.get(placed.value.id) : undefined;
    expect(order?.broken).toEqual({ rule: "min_notional", limit: "1000", value: "179" });
    expect(made.breaks(true)).toEqual([]);
    made.expectReplays();
  });

  it("and so is that of a change, until another one is asked for", () => {
    const made = world();
    const placed = made.place("ann", { qty: sol("1"), limitPrice: usd("179") });
    made.settle();
    if (!placed.ok) throw new Error("not placed");
    made.replace("ann", placed.value, { qty: sol("2") });
    made.changeRules("SOL-USD", { status: "cancel_only" });
    made.settle();
    const now = () => made.customer("ann").state.orders.get(placed.value.id);
    expect(now()).toMatchObject({
      replaceRefused: "market_not_open",
      broken: { rule: "status", value: "cancel_only" },
    });
    made.replace("ann", placed.value, { qty: sol("3") });
    expect(now()?.broken).toBeUndefined();
    expect(made.breaks(false)).toEqual([]);
  });
});

describe("rules that an account has not heard of", () => {
  const small: OrderRequest = { ...PLAIN_ORDER, qty: sol("0.001"), limitPrice: REFERENCE };

  it("are looked for where it would refuse for one of those that it knows, and only there", () => {
    const made = world();
    const breaks = (wish: Partial<OrderRequest>) =>
      made.atAccount("ann", (turn) => breaksRule(turn, { ...small, ...wish }));
    expect(breaks({})).toBe(true);
    expect(breaks({ qty: sol("1") })).toBe(false);
    expect(breaks({ qty: sol("19000") })).toBe(false);
    made.happen("ann", { kind: "status_changed", status: "frozen", reason: "a drill" });
    expect(breaks({})).toBe(false);
  });

  it("are looked for before a change is refused, too", () => {
    const made = world();
    const placed = made.place("ann", { qty: sol("1"), limitPrice: usd("179") });
    made.settle();
    const order = placed.ok ? made.customer("ann").state.orders.get(placed.value.id) : undefined;
    if (order === undefined) throw new Error("not placed");
    const breaks = (qty: bigint) => made.atAccount("ann", (turn) => replacementBreaksRule(turn, order, { qty }));
    expect([breaks(sol("0.001")), breaks(sol("2"))]).toEqual([true, false]);
  });

  it("count from when they are learned, and are part of the journal; the same ones are no news", () => {
    const made = world();
    expect(made.place("ann", small).ok).toBe(false);
    made.changeRules("SOL-USD", { minNotional: 1n });
    for (let times = 0; times < 2; times += 1)
      made.atAccount("ann", (turn) => learnRules(turn, made.venue("SOL-USD").state.rules));
    expect(made.accountEvents("ann").filter(({ kind }) => kind === "rules_learned")).toHaveLength(1);
    expect(made.place("ann", small).ok).toBe(true);
    made.settle();
    expect(made.breaks(true)).toEqual([]);
    made.expectReplays();
  });

  it("amounts beyond any bound are told in the asset's own digits", () => {
    const made = world();
    made.customer("ann").state.credits.set("SOL", UNITS_MAX);
    expect(made.place("ann", { qty: sol("1"), limitPrice: usd("179") })).toMatchObject({
      refusal: { code: "amount_out_of_range", broken: { rule: "amount", limit: "90071992.54740991" } },
    });
  });
});

describe("a group's refusal", () => {
  const lead = { ...PLAIN_ORDER, qty: sol("1"), limitPrice: usd("179") };
  const wish = { kind: "bracket" as const, lead, takeProfit: { limitPrice: usd("181") } };
  const loss = (price: string) => ({ price: usd(price), trail: null, limitPrice: null });

  it.each<[string, string, Partial<MarketRules>, [rule: string, limit: string, value: string]]>([
    ["exits_misplaced", "180", {}, ["exits", "179", "180"]],
    ["off_tick", "170.005", {}, ["tick_size", "0.01", "170.005"]],
    ["too_many_open_orders", "170", { maxOpenOrders: 2 }, ["max_open_orders", "2", "0"]],
    ["market_post_only", "170", { status: "post_only" }, ["status", "open", "post_only"]],
  ])("%s names its rule", (code, price, rules, [rule, limit, value]) => {
    const made = world(rules);
    const refused = made.placeGroup("ann", { ...wish, stopLoss: loss(price) });
    expect(refused).toEqual({ ok: false, refusal: { code, broken: { rule, limit, value } } });
    const asked = made.atAccount("ann", (turn) =>
      breaksRule(turn, { ...wish, clientOrderId: null, stopLoss: loss(price) }),
    );
    expect(asked).toBe(true);
  });
});
