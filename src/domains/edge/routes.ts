// The operators' lists of addresses over HTTP.
import type { Context } from "hono";
import { send, sendNothing } from "../../http/answer.ts";
import { clientIp } from "../../http/client-ip.ts";
import type { AppEnv } from "../../http/context.ts";
import {
  answer,
  BODY_CODES,
  body,
  createRouter,
  idempotencyHeaders,
  KEY_CODES,
  operation,
  pageOf,
  pageQuery,
  problems,
  TOKEN_CODES,
} from "../../http/openapi.ts";
import { actOf } from "../../http/operator-act.ts";
import { reasonQuery, ruleIn, ruleOut, rulePath } from "./schema.ts";
import { addRule, listRules, type Operator, removeRule } from "./service.ts";

const tags = ["Operations"];
const path = "/v1/admin/ip-rules";

const list = operation({
  method: "get",
  path,
  access: "addresses:read",
  tags,
  summary: "Addresses that are let in or shut out, the newest entry first",
  request: { query: pageQuery },
  responses: { 200: answer(pageOf(ruleOut), "Entries"), ...problems(...TOKEN_CODES) },
});
const add = operation({
  method: "post",
  path,
  access: "addresses:manage",
  audit: "ip_rule.add",
  once: "kept",
  tags,
  summary: "Let a block of addresses in, or shut it out",
  description: "An allow block lets in whom a deny block shuts out. It counts everywhere within half a minute.",
  request: { headers: idempotencyHeaders, body: body(ruleIn) },
  responses: {
    201: answer(ruleOut, "The entry"),
    ...problems(...TOKEN_CODES, ...BODY_CODES, ...KEY_CODES, "already_listed"),
  },
});
const remove = operation({
  method: "delete",
  path: `${path}/{id}`,
  access: "addresses:manage",
  audit: "ip_rule.remove",
  tags,
  summary: "Take an entry off its list",
  request: { params: rulePath, query: reasonQuery },
  responses: { 204: { description: "It is off" }, ...problems(...TOKEN_CODES, "not_found") },
});

function operatorOf(c: Context<AppEnv>, reason: string): Operator {
  return { ...actOf(c, reason), ip: clientIp(c), nowMs: Date.now() };
}

export const edgeRouter = createRouter()
  .openapi(list, async (c) => send(c, await listRules(c.env, c.req.valid("query")), (page) => page, 200))
  .openapi(add, async (c) => {
    const { reason, ...rule } = c.req.valid("json");
    return send(c, await addRule(c.env, rule, operatorOf(c, reason)), (added) => added, 201);
  })
  .openapi(remove, async (c) => {
    const operator = operatorOf(c, c.req.valid("query").reason);
    return sendNothing(c, await removeRule(c.env, c.req.valid("param").id, operator));
  });
