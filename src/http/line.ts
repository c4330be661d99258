// Text that one person writes and another reads in a list.
import { z } from "@hono/zod-openapi";

/** What breaks a line, is shown as nothing, or turns what stands after it around. */
const UNSEEN = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/**
 * One line of `charsMax` UTF-16 units at most, blanks at its ends left out. Refuses control characters, and lone surrogates,
 * which storage would change.
 */
export function lineIn(charsMax: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(charsMax)
    .refine((text) => text.isWellFormed() && !UNSEEN.test(text), "must be one line of text");
}
