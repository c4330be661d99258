// Who gives roles, and what becomes of those who get others.
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { byKey, newKey } from "../support/keys.ts";
import { person } from "../support/people.ts";
import { expectProblem, type Trader, trader } from "../support/session.ts";

const set = (by: Trader, who: Trader | string, roles: unknown, reason = "a drill") =>
  by.call("PUT", `/v1/admin/users/${typeof who === "string" ? who : who.userId}/roles`, { json: { roles, reason } });
const rolesOf = async ({ userId }: Trader) =>
  (await env.DB.prepare("SELECT roles FROM users WHERE id = ?").bind(userId).first<string>("roles")) ?? "";

let adam: Trader;
let ada: Trader;
beforeEach(async () => {
  await env.DB.exec("DELETE FROM sessions; DELETE FROM accounts; DELETE FROM users;");
  adam = await person(["customer", "admin"]);
  ada = await person(["customer"]);
});

describe("an admin", () => {
  it("F3 gives a user other roles: their sessions end, and the trail has it", async () => {
    expect((await ada.get("/v1/account")).status).toBe(200);
    const given = await set(adam, ada, ["customer", "support"], "joins the team");
    expect([given.status, given.body]).toEqual([200, { id: ada.userId, roles: ["customer", "support"] }]);
    expect(await rolesOf(ada)).toBe('["customer","support"]');
    expectProblem(await ada.get("/v1/account"), 401, "session_revoked");
    expectProblem(await ada.get("/v1/me"), 401, "session_revoked");
    const written = () =>
      env.DB.prepare("SELECT * FROM audit_events WHERE target LIKE ?").bind(`${ada.userId}%`).first<object>();
    await vi.waitFor(async () => expect(await written()).not.toBeNull(), 10_000);
    expect(await written()).toMatchObject({
      act: "user.roles",
      actor: adam.userId,
      target: `${ada.userId}/customer,support`,
      outcome: "ok",
      reason: "joins the team",
    });
  });

  it("takes the keys of whom is no customer any more", async () => {
    const [kept, lost] = [await newKey(ada), await newKey(await person())];
    expect((await set(adam, ada, ["customer", "support"])).status).toBe(200);
    expect((await byKey(kept, "GET", "/v1/account")).status).toBe(200);
    expect((await set(adam, ada, ["support"])).status).toBe(200);
    expectProblem(await byKey(kept, "GET", "/v1/account"), 401, "unauthenticated");
    expect((await byKey(lost, "GET", "/v1/account")).status).toBe(200);
  });

  it("changes nobody's that is their own, and nobody's that nobody is", async () => {
    expectProblem(await set(adam, adam, ["customer"]), 403, "forbidden");
    expectProblem(await set(adam, "usr_01k00000000000000000000000", ["customer"]), 404, "not_found");
    expectProblem(await set(adam, "ada", ["customer"]), 404, "not_found");
  });

  it.each([
    ["none", []],
    ["one twice", ["admin", "admin"]],
    ["one that there is not", ["root"]],
    ["text", "admin"],
  ])("gives no roles that are %s", async (_, roles) => {
    expectProblem(await set(adam, ada, roles), 422, "validation_failed");
  });

  it("Z5 is there always: two who take it from each other at once are not both heard", async () => {
    const eve = await person(["admin"]);
    const answers = await Promise.all([set(adam, eve, ["customer"]), set(eve, adam, ["customer"])]);
    expect(answers.map(({ status }) => status).sort()).not.toEqual([200, 200]);
    const left = [await rolesOf(adam), await rolesOf(eve)].filter((roles) => roles.includes("admin"));
    expect(left).toHaveLength(1);
  });

  it("is not taken from the last one, whatever a token says", async () => {
    const ghost = await trader({ roles: ["admin"] });
    expectProblem(await set(ghost, adam, ["customer"]), 409, "last_admin");
    expect(await rolesOf(adam)).toBe('["customer","admin"]');
  });
});

describe("nobody else", () => {
  it.each(["customer", "support", "operator"])("gives roles: %s", async (role) => {
    expectProblem(await set(await trader({ roles: [role] }), ada, ["admin"]), 403, "forbidden");
  });
});
