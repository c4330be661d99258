// One's own profile over HTTP.

import { wireTime } from "../../core/wire.ts";
import { send, sendNothing } from "../../http/answer.ts";
import { accessOf, callerOf } from "../../http/context.ts";
import { answer, BODY_CODES, body, createRouter, operation, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { dropToken } from "../../http/refresh-cookie.ts";
import { closeAccount } from "./closing.ts";
import { changeProfile, readProfile } from "./profile.ts";
import { closeBody, profileBody } from "./profile-schema.ts";
import { contextOf } from "./request.ts";
import { userAnswer } from "./schema.ts";
import type { User } from "./user.ts";

const tags = ["Identity"];

const meRoute = operation({
  method: "get",
  path: "/v1/me",
  tags,
  summary: "Read one's own profile",
  access: "profile:read",
  responses: { 200: answer(userAnswer, "The caller"), ...problems(...TOKEN_CODES) },
});

const changeRoute = operation({
  method: "patch",
  path: "/v1/me",
  tags,
  summary: "Change one's own profile",
  description:
    "What is left out stays. Another `email` needs a password or code of the last ten minutes. It is `pending_email` until " +
    "the token that is sent there has been given to `/v1/auth/email/verify`; the present address stays in force so long, and " +
    "given again it withdraws the other. E-mails of security cannot be turned off, but for those of new devices.",
  access: "profile:manage",
  request: { body: body(profileBody) },
  responses: {
    200: answer(userAnswer, "The caller"),
    ...problems(...TOKEN_CODES, ...BODY_CODES, "step_up_required"),
  },
});

const closeRoute = operation({
  method: "delete",
  path: "/v1/me",
  tags,
  summary: "Close one's own account",
  description:
    "For an account without balances and open orders. Who has a second factor, or no password, must have given a code or " +
    "signed in within ten minutes. The books stay, without a name; the person is forgotten.",
  access: "credentials:manage",
  limits: ["password_check"],
  request: { body: body(closeBody) },
  responses: {
    204: { description: "It is closed, and all sessions have ended" },
    ...problems(...TOKEN_CODES, ...BODY_CODES, "wrong_password", "step_up_required", "account_not_empty"),
  },
});

export const profileRoutes = createRouter()
  .openapi(meRoute, async (c) => send(c, await readProfile(contextOf(c), callerOf(c)), renderUser, 200))
  .openapi(changeRoute, async (c) => {
    return send(c, await changeProfile(contextOf(c), callerOf(c), c.req.valid("json")), renderUser, 200);
  })
  .openapi(closeRoute, async (c) => {
    const closed = await closeAccount(contextOf(c), accessOf(c), callerOf(c), c.req.valid("json").password);
    if (closed.ok) dropToken(c);
    return sendNothing(c, closed);
  });

/** A person as the owner sees them. */
export function renderUser(user: User) {
  return {
    user: {
      id: user.id,
      email: user.email,
      username: user.username,
      email_verified: user.emailVerified,
      pending_email: user.pendingEmail,
      roles: user.roles,
      account_id: user.accountId,
      locale: user.locale,
      notifications: user.notifications,
      created_at: wireTime(user.createdAtMs),
    },
  };
}
