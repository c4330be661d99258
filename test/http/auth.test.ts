// Every way an access token can be wrong, and what a stranger may learn: nothing.

import { env } from "cloudflare:workers";
import { base64url, importJWK, SignJWT } from "jose";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { ConfigError, loadConfig, parseConfig } from "../../src/config.ts";
import { ok } from "../../src/core/result.ts";
import { refreshTokenOf } from "../../src/domains/identity/refresh-token.ts";
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

  it("J7 ends with its time, also when it was remembered", async () => {
    const nowMs = Date.now();
    const token = await signAccessToken(config, SUBJECT, nowMs);
    expect((await verifyAccessToken(config, token, nowMs)).ok).toBe(true);
    const later = await verifyAccessToken(config, token, nowMs + 600_000);
    expect(later).toMatchObject({ ok: false, refusal: { code: "token_expired" } });
    const again = await verifyAccessToken(config, token, nowMs + 600_000);
    expect(again).toMatchObject({ ok: false, refusal: { code: "token_expired" } });
  });
});

describe("a wrong token is 401", () => {
  const now = seconds();
  const published = () => publicJwksOf(config)[0] as { x: string };
  /** What a token is verified with, as RFC 8410 puts it in a PEM file. */
  const pem = () => {
    const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), base64url.decode(published().x)]);
    return `-----BEGIN PUBLIC KEY-----\n${der.toString("base64")}\n-----END PUBLIC KEY-----\n`;
  };
  const unsigned = (alg: unknown) =>
    `${encode({ alg, kid: config.signingJwk.kid, typ: "at+jwt" })}.${encode(goodClaims())}.`;
  const hmacWith = (secret: Uint8Array | string) =>
    new SignJWT(goodClaims())
      .setProtectedHeader({ alg: "HS256", typ: "at+jwt", kid: config.signingJwk.kid })
      .sign(typeof secret === "string" ? new TextEncoder().encode(secret) : secret);
  const kid = (value: unknown) => () => signed(goodClaims(), { kid: value });
  const claim = (name: string, value: unknown) => () => signed({ ...goodClaims(), [name]: value });
  /** A token whose header and payload are these texts, under a good signature. */
  const signedTexts = async (head: string, payload: string) => {
    const key = (await importJWK({ ...config.signingJwk }, "EdDSA")) as CryptoKey;
    const said = `${base64url.encode(head)}.${base64url.encode(payload)}`;
    const mac = await crypto.subtle.sign("Ed25519", key, new TextEncoder().encode(said));
    return `${said}.${base64url.encode(new Uint8Array(mac))}`;
  };
  const goodHead = JSON.stringify({ alg: "EdDSA", kid: config.signingJwk.kid, typ: "at+jwt" });
  const parts = async () => (await signed(goodClaims())).split(".") as [string, string, string];
  const otherMac = (change: (mac: Uint8Array<ArrayBuffer>) => void) => async () => {
    const [head, payload, mac] = await parts();
    const bytes = new Uint8Array(base64url.decode(mac));
    change(bytes);
    return `${head}.${payload}.${base64url.encode(bytes)}`;
  };
  const respelt = (change: (mac: string) => string) => async () => {
    const [head, payload, mac] = await parts();
    return `${head}.${payload}.${change(mac)}`;
  };
  const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  /** The order of the curve's group, low byte first: a signature's second half is good modulo it, and must be below it. */
  const ORDER = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
  const addOrder = (mac: Uint8Array<ArrayBuffer>) => {
    const half = [...mac.subarray(32)].reduce((sum, byte, at) => sum + (BigInt(byte) << BigInt(8 * at)), 0n) + ORDER;
    for (let at = 0; at < 32; at += 1) mac[32 + at] = Number((half >> BigInt(8 * at)) & 255n);
  };
  /** Keeps its time and its session, and its type says what it is. */
  const ofType = (typ: unknown) => () => signed(goodClaims(), { typ });

  const cases: [string, () => Promise<string> | string][] = [
    ["J1 alg none", () => unsigned("none")],
    ["J1 alg None", () => unsigned("None")],
    ["J1 alg nOnE", () => unsigned("nOnE")],
    ["J1 alg empty", () => unsigned("")],
    ["J1 no alg", () => unsigned(undefined)],
    ["J1 alg none over a good signature", () => signed(goodClaims(), { alg: "none" })],
    ["J2 HS256 with the public key as JWK", () => hmacWith(JSON.stringify(published()))],
    ["J2 HS256 with the public key as PEM", () => hmacWith(pem())],
    ["J2 HS256 with the public key's bytes", () => hmacWith(base64url.decode(published().x))],
    ["J2 HS256 with the public key's text", () => hmacWith(published().x)],
    ["J3 alg ES256", () => signed(goodClaims(), { alg: "ES256" })],
    ["J3 alg RS256", () => signed(goodClaims(), { alg: "RS256" })],
    ["J3 alg Ed25519, the same under a newer name", () => signed(goodClaims(), { alg: "Ed25519" })],
    ["J3 alg a list", () => signed(goodClaims(), { alg: ["EdDSA"] })],
    ["J4 kid unknown", kid("other")],
    ["J4 kid a path", kid("../../dev/null")],
    ["J4 kid SQL", kid("test-1' OR '1'='1")],
    ["J4 kid a URL", kid("https://evil.example/jwks.json")],
    ["J4 kid a list", kid([config.signingJwk.kid])],
    ["J4 kid a number", kid(1)],
    ["J4 kid __proto__", kid("__proto__")],
    ["J4 kid huge", kid("k".repeat(1_500))],
    ["J4 kid none", kid(undefined)],
    ["J6 garbage", () => "garbage"],
    ["J6 two parts", async () => (await parts()).slice(0, 2).join(".")],
    ["J6 four parts", async () => `${await signed(goodClaims())}.x`],
    ["J6 five parts, as of a JWE", async () => `${await signed(goodClaims())}.x.y`],
    ["J6 parts that are empty", () => ".."],
    ["J6 a critical header", () => signed(goodClaims(), { crit: ["x"], x: 1 })],
    ["J6 a payload that is not in base64", () => signed(goodClaims(), { crit: ["b64"], b64: false })],
    ["J6 a payload padded", async () => (await parts()).map((one, at) => (at === 1 ? `${one}=` : one)).join(".")],
    ["J6 a payload that is no JSON", () => signedTexts(goodHead, "{")],
    ["J6 a payload that is a list", () => signedTexts(goodHead, "[]")],
    ["J6 a payload that is null", () => signedTexts(goodHead, "null")],
    ["J6 a header that is null", () => signedTexts("null", JSON.stringify(goodClaims()))],
    [
      "J6 a claim twice, of which the last is wrong",
      () => signedTexts(goodHead, JSON.stringify(goodClaims()).replace(/}$/, ',"sub":"ses_x"}')),
    ],
    ["J6 too long", claim("pad", "x".repeat(4_000))],
    ["J7 exp missing", claim("exp", undefined)],
    ["J7 exp a text", claim("exp", String(now + 600))],
    ["J7 exp a fraction", claim("exp", now + 600.5)],
    ["J7 exp null", claim("exp", null)],
    ["J7 exp 1e999", () => signedTexts(goodHead, JSON.stringify(goodClaims()).replace(/"exp":\d+/, '"exp":1e999'))],
    ["J7 nbf to come", claim("nbf", now + 600)],
    ["J7 nbf a text", claim("nbf", "0")],
    ["J7 iat a text", claim("iat", String(now))],
    ["J7 iat missing", claim("iat", undefined)],
    ["J8 another issuer", claim("iss", "evil")],
    ["J8 no issuer", claim("iss", undefined)],
    ["J8 another audience", claim("aud", "other")],
    ["J8 no audience", claim("aud", undefined)],
    ["J8 no audience in the list", claim("aud", [])],
    ["J8 typ JWT, as of an ID token", ofType("JWT")],
    ["J8 typ missing", ofType(undefined)],
    ["J8 typ of a sign-in's cookie", ofType("sign-in+jwt")],
    ["J8 a refresh token", () => refreshTokenOf({ sessionId: SUBJECT.sessionId, generation: 1 }, config.refreshSecret)],
    ["J8 no session", claim("sid", undefined)],
    ["J8 no account", claim("acc", undefined)],
    ["J8 a session as subject", claim("sub", SUBJECT.sessionId)],
    ["J8 roles a text", claim("roles", "operator")],
    ["J9 cut short", respelt((mac) => mac.slice(0, -2))],
    ["J9 no signature", respelt(() => "")],
    ["J9 zeros for a signature", otherMac((mac) => mac.fill(0))],
    ["J9 one bit changed", otherMac((mac) => mac.set([(mac[0] ?? 0) ^ 1]))],
    ["J9 the same signature plus the group's order", otherMac(addOrder)],
    [
      "J9 the same signature spelt with other idle bits",
      respelt((mac) => mac.slice(0, -1) + ALPHABET.charAt(ALPHABET.indexOf(mac.slice(-1)) + 1)),
    ],
    ["J9 the same signature padded", respelt((mac) => `${mac}==`)],
    [
      "J9 another payload under a good signature",
      async () => {
        const [head, , mac] = await parts();
        return `${head}.${encode({ ...goodClaims(), sub: "usr_other" })}.${mac}`;
      },
    ],
    [
      "J9 another token's signature",
      async () => {
        const [head, payload] = await parts();
        return `${head}.${payload}.${(await signed({ ...goodClaims(), jti: "j2" })).split(".")[2]}`;
      },
    ],
  ];
  it.each(cases)("%s", async (_, make) => {
    const got = await ask(await make());
    expect(got.status).toBe(401);
    expect(got.body).toMatchObject({ code: "unauthenticated", status: 401, instance: "/mine/a" });
    expect(got.headers.get("WWW-Authenticate")).toBe("Bearer");
  });

  it.each([
    ["J7 exp negative", -1],
    ["J7 exp 0", 0],
    ["J7 exp now", now],
  ])("%s", async (_, exp) => {
    const got = await ask(await signed({ ...goodClaims(), exp }));
    expect([got.status, got.body.code]).toEqual([401, "token_expired"]);
  });

  it.each<[string, (own: { x?: string | undefined }) => object]>([
    ["J5 another key under a good kid", () => ({})],
    ["J5 a key of its own in jwk", ({ x }) => ({ jwk: { kty: "OKP", crv: "Ed25519", x } })],
    ["J5 a key of its own behind jku", () => ({ jku: "https://evil.example/jwks" })],
    ["J5 a certificate of its own behind x5u", () => ({ x5u: "https://evil.example/cert" })],
    ["J5 a certificate of its own in x5c", () => ({ x5c: ["MIIB"] })],
  ])("%s", async (_, header) => {
    const outside = vi.spyOn(globalThis, "fetch");
    const pair = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
    const { kty, crv, x, d } = (await crypto.subtle.exportKey("jwk", pair.privateKey)) as JsonWebKey;
    const own = { kty, crv, x, d };
    for (const more of [{}, { kid: undefined }, { kid: "their-own" }]) {
      expect((await ask(await signed(goodClaims(), { ...header(own), ...more }, own))).body.code).toBe(
        "unauthenticated",
      );
    }
    expect(outside).not.toHaveBeenCalled();
    outside.mockRestore();
  });
});

describe("the header", () => {
  it.each<[string, (token: string) => Record<string, string>]>([
    ["J10 no header", () => ({})],
    ["J10 Basic", (token) => ({ Authorization: `Basic ${token}` })],
    ["J10 Token", (token) => ({ Authorization: `Token ${token}` })],
    ["J10 no scheme", (token) => ({ Authorization: token })],
    ["J10 a look-alike scheme", (token) => ({ Authorization: `Bearerx ${token}` })],
    ["J10 no token", () => ({ Authorization: "Bearer" })],
    ["J10 no blank", (token) => ({ Authorization: `Bearer${token}` })],
    ["J10 two tokens", (token) => ({ Authorization: `Bearer ${token} ${token}` })],
    ["J10 two headers", (token) => ({ Authorization: `Bearer ${token}, Bearer ${token}` })],
    ["J10 a token in quotes", (token) => ({ Authorization: `Bearer "${token}"` })],
    ["J10 a cookie", (token) => ({ Cookie: `access_token=${token}; Authorization=Bearer ${token}` })],
    ["J10 the header of keys", (token) => ({ "X-Api-Key": token })],
  ])("%s is 401", async (_, headers) => {
    const token = await signAccessToken(config, SUBJECT, Date.now());
    expect((await ask(undefined, headers(token))).body.code).toBe("unauthenticated");
  });

  it("J10 takes the scheme in any case, and no token out of the query", async () => {
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

  it("J12 are rotated with overlap: before, between and after, no good token is refused", async () => {
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

  it("J12 verify nothing once they are taken out, and never under another's id", async () => {
    const alone = configWith(NEXT, []);
    const token = await signAccessToken(configWith(old, []), SUBJECT, now);
    expect(await verifyAccessToken(alone, token, now)).toMatchObject({ refusal: { code: "unauthenticated" } });
    const stolenName = await signAccessToken(configWith({ ...old, kid: NEXT.kid }, []), SUBJECT, now);
    const both = configWith(NEXT, [publicPart]);
    expect(await verifyAccessToken(both, stolenName, now)).toMatchObject({ refusal: { code: "unauthenticated" } });
  });

  it("J12 are all published, without their secrets", () => {
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
  ])("J12 are refused by name when the list has %s", (_, further) => {
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
