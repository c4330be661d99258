// Brackets, one-cancels-the-other and one-triggers-the-other, from the request to the last leg.
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { formatDecimal } from "../../src/core/decimal.ts";
import { referencePrice, STEP_MS } from "../../src/core/prices.ts";
import { expectProblem, rulesOf, stopClock, type Trader, trader, usd, type WireOrder } from "../support/session.ts";

const SYMBOL = "SOL-USD";
const RULES = rulesOf(SYMBOL);
const PATIENCE = { timeout: 10_000 };
let pass: (ms: number) => void;

beforeAll(() => {
  pass = stopClock();
});

const referenceIn = (seconds: number) => referencePrice(RULES, Number(env.PRICE_SEED), Date.now() + seconds * STEP_MS);
/** So many ticks above the price now; the house quotes no nearer than some ticks on either side. */
const at = (ticks: number) => formatDecimal(referenceIn(0) + BigInt(ticks) * RULES.tickSize, RULES.quoteScale);
const offTick = (ticks: number) =>
  formatDecimal(referenceIn(0) + BigInt(ticks) * RULES.tickSize + 1n, RULES.quoteScale);
const ring = () => runDurableObjectAlarm(env.MARKET.getByName(`${env.VENUE}/${SYMBOL}`) as DurableObjectStub);

const bracket = (more: object = {}) => ({
  ...{ symbol: SYMBOL, side: "buy" as const, type: "limit", qty: "2", limit_price: at(-1), order_class: "bracket" },
  ...{ take_profit: { limit_price: at(1) }, stop_loss: { stop_price: at(-400) } },
  ...more,
});

const limit = (side: "buy" | "sell", qty: string, ticks: number) => ({
  ...{ symbol: SYMBOL, side, type: "limit", qty, limit_price: at(ticks), time_in_force: "ioc" },
});

async function holder(): Promise<Trader> {
  const who = await trader({ usd: "10000" });
  await who.deposit("10", "SOL");
  return who;
}

/** A parent's legs, as its own page has them: the profit's, then the loss's. */
async function legsOf(who: Trader, id: string): Promise<[WireOrder, WireOrder]> {
  const { legs } = await who.order(id);
  return (legs ?? []) as unknown as [WireOrder, WireOrder];
}

const states = (legs: readonly WireOrder[]) => legs.map(({ status, reason, qty }) => [status, reason, qty]);

describe("a bracket", () => {
  it("is a parent with two legs that wait for it, each an order of its own", async () => {
    const ada = await holder();
    const placed = await ada.place(bracket({ client_order_id: "mine" }));
    expect(placed.status).toBe(201);
    expect(placed.body).toMatchObject({ status: "new", order_class: "bracket", parent_id: null });
    const [profit, loss] = await legsOf(ada, placed.body.id);
    expect(profit).toMatchObject({ type: "limit", side: "sell", status: "held", qty: "0", limit_price: at(1) });
    expect(loss).toMatchObject({ type: "stop", side: "sell", status: "held", qty: "0", stop_price: at(-400) });
    expect(placed.body.legs?.map(({ id }) => id)).toEqual([profit.id, loss.id]);
    expect(await ada.order(profit.id)).toMatchObject({ parent_id: placed.body.id, legs: null, client_order_id: null });
    const open = await ada.get<{ data: WireOrder[] }>("/v1/orders?status=open&limit=2");
    expect(open.body.data.map(({ id }) => id)).toEqual([loss.id, profit.id]);
    expect(await ada.balance("SOL")).toMatchObject({ available: "10", held: "0" });
    const again = await ada.place(bracket({ client_order_id: "mine" }));
    expect([again.status, again.body.id, again.body.legs?.length]).toEqual([200, placed.body.id, 2]);
    expect((await ada.place(bracket({ client_order_id: "mine", qty: "1" }))).body).toMatchObject({
      code: "client_order_id_reused",
    });
    expect((await ada.cancel(placed.body.id)).body).toMatchObject({ status: "canceled", reason: "user" });
    expect(states(await legsOf(ada, placed.body.id))).toEqual([
      ["canceled", "entry", "0"],
      ["canceled", "entry", "0"],
    ]);
  });

  it("has exits of what its entry has filled, which share one hold; what one gets out of, the other loses", async () => {
    const [ada, bob] = [await holder(), await holder()];
    const { body: entry } = await ada.place(bracket({ qty: "3" }));
    await bob.place(limit("sell", "2", -1));
    await expect
      .poll(async () => states(await legsOf(ada, entry.id)), PATIENCE)
      .toEqual([
        ["new", null, "2"],
        ["held", null, "2"],
      ]);
    expect(await ada.balance("SOL")).toMatchObject({ available: "10", held: "2", total: "12" });
    const explained = await ada.get<{ holds: { order_id: string; amount: string }[] }>(
      "/v1/account/balances/SOL/explain",
    );
    expect(explained.body.holds).toMatchObject([{ order_id: entry.id, amount: "2" }]);
    await bob.place(limit("buy", "0.5", 1));
    await expect.poll(async () => (await ada.order(entry.id)).status, PATIENCE).toBe("canceled");
    expect(await ada.order(entry.id)).toMatchObject({ reason: "exit", filled_qty: "2" });
    expect(states(await legsOf(ada, entry.id))).toEqual([
      ["partially_filled", null, "2"],
      ["held", null, "1.5"],
    ]);
    await bob.place(limit("buy", "1.5", 1));
    await expect
      .poll(async () => states(await legsOf(ada, entry.id)), PATIENCE)
      .toEqual([
        ["filled", null, "2"],
        ["canceled", "oco", "1.5"],
      ]);
    expect(await ada.balance("SOL")).toMatchObject({ available: "10", held: "0" });
    expect(usd((await ada.balance("USD")).held)).toBe(0n);
  });

  it("with a trailing loss sells where the price turns, and its profit is canceled before that", async () => {
    const ada = await holder();
    const placed = await ada.place(
      bracket({
        type: "market",
        limit_price: undefined,
        qty: "1",
        take_profit: { limit_price: at(1_500) },
        stop_loss: { trail_amount: "0.03" },
      }),
    );
    expect(placed.body).toMatchObject({ status: "filled" });
    const [profit, loss] = await legsOf(ada, placed.body.id);
    expect([profit.status, loss.status, loss.type]).toEqual(["new", "held", "trailing_stop"]);
    for (let minutes = 0; minutes < 9 && (await legsOf(ada, placed.body.id))[1].status === "held"; minutes += 1) {
      pass(60 * STEP_MS);
      await ring();
    }
    await expect
      .poll(async () => states(await legsOf(ada, placed.body.id)), PATIENCE)
      .toEqual([
        ["canceled", "oco", "1"],
        ["filled", null, "1"],
      ]);
    expect(await ada.balance("SOL")).toMatchObject({ available: "10", held: "0" });
  });

  it("that sells first holds what it takes to buy back, and gives back what it does not need", async () => {
    const ada = await holder();
    const one = bracket({
      side: "sell",
      limit_price: at(1),
      qty: "1",
      take_profit: { limit_price: at(-1) },
      stop_loss: { stop_price: at(400) },
    });
    const placed = await ada.place(one);
    expect(placed.status).toBe(201);
    const held = usd((await ada.balance("USD")).held);
    expect(held).toBeGreaterThan((usd(at(400)) * 109n) / 100n);
    expect(held).toBeLessThan((usd(at(400)) * 111n) / 100n);
    expect(await ada.balance("SOL")).toMatchObject({ held: "1" });
    const fixed = await ada.call("PATCH", `/v1/orders/${placed.body.id}`, { json: { qty: "2" } });
    expectProblem(fixed, 422, "leg_qty_fixed");
    await ada.cancel(placed.body.id);
    expect((await ada.balance("USD")).held).toBe("0");
  });
});

describe("a leg", () => {
  it("may be moved, not resized, and not past the other", async () => {
    const ada = await holder();
    const { body: entry } = await ada.place(bracket());
    const [profit, loss] = await legsOf(ada, entry.id);
    const change = (id: string, json: object) => ada.call("PATCH", `/v1/orders/${id}`, { json });
    expect((await change(profit.id, { limit_price: at(50) })).body).toMatchObject({ limit_price: at(50) });
    expect((await change(loss.id, { stop_price: at(-50) })).body).toMatchObject({ stop_price: at(-50) });
    expectProblem(await change(profit.id, { qty: "1" }), 422, "leg_qty_fixed");
    expectProblem(await change(profit.id, { limit_price: at(-60) }), 422, "exits_misplaced");
    expect((await change(entry.id, { qty: "1" })).body).toMatchObject({ qty: "1" });
    // Canceling one cancels the other, and leaves the entry a simple order.
    await ada.cancel(loss.id);
    expect(states(await legsOf(ada, entry.id))).toEqual([
      ["canceled", "oco", "0"],
      ["canceled", "user", "0"],
    ]);
    expect(await ada.order(entry.id)).toMatchObject({ status: "new" });
    await ada.cancel(entry.id);
  });
});

describe("an oco", () => {
  const oco = (more: object = {}) => ({
    ...{ symbol: SYMBOL, side: "sell" as const, type: "limit", qty: "2", order_class: "oco" },
    ...{ take_profit: { limit_price: at(1) }, stop_loss: { stop_price: at(-400), limit_price: at(-410) } },
    ...more,
  });

  it("is a parent that never trades, with two exits that hold the same once", async () => {
    const [ada, bob] = [await holder(), await holder()];
    const placed = await ada.place(oco({ client_order_id: "out" }));
    expect(placed.status).toBe(201);
    expect(placed.body).toMatchObject({ status: "new", order_class: "oco", limit_price: null, qty: "2" });
    expect(placed.body.legs).toMatchObject([
      { type: "limit", status: "new", qty: "2" },
      { type: "stop_limit", status: "held", qty: "2" },
    ]);
    expect(await ada.balance("SOL")).toMatchObject({ available: "8", held: "2" });
    await bob.place(limit("buy", "0.5", 1));
    await expect.poll(async () => (await ada.order(placed.body.id)).filled_qty, PATIENCE).toBe("0.5");
    expect((await ada.order(placed.body.id)).status).toBe("partially_filled");
    const canceled = await ada.cancel(placed.body.id);
    expect([canceled.status, canceled.body.status, canceled.body.reason]).toEqual([200, "canceled", "user"]);
    expect(states(await legsOf(ada, placed.body.id)).map(([status]) => status)).toEqual(["canceled", "canceled"]);
    expect(await ada.balance("SOL")).toMatchObject({ available: "9.5", held: "0" });
    const byId = await ada.get<WireOrder>("/v1/orders/by-client-id/out");
    expect(byId.body).toMatchObject({ id: placed.body.id, filled_qty: "0.5" });
    expect(byId.body.legs?.length).toBe(2);
  });

  it("is filled with its one exit, and the house may be who takes it", async () => {
    const ada = await holder();
    const placed = await ada.place(oco({ take_profit: { limit_price: at(-300) } }));
    expect(placed.body).toMatchObject({ status: "filled", filled_qty: "2", reason: null });
    expect(placed.body.legs).toMatchObject([{ status: "filled" }, { status: "canceled", reason: "oco" }]);
    expect(await ada.balance("SOL")).toMatchObject({ available: "8", held: "0" });
  });

  it("of which more is asked than there is, leaves nothing", async () => {
    const ada = await holder();
    expectProblem(await ada.place(oco({ qty: "11" })), 422, "insufficient_funds");
    const none = await ada.get<{ data: WireOrder[] }>("/v1/orders");
    expect(none.body.data).toEqual([]);
  });

  it("that its market refuses is rejected with both exits", async () => {
    const ada = await holder();
    const placed = await ada.place(oco({ take_profit: { limit_price: at(-300) }, post_only: true }));
    expectProblem(placed, 422, "post_only_would_cross");
    expect((await ada.balance("SOL")).held).toBe("0");
    const all = await ada.get<{ data: WireOrder[] }>("/v1/orders");
    expect(all.body.data.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  });
});

describe("an oto", () => {
  it("is an entry with one exit, which awakes with what a market buy by notional has brought", async () => {
    const ada = await trader({ usd: "1000" });
    const placed = await ada.place({
      ...{ symbol: SYMBOL, side: "buy", type: "market", notional: "500", order_class: "oto" },
      stop_loss: { stop_price: at(-500) },
    });
    expect(placed.body).toMatchObject({ status: "filled", order_class: "oto" });
    expect(placed.body.legs).toMatchObject([{ type: "stop", status: "held", qty: placed.body.filled_qty }]);
    expect(await ada.balance("SOL")).toMatchObject({ available: "0", held: placed.body.filled_qty });
    expect((await ada.call("DELETE", "/v1/orders")).status).toBe(207);
    expect(await ada.balance("SOL")).toMatchObject({ available: placed.body.filled_qty, held: "0" });
  });
});

describe("a group", () => {
  it.each([
    ["without its loss", { stop_loss: undefined }, ["/stop_loss required"]],
    ["without exits", { stop_loss: undefined, take_profit: undefined }, ["/take_profit required"]],
    ["of one exit with two", { order_class: "oto" }, ["/stop_loss not_allowed"]],
    ["that is simple, with exits", { order_class: "simple" }, ["/stop_loss not_allowed"]],
    ["with two triggers", { stop_loss: { stop_price: "1", trail_percent: "1" } }, ["/stop_loss exactly_one_trigger"]],
    ["with no trigger", { stop_loss: {} }, ["/stop_loss exactly_one_trigger"]],
    [
      "with a limit for a trail",
      { stop_loss: { trail_percent: "1", limit_price: "5" } },
      ["/stop_loss/limit_price not_allowed"],
    ],
    ["with a trail of the whole price", { stop_loss: { trail_percent: "100" } }, ["/stop_loss/trail_percent too_big"]],
    ["of exits with a limit", { order_class: "oco" }, ["/limit_price not_allowed"]],
    [
      "of exits by notional, at once",
      { order_class: "oco", limit_price: undefined, qty: undefined, notional: "5", time_in_force: "ioc" },
      ["/notional not_allowed", "/time_in_force not_allowed"],
    ],
  ])("%s does not fit", async (_, change, fields) => {
    const ada = await trader({ usd: "10" });
    const got = await ada.place({ ...bracket(), ...change } as never);
    const { errors } = got.body as unknown as { errors: { pointer: string; code: string }[] };
    expect(errors.map(({ pointer, code }) => `${pointer} ${code}`)).toEqual(fields);
  });

  it.each([
    ["a profit below its entry", () => ({ take_profit: { limit_price: at(-2) } }), "exits_misplaced"],
    ["a loss above its entry", () => ({ stop_loss: { stop_price: at(5) } }), "exits_misplaced"],
    ["a profit off the tick", () => ({ take_profit: { limit_price: offTick(100) } }), "off_tick"],
    ["a loss off the tick", () => ({ stop_loss: { stop_price: offTick(-400) } }), "off_tick"],
    ["a profit far away", () => ({ take_profit: { limit_price: at(5_000) } }), "price_outside_band"],
    ["more than there is", () => ({ qty: "100" }), "insufficient_funds"],
  ])("with %s is refused, and nothing is held", async (_, change, code) => {
    const ada = await trader({ usd: "1000" });
    expectProblem(await ada.place({ ...bracket(), ...change() } as never), 422, code);
    expect((await ada.balance("USD")).held).toBe("0");
  });

  it("is previewed: what its entry would do, and what its exits would hold", async () => {
    const ada = await trader({ usd: "1000" });
    const one = bracket({ type: "market", limit_price: undefined, take_profit: { limit_price: at(500) } });
    const seen = await ada.call<{ filled_qty: string; balances_after: object[] }>("POST", "/v1/orders/preview", {
      json: one,
    });
    expect(seen.body.filled_qty).toBe("2");
    expect(seen.body.balances_after).toContainEqual({ asset: "SOL", available: "0", held: "2", total: "2" });
    const placed = await ada.place(one);
    expect(placed.body.filled_qty).toBe("2");
    expect(await ada.balance("SOL")).toMatchObject({ available: "0", held: "2" });
  });

  it("is not taken in a batch", async () => {
    const ada = await trader({ usd: "1000" });
    const got = await ada.call<{ data: object[] }>("POST", "/v1/orders/batch", {
      json: { orders: [bracket()], atomic: false },
    });
    expect(got.body.data[0]).toMatchObject({ status_code: 422, problem: { code: "unsupported_order_type" } });
  });
});
