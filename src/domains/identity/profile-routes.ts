// One's own profile over HTTP.

import { ok } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { send, sendNothing } from "../../http/answer.ts";
import { accessOf, callerOf } from "../../http/context.ts";
import { answer, BODY_CODES, body, createRouter, operation, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { dropToken } from "../../http/refresh-cookie.ts";
import { ownBuffer } from "../../http/write-buffer.ts";
import { closeAccount } from "./closing.ts";
import { changeProfile, readProfile } from "./profile.ts";
import { bufferedUser, closeBody, profileBody } from "./profile-schema.ts";
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
  buffers: true,
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
    "given again it withdraws the other. It cannot wait while the database is away, as the rest can. E-mails of security cannot be turned off, but for those of new devices.",
  access: "profile:manage",
  buffers: true,
  request: { body: body(profileBody) },
  responses: {
    200: answer(userAnswer, "The caller"),
    202: answer(bufferedUser, "Accepted while the database is away: what is known of the caller"),
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
  .openapi(meRoute, async (c) => send(c, await readProfile(contextOf(c), ownBuffer(c), callerOf(c)), renderUser, 200))
  .openapi(changeRoute, async (c) => {
    const changed = await changeProfile(contextOf(c), ownBuffer(c), callerOf(c), c.req.valid("json"));
    if (!changed.ok) return send(c, changed, renderUser, 200);
    const { value } = changed;
    if (value.kind === "done") return send(c, ok(value.user), renderUser, 200);
    const known = value.user === null ? {} : renderUser(value.user);
    return send(c, ok(known), (answer) => ({ ...answer, buffered: true as const }), 202);
  })
  .openapi(closeRoute, async (c) => {
    const { password } = c.req.valid("json");
    const closed = await closeAccount(contextOf(c), accessOf(c), callerOf(c), password, ownBuffer(c).forget);
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
