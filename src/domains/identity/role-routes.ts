// Roles over HTTP: for admins alone.

import { send } from "../../http/answer.ts";
import { callerOf } from "../../http/context.ts";
import { answer, BODY_CODES, body, createRouter, operation, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { actOf } from "../../http/operator-act.ts";
import { contextOf } from "./request.ts";
import { setRoles } from "./roles.ts";
import { rolesAnswer, rolesBody, userPath } from "./schema.ts";

const rolesRoute = operation({
  method: "put",
  path: "/v1/admin/users/{id}/roles",
  tags: ["Operations"],
  summary: "Give a user these roles and no others",
  description: "All sessions of that user end, so that the new roles count. Nobody changes their own.",
  access: "roles:manage",
  audit: "user.roles",
  request: { params: userPath, body: body(rolesBody) },
  responses: {
    200: answer(rolesAnswer, "The user's roles from now on"),
    ...problems(...TOKEN_CODES, ...BODY_CODES, "not_found", "last_admin"),
  },
});

export const roleRoutes = createRouter().openapi(rolesRoute, async (c) => {
  const { id } = c.req.valid("param");
  const { roles, reason } = c.req.valid("json");
  c.set("target", `${id}/${roles.join(",")}`);
  return send(c, await setRoles(contextOf(c), callerOf(c), { id, roles }, actOf(c, reason)), (set) => set, 200);
});
