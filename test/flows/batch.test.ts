// Many orders in one call: what each is answered, in the order given; all or none where that was asked for.
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FieldError } from "../../src/core/result.ts";
import {
  type Answer,
  expectProblem,
  type OrderWish,
  priceAt,
  qtyWorth,
  stopClock,
  type Trader,
  trader,
  type WireOrder,
  type WirePage,
} from "../support/session.ts";

const SYMBOL = "BTC-USD";
let resting: OrderWish;
let crossing: OrderWish;
let tooDear: OrderWish;
let pass: (ms: number) => void;

beforeAll(async () => {
  pass = stopClock();
  const price = await priceAt(SYMBOL, -500);
  resting = { symbol: SYMBOL, side: "buy", type: "limit", limit_price: price, qty: qtyWorth(SYMBOL, 100, price) };
  crossing = { ...resting, limit_price: await priceAt(SYMBOL, 100), post_only: true };
  tooDear = { ...resting, qty: qtyWorth(SYMBOL, 500_000, price) };
});

beforeEach(() => pass(3_000));

const GROUP = { order_class: "oto", stop_loss: { stop_price: "1" } };

interface Item {
  status_code: number;
  order?: WireOrder;
  problem?: Record<string, unknown>;
}

type Many = Answer<{ data: Item[] }>;

function send(who: Trader, orders: unknown[], atomic?: boolean, headers: Record<string, string> = {}): Promise<Many> {
  const json = { orders, ...(atomic === undefined ? {} : { atomic }) };
  return who.call<{ data: Item[] }>("POST", "/v1/orders/batch", { json, headers });
}

/** Each item's status, and the code of its problem. */
function told(got: Many): string[] {
  expect(got.status, got.text).toBe(207);
  return got.body.data.map(({ status_code, order, problem }) => {
    expect(order === undefined).not.toBe(problem === undefined);
    if (problem !== undefined) expect(problem.status).toBe(status_code);
    return problem === undefined ? `${status_code} ${order?.status}` : `${status_code} ${problem.code}`;
  });
}

async function ordersOf(who: Trader): Promise<WireOrder[]> {
  return (await who.get<WirePage<WireOrder>>("/v1/orders?status=all")).body.data;
}

describe("a batch", () => {
  it("answers each order as POST /v1/orders would have, in the order given", async () => {
    const ada = await trader({ usd: "1000" });
    const before = await ada.place({ ...resting, client_order_id: "before" });
    const got = await send(ada, [
      { ...resting, client_order_id: "one" },
      { ...resting, client_order_id: "before" },
      tooDear,
      { ...resting, side: "sideways" },
      { symbol: SYMBOL, side: "buy", type: "market", notional: "50" },
      { ...resting, symbol: "NO-USD" },
      { ...resting, ...GROUP },
      crossing,
      "an order",
      { ...resting, client_order_id: "one", side: "sell" },
    ]);
    expect(told(got)).toEqual([
      "201 new",
      "200 new",
      "422 insufficient_funds",
      "422 validation_failed",
      "201 filled",
      "422 validation_failed",
      "422 unsupported_order_type",
      "422 post_only_would_cross",
      "422 validation_failed",
      "422 client_order_id_reused",
    ]);
    const { data } = got.body;
    expect(data[0]?.order).toEqual(await ada.order(String(data[0]?.order?.id)));
    expect(data[1]?.order).toEqual(before.body);
    expect(data[2]?.problem).toMatchObject({ asset: "USD", instance: "/v1/orders/batch" });
    expect(data[3]?.problem).toMatchObject({ errors: [{ pointer: "/side", code: "not_allowed" }] });
    expect(data[5]?.problem).toMatchObject({ errors: [{ pointer: "/symbol", code: "unknown_symbol" }] });
    expect(data[7]?.problem).toMatchObject({ order_id: expect.stringMatching(/^ord_/) });
    expect(data[8]?.problem).toMatchObject({ errors: [{ pointer: "", code: "not_an_object" }] });
  });

  it("admits each after the holds of those before it", async () => {
    const ada = await trader({ usd: "250" });
    const third = { ...resting, client_order_id: "third" };
    expect(told(await send(ada, [resting, resting, third, resting]))).toEqual([
      "201 new",
      "201 new",
      "422 insufficient_funds",
      "422 insufficient_funds",
    ]);
    // Remembered as a single order's would be.
    await ada.deposit("1000");
    expectProblem(await ada.place(third), 422, "insufficient_funds");
  });

  it("has orders of several markets, and of 100 at once", async () => {
    const ada = await trader({ usd: "100000" });
    const other = await priceAt("SOL-USD", -500);
    const sol = { ...resting, symbol: "SOL-USD", limit_price: other, qty: qtyWorth("SOL-USD", 100, other) };
    const got = await send(
      ada,
      Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? resting : sol)),
    );
    expect(new Set(told(got))).toEqual(new Set(["201 new"]));
    expect(got.body.data.map(({ order }) => order?.symbol).slice(0, 3)).toEqual([SYMBOL, "SOL-USD", SYMBOL]);
  });

  it("says twice what one client_order_id has made", async () => {
    const ada = await trader({ usd: "1000" });
    const wish = { ...resting, client_order_id: "same" };
    const got = await send(ada, [wish, wish]);
    expect(told(got)).toEqual(["201 new", "200 new"]);
    expect(await ordersOf(ada)).toHaveLength(1);
    expect(told(await send(ada, [wish, wish]))).toEqual(["200 new", "200 new"]);
    expect((await ada.place(wish)).status).toBe(200);
  });

  it("counts each of its orders", async () => {
    const ada = await trader({ usd: "100000" });
    const left = (got: Answer<unknown>) => Number(/r=(\d+)/.exec(got.headers.get("RateLimit") ?? "")?.[1]);
    const one = left(await ada.place(resting));
    expect(
      left(
        await send(
          ada,
          Array.from({ length: 20 }, () => resting),
        ),
      ),
    ).toBe(one - 20);
    const many = Array.from({ length: 100 }, () => resting);
    await send(ada, many);
    await send(ada, many);
    expectProblem(await send(ada, many), 429, "rate_limited");
    expect((await ordersOf(ada)).length).toBeGreaterThan(0);
  });
});

describe("a batch that is none", () => {
  it.each([
    ["nothing", {}, "/orders required"],
    ["no orders", { orders: [] }, "/orders too_small"],
    ["101 orders", { orders: Array.from({ length: 101 }, () => ({})) }, "/orders too_big"],
    ["an object of orders", { orders: {} }, "/orders not_an_array"],
    ["a maybe", { orders: [{}], atomic: "yes" }, "/atomic not_a_boolean"],
    ["something else", { orders: [{}], all: true }, "/all unknown_field"],
  ])("of %s is refused as a whole, and nothing has happened", async (_, json, field) => {
    const ada = await trader({ usd: "1000" });
    const { seq } = await ada.account();
    const got = await ada.call<object>("POST", "/v1/orders/batch", { json });
    expectProblem(got, 422, "validation_failed");
    const errors = (got.body.errors ?? []) as FieldError[];
    expect(errors.map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([field]);
    expect((await ada.account()).seq).toBe(seq);
  });

  it("changes nothing where no item is an order, and uses no client_order_id", async () => {
    const ada = await trader({ usd: "1000" });
    const { seq } = await ada.account();
    const wrong = { ...resting, qty: 1, client_order_id: "mine" };
    for (const atomic of [false, true]) {
      expect(told(await send(ada, [wrong, null], atomic))).toEqual(["422 validation_failed", "422 validation_failed"]);
    }
    expect((await ada.account()).seq).toBe(seq);
    expect((await ada.place({ ...resting, client_order_id: "mine" })).status).toBe(201);
  });
});

describe("an atomic batch", () => {
  it("places all", async () => {
    const ada = await trader({ usd: "1000" });
    const market = { symbol: SYMBOL, side: "buy", type: "market", notional: "50" };
    expect(told(await send(ada, [resting, market, { ...resting, time_in_force: "ioc" }], true))).toEqual([
      "201 new",
      "201 filled",
      "201 canceled",
    ]);
  });

  it.each([
    ["that lacks funds beside the others", () => tooDear, "422 insufficient_funds"],
    ["off the tick", () => ({ ...resting, limit_price: "1.0000001" }), "422 off_tick"],
    ["that is a group", () => ({ ...resting, ...GROUP }), "422 unsupported_order_type"],
    ["that does not fit", () => ({ ...resting, qty: 5 }), "422 validation_failed"],
  ])("places none where the account refuses one %s: nothing is held, no order is there", async (_, wrong, why) => {
    const ada = await trader({ usd: "1000" });
    const first = { ...resting, client_order_id: "first" };
    const got = await send(ada, [first, wrong(), resting], true);
    expect(told(got)).toEqual(["424 batch_aborted", why, "424 batch_aborted"]);
    expect(got.body.data[0]?.problem).not.toHaveProperty("order_id");
    expect(await ordersOf(ada)).toEqual([]);
    expect(await ada.balance("USD")).toMatchObject({ available: "1000", held: "0" });
    // Those that were aborted have used up nothing.
    expect((await ada.place(first)).status).toBe(201);
  });

  it("judges funds in sum", async () => {
    const ada = await trader({ usd: "250" });
    expect(told(await send(ada, [resting, resting, resting], true))).toEqual([
      "424 batch_aborted",
      "424 batch_aborted",
      "422 insufficient_funds",
    ]);
    expect(told(await send(ada, [resting, resting], true))).toEqual(["201 new", "201 new"]);
  });

  it("places none where the market refuses one: the others are rejected with it, and nothing stays held", async () => {
    const ada = await trader({ usd: "1000" });
    const market = { symbol: SYMBOL, side: "buy", type: "market", notional: "50", client_order_id: "m" };
    const got = await send(ada, [resting, market, crossing, resting], true);
    const aborted = "424 batch_aborted";
    expect(told(got)).toEqual([aborted, aborted, "422 post_only_would_cross", aborted]);
    expect((await ordersOf(ada)).map(({ status, reason }) => `${status} ${reason}`)).toEqual([
      "rejected batch_aborted",
      "rejected post_only_would_cross",
      "rejected batch_aborted",
      "rejected batch_aborted",
    ]);
    expect(await ada.balance("USD")).toMatchObject({ available: "1000", held: "0" });
    expect((await ada.get<WirePage<unknown>>("/v1/fills")).body.data).toEqual([]);
    // The market has spoken of them: their ids are used, as a single order's would be.
    expectProblem(await ada.place(market as OrderWish), 424, "batch_aborted");
  });

  it("judges an order after what those before it would leave of the book", async () => {
    const ada = await trader({ usd: "1000" });
    const mine = { ...resting, limit_price: await priceAt(SYMBOL, 0) };
    await ada.deposit("1", "BTC");
    const sell = { ...mine, side: "sell", post_only: true };
    expect(told(await send(ada, [mine, sell], true))).toEqual(["424 batch_aborted", "422 post_only_would_cross"]);
    expect(told(await send(ada, [sell, resting], true))).toEqual(["201 new", "201 new"]);
  });

  it("has one market", async () => {
    const ada = await trader({ usd: "1000" });
    const { seq } = await ada.account();
    expectProblem(await send(ada, [resting, { ...resting, symbol: "SOL-USD" }], true), 422, "batch_not_one_market");
    expectProblem(await send(ada, [resting, { symbol: "SOL-USD" }], true), 422, "batch_not_one_market");
    expect((await ada.account()).seq).toBe(seq);
  });

  it("leaves what was there before, and says so", async () => {
    const ada = await trader({ usd: "1000" });
    const known = { ...resting, client_order_id: "known" };
    await ada.place(known);
    expect(told(await send(ada, [known, tooDear, resting], true))).toEqual([
      "200 new",
      "422 insufficient_funds",
      "424 batch_aborted",
    ]);
    expect(told(await send(ada, [known, resting], true))).toEqual(["200 new", "201 new"]);
  });

  it("takes a client_order_id once", async () => {
    const ada = await trader({ usd: "1000" });
    const wish = { ...resting, client_order_id: "twice" };
    expect(told(await send(ada, [wish, wish], true))).toEqual(["424 batch_aborted", "422 client_order_id_reused"]);
    expect(told(await send(ada, [wish, resting], true))).toEqual(["201 new", "201 new"]);
    expect(told(await send(ada, [wish, { ...wish, side: "sell" }], true))).toEqual([
      "200 new",
      "422 client_order_id_reused",
    ]);
  });
});

describe("the same Idempotency-Key", () => {
  const key = { "Idempotency-Key": "k" };

  it.each([false, true])("replays a batch's first answer byte for byte, atomic: %s", async (atomic) => {
    const ada = await trader({ usd: "1000" });
    const orders = atomic
      ? [resting, resting]
      : [resting, tooDear, { ...resting, qty: 5 }, { ...resting, client_order_id: "a" }];
    const first = await send(ada, orders, atomic, key);
    await ada.call("DELETE", "/v1/orders");
    await ada.deposit("1000000");
    await evictDurableObject(env.ACCOUNT.getByName(ada.accountId));
    const again = await send(ada, orders, atomic, key);
    expect(again.text).toBe(first.text);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    expect(await ordersOf(ada)).toHaveLength(2);
    expectProblem(await send(ada, [resting], atomic, key), 422, "idempotency_key_reused");
    expectProblem(await ada.place(resting, key), 422, "idempotency_key_reused");
  });

  it("Z5 in ten copies at once acts once", async () => {
    const ada = await trader({ usd: "1000" });
    const all = await Promise.all(Array.from({ length: 10 }, () => send(ada, [resting, tooDear], false, key)));
    const answered = all.filter(({ status }) => status !== 409);
    expect(new Set(answered.map(({ text }) => text)).size).toBe(1);
    for (const one of all) if (one.status === 409) expectProblem(one, 409, "idempotency_in_flight");
    expect(await ordersOf(ada)).toHaveLength(1);
  });
});
