// From zod's issues to the contract's field errors: a pointer, a stable code, a sentence. No value is echoed.

import type { z } from "zod";
import type { FieldError } from "../core/result.ts";

/** A key of the client's own choosing may be as long as the body: its echo is cut. */
const KEY_CHARS_MAX = 100;

/** Turns zod issues into field errors, one per unknown key. */
export function fieldErrors(issues: readonly z.core.$ZodIssue[]): FieldError[] {
  return issues.flatMap((issue) => {
    if (issue.code !== "unrecognized_keys") {
      return [{ pointer: pointerTo(issue.path), code: codeOf(issue), detail: detailOf(issue) }];
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
      return isMissing(issue) ? "required" : `not_a_${issue.expected}`;
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

function detailOf(issue: z.core.$ZodIssue): string {
  return isMissing(issue) ? "This field is required." : issue.message;
}

/** Zod tells a missing field from one of the wrong type only in its message. */
function isMissing(issue: z.core.$ZodIssue): boolean {
  return issue.code === "invalid_type" && issue.message.endsWith("received undefined");
}
