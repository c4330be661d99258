// API keys over HTTP: what one may do, for whom, from where and until when; and what is left when it is revoked.
import { evictDurableObject, listDurableObjectIds, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { keySaying, keyTag, keyText } from "../../src/core/api-keys.ts";
import { log } from "../../src/log.ts";
import { makeId } from "../../src/objects/platform.ts";
import { byKey, newKey, signatureOf, signed } from "../support/keys.ts";
import { person } from "../support/people.ts";
import {
  anotherToken,
  call,
  expectProblem,
  ORIGIN,
  stopClock,
  type Trader,
  trader,
  type WireOrder,
  type WirePage,
} from "../support/session.ts";

afterEach(() => vi.useRealTimers());

const BUY = { symbol: "BTC-USD", side: "buy", type: "market", notional: "20" };
const create = (who: Trader, wish: object) =>
  who.call("POST", "/v1/api-keys", { json: { name: "n", scopes: ["read"], ...wish } });
const order = (key: { key: string }, options = {}) =>
  byKey<WireOrder>(key, "POST", "/v1/orders", { json: BUY, ...options });
const ids = async () => (await listDurableObjectIds(env.ACCOUNT)).length;
const stored = (who: Trader) =>
  runInDurableObject(env.ACCOUNT.getByName(who.accountId) as DurableObjectStub, (_, { storage }) =>
    JSON.stringify([
      storage.sql.exec("SELECT * FROM api_keys").toArray(),
      storage.sql.exec("SELECT * FROM journal").toArray(),
    ]),
  );

describe("a key that is mistyped or forged", () => {
  it("K1 is 401, and wakes or makes no account", async () => {
    const ada = await trader();
    const { key } = await newKey(ada);
    const before = await ids();
    const said = keySaying(makeId("acc", 1), makeId("key", 1), new Uint8Array(20));
    for (const wrong of [
      "",
      "garbage",
      key.slice(0, -1),
      `${key.slice(0, 60)}${key.charAt(60) === "a" ? "b" : "a"}${key.slice(61)}`,
      keyText(said, keyTag(new Uint8Array(16))),
    ])
      expectProblem(await order({ key: wrong }), 401, "unauthenticated");
    expect(await ids()).toBe(before);
  });

  it("K1 is 401 with a good seal too, when its account does not know it", async () => {
    const [ada, eve] = [await trader(), await trader()];
    const gone = await newKey(ada);
    expect((await ada.call("DELETE", `/v1/api-keys/${gone.id}`)).status).toBe(204);
    expectProblem(await order(gone), 401, "unauthenticated");
    expectProblem(await eve.call("DELETE", `/v1/api-keys/${(await newKey(ada)).id}`), 404, "not_found");
  });
});

describe("a key", () => {
  it("K2 is shown once, and kept as a hash alone", async () => {
    const ada = await trader();
    const made = await newKey(ada, {
      name: "robot",
      scopes: ["trade", "read"],
      ip_allow: ["10.0.0.0/8"],
      signing: true,
    });
    const { key, signing_secret, ...rest } = made;
    expect(signing_secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(rest).toMatchObject({ name: "robot", scopes: ["trade", "read"], ip_allow: ["10.0.0.0/8"], signing: true });
    const listed = await ada.get<WirePage<unknown>>("/v1/api-keys");
    expect(listed.body).toEqual({ data: [rest], next_cursor: null });
    const kept = await stored(ada);
    expect(kept).toContain(made.id);
    for (const secret of [key, key.slice(60, 90), signing_secret ?? ""])
      expect(kept + listed.text).not.toContain(secret);
  });

  it("K3 is made once for an Idempotency-Key at a time, and never shown again by it", async () => {
    const ada = await trader();
    const headers = { "Idempotency-Key": "k" };
    const [one, two] = [1, 2].map(() =>
      ada.call("POST", "/v1/api-keys", { json: { name: "n", scopes: ["read"] }, headers }),
    );
    const answers = await Promise.all([one, two]);
    expect(answers.map((got) => got?.headers.get("Idempotency-Replayed"))).toEqual([null, null]);
  });

  it("is one of twenty, newest first, in pages", async () => {
    const ada = await trader();
    const made: string[] = [];
    for (let n = 0; n < 20; n += 1) made.unshift((await newKey(ada, { name: `k${n}` })).id);
    expectProblem(await create(ada, {}), 409, "too_many_api_keys");
    const { rows, pages } = await ada.all<{ id: string }>("/v1/api-keys", 8);
    expect([rows.map(({ id }) => id), pages]).toEqual([made.sort().reverse(), 3]);
    expect((await ada.call("DELETE", `/v1/api-keys/${made[3]}`)).status).toBe(204);
    expectProblem(await ada.call("DELETE", `/v1/api-keys/${made[3]}`), 404, "not_found");
    expect((await create(ada, {})).status).toBe(201);
  });

  it.each([
    ["no scope", { scopes: [] }],
    ["a scope twice", { scopes: ["read", "read"] }],
    ["a scope that there is not", { scopes: ["admin"] }],
    ["no name", { name: " " }],
    ["no block", { ip_allow: ["10.0.0.1/8"] }],
    ["an end in the past", { expires_at: "2020-01-01T00:00:00Z" }],
    ["a field of its own", { user_id: "usr_1" }],
  ])("K4 is not made with %s", async (_, wish) => {
    expectProblem(await create(await trader(), wish), 422, "validation_failed");
  });

  it("T9 is made, seen and revoked by sessions alone", async () => {
    const ada = await trader();
    const all = await newKey(ada, { scopes: ["read", "trade", "transfer", "manage"] });
    expectProblem(
      await byKey(all, "POST", "/v1/api-keys", { json: { name: "n", scopes: ["read"] } }),
      403,
      "forbidden",
    );
    expectProblem(await byKey(all, "GET", "/v1/api-keys"), 403, "forbidden");
    expectProblem(await byKey(all, "DELETE", `/v1/api-keys/${all.id}`), 403, "forbidden");
    expectProblem(await create(await trader({ roles: ["operator"] }), {}), 403, "forbidden");
  });
});

describe("a key", () => {
  it("T9 is made only by who has lately given a password or a code", async () => {
    const ada = await trader();
    const json = { name: "n", scopes: ["read"] };
    const stale = { token: await anotherToken(ada), json };
    expectProblem(await call("POST", "/v1/api-keys", stale), 403, "step_up_required");
    const manager = await newKey(await person(), { scopes: ["manage"] });
    expect((await byKey(manager, "PATCH", "/v1/me", { json: { locale: "de" } })).status).toBe(200);
    const email = { email: "eve@example.com" };
    expectProblem(await byKey(manager, "PATCH", "/v1/me", { json: email }), 403, "step_up_required");
  });
});

describe("what a key may do", () => {
  it("K4 is in its scopes; trading by it is as by session, and needs no D1", async () => {
    const ada = await trader({ usd: "1000" });
    const key = await newKey(ada, { scopes: ["trade"] });
    const placed = await order(key);
    expect(placed.status).toBe(201);
    expect((await ada.order(placed.body.id)).status).toBe("filled");
    expectProblem(await byKey(key, "GET", "/v1/account"), 403, "missing_scope");
    // The scope is judged before anything of the request is.
    expectProblem(await byKey(key, "POST", "/v1/account/deposits", { raw: "{" }), 403, "missing_scope");
    expectProblem(await byKey(key, "POST", "/v1/orders", { json: { x: 1 } }), 422, "validation_failed");
    expectProblem(await byKey(key, "GET", "/v1/admin/orders"), 403, "forbidden");
  });

  it("K4 withdraws only when it was made with a verified address", async () => {
    const unverified = await trader({ emailVerified: false });
    const refused = await create(unverified, { scopes: ["transfer"] });
    expectProblem(refused, 403, "email_not_verified");
    expect(refused.body.detail).toContain("POST /v1/auth/email/resend");
    const since = await person(["customer"], { emailVerified: false });
    expectProblem(await create(since, { scopes: ["transfer"] }), 403, "email_not_verified");
    await env.DB.prepare("UPDATE users SET email_verified = 1 WHERE id = ?").bind(since.userId).run();
    expect((await create(since, { scopes: ["transfer"] })).status).toBe(201);
    const withdrawal = { json: { asset: "USD", amount: "1" } };
    await since.deposit("10");
    expect((await since.call("POST", "/v1/account/withdrawals", withdrawal)).status).toBe(201);
    const ada = await trader({ usd: "1000" });
    const key = await newKey(ada, { scopes: ["transfer"] });
    const json = { asset: "USD", amount: "1" };
    expect((await byKey(key, "POST", "/v1/account/withdrawals", { json })).status).toBe(201);
  });

  it("reads its owner's profile", async () => {
    const ada = await person();
    const got = await byKey<{ user: { id: string } }>(await newKey(ada), "GET", "/v1/me");
    expect([got.status, got.body.user.id]).toEqual([200, ada.userId]);
  });

  it("K4 is done from its addresses alone, also by its tickets", async () => {
    const ada = await trader({ usd: "1000" });
    const key = await newKey(ada, { ip_allow: ["203.0.113.0/24", "2001:db8::/32"] });
    const from = (ip: string) => order(key, { headers: { "CF-Connecting-IP": ip } });
    expect((await from("203.0.113.9")).status).toBe(201);
    expect((await from("2001:db8:1::1")).status).toBe(201);
    expectProblem(await from("203.0.114.9"), 403, "forbidden");
    expectProblem(await order(key), 403, "forbidden");
    const headers = { "CF-Connecting-IP": "203.0.113.9" };
    const { body } = await byKey<{ ticket: string }>(key, "POST", "/v1/stream/tickets", { headers });
    const path = `/v1/stream/account?ticket=${body.ticket}`;
    const elsewhere = { Upgrade: "websocket", "CF-Connecting-IP": "203.0.114.9" };
    expectProblem(await call("GET", path, { headers: elsewhere }), 403, "forbidden");
  });

  it("K4 ends with its time", async () => {
    const ada = await trader({ usd: "1000" });
    const key = await newKey(ada, { expires_at: new Date(Date.now() + 60_000).toISOString() });
    expect((await order(key)).status).toBe(201);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
    expectProblem(await order(key), 401, "unauthenticated");
  });

  it("K4 is refused beside an access token, whosever that is", async () => {
    const ada = await trader();
    const { key } = await newKey(ada);
    expectProblem(await ada.call("GET", "/v1/account", { headers: { "X-Api-Key": key } }), 401, "unauthenticated");
    const headers = { "X-Api-Key": key, Authorization: "Basic x" };
    expectProblem(await call("GET", "/v1/account", { headers }), 401, "unauthenticated");
  });

  it("K4 is counted apart from its owner's calls and from other keys'", async () => {
    // Else the bucket fills while it is emptied.
    stopClock();
    const ada = await trader();
    const [one, two] = [await newKey(ada), await newKey(ada)];
    const left = async (answer: Promise<{ headers: Headers }>) => (await answer).headers.get("RateLimit");
    expect(await left(byKey(one, "GET", "/v1/account"))).toContain("r=499");
    expect(await left(byKey(two, "GET", "/v1/account"))).toContain("r=499");
    const spend = (count: number) =>
      env.ACCOUNT.getByName(ada.accountId).admit({
        accountId: ada.accountId,
        sessionId: ada.sessionId,
        issuedAtMs: Date.now(),
        spend: { policy: "calls", count },
      });
    const { standing } = await spend(1);
    await spend(standing?.remaining ?? Number.NaN);
    expectProblem(await ada.get("/v1/account"), 429, "rate_limited");
    expect((await byKey(one, "GET", "/v1/account")).status).toBe(200);
  });

  it("shows when it was last used, to a minute", async () => {
    const ada = await trader();
    const key = await newKey(ada);
    const used = async () =>
      (await ada.get<WirePage<{ last_used_at: string | null }>>("/v1/api-keys")).body.data[0]?.last_used_at;
    expect(await used()).toBeNull();
    await byKey(key, "GET", "/v1/account");
    const first = await used();
    expect(Date.parse(first ?? "")).toBeGreaterThan(Date.now() - 10_000);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 50_000 });
    await byKey(key, "GET", "/v1/account");
    expect(await used()).toBe(first);
    vi.setSystemTime(Date.now() + 11_000);
    await byKey(key, "GET", "/v1/account");
    expect(Date.parse((await used()) ?? "")).toBe(Date.now());
  });
});

describe("a signed call", () => {
  it("K5 is the vector of docs/api-keys.md", () => {
    const secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const body = '{"symbol":"BTC-USD","side":"buy","type":"market","notional":"20"}';
    const at = "1767225600000";
    expect(signatureOf(secret, "POST", "/v1/orders", body, "nonce-0123456789", at)).toBe(
      "50948190fb838c3bbe450d0f6224c3c47515f54a8d44107944f42caea7e34a74",
    );
    expect(signatureOf(secret, "GET", "/v1/orders?symbol=BTC-USD&limit=2", "", "nonce-0123456789", at)).toBe(
      "c16c43ce60e50fd11fd976025abc7be4e59fcd79b15868e7183aee9d62a96f24",
    );
  });

  it("K5 is let in once", async () => {
    const ada = await trader({ usd: "1000" });
    const key = await newKey(ada, { signing: true });
    const body = JSON.stringify(BUY);
    const headers = { ...signed(key, "POST", "/v1/orders", { body }), "Content-Type": "application/json" };
    const send = () => call("POST", "/v1/orders", { raw: body, headers });
    expect((await send()).status).toBe(201);
    expectProblem(await send(), 401, "unauthenticated");
    await evictDurableObject(env.ACCOUNT.getByName(ada.accountId));
    expectProblem(await send(), 401, "unauthenticated");
  });

  it("K5 whose nonce comes fifty times at once is done once", async () => {
    const ada = await trader({ usd: "10000" });
    const key = await newKey(ada, { signing: true });
    const body = JSON.stringify(BUY);
    const headers = { ...signed(key, "POST", "/v1/orders", { body }), "Content-Type": "application/json" };
    const all = await Promise.all(Array.from({ length: 50 }, () => call("POST", "/v1/orders", { raw: body, headers })));
    expect(all.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 49 }, () => 401)]);
    expect((await ada.get<WirePage<unknown>>("/v1/orders")).body.data).toHaveLength(1);
  });

  it("K5 has its query in any order, and its nonce spent also by what is refused", async () => {
    const key = await newKey(await trader(), { signing: true });
    const headers = signed(key, "GET", "/v1/orders?symbol=BTC-USD&limit=2");
    expect((await call("GET", "/v1/orders?limit=2&symbol=BTC-USD", { headers })).status).toBe(200);
    const wrong = signed(key, "GET", "/v1/orders?limit=999");
    expectProblem(await call("GET", "/v1/orders?limit=999", { headers: wrong }), 422, "validation_failed");
    expectProblem(await call("GET", "/v1/orders?limit=999", { headers: wrong }), 401, "unauthenticated");
  });

  it.each<[string, (good: Record<string, string>) => Record<string, string>, string?, string?]>([
    ["no signature at all", (good) => ({ "X-Api-Key": good["X-Api-Key"] ?? "" })],
    ["no nonce", ({ "X-Nonce": _, ...rest }) => rest],
    ["another nonce", (good) => ({ ...good, "X-Nonce": crypto.randomUUID() })],
    ["a nonce that could be guessed", (good) => ({ ...good, "X-Nonce": "1" })],
    ["another time", (good) => ({ ...good, "X-Timestamp": String(Date.now() + 1) })],
    ["another signature", (good) => ({ ...good, "X-Signature": "0".repeat(64) })],
    ["half a signature", (good) => ({ ...good, "X-Signature": (good["X-Signature"] ?? "").slice(0, 32) })],
    ["another query", (good) => good, "/v1/orders?limit=3"],
    ["another path", (good) => good, "/v1/fills?limit=2"],
  ])("K5 is 401 with %s", async (_, change, path = "/v1/orders?limit=2") => {
    const key = await newKey(await trader(), { signing: true });
    const headers = change(signed(key, "GET", "/v1/orders?limit=2"));
    expectProblem(await call("GET", path, { headers }), 401, "unauthenticated");
  });

  it("K5 is 401 with another body or method, and when its time is half a minute off", async () => {
    const key = await newKey(await trader(), { signing: true });
    const json = { "Content-Type": "application/json" };
    const headers = { ...signed(key, "POST", "/v1/orders", { body: JSON.stringify(BUY) }), ...json };
    const raw = JSON.stringify({ ...BUY, notional: "21" });
    expectProblem(await call("POST", "/v1/orders", { raw, headers }), 401, "unauthenticated");
    expectProblem(
      await call("DELETE", "/v1/orders", { headers: signed(key, "GET", "/v1/orders") }),
      401,
      "unauthenticated",
    );
    for (const [off, status] of [
      [-31_000, 401],
      [31_000, 401],
      [-25_000, 200],
      [25_000, 200],
    ] as const) {
      const at = signed(key, "GET", "/v1/account", { at: Date.now() + off });
      expect((await call("GET", "/v1/account", { headers: at })).status).toBe(status);
    }
  });

  it("N3 names no key of its body twice, and cannot be made by a key that does not sign", async () => {
    const ada = await trader({ usd: "1000" });
    const key = await newKey(ada, { signing: true });
    const body = '{"symbol":"BTC-USD","symbol":"ETH-USD"}';
    const headers = { ...signed(key, "POST", "/v1/orders", { body }), "Content-Type": "application/json" };
    expectProblem(await call("POST", "/v1/orders", { raw: body, headers }), 400, "malformed_json");
    const plain = { ...(await newKey(ada)), signing_secret: key.signing_secret ?? "" };
    const foreign = signed(plain, "GET", "/v1/account");
    expectProblem(await call("GET", "/v1/account", { headers: foreign }), 401, "unauthenticated");
  });
});

describe("a key", () => {
  it("K6 is taken out of no URL", async () => {
    const { key } = await newKey(await trader());
    for (const name of ["api_key", "x-api-key", "key", "access_token"])
      expectProblem(await call("GET", `/v1/account?${name}=${key}`), 401, "unauthenticated");
    const stream = await call("GET", `/v1/stream/account?ticket=${key}`, { headers: { Upgrade: "websocket" } });
    expectProblem(stream, 401, "unauthenticated");
  });

  it("K6 stands in no line of the log", async () => {
    const { key } = await newKey(await trader());
    const lines = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    log("warn", "request", { path: `/x?k=${key}`, said: key });
    const [line] = lines.mock.calls.flat().map(String);
    lines.mockRestore();
    expect(line).toContain("[redacted]");
    expect(line).not.toContain(key.slice(8, 30));
  });
});

describe("a revoked key", () => {
  it("K7 places nothing from the answer on, however many orders are on their way", async () => {
    const ada = await trader({ usd: "100000" });
    const key = await newKey(ada);
    const accepted: number[] = [];
    let revoked = Number.POSITIVE_INFINITY;
    const one = async () => {
      for (let n = 0; n < 12; n += 1) {
        const sent = performance.now();
        const { status } = await order(key);
        expect([201, 401]).toContain(status);
        if (status === 201) accepted.push(sent);
      }
    };
    const orders = Array.from({ length: 8 }, one);
    await vi.waitFor(() => expect(accepted.length).toBeGreaterThan(5));
    expect((await ada.call("DELETE", `/v1/api-keys/${key.id}`)).status).toBe(204);
    revoked = performance.now();
    await Promise.all(orders);
    expect(accepted.filter((sent) => sent > revoked)).toEqual([]);
    expect(accepted.length).toBeLessThan(96);
  });

  it("K7 has its streams closed with 4001, and its tickets open none; sessions' streams stay", async () => {
    const ada = await trader();
    const key = await newKey(ada);
    const { body } = await byKey<{ ticket: string }>(key, "POST", "/v1/stream/tickets");
    const open = async (headers: Record<string, string>) => {
      const request = new Request(`${ORIGIN}/v1/stream/account`, { headers: { Upgrade: "websocket", ...headers } });
      const { webSocket } = await exports.default.fetch(request);
      if (webSocket === null) throw new Error("not opened");
      webSocket.accept();
      const closed = vi.fn<(code: number) => void>();
      webSocket.addEventListener("close", ({ code }) => closed(code));
      return closed;
    };
    const [byKeys, bySession] = [
      await open({ "X-Api-Key": key.key }),
      await open({ Authorization: `Bearer ${ada.token}` }),
    ];
    expect((await ada.call("DELETE", `/v1/api-keys/${key.id}`)).status).toBe(204);
    await vi.waitFor(() => expect(byKeys).toHaveBeenCalledWith(4001));
    expect(bySession).not.toHaveBeenCalled();
    const late = await call("GET", `/v1/stream/account?ticket=${body.ticket}`, { headers: { Upgrade: "websocket" } });
    expectProblem(late, 401, "unauthenticated");
  });

  it("K7 outlives logout from everywhere, and no restore", async () => {
    const ada = await trader();
    const key = await newKey(ada);
    expect((await ada.call("POST", "/v1/auth/logout-all")).status).toBe(204);
    expect((await byKey(key, "GET", "/v1/account")).status).toBe(200);
    await env.ACCOUNT.getByName(ada.accountId).restore({ epoch: 2, journal: [] }, { by: "usr_1", reason: "a drill" });
    expectProblem(await byKey(key, "GET", "/v1/account"), 401, "unauthenticated");
  });

  it("is told to its owner by e-mail, with its name and nothing that opens anything", async () => {
    const ada = await person();
    const { key } = await newKey(ada, { name: "<b>robot</b>" });
    type Mail = { kind: string; text: string; html: string };
    const mails = async () => {
      const { body } = await call<{ data: Mail[] }>("GET", "/v1/dev/mailbox");
      return body.data.filter(({ kind, text }) => kind === "api_key_made" && text.includes("<b>robot</b>"));
    };
    await vi.waitFor(async () => expect(await mails()).toHaveLength(1), 10_000);
    const [mail] = await mails();
    expect(mail?.html).toContain("&lt;b>robot&lt;/b>");
    expect(JSON.stringify(mail)).not.toContain(key);
  });

  it("is written down with who made and who revoked it", async () => {
    const ada = await trader();
    const { id } = await newKey(ada);
    await ada.call("DELETE", `/v1/api-keys/${id}`);
    const acts = () =>
      env.DB.prepare("SELECT act, actor FROM audit_events WHERE target = ? ORDER BY id").bind(id).all();
    await vi.waitFor(async () => expect((await acts()).results).toHaveLength(2), 10_000);
    expect((await acts()).results).toEqual([
      { act: "api_key.create", actor: ada.userId },
      { act: "api_key.revoke", actor: ada.userId },
    ]);
  });
});
