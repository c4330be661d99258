// The operators' lists of addresses.
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { readLists } from "../../src/domains/edge/ip-lists.ts";
import { type Answer, call, expectProblem, type Trader, trader, type WirePage } from "../support/session.ts";

interface Rule {
  id: string;
  list: string;
  block: string;
  reason: string;
  created_by: string;
}

const olivia: Trader = await trader({ roles: ["customer", "admin"] });
const from = (ip: string, path = "/v1/assets") => call("GET", path, { headers: { "CF-Connecting-IP": ip } });
const add = (list: string, block: string, headers: Record<string, string> = {}) =>
  olivia.call<Rule>("POST", "/v1/admin/ip-rules", { json: { list, block, reason: "a test" }, headers });

afterEach(async () => {
  vi.useRealTimers();
  await env.DB.exec("DELETE FROM ip_rules");
  await readLists(env);
});

describe("an address that is shut out", () => {
  it.each([
    ["203.0.113.0/24", "203.0.113.9", "203.0.114.9"],
    ["203.0.113.7", "203.0.113.7", "203.0.113.8"],
    ["2001:DB8::/32", "2001:db8:1::1", "2001:db9::1"],
    ["203.0.113.0/24", "::ffff:203.0.113.9", "::ffff:203.0.114.9"],
  ])("by %s is 403 everywhere: %s, but not %s", async (block, inside, outside) => {
    expect((await add("deny", block)).status).toBe(201);
    for (const path of [
      "/v1/assets",
      "/healthz",
      "/nowhere",
      "/docs/errors/forbidden",
      "/v1/account",
      "/v1/stream/account",
    ]) {
      expectProblem(await from(inside, path), 403, "forbidden");
    }
    const headers = { "CF-Connecting-IP": inside };
    expectProblem(await olivia.call("GET", "/v1/account", { headers }), 403, "forbidden");
    expectProblem(await call("POST", "/v1/orders", { raw: "x".repeat(70_000), headers }), 413, "payload_too_large");
    expect((await from(outside)).status).toBe(200);
    expect((await call("GET", "/v1/assets", { headers: { "X-Forwarded-For": inside } })).status).toBe(200);
  });

  it("is let in by an allow block, whatever else shuts it out", async () => {
    await add("deny", "0.0.0.0/0");
    expectProblem(await from("8.8.8.8"), 403, "forbidden");
    expect((await from("2001:db8::1")).status).toBe(200);
    await add("allow", "8.8.8.0/24");
    expect((await from("8.8.8.8")).status).toBe(200);
    expectProblem(await from("8.8.4.4"), 403, "forbidden");
  });
});

describe("the lists", () => {
  it("are read, added to and taken from, each with a reason that the trail keeps", async () => {
    const made = await add("deny", "203.0.113.0/24");
    const rule = { list: "deny", block: "203.0.113.0/24", reason: "a test", created_by: olivia.userId };
    expect(made.body).toMatchObject(rule);
    const listed = await olivia.get<WirePage<Rule>>("/v1/admin/ip-rules");
    expect(listed.body).toMatchObject({ data: [rule], next_cursor: null });
    const path = `/v1/admin/ip-rules/${made.body.id}`;
    expectProblem(await olivia.call("DELETE", path), 422, "validation_failed");
    expect((await olivia.call("DELETE", `${path}?reason=over`)).status).toBe(204);
    expectProblem(await olivia.call("DELETE", `${path}?reason=over`), 404, "not_found");
    expect((await from("203.0.113.9")).status).toBe(200);
    await vi.waitFor(
      async () => {
        const { results } = await env.DB.prepare(
          "SELECT act, target, outcome, reason FROM audit_events WHERE act LIKE 'ip_rule.%' AND actor = ? ORDER BY id",
        )
          .bind(olivia.userId)
          .all();
        expect(results).toContainEqual({ act: "ip_rule.remove", target: made.body.id, outcome: "ok", reason: "over" });
        const target = '{"list":"deny","block":"203.0.113.0/24"}';
        expect(results).toContainEqual({ act: "ip_rule.add", target, outcome: "ok", reason: "a test" });
      },
      { timeout: 15_000, interval: 200 },
    );
  });

  it.each([
    "10.0.0.1/8",
    "10.0.0.0/33",
    "::/129",
    "example.com",
    "",
    "10.0.0.0/8 ",
    "0x7f.1",
    "2130706433",
    "fe80::1%eth0",
  ])("have no entry for %j", async (block) => {
    const got = await add("deny", block);
    expectProblem(got, 422, "validation_failed");
    expect(got.body.errors).toEqual([{ pointer: "/block", code: "invalid_block", detail: expect.any(String) }]);
  });

  it("have a block once, and keep an operator from shutting out themselves", async () => {
    const fieldOf = (got: Answer<Rule>) => (got.body.errors as { code: string }[] | undefined)?.[0]?.code;
    await add("deny", "2001:db8::/32");
    expectProblem(await add("allow", "2001:0DB8:0::/32"), 409, "already_listed");
    const home = { "CF-Connecting-IP": "198.51.100.7" };
    expect(fieldOf(await add("deny", "198.51.0.0/16", home))).toBe("own_address");
    const allowed = await add("allow", "198.51.100.7", home);
    expect((await add("deny", "198.51.0.0/16", home)).status).toBe(201);
    const path = `/v1/admin/ip-rules/${allowed.body.id}?reason=over`;
    expect(fieldOf(await olivia.call("DELETE", path, { headers: home }))).toBe("own_address");
  });

  it("are for operators alone", async () => {
    const ada = await trader();
    const json = { list: "deny", block: "10.0.0.0/8", reason: "r" };
    expectProblem(await call("GET", "/v1/admin/ip-rules"), 401, "unauthenticated");
    expectProblem(await ada.get("/v1/admin/ip-rules"), 403, "forbidden");
    expectProblem(await call("POST", "/v1/admin/ip-rules", { json }), 401, "unauthenticated");
    expectProblem(await ada.call("POST", "/v1/admin/ip-rules", { json }), 403, "forbidden");
    expectProblem(await ada.call("DELETE", "/v1/admin/ip-rules/ipr_1?reason=r"), 403, "forbidden");
    expectProblem(await olivia.call("POST", "/v1/admin/ip-rules", { raw: "{" }), 415, "unsupported_media_type");
  });

  it("count in other isolates after half a minute, and stay as they were while D1 is away", async () => {
    const insert = "INSERT INTO ip_rules VALUES ('ipr_1', 'deny', '203.0.113.0/24', 'r', 'usr_1', 1)";
    await env.DB.prepare(insert).run();
    expect((await from("203.0.113.9")).status).toBe(200);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 31_000 });
    await from("203.0.113.9");
    await vi.waitFor(async () => expect((await from("203.0.113.9")).status).toBe(403));
    await env.DB.exec("ALTER TABLE ip_rules RENAME TO elsewhere");
    vi.setSystemTime(Date.now() + 31_000);
    for (let time = 0; time < 5; time += 1) expect((await from("203.0.113.9")).status).toBe(403);
    vi.setSystemTime(Date.now() + 31_000);
    expect((await from("203.0.113.9")).status).toBe(403);
    await env.DB.exec("ALTER TABLE elsewhere RENAME TO ip_rules");
  });
});
