// What the log says and what it never says.
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { lineOf } from "../../src/log.ts";
import { call, NO_PORTS } from "../support/client.ts";
import { trader } from "../support/session.ts";

const app = createApp(NO_PORTS);
const SECRETS = {
  password: "correct horse",
  refresh_token: "rt_ses_0000.1.abc",
  Authorization: "Bearer eyJhbGciOiJFZERTQSJ9.e30.sig",
  cookie: "__Host-refresh=abc",
  api_key: "tp_live_abc",
  "x-api-key-secret": "abc",
};

afterEach(() => vi.restoreAllMocks());

function listen() {
  const lines: string[] = [];
  for (const way of ["log", "warn", "error"] as const) {
    vi.spyOn(console, way).mockImplementation((line) => void lines.push(String(line)));
  }
  return lines;
}

async function logged(method: string, path: string, options: Parameters<typeof call>[3] = {}) {
  const lines = listen();
  const got = await call(app, method, path, { ...options, env: { LOG_LEVEL: "info", ...options.env } });
  expect(lines).toHaveLength(1);
  return { got, line: JSON.parse(lines[0] ?? "") as Record<string, unknown>, text: lines[0] ?? "" };
}

describe("a line", () => {
  it("never has a secret, by its name or by its looks", () => {
    for (const [name, value] of Object.entries(SECRETS)) {
      expect(lineOf("info", "x", { [name]: value })).toBe(`{"level":"info","event":"x","${name}":"[redacted]"}`);
    }
    const inside = lineOf("info", "x", {
      deep: [{ password: "a" }],
      message: `no ${SECRETS.Authorization} rt_ses_1.2.3 tkt_4`,
    });
    expect(inside).toBe(
      '{"level":"info","event":"x","deep":[{"password":"[redacted]"}],"message":"no [redacted] [redacted] [redacted]"}',
    );
  });

  it.each(["\n", "\r\n", "\u001b[31m", "\u0000", "\u009b", "\u2028", "\u2029", "\u202e", "\u007f"])(
    "stays one line with %j in it, and can be read back",
    (control) => {
      const line = lineOf("warn", "x", { message: `a${control}b` });
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what may not be there
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/);
      expect(JSON.parse(line)).toEqual({ level: "warn", event: "x", message: `a${control}b` });
    },
  );

  it("ends somewhere: long texts are cut, deep facts and big numbers too", () => {
    expect(lineOf("info", "x", { message: "a".repeat(100_000) }).length).toBeLessThan(5_000);
    expect(lineOf("info", "x", { a: { a: { a: { a: { a: 1 } } } }, n: 1n })).toContain('"[deep]"');
  });
});

describe("a request", () => {
  it("has one line, with its pattern and never its query, path or body", async () => {
    const ada = await trader();
    const { got, line, text } = await logged("GET", "/v1/orders/by-client-id/my-secret-name?ticket=tkt_abc", {
      token: ada.token,
      headers: { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, "CF-Connecting-IP": "10.1.2.3" },
    });
    expect(line).toEqual({
      level: "info",
      event: "request",
      method: "GET",
      route: "/v1/orders/by-client-id/:client_order_id",
      status: got.status,
      ms: expect.any(Number),
      user: ada.userId,
      principal: ada.userId,
      ip: "10.1.2.3",
      request_id: got.headers.get("X-Request-Id"),
      trace_id: "a".repeat(32),
      code: "validation_failed",
    });
    for (const secret of [ada.token, "tkt_abc", "my-secret-name"]) expect(text).not.toContain(secret);
  });

  it.each<[string, string, string, number, string]>([
    ["GET", "/healthz", "info", 200, "/healthz"],
    ["GET", "/nowhere/%0a%1b[31m", "info", 404, "none"],
    ["GET", "/v1/account", "warn", 401, "/v1/account"],
    ["DELETE", "/healthz", "info", 405, "none"],
  ])("%s %s is %s", async (method, path, level, status, route) => {
    const { line } = await logged(method, path);
    expect(line).toMatchObject({ level, status, route, user: null });
  });

  it("that says too much about itself does not get it logged", async () => {
    const json = { login: "ada", password: "correct horse", refresh_token: "rt_ses_x" };
    const headers = { "CF-Connecting-IP": "10.0.0.1\u001b", "User-Agent": "evil", "X-Request-Id": "bad id" };
    const { text } = await logged("POST", "/v1/auth/login", { json, headers });
    expect(text).not.toMatch(/correct horse|rt_ses|evil|bad id|10\.0\.0\.1/);
  });

  it("is left out below LOG_LEVEL", async () => {
    const lines = listen();
    await call(app, "GET", "/healthz", { env: { LOG_LEVEL: "warn" } });
    expect(lines).toEqual([]);
    await call(app, "GET", "/v1/account", { env: { ...env, LOG_LEVEL: "warn" } });
    expect(lines).toHaveLength(1);
  });
});
