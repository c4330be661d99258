// Pages in browsers: whose may call and read, whose may act on a cookie, and the headers that every answer wears.

import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config.ts";
import { TEST_SECRETS } from "../support/secrets.ts";
import { call, expectProblem, ORIGIN, trader } from "../support/session.ts";
import { upgrade } from "../support/stream.ts";

const APP = "https://app.example.com";
const FOREIGN = [
  "https://evil.example",
  "null",
  "http://app.example.com",
  "https://app.example.com.evil.example",
  "https://evil-app.example.com",
  "https://app.example.com:8443",
  "https://APP.example.com",
  "https://app.example.com/",
  "*",
  "",
];

describe("a page of a listed origin", () => {
  it.each([APP, "http://localhost:5173"])("C4 (%s) may call, and read what it gets", async (origin) => {
    const got = await call("GET", "/v1/assets", { headers: { Origin: origin } });
    expect(got.headers.get("Access-Control-Allow-Origin")).toBe(origin);
    expect(got.headers.get("Access-Control-Allow-Credentials")).toBe("true");
    expect(got.headers.get("Vary")).toBe("Origin");
    const read = got.headers.get("Access-Control-Expose-Headers") ?? "";
    for (const name of ["RateLimit", "RateLimit-Policy", "Idempotency-Replayed", "X-Request-Id", "ETag", "Retry-After"])
      expect(read.split(", ")).toContain(name);
    for (const path of ["/nowhere", "/v1/account", "/docs/errors/internal"]) {
      const other = await call("GET", path, { headers: { Origin: origin } }).catch(() => null);
      if (other !== null) expect(other.headers.get("Access-Control-Allow-Origin")).toBe(origin);
    }
  });

  it("C4 is told before a call what it may send", async () => {
    const headers = {
      Origin: APP,
      "Access-Control-Request-Method": "POST",
      "Access-Control-Request-Headers": "authorization",
    };
    const got = await call("OPTIONS", "/v1/orders", { headers });
    expect([got.status, got.text]).toEqual([204, ""]);
    expect(got.headers.get("Access-Control-Allow-Methods")).toContain("POST");
    for (const name of [
      "Authorization",
      "Content-Type",
      "Idempotency-Key",
      "X-Token-Transport",
      "X-Api-Key",
      "X-Nonce",
      "X-Signature",
      "X-Timestamp",
    ])
      expect(got.headers.get("Access-Control-Allow-Headers")).toContain(name);
    expect(got.headers.get("Access-Control-Allow-Origin")).toBe(APP);
    expect(got.headers.get("X-Content-Type-Options")).toBe("nosniff");
  });
});

describe("a page of another origin", () => {
  it.each(FOREIGN)("C4 (%j) may read nothing", async (origin) => {
    const preflight = { Origin: origin, "Access-Control-Request-Method": "POST" };
    for (const got of [
      await call("GET", "/v1/assets", { headers: { Origin: origin } }),
      await call("OPTIONS", "/v1/orders", { headers: preflight }),
    ]) {
      expect(got.headers.get("Access-Control-Allow-Origin")).toBeNull();
      expect(got.headers.get("Access-Control-Allow-Credentials")).toBeNull();
      expect(got.headers.get("Vary")).toBe("Origin");
    }
    expectProblem(await call("OPTIONS", "/v1/orders", { headers: preflight }), 405, "method_not_allowed");
  });

  it.each(FOREIGN.filter((origin) => origin !== ""))(
    "C2 (%j) may not open a stream, whoever's token it has",
    async (origin) => {
      const { token } = await trader();
      const refused = await upgrade({ token, headers: { Origin: origin } });
      expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([403, "forbidden"]);
      const opened = await upgrade({ token, headers: { Origin: APP } });
      expect(opened.status).toBe(101);
      opened.webSocket?.accept();
      opened.webSocket?.close();
    },
  );
});

describe("ALLOWED_ORIGINS", () => {
  const config = (ALLOWED_ORIGINS: string) => parseConfig({ ...env, ...TEST_SECRETS, ALLOWED_ORIGINS }).allowedOrigins;

  it("C4 has origins as browsers send them", () => {
    expect(config("")).toEqual([]);
    expect(config(" https://a.example , http://127.0.0.1:3000")).toEqual([
      "https://a.example",
      "http://127.0.0.1:3000",
    ]);
  });

  it.each([
    "*",
    "null",
    "https://a.example/",
    "http://a.example",
    "a.example",
    "https://A.example",
    "https://*.a.example/x",
  ])("C4 is refused at start with %j in it", (text) => {
    expect(() => config(`https://b.example,${text}`)).toThrow("ALLOWED_ORIGINS");
  });
});

describe("the refresh cookie", () => {
  const PASSWORD = "correct horse battery";
  const page = { Origin: APP, "X-Token-Transport": "cookie" };
  let names = 0;

  async function signUp(): Promise<string> {
    names += 1;
    const username = `browser${names}`;
    const json = { email: `${username}@example.com`, username, password: PASSWORD };
    expect((await call("POST", "/v1/auth/register", { json })).status).toBe(201);
    return username;
  }

  async function login(username: string) {
    const got = await call<{ access_token: string }>("POST", "/v1/auth/login", {
      json: { login: username, password: PASSWORD },
      headers: page,
    });
    expect(got.status, got.text).toBe(200);
    return { got, cookie: (got.headers.get("Set-Cookie") ?? "").split(";")[0] ?? "" };
  }

  const refresh = (headers: Record<string, string>, json: object = {}) =>
    call<{ access_token: string }>("POST", "/v1/auth/refresh", { json, headers });

  it("F5 has the token where a page asks for it, and the body has not", async () => {
    const { got } = await login(await signUp());
    expect(got.headers.get("Set-Cookie")).toMatch(
      /^__Host-refresh=rt_ses_[^;]+; Max-Age=604800; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    );
    expect(got.body).not.toHaveProperty("refresh_token");
    expect(got.body.access_token).toMatch(/^eyJ/);
    expect(got.headers.get("Cache-Control")).toBe("no-store");
  });

  it("is not looked at unless it is asked for, and the refusal says how", async () => {
    const { cookie } = await login(await signUp());
    const got = await refresh({ Origin: APP, Cookie: cookie });
    expectProblem(got, 422, "validation_failed");
    const [error] = got.body.errors as { code: string; pointer: string; detail: string }[];
    expect(error).toMatchObject({ pointer: "/refresh_token", code: "required" });
    expect(error?.detail).toContain("X-Token-Transport: cookie");
  });

  it("C2 is renewed by a page of a listed or this origin, and by no other", async () => {
    const { cookie } = await login(await signUp());
    const first = await refresh({ ...page, Cookie: cookie });
    expect(first.status, first.text).toBe(200);
    expect(first.body).not.toHaveProperty("refresh_token");
    const next = (first.headers.get("Set-Cookie") ?? "").split(";")[0] ?? "";
    expect(next).not.toBe(cookie);
    for (const origin of [...FOREIGN, "https://tradepost.example.evil"]) {
      expectProblem(await refresh({ ...page, Origin: origin, Cookie: next }), 403, "forbidden");
    }
    const none = { "X-Token-Transport": "cookie", Cookie: next };
    expectProblem(await refresh(none), 403, "forbidden");
    for (const site of ["cross-site", "same-site", "none"]) {
      expectProblem(await refresh({ ...none, "Sec-Fetch-Site": site }), 403, "forbidden");
    }
    expectProblem(
      await refresh({ ...page, Origin: "null", "Sec-Fetch-Site": "same-origin", Cookie: next }),
      403,
      "forbidden",
    );
    expect((await refresh({ ...none, "Sec-Fetch-Site": "same-origin" })).status).toBe(200);
  });

  it("C2 of a page of this origin needs no list", async () => {
    const { cookie } = await login(await signUp());
    expect((await refresh({ "X-Token-Transport": "cookie", Origin: ORIGIN, Cookie: cookie })).status).toBe(200);
  });

  it("C1 does nothing for who does not ask for it: a form has no header of its own", async () => {
    const { cookie } = await login(await signUp());
    expectProblem(await refresh({ Origin: APP, Cookie: cookie }), 422, "validation_failed");
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      const headers = { Cookie: cookie, "Content-Type": type, Origin: "https://evil.example" };
      expectProblem(await call("POST", "/v1/auth/refresh", { raw: "{}", headers }), 415, "unsupported_media_type");
    }
    expectProblem(await call("GET", "/v1/me", { headers: { Cookie: cookie } }), 401, "unauthenticated");
    const odd = { Origin: APP, Cookie: cookie, "X-Token-Transport": "body" };
    expectProblem(await refresh(odd), 403, "forbidden");
  });

  it("F2 is one token or the other, and 401 when it is none", async () => {
    const { cookie } = await login(await signUp());
    const token = cookie.slice(cookie.indexOf("=") + 1);
    expectProblem(await refresh({ ...page, Cookie: cookie }, { refresh_token: token }), 422, "validation_failed");
    expectProblem(await refresh(page), 401, "unauthenticated");
    // Another site's plain cookie of the name is not the host's own.
    expectProblem(await refresh({ ...page, Cookie: `refresh=${token}` }), 401, "unauthenticated");
    const bad = await refresh({ ...page, Cookie: "__Host-refresh=rt_x" });
    expectProblem(bad, 401, "unauthenticated");
    expect(bad.headers.get("Set-Cookie")).toContain("__Host-refresh=; Max-Age=0; Path=/");
  });

  it("F3 is gone after logout", async () => {
    const username = await signUp();
    for (const path of ["/v1/auth/logout", "/v1/auth/logout-all"]) {
      const { got, cookie } = await login(username);
      const out = await call("POST", path, { token: got.body.access_token, headers: { Cookie: cookie } });
      expect(out.status).toBe(204);
      expect(out.headers.get("Set-Cookie")).toContain("__Host-refresh=; Max-Age=0; Path=/; HttpOnly; Secure");
      expectProblem(await refresh({ ...page, Cookie: cookie }), 401, "session_revoked");
    }
  });

  it("is not lost by a wrong password", async () => {
    const username = await signUp();
    const { cookie } = await login(username);
    const json = { login: username, password: "wrong password" };
    const wrong = await call("POST", "/v1/auth/login", { json, headers: { ...page, Cookie: cookie } });
    expectProblem(wrong, 401, "invalid_credentials");
    expect(wrong.headers.get("Set-Cookie")).toBeNull();
  });
});

describe("every answer", () => {
  const dressed = (headers: Headers) => {
    expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(headers.get("Strict-Transport-Security")).toBe("max-age=63072000; includeSubDomains");
    expect(headers.get("Content-Security-Policy")).toContain("default-src 'none'");
    expect(headers.get("Referrer-Policy")).toBe("no-referrer");
    expect(headers.get("X-Request-Id")).not.toBeNull();
  };

  it.each([
    ["GET", "/healthz"],
    ["GET", "/nowhere"],
    ["DELETE", "/healthz"],
    ["GET", "/v1/account"],
    ["GET", "/v1/assets"],
    ["HEAD", "/v1/assets"],
    ["OPTIONS", "/v1/orders"],
    ["POST", "/v1/auth/login"],
    ["GET", "/v1/stream/account"],
  ])("C5 to %s %s wears the headers", async (method, path) => {
    dressed((await call(method, path)).headers);
  });

  it("C5 to a WebSocket wears them too, opened or refused", async () => {
    const { token } = await trader();
    const opened = await upgrade({ token });
    dressed(opened.headers);
    expect(opened.headers.get("RateLimit-Policy")).toContain('"public"');
    opened.webSocket?.accept();
    opened.webSocket?.close();
    dressed((await upgrade({})).headers);
  });
});
