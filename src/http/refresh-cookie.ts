// The refresh token of a browser: a cookie that no script can read, for whoever asks for it with `X-Token-Transport: cookie`.
// That header is one that no form and no foreign page can send; the origin is checked besides.
import type { Context, MiddlewareHandler } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { ok, type Result, refuse } from "../core/result.ts";
import type { AppEnv } from "./context.ts";
import { isOwnOrListed } from "./cors.ts";
import { problemResponse } from "./problem.ts";

const HEADER = "x-token-transport";
const NAME = "refresh";
/** `__Host-`: set by this host alone, for this host alone, over TLS alone. */
const FLAGS = { path: "/", secure: true, httpOnly: true, sameSite: "Strict", prefix: "host" } as const;

/** Whether the refresh token of this request and its answer travels in the cookie; {@link cookieDoor} has let it. */
export function usesCookie(c: Context<AppEnv>): boolean {
  return c.req.header(HEADER) === "cookie";
}

/**
 * Refuses whoever would act on a cookie from a page that may not (403): of another origin than this one and the listed
 * ones, or from no page at all as far as the browser says. Who asks for no cookie passes: nothing is sent by itself then.
 */
export const cookieDoor: MiddlewareHandler<AppEnv> = async (c, next) => {
  if (c.req.header(HEADER) === undefined) return next();
  const origin = c.req.header("origin");
  const trusted = origin === undefined ? c.req.header("sec-fetch-site") === "same-origin" : isOwnOrListed(c, origin);
  if (usesCookie(c) && trusted) return next();
  return problemResponse(c, { code: "forbidden", detail: "X-Token-Transport is for pages of a listed origin." });
};

/** The refresh token presented: the cookie's where the cookie is used, else the body's. Never one when the other was meant. */
export function presentedToken(c: Context<AppEnv>, inBody: string | undefined): Result<string> {
  if (!usesCookie(c)) return inBody === undefined ? wrong("required", MISSING) : ok(inBody);
  if (inBody !== undefined) return wrong("not_allowed", "The token comes in the cookie.");
  const token = getCookie(c, NAME, "host");
  return token === undefined ? refuse({ code: "unauthenticated", detail: "There is no refresh cookie." }) : ok(token);
}

const MISSING =
  "This field is required; a page whose refresh token is in the cookie sends X-Token-Transport: cookie, and no field.";

function wrong(code: string, detail: string) {
  return refuse({ code: "validation_failed", errors: [{ pointer: "/refresh_token", code, detail }] });
}

/** Has the browser keep a refresh token, for as long as a session lives that nobody refreshes. */
export function keepToken(c: Context<AppEnv>, token: string, seconds: number): void {
  setCookie(c, NAME, token, { ...FLAGS, maxAge: seconds });
}

/** Has the browser forget its refresh token, if it has sent one. */
export function dropToken(c: Context<AppEnv>): void {
  if (getCookie(c, NAME, "host") !== undefined) deleteCookie(c, NAME, FLAGS);
}
