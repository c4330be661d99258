// Every route as every kind of caller (API1, API5): who may call it gets what its sample says, nobody else gets in.
import { beforeAll, describe, expect, it } from "vitest";
import { createApp } from "../../src/app.ts";
import { mayByRole, PERMISSIONS, ROLES, SCOPES, type Scope } from "../../src/core/permissions.ts";
import { type DeclaredRoute, declaredRoutes } from "../../src/http/declared.ts";
import { newKey } from "../support/keys.ts";
import { person } from "../support/people.ts";
import { makeThings, requestOf, SAMPLES, type Things } from "../support/samples.ts";
import { call, type Trader } from "../support/session.ts";

const ROUTES = declaredRoutes(createApp());
const named = (route: DeclaredRoute) => [`${route.method} ${route.path}`, route] as const;
const STAFF = ROLES.filter((role) => role !== "customer");
let things: Things;
let people: Record<string, Trader>;
let ended: Trader;
/** Keys of the owner's by their one scope. */
let keys: Record<string, string>;
const FORGED = `tp_live_${"0".repeat(101)}_000000`;

beforeAll(async () => {
  things = await makeThings();
  const made = SCOPES.map(async (scope) => [scope, (await newKey(things.owner, { scopes: [scope] })).key]);
  keys = Object.fromEntries(await Promise.all(made));
  const other = await person();
  await other.deposit("1000");
  people = { owner: things.owner, other };
  for (const role of STAFF) people[role] = await person([role]);
  ended = await person([...ROLES]);
  expect((await ended.call("POST", "/v1/auth/logout")).status).toBe(204);
});

/** How keys are answered, one of each scope and one that is none: by the route's own scope as the owner is by session. */
async function keyed(route: DeclaredRoute, scope: Scope | null, answers: Expected) {
  const { method, path, options } = requestOf(route, things);
  const ask = async (key: string | undefined, right: Expected) => {
    const answer = await call(method, path, { ...options, headers: { ...options.headers, "X-Api-Key": key ?? "" } });
    if (right === 403) expect(answer.body.code).toBe(scope === null ? "forbidden" : "missing_scope");
    return Array.isArray(right) && right.includes(answer.status) ? right : answer.status;
  };
  const expected: Record<string, Expected> = { forged: 401 };
  const got: Record<string, Expected> = { forged: await ask(FORGED, 401) };
  for (const one of SCOPES) {
    const right = one === scope ? answers : 403;
    expected[one] = right;
    got[one] = await ask(keys[one], right);
  }
  return { expected, got };
}

/** How a caller is answered: `as it should` where that is one of several ways. */
async function answered(route: DeclaredRoute, token: string | undefined, expected: Expected): Promise<Expected> {
  const { method, path, options } = requestOf(route, things);
  const got = await call(method, path, { ...options, ...(token === undefined ? {} : { token }) });
  return Array.isArray(expected) && expected.includes(got.status) ? expected : got.status;
}

type Expected = number | readonly number[];

describe("the matrix", () => {
  it("has a sample for every route that there is, and for none that there is not", () => {
    for (const route of ROUTES) expect(() => requestOf(route, things)).not.toThrow();
    const names = new Set(ROUTES.map(({ method, path }) => `${method} ${path}`));
    expect(Object.keys(SAMPLES).filter((name) => !names.has(name))).toEqual([]);
    expect(ROUTES.length).toBeGreaterThan(60);
  });

  it("fails for a new route that it cannot ask for", () => {
    const known = ROUTES.find(({ path }) => path === "/v1/orders/{id}");
    const unknown = { ...(known as DeclaredRoute), path: "/v1/new/{id}" };
    expect(() => requestOf(unknown, things)).toThrow("get /v1/new/{id}: ");
  });

  it.each(ROUTES.filter(({ access }) => access === "public").map(named))("%s is public", async (_, route) => {
    const { answers } = requestOf(route, things).sample;
    expect(await answered(route, undefined, answers)).toEqual(answers);
  });

  it.each(ROUTES.filter(({ access }) => access !== "public").map(named))("%s is for who may", async (_, route) => {
    const { access } = route;
    if (access === "public") return;
    const { answers, others = answers, ends, ended: late = 401 } = requestOf(route, things).sample;
    const expected: Record<string, Expected> = { anonymous: 401, ended: late };
    const got: Record<string, Expected> = {
      anonymous: await answered(route, undefined, 401),
      ended: await answered(route, ended.token, late),
    };
    for (const [name, who] of Object.entries(people)) {
      const roles = STAFF.filter((role) => role === name);
      const may = mayByRole(access, roles.length === 0 ? ["customer"] : roles);
      const right = !may ? 403 : name === "owner" ? answers : others;
      expected[name] = right;
      const { token } = ends && may ? await person(roles.length === 0 ? ["customer"] : roles) : who;
      got[name] = await answered(route, token, right);
    }
    expect(got).toEqual(expected);
    const byKey = await keyed(route, PERMISSIONS[access].scope, answers);
    expect(byKey.got).toEqual(byKey.expected);
  });
});
