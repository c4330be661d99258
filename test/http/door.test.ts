// Who is let through a route's door, and who is asked: KV's blacklist, the caller's account, or neither.
import { env } from "cloudflare:workers";
import { createRoute, z } from "@hono/zod-openapi";
import { beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { ok, type Refusal, refuse } from "../../src/core/result.ts";
import { send } from "../../src/http/answer.ts";
import type { AuditEvent } from "../../src/http/audit.ts";
import type { Access } from "../../src/http/auth.ts";
import { configuration, requestContext } from "../../src/http/context.ts";
import { declaredRoutes } from "../../src/http/declared.ts";
import { answer, createRouter, operation, problems } from "../../src/http/openapi.ts";
import { signAccessToken } from "../../src/http/tokens.ts";
import { call, NO_PORTS } from "../support/client.ts";

const AWAY: Refusal = { code: "unavailable" };
let asked: string[] = [];
let account: Refusal | null = null;
let blacklisted = false;
/** Whether nobody can say which addresses are verified, and what the audit trail has heard. */
let nobodyTells = false;
let trail: AuditEvent[] = [];
beforeEach(() => {
  nobodyTells = false;
  trail = [];
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
  emailVerified: () => async (userId: string) => (nobodyTells ? refuse(AWAY) : ok(userId === "usr_since")),
  audit: () => async (event: AuditEvent) => void trail.push(event),
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

/** What a route declares of its door. */
type Door = { access: Access; asksAccount?: true; tellsAccount?: true; verifiedEmail?: true };
const ACT: Door = { access: "orders:trade", asksAccount: true };
const LIVE: Door = { access: "profile:read" };
const OPS: Door = { access: "ops:read" };

function appWith(door: Door) {
  const app = createRouter();
  app.use(requestContext(ports), configuration);
  const route = operation({
    method: "get",
    path: "/it",
    ...door,
    responses: { 200: answer(z.object({}), "Done"), ...problems("session_revoked") },
  });
  app.openapi(route, (c) => send(c, ok(null), () => ({}), 200));
  return app;
}

async function enter(door: Door, { roles = ["customer"], emailVerified = true, userId = "usr_1" } = {}) {
  const subject = { userId, accountId: "acc_1", sessionId: "ses_1", roles, emailVerified };
  const token = await signAccessToken(loadConfig(env), subject, Date.now());
  const { status, body } = await call(appWith(door), "GET", "/it", { token, env: { SESSIONS } });
  return [status, body.code, asked];
}

const operator = { roles: ["operator"] };
describe("a route whose act asks the account", () => {
  it.each([ACT, { ...ACT, verifiedEmail: true } as const])(
    "asks neither KV nor the account before it: %o",
    async (door) => {
      blacklisted = true;
      expect(await enter(door)).toEqual([200, undefined, []]);
    },
  );

  it("asks the account, and no act, for a caller who may not", async () => {
    const verified: Door = { ...ACT, verifiedEmail: true };
    expect(await enter(verified, { emailVerified: false })).toEqual([403, "email_not_verified", ["account"]]);
    expect((await enter(ACT, { roles: ["support"] })).slice(0, 2)).toEqual([403, "forbidden"]);
  });

  it("looks whether an address has been verified since the token was made, and says what to do where not", async () => {
    const verified: Door = { ...ACT, verifiedEmail: true };
    const who = { emailVerified: false, userId: "usr_since" };
    expect(await enter(verified, who)).toEqual([200, undefined, []]);
    nobodyTells = true;
    expect((await enter(verified, who)).slice(0, 2)).toEqual([503, "unavailable"]);
    expect((await enter(verified, { ...who, emailVerified: true })).slice(0, 2)).toEqual([200, undefined]);
  });
});

describe("a route for everybody with a live session, or for operators", () => {
  it.each([
    [LIVE, {}],
    [OPS, operator],
  ] as const)("asks KV, then the account: %o", async (door, who) => {
    expect(await enter(door, who)).toEqual([200, undefined, ["KV", "account"]]);
  });

  it.each([
    [LIVE, {}],
    [OPS, operator],
  ] as const)(
    "wakes no account for a session that KV knows to have ended, and counts its use: %o",
    async (door, who) => {
      blacklisted = true;
      expect(await enter(door, who)).toEqual([401, "session_revoked", ["KV", "count"]]);
    },
  );

  it("tells the audit trail of who has no right to what staff may, and of nobody else", async () => {
    expect((await enter(OPS)).slice(0, 2)).toEqual([403, "forbidden"]);
    expect(trail).toMatchObject([
      { act: "admin.refused", actor: "usr_1", actorKind: "user", target: "GET /it", outcome: "forbidden" },
    ]);
    await enter(OPS, operator);
    await enter(LIVE, { roles: ["none"] });
    account = { code: "session_revoked" };
    await enter(OPS);
    expect(trail).toHaveLength(1);
  });

  it("says that a session has ended before it says that a role is missing", async () => {
    account = { code: "session_revoked" };
    expect((await enter(OPS)).slice(0, 2)).toEqual([401, "session_revoked"]);
  });

  it.each([
    [LIVE, {}],
    [OPS, operator],
    [OPS, {}],
  ] as const)("answers nothing while the account is away: %s %o", async (door, who) => {
    account = AWAY;
    expect((await enter(door, who)).slice(0, 2)).toEqual([503, "unavailable"]);
  });
});

describe("a signed-in caller's route that tells the account itself", () => {
  it("is left to its act while the account is away, without KV", async () => {
    account = AWAY;
    expect(await enter({ access: "sessions:manage", tellsAccount: true })).toEqual([200, undefined, ["account"]]);
  });
});

describe("a route that declares nothing", () => {
  const declared = { method: "get", path: "/bare", responses: { 200: { description: "Done" } } } as const;

  it("cannot be made", () => {
    expect(() => operation({ ...declared } as never)).toThrow("get /bare does not declare who may call it");
    expect(() => operation({ ...declared, access: "everybody" } as never)).toThrow("does not declare");
  });

  it("does not mount, by whatever way it came", () => {
    const bare = createRouter();
    bare.get("/bare/:id", (c) => c.text("open to all"));
    expect(() => declaredRoutes(bare)).toThrow("get /bare/{id} does not declare who may call it");
    const routed = createRouter();
    routed.openapi(createRoute(declared), (c) => c.text("open to all"));
    expect(() => declaredRoutes(routed)).toThrow("get /bare does not declare who may call it");
    expect(() => declaredRoutes(appWith(LIVE))).not.toThrow();
  });

  it("has, when staff change something with it, a name in the audit trail", () => {
    const act = { ...declared, method: "post", access: "ops:act" } as const;
    expect(() => operation(act)).toThrow("has no name in the audit trail");
  });
});
