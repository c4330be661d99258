// Passwords over HTTP.

import { sendNothing } from "../../http/answer.ts";
import { callerOf } from "../../http/context.ts";
import { BODY_CODES, body, createRouter, operation, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { changePassword } from "./passwords.ts";
import { contextOf } from "./request.ts";
import { changePasswordBody } from "./schema.ts";

const tags = ["Identity"];

const changeRoute = operation({
  method: "put",
  path: "/v1/auth/password",
  tags,
  summary: "Change one's own password",
  description: "All other sessions end.",
  access: "credentials:manage",
  limits: ["password_check"],
  request: { body: body(changePasswordBody) },
  responses: { 204: { description: "Changed" }, ...problems(...TOKEN_CODES, ...BODY_CODES, "wrong_password") },
});

export const passwordRoutes = createRouter().openapi(changeRoute, async (c) => {
  const { current_password: current, new_password: next } = c.req.valid("json");
  return sendNothing(c, await changePassword(contextOf(c), callerOf(c), { current, next }));
});
