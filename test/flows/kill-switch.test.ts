// The kill switch under load: what it stops takes nothing a second after its answer, and who cannot be reached is told until it is.
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { retell } from "../../src/domains/ops/scheduled.ts";
import { MarketObject } from "../../src/worker.ts";
import { enroll } from "../support/readmodel.ts";
import {
  expectProblem,
  priceAt,
  qtyWorth,
  type Trader,
  trader,
  type WireOrder,
  type WirePage,
} from "../support/session.ts";

interface WireOutcome {
  told: string[];
  untold: string[];
  canceling: number;
}
interface WireKill {
  symbol: string;
  act: string;
  by: string;
  told_at: string | null;
}

const SYMBOLS = ["BTC-USD", "SOL-USD", "LINK-USD"] as const;
const EFFECT_MS = 1_000;
const because = { reason: "a drill" };
const olivia = await trader({ roles: ["customer", "operator"] });

const pull = (json: object, verb = "") =>
  olivia.call<WireOutcome>("POST", `/v1/admin/kill-switch${verb}`, { json: { ...because, ...json } });
const kills = async () => (await olivia.get<WirePage<WireKill>>("/v1/admin/kill-switch")).body.data;

/** Trades without a pause until it is told to end; the answers in their order. */
async function storm(
  one: Trader,
  prices: Record<string, string>,
  placed: WireOrder[],
  goesOn: () => boolean,
): Promise<void> {
  for (let at = 0; goesOn(); at += 1) {
    const symbol = SYMBOLS[at % SYMBOLS.length] ?? "BTC-USD";
    const limit_price = prices[symbol] ?? "";
    const wish = { symbol, side: "buy" as const, type: "limit", limit_price, qty: qtyWorth(symbol, 20, limit_price) };
    const got = await one.place(wish);
    if (got.status === 201 || got.status === 202) placed.push(got.body);
    await scheduler.wait(10);
  }
}

/** When each market last took an order, in ms, by its own journal. */
async function lastTaken(symbol: string): Promise<number> {
  const rows: { kind: string; at: number; report?: { execType: string } }[] = [];
  for (let cursor: number | null = null; ; ) {
    const page = await env.MARKET.getByName(`${env.VENUE}/${symbol}`).journal({ limit: 200, cursor });
    rows.push(...page.data.map((body) => JSON.parse(body)));
    if (page.nextCursor === null) break;
    cursor = page.nextCursor;
  }
  return Math.max(0, ...rows.filter(({ report }) => report?.execType === "new").map(({ at }) => at));
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("everything", () => {
  it("is stopped within a second, in a storm of orders: none is taken later, and all are canceled", async () => {
    const traders = await Promise.all(Array.from({ length: 6 }, () => trader({ usd: "1000000" })));
    const prices = Object.fromEntries(
      await Promise.all(SYMBOLS.map(async (symbol) => [symbol, await priceAt(symbol, -500)])),
    );
    let on = true;
    const placed: WireOrder[] = [];
    const storms = traders.map((one) => storm(one, prices, placed, () => on));
    await vi.waitFor(() => expect(placed.length).toBeGreaterThan(30), { timeout: 10_000 });
    const got = await pull({ scope: "everything", cancel_orders: true });
    const answered = Date.now();
    expect(got.status, got.text).toBe(200);
    expect(got.body.untold).toEqual([]);
    expect(got.body.told).toContain("BTC-USD");
    await scheduler.wait(EFFECT_MS + 700);
    on = false;
    await Promise.all(storms);
    for (const symbol of SYMBOLS) {
      const last = await lastTaken(symbol);
      expect(last).toBeGreaterThan(0);
      expect(last).toBeLessThanOrEqual(answered + EFFECT_MS);
    }
    await vi.waitFor(
      async () => {
        for (const one of traders) {
          const open = await one.get<WirePage<WireOrder>>("/v1/orders?status=open&limit=200");
          expect(open.body.data).toEqual([]);
          const ended = await one.get<WirePage<WireOrder>>("/v1/orders?limit=200");
          const reasons = new Set(ended.body.data.map(({ status, reason }) => `${status} ${reason}`));
          expect([...reasons].every((said) => /^(canceled kill_switch|rejected market_)/.test(said))).toBe(true);
          expect((await one.balance("USD")).held).toBe("0");
        }
      },
      { timeout: 10_000, interval: 200 },
    );
    expect((await pull({ scope: "everything" }, "/release")).body.untold).toEqual([]);
    const [first] = traders;
    const again = { symbol: "BTC-USD", side: "buy" as const, type: "market", notional: "50" };
    await vi.waitFor(async () => expect((await first?.place(again))?.status).toBe(201), { timeout: 5_000 });
  });
});

describe("a market that cannot be reached", () => {
  it("is named, and told again until it is; what was said last counts", async () => {
    const down = vi.spyOn(MarketObject.prototype, "kill").mockImplementation(async function (this: MarketObject) {
      throw Object.assign(new Error("it is away"), { overloaded: true });
    });
    const got = await pull({ scope: "market", symbol: "ADA-USD" });
    expect([got.status, got.body]).toEqual([200, { told: [], untold: ["ADA-USD"], canceling: 0 }]);
    expect(await kills()).toContainEqual(expect.objectContaining({ symbol: "ADA-USD", act: "kill", told_at: null }));
    down.mockRestore();
    await retell(env, Date.now());
    const told = (await kills()).find(({ symbol }) => symbol === "ADA-USD");
    expect(told).toMatchObject({ by: olivia.userId, told_at: expect.any(String) });
    const shown = async () => (await olivia.get<{ status: string }>("/v1/markets/ADA-USD")).body.status;
    expect(await shown()).toBe("halted");
    expect((await pull({ scope: "market", symbol: "ADA-USD" }, "/release")).body.told).toEqual(["ADA-USD"]);
    expect(await retell(env, Date.now())).toBe(0);
    expect(await shown()).toBe("open");
  });

  it("that hangs keeps nobody waiting for it", async () => {
    vi.spyOn(MarketObject.prototype, "kill").mockImplementation(() => new Promise(() => undefined));
    const started = performance.now();
    const got = await pull({ scope: "market", symbol: "XRP-USD" });
    expect(got.body.untold).toEqual(["XRP-USD"]);
    expect(performance.now() - started).toBeLessThan(3_000);
    vi.restoreAllMocks();
    expect((await pull({ scope: "market", symbol: "XRP-USD" }, "/release")).status).toBe(200);
  });
});

describe("an account", () => {
  it("is frozen with its open orders canceled, and thawed as it was released", async () => {
    const eve = await trader({ usd: "10000" });
    await enroll(eve);
    const limit_price = await priceAt("ETH-USD", -500);
    const wish = { symbol: "ETH-USD", side: "buy" as const, type: "limit", limit_price, qty: "0.1" };
    const placed = await eve.place(wish);
    const scope = { scope: "account", account_id: eve.accountId };
    expect((await pull(scope)).body).toEqual({ told: [eve.accountId], untold: [], canceling: 1 });
    expectProblem(await eve.place(wish), 422, "account_frozen");
    await vi.waitFor(async () => {
      const order = await eve.get<WireOrder>(`/v1/orders/${placed.body.id}`);
      expect(order.body).toMatchObject({ status: "canceled", reason: "kill_switch" });
    });
    expect((await pull(scope, "/release")).status).toBe(200);
    expect((await eve.place(wish)).status).toBe(201);
  });
});

describe("an account that is frozen besides", () => {
  it.each([
    ["before it was stopped", ["freeze", "kill"]],
    ["since it was stopped", ["kill", "freeze"]],
  ])("%s stays frozen when the switch is released", async (_, acts) => {
    const eve = await trader({ usd: "10000" });
    await enroll(eve);
    const freeze = (verb: string) =>
      olivia.call("POST", `/v1/admin/accounts/${eve.accountId}/${verb}`, { json: because });
    const scope = { scope: "account", account_id: eve.accountId };
    for (const act of acts) expect((await (act === "kill" ? pull(scope) : freeze(act))).status).toBeLessThan(300);
    expect((await pull(scope, "/release")).status).toBe(200);
    const statusNow = async () => (await eve.get<{ status: string }>("/v1/account")).body.status;
    expect(await statusNow()).toBe("frozen");
    expect((await freeze("unfreeze")).status).toBe(204);
    expect(await statusNow()).toBe("active");
  });
});

describe("groups", () => {
  it.each(["account", "market"])("end with their %s: parents and exits, and nothing is held for them", async (what) => {
    const eve = await trader({ usd: "10000" });
    await enroll(eve);
    await eve.deposit("1", "ETH");
    const [low, near, high] = await Promise.all([-600, -500, 500].map((bps) => priceAt("ETH-USD", bps)));
    const plain = { symbol: "ETH-USD", type: "limit", qty: "0.1", stop_loss: { stop_price: low } };
    const profit = { take_profit: { limit_price: high } };
    const bracket = { ...plain, ...profit, side: "buy" as const, limit_price: near, order_class: "bracket" };
    for (const wish of [bracket, { ...plain, ...profit, side: "sell" as const, order_class: "oco" }])
      expect((await eve.place(wish)).status).toBe(201);
    expect((await eve.balance("ETH")).held).toBe("0.1");
    const scope =
      what === "account"
        ? { scope: what, account_id: eve.accountId }
        : { scope: what, symbol: "ETH-USD", cancel_orders: true };
    expect((await pull(scope)).status).toBe(200);
    await vi.waitFor(
      async () => {
        const orders = (await eve.get<WirePage<WireOrder>>("/v1/orders?limit=200")).body.data;
        expect(orders.map(({ status }) => status)).toEqual(Array.from({ length: 6 }, () => "canceled"));
        const held = await Promise.all(["USD", "ETH"].map(async (asset) => (await eve.balance(asset)).held));
        expect(held).toEqual(["0", "0"]);
      },
      { timeout: 5_000 },
    );
    expect((await pull({ ...scope, cancel_orders: undefined }, "/release")).status).toBe(200);
  });
});

describe("the switch", () => {
  it("is not found for an account that nobody has: a slip of the pen must not read as done", async () => {
    const scope = { scope: "account", account_id: "acc_00000000000000000000000000" };
    for (const verb of ["", "/release"]) expectProblem(await pull(scope, verb), 404, "not_found");
  });

  it.each<[string, object, string, string]>([
    ["no scope", {}, "/scope", "required"],
    ["an account that is not named", { scope: "account" }, "/account_id", "required"],
    ["a market that is not named", { scope: "market" }, "/symbol", "required"],
    ["a market that is not listed", { scope: "market", symbol: "NOPE-USD" }, "/symbol", "unknown_symbol"],
    ["everything, and one market", { scope: "everything", symbol: "BTC-USD" }, "/symbol", "not_allowed"],
    ["no account id", { scope: "account", account_id: "acc_x" }, "/account_id", "invalid"],
  ])("refuses %s", async (_, json, pointer, code) => {
    const got = await pull(json);
    expectProblem(got, 422, "validation_failed");
    expect(got.body.errors).toContainEqual(expect.objectContaining({ pointer, code }));
  });

  it("is the operators'", async () => {
    const support = await trader({ roles: ["customer", "support"] });
    const json = { scope: "everything", ...because };
    expectProblem(await support.call("POST", "/v1/admin/kill-switch", { json }), 403, "forbidden");
    expect((await support.call("GET", "/v1/admin/kill-switch")).status).toBe(200);
  });
});
