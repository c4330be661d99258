// One person on two devices: what one of them ends can do nothing from the next call on, in every part of the exchange.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { call, expectProblem } from "../support/session.ts";
import { AccountStream } from "../support/stream.ts";

const PASSWORD = "correct horse battery";

interface Device {
  token: string;
  refresh: string;
  id: string;
}

async function login(): Promise<Device> {
  const { body } = await call<Record<string, string>>("POST", "/v1/auth/login", {
    json: { login: "grace", password: PASSWORD },
  });
  return { token: String(body.access_token), refresh: String(body.refresh_token), id: String(body.session_id) };
}

beforeAll(async () => {
  const json = { email: "grace@example.com", username: "grace", password: PASSWORD };
  expect((await call("POST", "/v1/auth/register", { json })).status).toBe(201);
});

describe("a session that its owner ends from another one", () => {
  it("F3 loses its sockets, its money and everything else at once; the other keeps them", async () => {
    const [phone, laptop] = [await login(), await login()];
    const [ended, kept] = [await AccountStream.open(phone), await AccountStream.open(laptop)];
    const deposit = { json: { asset: "USD", amount: "10" } };
    expect((await call("POST", "/v1/account/deposits", { token: phone.token, ...deposit })).status).toBe(201);
    expect((await call("DELETE", `/v1/auth/sessions/${phone.id}`, { token: laptop.token })).status).toBe(204);
    expect(await ended.closed).toMatchObject({ code: 4001 });
    const { token } = phone;
    expectProblem(await call("POST", "/v1/account/deposits", { token, ...deposit }), 401, "session_revoked");
    for (const path of ["/v1/account", "/v1/orders", "/v1/me", "/v1/auth/sessions"]) {
      expectProblem(await call("GET", path, { token }), 401, "session_revoked");
    }
    const json = { refresh_token: phone.refresh };
    expectProblem(await call("POST", "/v1/auth/refresh", { json }), 401, "session_revoked");
    expect((await call("GET", "/v1/me", { token: laptop.token })).status).toBe(200);
    const listed = await call<{ data: { id: string }[] }>("GET", "/v1/auth/sessions", { token: laptop.token });
    expect(listed.body.data.map(({ id }) => id)).toEqual([laptop.id]);
    expect(await kept.subscribe(["orders"])).toHaveLength(1);
    kept.close();
  });

  it("F7 is out where no account is asked too when KV has not heard of it, and counted there when it has", async () => {
    const [phone, laptop] = [await login(), await login()];
    await call("DELETE", `/v1/auth/sessions/${phone.id}`, { token: laptop.token });
    await vi.waitFor(async () => expect(await env.SESSIONS.get(`ended:${phone.id}`)).toBe("1"));
    const uses = async () =>
      (await env.DB.prepare("SELECT refused_uses AS n FROM sessions WHERE id = ?").bind(phone.id).first())?.n;
    const tries = await Promise.all(Array.from({ length: 5 }, () => call("GET", "/v1/me", { token: phone.token })));
    for (const one of tries) expectProblem(one, 401, "session_revoked");
    await vi.waitFor(async () => expect(await uses()).toBe(5), 10_000);
    await env.SESSIONS.delete(`ended:${phone.id}`);
    expectProblem(await call("GET", "/v1/me", { token: phone.token }), 401, "session_revoked");
    await scheduler.wait(1_500);
    expect(await uses()).toBe(5);
  });
});
