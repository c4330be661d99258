// Who is let through a route's door, and who is asked: KV's blacklist, the caller's account, or neither.
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { loadConfig } from "../../src/config.ts";
import { ok, type Refusal, refuse } from "../../src/core/result.ts";
import { send } from "../../src/http/answer.ts";
import type { Access } from "../../src/http/auth.ts";
import { configuration, requestContext } from "../../src/http/context.ts";
import { answer, createRouter, operation, problems } from "../../src/http/openapi.ts";
import { signAccessToken } from "../../src/http/tokens.ts";
import { call, NO_PORTS } from "../support/client.ts";

let asked: string[] = [];
let account: Refusal | null = null;
let blacklisted = false;
beforeEach(() => {
  asked = [];
  account = null;
  blacklisted = false;
});

const SESSIONS = {
  get: async () => {
    asked.push("KV");
    return blacklisted ? "1" : null;
  },
};

const ports = {
  ...NO_PORTS,
  sessionAuthority: () => ({
    ...NO_PORTS.sessionAuthority(env),
    admit: async () => {
      asked.push("account");
      return account === null ? ok(null) : refuse(account);
    },
    noteRefusedUse: async () => {
      asked.push("count");
    },
  }),
};

function appWith(access: Access, asksAccount: boolean) {
  const app = createRouter();
  app.use(requestContext(ports), configuration);
  const route = operation({
    method: "get",
    path: "/it",
    access,
    ...(asksAccount ? { asksAccount } : {}),
    responses: { 200: answer(z.object({}), "Done"), ...problems("session_revoked") },
  });
  app.openapi(route, (c) => send(c, ok(null), () => ({}), 200));
  return app;
}

async function enter(access: Access, { asksAccount = false, roles = ["customer"] } = {}) {
  const subject = { userId: "usr_1", accountId: "acc_1", sessionId: "ses_1", roles, emailVerified: true };
  const token = await signAccessToken(loadConfig(env), subject, Date.now());
  const { status, body } = await call(appWith(access, asksAccount), "GET", "/it", { token, env: { SESSIONS } });
  return [status, body.code, asked];
}

const operator = { roles: ["operator"] };
const AWAY: Refusal = { code: "unavailable" };

describe("a route whose act asks the account", () => {
  it.each(["signed_in", "verified_email"] as const)("asks neither KV nor the account before it: %s", async (access) => {
    blacklisted = true;
    expect(await enter(access, { asksAccount: true })).toEqual([200, undefined, []]);
  });
});

describe("a route for everybody with a live session, or for operators", () => {
  it.each([
    ["live_session", {}],
    ["operator", operator],
  ] as const)("asks KV, then the account: %s", async (access, who) => {
    expect(await enter(access, who)).toEqual([200, undefined, ["KV", "account"]]);
  });

  it.each([
    ["live_session", {}],
    ["operator", operator],
  ] as const)(
    "wakes no account for a session that KV knows to have ended, and counts its use: %s",
    async (access, who) => {
      blacklisted = true;
      expect(await enter(access, who)).toEqual([401, "session_revoked", ["KV", "count"]]);
    },
  );

  it("says that a session has ended before it says that a role is missing", async () => {
    account = { code: "session_revoked" };
    expect((await enter("operator")).slice(0, 2)).toEqual([401, "session_revoked"]);
  });

  it.each([
    ["live_session", {}],
    ["operator", operator],
    ["operator", {}],
  ] as const)("answers nothing while the account is away: %s %o", async (access, who) => {
    account = AWAY;
    expect((await enter(access, who)).slice(0, 2)).toEqual([503, "unavailable"]);
  });
});

describe("a signed-in caller's route that tells the account itself", () => {
  it("is left to its act while the account is away, without KV", async () => {
    account = AWAY;
    expect(await enter("signed_in")).toEqual([200, undefined, ["account"]]);
  });
});
