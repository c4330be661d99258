// How often passwords may be tried where somebody is signed in, and how often e-mails may be asked for and their tokens used.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
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
  accountId: string;
  token: string;
}

async function newcomer(username: string): Promise<Person> {
  const made = await post("/v1/auth/register", { email: `${username}@example.com`, username, password: PASSWORD });
  const { user } = made.body as { user: { id: string; account_id: string } };
  const { body } = await post("/v1/auth/login", { login: username, password: PASSWORD });
  return { id: user.id, accountId: user.account_id, token: String(body.access_token) };
}

const change = ({ token }: Person, current_password: string) =>
  call("PUT", "/v1/auth/password", { token, json: { current_password, new_password: NEXT } });

describe("a wrong current password", () => {
  it("counts as a wrong login does, and locks both; the right one is not told then", async () => {
    const ada = await newcomer("changing");
    expectProblem(await change(ada, "wrong password 1"), 422, "wrong_password");
    const { local } = POLICIES.login_failures;
    for (let time = 0; time < 8; time += 1)
      await env.LIMITER.getByName(`name/${ada.id}`).settle("login_failures", local, true);
    expectProblem(await change(ada, "wrong password 2"), 422, "wrong_password");
    expectLimited(await change(ada, PASSWORD), "login_failures");
    expectLimited(await post("/v1/auth/login", { login: "changing", password: PASSWORD }), "login_failures");
    pass(local.windowMs);
    expect((await change(await relogged("changing"), PASSWORD)).status).toBe(204);
  });

  async function relogged(username: string): Promise<Person> {
    const { body } = await post("/v1/auth/login", { login: username, password: PASSWORD });
    return { id: "", accountId: "", token: String(body.access_token) };
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
