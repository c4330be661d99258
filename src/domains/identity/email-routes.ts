// E-mail over HTTP: verifying an address, a forgotten password, and the mailbox of a local run.

import { z } from "@hono/zod-openapi";
import { send, sendAccepted, sendNothing } from "../../http/answer.ts";
import { callerOf } from "../../http/context.ts";
import { BODY_CODES, body, createRouter, operation, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { forgotPassword, readMailbox, resendVerification, resetPassword, verifyEmail } from "./email.ts";
import { mailboxPage, wantsPage } from "./mailbox-page.ts";
import { contextOf } from "./request.ts";
import { forgotPasswordBody, mailboxAnswer, mailboxQuery, resetPasswordBody, verifyEmailBody } from "./schema.ts";

const tags = ["Identity"];

const verifyRoute = operation({
  method: "post",
  path: "/v1/auth/email/verify",
  tags,
  summary: "Verify an e-mail address with the token that was sent there",
  description: "Also one that is to follow the present address. The next refresh has it in the access token.",
  access: "public",
  limits: ["mail_token"],
  request: { body: body(verifyEmailBody) },
  responses: {
    204: { description: "Verified" },
    ...problems(...BODY_CODES, "invalid_code", "email_taken", "unavailable"),
  },
});

const resendRoute = operation({
  method: "post",
  path: "/v1/auth/email/resend",
  tags,
  summary: "Send the e-mail to verify one's address again",
  description: "Its token replaces the one before. Nothing is sent once the address is verified.",
  access: "credentials:manage",
  limits: ["mail"],
  responses: { 202: { description: "It will be sent" }, ...problems(...TOKEN_CODES) },
});

const forgotRoute = operation({
  method: "post",
  path: "/v1/auth/password/forgot",
  tags,
  summary: "Send whoever has this address an e-mail to choose a new password",
  description: "The answer is the same whether anybody has it.",
  access: "public",
  limits: ["mail"],
  request: { body: body(forgotPasswordBody) },
  responses: { 202: { description: "Heard" }, ...problems(...BODY_CODES, "unavailable") },
});

const resetRoute = operation({
  method: "post",
  path: "/v1/auth/password/reset",
  tags,
  summary: "Choose a new password with the token of an e-mail",
  description: "All sessions end.",
  access: "public",
  limits: ["mail_token"],
  request: { body: body(resetPasswordBody) },
  responses: { 204: { description: "Changed" }, ...problems(...BODY_CODES, "invalid_code", "unavailable") },
});

const mailboxRoute = operation({
  method: "get",
  path: "/v1/dev/mailbox",
  tags: ["Operations"],
  summary: "The e-mails of a local run, the last first",
  description:
    "As a page for a browser (`Accept: text/html`). Only where `ENVIRONMENT` is `local`: elsewhere there is no such address.",
  access: "public",
  request: { query: mailboxQuery },
  responses: {
    200: {
      description: "E-mails",
      content: { "application/json": { schema: mailboxAnswer }, "text/html": { schema: z.string() } },
    },
    ...problems("not_found", "unavailable"),
  },
});

export const emailRoutes = createRouter()
  .openapi(verifyRoute, async (c) => sendNothing(c, await verifyEmail(contextOf(c), c.req.valid("json").token)))
  .openapi(resendRoute, async (c) => sendAccepted(c, await resendVerification(contextOf(c), callerOf(c))))
  .openapi(forgotRoute, async (c) => sendAccepted(c, await forgotPassword(contextOf(c), c.req.valid("json").email)))
  .openapi(resetRoute, async (c) => sendNothing(c, await resetPassword(contextOf(c), c.req.valid("json"))))
  .openapi(mailboxRoute, async (c) => {
    const wish = c.req.valid("query");
    const read = await readMailbox(contextOf(c), wish);
    c.header("Vary", "Accept");
    if (!read.ok || !wantsPage(c.req.header("accept"))) return send(c, read, (page) => page, 200);
    return c.body(mailboxPage(read.value, wish.to), 200, { "Content-Type": "text/html; charset=utf-8" });
  });
