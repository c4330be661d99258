// Every route as every kind of caller (API1, API5): who may call it gets what its sample says, nobody else gets in.
import { beforeAll, describe, expect, it } from "vitest";
import { createApp } from "../../src/app.ts";
import { mayByRole, ROLES } from "../../src/core/permissions.ts";
import { type DeclaredRoute, declaredRoutes } from "../../src/http/declared.ts";
import { person } from "../support/people.ts";
import { makeThings, requestOf, SAMPLES, type Things } from "../support/samples.ts";
import { call, type Trader } from "../support/session.ts";

const ROUTES = declaredRoutes(createApp());
const named = (route: DeclaredRoute) => [`${route.method} ${route.path}`, route] as const;
const STAFF = ROLES.filter((role) => role !== "customer");
let things: Things;
let people: Record<string, Trader>;
let ended: Trader;

beforeAll(async () => {
  things = await makeThings();
  const other = await person();
  await other.deposit("1000");
  people = { owner: things.owner, other };
  for (const role of STAFF) people[role] = await person([role]);
  ended = await person([...ROLES]);
  expect((await ended.call("POST", "/v1/auth/logout")).status).toBe(204);
});

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
      const right = !may
        ? 403
        : name === "owner"
          ? answers
          : roles.length > 0
            ? answersOf(access, answers, others)
            : others;
      expected[name] = right;
      const { token } = ends && may ? await person(roles.length === 0 ? ["customer"] : roles) : who;
      got[name] = await answered(route, token, right);
    }
    expect(got).toEqual(expected);
  });
});

/** What staff get: of a customer's routes what any other person gets, of their own what the sample says. */
function answersOf(access: Parameters<typeof mayByRole>[0], answers: Expected, others: Expected): Expected {
  return mayByRole(access, ["customer"]) ? others : answers;
}
