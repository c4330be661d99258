// What the profile's routes take.

import { z } from "@hono/zod-openapi";
import { emailIn, userAnswer } from "./schema.ts";

/** Longest language tag that BCP 47 tells programs to expect. */
const LOCALE_CHARS_MAX = 35;

/** A language tag (BCP 47), in its canonical form. */
const locale = z
  .string()
  .max(LOCALE_CHARS_MAX)
  .transform((text, context) => {
    try {
      return new Intl.Locale(text).toString();
    } catch {
      context.addIssue({ code: "custom", message: "must be a language tag such as en or de-CH" });
      return z.NEVER;
    }
  })
  .openapi({ type: "string", example: "de-CH" });

/** Strict: roles, addresses that count as verified and the like are not the caller's to say. */
export const profileBody = z.strictObject({
  locale: locale.optional(),
  notifications: z
    .strictObject({ new_device: z.boolean().optional(), orders: z.boolean().optional(), news: z.boolean().optional() })
    .optional(),
  email: emailIn.optional(),
});

/** What is known of a profile while a change of it waits for the database. */
export const bufferedUser = userAnswer.partial().extend({ buffered: z.literal(true) });

export const closeBody = z.strictObject({
  password: z.string().min(1).max(128).optional().openapi({ description: "Required of who has one" }),
});
