// What a thief has begun ends with the owner's new password: another address that waits, open links, and logins that overlap it.

import { env } from "cloudflare:workers";
import { createHmac } from "node:crypto";
import { Secret } from "otpauth";
import { beforeEach, describe, expect, it } from "vitest";
import { MAILBOX } from "../../../src/adapters/mail/mailbox.ts";
import type { MailWish } from "../../../src/bindings/mail.ts";
import { loadConfig } from "../../../src/config.ts";
import { ok } from "../../../src/core/result.ts";
import { consumeMail } from "../../../src/domains/identity/consumer.ts";
import { newSeed, sealSeed } from "../../../src/domains/identity/mfa-secrets.ts";
import { hashPassword } from "../../../src/domains/identity/password.ts";
import { batchOf } from "../../projections/queue.ts";
import { type Answer, appWithRevokerLog, call } from "../../support/client.ts";

const PASSWORD = "correct horse battery";
const NEXT = "staple of another kind";
const config = loadConfig(env);
let wishes: MailWish[] = [];
const MAIL = { send: async (wish: MailWish) => void wishes.push(wish) };
/** Happens between a password that was judged and what it opens. */
let meanwhile: () => Promise<unknown> = async () => {};
const { app } = appWithRevokerLog({
  settle: async () => {
    const work = meanwhile;
    meanwhile = async () => {};
    await work();
    return ok(null);
  },
});
let people = 0;

beforeEach(() => {
  wishes = [];
});

const ask = (method: string, path: string, options: { json?: unknown; token?: string; env?: object } = {}) =>
  call(app, method, path, { ...options, env: { MAIL, ...options.env } });
const post = (path: string, json: object, token?: string) =>
  ask("POST", path, { json, ...(token === undefined ? {} : { token }) });
const setPassword = (token: string, current_password = PASSWORD, new_password = NEXT) =>
  ask("PUT", "/v1/auth/password", { token, json: { current_password, new_password } });

async function login(login: string, password = PASSWORD, more: object = {}) {
  const got = await ask("POST", "/v1/auth/login", { json: { login, password }, ...more });
  return { ...got, access: String(got.body.access_token), refresh: String(got.body.refresh_token) };
}

async function newcomer() {
  people += 1;
  const username = `grace_${people}`;
  const email = `${username}@example.com`;
  const { body } = await post("/v1/auth/register", { email, username, password: PASSWORD });
  return { id: (body as { user: { id: string } }).user.id, username, email };
}

async function deliver(): Promise<void> {
  const { batch } = batchOf(wishes, "tradepost-mail");
  wishes = [];
  await consumeMail(batch, { DB: env.DB }, config, MAILBOX);
}

/** The token in the last e-mail of a kind to an address. */
async function tokenFor(email: string, kind: string): Promise<string> {
  await deliver();
  const { body } = await ask("GET", `/v1/dev/mailbox?to=${encodeURIComponent(email)}`);
  const mail = (body.data as Record<string, string>[]).find((one) => one.kind === kind);
  return /#token=([A-Za-z0-9_-]{43})$/m.exec(mail?.text ?? "")?.[1] ?? "";
}

async function resetLink(email: string): Promise<string> {
  await post("/v1/auth/password/forgot", { email });
  return tokenFor(email, "reset_password");
}

const reset = (token: string) => post("/v1/auth/password/reset", { token, password: NEXT });
const liveSessions = (id: string) =>
  env.DB.prepare("SELECT count(*) AS n FROM sessions WHERE user_id = ? AND ended_at IS NULL").bind(id).first("n");

function expectCode(got: Answer, status: number, code: string) {
  expect(got.body).toMatchObject({ status, code });
}

/** How an owner takes their account back; each is given a session of theirs. */
const TAKING_BACK: [string, (owner: { email: string; access: string }) => Promise<Answer>][] = [
  ["a reset of the password", async ({ email }) => reset(await resetLink(email))],
  ["a change of the password", ({ access }) => setPassword(access)],
  ["the end of all sessions", ({ access }) => post("/v1/auth/logout-all", {}, access)],
];

describe("an e-mail address that a thief has asked for", () => {
  it.each(TAKING_BACK)("F3 waits no more after %s", async (_, takeBack) => {
    const { username, email } = await newcomer();
    const [owner, thief] = [await login(username), await login(username)];
    const evil = `thief_${people}@example.com`;
    expect((await ask("PATCH", "/v1/me", { token: thief.access, json: { email: evil } })).status).toBe(200);
    const token = await tokenFor(evil, "change_email");
    expect((await takeBack({ email, access: owner.access })).status).toBe(204);
    expectCode(await post("/v1/auth/email/verify", { token }), 401, "invalid_code");
    const row = await env.DB.prepare("SELECT email, pending_email FROM users WHERE username = ?")
      .bind(username)
      .first();
    expect(row).toEqual({ email, pending_email: null });
    expect(await env.DB.prepare("SELECT 1 FROM mail_tokens WHERE email = ?").bind(evil).first()).toBeNull();
  });

  it("F3 is not asked for by a session that has ended meanwhile, wherever it was admitted", async () => {
    const { id, username } = await newcomer();
    const { access } = await login(username);
    await env.DB.prepare("UPDATE sessions SET ended_at = 1, ended_reason = 'password_reset' WHERE user_id = ?")
      .bind(id)
      .run();
    const json = { email: `late_${people}@example.com` };
    expectCode(await ask("PATCH", "/v1/me", { token: access, json }), 401, "session_revoked");
    expect(await env.DB.prepare("SELECT pending_email FROM users WHERE id = ?").bind(id).first("pending_email")).toBe(
      null,
    );
  });
});

describe("a second factor that a thief has begun", () => {
  it("F3 is not turned on by a session that a reset has ended meanwhile", async () => {
    const { id, username, email } = await newcomer();
    const { access } = await login(username);
    const { body } = await post("/v1/auth/mfa/totp", { password: PASSWORD }, access);
    const seed = Secret.fromBase32(String(body.secret)).bytes;
    const token = await resetLink(email);
    meanwhile = () => reset(token);
    const answer = await post("/v1/auth/mfa/totp/confirm", { code: codeOf(seed) }, access);
    expect(answer.status).toBe(409);
    const on = env.DB.prepare("SELECT confirmed_at AS at FROM mfa_factors WHERE user_id = ?").bind(id);
    expect(await on.first("at")).toBeNull();
  });
});

describe("an open link to choose a new password", () => {
  it("F3 ends with a password that is set in a session", async () => {
    const { username, email } = await newcomer();
    const { access } = await login(username);
    const token = await resetLink(email);
    expect((await setPassword(access)).status).toBe(204);
    expectCode(await reset(token), 401, "invalid_code");
  });

  it("F3 ends with another link that was used", async () => {
    const { email } = await newcomer();
    const [first, second] = [await resetLink(email), "B".repeat(43)];
    // A second one stands beside the first only when two e-mails were written at once.
    const { mailTokenHash } = await import("../../../src/domains/identity/mail-wish.ts");
    await env.DB.prepare(
      "INSERT INTO mail_tokens SELECT ?, kind, user_id, email, created_at, expires_at, NULL FROM mail_tokens WHERE hash = ?",
    )
      .bind(mailTokenHash(second), mailTokenHash(first))
      .run();
    expect((await reset(first)).status).toBe(204);
    expectCode(await reset(second), 401, "invalid_code");
  });
});

describe("a login with the password before", () => {
  it("F3 that was judged before another was set opens nothing", async () => {
    const { id, username } = await newcomer();
    const { access } = await login(username);
    meanwhile = () => setPassword(access);
    expectCode(await login(username), 401, "invalid_credentials");
    expect(await liveSessions(id)).toBe(1);
  });

  it("F3 that was judged before a reset opens nothing", async () => {
    const { id, username, email } = await newcomer();
    const token = await resetLink(email);
    meanwhile = () => reset(token);
    expectCode(await login(username), 401, "invalid_credentials");
    expect(await liveSessions(id)).toBe(0);
  });

  it("F3 asks for no code of a second factor either", async () => {
    const { id, username, email } = await newcomer();
    await env.DB.prepare("INSERT INTO mfa_factors (user_id, seed, created_at, confirmed_at) VALUES (?, 'x', 0, 1)")
      .bind(id)
      .run();
    const token = await resetLink(email);
    meanwhile = () => reset(token);
    expectCode(await login(username), 401, "invalid_credentials");
    expect(await env.DB.prepare("SELECT 1 FROM mfa_challenges WHERE user_id = ?").bind(id).first()).toBeNull();
  });

  it("F3 whose right code overlaps a reset opens nothing", async () => {
    const { id, username, email } = await newcomer();
    const seed = newSeed();
    const sealed = await sealSeed(config.mfaSecret, id, seed);
    await env.DB.prepare("INSERT INTO mfa_factors (user_id, seed, created_at, confirmed_at) VALUES (?, ?, 0, 1)")
      .bind(id, sealed)
      .run();
    const { body } = await login(username);
    const token = await resetLink(email);
    meanwhile = () => reset(token);
    const answer = await post("/v1/auth/mfa/verify", { mfa_token: body.mfa_token, code: codeOf(seed) });
    expectCode(answer, 401, "unauthenticated");
    expect(await liveSessions(id)).toBe(0);
  });

  it("F3 in many copies beside a reset leaves no session, and no refresh token that is good", async () => {
    const { id, username, email } = await newcomer();
    const token = await resetLink(email);
    const logins = Array.from({ length: 4 }, () => login(username));
    const [answer, ...opened] = await Promise.all([reset(token), ...logins]);
    expect(answer.status).toBe(204);
    expect(await liveSessions(id)).toBe(0);
    for (const { status, refresh } of opened) {
      if (status !== 200) continue;
      expectCode(await post("/v1/auth/refresh", { refresh_token: refresh }), 401, "session_revoked");
    }
    expect((await login(username, NEXT)).status).toBe(200);
  });

  it("P2 is good still when it was only hashed anew meanwhile", async () => {
    const { id, username } = await newcomer();
    const anew = hashPassword(PASSWORD, config.passwordPeppers.current);
    meanwhile = () => env.DB.prepare("UPDATE users SET password_hash = ? WHERE id = ?").bind(anew, id).run();
    expect((await login(username)).status).toBe(200);
  });
});

/** The code of an app with this seed, now: RFC 6238, written apart from the product's own. */
function codeOf(seed: Uint8Array): string {
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const mac = createHmac("sha1", seed).update(step).digest();
  const at = (mac.at(-1) ?? 0) & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}
