// Operations over HTTP: for operators alone, read only.
import { send } from "../../http/answer.ts";
import { answer, createRouter, operation, pageOf, pageQuery, problems } from "../../http/openapi.ts";
import { adminOrderOut, adminOrderQuery, deadLetterOut, projectionOut, projectionQuery } from "./schema.ts";
import { listDeadLetters, listOrders, listProjections } from "./service.ts";

const tags = ["Operations"];
const access = "operator";
const refusals = problems(
  "unauthenticated",
  "token_expired",
  "session_revoked",
  "forbidden",
  "validation_failed",
  "unavailable",
);

const ordersRoute = operation({
  method: "get",
  path: "/v1/admin/orders",
  access,
  tags,
  summary: "Orders of all users, newest first",
  description: "From the read model: as late as its queue is.",
  request: { query: adminOrderQuery },
  responses: { 200: answer(pageOf(adminOrderOut), "Orders"), ...refusals },
});

const deadLettersRoute = operation({
  method: "get",
  path: "/v1/admin/dead-letters",
  access,
  tags,
  summary: "What the read model could not apply, newest first",
  request: { query: pageQuery },
  responses: { 200: answer(pageOf(deadLetterOut), "Dead letters"), ...refusals },
});

const projectionsRoute = operation({
  method: "get",
  path: "/v1/admin/projections",
  access,
  tags,
  summary: "How far each object's journal has been applied",
  request: { query: projectionQuery },
  responses: { 200: answer(pageOf(projectionOut), "Heads, the object heard of last first"), ...refusals },
});

const asItIs = <T>(page: T): T => page;

export const opsRouter = createRouter()
  .openapi(ordersRoute, async (c) => send(c, await listOrders(c.env, c.req.valid("query")), asItIs, 200))
  .openapi(deadLettersRoute, async (c) => {
    return send(c, await listDeadLetters(c.env, c.req.valid("query")), asItIs, 200);
  })
  .openapi(projectionsRoute, async (c) => {
    return send(c, await listProjections(c.env, c.req.valid("query")), asItIs, 200);
  });
