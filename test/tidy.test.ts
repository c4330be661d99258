// The shape of the source, held: who may import whom, how long things may be, and what may not be written at all. A rule
// that proves wrong is changed here, with a page in docs/adr that says why; it is not worked around.
import { describe, expect, it } from "vitest";
import { JOURNAL_QUEUE_WAIT_MS } from "../src/core/limits.ts";
import { readSources, readText, type Source, sourceOf } from "./support/source.ts";
import { bindingComplaints, bindingsOf, complaintsOf } from "./support/tidy.ts";

const ROOT = new URL("..", import.meta.url).pathname;

function complaintsAbout(path: string, text: string): string[] {
  return complaintsOf(sourceOf(path, text));
}

/** A module with a function of so many lines. */
function functionOf(lines: number): string {
  return `export function long() {\n${"  work();\n".repeat(lines - 2)}}\n`;
}

describe("the tree", () => {
  const sources = readSources(ROOT);

  it("is really read", () => {
    const paths = sources.map(({ path }) => path);
    for (const path of ["src/worker.ts", "src/app.ts", "scripts/start.mjs", "test/tidy.test.ts"])
      expect(paths).toContain(path);
  });

  it("is tidy", () => {
    expect(sources.flatMap(complaintsOf)).toEqual([]);
  });

  it("reads each binding in one place, and docs/storage.md names it", () => {
    const toml = readText(ROOT, "wrangler.toml");
    expect(bindingsOf(toml)).toEqual(
      expect.arrayContaining(["ACCOUNT", "MARKET", "DB", "JOURNAL", "SESSIONS", "MAIL"]),
    );
    expect(bindingComplaints(toml, sources, readText(ROOT, "docs/storage.md"))).toEqual([]);
  });
});

describe("wrangler.toml", () => {
  it("has the journal's queue wait for as long as a consumer goes on after it has asked that queue to go on", () => {
    const [, seconds] =
      /queue = "tradepost-journal"\nmax_batch_size = \d+\nmax_batch_timeout = (\d+)\n/.exec(
        readText(ROOT, "wrangler.toml"),
      ) ?? [];
    expect(Number(seconds) * 1_000).toBe(JOURNAL_QUEUE_WAIT_MS);
  });
});

describe("the checklist of attacks", () => {
  const lines = readText(ROOT, "docs/testing.md").split("\n");
  const families = lines.flatMap((line) => {
    const [, family, rows = "", cases = "", files = ""] =
      /^\| ([A-Z]) \|[^|]+\| ([^|]+) \| (\d+) \| (.+) \|$/.exec(line) ?? [];
    return family === undefined ? [] : [{ family, rows, cases: Number(cases), files }];
  });

  it("is really read", () => {
    expect(families.map(({ family }) => family).join("")).toBe("PEJROFTKCNZ");
  });

  it.each(families)("$family: each row has a test, and there are as many as docs/testing.md says", (one) => {
    const names = [...one.files.matchAll(/`([^`]+)`/g)].flatMap(([, file]) => {
      const titles = readText(ROOT, `test/${file}.test.ts`).matchAll(/["`]((?:[A-Z]\d+ )+)/g);
      return [...titles].flatMap(([, ids = ""]) => ids.trim().split(" "));
    });
    const found = names.filter((id) => id.startsWith(one.family));
    const wanted = one.rows.split(", ").flatMap((range) => {
      const [first = 0, last = first] = range.split("–").map(Number);
      return Array.from({ length: last - first + 1 }, (_, at) => `${one.family}${first + at}`);
    });
    expect(wanted.filter((id) => !found.includes(id))).toEqual([]);
    expect(found.length).toBeGreaterThanOrEqual(one.cases);
  });
});

describe("who may import whom", () => {
  it.each([
    ["src/core/a.ts", "hono"],
    ["src/core/a.ts", "node:crypto"],
    ["src/core/a.ts", "../config.ts"],
    ["src/core/account/a.ts", "../../objects/protocol.ts"],
    ["src/objects/protocol.ts", "./stubs.ts"],
    ["src/objects/stubs.ts", "./platform.ts"],
    ["src/objects/timers.ts", "node:crypto"],
    ["src/objects/account/logic.ts", "cloudflare:workers"],
    ["src/objects/account/logic.ts", "../stubs.ts"],
    ["src/objects/account/logic.ts", "../platform.ts"],
    ["src/objects/account/shell.ts", "../market/logic.ts"],
    ["src/objects/account/shell.ts", "../../db/client.ts"],
    ["src/db/client.ts", "../http/answer.ts"],
    ["src/bindings/kv.ts", "../db/client.ts"],
    ["src/projections/apply.ts", "../objects/account/logic.ts"],
    ["src/projections/apply.ts", "../domains/ops/service.ts"],
    ["src/adapters/mail.ts", "../http/context.ts"],
    ["src/adapters/mail.ts", "cockatiel"],
    ["src/http/auth.ts", "../domains/identity/service.ts"],
    ["src/http/auth.ts", "../db/client.ts"],
    ["src/http/auth.ts", "../objects/stubs.ts"],
    ["src/domains/orders/service.ts", "../account/service.ts"],
    ["src/domains/orders/service.ts", "../../objects/account/logic.ts"],
    ["src/domains/orders/service.ts", "../../config.ts"],
    ["src/domains/orders/service.ts", "hono"],
    ["src/domains/orders/service.ts", "node:crypto"],
    ["src/domains/orders/schema.ts", "hono"],
    ["src/domains/orders/routes.ts", "drizzle-orm"],
    ["src/domains/orders/routes.ts", "../../db/client.ts"],
    ["src/domains/orders/admin-routes.ts", "../../db/client.ts"],
    ["src/app.ts", "./domains/orders/service.ts"],
    ["src/app.ts", "./db/client.ts"],
    ["src/worker.ts", "./core/money.ts"],
    ["src/worker.ts", "./domains/orders/routes.ts"],
    ["src/core/a.ts", "../../test/support/book.ts"],
  ])("%s may not import %s", (path, target) => {
    const statements = [`import "${target}";`, `import type { A } from "${target}";`, `export { A } from "${target}";`];
    for (const statement of [...statements, `type A = import("${target}").A;`, `await import("${target}");`]) {
      expect(complaintsAbout(path, statement)).toEqual([expect.stringContaining(`${path}: may not import`)]);
    }
  });

  it.each([
    ["src/core/account/a.ts", "../money.ts"],
    ["src/core/a.ts", "zod"],
    ["src/objects/platform.ts", "node:crypto"],
    ["src/objects/account/logic.ts", "./store.ts"],
    ["src/objects/account/logic.ts", "../outbox.ts"],
    ["src/objects/account/shell.ts", "cloudflare:workers"],
    ["src/objects/account/shell.ts", "../stubs.ts"],
    ["src/projections/apply.ts", "drizzle-orm/sqlite-core"],
    ["src/http/openapi.ts", "hono/combine"],
    ["src/domains/orders/service.ts", "drizzle-orm"],
    ["src/domains/identity/password.ts", "node:crypto"],
    ["src/domains/orders/routes.ts", "@hono/zod-openapi"],
    ["src/domains/orders/admin-routes.ts", "hono"],
    ["src/app.ts", "./domains/orders/routes.ts"],
    ["src/worker.ts", "./objects/account/shell.ts"],
  ])("%s may import %s", (path, target) => {
    expect(complaintsAbout(path, `import "${target}";`)).toEqual([]);
  });

  it.each(["src/domains/gossip/routes.ts", "src/stray.ts", "src/services/a.ts"])("%s has no row", (path) => {
    expect(complaintsAbout(path, "")).toEqual([`${path}: has no row in the import table`]);
  });
});

describe("what may not be written", () => {
  it.each([
    ["src/core/a.ts", "Date.now in core", "export const at = Date.now();"],
    ["src/core/a.ts", "Date.now in core", "export const clock = Date.now;"],
    ["src/core/a.ts", "the clock in core", "export const at = new Date();"],
    ["src/core/a.ts", "the clock in core", "export const at = Date();"],
    ["src/core/a.ts", "Math.random in core", "export const luck = Math.random();"],
    ["src/core/a.ts", "crypto in core", "export const id = crypto.randomUUID();"],
    ["src/core/a.ts", "crypto in core", "export const has = { crypto };"],
    ["src/core/a.ts", "performance in core", "export const at = performance.now();"],
    ["src/core/a.ts", "caches in core", "export const a = (caches as Store).default;"],
    ["src/core/a.ts", "setTimeout in core", "setTimeout(work, 1);"],
    ["src/core/a.ts", "console in core", "console.log(1);"],
    ["src/http/a.ts", "a network call outside of adapters/outside.ts", 'await fetch("https://example.com");'],
    ["src/adapters/mail/a.ts", "a network call outside of adapters/outside.ts", "await fetch(url, { method });"],
    ["src/adapters/mail/a.ts", "a network call outside of adapters/outside.ts", "await globalThis.fetch(url);"],
    ["src/adapters/mail/a.ts", "a network call outside of adapters/outside.ts", "const call = fetch;"],
    ["src/domains/orders/routes.ts", "reads env.DB", "use(c.env.DB);"],
    ["src/domains/orders/admin-routes.ts", "reads env.DB", "use(c.env.DB);"],
    ["src/domains/orders/routes.ts", "unpacks env", "const { DB } = c.env;"],
    ["src/http/a.ts", "export *", 'export * from "./b.ts";'],
    ["src/http/a.ts", "any", "export const a: any = 1;"],
    ["test/a.test.ts", "any", "const a = b as any;"],
    ["src/http/a.ts", "non-null !", "export const a = b!;"],
    ["src/http/a.ts", "non-null !", "export class A { a!: string }"],
    ["src/http/a.ts", "TODO", "// TODO later"],
    ["scripts/a.mjs", "FIXME", "// FIXME"],
    ["src/http/a.ts", "a function of 71 lines, at most 70", functionOf(71)],
    [
      "scripts/a.mjs",
      "a function of 71 lines",
      `export const a = {\n  long: async () => {\n${"    work();\n".repeat(69)}  },\n};\n`,
    ],
  ])("%s: %s", (path, complaint, text) => {
    expect(complaintsAbout(path, text)).toEqual([expect.stringContaining(complaint)]);
  });

  it("a file of 301 lines", () => {
    expect(complaintsAbout("src/http/a.ts", "work();\n".repeat(301))).toEqual([
      "src/http/a.ts: 301 lines, at most 300",
    ]);
  });

  it.each(["utils", "helpers", "common", "lib"])("a folder called %s", (name) => {
    expect(complaintsAbout(`test/${name}/a.ts`, "")).toEqual([expect.stringContaining(`a folder called ${name}`)]);
  });

  it.each([
    ["src/core/a.ts", "export const at = new Date(ms).toISOString();"],
    ["src/core/a.ts", "export const a = { process: 1, fetch: b.fetch };"],
    ["src/core/a.ts", "export interface A { crypto: string; random: (process: number) => void }"],
    ["src/domains/orders/routes.ts", "use({ env: c.env });"],
    ["src/domains/orders/service.ts", "use(env.DB);"],
    ["src/adapters/outside.ts", 'await fetch("https://example.com");'],
    ["src/adapters/mail.ts", "await account.fetch(request); export default { fetch: (request) => request };"],
  ])("but in %s this is fine: %s", (path, text) => {
    expect(complaintsAbout(path, text)).toEqual([]);
  });

  it("but 70 lines of a function, 300 of a file, and more in a test or in the list of limits are fine", () => {
    expect(complaintsAbout("src/http/a.ts", functionOf(70))).toEqual([]);
    expect(complaintsAbout("src/http/a.ts", "work();\n".repeat(300))).toEqual([]);
    expect(complaintsAbout("src/core/limits.ts", "export const A_MAX = 1;\n".repeat(301))).toEqual([]);
    expect(complaintsAbout("test/a.test.ts", "work();\n".repeat(301))).toEqual([]);
  });
});

describe("bindings", () => {
  const TOML =
    '[[d1_databases]]\nbinding = "DB"\ndatabase_name = "x"\n[vars]\nname = "no"\n[[durable_objects.bindings]]\nname = "ACCOUNT"\n';
  const db: Source = sourceOf("src/db/client.ts", "export const open = (env) => drizzle(env.DB);");
  const stubs: Source = sourceOf("src/objects/stubs.ts", "export const find = ({ ACCOUNT }) => ACCOUNT;");
  const page = "`DB` and `ACCOUNT`";

  it("are found in wrangler.toml, of every kind", () => {
    expect(bindingsOf(TOML)).toEqual(["DB", "ACCOUNT"]);
  });

  it("may each be read in one file that the page names", () => {
    expect(bindingComplaints(TOML, [db, stubs], page)).toEqual([]);
  });

  it("may not be read by nobody, nor by two, nor go unnamed", () => {
    expect(bindingComplaints(TOML, [db], page)).toEqual(["ACCOUNT is read in 0 files: none"]);
    const second = sourceOf("src/http/a.ts", 'use(env["DB"]);');
    expect(bindingComplaints(TOML, [db, stubs, second], page)).toEqual([
      "DB is read in 2 files: src/db/client.ts, src/http/a.ts",
    ]);
    expect(bindingComplaints(TOML, [db, stubs], "`DB`")).toEqual(["docs/storage.md does not name ACCOUNT"]);
  });
});
