// What asks for a fresh password or code, and how one is given.
import { env } from "cloudflare:workers";
import { Secret, TOTP } from "otpauth";
import { beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { verifyAccessToken } from "../../src/http/tokens.ts";
import { anotherToken, call, expectProblem, stopClock, trader } from "../support/session.ts";

const PASSWORD = "correct horse battery";
const TEN_MINUTES = 600_000;
let pass: (ms: number) => void;
beforeAll(() => {
  pass = stopClock();
});

const post = (path: string, json: object, token?: string) =>
  call("POST", path, { json, ...(token === undefined ? {} : { token }) });
const withdraw = (token: string, amount = "1") => post("/v1/account/withdrawals", { asset: "USD", amount }, token);
const authTimeOf = (token: string): unknown =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).auth_time;

interface Tokens {
  access: string;
  refresh: string;
}

/** One with a verified address, some money, and a session as old as the test. */
async function newcomer(username: string): Promise<Tokens & { id: string }> {
  const made = await post("/v1/auth/register", { email: `${username}@example.com`, username, password: PASSWORD });
  const { id } = (made.body as { user: { id: string } }).user;
  await env.DB.prepare("UPDATE users SET email_verified = 1 WHERE id = ?").bind(id).run();
  const tokens = await login(username);
  await post("/v1/account/deposits", { asset: "USD", amount: "100" }, tokens.access);
  return { id, ...tokens };
}

async function login(username: string): Promise<Tokens> {
  const { body } = await post("/v1/auth/login", { login: username, password: PASSWORD });
  return { access: String(body.access_token), refresh: String(body.refresh_token) };
}

async function refreshed({ refresh }: Tokens): Promise<Tokens> {
  const { body } = await post("/v1/auth/refresh", { refresh_token: refresh });
  return { access: String(body.access_token), refresh: String(body.refresh_token) };
}

describe("a withdrawal", () => {
  it("is let through within ten minutes of a login, and not after; a refresh changes nothing of that", async () => {
    const ada = await newcomer("fresh");
    expect(authTimeOf(ada.access)).toBe(Math.floor(Date.now() / 1_000));
    expect((await withdraw(ada.access)).status).toBe(201);
    pass(TEN_MINUTES - 5_000);
    const still = await refreshed(ada);
    expect(authTimeOf(still.access)).toBe(authTimeOf(ada.access));
    expect((await withdraw(still.access)).status).toBe(201);
    pass(6_000);
    expectProblem(await withdraw(still.access), 403, "step_up_required");
    const later = await refreshed(still);
    expectProblem(await withdraw(later.access), 403, "step_up_required");
    expect((await post("/v1/account/deposits", { asset: "USD", amount: "1" }, later.access)).status).toBe(201);
  });

  it("is refused to a token that does not say when, and before anything of the request is looked at", async () => {
    const one = await trader({ usd: "10" });
    const old = await anotherToken(one);
    expect((await verifyAccessToken(loadConfig(env), old, Date.now())).ok).toBe(true);
    expectProblem(await withdraw(old), 403, "step_up_required");
    const bad = await call("POST", "/v1/account/withdrawals", { token: old, raw: "{" });
    expectProblem(bad, 403, "step_up_required");
    expectProblem(
      await call("POST", "/v1/account/withdrawals", { token: `${old}x`, raw: "{" }),
      401,
      "unauthenticated",
    );
  });

  it("tells an unverified address first", async () => {
    const one = await trader({ emailVerified: false });
    expectProblem(await withdraw(one.token), 403, "email_not_verified");
  });

  it("is refused to a session from before it was kept when its password was given", async () => {
    const ada = await newcomer("from-before");
    await env.DB.prepare("UPDATE sessions SET auth_at = NULL WHERE user_id = ?").bind(ada.id).run();
    const next = await refreshed(ada);
    expect(authTimeOf(next.access)).toBeUndefined();
    expectProblem(await withdraw(next.access), 403, "step_up_required");
  });
});

describe("POST /v1/auth/step-up", () => {
  it("takes the password, and its token and those after it count for ten minutes", async () => {
    const ada = await newcomer("stepping");
    pass(TEN_MINUTES + 1_000);
    const stale = await refreshed(ada);
    expectProblem(await post("/v1/auth/step-up", { password: "not this one" }, stale.access), 422, "wrong_password");
    const got = await post("/v1/auth/step-up", { password: PASSWORD }, stale.access);
    expect(Object.keys(got.body)).toEqual(["access_token", "token_type", "expires_in", "session_id"]);
    expectProblem(await withdraw(stale.access), 403, "step_up_required");
    expect((await withdraw(String(got.body.access_token))).status).toBe(201);
    const next = await refreshed(stale);
    expect((await withdraw(next.access)).status).toBe(201);
    pass(TEN_MINUTES + 1_000);
    expectProblem(await withdraw((await refreshed(next)).access), 403, "step_up_required");
  });

  it("wants one of password and code, and the one that this user has", async () => {
    const { access } = await newcomer("choosing");
    for (const json of [
      {},
      { password: PASSWORD, code: "123456" },
      { code: "123456" },
      { password: PASSWORD, roles: [] },
    ])
      expectProblem(await post("/v1/auth/step-up", json, access), 422, "validation_failed");
  });

  it("T9 wants a code where there is a second factor, not the password alone", async () => {
    const ada = await newcomer("doubly");
    const begun = await post("/v1/auth/mfa/totp", { password: PASSWORD }, ada.access);
    const secret = Secret.fromBase32(String(begun.body.secret));
    const code = () => TOTP.generate({ secret, timestamp: Date.now() });
    const on = await post("/v1/auth/mfa/totp/confirm", { code: code() }, ada.access);
    const [recovery] = on.body.recovery_codes as string[];
    pass(TEN_MINUTES + 1_000);
    const stale = await refreshed(ada);
    expectProblem(await post("/v1/auth/step-up", { password: PASSWORD }, stale.access), 422, "validation_failed");
    const shown = code();
    const got = await Promise.all(
      Array.from({ length: 15 }, () => post("/v1/auth/step-up", { code: shown }, stale.access)),
    );
    expect(got.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 14 }, () => 401)]);
    expectProblem(await post("/v1/auth/step-up", { code: shown }, stale.access), 401, "invalid_code");
    expect((await post("/v1/auth/step-up", { code: recovery }, stale.access)).status).toBe(200);
  });

  it("is refused to an ended session, and to strangers", async () => {
    const ada = await newcomer("ended");
    await post("/v1/auth/logout", {}, ada.access);
    expectProblem(await post("/v1/auth/step-up", { password: PASSWORD }, ada.access), 401, "session_revoked");
    expectProblem(await post("/v1/auth/step-up", { password: PASSWORD }), 401, "unauthenticated");
  });
});
