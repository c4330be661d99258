// The one end of a first step: a session, or with a second factor the question for its code.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { appWithRevokerLog, call } from "../../support/client.ts";

const PASSWORD = "correct horse battery";
const { app } = appWithRevokerLog();
const post = (path: string, json: object, headers = {}) => call(app, "POST", path, { json, headers });

async function newcomer(username: string): Promise<string> {
  const { body } = await post("/v1/auth/register", { email: `${username}@example.com`, username, password: PASSWORD });
  return (body as { user: { id: string } }).user.id;
}

const login = (username: string, headers = {}) =>
  post("/v1/auth/login", { login: username, password: PASSWORD }, headers);
const sessionsOf = (userId: string) =>
  env.DB.prepare("SELECT count(*) AS n FROM sessions WHERE user_id = ?").bind(userId).first("n");

describe("a right password", () => {
  it("opens a session when there is no second factor, nor one that was never confirmed", async () => {
    const id = await newcomer("enters");
    await env.DB.prepare("INSERT INTO mfa_factors (user_id, seed, created_at) VALUES (?, 'x', 0)").bind(id).run();
    const { status, body } = await login("enters");
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual(["access_token", "token_type", "expires_in", "refresh_token", "session_id"]);
  });

  it("T9 opens none when there is one: a token for the code, which is no access token and not stored as it is", async () => {
    const id = await newcomer("doubled");
    await env.DB.prepare("INSERT INTO mfa_factors (user_id, seed, created_at, confirmed_at) VALUES (?, 'x', 0, 1)")
      .bind(id)
      .run();
    for (const headers of [{}, { "X-Token-Transport": "cookie", Origin: "https://app.example.com" }]) {
      const got = await login("doubled", headers);
      expect(got).toMatchObject({
        status: 200,
        body: { mfa_required: true, mfa_token: expect.stringMatching(/^mfa_/) },
      });
      expect(Object.keys(got.body)).toEqual(["mfa_required", "mfa_token"]);
      expect(got.headers.get("Set-Cookie")).toBeNull();
      const token = String(got.body.mfa_token);
      expect((await call(app, "GET", "/v1/me", { token })).status).toBe(401);
      const stored = await env.DB.prepare("SELECT * FROM mfa_challenges WHERE user_id = ?").bind(id).all();
      expect(JSON.stringify(stored.results)).not.toContain(token);
    }
    expect(await sessionsOf(id)).toBe(0);
  });

  it("opens none for a user without a password, whose login is wrong like any other", async () => {
    const id = await newcomer("elsewhere");
    await env.DB.prepare("UPDATE users SET password_hash = NULL WHERE id = ?").bind(id).run();
    expect((await login("elsewhere")).body).toMatchObject({ status: 401, code: "invalid_credentials" });
  });
});
