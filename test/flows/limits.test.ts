// How often somebody may call: orders and calls counted by the account, strangers by their address, wrong passwords by the
// person they are tried for. The clock stands still, so that nothing is forgiven unless time is let pass.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { RateLimiter } from "../../src/objects/limiter/shell.ts";
import { call, expectProblem, type OrderWish, secondSession, stopClock, trader } from "../support/session.ts";

let pass: (ms: number) => void;
beforeAll(() => {
  pass = stopClock();
});

let addresses = 0;
/** An address that nobody has called from. */
function newAddress(): Record<string, string> {
  addresses += 1;
  return { "CF-Connecting-IP": `10.9.${Math.floor(addresses / 250)}.${addresses % 250}` };
}

function limitOf(got: { headers: Headers }): (string | null)[] {
  return [got.headers.get("RateLimit-Policy"), got.headers.get("RateLimit")];
}

const BAD_ORDER: OrderWish = { symbol: "BTC-USD", side: "buy", type: "limit", qty: "1", limit_price: "2" };

/** Brings a count to its end without the calls it takes. */
async function spendAll(accountId: string, policy: "orders" | "calls", count: number): Promise<void> {
  const caller = { accountId, sessionId: "ses_none", issuedAtMs: Date.now(), spend: { policy, count } };
  expect(await env.ACCOUNT.getByName(accountId).admit(caller)).toMatchObject({ ok: true });
}

describe("the document", () => {
  it("names the headers that an answer has, and those of one that says when to come back", async () => {
    type Responses = Record<string, { headers: object }>;
    const { body } = await call<{ paths: Record<string, Record<string, { responses: Responses }>> }>(
      "GET",
      "/openapi.json",
    );
    const told = (status: string) => Object.keys(body.paths["/v1/orders"]?.["post"]?.responses[status]?.headers ?? {});
    const ada = await trader({ usd: "1000" });
    const refused = await ada.place(BAD_ORDER);
    expect(told("422").filter((name) => !refused.headers.has(name))).toEqual([]);
    await spendAll(ada.accountId, "orders", 299);
    const late = await ada.place(BAD_ORDER);
    expect(told("429").filter((name) => !late.headers.has(name))).toEqual([]);
    expect(told("429")).toEqual([...told("422"), "Retry-After"]);
  });
});

describe("orders", () => {
  it("Z4 say what is left, and are refused with 429 when nothing is", async () => {
    const ada = await trader({ usd: "1000" });
    const first = await ada.place(BAD_ORDER);
    expect([first.status, ...limitOf(first)]).toEqual([422, '"orders";q=300;w=3', '"orders";r=299;t=1']);
    await spendAll(ada.accountId, "orders", 299);
    const refused = await ada.place({ ...BAD_ORDER, client_order_id: "one" });
    expectProblem(refused, 429, "rate_limited");
    expect(refused.body).toMatchObject({ retry_after: 1, policy: "orders" });
    expect(refused.headers.get("Retry-After")).toBe("1");
    expect(limitOf(refused)).toEqual(['"orders";q=300;w=3', '"orders";r=0;t=1']);
    // It was not judged, so its id is free.
    expectProblem(await ada.get("/v1/orders/by-client-id/one"), 404, "not_found");
    pass(10);
    expect((await ada.place(BAD_ORDER)).status).toBe(422);
    expect((await ada.place(BAD_ORDER)).status).toBe(429);
  });

  it("are counted apart from other calls: who may not order may still cancel", async () => {
    const ada = await trader({ usd: "1000" });
    await spendAll(ada.accountId, "orders", 300);
    expectProblem(await ada.place(BAD_ORDER), 429, "rate_limited");
    const canceled = await ada.call("DELETE", "/v1/orders");
    expect([canceled.status, limitOf(canceled)[0]]).toEqual([207, '"calls";q=500;w=5']);
  });

  it("that are no orders cost as much, and 429 stands before their form", async () => {
    const ada = await trader();
    const json = { "Content-Type": "application/json" };
    const wrong = () => ada.call("POST", "/v1/orders", { raw: "{", headers: json });
    const first = await wrong();
    expectProblem(first, 400, "malformed_json");
    expect(limitOf(first)[1]).toBe('"orders";r=299;t=1');
    await spendAll(ada.accountId, "orders", 299);
    expectProblem(await wrong(), 429, "rate_limited");
    expectProblem(await ada.call("POST", "/v1/orders", { raw: "x" }), 429, "rate_limited");
    expectProblem(await ada.call("POST", "/v1/orders", { json: { x: 1 } }), 429, "rate_limited");
    expectProblem(await call("POST", "/v1/orders", { raw: "{" }), 401, "unauthenticated");
  });

  it("Z4 of one account leave another's alone, and all sessions of a person share one count", async () => {
    const [ada, bob] = [await trader(), await trader()];
    await spendAll(ada.accountId, "orders", 300);
    expectProblem(await (await secondSession(ada)).place(BAD_ORDER), 429, "rate_limited");
    expectProblem(await bob.place(BAD_ORDER), 422, "price_outside_band");
  });

  it("of an ended session are 401 and cost nothing", async () => {
    const ada = await trader();
    const phone = await secondSession(ada);
    await phone.call("POST", "/v1/auth/logout");
    const gone = await phone.place(BAD_ORDER);
    expectProblem(gone, 401, "session_revoked");
    expect(limitOf(gone)).toEqual([null, null]);
    expect(limitOf(await ada.place(BAD_ORDER))[1]).toBe('"orders";r=299;t=1');
  });

  it("write nothing to be counted", async () => {
    const ada = await trader();
    const length = () =>
      runInDurableObject(env.ACCOUNT.getByName(ada.accountId) as DurableObjectStub, (_, { storage }) =>
        storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM journal").one(),
      );
    const before = await length();
    await spendAll(ada.accountId, "orders", 300);
    expectProblem(await ada.place(BAD_ORDER), 429, "rate_limited");
    expect(await length()).toEqual(before);
  });
});

describe("other calls", () => {
  it.each([
    ["GET", "/v1/account"],
    ["GET", "/v1/orders"],
    ["GET", "/v1/fills"],
    ["GET", "/v1/prevented-matches"],
    ["GET", "/v1/positions"],
    ["GET", "/v1/portfolio"],
    ["POST", "/v1/stream/tickets"],
    ["POST", "/v1/auth/logout"],
    ["GET", "/v1/me"],
  ])("%s %s is counted for who is signed in, and refused once too often", async (method, path) => {
    const ada = await trader();
    await spendAll(ada.accountId, "calls", 499);
    const last = await ada.call(method, path);
    expect([last.status === 429, ...limitOf(last)]).toEqual([false, '"calls";q=500;w=5', '"calls";r=0;t=5']);
    if (path.endsWith("logout")) return;
    const refused = await ada.call(method, path);
    expectProblem(refused, 429, "rate_limited");
    expect(refused.headers.get("Retry-After")).toBe("1");
  });

  it("have the role judged before the count", async () => {
    const ada = await trader();
    await spendAll(ada.accountId, "calls", 500);
    expectProblem(await ada.get("/v1/admin/orders"), 403, "forbidden");
    const olivia = await trader({ roles: ["customer", "operator"] });
    await spendAll(olivia.accountId, "calls", 500);
    expectProblem(await olivia.get("/v1/admin/orders"), 429, "rate_limited");
    const unverified = await trader({ emailVerified: false });
    await spendAll(unverified.accountId, "calls", 500);
    const withdrawal = await unverified.call("POST", "/v1/account/withdrawals", {
      json: { asset: "USD", amount: "1" },
    });
    expectProblem(withdrawal, 403, "email_not_verified");
  });

  it("are forgiven by an object that starts anew", async () => {
    const ada = await trader();
    await spendAll(ada.accountId, "calls", 500);
    await evictDurableObject(env.ACCOUNT.getByName(ada.accountId));
    expect((await ada.get("/v1/account")).status).toBe(200);
  });
});

describe("strangers", () => {
  async function spend(
    headers: Record<string, string>,
    policy: string,
    units: number,
    windowMs: number,
    count: number,
  ) {
    const address = headers["CF-Connecting-IP"] ?? "none";
    await env.LIMITER.getByName(`ip/${address}`).take(policy, { units, windowMs }, count);
  }

  it("are counted by their address, whatever they say of themselves", async () => {
    const headers = newAddress();
    const first = await call("GET", "/v1/assets", { headers });
    expect([first.status, ...limitOf(first)]).toEqual([200, '"public";q=500;w=5', '"public";r=499;t=1']);
    await spend(headers, "public", 500, 5_000, 499);
    const forged = { ...headers, "X-Forwarded-For": "1.2.3.4", "X-Real-IP": "1.2.3.4", Forwarded: "for=1.2.3.4" };
    expectProblem(await call("GET", "/v1/assets", { headers: forged }), 429, "rate_limited");
    expect((await call("GET", "/v1/assets", { headers: newAddress() })).status).toBe(200);
    expect((await call("GET", "/healthz", { headers })).status).toBe(200);
    expect(limitOf(await call("GET", "/healthz", { headers }))).toEqual([null, null]);
  });

  it("with a block of IPv6 addresses are one", async () => {
    const from = (ip: string) => call("GET", "/v1/assets", { headers: { "CF-Connecting-IP": ip } });
    expect(limitOf(await from("2001:db8:1:2::1"))[1]).toBe('"public";r=499;t=1');
    expect(limitOf(await from("2001:db8:1:2:ffff::9"))[1]).toBe('"public";r=498;t=1');
    expect(limitOf(await from("2001:db8:1:3::1"))[1]).toBe('"public";r=499;t=1');
    expect(limitOf(await from("::ffff:10.8.0.1"))[1]).toBe('"public";r=499;t=1');
    expect(limitOf(await from("10.8.0.1"))[1]).toBe('"public";r=498;t=1');
    for (const none of ["", "x", "1.2.3.4, 5.6.7.8", "1.2.3.4:80"]) expect((await from(none)).status).toBe(200);
  });

  it.each([
    ["register", 120, "/v1/auth/register"],
    ["login", 240, "/v1/auth/login"],
  ])("may %s %i times a minute, counted apart, before anything is looked at", async (policy, units, path) => {
    const headers = { ...newAddress(), "Content-Type": "text/plain" };
    const first = await call("POST", path, { raw: "x", headers });
    expectProblem(first, 415, "unsupported_media_type");
    expect(limitOf(first)).toEqual([`"${policy}";q=${units};w=60`, `"${policy}";r=${units - 1};t=1`]);
    await spend(headers, policy, units, 60_000, units - 1);
    expectProblem(await call("POST", path, { raw: "x", headers }), 429, "rate_limited");
    expectProblem(await call("POST", path, { raw: "x".repeat(65_537), headers }), 413, "payload_too_large");
    const other = path.endsWith("login") ? "/v1/auth/register" : "/v1/auth/login";
    expectProblem(await call("POST", other, { raw: "x", headers }), 415, "unsupported_media_type");
    expect((await call("GET", "/v1/assets", { headers })).status).toBe(200);
  });

  it("read on while nobody counts them, and may not guess", async () => {
    const away = vi
      .spyOn(RateLimiter.prototype, "take")
      .mockRejectedValue(Object.assign(new Error(), { overloaded: true }));
    const headers = newAddress();
    const read = await call("GET", "/v1/assets", { headers });
    expect([read.status, ...limitOf(read)]).toEqual([200, null, null]);
    for (const path of ["/v1/auth/login", "/v1/auth/register"]) {
      const refused = await call("POST", path, { json: { login: "ada", password: "x" }, headers });
      expectProblem(refused, 503, "unavailable");
      expect(refused.headers.get("Retry-After")).toBe("1");
    }
    away.mockRestore();
  });
});

describe("wrong passwords", () => {
  const PASSWORD = "correct horse battery";
  const login = (name: string, password: string) =>
    call("POST", "/v1/auth/login", { json: { login: name, password }, headers: newAddress() });

  async function signUp(username: string): Promise<string> {
    const json = { email: `${username}@example.com`, username, password: PASSWORD };
    const made = await call<{ user: { id: string } }>("POST", "/v1/auth/register", { json, headers: newAddress() });
    expect(made.status).toBe(201);
    return made.body.user.id;
  }

  async function fail(name: string, times: number): Promise<void> {
    const rate = { units: 10, windowMs: 900_000 };
    for (let time = 0; time < times; time += 1)
      await env.LIMITER.getByName(`name/${name}`).settle("login_failures", rate, true);
  }

  it("E4 lock a person for a quarter of an hour after ten, under both names, from everywhere, also the right one", async () => {
    const id = await signUp("lockable");
    expectProblem(await login("lockable", "wrong password 1"), 401, "invalid_credentials");
    await fail(id, 8);
    expectProblem(await login("lockable@example.com", "wrong password 2"), 401, "invalid_credentials");
    for (const name of ["lockable", "LOCKABLE@example.com"]) {
      const locked = await login(name, PASSWORD);
      expectProblem(locked, 429, "rate_limited");
      expect(locked.headers.get("Retry-After")).toBe("900");
      expect(limitOf(locked)[1]).toContain('"login_failures";r=0;t=900');
    }
    pass(899_999);
    expectProblem(await login("lockable", PASSWORD), 429, "rate_limited");
    pass(1);
    expect((await login("lockable", PASSWORD)).status).toBe(200);
  });

  it("E4 for a name that nobody has are answered the same", async () => {
    const id = await signUp("known");
    for (const name of ["known", "nobody"]) {
      await fail(name === "known" ? id : "login/nobody", 9);
      const [last, locked] = [await login(name, "wrong password"), await login(name, "wrong password")];
      expectProblem(last, 401, "invalid_credentials");
      expectProblem(locked, 429, "rate_limited");
      const { instance, detail, retry_after } = locked.body;
      expect([instance, detail, retry_after]).toEqual(["/v1/auth/login", "Too many requests.", 900]);
    }
  });

  it("P5 are not hashed once locked", async () => {
    await fail("login/lockedname", 10);
    const took = async (name: string, status: number) => {
      const begun = performance.now();
      expect((await login(name, "wrong password")).status).toBe(status);
      return performance.now() - begun;
    };
    const hashed = await took("notlocked", 401);
    // One after the other: at once, each would wait for the others, and other work on the machine takes turns.
    const locked: number[] = [];
    for (let n = 0; n < 8; n += 1) locked.push(await took("lockedname", 429));
    expect(Math.min(...locked)).toBeLessThan(hashed / 2);
  });

  it("E4 are remembered through a restart, and forgotten in the end", async () => {
    await fail("login/restarted", 10);
    const limiter = () => env.LIMITER.getByName("name/login/restarted");
    await evictDurableObject(limiter());
    expectProblem(await login("restarted", "wrong password"), 429, "rate_limited");
    const alarm = await runInDurableObject(limiter() as DurableObjectStub, (_, { storage }) => storage.getAlarm());
    expect(alarm).toBe(Date.now() + 900_000);
    const ring = () => runInDurableObject(limiter() as DurableObjectStub, (one) => (one as RateLimiter).alarm());
    pass(500_000);
    await ring();
    expectProblem(await login("restarted", "wrong password"), 429, "rate_limited");
    pass(400_000);
    await ring();
    const tables = await runInDurableObject(limiter() as DurableObjectStub, (_, { storage }) =>
      storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'failures'").toArray(),
    );
    expect(tables).toEqual([]);
    expectProblem(await login("restarted", "wrong password"), 401, "invalid_credentials");
  });

  it("Z4 tried twenty at once are told ten times at most, and a right one among the last not at all", async () => {
    const tried = await Promise.all(Array.from({ length: 20 }, () => login("manyatonce", "wrong password")));
    expect(tried.filter(({ status }) => status === 401)).toHaveLength(10);
    expect(tried.filter(({ status }) => status === 429)).toHaveLength(10);
  });

  it("do not count against the right one: twelve good logins at once all come in", async () => {
    await signUp("often");
    const tried = await Promise.all(Array.from({ length: 12 }, () => login("often", PASSWORD)));
    expect(tried.map(({ status }) => status)).toEqual(Array.from({ length: 12 }, () => 200));
  });

  it("cannot be guessed while nobody counts them", async () => {
    const away = Object.assign(new Error(), { overloaded: true });
    const spied = vi.spyOn(RateLimiter.prototype, "failures").mockRejectedValue(away);
    expectProblem(await login("anybody", "wrong password"), 503, "unavailable");
    spied.mockRestore();
    const late = vi.spyOn(RateLimiter.prototype, "settle").mockRejectedValue(away);
    await signUp("lateperson");
    expectProblem(await login("lateperson", PASSWORD), 503, "unavailable");
    late.mockRestore();
  });
});
