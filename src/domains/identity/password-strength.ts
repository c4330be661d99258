// Which passwords are too easy to guess: those that everybody tries first, and one's own names.

import { type FieldError, ok, type Result, refuse } from "../../core/result.ts";
import common from "./common-passwords.json" with { type: "json" };

/** What is left of a password without its owner's names must still have been a password: eight is the least of NIST 800-63B. */
const BESIDE_NAMES_MIN = 8;
/** Shorter pieces of a name are in many words. */
const NAME_CHARS_MIN = 3;

/** Different characters, whatever their case: with fewer it is a pattern of a keyboard, however long. */
const CHARACTERS_MIN = 4;

const COMMON: ReadonlySet<string> = new Set(common.passwords.flatMap((line) => line.split(" ")));

/** Whose password it is to be. */
export interface Named {
  username: string;
  email: string;
}

/**
 * Judges a new password, which the schema has measured. Refuses `validation_failed` at `pointer`: `password_common` for one
 * of the most common, in any case of letters, or one of fewer than four different characters; `password_like_name` when, but for the owner's name and address (forwards,
 * backwards, in pieces), fewer than eight letters and digits are left.
 */
export function judgePassword(password: string, owner: Named, pointer: string): Result<null> {
  const lower = password.toLowerCase();
  if (COMMON.has(lower) || new Set(lower).size < CHARACTERS_MIN) {
    return weak({
      pointer,
      code: "password_common",
      detail: "This password is one of the most common; choose another.",
    });
  }
  const whole = folded(password);
  const rest = namesOf(owner).reduce((left, name) => left.replaceAll(name, " "), whole);
  if (rest === whole || rest.replaceAll(" ", "").length >= BESIDE_NAMES_MIN) return ok(null);
  const detail = "This password is too much like your name or e-mail address; choose another.";
  return weak({ pointer, code: "password_like_name", detail });
}

function weak(error: FieldError): Result<never> {
  return refuse({ code: "validation_failed", errors: [error] });
}

/** The names and their pieces, and both backwards; long ones first, or a piece would hide the whole. */
function namesOf({ username, email }: Named): string[] {
  const [local = "", domain = ""] = email.split("@");
  const labels = domain.split(".").slice(0, -1);
  const wholes = [username, local, ...labels];
  const pieces = [...wholes, ...wholes.flatMap((one) => one.split(/[._+-]+/))].map(folded);
  const names = new Set(pieces.filter((one) => one.length >= NAME_CHARS_MIN));
  const backwards = [...names].map((one) => [...one].reverse().join(""));
  return [...names, ...backwards].sort((a, b) => b.length - a.length);
}

function folded(text: string): string {
  return text.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "");
}
