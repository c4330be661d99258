// What identity's routes take and give.

import { z } from "@hono/zod-openapi";
import { timestampOut } from "../../http/openapi.ts";

/** Longest address of RFC 5321; looked at before the pattern is. */
const EMAIL_CHARS_MAX = 254;
/** ASCII only: of two addresses that look alike, one would be a trap. Linear: no repeated group can match in two ways. */
const EMAIL =
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$/;

const password = z
  .string()
  .min(10)
  .max(128)
  // A lone surrogate has no UTF-8 form: two different passwords would have one hash.
  .refine((text) => text.isWellFormed(), "must be well-formed Unicode");

export const registerBody = z.strictObject({
  email: z
    .string()
    .max(EMAIL_CHARS_MAX)
    .regex(EMAIL, "must be an e-mail address")
    .openapi({ format: "email", example: "ada@example.com" }),
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
    roles: z.array(z.string()),
    account_id: z.string(),
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
