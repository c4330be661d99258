// Identity over HTTP.

import { send, sendNothing, sendPublic } from "../../http/answer.ts";
import { callerOf } from "../../http/context.ts";
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
import { dropToken, presentedToken } from "../../http/refresh-cookie.ts";
import { publicJwksOf } from "../../http/tokens.ts";
import { emailRoutes } from "./email-routes.ts";
import { logout, logoutAll } from "./ending.ts";
import { mfaRoutes } from "./mfa-routes.ts";
import { oauthRoutes } from "./oauth-routes.ts";
import { passwordRoutes } from "./password-routes.ts";
import { profileRoutes, renderUser } from "./profile-routes.ts";
import { contextOf, originOf } from "./request.ts";
import { roleRoutes } from "./role-routes.ts";
import {
  jwksAnswer,
  loginAnswer,
  loginBody,
  refreshBody,
  registerBody,
  tokensAnswer,
  transportHeaders,
  userAnswer,
} from "./schema.ts";
import { login, register } from "./service.ts";
import { sessionRoutes } from "./session-routes.ts";
import { refresh } from "./sessions.ts";
import { sendEntered, sendRefreshed } from "./token-answer.ts";

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
    200: answer(loginAnswer, "A new session's tokens, or what the second factor's code is to be given with"),
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
    return sendEntered(c, await login(contextOf(c), c.req.valid("json"), originOf(c)));
  })
  .openapi(refreshRoute, async (c) => {
    const token = presentedToken(c, c.req.valid("json").refresh_token);
    return sendRefreshed(c, token.ok ? await refresh(contextOf(c), token.value) : token);
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
  .route("/", emailRoutes)
  .route("/", mfaRoutes)
  .route("/", profileRoutes)
  .route("/", oauthRoutes);
