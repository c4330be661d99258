// While D1 is away trading goes on untouched, and what needs D1 says so: 503 with Retry-After, never an empty list.
import { beforeAll, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { D1_ERRORS, faultyD1 } from "../projections/queue.ts";
import { type Answer, call } from "../support/client.ts";
import { priceAt, qtyWorth, type Trader, trader } from "../support/session.ts";

const app = createApp();

/** Calls of a trader, or a stranger, to a Worker whose D1 is away. */
function without(message: string, who?: Trader) {
  const DB = faultyD1(() => true, message);
  return (method: string, path: string, json?: object): Promise<Answer> =>
    call(app, method, path, {
      env: { DB },
      ...(json === undefined ? {} : { json }),
      ...(who === undefined ? {} : { token: who.token }),
    });
}

beforeAll(() => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
});

describe.each(D1_ERRORS)("while D1 is away (%s)", (message) => {
  it("money comes in, orders rest, fill and are canceled, and every read of one's own is exact", async () => {
    const ada = without(message, await trader());
    expect((await ada("POST", "/v1/account/deposits", { asset: "USD", amount: "10000" })).status).toBe(201);
    const price = await priceAt("BTC-USD", -300);
    const limit = {
      symbol: "BTC-USD",
      side: "buy",
      type: "limit",
      qty: qtyWorth("BTC-USD", 100, price),
      limit_price: price,
    };
    const resting = await ada("POST", "/v1/orders", limit);
    expect(resting).toMatchObject({ status: 201, body: { status: "new" } });
    const market = { symbol: "BTC-USD", side: "buy", type: "market", notional: "100" };
    expect(await ada("POST", "/v1/orders", market)).toMatchObject({ status: 201, body: { status: "filled" } });
    expect((await ada("DELETE", `/v1/orders/${String(resting.body.id)}`)).body.status).toBe("canceled");
    const rows = async (path: string) => ((await ada("GET", path)).body.data as unknown[]).length;
    expect(await rows("/v1/orders?status=all")).toBe(2);
    expect(await rows("/v1/fills")).toBeGreaterThan(0);
    expect(await rows("/v1/account/ledger")).toBeGreaterThan(4);
    expect(await rows("/v1/positions")).toBe(1);
    for (const path of ["/v1/account", "/v1/portfolio", "/v1/markets", "/v1/markets/BTC-USD/book", "/v1/assets"]) {
      expect((await ada("GET", path)).status, path).toBe(200);
    }
  });

  it.each([
    ["GET", "/v1/admin/orders", undefined],
    ["GET", "/v1/admin/dead-letters", undefined],
    ["GET", "/v1/admin/projections", undefined],
    ["POST", "/v1/admin/projections/rebuild", { reason: "a drill" }],
    ["POST", "/v1/admin/dead-letters/dlt_1/replay", { reason: "a drill" }],
    ["POST", "/v1/auth/login", { login: "ada", password: "a long password" }],
    ["POST", "/v1/auth/register", { email: "ada@example.com", username: "ada", password: "a long password" }],
  ])("%s %s answers 503", async (method, path, json) => {
    const operator = without(message, await trader({ roles: ["operator"] }));
    const answered = await operator(method, path, json);
    expect(answered).toMatchObject({ status: 503, body: { code: "unavailable" } });
    expect(answered.headers.get("retry-after")).toBe("1");
  });
});
