// Sign-up to logout, over HTTP and a real D1; account objects are a stand-in that writes down what it is told.

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { refuse } from "../../../src/core/result.ts";
import { hashPassword, verifyPassword } from "../../../src/domains/identity/password.ts";
import { readRefreshToken, refreshTokenOf } from "../../../src/domains/identity/refresh-token.ts";
import { HASHES_WAITING_MAX, oneHashAtATime } from "../../../src/domains/identity/turnstile.ts";
import { type Answer, appWithRevokerLog, call } from "../../support/client.ts";

const { app, log } = appWithRevokerLog();
const PASSWORD = "correct horse battery";
let people = 0;

afterEach(() => {
  vi.useRealTimers();
  log.answer = { ok: true, value: null };
});

function newcomer() {
  people += 1;
  return { email: `Ada${people}@Example.com`, username: `ada_${people}`, password: PASSWORD };
}
const post = (path: string, json: unknown) => call(app, "POST", path, { json });
const refreshWith = (refresh_token: unknown) => post("/v1/auth/refresh", { refresh_token });
const me = (token: unknown) => call(app, "GET", "/v1/me", { token: String(token) });

async function signedIn(): Promise<{ person: ReturnType<typeof newcomer>; tokens: Record<string, unknown> }> {
  const person = newcomer();
  expect((await post("/v1/auth/register", person)).status).toBe(201);
  const tokens = await post("/v1/auth/login", { login: person.username, password: PASSWORD });
  expect(tokens.status).toBe(200);
  return { person, tokens: tokens.body };
}

function expectCode(got: Answer, status: number, code: string) {
  expect(got.body).toMatchObject({ status, code });
  expect(got.status).toBe(status);
}

describe("sign-up", () => {
  it("makes a user with an account, and shows no secret", async () => {
    const person = newcomer();
    const got = await post("/v1/auth/register", person);
    expect(got.status).toBe(201);
    expect(got.body).toEqual({
      user: {
        id: expect.stringMatching(/^usr_[0-9a-z]{26}$/),
        account_id: expect.stringMatching(/^acc_[0-9a-z]{26}$/),
        email: person.email,
        username: person.username,
        email_verified: false,
        roles: ["customer"],
        pending_email: null,
        locale: "en",
        notifications: { new_device: true, orders: true, news: false },
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      },
    });
    expect(got.headers.get("Cache-Control")).toBe("no-store");
  });

  it("E5 refuses a taken address in any case, and a taken name", async () => {
    const person = newcomer();
    await post("/v1/auth/register", person);
    const sameMail = { ...newcomer(), email: person.email.toUpperCase() };
    expectCode(await post("/v1/auth/register", sameMail), 409, "email_taken");
    expectCode(await post("/v1/auth/register", { ...newcomer(), username: person.username }), 409, "username_taken");
  });

  it("Z5 lets one of many through at once", async () => {
    const person = newcomer();
    const all = await Promise.all(Array.from({ length: 8 }, () => post("/v1/auth/register", person)));
    expect(all.filter((one) => one.status === 201)).toHaveLength(1);
    expect(all.filter((one) => one.body.code === "email_taken")).toHaveLength(7);
  });

  it.each([
    ["a short password", { password: "short" }, "/password", "too_short"],
    ["P4 a long password", { password: "x".repeat(129) }, "/password", "too_long"],
    ["P3 a lone surrogate", { password: "0123456789\ud800" }, "/password", "invalid"],
    ["no password", { password: undefined }, "/password", "required"],
    ["a short name", { username: "ab" }, "/username", "too_short"],
    ["capitals in a name", { username: "Ada" }, "/username", "invalid_format"],
    ["a blank in a name", { username: "a da" }, "/username", "invalid_format"],
    ["a number for a name", { username: 12345 }, "/username", "not_a_string"],
    ["no address", { email: "ada" }, "/email", "invalid_format"],
    ["a line feed in an address", { email: "a@b.com\n" }, "/email", "invalid_format"],
    ["E5 a ligature in an address", { email: "ﬀ@example.com" }, "/email", "invalid_format"],
    ["E5 a letter with two small forms in an address", { email: "İ@example.com" }, "/email", "invalid_format"],
    ["E5 a sharp s in an address", { email: "straße@example.com" }, "/email", "invalid_format"],
    ["E5 a letter of no width in an address", { email: "a\u200bda@example.com" }, "/email", "invalid_format"],
    ["E5 a Cyrillic look-alike in an address", { email: "\u0430da@example.com" }, "/email", "invalid_format"],
    ["E5 a look-alike domain", { email: "ada@ex\u0430mple.com" }, "/email", "invalid_format"],
    ["E5 a quoted address", { email: '"ada"@example.com' }, "/email", "invalid_format"],
    ["E5 a comment in an address", { email: "ada(me)@example.com" }, "/email", "invalid_format"],
    ["E5 a domain that ends in a dot", { email: "ada@example.com." }, "/email", "invalid_format"],
    ["E5 more than 64 characters before the @", { email: `${"a".repeat(65)}@example.com` }, "/email", "too_long"],
    ["E5 two addresses", { email: "ada@example.com,eve@example.com" }, "/email", "invalid_format"],
    ["E5 an address of an address", { email: "ada@[127.0.0.1]" }, "/email", "invalid_format"],
    ["roles of one's own", { roles: ["operator"] }, "/roles", "unknown_field"],
    ["verified by oneself", { email_verified: true }, "/email_verified", "unknown_field"],
  ])("refuses %s", async (_, change, pointer, code) => {
    const got = await post("/v1/auth/register", { ...newcomer(), ...change });
    expectCode(got, 422, "validation_failed");
    expect(got.body.errors).toEqual([expect.objectContaining({ pointer, code })]);
  });

  it("judges a 60 KB address quickly", async () => {
    const before = Date.now();
    const got = await post("/v1/auth/register", { ...newcomer(), email: `${"a.".repeat(30_000)}@` });
    expectCode(got, 422, "validation_failed");
    expect(Date.now() - before).toBeLessThan(500);
  });
});

describe("login", () => {
  it("takes name or address, and gives what the contract says", async () => {
    const { person } = await signedIn();
    for (const login of [person.username, person.email, person.email.toLowerCase()]) {
      const got = await post("/v1/auth/login", { login, password: PASSWORD });
      expect(got.status).toBe(200);
      expect(got.body).toEqual({
        access_token: expect.any(String),
        token_type: "Bearer",
        expires_in: 600,
        refresh_token: expect.stringMatching(/^rt_ses_/),
        session_id: expect.stringMatching(/^ses_/),
      });
      expect((await me(got.body.access_token)).body.user).toMatchObject({ username: person.username });
    }
  });

  it("E1 tells nothing apart: unknown name, unknown address, wrong password", async () => {
    const { person } = await signedIn();
    const answers = await Promise.all(
      ["nobody-here", "nobody@example.com", person.username, person.email].map((login) =>
        post("/v1/auth/login", { login, password: "wrong password!" }),
      ),
    );
    const bodies = answers.map((one) => ({ ...one.body, request_id: "" }));
    const headers = answers.map((one) => JSON.stringify([...one.headers].filter(([name]) => name !== "x-request-id")));
    expect(new Set(headers).size).toBe(1);
    expect(new Set(bodies.map((one) => JSON.stringify(one))).size).toBe(1);
    for (const one of answers) expectCode(one, 401, "invalid_credentials");
  });

  it("E2 hashes for an unknown name too", async () => {
    const { person } = await signedIn();
    const timed = async (login: string) => {
      const before = performance.now();
      await post("/v1/auth/login", { login, password: "wrong password!" });
      return performance.now() - before;
    };
    const least = { known: Number.POSITIVE_INFINITY, unknown: Number.POSITIVE_INFINITY };
    // In turn, and the least of each: what else the machine does only ever adds.
    for (let time = 0; time < 4; time += 1) {
      least.known = Math.min(least.known, await timed(person.username));
      least.unknown = Math.min(least.unknown, await timed("nobody-here"));
    }
    expect(least.unknown / least.known).toBeGreaterThan(0.7);
    expect(least.unknown / least.known).toBeLessThan(1.4);
  });

  it("answers 503 and not 401 while D1 is away", async () => {
    const quiet = vi.spyOn(console, "error").mockImplementation(() => {});
    const away = {
      prepare: () => {
        throw new Error("D1_ERROR: Network connection lost.");
      },
    };
    const json = { login: "ada", password: PASSWORD };
    const got = await call(app, "POST", "/v1/auth/login", { json, env: { DB: away } });
    expectCode(got, 503, "unavailable");
    expect(got.headers.get("Retry-After")).toBe("1");
    quiet.mockRestore();
  });
});

describe("refresh", () => {
  it("R1 gives a new pair, and the old token the same successor for ten seconds", async () => {
    const { tokens } = await signedIn();
    const next = await refreshWith(tokens.refresh_token);
    expect(next.status).toBe(200);
    expect(next.body.session_id).toBe(tokens.session_id);
    expect(next.body.refresh_token).not.toBe(tokens.refresh_token);
    const again = await refreshWith(tokens.refresh_token);
    expect(again.status).toBe(200);
    expect(again.body.refresh_token).toBe(next.body.refresh_token);
    expect((await me(again.body.access_token)).status).toBe(200);
  });

  it("R3 gives fifty at once one successor", async () => {
    const { tokens } = await signedIn();
    const all = await Promise.all(Array.from({ length: 50 }, () => refreshWith(tokens.refresh_token)));
    expect(new Set(all.map((one) => one.status))).toEqual(new Set([200]));
    expect(new Set(all.map((one) => one.body.refresh_token)).size).toBe(1);
  });

  it("R2 ends the family when a token is used after its ten seconds", async () => {
    const { tokens } = await signedIn();
    const next = await refreshWith(tokens.refresh_token);
    vi.useFakeTimers({ now: Date.now() + 10_001, toFake: ["Date"] });
    expectCode(await refreshWith(tokens.refresh_token), 401, "refresh_token_reused");
    expect(log.sessions.at(-1)).toBe(tokens.session_id);
    expectCode(await refreshWith(next.body.refresh_token), 401, "refresh_token_reused");
    expectCode(await me(next.body.access_token), 401, "session_revoked");
  });

  it("R2 gives each used token its own successor for ten seconds, also one whose successor has been used", async () => {
    const { tokens } = await signedIn();
    const start = Date.now();
    vi.useFakeTimers({ now: start, toFake: ["Date"] });
    const second = await refreshWith(tokens.refresh_token);
    vi.setSystemTime(start + 6_000);
    const third = await refreshWith(second.body.refresh_token);
    expect(third.status).toBe(200);
    vi.setSystemTime(start + 10_000);
    expect((await refreshWith(tokens.refresh_token)).body.refresh_token).toBe(second.body.refresh_token);
    expect((await refreshWith(second.body.refresh_token)).body.refresh_token).toBe(third.body.refresh_token);
    vi.setSystemTime(start + 10_001);
    expect((await refreshWith(second.body.refresh_token)).body.refresh_token).toBe(third.body.refresh_token);
    expectCode(await refreshWith(tokens.refresh_token), 401, "refresh_token_reused");
    expectCode(await refreshWith(third.body.refresh_token), 401, "refresh_token_reused");
  });

  it("remembers no more uses than can still be asked about", async () => {
    const { tokens } = await signedIn();
    const start = Date.now();
    let token = tokens.refresh_token;
    for (let turn = 0; turn < 6; turn += 1) {
      vi.useFakeTimers({ now: start + turn * 6_000, toFake: ["Date"] });
      token = (await refreshWith(token)).body.refresh_token;
    }
    const row = await env.DB.prepare("SELECT rotations FROM sessions WHERE id = ?").bind(tokens.session_id).first();
    expect(JSON.parse(String(row?.rotations))).toEqual([
      [5, start + 24_000],
      [6, start + 30_000],
    ]);
  });

  it("R2 answers 503 while the account cannot be told of a reuse, and tells it on the next try", async () => {
    const { tokens } = await signedIn();
    await refreshWith(tokens.refresh_token);
    vi.useFakeTimers({ now: Date.now() + 10_001, toFake: ["Date"] });
    log.answer = refuse({ code: "unavailable" });
    expectCode(await refreshWith(tokens.refresh_token), 503, "unavailable");
    log.answer = { ok: true, value: null };
    const told = log.sessions.length;
    expectCode(await refreshWith(tokens.refresh_token), 401, "refresh_token_reused");
    expect(log.sessions.length).toBe(told + 1);
  });

  it("R4 F4 ends idle after 7 days and whatever happens after 30", async () => {
    const { tokens } = await signedIn();
    const start = Date.now();
    const day = 24 * 3_600_000;
    let token = tokens.refresh_token;
    for (let days = 6; days < 30; days += 6) {
      vi.useFakeTimers({ now: start + days * day, toFake: ["Date"] });
      const next = await refreshWith(token);
      expect(next.status, `day ${days}`).toBe(200);
      token = next.body.refresh_token;
    }
    vi.useFakeTimers({ now: start + 30 * day + 1, toFake: ["Date"] });
    expectCode(await refreshWith(token), 401, "token_expired");
    vi.useRealTimers();
    const idle = await signedIn();
    vi.useFakeTimers({ now: Date.now() + 7 * day + 1_000, toFake: ["Date"] });
    expectCode(await refreshWith(idle.tokens.refresh_token), 401, "token_expired");
  });

  it("R2 refuses what we did not make", async () => {
    const { tokens } = await signedIn();
    const good = String(tokens.refresh_token);
    const other = refreshTokenOf({ sessionId: "ses_01m0000000000000000000000z", generation: 1 }, env.REFRESH_SECRET);
    const wrong = [
      "garbage",
      String(tokens.access_token).slice(0, 200),
      `${good}x`,
      good.replace(".1.", ".2."),
      good.replace(".1.", ".01."),
      other,
    ];
    for (const one of wrong) expectCode(await refreshWith(one), 401, "unauthenticated");
    expectCode(await refreshWith(7), 422, "validation_failed");
    expect((await refreshWith(good)).status).toBe(200);
  });

  it("J8 is no access token, and an access token is no refresh token", async () => {
    const { tokens } = await signedIn();
    expectCode(await me(tokens.refresh_token), 401, "unauthenticated");
  });
});

describe("logout", () => {
  let tokens: Record<string, unknown> = {};
  beforeEach(async () => {
    ({ tokens } = await signedIn());
  });
  const leave = (path: string) => call(app, "POST", path, { token: String(tokens.access_token) });

  it("J11 tells the account, then ends the session", async () => {
    const got = await leave("/v1/auth/logout");
    expect(got.status).toBe(204);
    expect(log.sessions.at(-1)).toBe(tokens.session_id);
    expectCode(await refreshWith(tokens.refresh_token), 401, "session_revoked");
    expectCode(await me(tokens.access_token), 401, "session_revoked");
  });

  it("ends nothing and answers 503 while the account cannot be told", async () => {
    log.answer = refuse({ code: "unavailable" });
    expectCode(await leave("/v1/auth/logout"), 503, "unavailable");
    expectCode(await leave("/v1/auth/logout-all"), 503, "unavailable");
    expect((await me(tokens.access_token)).status).toBe(200);
    expect((await refreshWith(tokens.refresh_token)).status).toBe(200);
  });

  it("F3 everywhere ends every session of the user and of nobody else", async () => {
    const username = ((await me(tokens.access_token)).body.user as { username: string }).username;
    const second = (await post("/v1/auth/login", { login: username, password: PASSWORD })).body;
    const stranger = await signedIn();
    expect((await leave("/v1/auth/logout-all")).status).toBe(204);
    expectCode(await refreshWith(second.refresh_token), 401, "session_revoked");
    expectCode(await me(second.access_token), 401, "session_revoked");
    expect((await me(stranger.tokens.access_token)).status).toBe(200);
    expect((await post("/v1/auth/login", { login: username, password: PASSWORD })).status).toBe(200);
  });

  it("needs a token", async () => {
    expectCode(await post("/v1/auth/logout", {}), 401, "unauthenticated");
    expectCode(await post("/v1/auth/logout-all", {}), 401, "unauthenticated");
    expectCode(await call(app, "GET", "/v1/me"), 401, "unauthenticated");
  });
});

describe("keys and passwords", () => {
  it("J12 publishes the public key alone", async () => {
    const got = await call(app, "GET", "/.well-known/jwks.json");
    expect(got.status).toBe(200);
    expect(got.body).toEqual({
      keys: [{ kty: "OKP", crv: "Ed25519", kid: "test-1", x: expect.any(String), alg: "EdDSA", use: "sig" }],
    });
    const etag = got.headers.get("ETag") ?? "";
    expect((await call(app, "GET", "/.well-known/jwks.json", { headers: { "If-None-Match": etag } })).status).toBe(304);
  });

  const peppers = { current: env.PASSWORD_PEPPER, previous: null };

  it("P1 stores a PHC string of the agreed parameters with its own salt", () => {
    const first = hashPassword("a password", env.PASSWORD_PEPPER);
    const second = hashPassword("a password", env.PASSWORD_PEPPER);
    expect(first).toMatch(/^\$scrypt\$ln=15,r=8,p=3,keyid=[A-Za-z0-9_-]{8}\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(first).not.toBe(second);
    expect(verifyPassword("a password", peppers, first)).toBe(true);
    expect(verifyPassword("a password ", peppers, first)).toBe(false);
    expect(verifyPassword("a password", { ...peppers, current: env.REFRESH_SECRET }, first)).toBe(false);
    expect(verifyPassword("a password", peppers, "plain text")).toBe(false);
  });

  it("P3 keeps the difference between long, padded, NUL-bearing and pictured passwords", () => {
    const base = `${"x".repeat(80)}🔑`;
    const phc = hashPassword(base, env.PASSWORD_PEPPER);
    expect(verifyPassword(base, peppers, phc)).toBe(true);
    for (const other of [
      `${base}y`,
      ` ${base}`,
      `${base} `,
      `${base}\0`,
      base.toUpperCase(),
      base.replace("🔑", "🔒"),
    ]) {
      expect(verifyPassword(other, peppers, phc)).toBe(false);
    }
  });

  it("P5 lets a bounded number wait for their hash", async () => {
    const all = await Promise.all(Array.from({ length: HASHES_WAITING_MAX + 5 }, () => oneHashAtATime(() => 1)));
    expect(all.filter((one) => one.ok)).toHaveLength(HASHES_WAITING_MAX);
    expect(all.filter((one) => !one.ok && one.refusal.code === "unavailable")).toHaveLength(5);
    expect((await oneHashAtATime(() => 1)).ok).toBe(true);
  });

  it("P5 hears 503 at once while as many wait as may, whatever the name", async () => {
    const { person } = await signedIn();
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    const waiting = Array.from({ length: HASHES_WAITING_MAX }, () => oneHashAtATime(() => 1));
    for (const login of [person.username, "nobody-here"]) {
      const got = await post("/v1/auth/login", { login, password: PASSWORD });
      expectCode(got, 503, "unavailable");
      expect(got.headers.get("Retry-After")).toBe("1");
    }
    expectCode(await post("/v1/auth/register", newcomer()), 503, "unavailable");
    vi.runAllTimers();
    await Promise.all(waiting);
    vi.useRealTimers();
    expect((await post("/v1/auth/login", { login: person.username, password: PASSWORD })).status).toBe(200);
  });

  it("R5 keeps no refresh token, nor what would make one", async () => {
    const { tokens } = await signedIn();
    const next = (await refreshWith(tokens.refresh_token)).body;
    const { results } = await env.DB.prepare("SELECT * FROM sessions WHERE id = ?").bind(tokens.session_id).all();
    expect(results).toHaveLength(1);
    for (const token of [tokens.refresh_token, next.refresh_token]) {
      const secret = String(token).split(".").at(-1) ?? "";
      expect(secret.length).toBeGreaterThanOrEqual(22);
      expect(JSON.stringify(results)).not.toContain(secret);
    }
  });

  it("R5 reads back only refresh tokens of its own secret", () => {
    const token = { sessionId: "ses_01m0000000000000000000000a", generation: 3 };
    const text = refreshTokenOf(token, env.REFRESH_SECRET);
    expect(readRefreshToken(text, env.REFRESH_SECRET)).toEqual(token);
    expect(readRefreshToken(text, env.PASSWORD_PEPPER)).toBeUndefined();
  });

  it("has one spelling: what only differs in idle bits of its last character is none", () => {
    const text = refreshTokenOf({ sessionId: "ses_01m0000000000000000000000a", generation: 3 }, env.REFRESH_SECRET);
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const good = [...alphabet].filter((char) => readRefreshToken(text.slice(0, -1) + char, env.REFRESH_SECRET));
    expect(good).toEqual([text.at(-1)]);
  });
});
