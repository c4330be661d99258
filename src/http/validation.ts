// From zod's issues to the contract's field errors: a pointer, a stable code, a sentence. No value is echoed.

import type { z } from "zod";
import type { FieldError } from "../core/result.ts";

/** A key of the client's own choosing may be as long as the body: its echo is cut. */
const KEY_CHARS_MAX = 100;

/** Turns zod issues about an input into field errors, one per unknown key. A field that is not there is `required`. */
export function fieldErrors(issues: readonly z.core.$ZodIssue[], input: unknown): FieldError[] {
  return issues.flatMap((issue) => {
    if (issue.code !== "unrecognized_keys") {
      const pointer = pointerTo(issue.path);
      if (isMissing(issue, input)) return [{ pointer, code: "required", detail: "This field is required." }];
      return [{ pointer, code: codeOf(issue), detail: issue.message }];
    }
    return issue.keys.map((key) => ({
      pointer: pointerTo([...issue.path, key]),
      code: "unknown_field",
      detail: "There is no such field.",
    }));
  });
}

function pointerTo(path: readonly PropertyKey[]): string {
  return path
    .map((key) => String(key).slice(0, KEY_CHARS_MAX).replaceAll("~", "~0").replaceAll("/", "~1"))
    .map((key) => `/${key}`)
    .join("");
}

function codeOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `${/^[aeiou]/.test(issue.expected) ? "not_an" : "not_a"}_${issue.expected}`;
    case "too_small":
      return issue.origin === "string" ? "too_short" : "too_small";
    case "too_big":
      return issue.origin === "string" ? "too_long" : "too_big";
    case "invalid_format":
      return "invalid_format";
    case "invalid_value":
      return "not_allowed";
    case "custom":
      return typeof issue.params?.code === "string" ? issue.params.code : "invalid";
    default:
      return "invalid";
  }
}

/** Zod does not tell a missing field from a wrong one: a missing choice is to it a choice that is none of the allowed. */
function isMissing(issue: z.core.$ZodIssue, input: unknown): boolean {
  if (issue.code === "custom") return false;
  let value = input;
  for (const key of issue.path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return true;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value === undefined;
}
