import { describe, expect, it } from "vitest";
import { admit, type OrderRequest } from "../../src/core/account/admission.ts";
import { type AccountState, emptyAccount } from "../../src/core/account/state.ts";
import { OPEN_ORDERS_MAX } from "../../src/core/limits.ts";
import type { MarketRules } from "../../src/core/listings.ts";
import { UNITS_MAX } from "../../src/core/money.ts";
import type { Order } from "../../src/core/order.ts";
import { listed, NOON, units } from "../support/book.ts";
import { PLAIN_ORDER } from "../support/core-world.ts";

// SOL-USD: a tick of 0.01 USD, a lot of 0.0001 SOL, at least 1 USD, at most 20,000 SOL, 10 % of band, 10 and 20 bps.
const SOL = listed("SOL-USD");
const REFERENCE = units("180", 6);
const usd = (text: string) => units(text, 6);
const sol = (text: string) => units(text, 8);

function accountWith(money: Record<string, bigint>): AccountState {
  const state = emptyAccount("acc_1", 1);
  for (const [asset, available] of Object.entries(money)) state.balances.set(`available|${asset}`, available);
  return state;
}

const RICH = accountWith({ USD: usd("8000000000"), SOL: sol("30000") });

function judge(wish: Partial<OrderRequest>, state = RICH, rules: MarketRules = SOL) {
  return admit(state, { ...PLAIN_ORDER, ...wish }, rules, REFERENCE, NOON);
}

function codeOf(wish: Partial<OrderRequest>, state = RICH, rules: MarketRules = SOL): string {
  const judged = judge(wish, state, rules);
  return judged.ok ? "ok" : judged.refusal.code;
}

function crowded(): AccountState {
  const order = {} as Order;
  return { ...RICH, orders: new Map(Array.from({ length: OPEN_ORDERS_MAX }, (_, i) => [`ord_${i}`, order])) };
}

const LIMIT = { qty: sol("1"), limitPrice: usd("180") };
const MARKET = { type: "market", timeInForce: "ioc" } as const;

describe("each rule of a market is kept to the unit", () => {
  it.each<[string, Partial<OrderRequest>, string]>([
    ["a price on tick", { ...LIMIT, limitPrice: usd("180.01") }, "ok"],
    ["a price off tick", { ...LIMIT, limitPrice: usd("180.005") }, "off_tick"],
    ["a price of nothing", { ...LIMIT, limitPrice: 0n }, "off_tick"],
    ["a quantity of whole lots", { ...LIMIT, qty: sol("0.0123") }, "ok"],
    ["a quantity that is not", { ...LIMIT, qty: sol("1.00005") }, "off_lot"],
    ["a quantity of nothing", { ...LIMIT, qty: 0n }, "off_lot"],
    ["neither a quantity nor a notional", {}, "off_lot"],
    ["a notional at a price of nothing", { notional: usd("100"), limitPrice: 0n }, "off_tick"],
    ["a price at the band's upper edge", { ...LIMIT, limitPrice: usd("198") }, "ok"],
    ["a price a tick above it", { ...LIMIT, limitPrice: usd("198.01") }, "price_outside_band"],
    ["a price at its lower edge", { ...LIMIT, limitPrice: usd("162") }, "ok"],
    ["a price a tick below it", { ...LIMIT, limitPrice: usd("161.99") }, "price_outside_band"],
    ["a sell beyond the band likewise", { ...LIMIT, side: "sell", limitPrice: usd("198.01") }, "price_outside_band"],
    ["a part of whole lots", { ...LIMIT, displayQty: sol("0.0123") }, "ok"],
    ["a part that is not", { ...LIMIT, displayQty: sol("0.01235") }, "off_lot"],
    ["a part that is the whole", { ...LIMIT, displayQty: sol("1") }, "ok"],
    ["a part that is more", { ...LIMIT, displayQty: sol("1.0001") }, "display_qty_out_of_range"],
    ["a hundredth", { ...LIMIT, displayQty: sol("0.01") }, "ok"],
    ["less than a hundredth", { ...LIMIT, qty: sol("1.0001"), displayQty: sol("0.01") }, "display_qty_out_of_range"],
    ["a part of the least worth", { ...LIMIT, qty: sol("0.5"), displayQty: sol("0.0056") }, "ok"],
    ["a part worth less", { ...LIMIT, qty: sol("0.5"), displayQty: sol("0.0055") }, "display_qty_out_of_range"],
    ["a part of a notional", { notional: usd("180"), limitPrice: usd("180"), displayQty: sol("0.5") }, "ok"],
    ["the least worth", { qty: sol("0.0056"), limitPrice: usd("180") }, "ok"],
    ["a worth below it", { qty: sol("0.0055"), limitPrice: usd("180") }, "below_min_notional"],
    ["the least notional", { ...MARKET, notional: usd("1") }, "ok"],
    ["a notional one unit below it", { ...MARKET, notional: usd("0.999999") }, "below_min_notional"],
    ["a market order worth too little at the reference", { ...MARKET, qty: sol("0.0055") }, "below_min_notional"],
    ["the greatest quantity", { ...LIMIT, qty: sol("20000") }, "ok"],
    ["a lot more", { ...LIMIT, qty: sol("20000.0001") }, "above_max_qty"],
    ["the notional of the greatest quantity", { ...MARKET, notional: usd("3600000") }, "ok"],
    ["a notional that buys more", { ...MARKET, notional: usd("3600001") }, "above_max_qty"],
    ["a second of life", { ...LIMIT, timeInForce: "gtd", expiresAt: NOON + 1_000 }, "ok"],
    ["less than that", { ...LIMIT, timeInForce: "gtd", expiresAt: NOON + 999 }, "submitted_too_late"],
  ])("%s: %s → %s", (_rule, wish, code) => {
    expect(codeOf(wish)).toBe(code);
  });

  it.each(["post_only", "cancel_only", "halted"] as const)("a market that is %s takes no order", (status) => {
    expect(codeOf(LIMIT, RICH, { ...SOL, status })).toBe(
      status === "post_only" ? "market_post_only" : "market_not_open",
    );
  });
});

describe("an order with every fault is refused for the first, in the contract's order", () => {
  const everyFault: Partial<OrderRequest> = {
    qty: sol("0.01005"),
    limitPrice: usd("500.005"),
    timeInForce: "gtd",
    expiresAt: NOON,
  };
  const strict: MarketRules = { ...SOL, status: "halted", minNotional: usd("1000"), maxQty: sol("0.001") };
  const faulty = {
    ...crowded(),
    status: "frozen" as const,
    balances: new Map(),
    credits: new Map([["SOL", UNITS_MAX]]),
  };
  /** Each row mends one fault more. */
  const steps: [string, (c: { state: AccountState; wish: Partial<OrderRequest>; rules: MarketRules }) => void][] = [
    ["account_frozen", (c) => (c.state = { ...c.state, status: "active" })],
    ["too_many_open_orders", (c) => (c.state = { ...c.state, orders: new Map() })],
    ["market_not_open", (c) => (c.rules = { ...c.rules, status: "open" })],
    ["off_tick", (c) => (c.wish = { ...c.wish, limitPrice: usd("500") })],
    ["off_lot", (c) => (c.wish = { ...c.wish, qty: sol("0.01") })],
    ["price_outside_band", (c) => (c.wish = { ...c.wish, limitPrice: usd("180") })],
    ["below_min_notional", (c) => (c.rules = { ...c.rules, minNotional: usd("1") })],
    ["above_max_qty", (c) => (c.rules = { ...c.rules, maxQty: sol("100") })],
    ["submitted_too_late", (c) => (c.wish = { ...c.wish, expiresAt: NOON + 60_000 })],
    ["amount_out_of_range", (c) => (c.state = { ...c.state, credits: new Map() })],
    ["insufficient_funds", (c) => (c.state = accountWith({ USD: usd("2") }))],
    ["ok", () => {}],
  ];

  it("mended one by one", () => {
    const under = { state: faulty as AccountState, wish: everyFault, rules: strict };
    const codes = steps.map(([, mend]) => {
      const code = codeOf(under.wish, under.state, under.rules);
      mend(under);
      return code;
    });
    expect(codes).toEqual(steps.map(([code]) => code));
  });
});

describe("funds: exactly enough is enough, one unit less is not", () => {
  it.each<[string, string, Partial<OrderRequest>, bigint]>([
    ["a limit buy: its worth and the dearer fee", "USD", { qty: sol("3"), limitPrice: usd("180.1") }, usd("541.3806")],
    [
      "a market buy by quantity: at the band's edge, with the taker's fee",
      "USD",
      { ...MARKET, qty: sol("1") },
      usd("198.396"),
    ],
    ["a market buy by notional: that, fee included", "USD", { ...MARKET, notional: usd("250.5") }, usd("250.5")],
    [
      "a limit buy by notional: what its whole lots cost",
      "USD",
      { notional: usd("100"), limitPrice: usd("180") },
      usd("99.991584"),
    ],
    ["a limit sell: what it sells", "SOL", { side: "sell", qty: sol("3"), limitPrice: usd("190") }, sol("3")],
    ["a market sell: what it sells", "SOL", { side: "sell", ...MARKET, qty: sol("3") }, sol("3")],
    [
      "a sell by notional: its quantity at the reference, in whole lots",
      "SOL",
      { side: "sell", ...MARKET, notional: usd("100") },
      sol("0.5555"),
    ],
  ])("%s", (_rule, asset, wish, needed) => {
    for (const more of [0n, 1n]) {
      const judged = judge(wish, accountWith({ [asset]: needed + more }));
      expect(judged).toMatchObject({ ok: true, value: { hold: needed } });
    }
    const refused = judge(wish, accountWith({ [asset]: needed - 1n }));
    expect(refused).toMatchObject({ ok: false, refusal: { code: "insufficient_funds", asset } });
  });

  it("a refusal says what was needed and what there is, as decimals", () => {
    const refused = judge({ qty: sol("3"), limitPrice: usd("180.1") }, accountWith({ USD: usd("541.380599") }));
    expect(refused).toEqual({
      ok: false,
      refusal: { code: "insufficient_funds", asset: "USD", needed: "541.3806", available: "541.380599" },
    });
  });

  it("money that is held for another order does not count", () => {
    const state = accountWith({ USD: usd("100") });
    state.balances.set("held|USD", usd("1000"));
    expect(codeOf({ qty: sol("1"), limitPrice: usd("180") }, state)).toBe("insufficient_funds");
  });
});

describe("what is agreed at admission", () => {
  it("a limit order by notional has become one by quantity, whose whole cost is within the notional", () => {
    const judged = judge({ notional: usd("100"), limitPrice: usd("180") });
    expect(judged).toMatchObject({ ok: true, value: { terms: { qty: sol("0.5544"), notional: usd("100") } } });
  });

  it("a market buy by notional stays without a quantity: only its money bounds it", () => {
    expect(judge({ ...MARKET, notional: usd("100") })).toMatchObject({ ok: true, value: { terms: { qty: null } } });
  });

  it("the fees are those of the rules now", () => {
    const judged = judge(LIMIT, RICH, { ...SOL, makerFeeBps: 3, takerFeeBps: 4 });
    expect(judged).toMatchObject({ ok: true, value: { terms: { makerFeeBps: 3, takerFeeBps: 4 } } });
  });

  it("a notional that buys no lot is below what the market takes", () => {
    const dear = { ...SOL, minNotional: 1n };
    expect(codeOf({ notional: usd("0.018"), limitPrice: usd("180") }, RICH, dear)).toBe("below_min_notional");
  });
});

const BEYOND = { rule: "amount", limit: "90071992.54740991", value: "90071992.54740992" };

describe("an order that could carry a balance past its bound is refused before it can", () => {
  const buy = { qty: sol("100"), limitPrice: usd("180") };
  const room = UNITS_MAX - sol("100");

  it.each<[string, (state: AccountState, units: bigint) => void]>([
    ["available", (state, units) => state.balances.set("available|SOL", units)],
    ["held", (state, units) => state.balances.set("held|SOL", units)],
    ["what open orders may bring in", (state, units) => state.credits.set("SOL", units)],
  ])("counting %s", (_what, put) => {
    const state = accountWith({ USD: usd("20000") });
    put(state, room);
    expect(codeOf(buy, state)).toBe("ok");
    put(state, room + 1n);
    const refusal = { code: "amount_out_of_range", detail: "SOL could pass its bound.", broken: BEYOND };
    expect(judge(buy, state)).toEqual({ ok: false, refusal });
  });

  it("a sell counts with twice its worth at the reference: a resting price cannot be higher", () => {
    const state = accountWith({ SOL: sol("100"), USD: UNITS_MAX - usd("36000") });
    expect(codeOf({ side: "sell", ...buy }, state)).toBe("ok");
    state.balances.set("available|USD", UNITS_MAX - usd("36000") + 1n);
    expect(codeOf({ side: "sell", ...buy }, state)).toBe("amount_out_of_range");
  });

  it("a market buy by notional counts with twice what it buys at the reference", () => {
    const wish = { ...MARKET, notional: usd("180") };
    const state = accountWith({ USD: usd("180"), SOL: UNITS_MAX - sol("2") });
    expect(codeOf(wish, state)).toBe("ok");
    state.balances.set("available|SOL", UNITS_MAX - sol("2") + 1n);
    expect(codeOf(wish, state)).toBe("amount_out_of_range");
  });

  it("a hold beyond the bound itself is out of range, not a lack of funds", () => {
    expect(
      codeOf({ qty: 2n ** 53n - (2n ** 53n % SOL.lotSize), limitPrice: usd("180") }, RICH, {
        ...SOL,
        maxQty: 2n ** 60n,
      }),
    ).toBe("amount_out_of_range");
  });
});
