// An overloaded object has a queue in front of it and has taken nothing of what it turned away. What that means to a client
// depends on which object it was: the account, before anything was accepted, or the market, after.
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { ok } from "../../src/core/result.ts";
import { callObject } from "../../src/objects/stubs.ts";
import { MarketObject } from "../../src/worker.ts";
import { call, NO_PORTS } from "../support/client.ts";
import { checkEverything, eventually, watch } from "../support/objects.ts";
import { priceAt, type Trader, trader } from "../support/session.ts";

const SYMBOL = "SOL-USD";
const ORDER = { symbol: SYMBOL, side: "buy", type: "market", notional: "100" } as const;

afterEach(async () => {
  vi.restoreAllMocks();
  await checkEverything();
  vi.useRealTimers();
});

/** An error as the runtime gives it to who called an object. */
function failure(flags: Record<string, boolean>): Error {
  return Object.assign(new Error("from the runtime"), flags);
}

/** The whole Worker over account and market objects that answer every call with this error. */
function overStubs(error: Error) {
  const stub = new Proxy({}, { get: () => () => Promise.reject(error) });
  const namespace = { getByName: () => stub };
  const app = createApp(NO_PORTS);
  return (one: Trader, method: string, path: string, json?: object) =>
    call(app, method, path, {
      token: one.token,
      env: { ...env, ACCOUNT: namespace, MARKET: namespace },
      ...(json === undefined ? {} : { json }),
    });
}

describe("an account that is overloaded", () => {
  it.each([
    ["POST", "/v1/orders", ORDER],
    ["DELETE", "/v1/orders/ord_00000000000000000000000000"],
    ["DELETE", "/v1/orders"],
    ["GET", "/v1/orders"],
    ["GET", "/v1/account"],
    ["POST", "/v1/account/deposits", { asset: "USD", amount: "1" }],
    ["POST", "/v1/stream/tickets"],
    ["GET", `/v1/markets/${SYMBOL}/book`],
  ] as const)(
    "is 503 at once with Retry-After, and nothing was accepted: %s %s",
    async (method, path, json?: object) => {
      const ask = overStubs(failure({ overloaded: true, remote: true }));
      const startedAt = performance.now();
      const got = await ask(await trader(), method, path, json);
      expect(performance.now() - startedAt).toBeLessThan(1_000);
      expect([got.status, got.body.code, got.headers.get("Retry-After")]).toEqual([503, "unavailable", "1"]);
    },
  );

  it("is asked once: the runtime says not to try again", async () => {
    const asked = vi.fn(async () => {
      throw failure({ overloaded: true });
    });
    expect(await callObject(asked)).toEqual({ ok: false, refusal: { code: "unavailable" } });
    expect(asked).toHaveBeenCalledTimes(1);
  });
});

describe("what else a call to an object may end in", () => {
  it.each([
    ["it could not be reached", {}],
    ["it was started anew under the call", { remote: true, durableObjectReset: true }],
    ["the network was lost on the way", { retryable: true }],
  ])("unavailable: %s", async (_, flags) => {
    const failed = callObject<null>(() => Promise.reject(failure(flags)));
    expect(await failed).toEqual({ ok: false, refusal: { code: "unavailable" } });
  });

  it("a bug of its own code is one here, too: 500", async () => {
    await expect(callObject<null>(() => Promise.reject(failure({ remote: true })))).rejects.toThrow("from the runtime");
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const got = await overStubs(failure({ remote: true }))(await trader(), "POST", "/v1/orders", ORDER);
    expect([got.status, got.body.code]).toEqual([500, "internal"]);
  });

  it("an answer", async () => {
    expect(await callObject(async () => ok(1))).toEqual({ ok: true, value: 1 });
  });
});

describe("a market that is overloaded", () => {
  it("leaves an order that its account has accepted: 202, held and pending, and it lands later by itself", async () => {
    const buyer = await trader({ usd: "1000" });
    watch(buyer.accountId, SYMBOL);
    const exchange = vi.spyOn(MarketObject.prototype, "exchange").mockImplementation(async () => {
      throw failure({ overloaded: true });
    });
    const wish = {
      symbol: SYMBOL,
      side: "buy" as const,
      type: "limit",
      qty: "0.1",
      limit_price: await priceAt(SYMBOL, -500),
    };
    const posted = await buyer.place(wish);
    expect(posted).toMatchObject({ status: 202, body: { status: "pending_new" } });
    expect((await buyer.balance("USD")).held).not.toBe("0");
    exchange.mockRestore();
    await eventually(async () => expect(await buyer.order(posted.body.id)).toMatchObject({ status: "new" }));
    expect((await buyer.cancel(posted.body.id)).status).toBe(200);
  });

  it("within two seconds is not noticed", async () => {
    const buyer = await trader({ usd: "1000" });
    watch(buyer.accountId, SYMBOL);
    vi.spyOn(MarketObject.prototype, "exchange").mockImplementationOnce(async () => {
      throw failure({ overloaded: true });
    });
    expect(await buyer.place(ORDER)).toMatchObject({ status: 201, body: { status: "filled" } });
  });
});
