// Sign-in with Google and GitHub through the whole Worker: its cookies, its redirects and a provider behind real HTTP.
import { env } from "cloudflare:workers";
import { Secret, TOTP } from "otpauth";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config.ts";
import { signAccessToken } from "../../src/http/tokens.ts";
import { makeId } from "../../src/objects/platform.ts";
import { D1_ERRORS, faultyD1 } from "../projections/queue.ts";
import { call as callApp } from "../support/client.ts";
import { visit } from "../support/oauth.ts";
import { call, expectProblem } from "../support/session.ts";

const NAMES = ["google", "github"] as const;
type Name = (typeof NAMES)[number];
const HOME = "http://127.0.0.1:8787/";
const APP = "https://app.example.com";
const PASSWORD = "correct horse battery";
const PAGE = { Origin: APP, "X-Token-Transport": "cookie" };

/** A browser: it keeps cookies of this host, and sends them. */
class Browser {
  readonly cookies = new Map<string, string>();

  async get(path: string, headers: Record<string, string> = {}) {
    return this.keep(await call("GET", path, { headers: { ...this.sent(), ...headers } }));
  }

  async post(path: string, options: { token?: string; json?: object; headers?: Record<string, string> } = {}) {
    return this.keep(await call("POST", path, { ...options, headers: { ...this.sent(), ...options.headers } }));
  }

  private sent(): Record<string, string> {
    const all = [...this.cookies].map(([name, value]) => `${name}=${value}`);
    return all.length === 0 ? {} : { Cookie: all.join("; ") };
  }

  private keep<T extends { headers: Headers }>(got: T): T {
    for (const line of got.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (/Max-Age=0(;|$)/.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return got;
  }
}

const target = (got: { status: number; headers: Headers }): string => {
  expect(got.status).toBe(302);
  return got.headers.get("Location") ?? "";
};

/** Begins a sign-in; answers the provider's address. */
async function start(browser: Browser, name: Name, returnTo?: string): Promise<string> {
  const query = returnTo === undefined ? "" : `?return_to=${encodeURIComponent(returnTo)}`;
  return target(await browser.get(`/v1/auth/oauth/${name}/start${query}`));
}

/** Says at the provider who one is; answers the path that one is sent back to. */
async function consent(url: string, as: string): Promise<string> {
  const back = new URL(target(await visit(url, as)));
  expect(back.origin + back.pathname).toMatch(/^http:\/\/127\.0\.0\.1:8787\/v1\/auth\/oauth\/g\w+\/callback$/);
  return back.pathname + back.search;
}

async function signIn(browser: Browser, name: Name, as: string, returnTo?: string): Promise<string> {
  return target(await browser.get(await consent(await start(browser, name, returnTo), as)));
}

interface Me {
  id: string;
  email: string;
  username: string;
  email_verified: boolean;
  account_id: string;
}

/** What the page does that one comes back to: fetches its tokens, and asks who it is for. */
async function page(browser: Browser): Promise<{ token: string; user: Me }> {
  const got = await browser.post("/v1/auth/refresh", { json: {}, headers: PAGE });
  expect(got.status, got.text).toBe(200);
  const token = String(got.body.access_token);
  return { token, user: (await call<{ user: Me }>("GET", "/v1/me", { token })).body.user };
}

const errorOf = (url: string) => new URL(url).searchParams.get("error");
const count = (sql: string, ...values: string[]) =>
  env.DB.prepare(sql)
    .bind(...values)
    .first<number>("n");
const usersOf = (email: string) => count("SELECT count(*) AS n FROM users WHERE email_canonical = ?", email);
const sessionsOf = (email: string) =>
  count(
    "SELECT count(*) AS n FROM sessions JOIN users ON users.id = sessions.user_id WHERE users.email_canonical = ?",
    email,
  );

async function register(username: string, verified = true): Promise<{ id: string; token: string }> {
  const json = { email: `${username}@example.com`, username, password: PASSWORD };
  const made = await call<{ user: Me }>("POST", "/v1/auth/register", { json });
  expect(made.status, made.text).toBe(201);
  if (verified) await env.DB.prepare("UPDATE users SET email_verified = 1 WHERE username = ?").bind(username).run();
  const login = { login: username, password: PASSWORD };
  const { body } = await call<{ access_token: string }>("POST", "/v1/auth/login", { json: login });
  return { id: made.body.user.id, token: body.access_token };
}

/** Links somebody at a provider to whoever has the token; answers where that ended. */
async function link(name: Name, token: string, as: string, browser = new Browser()): Promise<string> {
  const begun = await browser.post(`/v1/auth/oauth/${name}/link?return_to=/settings`, { token });
  expect(begun.status, begun.text).toBe(200);
  return target(await browser.get(await consent(String(begun.body.authorization_url), as)));
}

interface Identity {
  id: string;
  provider: string;
  email: string | null;
}

const identities = async (token: string) =>
  (await call<{ data: Identity[] }>("GET", "/v1/auth/oauth/identities", { token })).body.data;

describe.each(NAMES)("%s", (name) => {
  it("signs somebody new in, who has a user, an account and a verified address, and again as the same", async () => {
    const browser = new Browser();
    const as = `new-${name}`;
    expect(await signIn(browser, name, as, "/markets?tab=book")).toBe(`${HOME}markets?tab=book`);
    expect([...browser.cookies.keys()]).toEqual(["__Host-refresh"]);
    const { token, user } = await page(browser);
    expect(user).toMatchObject({ email: `${as}@example.com`, username: as, email_verified: true });
    const deposit = { token, json: { asset: "USD", amount: "10" } };
    expect((await call("POST", "/v1/account/deposits", deposit)).status).toBe(201);

    const again = new Browser();
    expect(await signIn(again, name, as)).toBe(HOME);
    expect((await page(again)).user).toEqual(user);
    expect(await usersOf(user.email)).toBe(1);
    expect(await identities(token)).toEqual([
      expect.objectContaining({ id: expect.stringMatching(/^idn_/), provider: name, email: user.email }),
    ]);
  });

  it("F5 sends no token in an address, and no cookie that a script can read or another host can set", async () => {
    const browser = new Browser();
    const began = await browser.get(`/v1/auth/oauth/${name}/start`);
    expect(began.headers.get("Set-Cookie")).toMatch(
      /^__Host-sign-in=[\w.-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    expect(began.headers.get("Cache-Control")).toBe("no-store");
    const got = await browser.get(await consent(target(began), `clean-${name}`));
    expect(target(got)).toBe(HOME);
    expect(got.headers.get("Cache-Control")).toBe("no-store");
    const [forgotten, refresh] = got.headers.getSetCookie();
    expect(forgotten).toMatch(/^__Host-sign-in=; Max-Age=0; Path=\//);
    expect(refresh).toMatch(
      /^__Host-refresh=rt_ses_[^;]+; Max-Age=604800; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    );
    expect(got.text).toBe("");
  });

  it("that somebody leaves, sends them back with nothing done", async () => {
    const browser = new Browser();
    expect(await signIn(browser, name, "nobody", "/in?x=1")).toBe(`${HOME}in?x=1&error=access_denied`);
    expect([...browser.cookies.keys()]).toEqual([]);
  });

  it("O7 that vouches for no usable address makes no user", async () => {
    for (const as of ["unverified", "odd"]) {
      expect(errorOf(await signIn(new Browser(), name, as))).toBe("email_not_verified");
      expect(await usersOf(`${as}@example.com`)).toBe(0);
    }
  });

  it("that gives rubbish, or nothing, leaves nothing half done", async () => {
    const quiet = vi.spyOn(console, "warn").mockImplementation(() => {});
    for (const as of ["token_html", "token_500", ...(name === "google" ? ["token_drips"] : [])]) {
      const browser = new Browser();
      expect(await signIn(browser, name, as, `${APP}/in`)).toBe(`${APP}/in?error=unavailable`);
      expect([...browser.cookies.keys()]).toEqual([]);
      expect(await usersOf(`${as}@example.com`)).toBe(0);
    }
    quiet.mockRestore();
  });

  it("O2 comes back to the browser that has begun, with its state, and once", async () => {
    const as = `state-${name}`;
    const browser = new Browser();
    const path = await consent(await start(browser, name, "/in"), as);
    const cookie = browser.cookies.get("__Host-sign-in") ?? "";
    const refused = async (by: Browser, at: string) => {
      const got = await by.get(at);
      expect(errorOf(target(got))).toBe("invalid_code");
      expect(by.cookies.has("__Host-refresh")).toBe(false);
    };
    // A stranger, and somebody else who has begun one: the address alone is worth nothing.
    await refused(new Browser(), path);
    const other = new Browser();
    await start(other, name);
    await refused(other, path);
    // Without its state, with another, with the other provider; and with a cookie that somebody has changed.
    await refused(browser, path.replace(/state=[^&]+/, ""));
    await refused(browser, path.replace(/state=[^&]+/, "state=another"));
    await refused(browser, path.replace(name, name === "google" ? "github" : "google"));
    const forged = new Browser();
    const at = cookie.length - 30;
    forged.cookies.set("__Host-sign-in", cookie.slice(0, at) + (cookie[at] === "A" ? "B" : "A") + cookie.slice(at + 1));
    await refused(forged, path);
    // The same to a decoder: the last bit of the last character is idle.
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const respelt = cookie.slice(0, -1) + alphabet.charAt(alphabet.indexOf(cookie.slice(-1)) ^ 1);
    forged.cookies.set("__Host-sign-in", respelt);
    await refused(forged, path);
    expect(await usersOf(`${as}@example.com`)).toBe(0);
    // None of that has spoilt it.
    expect(target(await browser.get(path))).toBe(`${HOME}in`);
    // The browser has forgotten it; one that has not is told the same.
    await refused(new Browser(), path);
    const kept = new Browser();
    kept.cookies.set("__Host-sign-in", cookie);
    await refused(kept, path);
    expect(await sessionsOf(`${as}@example.com`)).toBe(1);
  });

  it("O2 two that come back at once with the same state open one session", async () => {
    const as = `twice-${name}`;
    const browser = new Browser();
    const path = await consent(await start(browser, name, "/in"), as);
    const headers = { Cookie: `__Host-sign-in=${browser.cookies.get("__Host-sign-in")}` };
    const both = await Promise.all(Array.from({ length: 8 }, () => call("GET", path, { headers })));
    const targets = both.map(target).sort();
    expect(targets).toEqual([`${HOME}in`, ...Array(7).fill(`${HOME}in?error=invalid_code`)]);
    expect(both.filter((one) => one.headers.get("Set-Cookie")?.includes("__Host-refresh=rt_"))).toHaveLength(1);
    expect(await sessionsOf(`${as}@example.com`)).toBe(1);
  });

  it("O2 after ten minutes it is too late", async () => {
    const browser = new Browser();
    const path = await consent(await start(browser, name), `late-${name}`);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 601_000 });
    try {
      expect(errorOf(target(await browser.get(path)))).toBe("invalid_code");
    } finally {
      vi.useRealTimers();
    }
  });

  it("O4 a code that has been used is worth nothing in another sign-in", async () => {
    const as = `code-${name}`;
    const victim = new Browser();
    const path = await consent(await start(victim, name), as);
    const used = new URLSearchParams(path.slice(path.indexOf("?"))).get("code") ?? "";
    const thief = new Browser();
    const theirs = await consent(await start(thief, name), `thief-${name}`);
    const injected = theirs.replace(/code=[^&]+/, `code=${used}`);
    expect(target(await victim.get(path))).toBe(HOME);
    expect(errorOf(target(await thief.get(injected)))).toBe("invalid_code");
    expect(await sessionsOf(`${as}@example.com`)).toBe(1);
  });

  it("Z5 two first sign-ins at once of one identity make one user, and let both in", async () => {
    const as = `race-${name}`;
    const browsers = Array.from({ length: 4 }, () => new Browser());
    const paths = await Promise.all(browsers.map(async (one) => consent(await start(one, name), as)));
    const got = await Promise.all(browsers.map((one, at) => one.get(paths[at] ?? "")));
    expect(got.map(target)).toEqual(Array(4).fill(HOME));
    expect(await usersOf(`${as}@example.com`)).toBe(1);
    expect(await sessionsOf(`${as}@example.com`)).toBe(4);
  });

  it("O7 never makes a known address its own: who has it signs in, and links", async () => {
    const username = `known-${name}`;
    const { id, token } = await register(username, false);
    expect(errorOf(await signIn(new Browser(), name, username))).toBe("account_exists");
    expect(await sessionsOf(`${username}@example.com`)).toBe(1);
    // Not before the address is known to be theirs.
    const unverified = await call("POST", `/v1/auth/oauth/${name}/link`, { token });
    expectProblem(unverified, 403, "email_not_verified");
    await env.DB.prepare("UPDATE users SET email_verified = 1 WHERE id = ?").bind(id).run();
    // Not without a login.
    expectProblem(await call("POST", `/v1/auth/oauth/${name}/link`), 401, "unauthenticated");
    expect(await link(name, token, username)).toBe(`${HOME}settings`);
    const browser = new Browser();
    expect(await signIn(browser, name, username)).toBe(HOME);
    expect((await page(browser)).user.id).toBe(id);
  });

  it("O7 links nothing for a session that has ended, nor for another browser", async () => {
    const { token } = await register(`gone-${name}`);
    const browser = new Browser();
    const begun = await browser.post(`/v1/auth/oauth/${name}/link`, { token });
    expect(begun.headers.get("Set-Cookie")).toMatch(/^__Host-sign-in=/);
    const path = await consent(String(begun.body.authorization_url), `gone2-${name}`);
    expect(errorOf(target(await new Browser().get(path)))).toBe("invalid_code");
    expect((await call("POST", "/v1/auth/logout-all", { token })).status).toBe(204);
    expect(errorOf(target(await browser.get(path)))).toBe("session_revoked");
    expect(errorOf(await signIn(new Browser(), name, `gone-${name}`))).toBe("account_exists");
  });
});

describe("identities", () => {
  it("O7 belong to one user, one of each provider", async () => {
    const one = await register("idone");
    const two = await register("idtwo");
    expect(await link("github", one.token, "shared")).toBe(`${HOME}settings`);
    expect(errorOf(await link("github", two.token, "shared"))).toBe("identity_taken");
    expect(await identities(two.token)).toEqual([]);
    expectProblem(await call("POST", "/v1/auth/oauth/github/link", { token: one.token }), 409, "identity_taken");
    expect(await link("google", one.token, "shared")).toBe(`${HOME}settings`);
    expect((await identities(one.token)).map(({ provider }) => provider)).toEqual(["github", "google"]);
  });

  it("Z5 are linked once by two that come back at once, and told of by e-mail", async () => {
    const { token } = await register("idonce");
    const browsers = [new Browser(), new Browser()];
    const ends = await Promise.all(browsers.map((browser) => link("google", token, "idonce-g", browser)));
    expect(ends).toEqual([`${HOME}settings`, `${HOME}settings`]);
    expect(await identities(token)).toHaveLength(1);
    const mail = () => call<{ data: { kind: string }[] }>("GET", "/v1/dev/mailbox?to=idonce@example.com");
    const kinds = async () => (await mail()).body.data.map(({ kind }) => kind).filter((kind) => /^ident/.test(kind));
    await vi.waitFor(async () => expect(await kinds()).toEqual(["identity_linked"]), {
      timeout: 20_000,
      interval: 200,
    });
  });

  it("are unlinked, but for the last way in; of two at once one stays", async () => {
    const browser = new Browser();
    await signIn(browser, "google", "passwordless");
    const { token } = await page(browser);
    const [only] = await identities(token);
    const unlink = (id: string | undefined, by = token) =>
      call("DELETE", `/v1/auth/oauth/identities/${id}`, { token: by });
    expectProblem(await unlink(only?.id), 409, "last_sign_in");
    expect(await link("github", token, "passwordless")).toBe(`${HOME}settings`);
    const both = await identities(token);
    const stranger = await register("idstranger");
    expectProblem(await unlink(only?.id, stranger.token), 404, "not_found");
    const got = await Promise.all(both.map(({ id }) => unlink(id)));
    expect(got.map(({ status }) => status).sort()).toEqual([204, 409]);
    const left = await identities(token);
    expect(left).toHaveLength(1);
    expectProblem(await unlink(both.find(({ id }) => id !== left[0]?.id)?.id), 404, "not_found");
  });

  it("are all but needed by who has a password", async () => {
    const { token } = await register("idpassword");
    await link("google", token, "idpassword-g");
    const [only] = await identities(token);
    expect((await call("DELETE", `/v1/auth/oauth/identities/${only?.id}`, { token })).status).toBe(204);
    expect(await identities(token)).toEqual([]);
    expect((await signIn(new Browser(), "google", "idpassword-g")).startsWith(HOME)).toBe(true);
    expect(await usersOf("idpassword-g@example.com")).toBe(1);
  });
});

describe("a closed account", () => {
  it("leaves its identity free: who signs in with it is somebody new", async () => {
    const browser = new Browser();
    await signIn(browser, "google", "closer");
    const { token, user } = await page(browser);
    const closed = await call("DELETE", "/v1/me", { token, json: {} });
    expect(closed.status, closed.text).toBe(204);
    const again = new Browser();
    expect(await signIn(again, "google", "closer")).toBe(HOME);
    expect((await page(again)).user.id).not.toBe(user.id);
  });
});

describe("a second factor", () => {
  it("T9 is asked for after a provider has vouched: no session yet, and its token only after the #", async () => {
    const browser = new Browser();
    await signIn(browser, "github", "second-factor");
    const { token, user } = await page(browser);
    // Who has no password has just signed in: that counts.
    const begun = await browser.post("/v1/auth/mfa/totp", { token, json: {} });
    const code = TOTP.generate({ secret: Secret.fromBase32(String(begun.body.secret)) });
    const on = await browser.post("/v1/auth/mfa/totp/confirm", { token, json: { code } });
    expect(on.status, on.text).toBe(200);
    const again = new Browser();
    const to = await signIn(again, "github", "second-factor", "/in?a=b");
    expect(to).toMatch(/^http:\/\/127\.0\.0\.1:8787\/in\?a=b#mfa_token=mfa_[\w-]{43}$/);
    expect([...again.cookies.keys()]).toEqual([]);
    expect(await sessionsOf(user.email)).toBe(1);
    const [recovery] = on.body.recovery_codes as string[];
    const json = { mfa_token: to.slice(to.indexOf("mfa_token=") + 10), code: recovery };
    const verified = await again.post("/v1/auth/mfa/verify", { json, headers: PAGE });
    expect(verified.status, verified.text).toBe(200);
    expect((await page(again)).user.id).toBe(user.id);
  });
});

describe("a step up", () => {
  it("O7 is needed to link and to unlink", async () => {
    const { id } = await register("stale");
    const ids = { userId: id, accountId: makeId("acc", Date.now()), sessionId: makeId("ses", Date.now()) };
    const subject = { ...ids, roles: ["customer"], emailVerified: true, authAtMs: Date.now() - 601_000 };
    const token = await signAccessToken(loadConfig(env), subject, Date.now());
    expectProblem(await call("POST", "/v1/auth/oauth/google/link", { token }), 403, "step_up_required");
    const path = `/v1/auth/oauth/identities/${makeId("idn", Date.now())}`;
    expectProblem(await call("DELETE", path, { token }), 403, "step_up_required");
    expect((await call("GET", "/v1/auth/oauth/identities", { token })).status).toBe(200);
  });
});

describe("while D1 is away", () => {
  it("a sign-in ends before its code is used, so that it can be brought again", async () => {
    const quiet = vi.spyOn(console, "error").mockImplementation(() => {});
    const browser = new Browser();
    const path = await consent(await start(browser, "google", "/in"), "d1-away");
    const headers = { Cookie: `__Host-sign-in=${browser.cookies.get("__Host-sign-in")}` };
    const DB = faultyD1(() => true, D1_ERRORS[0]);
    const refused = await callApp(createApp(), "GET", path, { headers, env: { DB } });
    expect(target(refused)).toBe(`${HOME}in?error=unavailable`);
    quiet.mockRestore();
    expect(target(await call("GET", path, { headers }))).toBe(`${HOME}in`);
    expect(await sessionsOf("d1-away@example.com")).toBe(1);
  });
});

describe("the way back", () => {
  let token = "";
  beforeAll(async () => {
    token = (await register("wayback")).token;
  });

  it.each([
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    `${APP}.evil.example`,
    "javascript:alert(1)",
    "/#x",
  ])("O6 does not lead to %s", async (to) => {
    const query = `?return_to=${encodeURIComponent(to)}`;
    const got = await call("GET", `/v1/auth/oauth/google/start${query}`);
    expectProblem(got, 422, "validation_failed");
    expect(got.body.errors).toMatchObject([{ pointer: "/return_to" }]);
    expect(got.headers.get("Set-Cookie")).toBeNull();
    expectProblem(await call("POST", `/v1/auth/oauth/google/link${query}`, { token }), 422, "validation_failed");
  });

  it("O6 leads to a listed origin", async () => {
    expect(await signIn(new Browser(), "google", "listed", `${APP}/in`)).toBe(`${APP}/in`);
  });

  it("O6 is not what the callback's own address says, nor the host that was asked", async () => {
    const browser = new Browser();
    const path = await consent(await start(browser, "google", "/in"), "own-address");
    const got = await browser.get(`${path}&return_to=https://evil.example`, { "X-Forwarded-Host": "evil.example" });
    expect(target(got)).toBe(`${HOME}in`);
  });
});

describe("a provider", () => {
  it.each(["start", "callback"])("that nobody knows is not found (%s)", async (leg) => {
    expectProblem(await call("GET", `/v1/auth/oauth/myspace/${leg}`), 404, "not_found");
  });

  it("takes a foreign query for what it is: one that this browser has not begun", async () => {
    for (const query of ["", "?code=x", "?code=x&state=y", "?error=access_denied&state=y&scope=email&hd=z"]) {
      expect(target(await call("GET", `/v1/auth/oauth/google/callback${query}`))).toBe(`${HOME}?error=invalid_code`);
    }
  });

  it("that is off is not found, nor to be linked", async () => {
    const off = { OAUTH_GOOGLE_CLIENT_ID: "" };
    for (const leg of ["start", "callback"]) {
      const got = await callApp(createApp(), "GET", `/v1/auth/oauth/google/${leg}`, { env: off });
      expect(got).toMatchObject({ status: 404, body: { code: "not_found" } });
    }
    const { token } = await register("off");
    const linked = await callApp(createApp(), "POST", "/v1/auth/oauth/google/link", { env: off, token });
    expect(linked).toMatchObject({ status: 404, body: { code: "not_found" } });
  });

  it("that cannot be reached sends a browser back at once", async () => {
    const quiet = vi.spyOn(console, "warn").mockImplementation(() => {});
    const away = { OAUTH_GOOGLE_ISSUER: "http://127.0.0.1:1" };
    const path = "/v1/auth/oauth/google/start?return_to=/in";
    const got = await callApp(createApp(), "GET", path, { env: away });
    expect(target(got)).toBe(`${HOME}in?error=unavailable`);
    expect(got.headers.get("Set-Cookie")).toBeNull();
    quiet.mockRestore();
  });

  it("lets only who is signed in see, link and unlink", async () => {
    expectProblem(await call("GET", "/v1/auth/oauth/identities"), 401, "unauthenticated");
    expectProblem(
      await call("DELETE", "/v1/auth/oauth/identities/idn_01jbcdefghjkmnpqrstvwxyz01"),
      401,
      "unauthenticated",
    );
  });
});
