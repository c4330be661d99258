// What a client may send again without fear: an order by its client_order_id, and any creation by its Idempotency-Key.

import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Answer,
  expectProblem,
  type OrderWish,
  priceAt,
  qtyWorth,
  secondSession,
  stopClock,
  type Trader,
  trader,
  type WireOrder,
  type WirePage,
  type WireTransfer,
} from "../support/session.ts";

const SYMBOL = "BTC-USD";
let resting: OrderWish;
let tooDear: OrderWish;

beforeAll(async () => {
  stopClock();
  const price = await priceAt(SYMBOL, -500);
  resting = { symbol: SYMBOL, side: "buy", type: "limit", limit_price: price, qty: qtyWorth(SYMBOL, 100, price) };
  tooDear = { ...resting, qty: qtyWorth(SYMBOL, 500_000, price) };
});

async function openOrders(who: Trader): Promise<WireOrder[]> {
  return (await who.get<WirePage<WireOrder>>("/v1/orders?status=open")).body.data;
}

describe("the same client_order_id", () => {
  it("and the same body answer 200 with the order as it is now", async () => {
    const ada = await trader({ usd: "1000" });
    const wish = { ...resting, client_order_id: "first.one_1:a-b" };
    const first = await ada.place(wish);
    expect(first.status).toBe(201);
    expect(first.body.client_order_id).toBe(wish.client_order_id);
    expect(await ada.place(wish)).toMatchObject({ status: 200, body: first.body });
    const canceled = await ada.cancel(first.body.id);
    expect(await ada.place(wish)).toMatchObject({ status: 200, body: canceled.body });
    expect(await openOrders(ada)).toEqual([]);
    const found = await ada.get<WireOrder>(`/v1/orders/by-client-id/${wish.client_order_id}`);
    expect(found).toMatchObject({ status: 200, body: canceled.body });
  });

  it("and the same body written differently are the same", async () => {
    const ada = await trader({ usd: "1000" });
    const first = await ada.place({ ...resting, client_order_id: "same" });
    const { symbol, side, type, ...rest } = resting;
    const again = { client_order_id: "same", time_in_force: "gtc", post_only: false, ...rest, type, side, symbol };
    expect(await ada.place(again)).toMatchObject({ status: 200, body: { id: first.body.id } });
  });

  it("and another body are refused, and change nothing", async () => {
    const ada = await trader({ usd: "1000" });
    const first = await ada.place({ ...resting, client_order_id: "mine" });
    const before = await ada.account();
    for (const change of [
      { side: "sell" as const },
      { post_only: true },
      { time_in_force: "day" },
      { qty: tooDear.qty },
    ]) {
      expectProblem(await ada.place({ ...resting, client_order_id: "mine", ...change }), 422, "client_order_id_reused");
    }
    const { seq, balances } = await ada.account();
    expect({ seq, balances }).toEqual({ seq: before.seq, balances: before.balances });
    expect(await openOrders(ada)).toEqual([first.body]);
  });

  it("Z5 in twenty copies at once makes one order", async () => {
    const ada = await trader({ usd: "1000" });
    const all = await Promise.all(Array.from({ length: 20 }, () => ada.place({ ...resting, client_order_id: "race" })));
    expect(all.filter((one) => one.status === 201)).toHaveLength(1);
    expect(all.filter((one) => one.status === 200)).toHaveLength(19);
    expect(new Set(all.map((one) => one.body.id)).size).toBe(1);
    expect(new Set(all.map((one) => one.body.status))).toEqual(new Set(["new"]));
    expect(await openOrders(ada)).toHaveLength(1);
  });

  it("is each account's own", async () => {
    const [ada, bob] = [await trader({ usd: "1000" }), await trader({ usd: "1000" })];
    const mine = await ada.place({ ...resting, client_order_id: "ours" });
    const theirs = await bob.place({ ...resting, client_order_id: "ours" });
    expect([mine.status, theirs.status]).toEqual([201, 201]);
    expect(mine.body.id).not.toBe(theirs.body.id);
    const carol = await trader();
    expectProblem(await carol.get("/v1/orders/by-client-id/ours"), 404, "not_found");
  });

  it("gets the account's refusal again for ever, also when there is money by now", async () => {
    const ada = await trader({ usd: "1000" });
    const wish = { ...tooDear, client_order_id: "dear" };
    const first = await ada.place(wish);
    expectProblem(first, 422, "insufficient_funds");
    expect(first.body).toMatchObject({ asset: "USD", available: "1000", needed: expect.stringMatching(/^50\d{4}/) });
    await ada.deposit("1000000");
    await evictDurableObject(env.ACCOUNT.getByName(ada.accountId));
    const again = await ada.place(wish);
    expect({ ...again.body, request_id: "" }).toEqual({ ...first.body, request_id: "" });
    const { client_order_id: _, ...asked } = wish;
    expect((await ada.place(asked)).status).toBe(201);
    expectProblem(await ada.get("/v1/orders/by-client-id/dear"), 422, "insufficient_funds");
  });

  it("gets the market's refusal again, and finds the order that it refused", async () => {
    const ada = await trader({ usd: "1000" });
    const high = await priceAt(SYMBOL, 100);
    const wish = { ...resting, limit_price: high, post_only: true, client_order_id: "crosser" };
    const first = await ada.place(wish);
    expectProblem(first, 422, "post_only_would_cross");
    const again = await ada.place(wish);
    expect({ ...again.body, request_id: "" }).toEqual({ ...first.body, request_id: "" });
    const found = await ada.get<WireOrder>("/v1/orders/by-client-id/crosser");
    expect(found).toMatchObject({ status: 200, body: { id: first.body.order_id, status: "rejected" } });
  });
});

describe("the same Idempotency-Key", () => {
  const key = (text: string) => ({ "Idempotency-Key": text });

  function expectReplay(again: Answer<unknown>, first: Answer<unknown>) {
    expect(again.text).toBe(first.text);
    expect(again.status).toBe(first.status);
    expect(again.headers.get("Content-Type")).toBe(first.headers.get("Content-Type"));
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    expect(first.headers.get("Idempotency-Replayed")).toBeNull();
  }

  it("replays an order's first answer byte for byte, whatever became of it", async () => {
    const ada = await trader({ usd: "1000" });
    const first = await ada.place(resting, key("k1"));
    expect(first.status).toBe(201);
    await ada.cancel(first.body.id);
    expectReplay(await ada.place(resting, key("k1")), first);
    await evictDurableObject(env.ACCOUNT.getByName(ada.accountId));
    const later = await secondSession(ada);
    expectReplay(await later.place(resting, key("k1")), first);
    expect(await openOrders(ada)).toEqual([]);
  });

  it("replays a refusal of the account, and one of the market", async () => {
    const ada = await trader({ usd: "1000" });
    const dear = await ada.place(tooDear, key("k1"));
    expectProblem(dear, 422, "insufficient_funds");
    await ada.deposit("1000000");
    expectReplay(await ada.place(tooDear, key("k1")), dear);
    const crosser = { ...resting, limit_price: await priceAt(SYMBOL, 100), post_only: true };
    const crossed = await ada.place(crosser, key("k2"));
    expectProblem(crossed, 422, "post_only_would_cross");
    expectReplay(await ada.place(crosser, key("k2")), crossed);
  });

  it("replays a deposit and a withdrawal, which each happen once", async () => {
    const ada = await trader({ usd: "1000" });
    for (const [kind, amount] of [
      ["deposits", "250.5"],
      ["withdrawals", "100"],
    ]) {
      const send = () => {
        const json = { asset: "USD", amount };
        return ada.call<WireTransfer>("POST", `/v1/account/${kind}`, { json, headers: key("one-for-both") });
      };
      const first = await send();
      expect(first.status).toBe(201);
      expectReplay(await send(), first);
    }
    expect((await ada.balance("USD")).available).toBe("1150.5");
  });

  it("and another body are refused with 422", async () => {
    const ada = await trader({ usd: "1000" });
    await ada.place(resting, key("k"));
    expectProblem(await ada.place({ ...resting, side: "sell" }, key("k")), 422, "idempotency_key_reused");
    const deposit = (amount: string) =>
      ada.call("POST", "/v1/account/deposits", { json: { asset: "USD", amount }, headers: key("d") });
    expect((await deposit("1")).status).toBe(201);
    expectProblem(await deposit("2"), 422, "idempotency_key_reused");
    expect(await openOrders(ada)).toHaveLength(1);
  });

  it("Z5 in twenty copies at once acts once: the others get its bytes, or 409 while it runs", async () => {
    const ada = await trader({ usd: "1000" });
    const all = await Promise.all(Array.from({ length: 20 }, () => ada.place(resting, key("race"))));
    const firsts = all.filter((one) => one.status === 201 && one.headers.get("Idempotency-Replayed") === null);
    expect(firsts).toHaveLength(1);
    for (const one of all) {
      if (one.status === 409) expectProblem(one, 409, "idempotency_in_flight");
      else expect(one.text).toBe(firsts[0]?.text);
    }
    expect(await openOrders(ada)).toHaveLength(1);
    const deposits = await Promise.all(
      Array.from({ length: 20 }, () => {
        return ada.call("POST", "/v1/account/deposits", { json: { asset: "USD", amount: "7" }, headers: key("race") });
      }),
    );
    expect(new Set(deposits.map((one) => one.text)).size).toBe(1);
    expect((await ada.balance("USD")).total).toBe("1007");
  });

  it("that comes with an order already placed is used by it: its first answer is the 200, whatever becomes of it", async () => {
    const ada = await trader({ usd: "1000" });
    const wish = { ...resting, client_order_id: "one" };
    const placed = await ada.place(wish);
    const first = await ada.place(wish, key("k"));
    expect(first).toMatchObject({ status: 200, body: placed.body });
    const canceled = await ada.cancel(placed.body.id);
    expectReplay(await ada.place(wish, key("k")), first);
    await evictDurableObject(env.ACCOUNT.getByName(ada.accountId));
    expectReplay(await ada.place(wish, key("k")), first);
    expectProblem(await ada.place({ ...wish, side: "sell" }, key("k")), 422, "idempotency_key_reused");
    expectProblem(await ada.place({ ...wish, client_order_id: "two" }, key("k")), 422, "idempotency_key_reused");
    expect(await ada.place(wish, key("k2"))).toMatchObject({ status: 200, body: canceled.body });
    expect(await ada.place(wish)).toMatchObject({ status: 200, body: canceled.body });
  });

  it("that comes with an id of another order is used by the refusal", async () => {
    const ada = await trader({ usd: "1000" });
    const wish = { ...resting, client_order_id: "one" };
    await ada.place(wish);
    const other = { ...tooDear, client_order_id: "one" };
    const first = await ada.place(other, key("k"));
    expectProblem(first, 422, "client_order_id_reused");
    expectReplay(await ada.place(other, key("k")), first);
    expectProblem(await ada.place(wish, key("k")), 422, "idempotency_key_reused");
  });

  it("that comes with an order already refused is used by that refusal", async () => {
    const ada = await trader({ usd: "1000" });
    const wish = { ...tooDear, client_order_id: "dear" };
    await ada.place(wish);
    await ada.deposit("1000000");
    const first = await ada.place(wish, key("k"));
    expectProblem(first, 422, "insufficient_funds");
    expectReplay(await ada.place(wish, key("k")), first);
    expectProblem(await ada.place({ ...wish, client_order_id: "cheap" }, key("k")), 422, "idempotency_key_reused");
  });

  it("and the same client_order_id, each with many copies at once, make one order", async () => {
    const ada = await trader({ usd: "1000" });
    const wish = { ...resting, client_order_id: "race" };
    const copies = Array.from({ length: 24 }, (_, n) => ada.place(wish, n % 2 === 0 ? key(`k${n % 6}`) : {}));
    const all = await Promise.all(copies);
    const answered = all.filter((one) => one.status !== 409);
    for (const one of all) if (one.status === 409) expectProblem(one, 409, "idempotency_in_flight");
    expect(new Set(answered.map((one) => one.body.id)).size).toBe(1);
    expect(answered.filter((one) => one.status === 201 && !one.headers.has("Idempotency-Replayed"))).toHaveLength(1);
    for (const n of [0, 2, 4]) {
      const kept = await ada.place(wish, key(`k${n}`));
      const same = all.filter((one, at) => at % 6 === n && one.status !== 409);
      for (const one of same) expect([one.status, one.text]).toEqual([kept.status, kept.text]);
      expect(same.filter((one) => !one.headers.has("Idempotency-Replayed"))).toHaveLength(1);
    }
    expect(await openOrders(ada)).toHaveLength(1);
  });

  it("is each account's own", async () => {
    const [ada, bob] = [await trader({ usd: "1000" }), await trader({ usd: "1000" })];
    const mine = await ada.place(resting, key("k"));
    const theirs = await bob.place(resting, key("k"));
    expect(theirs.status).toBe(201);
    expect(theirs.body.id).not.toBe(mine.body.id);
  });

  it.each([
    ["empty", ""],
    ["with a blank", "a b"],
    ["of 256 characters", "k".repeat(256)],
  ])("%s is refused", async (_, text) => {
    const ada = await trader({ usd: "1000" });
    expectProblem(await ada.place(resting, key(text)), 422, "validation_failed");
    expect(await openOrders(ada)).toEqual([]);
  });
});
