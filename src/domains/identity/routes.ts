// Identity over HTTP.

import type { Context } from "hono";
import { wireTime } from "../../core/wire.ts";
import { send, sendNothing, sendPublic } from "../../http/answer.ts";
import { type AuditAct, audit } from "../../http/audit.ts";
import { clientIpText } from "../../http/client-ip.ts";
import { type AppEnv, callerOf } from "../../http/context.ts";
import { answer, body, createRouter, idempotencyHeaders, operation, problems } from "../../http/openapi.ts";
import { publicJwkOf } from "../../http/tokens.ts";
import { jwksAnswer, loginBody, refreshBody, registerBody, tokensAnswer, userAnswer } from "./schema.ts";
import { login, readProfile, register } from "./service.ts";
import { logout, logoutAll, refresh, type Tokens } from "./sessions.ts";
import { type IdentityContext, identityContext, type Origin, type User } from "./user.ts";

const tags = ["Identity"];
/** Refusals of every route that takes a body. */
const BODY_CODES = ["malformed_json", "payload_too_large", "unsupported_media_type", "validation_failed"] as const;
/** Refusals of every route that takes an Idempotency-Key. */
const KEY_CODES = ["idempotency_in_flight", "idempotency_key_reused"] as const;
/** Refusals of every route behind a token. */
const TOKEN_CODES = ["unauthenticated", "token_expired", "session_revoked", "unavailable"] as const;

const registerRoute = operation({
  method: "post",
  path: "/v1/auth/register",
  tags,
  summary: "Sign up",
  access: "public",
  limits: ["register"],
  once: "kept",
  request: { headers: idempotencyHeaders, body: body(registerBody) },
  responses: {
    201: answer(userAnswer, "The new user, with a paper account"),
    ...problems(...BODY_CODES, ...KEY_CODES, "email_taken", "username_taken", "unavailable"),
  },
});

const loginRoute = operation({
  method: "post",
  path: "/v1/auth/login",
  tags,
  summary: "Sign in",
  access: "public",
  limits: ["login"],
  request: { body: body(loginBody) },
  responses: {
    200: answer(tokensAnswer, "A new session's tokens"),
    ...problems(...BODY_CODES, "invalid_credentials", "unavailable"),
  },
});

const refreshRoute = operation({
  method: "post",
  path: "/v1/auth/refresh",
  tags,
  summary: "Exchange a refresh token for the next tokens",
  access: "public",
  limits: ["refresh"],
  request: { body: body(refreshBody) },
  responses: {
    200: answer(tokensAnswer, "The session's next tokens"),
    ...problems(...BODY_CODES, ...TOKEN_CODES, "refresh_token_reused"),
  },
});

const logoutRoute = operation({
  method: "post",
  path: "/v1/auth/logout",
  tags,
  summary: "End this session",
  access: "signed_in",
  responses: { 204: { description: "The session has ended" }, ...problems(...TOKEN_CODES) },
});

const logoutAllRoute = operation({
  method: "post",
  path: "/v1/auth/logout-all",
  tags,
  summary: "End all sessions",
  access: "signed_in",
  responses: { 204: { description: "Every session has ended" }, ...problems(...TOKEN_CODES) },
});

const meRoute = operation({
  method: "get",
  path: "/v1/me",
  tags,
  summary: "Read one's own profile",
  access: "signed_in",
  responses: { 200: answer(userAnswer, "The caller"), ...problems(...TOKEN_CODES) },
});

const jwksRoute = operation({
  method: "get",
  path: "/.well-known/jwks.json",
  tags,
  summary: "Public keys of access tokens",
  access: "public",
  responses: { 200: answer(jwksAnswer, "A JSON Web Key Set"), ...problems() },
});

/** How long a client may keep the published keys. */
const JWKS_MAX_AGE_SECONDS = 300;

export const identityRoutes = createRouter()
  .openapi(registerRoute, async (c) => send(c, await register(contextOf(c), c.req.valid("json")), renderUser, 201))
  .openapi(loginRoute, async (c) => {
    return send(c, await login(contextOf(c), c.req.valid("json"), originOf(c)), renderTokens, 200);
  })
  .openapi(refreshRoute, async (c) => {
    return send(c, await refresh(contextOf(c), c.req.valid("json").refresh_token), renderTokens, 200);
  })
  .openapi(logoutRoute, async (c) => sendNothing(c, await logout(contextOf(c), callerOf(c))))
  .openapi(logoutAllRoute, async (c) => sendNothing(c, await logoutAll(contextOf(c), callerOf(c))))
  .openapi(meRoute, async (c) => send(c, await readProfile(contextOf(c), callerOf(c)), renderUser, 200))
  .openapi(jwksRoute, (c) => {
    const keys = [publicJwkOf(c.get("config").signingJwk)];
    return sendPublic(c, { ok: true, value: keys }, (value) => ({ keys: value }), JWKS_MAX_AGE_SECONDS);
  });

function contextOf(c: Context<AppEnv>): IdentityContext {
  const { sessionAuthority, limits } = c.get("ports");
  const config = c.get("config");
  const ports = {
    revoker: sessionAuthority(c.env),
    limits: limits(c.env, config.rates),
    audit: (act: AuditAct) => audit(c, act),
  };
  return identityContext(c.env, config, ports, Date.now());
}

function originOf(c: Context<AppEnv>): Origin {
  return { device: c.req.header("user-agent") ?? "", ip: clientIpText(c) };
}

function renderUser(user: User) {
  return {
    user: {
      id: user.id,
      email: user.email,
      username: user.username,
      email_verified: user.emailVerified,
      roles: user.roles,
      account_id: user.accountId,
      created_at: wireTime(user.createdAtMs),
    },
  };
}

function renderTokens(tokens: Tokens) {
  return {
    access_token: tokens.accessToken,
    token_type: "Bearer" as const,
    expires_in: tokens.expiresInSeconds,
    refresh_token: tokens.refreshToken,
    session_id: tokens.sessionId,
  };
}
