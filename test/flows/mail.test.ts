// From sign-up to a new password through the whole Worker: its queue, its consumer and its mailbox.
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { consumeDeadLetters } from "../../src/projections/dead-letters.ts";
import { batchOf } from "../projections/queue.ts";
import { call, expectProblem, trader } from "../support/session.ts";
import { AccountStream } from "../support/stream.ts";

const EMAIL = "barbara@example.com";
const PASSWORD = "correct horse battery";
const NEXT = "staple of another kind";

interface LocalMail {
  kind: string;
  text: string;
}

/** The token of the last e-mail of a kind, once it is there: the queue takes its time. */
function tokenOf(kind: string): Promise<string> {
  return vi.waitFor(
    async () => {
      const { body } = await call<{ data: LocalMail[] }>("GET", `/v1/dev/mailbox?to=${EMAIL}`);
      const token = /#token=(\S+)/.exec(body.data.find((mail) => mail.kind === kind)?.text ?? "")?.[1];
      if (token === undefined) throw new Error(`no ${kind} yet`);
      return token;
    },
    { timeout: 20_000, interval: 200 },
  );
}

const post = (path: string, json: object) => call("POST", path, { json });
const login = async (password: string) => {
  const { body } = await post("/v1/auth/login", { login: EMAIL, password });
  return { token: String(body.access_token) };
};

it("an address is verified and a forgotten password replaced, which ends sockets and money at once", async () => {
  await post("/v1/auth/register", { email: EMAIL, username: "barbara", password: PASSWORD });
  expect((await post("/v1/auth/email/verify", { token: await tokenOf("verify_email") })).status).toBe(204);
  const before = await login(PASSWORD);
  const { user } = (await call<{ user: object }>("GET", "/v1/me", before)).body;
  expect(user).toMatchObject({ email_verified: true });
  const deposit = { json: { asset: "USD", amount: "10" } };
  expect((await call("POST", "/v1/account/deposits", { ...before, ...deposit })).status).toBe(201);
  expect((await call("POST", "/v1/account/withdrawals", { ...before, ...deposit })).status).toBe(201);
  const stream = await AccountStream.open(before);
  expect((await post("/v1/auth/password/forgot", { email: EMAIL })).status).toBe(202);
  const token = await tokenOf("reset_password");
  expect((await post("/v1/auth/password/reset", { token, password: NEXT })).status).toBe(204);
  expect(await stream.closed).toMatchObject({ code: 4001 });
  expectProblem(await call("POST", "/v1/account/deposits", { ...before, ...deposit }), 401, "session_revoked");
  expectProblem(await post("/v1/auth/login", { login: EMAIL, password: PASSWORD }), 401, "invalid_credentials");
  const after = await login(NEXT);
  expect((await call("POST", "/v1/account/deposits", { ...after, ...deposit })).status).toBe(201);
});

it("an e-mail that its queue has given up on is kept, and goes back to that queue", async () => {
  const quiet = vi.spyOn(console, "error").mockImplementation(() => {});
  const user = await env.DB.prepare("SELECT id FROM users WHERE username = 'barbara'").first();
  const wish = { v: 1, id: "mal_dead", seed: "s".repeat(43), kind: "password_changed", userId: user?.id };
  const { batch } = batchOf([wish], "tradepost-mail-dlq");
  await consumeDeadLetters(batch, { DB: env.DB });
  const operator = await trader({ roles: ["operator"] });
  const { body } = await operator.get<{ data: { id: string; queue: string; reason: string }[] }>(
    "/v1/admin/dead-letters",
  );
  expect(body.data[0]).toMatchObject({ queue: "tradepost-mail-dlq", reason: "not done in all its tries" });
  const path = `/v1/admin/dead-letters/${body.data[0]?.id}/replay`;
  expect((await operator.call("POST", path, { json: { reason: "a drill" } })).status).toBe(202);
  const sent = () => env.DB.prepare("SELECT status FROM mails WHERE id = 'mal_dead'").first();
  await vi.waitFor(async () => expect(await sent()).toEqual({ status: "sent" }), { timeout: 20_000, interval: 200 });
  quiet.mockRestore();
});
