// E-mails and what their tokens do, from the request over the queue to the mailbox; account objects are a stand-in.

import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MAILBOX } from "../../../src/adapters/mail/mailbox.ts";
import type { Mail, Mailer, MailOutcome } from "../../../src/adapters/mail/mailer.ts";
import type { MailWish } from "../../../src/bindings/mail.ts";
import { loadConfig } from "../../../src/config.ts";
import { refuse } from "../../../src/core/result.ts";
import { consumeMail } from "../../../src/domains/identity/consumer.ts";
import { resetPasswordLetter } from "../../../src/domains/identity/mail-texts.ts";
import { batchOf, faultyD1 } from "../../projections/queue.ts";
import { type Answer, appWithRevokerLog, call } from "../../support/client.ts";

const { app, log, trail } = appWithRevokerLog();
const config = loadConfig(env);
const PASSWORD = "correct horse battery";
const NEXT = "staple of another kind";
const HOUR = 3_600_000;
/** What requests put into the queue; a test hands it on when it wants to. */
let wishes: MailWish[] = [];
let queueFails = false;
const MAIL = {
  send: async (wish: MailWish) => {
    if (queueFails) throw new Error("Queue is overloaded. Please back off.");
    wishes.push(wish);
  },
};
let people = 0;

const ask = (method: string, path: string, options: { json?: unknown; token?: string; env?: object } = {}) =>
  call(app, method, path, { ...options, env: { MAIL, ...options.env } });
const post = (path: string, json: unknown) => ask("POST", path, { json });
const verify = (token: unknown) => post("/v1/auth/email/verify", { token });
const reset = (token: unknown, password = NEXT) => post("/v1/auth/password/reset", { token, password });
const forgot = (email: string) => post("/v1/auth/password/forgot", { email });

/** Hands what waits in the queue to its consumer; answers what was said of each. */
async function deliver(mailer: Mailer = MAILBOX, bodies: unknown[] = wishes, db: D1Database = env.DB) {
  const { batch, fates } = batchOf(bodies, "tradepost-mail");
  if (bodies === wishes) wishes = [];
  await consumeMail(batch, { DB: db }, config, mailer);
  return fates.map(({ outcome, delaySeconds }) => [outcome, delaySeconds]);
}

async function mailbox(to: string): Promise<Record<string, string>[]> {
  const got = await ask("GET", `/v1/dev/mailbox?to=${encodeURIComponent(to)}`);
  expect(got.status).toBe(200);
  return got.body.data as Record<string, string>[];
}

/** The token in the last e-mail to an address. */
async function tokenFor(email: string): Promise<string> {
  const [last] = await mailbox(email);
  return /#token=([A-Za-z0-9_-]{43})$/m.exec(last?.text ?? "")?.[1] ?? "";
}

async function login(username: string, password = PASSWORD) {
  const got = await post("/v1/auth/login", { login: username, password });
  return { ...got, access: String(got.body.access_token), refresh: String(got.body.refresh_token) };
}

async function newcomer() {
  people += 1;
  const username = `edsger_${people}`;
  const email = `Edsger.${people}@Example.com`;
  expect((await post("/v1/auth/register", { email, username, password: PASSWORD })).status).toBe(201);
  return { username, email };
}

function expectCode(got: Answer, status: number, code: string) {
  expect(got.body).toMatchObject({ status, code });
  expect(got.status).toBe(status);
}

beforeEach(() => {
  wishes = [];
  queueFails = false;
  trail.length = 0;
  log.answer = { ok: true, value: null };
});
afterEach(() => {
  vi.useRealTimers();
});

describe("verifying an address", () => {
  it("goes from sign-up over an e-mail to the next access token", async () => {
    const { username, email } = await newcomer();
    expect(wishes).toMatchObject([{ v: 1, kind: "verify_email" }]);
    expect(await deliver()).toEqual([["acked", undefined]]);
    const [mail] = await mailbox(email);
    expect(mail).toMatchObject({ to: email, kind: "verify_email", subject: "Confirm your e-mail address" });
    const token = await tokenFor(email);
    const link = `${config.publicUrl}/verify-email#token=${token}`;
    expect(mail?.text).toContain(link);
    expect(mail?.html).toContain(`href="${link}"`);
    const { refresh } = await login(username);
    expect((await verify(token)).status).toBe(204);
    const { body } = await post("/v1/auth/refresh", { refresh_token: refresh });
    const claims = JSON.parse(atob(String(body.access_token).split(".")[1]?.replace(/[-_]/g, "/") ?? ""));
    expect(claims.email_verified).toBe(true);
  });

  it("uses a token once, within its day, and only the newest", async () => {
    const { username, email } = await newcomer();
    await deliver();
    const first = await tokenFor(email);
    const { access } = await login(username);
    expect((await ask("POST", "/v1/auth/email/resend", { token: access })).status).toBe(202);
    await deliver();
    const second = await tokenFor(email);
    expect(second).not.toBe(first);
    expectCode(await verify(first), 401, "invalid_code");
    const now = Date.now();
    vi.useFakeTimers({ now: now + 24 * HOUR + 1_000, toFake: ["Date"] });
    expectCode(await verify(second), 401, "invalid_code");
    vi.setSystemTime(now);
    const all = await Promise.all(Array.from({ length: 20 }, () => verify(second)));
    expect(all.filter(({ status }) => status === 204)).toHaveLength(1);
    for (const one of all) if (one.status !== 204) expectCode(one, 401, "invalid_code");
  });

  it("takes no token of another kind, nor anything else", async () => {
    const { email } = await newcomer();
    await forgot(email);
    await deliver(MAILBOX, wishes.slice(1));
    expectCode(await verify(await tokenFor(email)), 401, "invalid_code");
    for (const token of ["x", "A".repeat(43), "' OR 1=1 --"]) expectCode(await verify(token), 401, "invalid_code");
    for (const token of ["", "x".repeat(201), 7, null, undefined]) {
      expectCode(await verify(token), 422, "validation_failed");
    }
  });

  it("is of the address that the e-mail went to, not of a later one", async () => {
    const { username, email } = await newcomer();
    await deliver();
    await env.DB.prepare("UPDATE users SET email_canonical = ? WHERE username = ?").bind("new@b.com", username).run();
    expectCode(await verify(await tokenFor(email)), 401, "invalid_code");
  });

  it("is not asked for twice: a verified address gets no more of these", async () => {
    const { username, email } = await newcomer();
    await deliver();
    await verify(await tokenFor(email));
    const { access } = await login(username);
    expect((await ask("POST", "/v1/auth/email/resend", { token: access })).status).toBe(202);
    expect(await deliver()).toEqual([["acked", undefined]]);
    expect(await mailbox(email)).toHaveLength(1);
  });

  it("keeps only a hash of the token", async () => {
    const { email } = await newcomer();
    await deliver();
    const token = await tokenFor(email);
    const { results } = await env.DB.prepare("SELECT * FROM mail_tokens").all();
    expect(JSON.stringify(results)).not.toContain(token);
    expect(results.every(({ hash }) => /^[0-9a-f]{64}$/.test(String(hash)))).toBe(true);
  });

  it("does not keep anybody from signing up while the queue is away; asking again says so", async () => {
    const quiet = vi.spyOn(console, "error").mockImplementation(() => {});
    queueFails = true;
    const { username, email } = await newcomer();
    const { access } = await login(username);
    expectCode(await ask("POST", "/v1/auth/email/resend", { token: access }), 503, "unavailable");
    expectCode(await forgot(email), 503, "unavailable");
    expectCode(await forgot("nobody@example.com"), 503, "unavailable");
    expectCode(await ask("POST", "/v1/auth/email/resend"), 401, "unauthenticated");
    quiet.mockRestore();
  });
});

describe("a forgotten password", () => {
  it("E1 is answered alike, known or not, without looking anybody up", async () => {
    const { email } = await newcomer();
    const away = { DB: faultyD1(() => true) };
    const answers = await Promise.all(
      [email, email.toUpperCase(), "nobody@example.com"].map((one) =>
        ask("POST", "/v1/auth/password/forgot", { json: { email: one }, env: away }),
      ),
    );
    for (const one of answers) expect([one.status, one.body]).toEqual([202, {}]);
    expect(trail.filter(({ act }) => act === "password.forgot")).toEqual(
      answers.map(() => expect.objectContaining({ actor: "", target: "", outcome: "ok", reason: null })),
    );
    expect(JSON.stringify(trail)).not.toContain("@");
    await deliver();
    expect(await mailbox("nobody@example.com")).toEqual([]);
    expect((await mailbox(email)).map(({ kind }) => kind).sort()).toEqual([
      "reset_password",
      "reset_password",
      "verify_email",
    ]);
    expectCode(await forgot("no address"), 422, "validation_failed");
  });

  it("F3 is replaced with the token, which ends every session, account first", async () => {
    const { username, email } = await newcomer();
    await forgot(email);
    await deliver();
    const token = await tokenFor(email);
    const [first, second] = [await login(username), await login(username)];
    log.answer = refuse({ code: "unavailable" });
    expectCode(await reset(token), 503, "unavailable");
    expect((await login(username)).status).toBe(200);
    log.answer = { ok: true, value: null };
    const told = log.accounts.length;
    expect((await reset(token)).status).toBe(204);
    expect(log.accounts.length).toBe(told + 1);
    for (const { refresh, access } of [first, second]) {
      expectCode(await post("/v1/auth/refresh", { refresh_token: refresh }), 401, "session_revoked");
      expectCode(await ask("GET", "/v1/me", { token: access }), 401, "session_revoked");
    }
    expectCode(await login(username), 401, "invalid_credentials");
    expect((await login(username, NEXT)).status).toBe(200);
    await vi.waitFor(() => expect(wishes.at(-1)).toMatchObject({ kind: "password_changed" }));
    await deliver();
    expect((await mailbox(email))[0]).toMatchObject({ subject: "Your password has been changed" });
  });

  it("Z5 has a token that is good once, for 30 minutes", async () => {
    const { username, email } = await newcomer();
    await forgot(email);
    await deliver();
    const token = await tokenFor(email);
    const now = Date.now();
    vi.useFakeTimers({ now: now + HOUR / 2 + 1_000, toFake: ["Date"] });
    expectCode(await reset(token), 401, "invalid_code");
    vi.setSystemTime(now);
    const wanted = ["first of them all", "second of them all", "third of them all"];
    const all = await Promise.all(wanted.map((password) => reset(token, password)));
    expect(all.map(({ status }) => status).sort()).toEqual([204, 401, 401]);
    expectCode(await reset(token), 401, "invalid_code");
    const winner = wanted[all.findIndex(({ status }) => status === 204)];
    expect((await login(username, winner)).status).toBe(200);
  });

  it("P4 keeps its token when the new password is too weak, and hashes nothing for a wrong one", async () => {
    const { username, email } = await newcomer();
    await forgot(email);
    await deliver();
    const token = await tokenFor(email);
    for (const [password, code] of [
      ["qwertyuiop", "password_common"],
      [`${username}123`, "password_like_name"],
      ["short", "too_short"],
    ]) {
      const got = await reset(token, password);
      expectCode(got, 422, "validation_failed");
      expect(got.body.errors).toEqual([expect.objectContaining({ pointer: "/password", code })]);
    }
    expect((await reset(token)).status).toBe(204);
    const before = performance.now();
    expectCode(await reset("A".repeat(43)), 401, "invalid_code");
    expect(performance.now() - before).toBeLessThan(150);
  });
});

describe("the consumer", () => {
  const sent: Mail[] = [];
  const saying = (...outcomes: MailOutcome[]): Mailer => ({
    keepsBodies: false,
    send: async (mail) => {
      sent.push(mail);
      return outcomes.shift() ?? { kind: "sent", id: "p1" };
    },
  });
  beforeEach(() => {
    sent.length = 0;
    vi.spyOn(console, "warn").mockImplementation(() => {});
    vi.spyOn(console, "error").mockImplementation(() => {});
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
  const rowOf = (id: string) => env.DB.prepare("SELECT * FROM mails WHERE id = ?").bind(id).first();

  it("sends an e-mail once, though the queue delivers it twice", async () => {
    await newcomer();
    const [wish] = wishes;
    await deliver(saying(), [wish]);
    await deliver(saying(), [wish]);
    expect(sent).toHaveLength(1);
    expect(await rowOf(String(wish?.id))).toMatchObject({ status: "sent", said: "p1", text: null, html: null });
  });

  it("sends the same bytes under the same key when it does not know whether they went", async () => {
    const { email } = await newcomer();
    const [wish] = wishes;
    let calls = 0;
    // Found and written, but not kept: the third call is the one that keeps what was sent.
    const db = faultyD1(() => ++calls === 3);
    expect(await deliver(saying(), [wish], db)).toEqual([["retried", 10]]);
    expect(await deliver(saying(), [wish])).toEqual([["acked", undefined]]);
    expect(sent).toHaveLength(2);
    expect(sent[1]).toEqual(sent[0]);
    expect(sent[0]).toMatchObject({ id: wish?.id, to: email });
  });

  it("tries again what the provider puts off, for as long as it says, and never what it refuses", async () => {
    await newcomer();
    const [wish] = wishes;
    const later = { kind: "later" as const, reason: "429" };
    expect(await deliver(saying({ ...later, afterSeconds: 7 }), [wish])).toEqual([["retried", 7]]);
    expect(await deliver(saying({ ...later, afterSeconds: null }), [wish])).toEqual([["retried", 10]]);
    expect(await deliver(saying({ kind: "refused", reason: "422 no" }), [wish])).toEqual([["acked", undefined]]);
    expect(await rowOf(String(wish?.id))).toMatchObject({ status: "refused", said: "422 no" });
  });

  it("does not let one message harm its neighbours", async () => {
    const { email } = await newcomer();
    const bodies = [null, "text", { v: 2 }, { v: 1, kind: "verify_email" }, wishes[0]];
    const fates = await deliver(MAILBOX, bodies);
    expect(fates.map(([outcome]) => outcome)).toEqual(["retried", "retried", "retried", "retried", "acked"]);
    expect(await mailbox(email)).toHaveLength(1);
  });

  it("tries again while D1 is away, and sends nothing to nobody", async () => {
    await newcomer();
    expect(
      await deliver(
        saying(),
        [wishes[0]],
        faultyD1(() => true),
      ),
    ).toEqual([["retried", 10]]);
    const nobody = { v: 1, id: "mal_x", seed: "s".repeat(43), kind: "reset_password", email: "nobody@example.com" };
    expect(await deliver(saying(), [nobody])).toEqual([["acked", undefined]]);
    expect(sent).toEqual([]);
  });

  it("writes no HTML but its own", () => {
    const { html } = resetPasswordLetter('<b onload="x">&', 'https://a.example/"><script>', "t");
    expect(html).toContain("&lt;b onload=&quot;x&quot;>&amp;");
    expect(html).not.toContain("<script>");
  });
});

describe("what users are told of", () => {
  it("is a refresh token that was used again, once", async () => {
    const { username, email } = await newcomer();
    const { refresh, body } = await login(username);
    await post("/v1/auth/refresh", { refresh_token: refresh });
    await env.DB.prepare("UPDATE sessions SET rotations = '[]' WHERE id = ?").bind(body.session_id).run();
    for (let time = 0; time < 2; time += 1) {
      expectCode(await post("/v1/auth/refresh", { refresh_token: refresh }), 401, "refresh_token_reused");
    }
    await deliver();
    const told = (await mailbox(email)).filter(({ kind }) => kind === "refresh_token_reused");
    expect(told).toMatchObject([{ subject: "One of your sessions has been ended" }]);
  });

  it("is that an API key outlives a password, and where it is ended", async () => {
    const { email, username } = await newcomer();
    const { access } = await login(username);
    const json = { current_password: PASSWORD, new_password: NEXT };
    expect((await ask("PUT", "/v1/auth/password", { token: access, json })).status).toBe(204);
    await vi.waitFor(() => expect(wishes.at(-1)).toMatchObject({ kind: "password_changed" }));
    await deliver();
    expect((await mailbox(email))[0]?.text).toContain("DELETE /v1/api-keys/{id}");
  });

  it("is the end of their account, whose address is kept nowhere but in the mailbox of a local run", async () => {
    const closed = { v: 1, seed: "s".repeat(43), kind: "account_closed", userId: "usr_gone", username: "gone" };
    const sent: Mail[] = [];
    const provider: Mailer = {
      keepsBodies: false,
      send: async (mail) => {
        sent.push(mail);
        return { kind: "sent", id: "p1" };
      },
    };
    await deliver(provider, [{ ...closed, id: "mal_gone1", email: "Gone@Example.com" }]);
    expect(sent).toMatchObject([{ to: "Gone@Example.com", subject: "Your account has been closed" }]);
    expect(sent[0]?.text).not.toContain("forgot-password");
    const row = env.DB.prepare("SELECT recipient FROM mails WHERE id = 'mal_gone1'");
    expect(await row.first("recipient")).toBe("");
    await deliver(MAILBOX, [{ ...closed, id: "mal_gone2", email: "gone@here.example.com" }]);
    expect(await mailbox("gone@here.example.com")).toHaveLength(1);
  });
});

describe("a local run", () => {
  it("says whom it has written to and where that is read, and nothing that opens a door", async () => {
    const { email } = await newcomer();
    const lines = vi.spyOn(console, "log").mockImplementation(() => {});
    const { batch } = batchOf(wishes, "tradepost-mail");
    await consumeMail(batch, { DB: env.DB }, { ...config, logLevel: "info" }, MAILBOX);
    const [line] = lines.mock.calls.map(([text]) => JSON.parse(String(text)) as Record<string, string>);
    lines.mockRestore();
    const [mail] = await mailbox(email);
    expect(line).toEqual({
      level: "info",
      event: "mail",
      kind: "verify_email",
      to: email,
      subject: "Confirm your e-mail address",
      page: `${config.apiUrl}/v1/dev/mailbox#${mail?.id}`,
    });
  });
});

describe("the mailbox", () => {
  const page = async (query = "") => {
    const headers = { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
    const response = await app.request(`/v1/dev/mailbox${query}`, { headers }, { ...env, MAIL });
    return { headers: response.headers, text: await response.text() };
  };

  it("is a page for a browser, on which nothing runs and nothing is loaded", async () => {
    const { email } = await newcomer();
    await forgot(email);
    await deliver();
    const got = await page(`?to=${encodeURIComponent(email)}`);
    expect(got.headers.get("Content-Type")).toBe("text/html; charset=utf-8");
    expect(got.headers.get("Content-Security-Policy")).toMatch(/^default-src 'none'/);
    expect(got.headers.get("Cache-Control")).toBe("no-store");
    expect(got.headers.get("Vary")).toContain("Accept");
    expect(got.text).toContain(`#token=${await tokenFor(email)}\n`);
    expect([...got.text.matchAll(/<h2>(.*)<[/]h2>/g)].map(([, subject]) => subject)).toEqual([
      "Choose a new password",
      "Confirm your e-mail address",
    ]);
    expect(got.text.match(/<iframe sandbox /g)).toHaveLength(2);
    expect(got.text).not.toMatch(/<script|<form|<img|<link|<style/);
  });

  it("shows what was written as text, whatever it is, and the older e-mails behind a link", async () => {
    const evil = '"><script>alert(1)</script><i a="';
    await env.DB.prepare(
      "INSERT INTO mails (id, kind, user_id, recipient, subject, status, said, at, text, html) VALUES (?, 'x', 'u', ?, ?1, 'sent', '', 0, ?1, ?1)",
    )
      .bind(evil, "evil@example.com")
      .run();
    const got = await page("?to=evil@example.com");
    expect(got.text).not.toContain("<script>");
    expect(got.text.match(/&quot;>&lt;script>/g)?.length).toBeGreaterThanOrEqual(4);
    const { email } = await newcomer();
    await forgot(email);
    await deliver();
    const first = await page(`?limit=1&to=${encodeURIComponent(email)}`);
    const [, older] = /href="([^"]*)"/.exec(first.text) ?? [];
    expect((await page(older?.replaceAll("&amp;", "&"))).text).toContain("Confirm your e-mail address");
  });

  it("is JSON for a program", async () => {
    for (const Accept of ["*/*", "application/json", "application/json, text/html;q=0.5"]) {
      const got = await call(app, "GET", "/v1/dev/mailbox", { headers: { Accept }, env: { MAIL } });
      expect(Array.isArray(got.body.data)).toBe(true);
    }
  });

  it("is there in a local run alone", async () => {
    const https = { OAUTH_GOOGLE_ISSUER: "https://a.example", OAUTH_GITHUB_URL: "https://b.example" };
    const providers = { ...https, OAUTH_GITHUB_API_URL: "https://c.example", STRIPE_API_URL: "https://d.example" };
    const env = { ENVIRONMENT: "staging", MAIL_PROVIDER: "resend", MAIL_API_KEY: "re_1", ...providers };
    expectCode(await ask("GET", "/v1/dev/mailbox", { env }), 404, "not_found");
    const headers = { Accept: "text/html" };
    expectCode(await call(app, "GET", "/v1/dev/mailbox", { headers, env: { MAIL, ...env } }), 404, "not_found");
    expectCode(await ask("GET", "/v1/dev/mailbox?cursor=x"), 422, "validation_failed");
  });
});
