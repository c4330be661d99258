// Sessions over HTTP: for their owner, and for operators.

import { send, sendNothing } from "../../http/answer.ts";
import { admit } from "../../http/auth.ts";
import { callerOf } from "../../http/context.ts";
import {
  answer,
  BODY_CODES,
  body,
  createRouter,
  operation,
  pageQuery,
  problems,
  TOKEN_CODES,
} from "../../http/openapi.ts";
import { actOf, reasonBody } from "../../http/operator-act.ts";
import { endAsOperator, endOwn } from "./ending.ts";
import { contextOf } from "./request.ts";
import {
  adminSessionOut,
  adminSessionsAnswer,
  adminSessionsQuery,
  blacklistAnswer,
  sessionPath,
  sessionsAnswer,
  tokenAnswer,
} from "./schema.ts";
import { blacklistFigures, findSession, listAllSessions, listSessions, tokenStatus } from "./session-list.ts";

const tags = ["Identity"];
const operations = ["Operations"];

const listRoute = operation({
  method: "get",
  path: "/v1/auth/sessions",
  tags,
  summary: "One's own sessions, the newest login first",
  access: "sessions:manage",
  request: { query: pageQuery },
  responses: { 200: answer(sessionsAnswer, "Sessions that have not ended"), ...problems(...TOKEN_CODES) },
});

const endRoute = operation({
  method: "delete",
  path: "/v1/auth/sessions/{id}",
  tags,
  summary: "End one of one's own sessions",
  description: "Its access token is refused from the next call on, and its streams close with 4001.",
  access: "sessions:manage",
  request: { params: sessionPath },
  responses: { 204: { description: "It has ended" }, ...problems(...TOKEN_CODES, "not_found") },
});

const tokenRoute = operation({
  method: "get",
  path: "/v1/auth/token",
  tags,
  summary: "Whether the presented access token may still do something",
  description: "Also answers a token whose session has ended: `active` is false then, and `blacklisted` true.",
  access: "sessions:manage",
  asksAccount: true,
  responses: { 200: answer(tokenAnswer, "Its status"), ...problems("unauthenticated", "token_expired", "unavailable") },
});

const adminListRoute = operation({
  method: "get",
  path: "/v1/admin/sessions",
  tags: operations,
  summary: "Sessions of all users, the newest login first",
  description: "With `status=ended` the blacklist's entries: who ended each, when and why.",
  access: "ops:read",
  request: { query: adminSessionsQuery },
  responses: { 200: answer(adminSessionsAnswer, "Sessions"), ...problems(...TOKEN_CODES) },
});

const adminFindRoute = operation({
  method: "get",
  path: "/v1/admin/sessions/{id}",
  tags: operations,
  summary: "One session, and its entry in the blacklist",
  description: "A token's session is its `sid`.",
  access: "ops:read",
  request: { params: sessionPath },
  responses: { 200: answer(adminSessionOut, "The session"), ...problems(...TOKEN_CODES, "not_found") },
});

const adminEndRoute = operation({
  method: "post",
  path: "/v1/admin/sessions/{id}/revoke",
  tags: operations,
  summary: "End somebody's session",
  access: "sessions:revoke",
  audit: "session.revoke",
  request: { params: sessionPath, body: body(reasonBody) },
  responses: {
    204: { description: "It has ended" },
    ...problems(...TOKEN_CODES, ...BODY_CODES, "not_found"),
  },
});

const figuresRoute = operation({
  method: "get",
  path: "/v1/admin/blacklist",
  tags: operations,
  summary: "How large the token blacklist is, and what it has refused",
  description: "Uses are counted where KV refused them; those that the account refused are not.",
  access: "ops:read",
  responses: { 200: answer(blacklistAnswer, "Figures"), ...problems(...TOKEN_CODES) },
});

const asItIs = <T>(value: T): T => value;

export const sessionRoutes = createRouter()
  .openapi(listRoute, async (c) => {
    return send(c, await listSessions(contextOf(c), callerOf(c), c.req.valid("query")), asItIs, 200);
  })
  .openapi(endRoute, async (c) => {
    return sendNothing(c, await endOwn(contextOf(c), callerOf(c), c.req.valid("param").id));
  })
  .openapi(tokenRoute, async (c) => {
    return send(c, await tokenStatus(contextOf(c), callerOf(c), () => admit(c)), asItIs, 200);
  })
  .openapi(adminListRoute, async (c) => {
    return send(c, await listAllSessions(contextOf(c), c.req.valid("query")), asItIs, 200);
  })
  .openapi(adminFindRoute, async (c) => {
    return send(c, await findSession(contextOf(c), c.req.valid("param").id), asItIs, 200);
  })
  .openapi(adminEndRoute, async (c) => {
    const { id } = c.req.valid("param");
    const act = actOf(c, c.req.valid("json").reason);
    return sendNothing(c, await endAsOperator(contextOf(c), act, id));
  })
  .openapi(figuresRoute, async (c) => send(c, await blacklistFigures(contextOf(c)), asItIs, 200));
