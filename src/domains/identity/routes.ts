// Identity over HTTP.

import type { Result } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { send, sendNothing, sendPublic } from "../../http/answer.ts";
import { callerOf, type RequestContext } from "../../http/context.ts";
import {
  answer,
  BODY_CODES,
  body,
  createRouter,
  idempotencyHeaders,
  KEY_CODES,
  operation,
  problems,
  TOKEN_CODES,
} from "../../http/openapi.ts";
import { dropToken, keepToken, presentedToken, usesCookie } from "../../http/refresh-cookie.ts";
import { publicJwksOf } from "../../http/tokens.ts";
import { emailRoutes } from "./email-routes.ts";
import { logout, logoutAll } from "./ending.ts";
import { passwordRoutes } from "./password-routes.ts";
import { contextOf, originOf } from "./request.ts";
import { roleRoutes } from "./role-routes.ts";
import {
  jwksAnswer,
  loginBody,
  refreshBody,
  registerBody,
  tokensAnswer,
  transportHeaders,
  userAnswer,
} from "./schema.ts";
import { login, readProfile, register } from "./service.ts";
import { sessionRoutes } from "./session-routes.ts";
import { refresh, SESSION_IDLE_MS, type Tokens } from "./sessions.ts";
import type { User } from "./user.ts";

const tags = ["Identity"];

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
  refreshCookie: true,
  request: { headers: transportHeaders, body: body(loginBody) },
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
  refreshCookie: true,
  request: { headers: transportHeaders, body: body(refreshBody) },
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
  access: "sessions:manage",
  tellsAccount: true,
  responses: { 204: { description: "The session has ended" }, ...problems(...TOKEN_CODES) },
});

const logoutAllRoute = operation({
  method: "post",
  path: "/v1/auth/logout-all",
  tags,
  summary: "End all sessions",
  access: "sessions:manage",
  tellsAccount: true,
  responses: { 204: { description: "Every session has ended" }, ...problems(...TOKEN_CODES) },
});

const meRoute = operation({
  method: "get",
  path: "/v1/me",
  tags,
  summary: "Read one's own profile",
  access: "profile:read",
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

const personRoutes = createRouter()
  .openapi(registerRoute, async (c) => send(c, await register(contextOf(c), c.req.valid("json")), renderUser, 201))
  .openapi(loginRoute, async (c) => {
    return sendTokens(c, await login(contextOf(c), c.req.valid("json"), originOf(c)));
  })
  .openapi(refreshRoute, async (c) => {
    const token = presentedToken(c, c.req.valid("json").refresh_token);
    return sendTokens(c, token.ok ? await refresh(contextOf(c), token.value) : token);
  })
  .openapi(logoutRoute, async (c) => {
    const ended = await logout(contextOf(c), callerOf(c));
    if (ended.ok) dropToken(c);
    return sendNothing(c, ended);
  })
  .openapi(logoutAllRoute, async (c) => {
    const ended = await logoutAll(contextOf(c), callerOf(c));
    if (ended.ok) dropToken(c);
    return sendNothing(c, ended);
  })
  .openapi(meRoute, async (c) => send(c, await readProfile(contextOf(c), callerOf(c)), renderUser, 200))
  .openapi(jwksRoute, (c) => {
    const keys = publicJwksOf(c.get("config"));
    return sendPublic(c, { ok: true, value: keys }, (value) => ({ keys: value }), JWKS_MAX_AGE_SECONDS);
  });

/** Everything of identity. */
export const identityRouter = createRouter()
  .route("/", personRoutes)
  .route("/", sessionRoutes)
  .route("/", roleRoutes)
  .route("/", passwordRoutes)
  .route("/", emailRoutes);

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

/** Refusals of a refresh token that will never be good again: a browser need not keep it. */
const ENDED: ReadonlySet<string> = new Set([
  "unauthenticated",
  "token_expired",
  "session_revoked",
  "refresh_token_reused",
]);

/** Answers with a session's tokens: the refresh token in the cookie where that was asked for, else in the body. */
function sendTokens(c: RequestContext, tokens: Result<Tokens>) {
  const inCookie = usesCookie(c);
  if (inCookie && tokens.ok) keepToken(c, tokens.value.refreshToken, SESSION_IDLE_MS / 1_000);
  if (inCookie && !tokens.ok && ENDED.has(tokens.refusal.code)) dropToken(c);
  return send(c, tokens, (value) => renderTokens(value, inCookie), 200);
}

function renderTokens(tokens: Tokens, inCookie: boolean) {
  return {
    access_token: tokens.accessToken,
    token_type: "Bearer" as const,
    expires_in: tokens.expiresInSeconds,
    ...(inCookie ? {} : { refresh_token: tokens.refreshToken }),
    session_id: tokens.sessionId,
  };
}
