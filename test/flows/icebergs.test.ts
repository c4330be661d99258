// Orders that show a part of themselves, over HTTP: what the public sees, what their owner does, and who trades first.
import { beforeAll, describe, expect, it } from "vitest";
import { call, priceAt, stopClock, type Trader, trader, unitsOf } from "../support/session.ts";

const SYMBOL = "LINK-USD";
let price = "";

beforeAll(async () => {
  stopClock();
  price = String(Number(await priceAt(SYMBOL, 2)));
});

/** What the public book offers at the test's price, which is inside of the house's spread. */
async function shownNow(): Promise<string> {
  const { body } = await call<{ asks: [string, string][] }>("GET", `/v1/markets/${SYMBOL}/book?depth=5`);
  return body.asks.find(([at]) => at === price)?.[1] ?? "0";
}

const sell = (who: Trader, qty: string, more: object = {}) =>
  who.place({ symbol: SYMBOL, side: "sell", type: "limit", limit_price: price, qty, ...more });
const buy = (who: Trader, qty: string) =>
  who.place({ symbol: SYMBOL, side: "buy", type: "limit", limit_price: price, time_in_force: "ioc", qty });

describe("an order with display_qty", () => {
  it("shows that much of itself, to its owner all, and trades in turn with others at its price", async () => {
    const [ada, bob, eve] = [await trader(), await trader(), await trader({ usd: "100000" })];
    await ada.deposit("100", "LINK");
    await bob.deposit("100", "LINK");
    const iceberg = await sell(ada, "50", { display_qty: "10", client_order_id: "berg" });
    expect(iceberg.body).toMatchObject({ status: "new", qty: "50", display_qty: "10", leaves_qty: "50" });
    const plain = await sell(bob, "20");
    expect(plain.body).toMatchObject({ display_qty: null });
    expect(await shownNow()).toBe("30");
    expect((await buy(eve, "35")).body).toMatchObject({ status: "filled", filled_qty: "35" });
    expect(await shownNow()).toBe("5");
    const fills = await ada.all<{ qty: string }>(`/v1/fills?order_id=${iceberg.body.id}`, 50);
    expect(fills.rows.map(({ qty }) => qty).sort()).toEqual(["10", "5"]);
    expect((await bob.order(plain.body.id)).status).toBe("filled");
    expect(await ada.order(iceberg.body.id)).toMatchObject({ status: "partially_filled", leaves_qty: "35" });
    const again = await sell(ada, "50", { display_qty: "10", client_order_id: "berg" });
    expect(again).toMatchObject({ status: 200, body: { id: iceberg.body.id } });
    const less = await ada.call("PATCH", `/v1/orders/${iceberg.body.id}`, { json: { qty: "18" } });
    expect(less.body).toMatchObject({ qty: "18", display_qty: "10", leaves_qty: "3" });
    expect(await shownNow()).toBe("3");
    await ada.cancel(iceberg.body.id);
    expect(await shownNow()).toBe("0");
    expect(unitsOf("LINK", (await ada.balance("LINK")).held)).toBe(0n);
  });

  it("is previewed as it is filled", async () => {
    const [ada, eve] = [await trader(), await trader({ usd: "100000" })];
    await ada.deposit("100", "LINK");
    await sell(ada, "30", { display_qty: "10" });
    const json = { symbol: SYMBOL, side: "buy", type: "limit", limit_price: price, time_in_force: "ioc", qty: "25" };
    const preview = await eve.call<{ fills: { qty: string }[] }>("POST", "/v1/orders/preview", { json });
    expect(preview.body).toMatchObject({ filled_qty: "25" });
    expect(preview.body.fills.map(({ qty }) => qty)).toEqual(["10", "10", "5"]);
    expect((await buy(eve, "25")).body).toMatchObject({ filled_qty: "25" });
    await ada.call("DELETE", "/v1/orders");
  });
});
