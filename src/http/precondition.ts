// If-Match (RFC 9110, 13.1.1): which version of a thing a change was made from. A thing's ETag is its version, in quotes.
import { ok, type Result, refuse } from "../core/result.ts";

/** No thing has this version: a precondition that names it fails. */
const NO_VERSION = 0;

/** A version as an entity tag. */
export function etagOf(version: number): string {
  return `"${version}"`;
}

/**
 * The version that a request's If-Match names. Refuses `precondition_required` (428, RFC 6585) where it names none: without the
 * header, or with `*`. A tag that no version has matches nothing, as one of an old version does.
 */
export function expectedVersion(ifMatch: string | undefined): Result<number> {
  if (ifMatch === undefined || ifMatch.trim() === "*") {
    const detail = 'Send the version that you have read in the header If-Match, in quotes, such as "3".';
    return refuse({ code: "precondition_required", detail });
  }
  const [, digits] = /^\s*"([1-9]\d{0,14})"\s*$/.exec(ifMatch) ?? [];
  return ok(digits === undefined ? NO_VERSION : Number(digits));
}
