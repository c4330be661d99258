// Which passwords are taken, how they are kept as parameters and peppers change, and how one is changed.

import { env } from "cloudflare:workers";
import { createHmac, scryptSync } from "node:crypto";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { refuse } from "../../../src/core/result.ts";
import { hashPassword, needsRehash, verifyPassword } from "../../../src/domains/identity/password.ts";
import { judgePassword } from "../../../src/domains/identity/password-strength.ts";
import { type Answer, appWithRevokerLog, call } from "../../support/client.ts";

const { app, log } = appWithRevokerLog();
const PASSWORD = "correct horse battery";
const NEXT = "staple of another kind";
let people = 0;

beforeEach(() => {
  log.answer = { ok: true, value: null };
});

async function login(username: string, password = PASSWORD, more: object = {}) {
  const got = await call(app, "POST", "/v1/auth/login", { json: { login: username, password }, ...more });
  return { ...got, access: String(got.body.access_token), refresh: String(got.body.refresh_token) };
}

async function newcomer(): Promise<string> {
  people += 1;
  const username = `linus_${people}`;
  const json = { email: `${username}@example.com`, username, password: PASSWORD };
  expect((await call(app, "POST", "/v1/auth/register", { json })).status).toBe(201);
  return username;
}

const change = (token: string, json: object) => call(app, "PUT", "/v1/auth/password", { token, json });
const refreshWith = (refresh_token: string) => call(app, "POST", "/v1/auth/refresh", { json: { refresh_token } });

function expectCode(got: Answer, status: number, code: string) {
  expect(got.body).toMatchObject({ status, code });
  expect(got.status).toBe(status);
}

describe("a password", () => {
  const owner = { username: "ada_lovelace", email: "ada.byron+x@analytical-engine.co.uk" };
  const codeOf = (password: string) => {
    const judged = judgePassword(password, owner, "/password");
    return judged.ok || judged.refusal.code !== "validation_failed" ? null : judged.refusal.errors[0]?.code;
  };

  it.each([
    "1234567890",
    "qwertyuiop",
    "QwertyUIOP",
    "password123",
    "Password123",
    "1q2w3e4r5t",
    "basketball",
    "!!!!!!!!!!",
    "AaAaAaAaAaAa",
    "abcabcabcabcabc",
    "zxzxzxzxzxzxzxzxzxzx",
  ])("that everybody tries first is refused: %s", (password) => expect(codeOf(password)).toBe("password_common"));

  it.each([
    "ada_lovelace",
    "Ada-Lovelace-2024",
    "lovelace123",
    "ecalevol!!1234",
    "byron byron byron",
    "AnalyticalEngine1",
    "enginelovelace!",
    "ada.byron+x@analytical-engine",
    "ada_ada-ada.ada",
  ])("that is its owner's name is refused: %s", (password) => expect(codeOf(password)).toBe("password_like_name"));

  it.each([
    PASSWORD,
    "lovelace wrote programs",
    "adamant velvet",
    "xn76-qpz0-ll3",
    "four!our!four!our",
    "пароль-для-меня",
    "co.uk is in britain",
    "__proto__ constructor",
    "constructor",
  ])("that is neither is taken: %s", (password) => expect(codeOf(password)).toBeNull());

  it("is judged at sign-up before anybody learns whose names are taken", async () => {
    const username = await newcomer();
    const json = { email: "free@example.com", username, password: "iloveyou1234" };
    const common = await call(app, "POST", "/v1/auth/register", { json: { ...json, password: "qwertyuiop" } });
    expectCode(common, 422, "validation_failed");
    const detail = expect.stringMatching(/^[A-Z].*[.]$/);
    expect(common.body.errors).toEqual([{ pointer: "/password", code: "password_common", detail }]);
    const named = await call(app, "POST", "/v1/auth/register", {
      json: { ...json, password: `${username}-${username}` },
    });
    expect(named.body.errors).toEqual([{ pointer: "/password", code: "password_like_name", detail }]);
  });
});

describe("a hash", () => {
  const old = env.REFRESH_SECRET;
  const peppers = { current: env.PASSWORD_PEPPER, previous: old };
  const storedOf = async (username: string) =>
    String((await env.DB.prepare("SELECT password_hash AS h FROM users WHERE username = ?").bind(username).first())?.h);
  const store = (username: string, hash: string) =>
    env.DB.prepare("UPDATE users SET password_hash = ? WHERE username = ?").bind(hash, username).run();

  /** As hashes were written before peppers had names. */
  function unnamed(pepper: string, logN = 15): string {
    const salt = Buffer.alloc(16, 7);
    const input = createHmac("sha256", Buffer.from(pepper, "base64url")).update(PASSWORD).digest();
    const hash = scryptSync(input, salt, 32, { N: 2 ** logN, r: 8, p: 3, maxmem: 64 * 1024 * 1024 });
    const text = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
    return `$scrypt$ln=${logN},r=8,p=3$${text(salt)}$${text(hash)}`;
  }

  it("P6 is good under its own pepper alone, the current or the one before", () => {
    const [now, before] = [hashPassword(PASSWORD, peppers.current), hashPassword(PASSWORD, old)];
    expect([now, before].map((phc) => verifyPassword(PASSWORD, peppers, phc))).toEqual([true, true]);
    expect(verifyPassword(PASSWORD, { ...peppers, previous: null }, before)).toBe(false);
    expect([now, before].map((phc) => needsRehash(phc, peppers.current))).toEqual([false, true]);
  });

  it("P6 without a pepper's name is under the oldest there is", () => {
    expect(verifyPassword(PASSWORD, { current: old, previous: null }, unnamed(old))).toBe(true);
    expect(verifyPassword(PASSWORD, peppers, unnamed(old))).toBe(true);
    expect(needsRehash(unnamed(old), old)).toBe(true);
  });

  it.each([
    ["of weaker parameters", () => unnamed(env.PASSWORD_PEPPER, 12), {}],
    ["without a pepper's name", () => unnamed(env.PASSWORD_PEPPER), {}],
    ["under the pepper before", () => hashPassword(PASSWORD, old), { PASSWORD_PEPPER_PREVIOUS: old }],
  ])("P2 %s is made anew at the next login, and only then", async (_, make, more) => {
    const username = await newcomer();
    const before = make();
    await store(username, before);
    expectCode(await login(username, "wrong password!", { env: more }), 401, "invalid_credentials");
    expect(await storedOf(username)).toBe(before);
    expect((await login(username, PASSWORD, { env: more })).status).toBe(200);
    await vi.waitFor(async () => expect(needsRehash(await storedOf(username), env.PASSWORD_PEPPER)).toBe(false), 5_000);
    const after = await storedOf(username);
    expect((await login(username)).status).toBe(200);
    expect(await storedOf(username)).toBe(after);
  });
});

describe("changing one's password", () => {
  it("F3 ends the other sessions, the account told first, and keeps this one", async () => {
    const username = await newcomer();
    const [here, there] = [await login(username), await login(username)];
    const wish = { current_password: PASSWORD, new_password: NEXT };
    log.answer = refuse({ code: "unavailable" });
    expectCode(await change(here.access, wish), 503, "unavailable");
    expect((await login(username)).status).toBe(200);
    log.answer = { ok: true, value: null };
    log.sessions.length = 0;
    expect((await change(here.access, wish)).status).toBe(204);
    expect(log.sessions).toContain(there.body.session_id);
    expect(log.sessions).not.toContain(here.body.session_id);
    expectCode(await refreshWith(there.refresh), 401, "session_revoked");
    expect((await refreshWith(here.refresh)).status).toBe(200);
    expectCode(await login(username), 401, "invalid_credentials");
    expect((await login(username, NEXT)).status).toBe(200);
    await vi.waitFor(async () => expect(await env.SESSIONS.get(`ended:${there.body.session_id}`)).toBe("1"));
    const row = await env.DB.prepare("SELECT ended_reason AS r FROM sessions WHERE id = ?");
    expect((await row.bind(there.body.session_id).first())?.r).toBe("password_changed");
  });

  it("needs the current one, and a good new one", async () => {
    const username = await newcomer();
    const { access } = await login(username);
    const wrong = { current_password: "wrong password!", new_password: NEXT };
    expectCode(await change(access, wrong), 422, "wrong_password");
    for (const [new_password, code] of [
      ["short", "too_short"],
      ["x".repeat(129), "too_long"],
      ["qwertyuiop", "password_common"],
      [`${username}1234`, "password_like_name"],
    ]) {
      const got = await change(access, { current_password: PASSWORD, new_password });
      expectCode(got, 422, "validation_failed");
      expect(got.body.errors).toEqual([expect.objectContaining({ pointer: "/new_password", code })]);
    }
    expectCode(await change(access, { new_password: NEXT }), 422, "validation_failed");
    expect((await login(username)).status).toBe(200);
  });

  it("Z5 at once from many places is done once", async () => {
    const username = await newcomer();
    const { access } = await login(username);
    const wishes = ["first of them all", "second of them all", "third of them all"];
    const all = await Promise.all(
      wishes.map((new_password) => change(access, { current_password: PASSWORD, new_password })),
    );
    expect(all.map(({ status }) => status).sort()).toEqual([204, 422, 422]);
    const winner = wishes[all.findIndex(({ status }) => status === 204)];
    expect((await login(username, winner)).status).toBe(200);
  });

  it("needs a token of a session that has not ended", async () => {
    const json = { current_password: PASSWORD, new_password: NEXT };
    expectCode(await call(app, "PUT", "/v1/auth/password", { json }), 401, "unauthenticated");
    const { access, body } = await login(await newcomer());
    await env.SESSIONS.put(`ended:${body.session_id}`, "1");
    expectCode(await change(access, json), 401, "session_revoked");
  });
});
