// A session that has ended learns nothing but that, whatever it asks, and does nothing, whoever's it was.
import { describe, expect, it } from "vitest";
import { type Trader, trader } from "../support/session.ts";

async function ended(roles = ["customer"], emailVerified = true): Promise<Trader> {
  const who = await trader({ usd: "1000", roles, emailVerified });
  expect((await who.call("POST", "/v1/auth/logout")).status).toBe(204);
  return who;
}

const BECAUSE = { reason: "a drill" };

describe("an ended session", () => {
  it.each<[string, string, object]>([
    ["GET", "/v1/account", {}],
    ["GET", "/v1/orders?limit=999", {}],
    ["GET", "/v1/orders?cursor=x", {}],
    ["GET", "/v1/positions/FOO-USD", {}],
    ["GET", "/v1/orders/ord_01k00000000000000000000000", {}],
    ["POST", "/v1/orders", { raw: "{bad", headers: { "Content-Type": "application/json" } }],
    ["POST", "/v1/orders", { raw: "x", headers: { "Content-Type": "text/plain" } }],
    ["POST", "/v1/orders", { json: { x: 1 } }],
    ["POST", "/v1/account/deposits", { json: { asset: "USD", amount: 1 } }],
    ["POST", "/v1/account/withdrawals", { json: { asset: "USD", amount: "1" } }],
    ["GET", "/v1/admin/orders", {}],
    ["POST", "/v1/admin/projections/rebuild", { json: BECAUSE }],
  ])("J11 %s %s", async (method, path, options) => {
    const answered = await (await ended(["customer"], false)).call<{ code: string }>(method, path, options);
    expect([answered.status, answered.body.code]).toEqual([401, "session_revoked"]);
    expect(answered.headers.get("www-authenticate")).toBe("Bearer");
    expect(answered.headers.get("cache-control")).toBe("no-store");
  });

  it.each<[string, string, object]>([
    ["GET", "/v1/admin/orders", {}],
    ["GET", "/v1/admin/dead-letters", {}],
    ["GET", "/v1/admin/projections", {}],
    ["GET", "/v1/admin/markets/BTC-USD/parked", {}],
    ["POST", "/v1/admin/projections/replay", { json: { object: "market", name: "main/BTC-USD", ...BECAUSE } }],
    ["POST", "/v1/admin/projections/rebuild", { json: BECAUSE }],
    ["POST", "/v1/admin/dead-letters/dlt_1/replay", { json: BECAUSE }],
  ])("J11 of an operator: %s %s", async (method, path, options) => {
    const answered = await (await ended(["customer", "operator"])).call<{ code: string }>(method, path, options);
    expect([answered.status, answered.body.code]).toEqual([401, "session_revoked"]);
  });
});

describe("a withdrawal without a verified e-mail address", () => {
  it.each<[string, object]>([
    ["well formed", { json: { asset: "USD", amount: "1" } }],
    ["a number for money", { json: { asset: "USD", amount: 1 } }],
    ["not JSON", { raw: "{", headers: { "Content-Type": "application/json" } }],
  ])("is refused before anything of it is looked at: %s", async (_, options) => {
    const who = await trader({ usd: "10", emailVerified: false });
    const answered = await who.call<{ code: string }>("POST", "/v1/account/withdrawals", options);
    expect([answered.status, answered.body.code]).toEqual([403, "email_not_verified"]);
  });
});
