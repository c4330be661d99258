// One's own profile through the whole Worker: changed, with an e-mail address that has to be confirmed, and closed.
import { env } from "cloudflare:workers";
import { Secret, TOTP } from "otpauth";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { call, expectProblem, stopClock } from "../support/session.ts";

const PASSWORD = "correct horse battery";
const TEN_MINUTES = 600_000;
let pass: (ms: number) => void;
beforeAll(() => {
  pass = stopClock();
});

interface Person {
  id: string;
  token: string;
  refresh: string;
}

const post = (path: string, json: object, token?: string, headers = {}) =>
  call("POST", path, { json, headers, ...(token === undefined ? {} : { token }) });
const patch = (token: string, json: object) => call<{ user: object }>("PATCH", "/v1/me", { token, json });
const close = (token: string, json: object = { password: PASSWORD }) => call("DELETE", "/v1/me", { token, json });
const login = (name: string, headers = {}) =>
  post("/v1/auth/login", { login: name, password: PASSWORD }, undefined, headers);

async function newcomer(username: string): Promise<Person> {
  const made = await post("/v1/auth/register", { email: `${username}@example.com`, username, password: PASSWORD });
  const { id } = (made.body as { user: { id: string } }).user;
  const { body } = await login(username);
  return { id, token: String(body.access_token), refresh: String(body.refresh_token) };
}

interface Mail {
  kind: string;
  subject: string;
  text: string;
  html: string;
}

/** The last e-mail of a kind that an address got, once it is there. */
function mailOf(to: string, kind: string): Promise<Mail> {
  return vi.waitFor(
    async () => {
      const { body } = await call<{ data: Mail[] }>("GET", `/v1/dev/mailbox?to=${to}`);
      const found = body.data.find((mail) => mail.kind === kind);
      if (found === undefined) throw new Error(`no ${kind} yet`);
      return found;
    },
    { timeout: 20_000, interval: 200 },
  );
}

const kindsFor = async (userId: string) => {
  const found = await env.DB.prepare("SELECT kind FROM mails WHERE user_id = ? ORDER BY id").bind(userId).all();
  return found.results.map(({ kind }) => kind);
};
const tokenIn = ({ text }: Mail) => /#token=(\S+)/.exec(text)?.[1] ?? "";

describe("PATCH /v1/me", () => {
  it("changes what it names, and leaves the rest", async () => {
    const { token } = await newcomer("choosy");
    const first = (await call<{ user: object }>("GET", "/v1/me", { token })).body.user;
    const notifications = { new_device: true, orders: true, news: false };
    expect(first).toMatchObject({ locale: "en", pending_email: null, notifications });
    expect((await patch(token, { locale: "de-ch", notifications: { news: true } })).body.user).toEqual({
      ...first,
      locale: "de-CH",
      notifications: { ...notifications, news: true },
    });
    await Promise.all([
      patch(token, { notifications: { orders: false } }),
      patch(token, { notifications: { new_device: false } }),
    ]);
    expect((await call("GET", "/v1/me", { token })).body).toMatchObject({
      user: { notifications: { new_device: false, orders: false, news: true } },
    });
  });

  it("takes nothing that is not the user's to say", async () => {
    const { token } = await newcomer("assigning");
    const wrong = [
      { roles: ["operator"] },
      { email_verified: true },
      { username: "other" },
      { id: "usr_1" },
      { closed_at: 1 },
      { pending_email: "a@example.com" },
      { password_hash: "x" },
      { notifications: { security: false } },
      { notifications: { news: "yes" } },
      { locale: "no such tag" },
      { locale: "en_US" },
      { locale: "" },
      { email: "ada" },
    ];
    for (const json of wrong) expectProblem(await patch(token, json), 422, "validation_failed");
    const { user } = (await call<{ user: object }>("GET", "/v1/me", { token })).body;
    expect(user).toMatchObject({ roles: ["customer"], email_verified: false, username: "assigning", locale: "en" });
  });
});

describe("another e-mail address", () => {
  it("counts once its owner has confirmed it; the one before stays in force so long, and hears of both", async () => {
    const ada = await newcomer("moving");
    const asked = await patch(ada.token, { email: "Moved@example.com" });
    expect(asked.body.user).toMatchObject({ email: "moving@example.com", pending_email: "Moved@example.com" });
    await mailOf("moving@example.com", "email_change_asked");
    expect((await login("moved@example.com")).status).toBe(401);
    const token = tokenIn(await mailOf("Moved@example.com", "change_email"));
    expectProblem(await post("/v1/auth/password/reset", { token, password: "another good one" }), 401, "invalid_code");
    const done = await Promise.all(Array.from({ length: 5 }, () => post("/v1/auth/email/verify", { token })));
    expect(done.map(({ status }) => status).sort()).toEqual([204, 401, 401, 401, 401]);
    expect((await call("GET", "/v1/me", ada)).body).toMatchObject({
      user: { email: "Moved@example.com", pending_email: null, email_verified: true },
    });
    expect((await login("moved@example.com")).status).toBe(200);
    expect((await login("moving@example.com")).status).toBe(401);
    await mailOf("moving@example.com", "email_changed");
  });

  it("needs a fresh password or code, though the rest of a profile does not", async () => {
    const ada = await newcomer("stale");
    pass(TEN_MINUTES + 1_000);
    const { body } = await post("/v1/auth/refresh", { refresh_token: ada.refresh });
    const token = String(body.access_token);
    expectProblem(await patch(token, { email: "fresh@example.com" }), 403, "step_up_required");
    expect((await patch(token, { locale: "fr" })).status).toBe(200);
    const stepped = await post("/v1/auth/step-up", { password: PASSWORD }, token);
    expect((await patch(String(stepped.body.access_token), { email: "fresh@example.com" })).status).toBe(200);
  });

  it("E1 answers the same when somebody has it, who hears of it; nothing can be confirmed then", async () => {
    await newcomer("owner");
    const ada = await newcomer("curious");
    const free = await patch(ada.token, { email: "free@example.com" });
    const taken = await patch(ada.token, { email: "owner@example.com" });
    expect(taken.status).toBe(free.status);
    expect(taken.text.replaceAll("owner@example.com", "free@example.com")).toBe(free.text);
    const mail = await mailOf("owner@example.com", "change_email");
    expect(mail.text).toContain("Hello owner,");
    expect(mail.text + mail.html).not.toMatch(/curious|#token=/);
  });

  it("E5 is no more when it has got another user before it was confirmed", async () => {
    const ada = await newcomer("late");
    await patch(ada.token, { email: "raced@example.com" });
    const token = tokenIn(await mailOf("raced@example.com", "change_email"));
    await newcomer("raced");
    expectProblem(await post("/v1/auth/email/verify", { token }), 409, "email_taken");
    expect((await call("GET", "/v1/me", ada)).body).toMatchObject({ user: { email: "late@example.com" } });
  });

  it("is withdrawn by the present one, and replaced by a third", async () => {
    const ada = await newcomer("undecided");
    await patch(ada.token, { email: "second@example.com" });
    const second = tokenIn(await mailOf("second@example.com", "change_email"));
    await patch(ada.token, { email: "third@example.com" });
    await mailOf("third@example.com", "change_email");
    expectProblem(await post("/v1/auth/email/verify", { token: second }), 401, "invalid_code");
    const back = await patch(ada.token, { email: "Undecided@example.com" });
    expect(back.body.user).toMatchObject({ email: "undecided@example.com", pending_email: null });
    const third = tokenIn(await mailOf("third@example.com", "change_email"));
    expectProblem(await post("/v1/auth/email/verify", { token: third }), 401, "invalid_code");
  });

  it("is asked for so often only", async () => {
    const ada = await newcomer("asking");
    const answers = [];
    for (let time = 0; time < 11; time += 1)
      answers.push(await patch(ada.token, { email: `asked${time}@example.com` }));
    expect(answers.slice(0, 10).every(({ status }) => status === 200)).toBe(true);
    expect(answers[10]?.body).toMatchObject({ code: "rate_limited", policy: "mail_to" });
  });
});

describe("DELETE /v1/me", () => {
  it("closes an empty account: sessions and keys end, and nobody is left who could sign in", async () => {
    const ada = await newcomer("going");
    const made = await post("/v1/api-keys", { name: "robot", scopes: ["read"] }, ada.token);
    const byKey = () => call("GET", "/v1/account", { headers: { "X-Api-Key": String(made.body.key) } });
    expect((await byKey()).status).toBe(200);
    await post("/v1/account/deposits", { asset: "USD", amount: "5" }, ada.token);
    await env.DB.prepare("UPDATE users SET email_verified = 1 WHERE id = ?").bind(ada.id).run();
    const verified = String((await post("/v1/auth/refresh", { refresh_token: ada.refresh })).body.access_token);
    expectProblem(await close(ada.token, { password: "not this one" }), 422, "wrong_password");
    expectProblem(await close(ada.token, {}), 422, "validation_failed");
    expectProblem(await close(ada.token), 409, "account_not_empty");
    expect((await post("/v1/account/withdrawals", { asset: "USD", amount: "5" }, verified)).status).toBe(201);
    expect((await close(verified)).status).toBe(204);
    for (const token of [verified, ada.token])
      expectProblem(await call("GET", "/v1/account", { token }), 401, "session_revoked");
    expectProblem(await byKey(), 401, "unauthenticated");
    const unknown = await login("nobody-at-all");
    for (const name of ["going", "going@example.com", `~${ada.id}`]) {
      const got = await login(name);
      expectProblem(got, 401, "invalid_credentials");
      expect(got.body.detail).toBe(unknown.body.detail);
    }
    expectProblem(await post("/v1/auth/password/reset", { token: "x", password: "another one" }), 401, "invalid_code");
  });

  it("keeps the books and the id, and forgets the person", async () => {
    const ada = await newcomer("forgotten");
    await mailOf("forgotten@example.com", "verify_email");
    expect((await post("/v1/tasks", { title: "forgotten soon" }, ada.token)).status).toBe(201);
    const act = { kind: "profile.change", change: { locale: "x-forgotten" } } as const;
    const buffer = env.WRITE_BUFFER.getByName(ada.id);
    await buffer.append([{ id: "wrt_1", userId: ada.id, at: Date.now(), act }]);
    expect((await close(ada.token)).status).toBe(204);
    expect(await buffer.look()).toEqual([]);
    const tables = ["users", "sessions", "mail_tokens", "mfa_factors", "mails", "tasks"];
    const rows = await Promise.all(
      tables.map((table) =>
        env.DB.prepare(`SELECT * FROM ${table} WHERE ${table === "users" ? "id" : "user_id"} = ?`)
          .bind(ada.id)
          .all(),
      ),
    );
    expect(JSON.stringify(rows.map(({ results }) => results))).not.toContain("forgotten");
    const [user] = rows[0]?.results ?? [];
    expect(user).toMatchObject({ id: ada.id, password_hash: null, roles: "[]" });
    const account = await env.DB.prepare("SELECT id FROM accounts WHERE user_id = ?")
      .bind(ada.id)
      .first<{ id: string }>();
    expect(account).not.toBeNull();
    const events = await env.ACCOUNT.getByName(account?.id ?? "").journal({ limit: 10, cursor: null });
    expect(JSON.stringify(events)).toContain("frozen");
    await newcomer("forgotten");
  });

  it("wants a code of who has a second factor, and a fresh sign-in of who has no password", async () => {
    const ada = await newcomer("guarded");
    const begun = await post("/v1/auth/mfa/totp", { password: PASSWORD }, ada.token);
    const secret = Secret.fromBase32(String(begun.body.secret));
    const code = () => TOTP.generate({ secret, timestamp: Date.now() });
    await post("/v1/auth/mfa/totp/confirm", { code: code() }, ada.token);
    pass(TEN_MINUTES + 1_000);
    const stale = String((await post("/v1/auth/refresh", { refresh_token: ada.refresh })).body.access_token);
    expectProblem(await close(stale), 403, "step_up_required");
    const { body } = await post("/v1/auth/step-up", { code: code() }, stale);
    const fresh = String(body.access_token);
    expectProblem(await close(fresh, {}), 422, "validation_failed");
    await env.DB.prepare("UPDATE users SET password_hash = NULL WHERE id = ?").bind(ada.id).run();
    expect((await close(fresh, {})).status).toBe(204);
  });
});

describe("a sign-in from a new device", () => {
  const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
  const NEWER = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0";
  const from = (name: string, ip: string, device: string) =>
    login(name, { "CF-Connecting-IP": ip, "User-Agent": device });

  it("is told by e-mail, and neither the first one nor a newer version nearby", async () => {
    await post("/v1/auth/register", { email: "roaming@example.com", username: "roaming", password: PASSWORD });
    const { user } = (
      await call<{ user: { id: string } }>("GET", "/v1/me", {
        token: String((await from("roaming", "192.0.2.1", FIREFOX)).body.access_token),
      })
    ).body;
    await from("roaming", "192.0.2.77", NEWER);
    await from("roaming", "198.51.100.9", "<b>curl</b>/8");
    const mail = await mailOf("roaming@example.com", "new_device");
    expect(mail.text).toContain("from 198.51.100.9, with: <b>curl</b>/8");
    expect(mail.html).not.toContain("<b>curl");
    expect((await kindsFor(user.id)).filter((kind) => kind === "new_device")).toHaveLength(1);
  });

  it("is not told to whoever does not want to know", async () => {
    const ada = await newcomer("quiet");
    await patch(ada.token, { notifications: { new_device: false } });
    await from("quiet", "198.51.100.9", FIREFOX);
    const change = { current_password: PASSWORD, new_password: "staple of another kind" };
    await call("PUT", "/v1/auth/password", { token: ada.token, json: change });
    await mailOf("quiet@example.com", "password_changed");
    expect(await kindsFor(ada.id)).not.toContain("new_device");
  });
});
