// Idempotency-Key where no money moves: the first answer again, byte for byte, whoever asks at once and whatever dies.
import { env } from "cloudflare:workers";
import { z } from "@hono/zod-openapi";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ok } from "../../src/core/result.ts";
import { onceStore } from "../../src/domains/edge/gate.ts";
import { forgetKeys } from "../../src/domains/edge/scheduled.ts";
import { send } from "../../src/http/answer.ts";
import { configuration, requestContext } from "../../src/http/context.ts";
import { onError } from "../../src/http/fallback.ts";
import { answer, body, createRouter, idempotencyHeaders, operation, problems } from "../../src/http/openapi.ts";
import { call as callApp, NO_PORTS } from "../support/client.ts";
import { call, expectProblem, stopClock, trader } from "../support/session.ts";

const PASSWORD = "correct horse battery";
let names = 0;
const user = () => {
  names += 1;
  return { email: `once${names}@example.com`, username: `once${names}`, password: PASSWORD };
};
const register = (json: object, key: string, headers: Record<string, string> = {}) =>
  call("POST", "/v1/auth/register", { json, headers: { "Idempotency-Key": key, ...headers } });
const rows = async () =>
  (await env.DB.prepare("SELECT * FROM idempotency_keys").all<Record<string, string | number | null>>()).results;

afterEach(async () => {
  vi.useRealTimers();
  await env.DB.exec("DELETE FROM idempotency_keys");
});

describe("a sign-up", () => {
  it("is answered again byte for byte, and done once", async () => {
    const ada = user();
    const first = await register(ada, "k", { "X-Request-Id": "first" });
    expect([first.status, first.headers.get("Idempotency-Replayed")]).toEqual([201, null]);
    const again = await register(ada, "k");
    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    expect(again.headers.get("X-Request-Id")).toBe("first");
    // Order and blanks are not the body.
    const { email, username, password } = ada;
    const raw = ` {"password":"${password}", "username":"${username}","email":"${email}"}`;
    const headers = { "Idempotency-Key": "k", "Content-Type": "application/json" };
    expect((await call("POST", "/v1/auth/register", { raw, headers })).text).toBe(first.text);
    expect(JSON.stringify(await rows())).not.toContain(PASSWORD);
  });

  it("refused for good is refused again, also when it would be taken by then", async () => {
    const ada = user();
    await register(ada, "a");
    const taken = await register({ ...ada, username: `${ada.username}x` }, "b");
    expectProblem(taken, 409, "email_taken");
    await env.DB.prepare("UPDATE users SET email_canonical = 'moved' WHERE username = ?").bind(ada.username).run();
    const again = await register({ ...ada, username: `${ada.username}x` }, "b");
    expect([again.status, again.text]).toEqual([409, taken.text]);
    expect(again.headers.get("Content-Type")).toBe("application/problem+json");
  });

  it("under a key of another one is 422, and no schema error uses a key up", async () => {
    const ada = user();
    expectProblem(await register({ ...ada, email: "x" }, "k"), 422, "validation_failed");
    const first = await register(ada, "k");
    expect(first.status).toBe(201);
    expectProblem(await register(user(), "k"), 422, "idempotency_key_reused");
    expectProblem(await register({ ...ada, email: "x" }, "k"), 422, "validation_failed");
    for (const wrong of ["", "a b", "k".repeat(256)]) {
      expectProblem(await register(ada, wrong), 422, "validation_failed");
    }
    expect(await rows()).toHaveLength(1);
  });

  it("Z5 asked for ten times at once is done once: the others wait or get its answer", async () => {
    const ada = user();
    const all = await Promise.all(Array.from({ length: 10 }, () => register(ada, "k")));
    const made = all.filter(({ status }) => status === 201);
    expect(made.length).toBeGreaterThan(0);
    expect(new Set(made.map(({ text }) => text)).size).toBe(1);
    for (const other of all.filter(({ status }) => status !== 201)) expectProblem(other, 409, "idempotency_in_flight");
    expect((await register(ada, "k")).text).toBe(made[0]?.text);
  });

  it("whose first request died is in flight for a minute, then done again", async () => {
    const pass = stopClock();
    const ada = user();
    await register(ada, "k");
    await env.DB.exec("UPDATE idempotency_keys SET status = NULL, body = NULL");
    expectProblem(await register(ada, "k"), 409, "idempotency_in_flight");
    pass(59_999);
    expectProblem(await register(ada, "k"), 409, "idempotency_in_flight");
    expectProblem(await register(user(), "k"), 422, "idempotency_key_reused");
    pass(1);
    expectProblem(await register(ada, "k"), 409, "email_taken");
  });

  it("of another address has keys of its own, and without a key nothing is kept", async () => {
    const from = (ip: string) => ({ "CF-Connecting-IP": ip });
    const one = await register(user(), "k", from("10.1.0.1"));
    const two = await register(user(), "k", from("10.1.0.2"));
    expect([one.status, two.status]).toEqual([201, 201]);
    expect(one.text).not.toBe(two.text);
    await call("POST", "/v1/auth/register", { json: user() });
    expect(await rows()).toHaveLength(2);
  });

  it("with a key is 503 while D1 is away, and 429 before its key is looked at", async () => {
    await env.DB.exec("ALTER TABLE idempotency_keys RENAME TO elsewhere");
    expectProblem(await register(user(), "k"), 503, "unavailable");
    await env.DB.exec("ALTER TABLE elsewhere RENAME TO idempotency_keys");
    await env.LIMITER.getByName("ip/10.1.0.9").take("register", { units: 120, windowMs: 60_000 }, 120);
    expectProblem(await register(user(), "k", { "CF-Connecting-IP": "10.1.0.9" }), 429, "rate_limited");
    expect(await rows()).toEqual([]);
  });

  it("is remembered for a day", async () => {
    await register(user(), "k");
    await forgetKeys(env, Date.now() + 24 * 3_600_000);
    expect(await rows()).toHaveLength(1);
    await forgetKeys(env, Date.now() + 25 * 3_600_000 + 1);
    expect(await rows()).toEqual([]);
  });
});

describe("an operator's entry", () => {
  it("is made once for each operator", async () => {
    const [olivia, oscar] = [await trader({ roles: ["admin"] }), await trader({ roles: ["admin"] })];
    const json = { list: "deny", block: "203.0.113.0/24", reason: "r" };
    const add = (who: typeof olivia) =>
      who.call("POST", "/v1/admin/ip-rules", { json, headers: { "Idempotency-Key": "k" } });
    const first = await add(olivia);
    expect([first.status, (await add(olivia)).text]).toEqual([201, first.text]);
    expectProblem(await add(oscar), 409, "already_listed");
    expectProblem(
      await call("POST", "/v1/admin/ip-rules", { json, headers: { "Idempotency-Key": "k" } }),
      401,
      "unauthenticated",
    );
  });
});

describe("a route", () => {
  let done = 0;
  const route = (path: string, once: "kept" | "secret") =>
    operation({
      method: "post",
      path,
      access: "public",
      once,
      request: { headers: idempotencyHeaders, body: body(z.strictObject({ how: z.string() })) },
      responses: { 200: answer(z.object({ done: z.int() }), "How often"), ...problems() },
    });
  const app = createRouter();
  app.use(requestContext({ ...NO_PORTS, onceStore: () => onceStore(env) }), configuration);
  app.onError(onError);
  for (const kind of ["kept", "secret"] as const) {
    app.openapi(route(`/${kind}`, kind), (c) => {
      done += 1;
      const { how } = c.req.valid("json");
      if (how === "throw") throw new Error("a bug");
      const code = how as "unavailable" | "unauthenticated" | "forbidden";
      return send(c, how === "ok" ? ok(done) : { ok: false, refusal: { code } }, (count) => ({ done: count }), 200);
    });
  }
  const ask = (path: string, how: string) =>
    callApp(app, "POST", path, { json: { how }, headers: { "Idempotency-Key": "k" } });

  it("that shows a secret does not keep its answer, and does nothing twice", async () => {
    const before = done;
    const first = await ask("/secret", "ok");
    expect([first.status, first.body.done]).toEqual([200, before + 1]);
    const again = await ask("/secret", "ok");
    expect(again.body).toMatchObject({ status: 409, code: "idempotency_answer_not_kept" });
    expect(again.headers.get("Idempotency-Replayed")).toBeNull();
    expect((await ask("/secret", "other")).body).toMatchObject({ status: 422, code: "idempotency_key_reused" });
    expect(done).toBe(before + 1);
    expect((await rows()).map(({ status, body }) => [status, body])).toEqual([[200, ""]]);
  });

  it("that shows a secret leaves its key free while none was shown", async () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => undefined);
    for (const how of ["unavailable", "unauthenticated", "already_listed", "throw"]) {
      expect((await ask("/secret", how)).status).toBeGreaterThanOrEqual(400);
      expect(await rows()).toEqual([]);
    }
    expect((await ask("/secret", "ok")).status).toBe(200);
    error.mockRestore();
  });

  it("that shows a secret tells two at once apart", async () => {
    const before = done;
    const all = await Promise.all(Array.from({ length: 5 }, () => ask("/secret", "ok")));
    expect(all.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const { status, body } of all) {
      if (status !== 200) expect(body.code).toMatch(/^idempotency_(in_flight|answer_not_kept)$/);
    }
    expect(done).toBe(before + 1);
  });

  it.each(["unavailable", "unauthenticated", "forbidden", "throw"])("does not keep %s", async (how) => {
    const error = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const before = done;
    const [one, two] = [await ask("/kept", how), await ask("/kept", how)];
    expect([done - before, one.status === two.status, one.headers.get("Idempotency-Replayed")]).toEqual([
      2,
      true,
      null,
    ]);
    expect(await rows()).toEqual([]);
    error.mockRestore();
  });
});
