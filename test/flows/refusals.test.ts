// Every way in which an order can be refused, as long as somebody may ask again: the same id gets the same refusal for ever,
// whoever judged it, and no other order ever.
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { PLAIN_ORDER_CODES } from "../../src/core/result.ts";
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
} from "../support/session.ts";

const SYMBOL = "BTC-USD";
const key = (text: string) => ({ "Idempotency-Key": text });
let good: OrderWish;
let high = "";

beforeAll(async () => {
  stopClock();
  const price = await priceAt(SYMBOL, -500);
  high = await priceAt(SYMBOL, 100);
  good = { symbol: SYMBOL, side: "buy", type: "limit", limit_price: price, qty: qtyWorth(SYMBOL, 100, price) };
});

const WAITING = { limit_price: undefined, time_in_force: undefined, side: "sell" };
const BRACKET = { order_class: "oto", stop_loss: { stop_price: "900000" } };

/** By name: the code, and what makes the good order one that is refused for it. */
const REFUSED: [name: string, code: string, change: () => object][] = [
  ["more than there is", "insufficient_funds", () => ({ qty: "10" })],
  ["a price off the tick", "off_tick", () => ({ limit_price: "60001" })],
  ["a price of too many digits", "off_tick", () => ({ limit_price: "60000.0000001" })],
  ["a quantity off the lot", "off_lot", () => ({ qty: "0.00200001" })],
  ["a quantity of too many digits", "off_lot", () => ({ qty: "0.002000000" })],
  ["too little", "below_min_notional", () => ({ qty: "0.0000005" })],
  ["too much", "above_max_qty", () => ({ qty: "50.0000005" })],
  ["a price far away", "price_outside_band", () => ({ limit_price: "2" })],
  ["a quantity without units", "amount_out_of_range", () => ({ qty: "90071992.54740992" })],
  ["a price without units", "amount_out_of_range", () => ({ limit_price: "9007199254.740992" })],
  [
    "a notional without units",
    "amount_out_of_range",
    () => ({ qty: undefined, limit_price: undefined, type: "market", notional: "9007199254.740992" }),
  ],
  [
    "no life left",
    "submitted_too_late",
    () => ({ time_in_force: "gtd", expires_at: new Date(Date.now() + 500).toISOString() }),
  ],
  ["a stop off tick", "off_tick", () => ({ ...WAITING, type: "stop", stop_price: "50000.5" })],
  [
    "a stop with more digits than USD has",
    "off_tick",
    () => ({ ...WAITING, type: "stop", stop_price: "50000.0000001" }),
  ],
  ["a trail off tick", "off_tick", () => ({ ...WAITING, type: "trailing_stop", trail_amount: "1.5" })],
  ["a trail beyond the price", "off_tick", () => ({ ...WAITING, type: "trailing_stop", trail_amount: "90000000" })],
  [
    "a stop without units",
    "amount_out_of_range",
    () => ({ ...WAITING, type: "take_profit", stop_price: "9007199254.740992" }),
  ],
  ["exits on one side", "exits_misplaced", () => BRACKET],
  ["a part off the lot", "off_lot", () => ({ display_qty: "0.00010001" })],
  ["a part of too many digits", "off_lot", () => ({ display_qty: "0.000100000" })],
  ["a part that is more than the whole", "display_qty_out_of_range", () => ({ display_qty: "0.01" })],
  ["a part that is too little", "display_qty_out_of_range", () => ({ display_qty: "0.00001" })],
  ["a part without units", "amount_out_of_range", () => ({ display_qty: "90071992.54740992" })],
  ["a price that would trade", "post_only_would_cross", () => ({ limit_price: high, post_only: true })],
  [
    "more than the book has",
    "fok_not_fillable",
    () => ({ limit_price: high, time_in_force: "fok", qty: qtyWorth(SYMBOL, 500_000, high) }),
  ],
];
const OF_THE_MARKET = ["post_only_would_cross", "fok_not_fillable"];

/** Somebody who can pay for what only the market refuses. */
function buyer(code: string): Promise<Trader> {
  return trader({ usd: code === "fok_not_fillable" ? "1000000" : "1000" });
}

/** A problem as it is but for whose request it answered. */
function told(got: Answer<unknown>): object {
  return { status: got.status, ...got.body, instance: "", request_id: "" };
}

describe("an order refused for", () => {
  it.each(REFUSED)("%s (%s) is refused again for ever, and no other order gets its id", async (_, code, change) => {
    const ada = await buyer(code);
    const wish = { ...good, ...change(), client_order_id: "one" };
    const first = await ada.place(wish);
    expectProblem(first, 422, code);
    // What it lacks, or else which rule, its bound, and what the order had there.
    const members = code === "insufficient_funds" ? ["asset", "needed", "available"] : ["rule", "limit", "value"];
    for (const member of members) expect(first.body[member], first.text).toMatch(/./);
    const again = await ada.place(wish);
    expectProblem(again, 422, code);
    expect(told(again)).toEqual(told(first));
    await evictDurableObject(env.ACCOUNT.getByName(ada.accountId));
    expect(told(await ada.place(wish))).toEqual(told(first));
    const alsoWrong = [{ qty: "0.002000001" }, { display_qty: "0.5" }, { qty: "99" }];
    for (const other of [
      good,
      { ...wish, side: wish.side === "sell" ? ("buy" as const) : ("sell" as const) },
      ...alsoWrong.map((one) => ({ ...good, ...one })),
    ]) {
      expectProblem(await ada.place({ ...other, client_order_id: "one" }), 422, "client_order_id_reused");
    }
    const found = await ada.get("/v1/orders/by-client-id/one");
    if (OF_THE_MARKET.includes(code)) {
      expect(found.body).toMatchObject({ id: first.body.order_id, status: "rejected", reason: code });
    } else expect(told(found)).toEqual(told(first));
    expect((await ada.balance("USD")).held).toBe("0");
  });

  it.each(REFUSED)("%s (%s) replays its first bytes to an Idempotency-Key", async (_, code, change) => {
    const ada = await buyer(code);
    const wish = { ...good, ...change(), client_order_id: "one" };
    const first = await ada.place(wish, key("k"));
    expectProblem(first, 422, code);
    await evictDurableObject(env.ACCOUNT.getByName(ada.accountId));
    const again = await ada.place(wish, key("k"));
    expect([again.status, again.text, again.headers.get("Idempotency-Replayed")]).toEqual([422, first.text, "true"]);
    expectProblem(await ada.place(good, key("k")), 422, "idempotency_key_reused");
    expect((await ada.place(good)).status).toBe(201);
  });

  it("being an account's that is frozen is refused so for ever, also once it is thawed", async () => {
    const ada = await trader({ usd: "1000" });
    const account = env.ACCOUNT.getByName(ada.accountId);
    await account.setStatus("frozen", "a test");
    const first = await ada.place({ ...good, client_order_id: "one" });
    expectProblem(first, 422, "account_frozen");
    await account.setStatus("active", "a test");
    expect(told(await ada.place({ ...good, client_order_id: "one" }))).toEqual(told(first));
    expect((await ada.place({ ...good, client_order_id: "two" })).status).toBe(201);
  });

  it("is every refusal that a client can bring about", () => {
    // A single order gets batch_aborted when it asks for one of a batch by its id: batch.test.ts.
    // Of legs and their groups: groups.test.ts here, and in core under rules that change on the way.
    const others = ["account_frozen", "client_order_id_reused", "batch_aborted", "leg_qty_fixed", "rules_changed"];
    // A group in a batch: batch.test.ts.
    others.push("unsupported_order_type");
    // Operators close markets and let fewer orders be open: governance.test.ts. Nothing counts orders by the day yet.
    const outOfReach = ["market_not_open", "market_post_only", "too_many_open_orders", "daily_order_quota"];
    const reached = new Set([...REFUSED.map(([, code]) => code), ...others, ...outOfReach]);
    expect([...reached].sort()).toEqual([...PLAIN_ORDER_CODES, "insufficient_funds"].sort());
  });
});

describe("what does not count as an answer", () => {
  it.each<[string, object, string]>([
    ["an unknown symbol", { symbol: "NOPE-USD" }, "validation_failed"],
    ["a missing field", { side: undefined }, "validation_failed"],
    ["a notional of too many digits", { qty: undefined, notional: "1.0000001" }, "validation_failed"],
  ])("%s leaves id and key free", async (_, change, code) => {
    const ada = await trader({ usd: "1000" });
    const wish = { ...good, client_order_id: "one" };
    expectProblem(await ada.place({ ...wish, ...change }, key("k")), 422, code);
    expectProblem(await ada.get("/v1/orders/by-client-id/one"), 404, "not_found");
    expect((await ada.place(wish, key("k"))).status).toBe(201);
    // Judged before the id is looked up: what is no order is not another order.
    expectProblem(await ada.place({ ...wish, ...change }, key("k")), 422, code);
  });

  it("nor do 400, 401 and a key used for another order", async () => {
    const ada = await trader({ usd: "1000" });
    const raw = `${JSON.stringify({ ...good, client_order_id: "one" })}}`;
    const headers = { "Content-Type": "application/json", ...key("k") };
    expectProblem(await ada.call("POST", "/v1/orders", { raw, headers }), 400, "malformed_json");
    const out = await secondSession(ada);
    expect((await out.call("POST", "/v1/auth/logout")).status).toBe(204);
    const unread = { ...good, client_order_id: "one", qty: "0.000000001" };
    expectProblem(await out.place(unread, key("k")), 401, "session_revoked");
    expect((await ada.place(good, key("k"))).status).toBe(201);
    expectProblem(await ada.place(unread, key("k")), 422, "idempotency_key_reused");
    expectProblem(await ada.place(unread, key("other")), 422, "off_lot");
  });
});

describe("a transfer refused", () => {
  it.each<[string, string, string, string]>([
    ["above the limit", "deposits", "10000000.000001", "amount_out_of_range"],
    ["above the limit", "withdrawals", "10000000.000001", "amount_out_of_range"],
    ["of more than can be booked", "deposits", "9007199254.740992", "amount_out_of_range"],
    ["of more than there is", "withdrawals", "1000.000001", "insufficient_funds"],
  ])("%s (%s) is refused again under its key, byte for byte", async (_, kind, amount, code) => {
    const ada = await trader({ usd: "1000" });
    const send = (sum: string) =>
      ada.call("POST", `/v1/account/${kind}`, { json: { asset: "USD", amount: sum }, headers: key("k") });
    const first = await send(amount);
    expectProblem(first, 422, code);
    await ada.deposit("1000");
    await evictDurableObject(env.ACCOUNT.getByName(ada.accountId));
    const again = await send(amount);
    expect([again.status, again.text, again.headers.get("Idempotency-Replayed")]).toEqual([422, first.text, "true"]);
    for (const other of ["1", "10000000.000002", "9007199254.740993"]) {
      expectProblem(await send(other), 422, "idempotency_key_reused");
    }
    expect((await ada.balance("USD")).total).toBe("2000");
  });

  it("for its schema leaves its key free", async () => {
    const ada = await trader({ usd: "1000" });
    const send = (json: object) => ada.call("POST", "/v1/account/deposits", { json, headers: key("k") });
    expectProblem(await send({ asset: "USD", amount: "1.0000001" }), 422, "validation_failed");
    expectProblem(await send({ asset: "NOPE", amount: "1" }), 422, "validation_failed");
    expect((await send({ asset: "USD", amount: "1" })).status).toBe(201);
  });
});
