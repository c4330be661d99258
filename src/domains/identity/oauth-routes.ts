// Sign-in with Google and GitHub over HTTP: two redirects for a browser, and the caller's linked identities.

import { send, sendNothing } from "../../http/answer.ts";
import { callerOf, type RequestContext } from "../../http/context.ts";
import { answer, createRouter, operation, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { problemResponse } from "../../http/problem.ts";
import { keepToken } from "../../http/refresh-cookie.ts";
import { dropFlow, type Flow, keepFlow, readFlow } from "../../http/sign-in-cookie.ts";
import { beginLink, beginSignIn, type Landing, land } from "./oauth.ts";
import { listIdentities, unlinkIdentity } from "./oauth-identities.ts";
import {
  authorizationAnswer,
  callbackQuery,
  identitiesAnswer,
  identityPath,
  providerPath,
  returnToQuery,
} from "./oauth-schema.ts";
import { contextOf, originOf } from "./request.ts";
import { SESSION_IDLE_MS } from "./sessions.ts";

const tags = ["Identity"];

const startRoute = operation({
  method: "get",
  path: "/v1/auth/oauth/{provider}/start",
  tags,
  summary: "Begin a sign-in with a provider, in a browser",
  description:
    "The browser comes back to `return_to` with the refresh token in `__Host-refresh`: its page calls `POST /v1/auth/refresh`. " +
    "With a second factor it comes back with `#mfa_token=` instead, for `POST /v1/auth/mfa/verify`; in vain with `?error=` and a code.",
  access: "public",
  limits: ["login"],
  request: { params: providerPath, query: returnToQuery },
  responses: { 302: { description: "To the provider" }, ...problems("not_found") },
});

const callbackRoute = operation({
  method: "get",
  path: "/v1/auth/oauth/{provider}/callback",
  tags,
  summary: "Where a provider sends the browser back to",
  description: "For the browser that has begun the sign-in, once: nobody else calls this.",
  access: "public",
  limits: ["login"],
  request: { params: providerPath, query: callbackQuery },
  responses: { 302: { description: "To where the sign-in was begun" }, ...problems("not_found") },
});

const linkRoute = operation({
  method: "post",
  path: "/v1/auth/oauth/{provider}/link",
  tags,
  summary: "Begin to link an identity at a provider, to sign in with",
  description: "From a browser, whose page then goes to `authorization_url`: the answer's cookie must go along.",
  access: "credentials:manage",
  stepUp: true,
  request: { params: providerPath, query: returnToQuery },
  responses: {
    200: answer(authorizationAnswer, "Where to go"),
    ...problems(...TOKEN_CODES, "step_up_required", "email_not_verified", "not_found", "identity_taken"),
  },
});

const listRoute = operation({
  method: "get",
  path: "/v1/auth/oauth/identities",
  tags,
  summary: "The identities that one may sign in with",
  access: "credentials:manage",
  responses: { 200: answer(identitiesAnswer, "One of each provider at most"), ...problems(...TOKEN_CODES) },
});

const unlinkRoute = operation({
  method: "delete",
  path: "/v1/auth/oauth/identities/{id}",
  tags,
  summary: "Unlink an identity",
  description: "Not the last way to sign in. Sessions that it has opened stay.",
  access: "credentials:manage",
  stepUp: true,
  request: { params: identityPath },
  responses: {
    204: { description: "Unlinked" },
    ...problems(...TOKEN_CODES, "step_up_required", "not_found", "last_sign_in"),
  },
});

const asItIs = <T>(value: T): T => value;

export const oauthRoutes = createRouter()
  .openapi(startRoute, async (c) => {
    const { provider } = c.req.valid("param");
    const begun = await beginSignIn(contextOf(c), provider, c.req.valid("query").return_to);
    return begun.ok ? goTo(c, begun.value.url, begun.value.flow) : problemResponse(c, begun.refusal);
  })
  .openapi(callbackRoute, async (c) => {
    const returned = { flow: await readFlow(c), answer: new URL(c.req.url).searchParams };
    const landed = await land(contextOf(c), c.req.valid("param").provider, returned, originOf(c));
    return landed.ok ? goBack(c, landed.value) : problemResponse(c, landed.refusal);
  })
  .openapi(linkRoute, async (c) => {
    const { provider } = c.req.valid("param");
    const begun = await beginLink(contextOf(c), callerOf(c), provider, c.req.valid("query").return_to);
    if (begun.ok) await keepFlow(c, begun.value.flow);
    return send(c, begun, ({ url }) => ({ authorization_url: url }), 200);
  })
  .openapi(listRoute, async (c) => send(c, await listIdentities(contextOf(c), callerOf(c)), asItIs, 200))
  .openapi(unlinkRoute, async (c) => {
    return sendNothing(c, await unlinkIdentity(contextOf(c), callerOf(c), c.req.valid("param").id));
  });

async function goTo(c: RequestContext, url: string, flow: Flow | null): Promise<Response> {
  if (flow !== null) await keepFlow(c, flow);
  return c.redirect(url, 302);
}

function goBack(c: RequestContext, { url, tokens, spent }: Landing): Response {
  if (spent) dropFlow(c);
  if (tokens !== null) keepToken(c, tokens.refreshToken, SESSION_IDLE_MS / 1_000);
  return c.redirect(url, 302);
}
