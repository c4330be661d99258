// The second factor over HTTP, and showing once more who one is.

import { wireTime } from "../../core/wire.ts";
import { send, sendNothing } from "../../http/answer.ts";
import { callerOf } from "../../http/context.ts";
import { answer, BODY_CODES, body, createRouter, operation, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { SECRET_KEY_CODES, secretIdempotencyHeaders } from "../../http/secret-once.ts";
import { confirmTotp, enrolTotp, mfaStatus, removeTotp, verifyMfa } from "./mfa.ts";
import {
  codeBody,
  enrolAnswer,
  enrolBody,
  mfaAnswer,
  recoveryAnswer,
  stepUpAnswer,
  stepUpBody,
  verifyMfaBody,
} from "./mfa-schema.ts";
import { contextOf, originOf } from "./request.ts";
import { tokensAnswer, transportHeaders } from "./schema.ts";
import { stepUp } from "./step-up.ts";
import { renderAccessToken, sendTokens } from "./token-answer.ts";

const tags = ["Identity"];
const signedIn = [...TOKEN_CODES, ...BODY_CODES] as const;

const statusRoute = operation({
  method: "get",
  path: "/v1/auth/mfa",
  tags,
  summary: "Whether one's second factor is on, and how many recovery codes are left",
  access: "credentials:manage",
  responses: { 200: answer(mfaAnswer, "The second factor"), ...problems(...TOKEN_CODES) },
});

const enrolRoute = operation({
  method: "post",
  path: "/v1/auth/mfa/totp",
  tags,
  summary: "Begin to set up codes of an authenticator app",
  description:
    "The secret is shown once; a new one takes its place until a code has confirmed it. Who has no password gives none, and " +
    "must have signed in within ten minutes.",
  access: "credentials:manage",
  limits: ["password_check"],
  once: "secret",
  request: { headers: secretIdempotencyHeaders, body: body(enrolBody) },
  responses: {
    200: answer(enrolAnswer, "The secret, as text and for a QR code"),
    ...problems(...signedIn, ...SECRET_KEY_CODES, "wrong_password", "step_up_required", "mfa_already_on"),
  },
});

const confirmRoute = operation({
  method: "post",
  path: "/v1/auth/mfa/totp/confirm",
  tags,
  summary: "Turn the second factor on with a first code",
  description: "The recovery codes are shown once. All other sessions end.",
  access: "credentials:manage",
  limits: ["mfa"],
  once: "secret",
  request: { headers: secretIdempotencyHeaders, body: body(codeBody) },
  responses: {
    200: answer(recoveryAnswer, "Ten recovery codes, each good once"),
    ...problems(...signedIn, ...SECRET_KEY_CODES, "invalid_code", "mfa_already_on", "not_found"),
  },
});

const removeRoute = operation({
  method: "delete",
  path: "/v1/auth/mfa/totp",
  tags,
  summary: "Turn the second factor off with one of its codes",
  description: "All other sessions end.",
  access: "credentials:manage",
  limits: ["mfa"],
  request: { body: body(codeBody) },
  responses: { 204: { description: "It is off" }, ...problems(...signedIn, "invalid_code", "not_found") },
});

const verifyRoute = operation({
  method: "post",
  path: "/v1/auth/mfa/verify",
  tags,
  summary: "End a sign-in with a code of the second factor, or a recovery code",
  access: "public",
  limits: ["mfa"],
  refreshCookie: true,
  request: { headers: transportHeaders, body: body(verifyMfaBody) },
  responses: {
    200: answer(tokensAnswer, "A new session's tokens"),
    ...problems(...BODY_CODES, "invalid_code", "unauthenticated", "unavailable"),
  },
});

const stepUpRoute = operation({
  method: "post",
  path: "/v1/auth/step-up",
  tags,
  summary: "Show once more who one is, for what asks for it",
  description:
    "With the second factor on, by a code; else by the password. For ten minutes after it, and after a login, the session " +
    "may do what is refused with `step_up_required`.",
  access: "credentials:manage",
  limits: ["password_check", "mfa"],
  request: { body: body(stepUpBody) },
  responses: {
    200: answer(stepUpAnswer, "An access token of the same session"),
    ...problems(...signedIn, "wrong_password", "invalid_code"),
  },
});

export const mfaRoutes = createRouter()
  .openapi(statusRoute, async (c) => {
    const render = ({ since, recoveryLeft }: { since: number | null; recoveryLeft: number }) => ({
      totp: { enabled: since !== null, since: since === null ? null : wireTime(since) },
      recovery_codes_left: recoveryLeft,
    });
    return send(c, await mfaStatus(contextOf(c), callerOf(c)), render, 200);
  })
  .openapi(enrolRoute, async (c) => {
    const begun = await enrolTotp(contextOf(c), callerOf(c), c.req.valid("json").password);
    return send(c, begun, ({ secret, uri }) => ({ secret, otpauth_uri: uri }), 200);
  })
  .openapi(confirmRoute, async (c) => {
    const codes = await confirmTotp(contextOf(c), callerOf(c), c.req.valid("json").code);
    return send(c, codes, (recovery_codes) => ({ recovery_codes }), 200);
  })
  .openapi(removeRoute, async (c) => {
    return sendNothing(c, await removeTotp(contextOf(c), callerOf(c), c.req.valid("json").code));
  })
  .openapi(verifyRoute, async (c) => {
    const { mfa_token: mfaToken, code } = c.req.valid("json");
    return sendTokens(c, await verifyMfa(contextOf(c), { mfaToken, code }, originOf(c)));
  })
  .openapi(stepUpRoute, async (c) => {
    return send(c, await stepUp(contextOf(c), callerOf(c), c.req.valid("json")), renderAccessToken, 200);
  });
