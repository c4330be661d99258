// Many orders at once over one account's money: exactly those that fit are taken, and all of it comes back.
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Answer,
  decimal,
  expectProblem,
  feeOn,
  notional,
  priceAt,
  qtyWorth,
  rulesOf,
  stopClock,
  type Trader,
  trader,
  units,
  unitsOf,
  usd,
  type WireOrder,
} from "../support/session.ts";

const SYMBOL = "BTC-USD";
const ORDERS = 200;
const PATIENCE = { timeout: 20_000 };
const TAKER_BPS = 20;
let price = "";

beforeAll(async () => {
  stopClock();
  price = await priceAt(SYMBOL, -500);
});

const bid = (qty: string, more: object = {}) => ({
  symbol: SYMBOL,
  side: "buy" as const,
  type: "limit",
  limit_price: price,
  qty,
  ...more,
});

/** What a resting buy holds: the rest at its limit and the dearer fee. */
function holdOf(qty: string): bigint {
  const worth = notional(SYMBOL, price, qty);
  return worth + feeOn(worth, TAKER_BPS);
}

/** Waits until no market owes an answer: on a slow machine some come after the two seconds that a call waits for them. */
async function settled(who: Trader): Promise<Map<string, WireOrder>> {
  const all = async () => (await who.all<WireOrder>("/v1/orders", 200)).rows;
  const waiting = (order: WireOrder) => order.status === "pending_new" || order.cancel_requested;
  await expect.poll(async () => (await all()).filter(waiting).length, PATIENCE).toBe(0);
  return new Map((await all()).map((order) => [order.id, order]));
}

/** Checks that each was taken, or refused for lack of funds; answers the taken ones as they are once answered. */
async function expectTakenOrRefused(who: Trader, all: Answer<WireOrder>[]) {
  const isTaken = ({ status }: Answer<WireOrder>) => status === 201 || status === 202;
  const refused = all.filter((one) => !isTaken(one));
  for (const one of refused) expectProblem(one, 422, "insufficient_funds");
  const orders = await settled(who);
  const taken = all.filter(isTaken).map(({ body }) => orders.get(body.id) ?? body);
  expect(orders.size).toBe(taken.length);
  return { taken, refused };
}

/** Cancels everything, and checks that the account has all its money again and no order. */
async function expectAllReleased(who: Trader, count: number, asset: string, total: string): Promise<void> {
  const canceled = await who.call<{ data: { status_code: number }[] }>("DELETE", "/v1/orders");
  expect(canceled.status).toBe(207);
  expect(canceled.body.data).toHaveLength(count);
  for (const one of canceled.body.data) expect([200, 202]).toContain(one.status_code);
  for (const order of (await settled(who)).values()) expect(order.status).toBe("canceled");
  const balance = await who.balance(asset);
  expect(balance.held).toBe("0");
  expect(unitsOf(asset, balance.available)).toBe(unitsOf(asset, total));
}

describe(`${ORDERS} orders of one user at once that together cost more than there is`, () => {
  it("Z1 of one size: as many are taken as fit, the last unit included", async () => {
    const qty = qtyWorth(SYMBOL, 50, price);
    const fitting = 117n;
    const funds = decimal(fitting * holdOf(qty), 6);
    const ada = await trader({ usd: funds });
    const all = await Promise.all(Array.from({ length: ORDERS }, () => ada.place(bid(qty))));
    const { taken, refused } = await expectTakenOrRefused(ada, all);
    expect(taken).toHaveLength(Number(fitting));
    expect(refused).toHaveLength(ORDERS - Number(fitting));
    expect(taken.every((order) => order.status === "new")).toBe(true);
    const cash = await ada.balance("USD");
    expect(cash.available).toBe("0");
    expect(usd(cash.held)).toBe(usd(funds));
    await expectAllReleased(ada, taken.length, "USD", funds);
  });

  it("Z1 of many sizes: each refused one was larger than what was left just then", async () => {
    const sizes = Array.from({ length: ORDERS }, (_, place) => qtyWorth(SYMBOL, 10 + ((place * 37) % 90), price));
    const ada = await trader({ usd: "5000" });
    const all = await Promise.all(sizes.map((qty) => ada.place(bid(qty))));
    const { taken, refused } = await expectTakenOrRefused(ada, all);
    const cash = await ada.balance("USD");
    const held = taken.reduce((sum, order) => sum + holdOf(order.leaves_qty), 0n);
    expect(usd(cash.held)).toBe(held);
    expect(usd(cash.available)).toBe(usd("5000") - held);
    expect(refused.length).toBeGreaterThan(0);
    const smallest = refused.map((one) => usd(String(one.body.needed))).reduce((a, b) => (a < b ? a : b));
    expect(smallest).toBeGreaterThan(usd(cash.available));
    for (const one of refused) expect(usd(String(one.body.needed))).toBeGreaterThan(usd(String(one.body.available)));
    await expectAllReleased(ada, taken.length, "USD", "5000");
  });

  it("Z1 to sell: no base is sold twice", async () => {
    const ask = await priceAt(SYMBOL, 500);
    const qty = qtyWorth(SYMBOL, 50, ask);
    const ada = await trader();
    const total = decimal(units(qty, 8) * 60n + rulesOf(SYMBOL).lotSize, 8);
    await ada.deposit(total, "BTC");
    const sell = { symbol: SYMBOL, side: "sell" as const, type: "limit", limit_price: ask, qty };
    const all = await Promise.all(Array.from({ length: ORDERS }, () => ada.place(sell)));
    const { taken } = await expectTakenOrRefused(ada, all);
    expect(taken).toHaveLength(60);
    expect(units((await ada.balance("BTC")).held, 8)).toBe(units(qty, 8) * 60n);
    await expectAllReleased(ada, 60, "BTC", total);
  });

  it("Z1 at market, over several markets: the cash never goes below zero and what was not spent is back", async () => {
    const ada = await trader({ usd: "1000" });
    const symbols = ["BTC-USD", "ETH-USD", "SOL-USD", "AAPL-USD"];
    const all = await Promise.all(
      Array.from({ length: ORDERS }, (_, place) => {
        const symbol = symbols[place % symbols.length] ?? SYMBOL;
        return ada.place({ symbol, side: "buy", type: "market", notional: "20" });
      }),
    );
    const { taken } = await expectTakenOrRefused(ada, all);
    expect(taken.length).toBeGreaterThanOrEqual(50);
    expect(taken.every((order) => order.status === "filled")).toBe(true);
    const spent = taken.reduce((sum, order) => sum + usd(order.filled_notional) + usd(order.fee), 0n);
    const cash = await ada.balance("USD");
    expect(cash.held).toBe("0");
    expect(usd(cash.available)).toBe(usd("1000") - spent);
    for (const symbol of symbols) {
      const bought = taken
        .filter((order) => order.symbol === symbol)
        .reduce((sum, order) => sum + units(order.filled_qty, 8), 0n);
      expect(units((await ada.balance(symbol.slice(0, -4))).total, 8)).toBe(bought);
    }
  });
});

describe("placing and canceling at once", () => {
  it("Z2 loses and doubles nothing: every order ends open or canceled, and the holds are the open ones'", async () => {
    const ada = await trader({ usd: "100000" });
    const qty = qtyWorth(SYMBOL, 50, price);
    const first = await Promise.all(Array.from({ length: 60 }, () => ada.place(bid(qty))));
    const canceling = first.slice(0, 30).flatMap(({ body }) => [ada.cancel(body.id), ada.cancel(body.id)]);
    const placing = Array.from({ length: 30 }, () => ada.place(bid(qty)));
    const [canceled, placed] = await Promise.all([Promise.all(canceling), Promise.all(placing)]);
    const orders = await settled(ada);
    for (const { status, body } of canceled) {
      expect([200, 202]).toContain(status);
      expect(orders.get(body.id)?.status).toBe("canceled");
    }
    for (const { status } of placed) expect([201, 202]).toContain(status);
    const open = (await ada.all<WireOrder>("/v1/orders?status=open", 50)).rows;
    expect(open).toHaveLength(60);
    expect(usd((await ada.balance("USD")).held)).toBe(holdOf(qty) * 60n);
    await expectAllReleased(ada, 60, "USD", "100000");
  });

  it("of two users who meet: what one sold the other bought, and both books add up", async () => {
    const [buyer, seller] = [await trader({ usd: "100000" }), await trader()];
    const symbol = "ETH-USD";
    const at = await priceAt(symbol, 0);
    const qty = qtyWorth(symbol, 100, at);
    await seller.deposit(decimal(units(qty, 8) * 40n, 8), "ETH");
    const side = (who: Trader, name: "buy" | "sell") =>
      Array.from({ length: 40 }, () => who.place({ symbol, side: name, type: "limit", limit_price: at, qty }));
    const all = await Promise.all([...side(buyer, "buy"), ...side(seller, "sell")]);
    for (const { status } of all) expect([201, 202]).toContain(status);
    const worth = notional(symbol, at, qty) * 40n;
    await expect.poll(async () => (await seller.balance("ETH")).total, PATIENCE).toBe("0");
    await expect.poll(async () => units((await buyer.balance("ETH")).available, 8), PATIENCE).toBe(units(qty, 8) * 40n);
    for (const who of [buyer, seller]) {
      const orders = (await who.all<WireOrder>("/v1/orders", 50)).rows;
      expect(orders.every((order) => order.status === "filled")).toBe(true);
      const fees = orders.reduce((sum, order) => sum + usd(order.fee), 0n);
      expect(orders.reduce((sum, order) => sum + usd(order.filled_notional), 0n)).toBe(worth);
      const cash = await who.balance("USD");
      expect(cash.held).toBe("0");
      expect(usd(cash.available)).toBe(who === buyer ? usd("100000") - worth - fees : worth - fees);
    }
  });
});
