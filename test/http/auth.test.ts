// Every way an access token can be wrong, and what a stranger may learn: nothing.

import { env } from "cloudflare:workers";
import { base64url, importJWK, SignJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { ConfigError, loadConfig, parseConfig } from "../../src/config.ts";
import { ok } from "../../src/core/result.ts";
import { send } from "../../src/http/answer.ts";
import { sizeLimit } from "../../src/http/body.ts";
import { callerOf, configuration, requestContext } from "../../src/http/context.ts";
import { notFound, onError } from "../../src/http/fallback.ts";
import { answer, body, createRouter, operation, problems } from "../../src/http/openapi.ts";
import { publicJwksOf, signAccessToken, verifyAccessToken } from "../../src/http/tokens.ts";
import { call, NO_PORTS } from "../support/client.ts";

const config = loadConfig(env);
const SUBJECT = {
  userId: "usr_01m0000000000000000000000a",
  accountId: "acc_01m0000000000000000000000a",
  sessionId: "ses_01m0000000000000000000000a",
  roles: ["customer"],
  emailVerified: true,
};

const mine = operation({
  method: "put",
  path: "/mine/{id}",
  access: "profile:manage",
  tellsAccount: true,
  request: { params: z.object({ id: z.string().regex(/^[a-z]+$/) }), body: body(z.strictObject({ a: z.string() })) },
  responses: { 200: answer(z.object({ user: z.string() }), "Who asks"), ...problems("unauthenticated") },
});
const theirs = operation({
  method: "get",
  path: "/theirs",
  access: "audit:read",
  tellsAccount: true,
  responses: { 200: answer(z.object({ user: z.string() }), "Who asks"), ...problems("forbidden") },
});

function tinyApp() {
  const app = createRouter();
  app.use(requestContext(NO_PORTS), configuration, sizeLimit);
  app.onError(onError);
  app.openapi(mine, (c) => send(c, ok(callerOf(c)), (caller) => ({ user: caller.userId }), 200));
  app.openapi(theirs, (c) => send(c, ok(callerOf(c)), (caller) => ({ user: caller.userId }), 200));
  app.notFound(notFound(app));
  return app;
}

const app = tinyApp();
const seconds = () => Math.floor(Date.now() / 1_000);
const encode = (value: unknown) => base64url.encode(JSON.stringify(value));

function goodClaims(): Record<string, unknown> {
  const now = seconds();
  return {
    iss: config.issuer,
    aud: config.audience,
    sub: SUBJECT.userId,
    acc: SUBJECT.accountId,
    sid: SUBJECT.sessionId,
    roles: ["customer"],
    email_verified: true,
    iat: now,
    iat_ms: now * 1_000,
    exp: now + 600,
    jti: "j1",
  };
}

async function signed(claims: object, header: object = {}, key: object = config.signingJwk): Promise<string> {
  const head = { alg: "EdDSA", kid: config.signingJwk.kid, typ: "at+jwt", ...header };
  const imported = (await importJWK({ ...key }, "EdDSA")) as CryptoKey;
  const said = `${encode(head)}.${encode(claims)}`;
  const mac = await crypto.subtle.sign("Ed25519", imported, new TextEncoder().encode(said));
  return `${said}.${base64url.encode(new Uint8Array(mac))}`;
}

const without = (name: string) => Object.fromEntries(Object.entries(goodClaims()).filter(([key]) => key !== name));
const ask = (token: string | undefined, headers: Record<string, string> = {}) =>
  call(app, "PUT", "/mine/a", { json: { a: "1" }, headers, ...(token === undefined ? {} : { token }) });

describe("a good token", () => {
  it("opens the door, twice, and its answers are not stored", async () => {
    const token = await signAccessToken(config, SUBJECT, Date.now());
    for (let time = 0; time < 2; time += 1) {
      const got = await ask(token);
      expect(got.status).toBe(200);
      expect(got.body).toEqual({ user: SUBJECT.userId });
      expect(got.headers.get("Cache-Control")).toBe("no-store");
    }
    expect((await ask(await signed(goodClaims()))).status).toBe(200);
  });

  it("carries what the account object needs", async () => {
    const nowMs = Date.now();
    const verified = await verifyAccessToken(config, await signAccessToken(config, SUBJECT, nowMs), nowMs);
    const expiresAtMs = (Math.floor(nowMs / 1_000) + 600) * 1_000;
    expect(verified).toEqual(ok({ ...SUBJECT, authAtMs: null, issuedAtMs: nowMs, expiresAtMs }));
  });

  it("ends with its time, also when it was remembered", async () => {
    const nowMs = Date.now();
    const token = await signAccessToken(config, SUBJECT, nowMs);
    expect((await verifyAccessToken(config, token, nowMs)).ok).toBe(true);
    const later = await verifyAccessToken(config, token, nowMs + 600_000);
    expect(later).toMatchObject({ ok: false, refusal: { code: "token_expired" } });
    const again = await verifyAccessToken(config, token, nowMs + 600_000);
    expect(again).toMatchObject({ ok: false, refusal: { code: "token_expired" } });
  });
});

describe("a wrong token is 401 unauthenticated", () => {
  const now = seconds();
  const cases: [string, () => Promise<string> | string][] = [
    ["garbage", () => "garbage"],
    ["two parts", async () => (await signed(goodClaims())).split(".").slice(0, 2).join(".")],
    ["four parts", async () => `${await signed(goodClaims())}.x`],
    ["five parts", async () => `${await signed(goodClaims())}.x.y`],
    ["cut short", async () => (await signed(goodClaims())).slice(0, -2)],
    [
      "another payload under a good signature",
      async () => {
        const [head, , mac] = (await signed(goodClaims())).split(".");
        return `${head}.${encode({ ...goodClaims(), sub: "usr_other" })}.${mac}`;
      },
    ],
    ["alg none", () => `${encode({ alg: "none", typ: "at+jwt" })}.${encode(goodClaims())}.`],
    ["alg nOnE", () => `${encode({ alg: "nOnE", typ: "at+jwt" })}.${encode(goodClaims())}.`],
    ["alg empty", () => signed(goodClaims(), { alg: "" })],
    ["alg ES256 in name", () => signed(goodClaims(), { alg: "ES256" })],
    [
      "HS256 with the public key",
      () =>
        new SignJWT(goodClaims())
          .setProtectedHeader({ alg: "HS256", typ: "at+jwt", kid: config.signingJwk.kid })
          .sign(new TextEncoder().encode(JSON.stringify(publicJwksOf(config)[0]))),
    ],
    [
      "HS256 with the key's bytes",
      () =>
        new SignJWT(goodClaims())
          .setProtectedHeader({ alg: "HS256", typ: "at+jwt", kid: config.signingJwk.kid })
          .sign(base64url.decode(config.signingJwk.x)),
    ],
    ["an unknown kid", () => signed(goodClaims(), { kid: "other" })],
    ["a path as kid", () => signed(goodClaims(), { kid: "../../dev/null" })],
    ["an array as kid", () => signed(goodClaims(), { kid: [config.signingJwk.kid] })],
    ["no kid", () => signed(goodClaims(), { kid: undefined })],
    ["a critical header", () => signed(goodClaims(), { crit: ["x"], x: 1 })],
    ["another type", () => signed(goodClaims(), { typ: "JWT" })],
    ["another issuer", () => signed({ ...goodClaims(), iss: "evil" })],
    ["another audience", () => signed({ ...goodClaims(), aud: "other" })],
    ["no audience", () => signed(without("aud"))],
    ["no expiry", () => signed(without("exp"))],
    ["expiry as text", () => signed({ ...goodClaims(), exp: String(now + 600) })],
    ["expiry as a fraction", () => signed({ ...goodClaims(), exp: now + 600.5 })],
    ["not yet valid", () => signed({ ...goodClaims(), nbf: now + 600 })],
    ["no session", () => signed(without("sid"))],
    ["no account", () => signed(without("acc"))],
    ["a session as subject", () => signed({ ...goodClaims(), sub: SUBJECT.sessionId })],
    ["roles as text", () => signed({ ...goodClaims(), roles: "operator" })],
    ["too long", () => signed({ ...goodClaims(), pad: "x".repeat(4_000) })],
  ];
  it.each(cases)("%s", async (_, make) => {
    const got = await ask(await make());
    expect(got.status).toBe(401);
    expect(got.body).toMatchObject({ code: "unauthenticated", status: 401, instance: "/mine/a" });
    expect(got.headers.get("WWW-Authenticate")).toBe("Bearer");
  });

  it("a key of the token's own choosing", async () => {
    const pair = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
    const jwk = (await crypto.subtle.exportKey("jwk", pair.privateKey)) as JsonWebKey;
    const own = { kty: jwk.kty, crv: jwk.crv, x: jwk.x, d: jwk.d };
    const published = { kty: jwk.kty, crv: jwk.crv, x: jwk.x };
    for (const header of [
      {},
      { jwk: published },
      { jku: "https://evil.example/jwks" },
      { x5u: "https://evil.example" },
    ]) {
      expect((await ask(await signed(goodClaims(), header, own))).body.code).toBe("unauthenticated");
    }
  });
});

describe("the header", () => {
  it.each([
    ["nothing", undefined],
    ["another scheme", "Basic"],
    ["no scheme", ""],
    ["a look-alike scheme", "Bearerx"],
  ])("%s is 401", async (_, scheme) => {
    const token = await signAccessToken(config, SUBJECT, Date.now());
    const headers = scheme === undefined ? {} : { Authorization: `${scheme} ${token}`.trim() };
    expect((await ask(undefined, headers)).body.code).toBe("unauthenticated");
  });

  it("takes the scheme in any case, and no token out of the query", async () => {
    const token = await signAccessToken(config, SUBJECT, Date.now());
    expect((await ask(undefined, { Authorization: `bEARER ${token}` })).status).toBe(200);
    expect((await call(app, "PUT", `/mine/a?access_token=${token}`, { json: { a: "1" } })).status).toBe(401);
  });
});

describe("what comes first", () => {
  let token = "";
  beforeAll(async () => {
    token = await signAccessToken(config, SUBJECT, Date.now());
  });

  it("an expired token says so", async () => {
    const got = await ask(await signAccessToken(config, SUBJECT, Date.now() - 700_000));
    expect(got.status).toBe(401);
    expect(got.body.code).toBe("token_expired");
  });

  it("looks at nothing of body or path for a stranger, except the size", async () => {
    const headers = { "Content-Type": "text/plain" };
    expect((await call(app, "PUT", "/mine/A-1", { raw: "{", headers })).status).toBe(401);
    expect((await call(app, "PUT", "/mine/A-1", { raw: "x".repeat(65_537), headers })).status).toBe(413);
    expect((await call(app, "PUT", "/mine/A-1", { token, raw: "{", headers })).status).toBe(415);
    expect(
      (await call(app, "PUT", "/mine/A-1", { token, raw: "{", headers: { "Content-Type": "application/json" } }))
        .status,
    ).toBe(400);
    expect((await call(app, "PUT", "/mine/A-1", { token, json: { a: "1" } })).status).toBe(404);
  });

  it("asks for the role after the token", async () => {
    expect((await call(app, "GET", "/theirs")).status).toBe(401);
    const got = await call(app, "GET", "/theirs", { token });
    expect(got.status).toBe(403);
    expect(got.body.code).toBe("forbidden");
    const operator = await signAccessToken(config, { ...SUBJECT, roles: ["customer", "operator"] }, Date.now());
    expect((await call(app, "GET", "/theirs", { token: operator })).status).toBe(200);
  });
});

describe("signing keys", () => {
  const now = Date.now();
  const old = config.signingJwk;
  const publicPart = { kty: old.kty, crv: old.crv, kid: old.kid, x: old.x };
  // Another private key of its own: what RFC 8037 prints in appendix A.
  const NEXT = {
    kty: "OKP",
    crv: "Ed25519",
    kid: "test-2",
    x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
  };
  const nextPublic = { kty: NEXT.kty, crv: NEXT.crv, kid: NEXT.kid, x: NEXT.x };
  const configWith = (signing: object, further: unknown) =>
    parseConfig({ ...env, JWT_PRIVATE_JWK: JSON.stringify(signing), JWT_FURTHER_JWKS: JSON.stringify(further) });

  it("are rotated with overlap: before, between and after, no good token is refused", async () => {
    const announced = configWith(old, [nextPublic]);
    const swapped = configWith(NEXT, [publicPart]);
    const before = () => signAccessToken(announced, SUBJECT, now);
    const after = () => signAccessToken(swapped, SUBJECT, now);
    for (const verifier of [announced, swapped]) {
      for (const make of [before, after]) {
        expect(await verifyAccessToken(verifier, await make(), now)).toMatchObject({ ok: true });
      }
    }
  });

  it("verify nothing once they are taken out, and never under another's id", async () => {
    const alone = configWith(NEXT, []);
    const token = await signAccessToken(configWith(old, []), SUBJECT, now);
    expect(await verifyAccessToken(alone, token, now)).toMatchObject({ refusal: { code: "unauthenticated" } });
    const stolenName = await signAccessToken(configWith({ ...old, kid: NEXT.kid }, []), SUBJECT, now);
    const both = configWith(NEXT, [publicPart]);
    expect(await verifyAccessToken(both, stolenName, now)).toMatchObject({ refusal: { code: "unauthenticated" } });
  });

  it("are all published, without their secrets", () => {
    const published = publicJwksOf(configWith(NEXT, [publicPart]));
    expect(published).toEqual([nextPublic, publicPart].map((key) => ({ ...key, alg: "EdDSA", use: "sig" })));
    expect(configWith(NEXT, publicJwksOf(config)).furtherJwks).toHaveLength(1);
  });

  it.each([
    ["a private key among the public ones", [NEXT]],
    ["a kid that is there twice", [{ ...nextPublic, kid: old.kid }]],
    ["another kind of key", [{ ...nextPublic, crv: "P-256" }]],
    ["no list", nextPublic],
    ["more than anybody rotates", Array.from({ length: 9 }, (_, at) => ({ ...nextPublic, kid: `k${at}` }))],
  ])("are refused by name when the list has %s", (_, further) => {
    expect(() => configWith(old, further)).toThrow(ConfigError);
    expect(() => configWith(old, further)).toThrow(/JWT_FURTHER_JWKS/);
    expect(() => configWith(old, further)).not.toThrow(NEXT.d);
  });
});

describe("a route whose act asks the account, and that has a limit of its own", () => {
  it("has the session judged all the same when the act is refused before it asks", async () => {
    const limitedToo = operation({
      method: "post",
      path: "/limited",
      access: "orders:trade",
      asksAccount: true,
      limits: ["password_check"],
      request: { body: body(z.strictObject({ a: z.string() })) },
      responses: { 200: answer(z.object({}), "Never"), ...problems("session_revoked") },
    });
    const standing = { policy: "password_check", remaining: 1, resetSeconds: 1 } as const;
    const one = createRouter();
    const ports = {
      ...NO_PORTS,
      limits: () => ({ ...NO_PORTS.limits(env, config.rates), take: async () => ok(standing) }),
      sessionAuthority: () => ({
        ...NO_PORTS.sessionAuthority(env),
        admit: async () => ({ ok: false as const, refusal: { code: "session_revoked" as const } }),
      }),
    };
    one.use(requestContext(ports), configuration, sizeLimit);
    one.openapi(limitedToo, (c) => send(c, ok(null), () => ({}), 200));
    const token = await signAccessToken(config, SUBJECT, Date.now());
    const got = await call(one, "POST", "/limited", { token, json: { b: 1 } });
    expect([got.status, got.body.code]).toEqual([401, "session_revoked"]);
  });
});
