// From sign-up to a closed order, over the whole Worker: who trades with whom, at which price, and where the money is after.

import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import {
  call,
  expectProblem,
  feeOn,
  notional,
  priceAt,
  qtyWorth,
  rulesOf,
  secondSession,
  stopClock,
  type Trader,
  trader,
  units,
  unitsOf,
  usd,
  type WireFill,
  type WireOrder,
  type WirePage,
} from "../support/session.ts";

const MAKER_BPS = 10;
const PATIENCE = { timeout: 10_000 };
const TAKER_BPS = 20;
let pass: (ms: number) => void;

beforeAll(() => {
  pass = stopClock();
});

const limit = (symbol: string, side: "buy" | "sell", price: string, qty: string, more: object = {}) => ({
  symbol,
  side,
  type: "limit",
  limit_price: price,
  qty,
  ...more,
});
const market = (symbol: string, side: "buy" | "sell", amount: { qty: string } | { notional: string }) => ({
  symbol,
  side,
  type: "market",
  ...amount,
});
const fillsOf = async (who: Trader, orderId: string) =>
  (await who.get<WirePage<WireFill>>(`/v1/fills?order_id=${orderId}`)).body.data;

/** A trader with money and with some of a market's base asset. */
async function holder(symbol: string, usdWorth: number): Promise<Trader> {
  const who = await trader({ usd: "10000" });
  await who.deposit(qtyWorth(symbol, usdWorth, await priceAt(symbol, 0)), rulesOf(symbol).base);
  return who;
}

describe("a newcomer", () => {
  it("signs up, signs in, funds the account, and a market buy fills at once on every market", async () => {
    const person = { email: "ada@example.com", username: "ada", password: "correct horse battery" };
    expect((await call("POST", "/v1/auth/register", { json: person })).status).toBe(201);
    const login = { login: person.username, password: person.password };
    const { access_token: token } = (await call<{ access_token: string }>("POST", "/v1/auth/login", { json: login }))
      .body;
    const deposit = await call("POST", "/v1/account/deposits", { token, json: { asset: "USD", amount: "5000" } });
    expect(deposit.status).toBe(201);
    expect(deposit.body).toMatchObject({ asset: "USD", amount: "5000", status: "settled" });
    const markets = await call<WirePage<{ symbol: string; status: string }>>("GET", "/v1/markets");
    expect(markets.body.data.length).toBeGreaterThanOrEqual(10);
    for (const { symbol } of markets.body.data) {
      const got = await call<WireOrder>("POST", "/v1/orders", {
        token,
        json: market(symbol, "buy", { notional: "100" }),
      });
      expect(got.status, symbol).toBe(201);
      expect(got.body.status, symbol).toBe("filled");
      const debited = usd(got.body.filled_notional) + usd(got.body.fee);
      expect(debited, symbol).toBeLessThanOrEqual(usd("100"));
      expect(debited, symbol).toBeGreaterThan(usd("99.9"));
    }
  });
});

describe("two customers", () => {
  it("trade at the resting order's price, whoever came second would have paid", async () => {
    const symbol = "BTC-USD";
    const [maker, taker] = [await trader({ usd: "10000" }), await holder(symbol, 5_000)];
    const price = await priceAt(symbol, 0);
    const qty = qtyWorth(symbol, 1_000, price);
    const resting = await maker.place(limit(symbol, "buy", price, qty));
    expect(resting.status).toBe(201);
    expect(resting.body).toMatchObject({ status: "new", filled_qty: "0", time_in_force: "gtc" });
    const worth = notional(symbol, price, qty);
    expect(usd((await maker.balance("USD")).held)).toBe(worth + feeOn(worth, TAKER_BPS));

    const sold = await taker.place(limit(symbol, "sell", await priceAt(symbol, -50), qty));
    expect(sold.status).toBe(201);
    expect(sold.body).toMatchObject({ status: "filled", leaves_qty: "0" });
    expect(usd(sold.body.filled_notional)).toBe(worth);
    expect(usd(sold.body.fee)).toBe(feeOn(worth, TAKER_BPS));
    expect(await fillsOf(taker, sold.body.id)).toMatchObject([{ liquidity: "taker", side: "sell", symbol }]);

    const bought = await maker.order(resting.body.id);
    expect(bought).toMatchObject({ status: "filled", side: "buy" });
    expect(usd(bought.fee)).toBe(feeOn(worth, MAKER_BPS));
    const [fill] = await fillsOf(maker, bought.id);
    expect(fill).toMatchObject({ liquidity: "maker", order_id: bought.id, fee: bought.fee });
    expect(units(fill?.price ?? "", 6)).toBe(units(price, 6));
    const cash = await maker.balance("USD");
    expect(cash.held).toBe("0");
    expect(usd(cash.available)).toBe(usd("10000") - worth - feeOn(worth, MAKER_BPS));
    expect(unitsOf("BTC", (await maker.balance("BTC")).available)).toBe(unitsOf("BTC", qty));
  });

  it("leave the rest of a partly filled order on the book, and cancel releases its hold to the unit", async () => {
    const symbol = "ETH-USD";
    const [maker, taker] = [await trader({ usd: "10000" }), await holder(symbol, 5_000)];
    const price = await priceAt(symbol, 0);
    const resting = await maker.place(limit(symbol, "buy", price, qtyWorth(symbol, 900, price)));
    const part = qtyWorth(symbol, 333, price);
    expect((await taker.place(market(symbol, "sell", { qty: part }))).body.status).toBe("filled");

    const partly = await maker.order(resting.body.id);
    expect(partly.status).toBe("partially_filled");
    expect(unitsOf("ETH", partly.filled_qty)).toBe(unitsOf("ETH", part));
    expect(unitsOf("ETH", partly.leaves_qty)).toBe(unitsOf("ETH", resting.body.qty ?? "") - unitsOf("ETH", part));
    const left = notional(symbol, price, partly.leaves_qty);
    expect(usd((await maker.balance("USD")).held)).toBeGreaterThanOrEqual(left);

    const canceled = await maker.cancel(resting.body.id);
    expect(canceled.status).toBe(200);
    expect(canceled.body).toMatchObject({ status: "canceled", filled_qty: partly.filled_qty, leaves_qty: "0" });
    const cash = await maker.balance("USD");
    expect(cash.held).toBe("0");
    expect(usd(cash.available)).toBe(usd("10000") - usd(partly.filled_notional) - usd(partly.fee));
  });

  it("never with themselves: the newer order is canceled", async () => {
    const symbol = "LINK-USD";
    const both = await holder(symbol, 5_000);
    const price = await priceAt(symbol, 0);
    const bid = await both.place(limit(symbol, "buy", price, qtyWorth(symbol, 100, price)));
    const ask = await both.place(limit(symbol, "sell", price, qtyWorth(symbol, 100, price)));
    expect(ask.status).toBe(201);
    expect(ask.body).toMatchObject({ status: "canceled", reason: "self_trade_prevention", filled_qty: "0" });
    expect((await both.order(bid.body.id)).status).toBe("new");
    expect((await both.balance("LINK")).held).toBe("0");
  });
});

describe("a market order", () => {
  it("by qty buys that much and gives back what it held beyond its cost", async () => {
    const ada = await trader({ usd: "10000" });
    const qty = qtyWorth("SOL-USD", 700, await priceAt("SOL-USD", 0));
    const { status, body } = await ada.place(market("SOL-USD", "buy", { qty }));
    expect([status, body.status]).toEqual([201, "filled"]);
    expect(unitsOf("SOL", body.filled_qty)).toBe(unitsOf("SOL", qty));
    const cash = await ada.balance("USD");
    expect(cash.held).toBe("0");
    expect(usd(cash.available)).toBe(usd("10000") - usd(body.filled_notional) - usd(body.fee));
  });

  it("by notional debits at most that, fee included, and less by at most a lot", async () => {
    const ada = await trader({ usd: "500" });
    const { body } = await ada.place(market("DOGE-USD", "buy", { notional: "500" }));
    expect(body).toMatchObject({ status: "filled", notional: "500", leaves_qty: "0" });
    const cash = await ada.balance("USD");
    expect(cash).toMatchObject({ held: "0", total: cash.available });
    expect(usd(cash.available)).toBe(usd("500") - usd(body.filled_notional) - usd(body.fee));
    const lot = (units(body.filled_avg_price ?? "", 10) * rulesOf("DOGE-USD").lotSize) / 10n ** 10n;
    expect(usd(cash.available)).toBeLessThan(lot * 2n);
  });

  it("sells by notional no more than it is worth", async () => {
    const ada = await holder("XRP-USD", 1_000);
    const { body } = await ada.place(market("XRP-USD", "sell", { notional: "250" }));
    expect(body.status).toBe("filled");
    expect(usd(body.filled_notional)).toBeLessThanOrEqual(usd("250"));
    expect((await ada.balance("XRP")).held).toBe("0");
  });

  it("does not rest: what the book within the band cannot give is canceled", async () => {
    const ada = await trader({ usd: "10000000" });
    const { status, body } = await ada.place(market("NVDA-USD", "buy", { notional: "1000000" }));
    expect([status, body.status]).toEqual([201, "canceled"]);
    expect(usd(body.filled_notional)).toBeGreaterThan(usd("99000"));
    expect((await ada.balance("USD")).held).toBe("0");
  });
});

describe("time in force", () => {
  it("ioc fills what it can and cancels the rest, also when that is everything", async () => {
    const ada = await trader({ usd: "100000" });
    const high = await priceAt("AAPL-USD", 6);
    const some = await ada.place(
      limit("AAPL-USD", "buy", high, qtyWorth("AAPL-USD", 50_000, high), { time_in_force: "ioc" }),
    );
    expect([some.status, some.body.status]).toEqual([201, "canceled"]);
    expect(usd(some.body.filled_notional)).toBeGreaterThan(usd("9000"));
    const low = await priceAt("AAPL-USD", -100);
    const none = await ada.place(
      limit("AAPL-USD", "buy", low, qtyWorth("AAPL-USD", 100, low), { time_in_force: "ioc" }),
    );
    expect([none.status, none.body.status, none.body.filled_qty]).toEqual([201, "canceled", "0"]);
    expect((await ada.balance("USD")).held).toBe("0");
  });

  it("fok fills whole or is refused, by name", async () => {
    const ada = await trader({ usd: "100000" });
    const high = await priceAt("MSFT-USD", 6);
    const fok = (worth: number) =>
      limit("MSFT-USD", "buy", high, qtyWorth("MSFT-USD", worth, high), { time_in_force: "fok" });
    expect((await ada.place(fok(5_000))).body.status).toBe("filled");
    const refused = await ada.place(fok(50_000));
    expectProblem(refused, 422, "fok_not_fillable");
    expect(await ada.order(String(refused.body.order_id))).toMatchObject({
      status: "rejected",
      reason: "fok_not_fillable",
    });
    expect((await ada.balance("USD")).held).toBe("0");
  });

  it("post_only rests, or is refused when it would take", async () => {
    const ada = await trader({ usd: "100000" });
    const place = async (bps: number) => {
      const price = await priceAt("TSLA-USD", bps);
      return ada.place(limit("TSLA-USD", "buy", price, qtyWorth("TSLA-USD", 100, price), { post_only: true }));
    };
    expect((await place(0)).body).toMatchObject({ status: "new", post_only: true });
    const refused = await place(100);
    expectProblem(refused, 422, "post_only_would_cross");
    expect(await ada.order(String(refused.body.order_id))).toMatchObject({ status: "rejected", filled_qty: "0" });
  });

  it("gtd ends at its time and day at midnight UTC, though nobody trades", async () => {
    const symbol = "ADA-USD";
    const ada = await trader({ usd: "1000" });
    const price = await priceAt(symbol, -500);
    const qty = qtyWorth(symbol, 100, price);
    const expires_at = new Date(Date.now() + 2_000).toISOString();
    const gtd = await ada.place(limit(symbol, "buy", price, qty, { time_in_force: "gtd", expires_at }));
    const day = await ada.place(limit(symbol, "buy", price, qty, { time_in_force: "day" }));
    const midnight = (Math.floor(Date.now() / 86_400_000) + 1) * 86_400_000;
    expect(gtd.body).toMatchObject({ status: "new", expires_at });
    expect(day.body).toMatchObject({ status: "new", expires_at: new Date(midnight).toISOString() });
    pass(2_000);
    await runDurableObjectAlarm(env.MARKET.getByName(`main/${symbol}`));
    await expect.poll(async () => (await ada.order(gtd.body.id)).status, PATIENCE).toBe("expired");
    expect((await ada.order(day.body.id)).status).toBe("new");
    expectProblem(await ada.cancel(gtd.body.id), 409, "order_not_open");
    pass(midnight - Date.now());
    await runDurableObjectAlarm(env.MARKET.getByName(`main/${symbol}`));
    const late = await secondSession(ada);
    await expect.poll(async () => (await late.order(day.body.id)).status, PATIENCE).toBe("expired");
    expect(await late.balance("USD")).toEqual({ asset: "USD", available: "1000", held: "0", total: "1000" });
  });
});
