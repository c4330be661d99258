// What identity's routes take and give.

import { z } from "@hono/zod-openapi";
import { isTypeId } from "../../core/ids.ts";
import { ROLES } from "../../core/permissions.ts";
import { PROVIDERS } from "../../core/providers.ts";
import { SESSION_END_REASONS } from "../../core/session-ends.ts";
import { pageOf, pageQuery, timestampOut } from "../../http/openapi.ts";
import { reasonIn } from "../../http/operator-act.ts";

/** Longest address of RFC 5321; looked at before the pattern is. */
const EMAIL_CHARS_MAX = 254;
/** Longest part before the @, of the same. */
const LOCAL_CHARS_MAX = 64;
/** ASCII only: of two addresses that look alike, one would be a trap. Linear: no repeated group can match in two ways. */
const EMAIL =
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$/;

const password = z
  .string()
  .min(10)
  .max(128)
  // A lone surrogate has no UTF-8 form: two different passwords would have one hash.
  .refine((text) => text.isWellFormed(), "must be well-formed Unicode");

/** An address as it is typed. */
export const emailIn = z
  .string()
  .max(EMAIL_CHARS_MAX)
  .regex(EMAIL, "must be an e-mail address")
  .refine((text) => text.indexOf("@") <= LOCAL_CHARS_MAX, {
    message: `must have at most ${LOCAL_CHARS_MAX} characters before the @`,
    params: { code: "too_long" },
  })
  .openapi({ format: "email", example: "ada@example.com" });

/** Whether an address that somebody else names is one that we would take. */
export function isEmail(text: string): boolean {
  return emailIn.safeParse(text).success;
}

export const registerBody = z.strictObject({
  email: emailIn,
  username: z
    .string()
    .min(3)
    .max(32)
    .regex(/^[a-z0-9_-]+$/, "may have a-z, 0-9, _ and -")
    .openapi({ example: "ada" }),
  password,
});

export const loginBody = z.strictObject({
  login: z.string().min(1).max(EMAIL_CHARS_MAX).openapi({ description: "E-mail address or username", example: "ada" }),
  password: z.string().min(1).max(128),
});

export const changePasswordBody = z.strictObject({
  current_password: z.string().min(1).max(128),
  new_password: password,
});

/** The token of an e-mail, out of its link. */
const mailToken = z.string().min(1).max(200);

export const verifyEmailBody = z.strictObject({ token: mailToken });

export const forgotPasswordBody = z.strictObject({ email: emailIn });

export const resetPasswordBody = z.strictObject({ token: mailToken, password });

const wished = { v: z.literal(1), id: z.string().min(1).max(64), seed: z.string().min(32).max(64) };

/** A message of the mail queue, which a version before or after may have written. */
export const mailWish = z.discriminatedUnion("kind", [
  z.object({ ...wished, kind: z.literal("verify_email"), userId: z.string() }),
  z.object({ ...wished, kind: z.literal("reset_password"), email: z.string() }),
  z.object({
    ...wished,
    kind: z.enum(["password_changed", "mfa_on", "mfa_off", "email_change_asked"]),
    userId: z.string(),
  }),
  z.object({ ...wished, kind: z.literal("api_key_made"), userId: z.string(), name: z.string() }),
  z.object({ ...wished, kind: z.literal("refresh_token_reused"), userId: z.string() }),
  z.object({
    ...wished,
    kind: z.literal("locked"),
    userId: z.string(),
    what: z.enum(["login", "password", "code"]),
    minutes: z.int(),
  }),
  z.object({
    ...wished,
    kind: z.literal("account_closed"),
    userId: z.string(),
    email: z.string(),
    username: z.string(),
  }),
  z.object({ ...wished, kind: z.literal("recovery_code_used"), userId: z.string(), left: z.int() }),
  z.object({
    ...wished,
    kind: z.literal("new_device"),
    userId: z.string(),
    device: z.string(),
    ip: z.string(),
    at: z.int(),
  }),
  z.object({ ...wished, kind: z.literal("change_email"), userId: z.string(), email: z.string() }),
  z.object({ ...wished, kind: z.literal("email_changed"), userId: z.string(), email: z.string() }),
  z.object({
    ...wished,
    kind: z.enum(["identity_linked", "identity_unlinked"]),
    userId: z.string(),
    provider: z.enum(PROVIDERS),
  }),
  z.object({ ...wished, kind: z.literal("task_due"), userId: z.string(), title: z.string(), dueAt: z.int() }),
]);

export const mailboxQuery = pageQuery.extend({ to: z.string().max(EMAIL_CHARS_MAX).optional() });

/** An e-mail in the local mailbox. */
export const mailboxAnswer = pageOf(
  z
    .object({
      id: z.string(),
      kind: z.string(),
      to: z.string(),
      subject: z.string(),
      text: z.string(),
      html: z.string(),
      at: timestampOut,
    })
    .openapi("LocalMail"),
);

export const refreshBody = z.strictObject({
  refresh_token: z.string().min(1).max(200).optional().openapi({ description: "Required unless the cookie is used" }),
});

/** How a browser asks for the cookie. */
export const transportHeaders = z.object({
  "x-token-transport": z.literal("cookie").optional().openapi({
    description: "The refresh token travels in the cookie `__Host-refresh`, for pages of a listed origin",
  }),
});

const userOut = z
  .object({
    id: z.string(),
    email: z.string(),
    username: z.string(),
    email_verified: z.boolean(),
    pending_email: z.string().nullable(),
    roles: z.array(z.string()),
    account_id: z.string(),
    locale: z.string(),
    notifications: z.object({ new_device: z.boolean(), orders: z.boolean(), news: z.boolean() }),
    created_at: timestampOut,
  })
  .openapi("User");

export const userAnswer = z.object({ user: userOut });

export const tokensAnswer = z
  .object({
    access_token: z.string(),
    token_type: z.literal("Bearer"),
    expires_in: z.int().openapi({ description: "Seconds" }),
    refresh_token: z.string().optional().openapi({ description: "Not there when the cookie has it" }),
    session_id: z.string(),
  })
  .openapi("Tokens");

/** A sign-in whose user has a second factor: no tokens yet. */
export const loginAnswer = z.union([
  tokensAnswer,
  z
    .object({
      mfa_required: z.literal(true),
      mfa_token: z.string().openapi({ description: "For `POST /v1/auth/mfa/verify`, once, within five minutes" }),
    })
    .openapi("MfaRequired"),
]);

export const jwksAnswer = z.object({
  keys: z.array(
    z.object({
      kty: z.literal("OKP"),
      crv: z.literal("Ed25519"),
      kid: z.string(),
      x: z.string(),
      alg: z.string(),
      use: z.string(),
    }),
  ),
});

/** What cannot be a session's name is not found, like a name that no session has. */
export const sessionPath = z.object({ id: z.string().refine((text) => isTypeId("ses", text)) });

/** What cannot be a user's name is not found, like a name that no user has. */
export const userPath = z.object({ id: z.string().refine((text) => isTypeId("usr", text)) });

/** All the roles that a user is to have. */
export const rolesBody = z
  .strictObject({
    roles: z
      .array(z.enum(ROLES))
      .min(1)
      .max(ROLES.length)
      .refine((roles) => new Set(roles).size === roles.length, "must have each role once"),
    reason: reasonIn,
  })
  .openapi("RolesIn");

export const rolesAnswer = z.object({ id: z.string(), roles: z.array(z.enum(ROLES)) }).openapi("Roles");

const sessionShape = {
  id: z.string(),
  device: z.string(),
  ip: z.string(),
  created_at: timestampOut,
  last_used_at: timestampOut,
};

/** The caller's sessions; `current` is the one that asks. */
export const sessionsAnswer = pageOf(z.object({ ...sessionShape, current: z.boolean() }).openapi("Session"));

export const tokenAnswer = z
  .object({ active: z.boolean(), session_id: z.string(), expires_at: timestampOut, blacklisted: z.boolean() })
  .openapi("TokenStatus");

const endReason = z.enum(SESSION_END_REASONS);

/** A session as operators see it; `ended` is its entry in the blacklist, with uses that were refused at the edge. */
export const adminSessionOut = z
  .object({
    ...sessionShape,
    user_id: z.string(),
    account_id: z.string(),
    expires_at: timestampOut,
    active: z.boolean(),
    blacklisted: z.boolean(),
    ended: z
      .object({
        at: timestampOut,
        reason: endReason,
        by: z.string().nullable(),
        note: z.string().nullable(),
        refused_uses: z.int(),
      })
      .nullable(),
  })
  .openapi("AdminSession");

export const adminSessionsAnswer = pageOf(adminSessionOut);

export const adminSessionsQuery = pageQuery.extend({
  user_id: z.string().min(1).max(64).optional(),
  status: z.enum(["live", "ended", "all"]).default("all"),
});

/** `size`: entries whose access token may still be good. The others are of sessions that ended since `since`. */
export const blacklistAnswer = z
  .object({
    size: z.int(),
    since: timestampOut,
    reasons: z.array(z.object({ reason: endReason, entries: z.int(), refused_uses: z.int() })),
  })
  .openapi("BlacklistFigures");
