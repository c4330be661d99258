// What an account chooses for orders that do not say: it counts from the next one on, and changes nothing of what keys mean.
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { SELF_TRADE_PREVENTIONS } from "../../src/core/order.ts";
import {
  expectProblem,
  priceAt,
  qtyWorth,
  stopClock,
  type Trader,
  trader,
  type WireAccount,
  type WireOrder,
} from "../support/session.ts";

type Account = WireAccount & { self_trade_prevention: string };
const SYMBOL = "SOL-USD";
let price = "";

beforeAll(async () => {
  stopClock();
  price = await priceAt(SYMBOL, 0);
});

const choose = (who: Trader, self_trade_prevention: unknown) =>
  who.call<Account>("PATCH", "/v1/account", { json: { self_trade_prevention } });
const chosenBy = async (who: Trader) => (await who.get<Account>("/v1/account")).body.self_trade_prevention;
const order = (side: "buy" | "sell", more: object = {}) => ({
  ...{ symbol: SYMBOL, side, type: "limit", limit_price: price, qty: qtyWorth(SYMBOL, 100, price) },
  ...more,
});

async function holder(): Promise<Trader> {
  const ada = await trader({ usd: "10000" });
  await ada.deposit("50", "SOL");
  return ada;
}

describe("PATCH /v1/account", () => {
  it.each(SELF_TRADE_PREVENTIONS)("chooses %s for orders that do not say, also after an eviction", async (mode) => {
    const ada = await holder();
    expect(await chosenBy(ada)).toBe("cancel_newest");
    const chosen = await choose(ada, mode);
    expect([chosen.status, chosen.body.self_trade_prevention]).toEqual([200, mode]);
    await evictDurableObject(env.ACCOUNT.getByName(ada.accountId));
    expect(await chosenBy(ada)).toBe(mode);
    expect((await ada.place(order("buy"))).body.self_trade_prevention).toBe(mode);
    for (const said of SELF_TRADE_PREVENTIONS) {
      const placed = await ada.place(order("buy", { self_trade_prevention: said, limit_price: price }));
      expect(placed.body.self_trade_prevention).toBe(said);
    }
    const batch = await ada.call<{ data: { order: WireOrder }[] }>("POST", "/v1/orders/batch", {
      json: { orders: [order("buy"), order("buy", { self_trade_prevention: "cancel_newest" })] },
    });
    expect(batch.body.data.map((one) => one.order.self_trade_prevention)).toEqual([mode, "cancel_newest"]);
  });

  it("decides what happens as two of one's own orders meet", async () => {
    const ada = await holder();
    await choose(ada, "cancel_oldest");
    await ada.deposit("50", "LINK");
    const limit_price = await priceAt("LINK-USD", 0);
    const alone = { symbol: "LINK-USD", limit_price, qty: "5" };
    const resting = await ada.place(order("buy", alone));
    const coming = await ada.place(order("sell", alone));
    expect(coming.body.status).toBe("new");
    const before = await ada.get<WireOrder>(`/v1/orders/${resting.body.id}`);
    expect(before.body).toMatchObject({ status: "canceled", reason: "self_trade_prevention" });
  });

  it("leaves what a key means: the same body is the same order, whatever has been chosen since", async () => {
    const ada = await holder();
    const first = await ada.place(order("buy", { client_order_id: "one" }));
    await choose(ada, "none");
    const again = await ada.place(order("buy", { client_order_id: "one" }));
    expect([again.status, again.body.id, again.body.self_trade_prevention]).toEqual([
      200,
      first.body.id,
      "cancel_newest",
    ]);
    const written = order("buy", { client_order_id: "one", self_trade_prevention: "cancel_newest" });
    expect((await ada.place(written)).status).toBe(200);
    const other = order("buy", { client_order_id: "one", self_trade_prevention: "none" });
    expectProblem(await ada.place(other), 422, "client_order_id_reused");
    const unread = { ...order("buy"), qty: "0.0000000001", client_order_id: "two" };
    expectProblem(await ada.place(unread), 422, "off_lot");
    expectProblem(await ada.place({ ...unread, self_trade_prevention: "cancel_newest" }), 422, "off_lot");
  });

  it.each([[{}], [{ self_trade_prevention: "sometimes" }], [{ self_trade_prevention: "none", status: "active" }]])(
    "refuses %j",
    async (json) => {
      const ada = await trader();
      expectProblem(await ada.call("PATCH", "/v1/account", { json }), 422, "validation_failed");
      expect(await chosenBy(ada)).toBe("cancel_newest");
    },
  );
});
