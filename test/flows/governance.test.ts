// Operators govern markets over HTTP: what they say counts at once, is shown at once, and is written down with its reason.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { enroll } from "../support/readmodel.ts";
import {
  call,
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

interface WireMarket {
  symbol: string;
  status: string;
  halt: { reason: string; until: string | null; before: string } | null;
  rules_version: number;
  max_open_orders: number;
  taker_fee_bps: number;
  canceling?: number;
}
type Broken = Record<"rule" | "limit" | "value", string>;

let passTime: (ms: number) => void;
let olivia: Trader;
let ada: Trader;
const because = { reason: "a drill" };

beforeAll(async () => {
  passTime = stopClock();
  olivia = await trader({ roles: ["customer", "operator"] });
  ada = await trader({ usd: "100000" });
});

const market = async (symbol: string) => (await call<WireMarket>("GET", `/v1/markets/${symbol}`)).body;
const status = (symbol: string, to: string) =>
  olivia.call<WireMarket>("POST", `/v1/admin/markets/${symbol}/status`, { json: { status: to, ...because } });
const rules = (symbol: string, change: object) =>
  olivia.call<WireMarket>("PATCH", `/v1/admin/markets/${symbol}`, { json: { ...change, ...because } });

/** An order that rests, five percent below the reference. */
async function resting(symbol: string, more: object = {}): Promise<OrderWish> {
  const limit_price = await priceAt(symbol, -500);
  return { symbol, side: "buy", type: "limit", limit_price, qty: qtyWorth(symbol, 100, limit_price), ...more };
}

describe("a market's status", () => {
  const symbol = "LINK-USD";

  it("is shown from the operator's answer on, and stands beside its rules", async () => {
    const got = await status(symbol, "cancel_only");
    expect(got.status, got.text).toBe(200);
    expect(got.body).toMatchObject({ symbol, status: "cancel_only", halt: null, canceling: 0 });
    expect(await market(symbol)).toMatchObject({ status: "cancel_only", rules_version: got.body.rules_version });
    passTime(1_000);
    const list = await call<WirePage<WireMarket>>("GET", "/v1/markets");
    expect(list.headers.get("Cache-Control")).toBe("no-cache");
    expect(list.body.data.find((one) => one.symbol === symbol)?.status).toBe("cancel_only");
    expect((await status(symbol, "open")).body.status).toBe("open");
  });

  it.each([
    ["post_only", "market_post_only", 201],
    ["cancel_only", "market_not_open", 422],
    ["halted", "market_not_open", 422],
  ])("%s refuses with %s, and takes cancels", async (state, code, postOnly) => {
    const placed = await ada.place(await resting(symbol));
    expect(placed.status, placed.text).toBe(201);
    await status(symbol, state);
    for (const wish of [await resting(symbol), { symbol, side: "buy" as const, type: "market", notional: "50" }]) {
      const refused = await ada.place(wish);
      expectProblem(refused, 422, code);
      expect(refused.body).toMatchObject({ rule: "status", limit: "open", value: state } satisfies Broken);
    }
    expect((await ada.place(await resting(symbol, { post_only: true }))).status).toBe(postOnly);
    expectProblem(await ada.call("POST", "/v1/orders/preview", { json: await resting(symbol) }), 422, code);
    expect((await ada.call("DELETE", `/v1/orders/${placed.body.id}`)).status).toBe(200);
    expect((await ada.call("DELETE", `/v1/orders?symbol=${symbol}`)).status).toBe(207);
    await status(symbol, "open");
    // Who was refused has been told that it is not open, and hears that it is.
    passTime(1_000);
    expect((await ada.place(await resting(symbol))).status).toBe(201);
    expect((await ada.balance("USD")).held).not.toBe("0");
    await ada.call("DELETE", "/v1/orders");
  });

  it("is for operators, with a reason, and is written down", async () => {
    const path = `/v1/admin/markets/${symbol}/status`;
    expectProblem(await ada.call("POST", path, { json: { status: "halted", ...because } }), 403, "forbidden");
    expectProblem(await olivia.call("POST", path, { json: { status: "halted" } }), 422, "validation_failed");
    expectProblem(
      await olivia.call("POST", path, { json: { status: "closed", ...because } }),
      422,
      "validation_failed",
    );
    expectProblem(await status("NOPE-USD", "open"), 404, "not_found");
    expect((await market(symbol)).status).toBe("open");
    const trail = await vi.waitFor(
      async () => {
        const got = await olivia.get<WirePage<Record<"target" | "reason" | "actor" | "request", string>>>(
          `/v1/admin/audit?act=market.status&target=${symbol}`,
        );
        expect(got.body.data.length).toBeGreaterThan(2);
        return got.body.data;
      },
      { timeout: 15_000, interval: 200 },
    );
    // What it was set to, too: halted and opened must not read alike.
    const done = { actor: olivia.userId, reason: "a drill", request: '{"status":"cancel_only"}' };
    expect(trail).toContainEqual(expect.objectContaining(done));
  });
});

describe("a market's rules", () => {
  const symbol = "MSFT-USD";

  it("count from the answer on, for accounts that have not heard of them too", async () => {
    await ada.place(await resting(symbol, { client_order_id: "before" }));
    const changed = await rules(symbol, {
      min_notional: "500",
      max_qty: "100",
      max_open_orders: 2,
      price_band_bps: 600,
    });
    expect(changed.status, changed.text).toBe(200);
    const { rules_version } = await market(symbol);
    expect(await market(symbol)).toMatchObject({ min_notional: "500", max_qty: "100", max_open_orders: 2 });
    // It was admitted under what was known, and judged again by its market.
    const first = await ada.place(await resting(symbol));
    expectProblem(first, 422, "below_min_notional");
    expect(first.body).toMatchObject({ rule: "min_notional", limit: "500", order_id: expect.any(String) });
    const second = await ada.place(await resting(symbol));
    expectProblem(second, 422, "below_min_notional");
    expect(second.body).not.toHaveProperty("order_id");
    const loose = await rules(symbol, { min_notional: "1" });
    expect(loose.body.rules_version).toBe(rules_version + 1);
    passTime(1_000);
    expect((await ada.place(await resting(symbol))).status).toBe(201);
    const third = await ada.place(await resting(symbol));
    expectProblem(third, 422, "too_many_open_orders");
    expect(third.body).toMatchObject({ rule: "max_open_orders", limit: "2", value: "2" } satisfies Broken);
    await ada.call("DELETE", "/v1/orders");
  });

  it("count for batches as they do for single orders, also those of who has never heard of any", async () => {
    const batch = async (who: Trader, atomic: boolean) => {
      const orders = [await resting(symbol), await resting(symbol)];
      const got = await who.call<{ data: { status_code: number }[] }>("POST", "/v1/orders/batch", {
        json: { orders, atomic },
      });
      return got.body.data.map((one) => one.status_code);
    };
    await rules(symbol, { max_open_orders: 10 });
    const newcomer = await trader({ usd: "10000" });
    expect(await batch(newcomer, true)).toEqual([201, 201]);
    await status(symbol, "halted");
    passTime(1_000);
    expect(await batch(newcomer, false)).toEqual([422, 422]);
    await status(symbol, "open");
    passTime(1_000);
    expect(await batch(newcomer, true)).toEqual([201, 201]);
    // What is atomic and comes under older rules the market refuses: within a second of their change.
    await rules(symbol, { maker_fee_bps: 9 });
    expect(await batch(newcomer, true)).toEqual([424, 424]);
    await rules(symbol, { maker_fee_bps: 10 });
    passTime(1_000);
    expect(await batch(newcomer, true)).toEqual([201, 201]);
  });

  it("charge new orders other fees", async () => {
    await rules(symbol, { taker_fee_bps: 50, min_notional: "1" });
    passTime(10_000);
    const bought = await ada.place({ symbol, side: "buy", type: "market", notional: "1000" });
    expect(bought.status, bought.text).toBe(201);
    const { filled_notional, fee } = bought.body;
    expect(Number(fee)).toBeCloseTo(Number(filled_notional) * 0.005, 5);
  });

  it.each<[string, object, string, string]>([
    ["nothing", {}, "/min_notional", "required"],
    ["a figure out of range", { price_band_bps: 5_001 }, "/price_band_bps", "too_big"],
    ["a fee below zero", { maker_fee_bps: -1 }, "/maker_fee_bps", "too_small"],
    ["an amount of zero", { min_notional: "0.00" }, "/min_notional", "not_positive"],
    ["too many digits", { min_notional: "0.0000001" }, "/min_notional", "excess_precision"],
    ["more than any amount", { min_notional: "99999999999999999" }, "/min_notional", "too_big"],
    ["a tick that rounds notionals", { tick_size: "0.0001" }, "/tick_size", "not_whole"],
    ["a most that is not in lots", { max_qty: "0.00015" }, "/max_qty", "not_whole"],
    ["what is no rule", { base: "BTC", maker_fee_bps: 1 }, "/base", "unknown_field"],
  ])("refuse %s", async (_, change, pointer, code) => {
    const { rules_version } = await market(symbol);
    const got = await rules(symbol, change);
    expectProblem(got, 422, "validation_failed");
    expect(got.body.errors).toMatchObject([{ pointer, code }]);
    expect((await market(symbol)).rules_version).toBe(rules_version);
  });

  it("keep tick and lot while orders are open", async () => {
    const placed = await ada.place(await resting("TSLA-USD"));
    expect(placed.status).toBe(201);
    expectProblem(await rules("TSLA-USD", { tick_size: "0.02" }), 409, "market_not_empty");
    await ada.call("DELETE", "/v1/orders");
    expect((await rules("TSLA-USD", { tick_size: "0.02" })).status).toBe(200);
    expect(await market("TSLA-USD")).toMatchObject({ tick_size: "0.02" });
  });
});

describe("the breaker", () => {
  it("halts a market whose price bolts, and lets it go on by itself when its time is over", async () => {
    const symbol = "ETH-USD";
    await rules(symbol, { breaker_bps: 1, breaker_window_ms: 60_000, breaker_halt_ms: 30_000 });
    passTime(61_000);
    await call("GET", `/v1/markets/${symbol}/book`);
    const { status: now, halt } = await market(symbol);
    expect([now, halt?.reason, halt?.before]).toEqual(["halted", "circuit_breaker", "open"]);
    expectProblem(await ada.place(await resting(symbol)), 422, "market_not_open");
    await rules(symbol, { breaker_bps: 500 });
    passTime(30_000);
    expect((await ada.place(await resting(symbol))).status).toBe(201);
    expect(await market(symbol)).toMatchObject({ status: "open", halt: null });
    await ada.call("DELETE", "/v1/orders");
  });
});

describe("freezing", () => {
  it("keeps an account from new orders and withdrawals until it is thawed; cancels work", async () => {
    const eve = await trader({ usd: "1000" });
    await enroll(eve);
    const placed = await eve.place(await resting("BTC-USD"));
    const act = (verb: string) => olivia.call("POST", `/v1/admin/accounts/${eve.accountId}/${verb}`, { json: because });
    expect((await act("freeze")).status).toBe(204);
    expect((await act("freeze")).status).toBe(204);
    expectProblem(await eve.place(await resting("BTC-USD")), 422, "account_frozen");
    expect((await eve.get<{ status: string }>("/v1/account")).body.status).toBe("frozen");
    const out = { json: { asset: "USD", amount: "1" } };
    expectProblem(await eve.call("POST", "/v1/account/withdrawals", out), 422, "account_frozen");
    expect((await eve.call<WireOrder>("DELETE", `/v1/orders/${placed.body.id}`)).status).toBe(200);
    expect((await act("unfreeze")).status).toBe(204);
    expect((await eve.place(await resting("BTC-USD"))).status).toBe(201);
    const rows = await env.ACCOUNT.getByName(eve.accountId).journal({ limit: 50, cursor: null });
    const changes = rows.data.filter((body) => body.includes('"status_changed"')).map((body) => JSON.parse(body));
    expect(changes).toMatchObject([
      { status: "frozen", reason: "a drill", by: olivia.userId },
      { status: "active", reason: "a drill", by: olivia.userId },
    ]);
  });

  it("of an account that nobody has is not found, and makes none; nobody thaws their own", async () => {
    const gone = "acc_00000000000000000000000000";
    const act = (id: string, verb: string) =>
      olivia.call("POST", `/v1/admin/accounts/${id}/${verb}`, { json: because });
    for (const verb of ["freeze", "unfreeze"]) expectProblem(await act(gone, verb), 404, "not_found");
    expect((await env.ACCOUNT.getByName(gone).head()).seq).toBe(0);
    expectProblem(await act(olivia.accountId, "unfreeze"), 403, "forbidden");
  });

  it("goes on while D1 is away: a stop waits for no database", async () => {
    const eve = await trader({ usd: "1000" });
    await env.DB.prepare("ALTER TABLE accounts RENAME TO accounts_away").run();
    const frozen = await olivia.call("POST", `/v1/admin/accounts/${eve.accountId}/freeze`, { json: because });
    await env.DB.prepare("ALTER TABLE accounts_away RENAME TO accounts").run();
    expect(frozen.status).toBe(204);
    expectProblem(await eve.place(await resting("BTC-USD")), 422, "account_frozen");
  });
});
