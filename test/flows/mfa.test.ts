// The second factor through the whole Worker: set up, asked for, guessed at, lost, turned off. Named after the attacks.
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Secret, TOTP } from "otpauth";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { POLICIES } from "../../src/core/policies.ts";
import { forgetSignIns } from "../../src/domains/identity/scheduled.ts";
import { type Answer, call, expectProblem, stopClock } from "../support/session.ts";

const PASSWORD = "correct horse battery";
const STEP_MS = 30_000;
let pass: (ms: number) => void;
beforeAll(() => {
  pass = stopClock();
});

let addresses = 0;
function newAddress(): string {
  addresses += 1;
  return `10.12.${addresses >> 8}.${addresses & 255}`;
}

const send = (method: string, path: string, json: object, token?: string, headers = {}) =>
  call(method, path, {
    json,
    headers: { "CF-Connecting-IP": newAddress(), ...headers },
    ...(token === undefined ? {} : { token }),
  });
const post = (path: string, json: object, token?: string, headers = {}) => send("POST", path, json, token, headers);
const login = (login: string, password = PASSWORD, headers = {}) =>
  post("/v1/auth/login", { login, password }, undefined, headers);
const tokenOf = ({ body }: Answer<Record<string, unknown>>) => String(body.access_token);

async function newcomer(username: string): Promise<{ id: string; token: string }> {
  const made = await post("/v1/auth/register", { email: `${username}@example.com`, username, password: PASSWORD });
  const { user } = made.body as { user: { id: string } };
  return { id: user.id, token: tokenOf(await login(username)) };
}

interface Protected {
  id: string;
  username: string;
  token: string;
  secret: string;
  recovery: string[];
}

/** An app's code, made apart from the product's own. */
const codeOf = ({ secret }: { secret: string }, at = Date.now()) =>
  TOTP.generate({ secret: Secret.fromBase32(secret), timestamp: at });

/** A code that was not used yet: of the next step. */
function nextCode(of: { secret: string }): string {
  pass(STEP_MS);
  return codeOf(of);
}

/** One who is wrong now, and a step before and after. */
function wrongCode(of: { secret: string }): string {
  const near = [-1, 0, 1].map((steps) => codeOf(of, Date.now() + steps * STEP_MS));
  return ["000000", "111111", "222222", "333333"].find((code) => !near.includes(code)) ?? "";
}

async function enrolled(username: string): Promise<Protected> {
  const { id, token } = await newcomer(username);
  const begun = await post("/v1/auth/mfa/totp", { password: PASSWORD }, token);
  const secret = String(begun.body.secret);
  const on = await post("/v1/auth/mfa/totp/confirm", { code: codeOf({ secret }) }, token);
  expect(on.status, on.text).toBe(200);
  return { id, username, token, secret, recovery: on.body.recovery_codes as string[] };
}

/** The token that a right password brings. */
async function waiting({ username }: { username: string }): Promise<string> {
  const { status, body } = await login(username);
  expect({ status, required: body.mfa_required }).toEqual({ status: 200, required: true });
  return String(body.mfa_token);
}

const verify = (mfa_token: string, code: string, headers = {}) =>
  post("/v1/auth/mfa/verify", { mfa_token, code }, undefined, headers);
const count = (answers: Answer<unknown>[], status: number) => answers.filter((one) => one.status === status).length;

describe("setting it up", () => {
  it("T6 needs the password and then a code; until that nothing is asked for", async () => {
    const { token } = await newcomer("setting");
    expectProblem(await post("/v1/auth/mfa/totp", {}, token), 422, "validation_failed");
    expectProblem(await post("/v1/auth/mfa/totp", { password: "not this one" }, token), 422, "wrong_password");
    expectProblem(await post("/v1/auth/mfa/totp/confirm", { code: "123456" }, token), 404, "not_found");
    const begun = await post("/v1/auth/mfa/totp", { password: PASSWORD }, token);
    expect(Object.keys(begun.body)).toEqual(["secret", "otpauth_uri"]);
    const secret = String(begun.body.secret);
    expectProblem(await post("/v1/auth/mfa/totp/confirm", { code: wrongCode({ secret }) }, token), 401, "invalid_code");
    expect((await login("setting")).body.access_token).toEqual(expect.any(String));
    const other = tokenOf(await login("setting"));
    const on = await post("/v1/auth/mfa/totp/confirm", { code: codeOf({ secret }) }, token);
    expect(on.body.recovery_codes).toHaveLength(10);
    expect((await call("GET", "/v1/auth/mfa", { token })).body).toMatchObject({
      totp: { enabled: true },
      recovery_codes_left: 10,
    });
    expectProblem(await call("GET", "/v1/me", { token: other }), 401, "session_revoked");
    expectProblem(await post("/v1/auth/mfa/totp", { password: PASSWORD }, token), 409, "mfa_already_on");
    expectProblem(await post("/v1/auth/mfa/totp/confirm", { code: codeOf({ secret }) }, token), 409, "mfa_already_on");
  });

  it("T5 T7 keeps neither seed nor recovery codes as they are, not even for an Idempotency-Key", async () => {
    const { id, token } = await newcomer("at-rest");
    const begin = () => post("/v1/auth/mfa/totp", { password: PASSWORD }, token, { "Idempotency-Key": "once" });
    const secret = String((await begin()).body.secret);
    expect(Secret.fromBase32(secret).bytes).toHaveLength(20);
    expectProblem(await begin(), 409, "idempotency_answer_not_kept");
    const on = await post("/v1/auth/mfa/totp/confirm", { code: codeOf({ secret }) }, token, {
      "Idempotency-Key": "two",
    });
    const shown = [secret, ...(on.body.recovery_codes as string[])];
    const tables = ["mfa_factors", "idempotency_keys", "audit_events", "mails"];
    const stored = await Promise.all(tables.map((table) => env.DB.prepare(`SELECT * FROM ${table}`).all()));
    const text = JSON.stringify(stored.map(({ results }) => results));
    for (const one of shown) {
      expect(text).not.toContain(one);
      expect(text).not.toContain(one.replaceAll("-", ""));
    }
    const row = await env.DB.prepare("SELECT seed FROM mfa_factors WHERE user_id = ?")
      .bind(id)
      .first<{ seed: string }>();
    expect(row?.seed).toMatch(/^v1\./);
  });

  it("Z5 fifty times at once turns it on once, and those recovery codes are good", async () => {
    const { token } = await newcomer("confirming");
    const begun = await post("/v1/auth/mfa/totp", { password: PASSWORD }, token);
    const secret = String(begun.body.secret);
    const code = codeOf({ secret }).replace(/^(...)/, "$1 ");
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => post("/v1/auth/mfa/totp/confirm", { code }, token)),
    );
    expect([count(answers, 200), count(answers, 409)]).toEqual([1, 49]);
    const [shown = ""] = answers.flatMap(({ body }) => (body.recovery_codes as string[] | undefined) ?? []);
    expect((await verify(await waiting({ username: "confirming" }), shown)).status).toBe(200);
  });

  it("lets a user without a password begin after a fresh sign-in alone", async () => {
    const { id, token } = await newcomer("passwordless");
    await env.DB.prepare("UPDATE users SET password_hash = NULL WHERE id = ?").bind(id).run();
    expect((await post("/v1/auth/mfa/totp", {}, token)).status).toBe(200);
    const { body } = await post("/v1/auth/login", { login: "passwordless", password: PASSWORD });
    expect(body.code).toBe("invalid_credentials");
  });
});

describe("a sign-in", () => {
  it("F1 is asked for a code, and the code opens a session of its own", async () => {
    const ada = await enrolled("signing");
    const mfaToken = await waiting(ada);
    expectProblem(await call("GET", "/v1/me", { token: mfaToken }), 401, "unauthenticated");
    expectProblem(await post("/v1/auth/refresh", { refresh_token: mfaToken }), 401, "unauthenticated");
    const got = await verify(mfaToken, nextCode(ada));
    expect(Object.keys(got.body)).toEqual(["access_token", "token_type", "expires_in", "refresh_token", "session_id"]);
    expect((await call("GET", "/v1/me", { token: tokenOf(got) })).status).toBe(200);
    expectProblem(await verify(mfaToken, nextCode(ada)), 401, "unauthenticated");
  });

  it("F5 keeps the refresh token in the cookie where that is asked for", async () => {
    const ada = await enrolled("in-cookie");
    const browser = { "X-Token-Transport": "cookie", Origin: "https://app.example.com" };
    const begun = await login("in-cookie", PASSWORD, browser);
    expect(begun.headers.get("Set-Cookie")).toBeNull();
    const token = String(begun.body.mfa_token);
    const wrong = await verify("mfa_unknown", "123456", { ...browser, Cookie: "__Host-refresh=rt_older" });
    expectProblem(wrong, 401, "unauthenticated");
    expect(wrong.headers.get("Set-Cookie")).toBeNull();
    const got = await verify(token, nextCode(ada), browser);
    expect(got.headers.get("Set-Cookie")).toMatch(/^__Host-refresh=rt_/);
    expect(got.body.refresh_token).toBeUndefined();
    expectProblem(await verify(token, codeOf(ada), { ...browser, Origin: "https://evil.example" }), 403, "forbidden");
  });

  it("waits for its code for five minutes", async () => {
    const ada = await enrolled("slow");
    const late = await waiting(ada);
    pass(5 * 60_000);
    expectProblem(await verify(late, codeOf(ada)), 401, "unauthenticated");
    const left = () =>
      env.DB.prepare("SELECT count(*) AS n FROM mfa_challenges WHERE user_id = ?").bind(ada.id).first("n");
    pass(1);
    await waiting(ada);
    expect(await left()).toBe(2);
    await forgetSignIns(env, Date.now());
    expect(await left()).toBe(1);
  });

  it("T9 is asked for a code after a new password too, and a waiting one ends with the password before", async () => {
    const ada = await enrolled("forgetful");
    const before = await waiting(ada);
    await post("/v1/auth/password/forgot", { email: "forgetful@example.com" });
    const token = await vi.waitFor(
      async () => {
        const { body } = await call<{ data: { kind: string; text: string }[] }>(
          "GET",
          "/v1/dev/mailbox?to=forgetful@example.com",
        );
        const found = /#token=(\S+)/.exec(body.data.find(({ kind }) => kind === "reset_password")?.text ?? "")?.[1];
        if (found === undefined) throw new Error("not there yet");
        return found;
      },
      { timeout: 20_000, interval: 200 },
    );
    expect((await post("/v1/auth/password/reset", { token, password: "staple of another kind" })).status).toBe(204);
    expectProblem(await verify(before, nextCode(ada)), 401, "unauthenticated");
    const { body } = await login("forgetful", "staple of another kind");
    expect(body).toMatchObject({ mfa_required: true });
    expect((await verify(String(body.mfa_token), nextCode(ada))).status).toBe(200);
  });
});

describe("a code", () => {
  it("T1 is taken once: the same again is wrong, and so is the one before it", async () => {
    const ada = await enrolled("once");
    pass(2 * STEP_MS);
    const [earlier, code] = [codeOf(ada, Date.now() - STEP_MS), codeOf(ada)];
    expect((await verify(await waiting(ada), code)).status).toBe(200);
    const next = await waiting(ada);
    expectProblem(await verify(next, code), 401, "invalid_code");
    expectProblem(await verify(next, earlier), 401, "invalid_code");
    expect((await verify(next, nextCode(ada))).status).toBe(200);
  });

  it("T1 that turned it on signs nobody in", async () => {
    const ada = await enrolled("first-code");
    expectProblem(await verify(await waiting(ada), codeOf(ada)), 401, "invalid_code");
  });

  it("T2 fifty at once give one session, with one sign-in or with fifty", async () => {
    const ada = await enrolled("at-once");
    const one = await waiting(ada);
    const code = nextCode(ada);
    const same = await Promise.all(Array.from({ length: 50 }, () => verify(one, code)));
    expect([count(same, 200), count(same, 401)]).toEqual([1, 49]);
    const many = await Promise.all(Array.from({ length: 10 }, () => waiting(ada)));
    const later = nextCode(ada);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => verify(many[at % 10] ?? "", later)));
    expect([count(answers, 200), count(answers, 401)]).toEqual([1, 49]);
  });

  it("T2 fifty different good ones of one sign-in give one session", async () => {
    const ada = await enrolled("one-token");
    const token = await waiting(ada);
    const codes = [nextCode(ada), ...ada.recovery];
    const answers = await Promise.all(codes.map((code) => verify(token, code)));
    expect(count(answers, 200)).toBe(1);
  });

  it("T4 is guessed at five times in a quarter of an hour, wherever from and through a restart; then the right one is not told either", async () => {
    const ada = await enrolled("guessed");
    const token = await waiting(ada);
    for (let time = 0; time < POLICIES.mfa_failures.local.units; time += 1)
      expectProblem(await verify(token, wrongCode(ada)), 401, "invalid_code");
    await evictDurableObject(env.LIMITER.getByName(`${POLICIES.mfa_failures.per}/${ada.id}`));
    const right = nextCode(ada);
    const refused = await verify(token, right);
    expectProblem(refused, 429, "rate_limited");
    expect(refused.body).toMatchObject({ policy: "mfa_failures" });
    pass(POLICIES.mfa_failures.local.windowMs);
    expect((await verify(await waiting(ada), codeOf(ada))).status).toBe(200);
  });

  it("T4 fifty wrong ones at once are told of five times at most", async () => {
    const ada = await enrolled("stormed");
    const token = await waiting(ada);
    const answers = await Promise.all(Array.from({ length: 50 }, () => verify(token, wrongCode(ada))));
    expect([count(answers, 401), count(answers, 429)]).toEqual([5, 45]);
  });

  it("E3 is asked for after the right password alone: a wrong one does not tell who has a second factor", async () => {
    await enrolled("with-factor");
    await newcomer("without-factor");
    const bodies = await Promise.all(
      ["with-factor", "without-factor", "no-such-person"].map(async (name) => {
        const wrong = await login(name, "wrong password");
        expectProblem(wrong, 401, "invalid_credentials");
        return JSON.stringify({ ...wrong.body, request_id: "" });
      }),
    );
    expect(new Set(bodies).size).toBe(1);
    for (const token of ["mfa_unknown", "x".repeat(43)])
      expectProblem(await verify(token, "123456"), 401, "unauthenticated");
  });

  it("T4 is tried only so often from one address", async () => {
    const headers = { "CF-Connecting-IP": "10.13.0.1" };
    const { local } = POLICIES.mfa;
    await env.LIMITER.getByName("ip/10.13.0.1").take("mfa", local, local.units);
    expectProblem(await verify("mfa_unknown", "123456", headers), 429, "rate_limited");
  });
});

describe("a recovery code", () => {
  it("T7 is good once, in any form, and its user hears of it", async () => {
    const ada = await enrolled("recovering");
    const [first = "", second = ""] = ada.recovery;
    expect((await verify(await waiting(ada), first.toUpperCase())).status).toBe(200);
    const token = await waiting(ada);
    expectProblem(await verify(token, first), 401, "invalid_code");
    const got = await verify(token, second.replaceAll("-", ""));
    expect(got.status).toBe(200);
    expect((await call("GET", "/v1/auth/mfa", { token: tokenOf(got) })).body.recovery_codes_left).toBe(8);
    await vi.waitFor(
      async () => {
        const { body } = await call<{ data: { kind: string }[] }>("GET", "/v1/dev/mailbox?to=recovering@example.com");
        const kinds = body.data.map(({ kind }) => kind);
        expect(kinds).toEqual(expect.arrayContaining(["recovery_code_used", "mfa_on"]));
      },
      { timeout: 20_000, interval: 200 },
    );
  });

  it("T7 fifty times at once gives one session", async () => {
    const ada = await enrolled("recovering-often");
    const tokens = await Promise.all(Array.from({ length: 5 }, () => waiting(ada)));
    const [code = ""] = ada.recovery;
    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => verify(tokens[at % 5] ?? "", code)));
    expect([count(answers, 200), count(answers, 401)]).toEqual([1, 49]);
  });
});

describe("turning it off", () => {
  it("T8 needs a code, ends the other sessions, and asks for no code after", async () => {
    const ada = await enrolled("leaving");
    const session = tokenOf(await verify(await waiting(ada), nextCode(ada)));
    const off = (json: object) => send("DELETE", "/v1/auth/mfa/totp", json, session);
    expectProblem(await off({ password: PASSWORD }), 422, "validation_failed");
    expectProblem(await off({ code: wrongCode(ada) }), 401, "invalid_code");
    expectProblem(await off({ code: codeOf(ada) }), 401, "invalid_code");
    const pending = await waiting(ada);
    expect((await off({ code: nextCode(ada) })).status).toBe(204);
    expectProblem(await call("GET", "/v1/me", { token: ada.token }), 401, "session_revoked");
    expectProblem(await verify(pending, nextCode(ada)), 401, "unauthenticated");
    expect((await login("leaving")).body.access_token).toEqual(expect.any(String));
    expectProblem(await off({ code: codeOf(ada) }), 404, "not_found");
  });
});

describe("a seed that cannot be opened", () => {
  it("is 503, and recovery codes go on", async () => {
    const quiet = vi.spyOn(console, "error").mockImplementation(() => {});
    const ada = await enrolled("unsealed");
    await env.DB.prepare("UPDATE mfa_factors SET seed = 'v1.AAAA.AAAA' WHERE user_id = ?").bind(ada.id).run();
    const token = await waiting(ada);
    expectProblem(await verify(token, nextCode(ada)), 503, "unavailable");
    expect((await verify(token, ada.recovery[0] ?? "")).status).toBe(200);
    expect(String(quiet.mock.calls)).toContain("mfa_seed_not_opened");
    quiet.mockRestore();
  });
});
