// An open order's other terms over HTTP: what is answered, what is held, and who comes first in the book after it.
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { MarketObject } from "../../src/worker.ts";
import { newKey, signed } from "../support/keys.ts";
import {
  call,
  expectProblem,
  priceAt,
  qtyWorth,
  stopClock,
  type Trader,
  trader,
  unitsOf,
  usd,
  type WireOrder,
} from "../support/session.ts";

const SYMBOL = "ETH-USD";
let pass: (ms: number) => void;
let low = "";
let lower = "";

beforeAll(async () => {
  pass = stopClock();
  low = await shortPrice(-30);
  lower = await shortPrice(-40);
});

/** A price in the shortest form, as answers have it. */
const shortPrice = async (ticks: number) => String(Number(await priceAt(SYMBOL, ticks)));
const patch = (who: Trader, id: string, json: object) => who.call<WireOrder>("PATCH", `/v1/orders/${id}`, { json });

async function resting(price = low, worth = 900): Promise<{ ada: Trader; order: WireOrder }> {
  const ada = await trader({ usd: "10000" });
  const wish = {
    symbol: SYMBOL,
    side: "buy" as const,
    type: "limit",
    limit_price: price,
    qty: qtyWorth(SYMBOL, worth, price),
  };
  const placed = await ada.place({ ...wish, client_order_id: "mine" });
  expect(placed.body.status).toBe("new");
  return { ada, order: placed.body };
}

describe("PATCH /v1/orders/{id}", () => {
  it("changes quantity and price; id and client_order_id stay, and what is held follows", async () => {
    const { ada, order } = await resting();
    const held = usd((await ada.balance("USD")).held);
    const qty = qtyWorth(SYMBOL, 1_800, low);
    const more = await patch(ada, order.id, { qty, limit_price: lower });
    expect(more.status).toBe(200);
    expect(more.body).toMatchObject({ id: order.id, client_order_id: "mine", limit_price: lower, status: "new" });
    expect(unitsOf("ETH", more.body.qty ?? "")).toBe(unitsOf("ETH", qty));
    expect(more.body).toMatchObject({ replace_requested: false });
    expect(usd((await ada.balance("USD")).held)).toBeGreaterThan(held);
    const again = await patch(ada, order.id, { qty: order.qty, limit_price: low });
    expect(again.body).toMatchObject({ qty: order.qty, limit_price: low });
    expect(usd((await ada.balance("USD")).held)).toBe(held);
    expect((await ada.get<WireOrder>("/v1/orders/by-client-id/mine")).body).toEqual(await ada.order(order.id));
    await ada.cancel(order.id);
  });

  it("meets what its other price accepts", async () => {
    const { ada, order } = await resting();
    const got = await patch(ada, order.id, { limit_price: await priceAt(SYMBOL, 300) });
    expect(got.status).toBe(200);
    expect(got.body).toMatchObject({ status: "filled", leaves_qty: "0" });
    expect((await ada.balance("USD")).held).toBe("0");
  });

  it("by a signed key is one call, though the order is looked at first", async () => {
    const { ada, order } = await resting();
    const key = await newKey(ada, { signing: true });
    const path = `/v1/orders/${order.id}`;
    const body = JSON.stringify({ limit_price: lower });
    const headers = { ...signed(key, "PATCH", path, { body }), "Content-Type": "application/json" };
    const got = await call<WireOrder>("PATCH", path, { raw: body, headers });
    expect(got.body).toMatchObject({ limit_price: lower });
    expect(got.status).toBe(200);
    expectProblem(await call("PATCH", path, { raw: body, headers }), 401, "unauthenticated");
    await ada.cancel(order.id);
  });

  it("puts an order that is for more behind those who came meanwhile", async () => {
    const price = await shortPrice(0);
    const [first, second] = [await resting(price), await resting(price)];
    const third = await resting(price);
    expect((await patch(first.ada, first.order.id, { qty: qtyWorth(SYMBOL, 950, price) })).status).toBe(200);
    expect((await patch(second.ada, second.order.id, { qty: qtyWorth(SYMBOL, 850, price) })).status).toBe(200);
    // Who comes first is who is filled first.
    const taker = await trader();
    await taker.deposit("5", "ETH");
    const sold = await taker.place({
      symbol: SYMBOL,
      side: "sell",
      type: "limit",
      limit_price: price,
      qty: qtyWorth(SYMBOL, 1_200, price),
    });
    expect(sold.status).toBe(201);
    const filled = async ({ ada, order }: typeof first) => Number((await ada.order(order.id)).filled_qty) > 0;
    await expect.poll(() => filled(third), { timeout: 10_000 }).toBe(true);
    expect([await filled(first), await filled(second)]).toEqual([false, true]);
    for (const { ada, order } of [first, second, third]) await ada.cancel(order.id);
  });

  it("answers 202 while the market is away, and is made once it is back", async () => {
    const { ada, order } = await resting();
    const exchange = vi.spyOn(MarketObject.prototype, "exchange").mockResolvedValue({ outcome: "later" });
    const got = await patch(ada, order.id, { limit_price: lower });
    expect(got.status).toBe(202);
    expect(got.body).toMatchObject({ limit_price: low, replace_requested: true });
    expectProblem(await patch(ada, order.id, { limit_price: low }), 409, "replace_pending");
    exchange.mockRestore();
    pass(31_000);
    await runDurableObjectAlarm(env.ACCOUNT.getByName(ada.accountId) as DurableObjectStub);
    await expect.poll(async () => (await ada.order(order.id)).limit_price, { timeout: 10_000 }).toBe(lower);
    expect(await ada.order(order.id)).toMatchObject({ replace_requested: false });
    await ada.cancel(order.id);
  });

  it("is refused for an order that is no more, or is not one's own", async () => {
    const { ada, order } = await resting();
    const eve = await trader();
    expectProblem(await patch(eve, order.id, { qty: "1" }), 404, "not_found");
    await ada.cancel(order.id);
    expectProblem(await patch(ada, order.id, { qty: "1" }), 409, "order_not_open");
    expectProblem(await patch(ada, "ord_none", { qty: "1" }), 404, "not_found");
  });

  it.each([
    ["nothing", {}, "/qty required"],
    ["an unknown field", { qty: "1", side: "sell" }, "/side unknown_field"],
    ["a number", { qty: 1 }, "/qty not_a_string"],
    ["zero", { qty: "0" }, "/qty not_positive"],
    ["a stop for a limit order", { stop_price: "2500" }, "/stop_price not_allowed"],
    ["a trail for a limit order", { trail_percent: "1" }, "/trail_percent not_allowed"],
    ["two trails", { trail_percent: "1", trail_amount: "1" }, "/trail_percent not_allowed"],
    ["another symbol", { qty: "1", symbol: "BTC-USD" }, "/symbol unknown_field"],
  ])("with %s does not fit, and changes nothing", async (_, json, field) => {
    const { ada, order } = await resting();
    const got = await patch(ada, order.id, json);
    expectProblem(got, 422, "validation_failed");
    const { errors } = got.body as unknown as { errors: { pointer: string; code: string }[] };
    expect(errors.map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([field]);
    expect(await ada.order(order.id)).toEqual(order);
    await ada.cancel(order.id);
  });

  it.each([
    ["off_tick", { limit_price: "2500.01" }],
    ["off_lot", { qty: "0.1000000001" }],
    ["price_outside_band", { limit_price: "10" }],
    ["insufficient_funds", { qty: "900" }],
    ["amount_out_of_range", { qty: "90071992547" }],
  ])("is refused as %s, as a new one would be", async (code, json) => {
    const { ada, order } = await resting();
    expectProblem(await patch(ada, order.id, json), 422, code);
    expect(await ada.order(order.id)).toEqual(order);
    await ada.cancel(order.id);
  });

  it("asked for fifty times at once is made once, and the others hear that one is under way", async () => {
    const { ada, order } = await resting();
    const answers = await Promise.all(Array.from({ length: 50 }, () => patch(ada, order.id, { limit_price: lower })));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.every((status) => status === 200 || status === 409)).toBe(true);
    expect(statuses).toContain(200);
    expect(await ada.order(order.id)).toMatchObject({ limit_price: lower, status: "new" });
    await ada.cancel(order.id);
    expect((await ada.balance("USD")).held).toBe("0");
  });
});
