// The audit trail: what is written down of security and money, that nobody changes it, and that nobody waits for it.
import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { typeId } from "../../src/core/ids.ts";
import { consumeAudit } from "../../src/domains/audit/consumer.ts";
import { call, expectProblem, type Trader, trader, type WirePage } from "../support/session.ts";

interface WireEvent {
  id: string;
  at: string;
  actor_kind: string;
  actor: string | null;
  act: string;
  target: string;
  outcome: string;
  ip: string;
  request_id: string;
  reason: string | null;
  request: string | null;
}

const olivia: Trader = await trader({ roles: ["customer", "operator"] });
const PASSWORD = "correct horse battery";
const NEXT = "staple of another kind";
const headers = { "CF-Connecting-IP": "10.20.30.40" };

async function trail(query: string): Promise<WireEvent[]> {
  const got = await olivia.get<WirePage<WireEvent>>(`/v1/admin/audit?${query}`);
  expect(got.status, got.text).toBe(200);
  return got.body.data;
}

/** The queue brings events within seconds. */
async function told(query: string, count: number): Promise<WireEvent[]> {
  return vi.waitFor(
    async () => {
      const events = await trail(query);
      expect(events).toHaveLength(count);
      return events;
    },
    { timeout: 15_000, interval: 200 },
  );
}

const post = <T>(path: string, json: object, token?: string) =>
  call<T>("POST", path, { json, headers, ...(token === undefined ? {} : { token }) });

type Tokens = Record<"access_token" | "refresh_token" | "session_id", string>;

/** The token of an e-mail, once it is in the mailbox. */
function mailToken(to: string, kind: string): Promise<string> {
  return vi.waitFor(
    async () => {
      const { body } = await call<WirePage<{ kind: string; text: string }>>("GET", `/v1/dev/mailbox?to=${to}`);
      const token = /#token=(\S+)/.exec(body.data.find((mail) => mail.kind === kind)?.text ?? "")?.[1];
      if (token === undefined) throw new Error(`no ${kind} yet`);
      return token;
    },
    { timeout: 15_000, interval: 200 },
  );
}

describe("what is written down", () => {
  it("is a life from sign-up to a stolen refresh token", async () => {
    const user = { email: "audited@example.com", username: "audited", password: PASSWORD };
    const made = await post<{ user: { id: string } }>("/v1/auth/register", user);
    const id = made.body.user.id;
    expectProblem(
      await post("/v1/auth/login", { login: "audited", password: "wrong password" }),
      401,
      "invalid_credentials",
    );
    const one = (await post<Tokens>("/v1/auth/login", { login: "audited", password: PASSWORD })).body;
    const two = (await post<Tokens>("/v1/auth/login", { login: "audited", password: PASSWORD })).body;
    await call("POST", "/v1/auth/logout", { token: two.access_token, headers });
    const next = (await post<Tokens>("/v1/auth/refresh", { refresh_token: one.refresh_token })).body;
    await post("/v1/auth/refresh", { refresh_token: next.refresh_token });
    // As when the ten seconds of the same successor are over.
    await env.DB.prepare("UPDATE sessions SET rotations = '[]' WHERE id = ?").bind(one.session_id).run();
    expectProblem(await post("/v1/auth/refresh", { refresh_token: one.refresh_token }), 401, "refresh_token_reused");
    const events = await told(`actor=${id}`, 5);
    const said = events
      .map(({ act, target, outcome, actor_kind, ip }) => [act, target, outcome, actor_kind, ip])
      .sort();
    expect(said).toEqual(
      [
        ["user.register", id, "ok", "user", "10.20.30.40"],
        ["session.login", one.session_id, "ok", "user", "10.20.30.40"],
        ["session.login", two.session_id, "ok", "user", "10.20.30.40"],
        ["session.logout", two.session_id, "ok", "user", "10.20.30.40"],
        ["session.refresh", one.session_id, "refresh_token_reused", "user", "10.20.30.40"],
      ].sort(),
    );
    const [failed] = await told(`target=${id}&act=session.login`, 1);
    expect(failed).toMatchObject({ actor: null, actor_kind: "stranger", outcome: "invalid_credentials" });
    expect(JSON.stringify(events)).not.toMatch(/correct horse|wrong password|rt_ses/);
  });

  it("is every password that was changed, every address that was verified and every session that was ended by hand", async () => {
    const user = { email: "hands@example.com", username: "hands", password: PASSWORD };
    const id = (await post<{ user: { id: string } }>("/v1/auth/register", user)).body.user.id;
    const login = async (password: string) => {
      const { body } = await post<Tokens>("/v1/auth/login", { login: "hands", password });
      return { token: body.access_token, session: body.session_id };
    };
    const [first, second, third] = [await login(PASSWORD), await login(PASSWORD), await login(PASSWORD)];
    const { token } = first;
    const verifying = { token: await mailToken(user.email, "verify_email") };
    expect((await post("/v1/auth/email/verify", verifying)).status).toBe(204);
    expect((await call("DELETE", `/v1/auth/sessions/${second.session}`, { token, headers })).status).toBe(204);
    const reason = "a stolen phone";
    const revoked = await olivia.call("POST", `/v1/admin/sessions/${third.session}/revoke`, { json: { reason } });
    expect(revoked.status).toBe(204);
    const put = (current_password: string) =>
      call("PUT", "/v1/auth/password", { token, headers, json: { current_password, new_password: NEXT } });
    expectProblem(await put("wrong password"), 422, "wrong_password");
    expect((await put(PASSWORD)).status).toBe(204);
    await post("/v1/auth/password/forgot", { email: user.email });
    const resetting = { token: await mailToken(user.email, "reset_password"), password: PASSWORD };
    expect((await post("/v1/auth/password/reset", resetting)).status).toBe(204);
    expectProblem(await post("/v1/auth/password/reset", resetting), 401, "invalid_code");
    const events = (await told(`actor=${id}`, 9)).map(({ act, target, outcome }) => [act, target, outcome]);
    const byHand = events.filter(([act]) => act !== "session.login" && act !== "user.register");
    expect(byHand.sort()).toEqual([
      ["email.verify", id, "ok"],
      ["password.change", id, "ok"],
      ["password.change", id, "wrong_password"],
      ["password.reset", id, "ok"],
      ["session.revoke", second.session, "ok"],
    ]);
    const [byOperator] = await told(`target=${third.session}&act=session.revoke`, 1);
    expect(byOperator).toMatchObject({ actor: olivia.userId, actor_kind: "operator", outcome: "ok", reason });
    const resets = (await told("act=password.reset", 2)).map(({ actor, outcome }) => [actor, outcome]);
    expect(resets).toEqual(expect.arrayContaining([[null, "invalid_code"]]));
  });

  it("never is a name that nobody has: somebody may have typed a password there", async () => {
    const typed = "hunter2-my-password";
    expectProblem(await post("/v1/auth/login", { login: typed, password: PASSWORD }), 401, "invalid_credentials");
    const events = async () => {
      const failed = (await trail("act=session.login")).filter(({ target }) => target === "");
      expect(failed.length).toBeGreaterThan(0);
      expect(JSON.stringify(failed)).not.toContain(typed);
    };
    await vi.waitFor(events, { timeout: 15_000, interval: 200 });
  });

  it("is what operators do, done or refused, with their reason", async () => {
    const id = "dlt_unknown";
    const reason = "a test of it";
    const got = await olivia.call("POST", `/v1/admin/dead-letters/${id}/replay`, { json: { reason } });
    expectProblem(got, 404, "not_found");
    const [event] = await told(`target=${id}`, 1);
    expect(event).toMatchObject({ act: "dead_letter.replay", actor: olivia.userId, actor_kind: "operator", reason });
    expect(event).toMatchObject({ outcome: "not_found", request_id: got.headers.get("X-Request-Id") });
    const json = { object: "account", name: "acc_none", reason: "r" };
    await olivia.call("POST", "/v1/admin/projections/replay", { json });
    const [replay] = await told("act=journal.replay", 1);
    expect(replay?.target).toBe('{"object":"account","name":"acc_none"}');
  });

  it("is whose journal was read, and what was restored or opened, or was not", async () => {
    const ada = await trader({ usd: "1" });
    const base = `/v1/admin/accounts/${ada.accountId}`;
    expect((await olivia.get(`${base}/journal?limit=1`)).status).toBe(200);
    const json = { epoch: 1, journal: [], reason: "a drill" };
    expectProblem(await olivia.call("POST", `${base}/restoration`, { json }), 422, "validation_failed");
    const open = await olivia.call("POST", `${base}/restoration/open`, { json: { reason: "a drill" } });
    expectProblem(open, 404, "not_found");
    const events = await told(`target=${ada.accountId}`, 3);
    expect(events.map(({ act, outcome, reason, actor }) => [act, outcome, reason, actor]).sort()).toEqual([
      ["journal.export", "ok", null, olivia.userId],
      ["object.open", "not_found", "a drill", olivia.userId],
      ["object.restore", "validation_failed", null, olivia.userId],
    ]);
  });

  it("is money in and out, once, as the journal brings it", async () => {
    const ada = await trader({ usd: "100" });
    const out = await ada.call<{ id: string }>("POST", "/v1/account/withdrawals", {
      json: { asset: "USD", amount: "40" },
    });
    const events = await told(`actor=${ada.accountId}`, 2);
    expect(events.map(({ act, outcome }) => [act, outcome])).toEqual([
      ["money.withdrawal", "ok"],
      ["money.deposit", "ok"],
    ]);
    expect(events[0]?.target).toBe(out.body.id);
    // As when the read model is made anew.
    await env.DB.prepare("CREATE TABLE kept AS SELECT * FROM transfers").run();
    await env.DB.batch([
      env.DB.prepare("DELETE FROM transfers"),
      env.DB.prepare("INSERT INTO transfers SELECT * FROM kept"),
      env.DB.prepare("DROP TABLE kept"),
    ]);
    expect(await trail(`actor=${ada.accountId}`)).toHaveLength(2);
  });
});

describe("the trail", () => {
  it("is changed and shortened by nobody", async () => {
    const id = typeId("aud", Date.now(), new Uint8Array(10));
    await env.DB.prepare("INSERT INTO audit_events VALUES (?, 1, 'user', 'usr_1', 'x', '', 'ok', '', '', NULL, NULL)")
      .bind(id)
      .run();
    for (const statement of ["UPDATE audit_events SET actor = ''", "DELETE FROM audit_events"]) {
      const tried = env.DB.prepare(statement).run();
      await expect(Promise.resolve(tried), statement).rejects.toThrow("append-only");
    }
    const columns = "id, at, actor_kind, 'changed', act, target, outcome, ip, request_id, reason, request";
    await env.DB.prepare(`REPLACE INTO audit_events SELECT ${columns} FROM audit_events`).run();
    expect(await trail("actor=usr_1")).toHaveLength(1);
  });

  it("comes in pages, newest first, and between two times", async () => {
    const at = Date.parse("2027-01-01T00:00:00Z");
    for (let index = 0; index < 5; index += 1) {
      const id = typeId("aud", at + index, crypto.getRandomValues(new Uint8Array(10)));
      await env.DB.prepare("INSERT INTO audit_events VALUES (?, ?, 'user', 'usr_2', 'x', ?, 'ok', '', '', NULL, NULL)")
        .bind(id, at + index, String(index))
        .run();
    }
    const { rows, pages } = await olivia.all<WireEvent>("/v1/admin/audit?actor=usr_2", 2);
    expect([rows.map(({ target }) => target), pages]).toEqual([["4", "3", "2", "1", "0"], 3]);
    const between = await trail("actor=usr_2&from=2027-01-01T00:00:00.001Z&to=2027-01-01T00:00:00.003Z");
    expect(between.map(({ target }) => target)).toEqual(["2", "1"]);
    for (const wrong of ["limit=0", "cursor=aud_1", "from=now", "actor=", "who=me"]) {
      expectProblem(await olivia.get(`/v1/admin/audit?${wrong}`), 422, "validation_failed");
    }
  });

  it("is for operators alone", async () => {
    expectProblem(await call("GET", "/v1/admin/audit"), 401, "unauthenticated");
    expectProblem(await (await trader()).get("/v1/admin/audit"), 403, "forbidden");
  });
});

describe("its queue", () => {
  const event = (id: string) => ({
    v: 1,
    id,
    at: 1,
    actorKind: "user",
    actor: "usr_3",
    act: "x",
    target: "",
    outcome: "ok",
    ip: "",
    requestId: "",
    reason: null,
  });
  const id = () => typeId("aud", Date.now(), crypto.getRandomValues(new Uint8Array(10)));

  async function consume(bodies: unknown[], attempts = 1, db: object = env) {
    const messages = bodies.map((body, index) => ({ id: String(index), timestamp: new Date(), attempts, body }));
    const batch = createMessageBatch("tradepost-audit", messages);
    await consumeAudit(batch, db as typeof env);
    return getQueueResult(batch, createExecutionContext());
  }

  it("brings an event once, however often it comes, and leaves out what is none", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const one = id();
    const result = await consume([event(one), event(one), { v: 2 }, null]);
    expect(result.explicitAcks).toHaveLength(4);
    expect(error).toHaveBeenCalledTimes(2);
    error.mockRestore();
    expect((await trail("actor=usr_3")).map((row) => row.id)).toEqual([one]);
  });

  it("waits for a D1 that is away, and in the end tells the log", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const away = { DB: { prepare: () => ({ bind: () => ({ run: () => Promise.reject(new Error("D1_ERROR")) }) }) } };
    const one = id();
    expect((await consume([event(one)], 1, away)).retryMessages).toHaveLength(1);
    error.mockClear();
    expect((await consume([event(one)], 96, away)).explicitAcks).toHaveLength(1);
    expect(error.mock.calls.flat().join()).toContain(one);
    error.mockRestore();
  });
});
