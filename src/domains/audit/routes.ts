// The audit trail over HTTP: for operators alone.
import { send } from "../../http/answer.ts";
import { answer, createRouter, operation, pageOf, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { auditOut, auditQuery } from "./schema.ts";
import { listAudit } from "./service.ts";

const list = operation({
  method: "get",
  path: "/v1/admin/audit",
  access: "audit:read",
  tags: ["Operations"],
  summary: "Acts of security and money, newest first",
  description: "Each comes here through a queue: as a rule within seconds, after an outage of D1 once it is over.",
  request: { query: auditQuery },
  responses: {
    200: answer(pageOf(auditOut), "Acts"),
    ...problems(...TOKEN_CODES),
  },
});

export const auditRouter = createRouter().openapi(list, async (c) =>
  send(c, await listAudit(c.env, c.req.valid("query")), (page) => page, 200),
);
