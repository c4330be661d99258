// Sessions as their owner and operators see them, how they end, and what KV adds; account objects are a stand-in.

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { refuse } from "../../../src/core/result.ts";
import { signAccessToken } from "../../../src/http/tokens.ts";
import { type Answer, appWithRevokerLog, call } from "../../support/client.ts";

const { app, log } = appWithRevokerLog();
const PASSWORD = "correct horse battery";
const NOBODYS = "ses_01m0000000000000000000000z";
const AWAY = {
  DB: {
    prepare: () => {
      throw new Error("D1_ERROR: Network connection lost.");
    },
  },
};
let people = 0;

interface Session {
  username: string;
  access: string;
  refresh: string;
  id: string;
}

async function login(username: string, headers: Record<string, string> = {}): Promise<Session> {
  const { body } = await call(app, "POST", "/v1/auth/login", {
    json: { login: username, password: PASSWORD },
    headers,
  });
  const { access_token, refresh_token, session_id } = body;
  return { username, access: String(access_token), refresh: String(refresh_token), id: String(session_id) };
}

async function newcomer(): Promise<Session> {
  people += 1;
  const username = `grace_${people}`;
  await call(app, "POST", "/v1/auth/register", {
    json: { email: `${username}@example.com`, username, password: PASSWORD },
  });
  return login(username);
}

async function operator(): Promise<string> {
  const subject = { userId: "usr_op", accountId: "acc_op", sessionId: "ses_op", roles: ["operator"] };
  return signAccessToken(loadConfig(env), { ...subject, emailVerified: true }, Date.now());
}

const get = (path: string, token: string, more: object = {}) => call(app, "GET", path, { token, ...more });
const end = (who: Session, id: string) => call(app, "DELETE", `/v1/auth/sessions/${id}`, { token: who.access });
const refreshWith = (refresh_token: string) => call(app, "POST", "/v1/auth/refresh", { json: { refresh_token } });

function expectCode(got: Answer, status: number, code: string) {
  expect(got.body).toMatchObject({ status, code });
  expect(got.status).toBe(status);
}

beforeEach(() => {
  log.answer = { ok: true, value: null };
});

describe("one's own sessions", () => {
  it("are listed with device, place and last use, the newest login first, and nobody else's", async () => {
    const first = await newcomer();
    await newcomer();
    const headers = { "User-Agent": "Firefox", "CF-Connecting-IP": "203.0.113.7", "X-Forwarded-For": "10.0.0.1" };
    const second = await login(first.username, headers);
    const got = await get("/v1/auth/sessions", first.access);
    expect(got.status).toBe(200);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(got.body).toEqual({
      data: [
        { id: second.id, device: "Firefox", ip: "203.0.113.7", created_at: time, last_used_at: time, current: false },
        { id: first.id, device: "", ip: "", created_at: time, last_used_at: time, current: true },
      ],
      next_cursor: null,
    });
  });

  it("come in pages, and a wrong cursor is refused", async () => {
    const ada = await newcomer();
    const ids = [ada.id, (await login(ada.username)).id, (await login(ada.username)).id].reverse();
    const first = await get("/v1/auth/sessions?limit=2", ada.access);
    expect(first.body).toMatchObject({ data: [{ id: ids[0] }, { id: ids[1] }], next_cursor: ids[1] });
    const second = await get(`/v1/auth/sessions?limit=2&cursor=${ids[1]}`, ada.access);
    expect(second.body).toMatchObject({ data: [{ id: ids[2] }], next_cursor: null });
    expectCode(await get("/v1/auth/sessions?cursor=x", ada.access), 422, "validation_failed");
  });

  it("show neither what has ended nor what nobody has used for a week", async () => {
    const ada = await newcomer();
    const [ended, idle] = [await login(ada.username), await login(ada.username)];
    await end(ada, ended.id);
    const long = Date.now() - 7 * 24 * 3_600_000 - 1;
    await env.DB.prepare("UPDATE sessions SET rotated_at = ? WHERE id = ?").bind(long, idle.id).run();
    const got = await get("/v1/auth/sessions", ada.access);
    expect(got.body.data).toMatchObject([{ id: ada.id }]);
  });

  it("end one by one, the account told first", async () => {
    const ada = await newcomer();
    const phone = await login(ada.username);
    log.answer = refuse({ code: "unavailable" });
    expectCode(await end(ada, phone.id), 503, "unavailable");
    expect((await refreshWith(phone.refresh)).status).toBe(200);
    log.answer = { ok: true, value: null };
    expect((await end(ada, phone.id)).status).toBe(204);
    expect(log.sessions.at(-1)).toBe(phone.id);
    expectCode(await refreshWith(phone.refresh), 401, "session_revoked");
    expectCode(await get("/v1/me", phone.access), 401, "session_revoked");
    expect((await get("/v1/me", ada.access)).status).toBe(200);
    expect((await end(ada, phone.id)).status).toBe(204);
  });

  it("are not another's to end, nor what is no session", async () => {
    const [ada, eve] = [await newcomer(), await newcomer()];
    const told = log.sessions.length;
    for (const id of [ada.id, NOBODYS, "ses_1", "nonsense", "usr_01m0000000000000000000000z"]) {
      expectCode(await end(eve, id), 404, "not_found");
    }
    expect(log.sessions.length).toBe(told);
    expect((await get("/v1/me", ada.access)).status).toBe(200);
  });

  it("need a token", async () => {
    for (const [method, path] of [
      ["GET", "/v1/auth/sessions"],
      ["DELETE", `/v1/auth/sessions/${NOBODYS}`],
      ["GET", "/v1/auth/token"],
    ]) {
      expectCode(await call(app, String(method), String(path)), 401, "unauthenticated");
    }
  });
});

describe("the presented token", () => {
  it("J11 is active until its session ends, and then blacklisted", async () => {
    const ada = await newcomer();
    const before = await get("/v1/auth/token", ada.access);
    expect(before.body).toEqual({
      active: true,
      session_id: ada.id,
      expires_at: expect.stringMatching(/\.000Z$/),
      blacklisted: false,
    });
    await end(ada, ada.id);
    const after = await get("/v1/auth/token", ada.access);
    expect(after.status).toBe(200);
    expect(after.body).toMatchObject({ active: false, session_id: ada.id, blacklisted: true });
  });

  it("of a session that there never was is not active", async () => {
    const got = await get("/v1/auth/token", await operator());
    expect(got.body).toMatchObject({ active: false, blacklisted: false });
  });

  it("is not judged without D1", async () => {
    const quiet = vi.spyOn(console, "error").mockImplementation(() => {});
    expectCode(await get("/v1/auth/token", (await newcomer()).access, { env: AWAY }), 503, "unavailable");
    quiet.mockRestore();
  });
});

describe("KV", () => {
  const blacklisted = (id: string) => vi.waitFor(async () => expect(await env.SESSIONS.get(`ended:${id}`)).toBe("1"));

  it("hears of an end, for as long as a token of it may be good", async () => {
    const ada = await newcomer();
    await call(app, "POST", "/v1/auth/logout", { token: ada.access });
    await blacklisted(ada.id);
    const { keys } = await env.SESSIONS.list({ prefix: `ended:${ada.id}` });
    const left = (keys[0]?.expiration ?? 0) - Date.now() / 1_000;
    expect(left).toBeGreaterThan(600);
    expect(left).toBeLessThanOrEqual(661);
  });

  it("hears of all sessions that end together, but not of those without a token left", async () => {
    const ada = await newcomer();
    const [phone, old] = [await login(ada.username), await login(ada.username)];
    await env.DB.prepare("UPDATE sessions SET rotated_at = ? WHERE id = ?")
      .bind(Date.now() - 700_000, old.id)
      .run();
    await call(app, "POST", "/v1/auth/logout-all", { token: ada.access });
    await blacklisted(ada.id);
    await blacklisted(phone.id);
    expect(await env.SESSIONS.get(`ended:${old.id}`)).toBeNull();
  });

  it("hears of a reused refresh token", async () => {
    const ada = await newcomer();
    await refreshWith(ada.refresh);
    vi.useFakeTimers({ now: Date.now() + 10_001, toFake: ["Date"] });
    expectCode(await refreshWith(ada.refresh), 401, "refresh_token_reused");
    vi.useRealTimers();
    await blacklisted(ada.id);
  });

  it("J11 refuses what it has heard of before account and database are asked, and the use is counted", async () => {
    const ada = await newcomer();
    await env.SESSIONS.put(`ended:${ada.id}`, "1");
    for (const path of ["/v1/me", "/v1/auth/sessions"]) {
      expectCode(await get(path, ada.access, { env: AWAY }), 401, "session_revoked");
    }
    expect(log.refusedUses.slice(-2)).toEqual([ada.id, ada.id]);
  });

  it.each([
    ["fails", () => Promise.reject(new Error("KV GET failed: 503"))],
    ["hangs", () => new Promise(() => {})],
  ])("that %s keeps nobody out", async (_, answer) => {
    const quiet = vi.spyOn(console, "warn").mockImplementation(() => {});
    const ada = await newcomer();
    const broken = { SESSIONS: { get: answer, put: answer } };
    expect((await get("/v1/me", ada.access, { env: broken })).status).toBe(200);
    expect((await call(app, "POST", "/v1/auth/logout", { token: ada.access, env: broken })).status).toBe(204);
    quiet.mockRestore();
  });

  it("keeps a profile for as long as the access token, and answers it while D1 is away", async () => {
    const quiet = vi.spyOn(console, "error").mockImplementation(() => {});
    const ada = await newcomer();
    await vi.waitFor(async () => expect(await env.SESSIONS.get(`session:${ada.id}`)).not.toBeNull());
    const here = await get("/v1/me", ada.access);
    const away = await get("/v1/me", ada.access, { env: AWAY });
    expect(away.status).toBe(200);
    expect(away.body).toEqual(here.body);
    for (const kept of ["{}", "null", JSON.stringify({ id: "usr_1" })]) {
      await env.SESSIONS.put(`session:${ada.id}`, kept);
      expectCode(await get("/v1/me", ada.access, { env: AWAY }), 503, "unavailable");
    }
    quiet.mockRestore();
  });
});

describe("an operator", () => {
  it("sees a session, and once it has ended who ended it, when and why", async () => {
    const [ada, token] = [await newcomer(), await operator()];
    const path = `/v1/admin/sessions/${ada.id}`;
    const before = await get(path, token);
    expect(before.body).toMatchObject({ id: ada.id, active: true, blacklisted: false, ended: null });
    await call(app, "POST", "/v1/auth/logout", { token: ada.access });
    const after = await get(path, token);
    const at = expect.stringMatching(/Z$/);
    const ended = { at, reason: "logout", by: after.body.user_id, note: null, refused_uses: 0 };
    expect(after.body).toMatchObject({ active: false, blacklisted: true, ended });
    expectCode(await get("/v1/admin/sessions/nonsense", token), 404, "not_found");
    expectCode(await get(`/v1/admin/sessions/${NOBODYS}`, token), 404, "not_found");
  });

  it("ends one with a reason, account first, and it is kept", async () => {
    const [ada, token] = [await newcomer(), await operator()];
    const path = `/v1/admin/sessions/${ada.id}/revoke`;
    const json = { reason: "a stolen phone" };
    log.answer = refuse({ code: "unavailable" });
    expectCode(await call(app, "POST", path, { token, json }), 503, "unavailable");
    log.answer = { ok: true, value: null };
    expectCode(await call(app, "POST", path, { token, json: {} }), 422, "validation_failed");
    expect((await call(app, "POST", path, { token, json })).status).toBe(204);
    expectCode(await get("/v1/me", ada.access), 401, "session_revoked");
    const { body } = await get(`/v1/admin/sessions/${ada.id}`, token);
    expect(body.ended).toMatchObject({ reason: "operator", by: "usr_op", note: "a stolen phone" });
  });

  it("lists the blacklist's entries, page by page and by user", async () => {
    const [ada, token] = [await newcomer(), await operator()];
    const phone = await login(ada.username);
    await end(ada, phone.id);
    const user = String((await get(`/v1/admin/sessions/${ada.id}`, token)).body.user_id);
    const list = async (query: string) => {
      const got = await get(`/v1/admin/sessions?user_id=${user}${query}`, token);
      return (got.body.data as { id: string }[]).map(({ id }) => id);
    };
    expect(await list("")).toEqual([phone.id, ada.id]);
    expect(await list("&status=ended")).toEqual([phone.id]);
    expect(await list("&status=live")).toEqual([ada.id]);
    expect(await list(`&limit=1&cursor=${phone.id}`)).toEqual([ada.id]);
    expectCode(await get("/v1/admin/sessions?cursor=x", token), 422, "validation_failed");
  });

  it("reads how large the blacklist is and what it has refused", async () => {
    const token = await operator();
    await env.DB.prepare("DELETE FROM sessions").run();
    const [ada, bob, old] = [await newcomer(), await newcomer(), await newcomer()];
    await env.DB.prepare("UPDATE sessions SET rotated_at = ? WHERE id = ?")
      .bind(Date.now() - 700_000, old.id)
      .run();
    for (const who of [ada, bob, old]) await call(app, "POST", "/v1/auth/logout", { token: who.access });
    await env.DB.prepare("UPDATE sessions SET refused_uses = 3 WHERE id = ?").bind(ada.id).run();
    await env.DB.prepare("UPDATE sessions SET ended_reason = 'reuse' WHERE id = ?").bind(bob.id).run();
    const got = await get("/v1/admin/blacklist", token);
    expect(got.body).toMatchObject({
      size: 2,
      reasons: [
        { reason: "logout", entries: 2, refused_uses: 3 },
        { reason: "reuse", entries: 1, refused_uses: 0 },
      ],
    });
  });

  it("is nobody else", async () => {
    const ada = await newcomer();
    const admin = [`/v1/admin/sessions/${ada.id}`, "/v1/admin/sessions", "/v1/admin/blacklist"];
    for (const path of admin) {
      expectCode(await get(path, ada.access), 403, "forbidden");
      expectCode(await call(app, "GET", path), 401, "unauthenticated");
    }
    const json = { reason: "because" };
    const path = `/v1/admin/sessions/${ada.id}/revoke`;
    expectCode(await call(app, "POST", path, { token: ada.access, json }), 403, "forbidden");
  });
});
