// Closing an account while something is away: it is closed whole, or not at all.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { ok, refuse } from "../../../src/core/result.ts";
import { appWithRevokerLog, call } from "../../support/client.ts";

const PASSWORD = "correct horse battery";
const { app, log } = appWithRevokerLog();
const post = (path: string, json: object) => call(app, "POST", path, { json });

it("leaves everything as it was while the account cannot be told, and goes through on the next try", async () => {
  const person = { email: "staying@example.com", username: "staying", password: PASSWORD };
  const made = await post("/v1/auth/register", person);
  const { account_id } = made.body.user as { account_id: string };
  const login = () => post("/v1/auth/login", { login: "staying", password: PASSWORD });
  const token = String((await login()).body.access_token);
  const close = () => call(app, "DELETE", "/v1/me", { token, json: { password: PASSWORD } });
  const lastStatus = async () => {
    const { data } = await env.ACCOUNT.getByName(account_id).journal({ limit: 50, cursor: null });
    return data
      .join()
      .match(/\\?"status\\?":\\?"(active|frozen)/g)
      ?.at(-1);
  };
  log.answer = refuse({ code: "unavailable" });
  expect((await close()).body).toMatchObject({ status: 503, code: "unavailable" });
  expect(await lastStatus()).toContain("active");
  expect((await login()).status).toBe(200);
  log.answer = ok(null);
  expect((await close()).status).toBe(204);
  expect(await lastStatus()).toContain("frozen");
  expect((await login()).body).toMatchObject({ status: 401, code: "invalid_credentials" });
  const told = env.DB.prepare("SELECT subject FROM mails WHERE recipient = ?").bind(person.email);
  await vi.waitFor(async () => expect(await told.first("subject")).toBe("Your account has been closed"), {
    timeout: 15_000,
    interval: 200,
  });
});

it("is refused while a deposit is on its way: the money would come to nobody", async () => {
  const person = { email: "early@example.com", username: "early", password: PASSWORD };
  const { account_id: accountId } = (await post("/v1/auth/register", person)).body.user as { account_id: string };
  const token = String((await post("/v1/auth/login", { login: "early", password: PASSWORD })).body.access_token);
  const close = () => call(app, "DELETE", "/v1/me", { token, json: { password: PASSWORD } });
  const account = env.ACCOUNT.getByName(accountId);
  await runInDurableObject(account as DurableObjectStub, (object) => {
    const config = loadConfig((object as unknown as { env: object }).env);
    config.transfers = { ...config.transfers, provider: "stripe" };
  });
  const wish = { kind: "deposit", asset: "USD", amount: 1_000_000n } as const;
  const caller = { accountId, sessionId: "ses_1", issuedAtMs: Date.now() };
  const { result } = await account.transfer(caller, wish, null);
  if (!result.ok) throw new Error(result.refusal.code);
  expect((await close()).body).toMatchObject({ status: 409, code: "account_not_empty" });
  await account.decideTransfer(result.value.id, { outcome: "failed", ref: null, failure: "not_begun" });
  expect((await close()).status).toBe(204);
});
