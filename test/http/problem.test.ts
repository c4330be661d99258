// The problem contract that every route inherits.

import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { ok, refuse } from "../../src/core/result.ts";
import { send } from "../../src/http/answer.ts";
import { sizeLimit } from "../../src/http/body.ts";
import { configuration, requestContext } from "../../src/http/context.ts";
import { notFound, onError } from "../../src/http/fallback.ts";
import { answer, body, createRouter, decimalIn, operation, pageQuery, problems } from "../../src/http/openapi.ts";
import { CATALOGUE, problemOf } from "../../src/http/problem.ts";
import { type Answer, appWithRevokerLog, call, NO_PORTS } from "../support/client.ts";

const echo = operation({
  method: "post",
  path: "/echo/{id}",
  access: "public",
  request: {
    params: z.object({ id: z.string().regex(/^[a-z]+$/) }),
    query: pageQuery,
    body: body(z.strictObject({ amount: decimalIn, note: z.unknown().optional() })),
  },
  responses: { 200: answer(z.object({ amount: z.string(), limit: z.int() }), "The same again"), ...problems() },
});
const fail = operation({
  method: "get",
  path: "/fail/{how}",
  access: "public",
  request: { params: z.object({ how: z.enum(["throw", "funds", "away", "busy"]) }) },
  responses: { 200: answer(z.object({}), "Never"), ...problems("insufficient_funds", "unavailable", "rate_limited") },
});

function tinyApp() {
  const app = createRouter();
  app.use(requestContext(NO_PORTS), configuration, sizeLimit);
  app.onError(onError);
  app.openapi(echo, (c) => {
    const value = { amount: c.req.valid("json").amount, limit: c.req.valid("query").limit };
    return send(c, ok(value), (same) => same, 200);
  });
  app.openapi(fail, (c) => {
    const funds = { code: "insufficient_funds", asset: "USD", needed: "2", available: "1", orderId: "ord_1" } as const;
    switch (c.req.valid("param").how) {
      case "throw":
        throw new Error("secret inner text");
      case "funds":
        return send(c, refuse(funds), () => ({}), 200);
      case "busy":
        return send(c, refuse({ code: "rate_limited", retryAfterSeconds: 7 }), () => ({}), 200);
      default:
        return send(c, refuse({ code: "unavailable" }), () => ({}), 200);
    }
  });
  app.notFound(notFound(app));
  return app;
}

const app = tinyApp();
const nested = (depth: number) => `{"amount":"1","note":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
const json = { "Content-Type": "application/json" };

function expectProblem(got: Answer, status: number, code: string, instance: string) {
  expect(got.status).toBe(status);
  expect(got.headers.get("Content-Type")).toBe("application/problem+json");
  expect(got.body).toMatchObject({ type: `/docs/errors/${code}`, status, code, instance });
  expect(got.body.request_id).toBe(got.headers.get("X-Request-Id"));
  expect(typeof got.body.title).toBe("string");
  expect(typeof got.body.detail).toBe("string");
  expectDressed(got);
}

function expectDressed(got: Answer) {
  expect(got.headers.get("X-Content-Type-Options")).toBe("nosniff");
  expect(got.headers.get("Strict-Transport-Security")).toContain("max-age=");
  expect(got.headers.get("Content-Security-Policy")).toContain("default-src 'none'");
  expect(got.headers.get("Referrer-Policy")).toBe("no-referrer");
  expect(got.headers.get("X-Request-Id")).toMatch(/^[A-Za-z0-9._-]{1,128}$/);
  expect(got.headers.get("Cache-Control")).toBe("no-store");
}

describe("bodies", () => {
  it.each([
    ["malformed", '{"amount":', 400, "malformed_json"],
    ["empty", "", 400, "malformed_json"],
    ["N6 a byte order mark", '\ufeff{"amount":"1"}', 400, "malformed_json"],
    ["N5 33 levels", nested(33), 400, "malformed_json"],
    ["N5 20,000 levels", nested(20_000), 400, "malformed_json"],
    ["not an object", "[]", 422, "validation_failed"],
    ["null", "null", 422, "validation_failed"],
    ["too large", `{"amount":"1","note":"${"x".repeat(65_536)}"}`, 413, "payload_too_large"],
  ])("refuses %s", async (_, raw, status, code) => {
    expectProblem(await call(app, "POST", "/echo/a", { raw, headers: json }), status, code, "/echo/a");
  });

  const twice = (key: string) => `The key ${key} is there twice in one object.`;
  it.each([
    ["in the body itself", '{"amount":"1","amount":"1"}', twice('"amount"')],
    ["with other things between", '{"amount":"1","note":[1,{"x":2}],"amount":"2"}', twice('"amount"')],
    ["with blanks around", '{ "amount" : "1" ,\n\t"amount"\r: "2" }', twice('"amount"')],
    ["written with escapes", '{"amount":"1","\\u0061mount":"2"}', twice('"amount"')],
    ["in an object inside", '{"amount":"1","note":{"x":1,"x":1}}', twice('"x"')],
    ["in an object of a list", '{"amount":"1","note":[{"x":1},{"x":1,"x":1}]}', twice('"x"')],
    ["which is empty", '{"amount":"1","note":{"":1,"":2}}', twice('""')],
    ["which is __proto__", '{"amount":"1","note":{"__proto__":1,"__proto__":2}}', twice('"__proto__"')],
    ["with a quote in it", '{"amount":"1","note":{"a\\"b":1,"a\\u0022b":2}}', twice('"a\\"b"')],
    ["of 200 characters", `{"${"k".repeat(200)}":1,"${"k".repeat(200)}":1}`, twice(`"${"k".repeat(100)}"`)],
    ["the last of thousands", `{${Array.from({ length: 5_000 }, (_, i) => `"k${i}":1`)},"k0":1}`, twice('"k0"')],
  ])("N3 refuses a key twice %s", async (_, raw, detail) => {
    const got = await call(app, "POST", "/echo/a", { raw, headers: json });
    expectProblem(got, 400, "malformed_json", "/echo/a");
    expect(got.body.detail).toBe(detail);
  });

  it.each([
    ["in two objects", '{"amount":"1","note":[{"x":1},{"x":2},{"y":{"x":3},"x":{"y":4}}]}'],
    ["in a list of texts", '{"amount":"1","note":["x","x"]}'],
    ["as key and as value", '{"amount":"1","note":{"x":"x","y":"x"}}'],
    ["inside a text", '{"amount":"1","note":"{\\"x\\":1,\\"x\\":2}"}'],
    ["in another case", '{"amount":"1","note":{"x":1,"X":2}}'],
  ])("takes the same text twice %s", async (_, raw) => {
    expect((await call(app, "POST", "/echo/a", { raw, headers: json })).status).toBe(200);
  });

  it("N5 takes 32 levels, 64 KiB to the byte, and brackets inside strings", async () => {
    expect((await call(app, "POST", "/echo/a", { raw: nested(32), headers: json })).status).toBe(200);
    const full = `{"amount":"1","note":"${"x".repeat(65_536 - 24)}"}`;
    expect(full.length).toBe(65_536);
    expect((await call(app, "POST", "/echo/a", { raw: full, headers: json })).status).toBe(200);
    const brackets = JSON.stringify({ amount: "1", note: `\\"${"[{".repeat(100)}` });
    expect((await call(app, "POST", "/echo/a", { raw: brackets, headers: json })).status).toBe(200);
  });

  it("N6 refuses invalid UTF-8", async () => {
    const raw = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]);
    expectProblem(await call(app, "POST", "/echo/a", { raw, headers: json }), 400, "malformed_json", "/echo/a");
  });

  it.each([
    ["in pieces", {}],
    ["of a declared length", { "Content-Length": "100" }],
  ])("N7 has no bug, and writes no error, where a client hangs up in the middle of a body %s", async (_, length) => {
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const hangsUp = () =>
      new ReadableStream<Uint8Array>({
        start: (stream) => stream.enqueue(new TextEncoder().encode('{"amount":')),
        pull: (stream) => stream.error(new Error("Network connection lost.")),
      });
    const got = await call(app, "POST", "/echo/a", { raw: hangsUp(), headers: { ...json, ...length } });
    expectProblem(got, 400, "malformed_json", "/echo/a");
    expect(error).not.toHaveBeenCalled();
    error.mockRestore();
  });

  it("N7 measures a body that comes in pieces without a length", async () => {
    const pieces = (count: number) =>
      new ReadableStream<Uint8Array>({
        start(controller) {
          const text = new TextEncoder().encode(count === 1 ? '{"amount":"1"}' : "x".repeat(1_024));
          for (let at = 0; at < count; at += 1) controller.enqueue(text);
          controller.close();
        },
      });
    expect((await call(app, "POST", "/echo/a", { raw: pieces(1), headers: json })).status).toBe(200);
    const got = await call(app, "POST", "/echo/a", { raw: pieces(65), headers: json });
    expectProblem(got, 413, "payload_too_large", "/echo/a");
  });

  it.each([
    ["no type", {}],
    ["text", { "Content-Type": "text/plain" }],
    ["a form", { "Content-Type": "application/x-www-form-urlencoded" }],
    ["another charset", { "Content-Type": "application/json; charset=utf-16" }],
    ["a look-alike", { "Content-Type": "application/jsonp" }],
    ["compressed", { ...json, "Content-Encoding": "gzip" }],
  ])("N7 refuses %s with 415", async (_, headers) => {
    const got = await call(app, "POST", "/echo/a", { raw: new TextEncoder().encode('{"amount":"1"}'), headers });
    expectProblem(got, 415, "unsupported_media_type", "/echo/a");
  });

  it.each([
    ["an unknown field", { amount: "1", admin: true }, "/admin", "unknown_field"],
    ["a pointer that needs escapes", { amount: "1", "a/b~c": 1 }, "/a~1b~0c", "unknown_field"],
    ["N1 a number for money", { amount: 1 }, "/amount", "not_a_string"],
    ["money that is missing", {}, "/amount", "required"],
    ["N1 money with an exponent", { amount: "1e999" }, "/amount", "invalid_format"],
    ["N1 negative money", { amount: "-1" }, "/amount", "invalid_format"],
    ["N1 full-width digits", { amount: "１２" }, "/amount", "invalid_format"],
  ])("names the field: %s", async (_, sent, pointer, code) => {
    const got = await call(app, "POST", "/echo/a", { json: sent });
    expectProblem(got, 422, "validation_failed", "/echo/a");
    expect(got.body.errors).toEqual([{ pointer, code, detail: expect.any(String) }]);
  });

  it("N4 refuses __proto__ as a field and shows at most fifty errors", async () => {
    const got = await call(app, "POST", "/echo/a", { raw: '{"amount":"1","__proto__":{"a":1}}', headers: json });
    expectProblem(got, 422, "validation_failed", "/echo/a");
    const many = Object.fromEntries(Array.from({ length: 900 }, (_, at) => [`f${at}`, 1]));
    const wrong = await call(app, "POST", "/echo/a", { json: many });
    expect(wrong.body.errors).toHaveLength(50);
  });
});

describe("queries and paths", () => {
  it.each([
    ["limit=0", "too_small"],
    ["limit=-1", "too_small"],
    ["limit=201", "too_big"],
    ["limit=999999999999", "too_big"],
    ["limit=1e1", "invalid_format"],
    ["limit=01", "invalid_format"],
    ["limit=5&limit=6", "not_a_string"],
  ])("N8 says what is wrong with %s", async (query, code) => {
    const got = await call(app, "POST", `/echo/a?${query}`, { json: { amount: "1" } });
    expect(got.body.errors).toEqual([{ pointer: "/limit", code, detail: expect.any(String) }]);
  });

  it.each([
    "?limit=0",
    "?limit=201",
    "?limit=1e1",
    "?limit=-1",
    "?limit=",
    "?limit=5&limit=6",
    "?cursor=%00",
    "?limit[]=5&limit=x",
    "?toString=1",
    "?__proto__=1",
    "?__proto__=1&__proto__=2",
    "?other=%ff",
    "?as_of=now",
  ])("N8 refuses %s", async (query) => {
    const got = await call(app, "POST", `/echo/a${query}`, { json: { amount: "1" } });
    expectProblem(got, 422, "validation_failed", "/echo/a");
  });

  it.each(["", "?", "?limit=200"])("takes %s", async (query) => {
    expect((await call(app, "POST", `/echo/a${query}`, { json: { amount: "1" } })).status).toBe(200);
  });

  it("N9 answers 404 for what cannot be a name and for unknown addresses", async () => {
    expectProblem(await call(app, "POST", "/echo/A1", { json: { amount: "1" } }), 404, "not_found", "/echo/A1");
    expectProblem(await call(app, "GET", "/nowhere"), 404, "not_found", "/nowhere");
    expect((await call(app, "GET", "/nowhere/%E0%A4%A")).status).toBe(404);
  });

  it("answers 405 with Allow for a known address under another method", async () => {
    const got = await call(app, "DELETE", "/echo/a");
    expectProblem(got, 405, "method_not_allowed", "/echo/a");
    expect(got.headers.get("Allow")).toBe("POST");
    expect((await call(app, "POST", "/fail/throw")).headers.get("Allow")).toBe("GET, HEAD");
  });
});

describe("refusals and bugs", () => {
  it("renders the members of a code", async () => {
    const got = await call(app, "GET", "/fail/funds");
    expectProblem(got, 422, "insufficient_funds", "/fail/funds");
    expect(got.body).toMatchObject({ asset: "USD", needed: "2", available: "1", order_id: "ord_1" });
  });

  it("says when to come back", async () => {
    const away = await call(app, "GET", "/fail/away");
    expectProblem(away, 503, "unavailable", "/fail/away");
    expect(away.headers.get("Retry-After")).toBe("1");
    const busy = await call(app, "GET", "/fail/busy");
    expectProblem(busy, 429, "rate_limited", "/fail/busy");
    expect(busy.headers.get("Retry-After")).toBe("7");
  });

  it("answers a throw with 500, without its text, and logs one line with the request id", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const got = await call(app, "GET", "/fail/throw", { headers: { "X-Request-Id": "abc-1" } });
    expectProblem(got, 500, "internal", "/fail/throw");
    expect(JSON.stringify(got.body)).not.toContain("secret");
    expect(log).toHaveBeenCalledOnce();
    expect(JSON.parse(String(log.mock.calls[0]?.[0]))).toMatchObject({
      request_id: "abc-1",
      message: "secret inner text",
    });
    log.mockRestore();
  });

  it("J13 answers 500 with all headers when a secret is too short", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const got = await call(app, "GET", "/fail/away", { env: { REFRESH_SECRET: "short-secret" } });
    expectProblem(got, 500, "internal", "/fail/away");
    expect(String(log.mock.calls[0]?.[0])).toContain("REFRESH_SECRET");
    expect(String(log.mock.calls[0]?.[0])).not.toContain("short-secret");
    log.mockRestore();
  });

  it("has a status and a title for each code, and never a success among them", () => {
    for (const [code, { status, title }] of Object.entries(CATALOGUE)) {
      expect(status, code).toBeGreaterThanOrEqual(400);
      expect(title, code).not.toBe("");
    }
    expect(problemOf({ code: "internal", detail: "inner" }, "/x", "r").detail).not.toContain("inner");
  });
});

describe("request ids", () => {
  it("takes a sane one and replaces any other", async () => {
    const sane = await call(app, "GET", "/nowhere", { headers: { "X-Request-Id": "a.B-9_" } });
    expect(sane.headers.get("X-Request-Id")).toBe("a.B-9_");
    for (const sent of ["x y", "x".repeat(129), "<script>"]) {
      const got = await call(app, "GET", "/nowhere", { headers: { "X-Request-Id": sent } });
      expect(got.headers.get("X-Request-Id")).not.toBe(sent);
      expectDressed(got);
    }
  });
});

describe("the real application", () => {
  const real = appWithRevokerLog().app;
  const page = (code: string, headers = {}) => real.request(`/docs/errors/${code}`, { headers }, env);

  it.each(Object.entries(CATALOGUE))("has a page for %s", async (code, { status, title }) => {
    const got = await page(code);
    expect(got.status).toBe(200);
    expect(got.headers.get("Content-Type")).toBe("text/html; charset=utf-8");
    expect(got.headers.get("Cache-Control")).toBe("public, max-age=300");
    expect(got.headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(got.headers.get("Content-Security-Policy")).toContain("default-src 'none'");
    expect(got.headers.get("Strict-Transport-Security")).toContain("max-age=");
    const html = await got.text();
    expect(html).toContain(`<h1>${title}</h1>\n<p><code>${code}</code>, status ${status}</p>`);
    expect(html).toMatch(/<h2>When<\/h2>\n<p>.{10,}[.]<\/p>\n<h2>What to do<\/h2>\n<p>.{5,}[.]<\/p>/);
    expect(html).not.toMatch(/`|&(?!amp;|lt;)|<script/);
    const etag = got.headers.get("ETag") ?? "";
    expect((await page(code, { "If-None-Match": etag })).status).toBe(304);
  });

  it.each(["nope", "INTERNAL", "constructor", "__proto__", "off_tick%00", "off_tick/x"])(
    "has no page for %s",
    async (code) => {
      const got = await call(real, "GET", `/docs/errors/${code}`);
      expect([got.status, got.body.code]).toEqual([404, "not_found"]);
      expectDressed(got);
    },
  );

  it("answers /healthz and documents every operation with its security", async () => {
    expect((await call(real, "GET", "/healthz")).body).toEqual({ status: "ok" });
    const document = (await call(real, "GET", "/openapi.json")).body;
    expect(document.openapi).toBe("3.1.0");
    const paths = document.paths as Record<string, Record<string, { security?: unknown }>>;
    for (const [path, operations] of Object.entries(paths)) {
      for (const [method, one] of Object.entries(operations)) expect(one.security, `${method} ${path}`).toBeDefined();
    }
    expect(paths["/v1/auth/login"]?.post?.security).toEqual([]);
    expect(paths["/v1/me"]?.get?.security).toEqual([{ bearer: [] }, { api_key: ["read"] }]);
    expect(paths["/v1/api-keys"]?.get?.security).toEqual([{ bearer: [] }]);
  });

  it("documents patterns as a schema has them: flags behind one would make it match nothing", async () => {
    const text = JSON.stringify((await call(real, "GET", "/openapi.json")).body);
    const patterns = [...text.matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g)].map(([, quoted = ""]) => JSON.parse(quoted));
    expect(patterns.length).toBeGreaterThan(0);
    expect(patterns.filter((pattern) => /\$\/\w+$/.test(pattern))).toEqual([]);
  });
});
