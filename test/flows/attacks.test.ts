// Attacks that no other file has: each named by its row of the checklist in docs/testing.md.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { createApp } from "../../src/app.ts";
import { declaredRoutes } from "../../src/http/declared.ts";
import { person } from "../support/people.ts";
import { makeThings, requestOf } from "../support/samples.ts";
import { type Answer, call, expectProblem, type Trader, trader, type WirePage } from "../support/session.ts";

const PASSWORD = "correct horse battery";
const ADA = { email: "Ada.Lovelace@Example.com", username: "ada", password: PASSWORD };
const login = (name: string, password = PASSWORD, headers: Record<string, string> = {}) =>
  call("POST", "/v1/auth/login", { json: { login: name, password }, headers });
let ada: Trader;

beforeAll(async () => {
  expect((await call("POST", "/v1/auth/register", { json: ADA })).status).toBe(201);
  ada = await trader({ usd: "1000" });
});

describe("a password", () => {
  it.each([
    ["P4 of 129 characters", 129, 422],
    ["P4 of 60 KB", 60_000, 422],
    ["P4 of 1 MB", 1_000_000, 413],
  ])("%s is refused before it is hashed, and is no guess", async (_, length, status) => {
    const begun = performance.now();
    for (let time = 0; time < 12; time += 1) expect((await login("ada", "x".repeat(length))).status).toBe(status);
    // Twelve hashes take more than two seconds, and ten guesses lock.
    expect(performance.now() - begun).toBeLessThan(1_500);
    expect((await login("ada")).status).toBe(200);
  });
});

describe("a session", () => {
  it("F1 is another at each login, whatever the caller brings along", async () => {
    const before = await login("ada");
    const headers = { Authorization: `Bearer ${before.body.access_token}` };
    const after = await login("ada", PASSWORD, headers);
    expect(after.status).toBe(200);
    expect(after.body.session_id).not.toBe(before.body.session_id);
    expect(after.body.refresh_token).not.toBe(before.body.refresh_token);
  });

  it("F2 is none that somebody else has put into the browser", async () => {
    const page = { Origin: "https://app.example.com", "X-Token-Transport": "cookie" };
    const cookieOf = (got: Answer<unknown>) => (got.headers.get("Set-Cookie") ?? "").split(";")[0] ?? "";
    await call("POST", "/v1/auth/register", {
      json: { email: "eve@example.com", username: "eve", password: PASSWORD },
    });
    const hers = cookieOf(await login("eve", PASSWORD, page));
    const got = await login("ada", PASSWORD, { ...page, Cookie: hers });
    expect(cookieOf(got)).toMatch(/^__Host-refresh=rt_ses_/);
    expect(cookieOf(got)).not.toBe(hers);
    const refreshed = await call("POST", "/v1/auth/refresh", { json: {}, headers: { ...page, Cookie: hers } });
    const me = await call<{ user: { username: string } }>("GET", "/v1/me", {
      token: String(refreshed.body.access_token),
    });
    expect(me.body.user.username).toBe("eve");
  });
});

describe("an address", () => {
  it("E5 is one in any case, and mail goes to it as it was typed", async () => {
    const again = { ...ADA, username: "ada2", email: "aDA.lOVELACE@eXAMPLE.COM" };
    expectProblem(await call("POST", "/v1/auth/register", { json: again }), 409, "email_taken");
    const read = () => call<WirePage<{ to: string }>>("GET", `/v1/dev/mailbox?to=${ADA.email}`);
    await expect.poll(async () => (await read()).body.data[0]?.to, { timeout: 20_000 }).toBe(ADA.email);
  });

  it("E5 with a tag is another one, and only its owner's", async () => {
    const tagged = { ...ADA, username: "ada3", email: "ada.lovelace+tag@example.com" };
    expect((await call("POST", "/v1/auth/register", { json: tagged })).status).toBe(201);
    expect((await login("ada.lovelace+tag@example.com", "another password")).status).toBe(401);
  });
});

describe("a GET", () => {
  it("C3 changes nothing, whoever sends it", async () => {
    const things = await makeThings();
    const admin = await person(["admin"]);
    const rows = async () => {
      const names = ["users", "accounts", "sessions", "mfa_factors", "oauth_identities", "ip_rules"];
      const read = await env.DB.batch(names.map((name) => env.DB.prepare(`SELECT * FROM ${name} ORDER BY 1`)));
      const ledger = await things.owner.get("/v1/account/ledger?limit=200");
      const account = await things.owner.get<{ seq: number }>("/v1/account");
      return JSON.stringify([read.map(({ results }) => results), ledger.body, account.body.seq]);
    };
    const before = await rows();
    for (const route of declaredRoutes(createApp()).filter(({ method }) => method === "get")) {
      const { method, path, options } = requestOf(route, things);
      for (const { token } of [things.owner, admin]) await call(method, path, { ...options, token });
    }
    expect(await rows()).toBe(before);
  });
});

describe("a name", () => {
  it.each([
    ["N4 __proto__ as an asset", "/v1/assets/__proto__"],
    ["N4 constructor as an asset", "/v1/assets/constructor"],
    ["N4 toString as a market", "/v1/markets/toString"],
    ["N4 __proto__ as a market with a book", "/v1/markets/__proto__/book"],
    ["N4 hasOwnProperty as a position", "/v1/positions/hasOwnProperty"],
    ["N4 __proto__ as an order", "/v1/orders/__proto__"],
    ["N4 constructor as a provider", "/v1/auth/oauth/constructor/start"],
    ["N4 __proto__ as a provider", "/v1/auth/oauth/__proto__/callback"],
    ["N4 valueOf as an error", "/docs/errors/valueOf"],
    ["N9 an encoded slash", "/v1/account/..%2Fadmin%2Forders"],
    ["N9 a slash encoded twice", "/v1/account/..%252Fadmin%252Forders"],
    ["N9 an encoded NUL", "/v1/assets/BTC%00"],
    ["N9 an encoded line feed", "/v1/assets/BTC%0A"],
    ["N9 two slashes", "/v1//account"],
    ["N9 a slash at the end", "/v1/account/"],
    ["N9 capitals", "/V1/account"],
    ["N9 a dot encoded", "/v1/orders/%2e%2e%2fledger"],
    ["N9 a backslash", "/v1/orders/..%5Cledger"],
    ["N9 no UTF-8", "/v1/assets/%FF"],
    ["N9 a semicolon", "/v1/account;admin=1"],
  ])("%s is not found", async (_, path) => {
    expectProblem(await ada.get(path), 404, "not_found");
  });
});

describe("a body", () => {
  it.each([
    ["N5 a million levels", "[".repeat(1_000_000), 413, "payload_too_large"],
    ["N5 33 levels", `{"login":${"[".repeat(32)}${"]".repeat(32)}}`, 400, "malformed_json"],
    ["N6 a byte order mark", '\ufeff{"login":"ada","password":"x"}', 400, "malformed_json"],
    ["N6 a lone surrogate as a name", '{"login":"\\ud800","password":"x"}', 401, "invalid_credentials"],
    ["N6 a NUL in a name", '{"login":"ada\\u0000","password":"x"}', 401, "invalid_credentials"],
    ["N6 an overlong slash", new Uint8Array([0x22, 0xc0, 0xaf, 0x22]), 400, "malformed_json"],
    ["N3 a key twice", '{"login":"ada","password":"x","login":"eve"}', 400, "malformed_json"],
    ["N4 __proto__ as a field", '{"login":"ada","password":"x","__proto__":{}}', 422, "validation_failed"],
    ["N4 __proto__ as a name", '{"login":"__proto__","password":"x"}', 401, "invalid_credentials"],
    ["N1 a number for a password", '{"login":"ada","password":1e999}', 422, "validation_failed"],
    ["N1 a list for a name", '{"login":["ada"],"password":"x"}', 422, "validation_failed"],
  ])("%s at the login is refused", async (_, raw, status, code) => {
    const headers = { "Content-Type": "application/json" };
    expectProblem(await call("POST", "/v1/auth/login", { raw, headers }), status, code);
  });

  it.each([
    ["N6 a lone surrogate", "\ud800"],
    ["N6 a NUL", "a\u0000b"],
    ["N6 a line feed", "a\nb"],
    ["N6 a turn of direction", "a\u202eb"],
  ])("%s in the name of a key is refused", async (_, name) => {
    const made = await ada.call("POST", "/v1/api-keys", { json: { name, scopes: ["read"] } });
    expectProblem(made, 422, "validation_failed");
  });
});

describe("a header of 128 KB", () => {
  const LONG = "x".repeat(131_072);
  it.each<[string, Record<string, string>, number]>([
    ["N10 as a token", { Authorization: `Bearer ${LONG}` }, 401],
    ["N10 as a key", { "X-Api-Key": LONG }, 401],
    ["N10 as a signature", { "X-Api-Key": LONG, "X-Signature": LONG, "X-Timestamp": LONG, "X-Nonce": LONG }, 401],
    ["N10 as a cookie", { Cookie: `__Host-refresh=${LONG}` }, 401],
    ["N10 as an origin", { Origin: LONG }, 401],
  ])("%s opens nothing", async (_, headers, status) => {
    expectProblem(await call("GET", "/v1/account", { headers }), status, "unauthenticated");
  });

  it("N10 as a name of a request or trace is replaced, and as a device is cut", async () => {
    const got = await call("GET", "/v1/assets", { headers: { "X-Request-Id": LONG, Traceparent: LONG } });
    expect(got.status).toBe(200);
    expect(got.headers.get("X-Request-Id")?.length).toBeLessThan(129);
    const { body } = await login("ada", PASSWORD, { "User-Agent": LONG });
    const listed = await call<WirePage<{ device: string }>>("GET", "/v1/auth/sessions", {
      token: String(body.access_token),
    });
    expect(listed.body.data[0]?.device).toHaveLength(200);
  });

  it("N10 as an idempotency key is refused", async () => {
    const json = { asset: "USD", amount: "1" };
    const got = await ada.call("POST", "/v1/account/deposits", { json, headers: { "Idempotency-Key": LONG } });
    expectProblem(got, 422, "validation_failed");
  });
});

describe("fifty at once", () => {
  it("Z1 withdraw the whole balance once", async () => {
    const rich = await trader({ usd: "500" });
    const json = { asset: "USD", amount: "500" };
    const all = await Promise.all(
      Array.from({ length: 50 }, () => rich.call("POST", "/v1/account/withdrawals", { json })),
    );
    for (const one of all.filter(({ status }) => status !== 201)) expectProblem(one, 422, "insufficient_funds");
    expect(all.filter(({ status }) => status === 201)).toHaveLength(1);
    expect((await rich.balance("USD")).total).toBe("0");
  });

  it("Z4 make no more keys than an account may have", async () => {
    const maker = await trader();
    const json = { name: "n", scopes: ["read"] };
    const all = await Promise.all(Array.from({ length: 50 }, () => maker.call("POST", "/v1/api-keys", { json })));
    expect(all.filter(({ status }) => status === 201)).toHaveLength(20);
    for (const one of all.filter(({ status }) => status !== 201)) expectProblem(one, 409, "too_many_api_keys");
  });
});
