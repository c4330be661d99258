// How often passwords may be tried where somebody is signed in, and how often e-mails may be asked for and their tokens used.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { POLICIES, type PolicyName } from "../../src/core/policies.ts";
import { type Answer, call, expectProblem, stopClock } from "../support/session.ts";

const PASSWORD = "correct horse battery";
const NEXT = "staple of another kind";
let pass: (ms: number) => void;
beforeAll(() => {
  pass = stopClock();
});

let addresses = 0;
function newAddress(): string {
  addresses += 1;
  return `10.11.0.${addresses}`;
}

const post = (path: string, json: object, ip = newAddress(), token?: string) => {
  const headers = { "CF-Connecting-IP": ip };
  return call("POST", path, { json, headers, ...(token === undefined ? {} : { token }) });
};

/** Leaves one unit of a policy. */
async function leaveOne(policy: PolicyName, key: string): Promise<void> {
  const { per, local } = POLICIES[policy];
  await env.LIMITER.getByName(`${per}/${key}`).take(policy, local, local.units - 1);
}

function expectLimited(got: Answer<Record<string, unknown>>, policy: PolicyName): void {
  expectProblem(got, 429, "rate_limited");
  expect(got.body).toMatchObject({ policy });
}

interface Person {
  id: string;
  name: string;
  accountId: string;
  token: string;
}

async function newcomer(username: string): Promise<Person> {
  const made = await post("/v1/auth/register", { email: `${username}@example.com`, username, password: PASSWORD });
  const { user } = made.body as { user: { id: string; account_id: string } };
  const { body } = await post("/v1/auth/login", { login: username, password: PASSWORD });
  return { id: user.id, name: username, accountId: user.account_id, token: String(body.access_token) };
}

const change = ({ token }: Person, current_password: string) =>
  call("PUT", "/v1/auth/password", { token, json: { current_password, new_password: NEXT } });

describe("a wrong current password", () => {
  /** As many failures as leave one. */
  async function failAllButOne(ada: Person, policy: "login_failures" | "own_password_failures", left = 1) {
    const { local } = POLICIES[policy];
    for (let time = left; time < local.units; time += 1)
      await env.LIMITER.getByName(`name/${ada.id}`).settle(policy, local, true);
  }

  it("counts as strictly as a wrong login does; the right one is not told then", async () => {
    const ada = await newcomer("changing");
    expectProblem(await change(ada, "wrong password 1"), 422, "wrong_password");
    await failAllButOne(ada, "own_password_failures", 2);
    expectProblem(await change(ada, "wrong password 2"), 422, "wrong_password");
    expectLimited(await change(ada, PASSWORD), "own_password_failures");
    expectLimited(
      await post("/v1/auth/step-up", { password: PASSWORD }, newAddress(), ada.token),
      "own_password_failures",
    );
    expect((await relogged("changing")).token).toMatch(/^ey/);
    pass(POLICIES.own_password_failures.local.windowMs);
    expect((await change(await relogged("changing"), PASSWORD)).status).toBe(204);
  });

  it("of strangers who try to sign in does not keep an owner in a session from anything", async () => {
    const ada = await newcomer("besieged");
    await failAllButOne(ada, "login_failures", 0);
    expectLimited(await post("/v1/auth/login", { login: "besieged", password: PASSWORD }), "login_failures");
    const asked = (path: string, json: object) => post(path, json, newAddress(), ada.token);
    expect((await asked("/v1/auth/step-up", { password: PASSWORD })).status).toBe(200);
    expect((await asked("/v1/auth/mfa/totp", { password: PASSWORD })).status).toBe(200);
    expect((await change(ada, PASSWORD)).status).toBe(204);
    const json = { password: NEXT };
    expect((await call("DELETE", "/v1/me", { token: ada.token, json })).status).toBe(204);
  });

  it.each([
    ["login", "login_failures", (ada: Person) => post("/v1/auth/login", { login: ada.name, password: "wrong one!" })],
    ["password", "own_password_failures", (ada: Person) => change(ada, "wrong one!")],
  ] as const)("that locks is told once while it lasts, to the user and the trail: %s", async (what, policy, fail) => {
    const ada = await newcomer(`locked_${what}`);
    await failAllButOne(ada, policy);
    expect((await fail(ada)).status).not.toBe(429);
    // The first failures are forgiven one by one: others may follow, and lock again.
    await env.LIMITER.getByName(`name/${ada.id}`).settle(policy, { units: 11, windowMs: 900_000 }, true);
    expectLimited(await fail(ada), policy);
    const kinds = () =>
      call("GET", `/v1/dev/mailbox?to=${ada.name}@example.com`).then(({ body }) =>
        (body as { data: { kind: string; text: string }[] }).data.filter(({ kind }) => kind === "locked"),
      );
    await vi.waitFor(async () => expect(await kinds()).toHaveLength(1), { timeout: 15_000, interval: 200 });
    const events = await vi.waitFor(
      async () => {
        const found = env.DB.prepare("SELECT target, outcome FROM audit_events WHERE act = ? AND target = ?");
        const { results } = await found.bind(`${what}.lock`, ada.id).all();
        expect(results).not.toEqual([]);
        return results;
      },
      { timeout: 15_000, interval: 200 },
    );
    expect(events).toEqual([{ target: ada.id, outcome: "ok" }]);
  });

  async function relogged(username: string): Promise<Person> {
    const { body } = await post("/v1/auth/login", { login: username, password: PASSWORD });
    return { id: "", name: username, accountId: "", token: String(body.access_token) };
  }

  it("is asked for only so often, before anything is looked at", async () => {
    const ada = await newcomer("asked");
    await leaveOne("password_check", ada.accountId);
    const bad = () => call("PUT", "/v1/auth/password", { token: ada.token, raw: "{" });
    expectProblem(await bad(), 415, "unsupported_media_type");
    expectLimited((await bad()) as Answer<Record<string, unknown>>, "password_check");
  });
});

describe("e-mails", () => {
  const forgot = (email: string, ip?: string) => post("/v1/auth/password/forgot", { email }, ip);

  it("go to one address only so often, whoever asks, whoever has it and however it is written", async () => {
    await newcomer("forgetful");
    for (const email of ["forgetful@example.com", "nobody@example.com"]) {
      await leaveOne("mail_to", `email/${email}`);
      expect((await forgot(email)).status).toBe(202);
      expectLimited(await forgot(email.toUpperCase()), "mail_to");
    }
    expect((await forgot("another@example.com")).status).toBe(202);
  });

  it("go to one person only so often when asked for again", async () => {
    const ada = await newcomer("resending");
    const resend = () => post("/v1/auth/email/resend", {}, newAddress(), ada.token);
    await leaveOne("mail_to", `user/${ada.id}`);
    expect((await resend()).status).toBe(202);
    expectLimited(await resend(), "mail_to");
  });

  it.each([
    ["mail", "/v1/auth/password/forgot", { email: "one@example.com" }, 202],
    ["mail_token", "/v1/auth/email/verify", { token: "none" }, 401],
    ["mail_token", "/v1/auth/password/reset", { token: "none", password: NEXT }, 401],
  ] as const)("and their tokens are %s by address: POST %s", async (policy, path, json, status) => {
    const ip = newAddress();
    await leaveOne(policy, ip);
    expect((await post(path, json, ip)).status).toBe(status);
    expectLimited(await post(path, json, ip), policy);
    expect((await post(path, json)).status).toBe(status);
  });
});
