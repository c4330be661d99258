// Who may come in: the checks that stand before a route and before anything of the request is looked at.

import type { Context, MiddlewareHandler } from "hono";
import type { Spend } from "../core/policies.ts";
import type { Refusal, Result } from "../core/result.ts";
import { type AppEnv, callerOf, type Principal } from "./context.ts";
import { hear } from "./limits.ts";
import { problemResponse } from "./problem.ts";
import { NOT_SIGNED_IN, verifyAccessToken } from "./tokens.ts";

/** Who may call a route: everybody, anybody who is signed in, also with a verified e-mail address, or who has a role. */
export type Access = "public" | "signed_in" | "verified_email" | "operator";

/** The token of an `Authorization: Bearer …` header, if that is what it is. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(authorization ?? "")?.[1];
}

/** Answers that may have been given before the account was asked: refusals of form, fields, names and state. */
const REFUSALS: ReadonlySet<number> = new Set([400, 404, 409, 415, 422]);

/** What a route behind a token demands, and what a call of it spends. */
export interface CallerDoor {
  access: Exclude<Access, "public">;
  spends: Spend["policy"];
  /** The route's act asks the caller's account, which then judges the session and counts the call: no hop of its own. */
  asksAccount: boolean;
}

/**
 * Lets only callers through who are signed in (401), may call this (403) and have not called too often (429), and sets
 * `principal`. Whether the session has ended and how often it calls only its account knows. Where the act asks that anyway,
 * only what was refused without it is asked for here: such a caller must learn nothing else, and pays for the refusal.
 */
export function requireCaller({ access, spends, asksAccount }: CallerDoor): MiddlewareHandler<AppEnv> {
  return async function requireCaller(c, next) {
    const token = bearerToken(c.req.header("authorization"));
    if (token === undefined) return problemResponse(c, NOT_SIGNED_IN);
    const verified = await verifyAccessToken(c.get("config"), token, Date.now());
    if (!verified.ok) return problemResponse(c, verified.refusal);
    c.set("principal", verified.value);
    c.set("spend", { policy: spends, count: 1 });
    const lacking = lackOf(access, verified.value);
    if (lacking === null && asksAccount) {
      await next();
      return judgeRefusal(c);
    }
    const admitted = await admit(c);
    const refusal = admitted.ok ? lacking : whatCounts(admitted.refusal, access, lacking);
    return refusal === null ? next() : problemResponse(c, refusal);
  };
}

/** Has the caller's account judge the session and count the call. */
function admit(c: Context<AppEnv>): Promise<Result<null>> {
  const authority = c.get("ports").sessionAuthority(c.env);
  return authority.admit(callerOf(c), c.get("spend") ?? { policy: "calls", count: 1 }, (standing) => hear(c, standing));
}

/** 401 before 403 before 429. An account that is away stops operators; the others' acts ask whatever they need themselves. */
function whatCounts(refusal: Refusal, access: Access, lacking: Refusal | null): Refusal | null {
  if (refusal.code === "session_revoked") return refusal;
  if (refusal.code === "unavailable") return access === "operator" ? refusal : lacking;
  return lacking ?? refusal;
}

/** After an act: one that was refused before it asked the account is judged by the account now. */
async function judgeRefusal(c: Context<AppEnv>): Promise<undefined> {
  const spent = c.get("standings")?.some(({ policy }) => policy === c.get("spend")?.policy) === true;
  if (!REFUSALS.has(c.res.status) || spent) return;
  const admitted = await admit(c);
  if (admitted.ok || admitted.refusal.code === "unavailable") return;
  // Two steps: set over another answer, it would take on that one's headers.
  c.res = undefined;
  c.res = problemResponse(c, admitted.refusal);
}

function lackOf(access: CallerDoor["access"], { emailVerified, roles }: Principal): Refusal | null {
  if (access === "verified_email") return emailVerified ? null : { code: "email_not_verified" };
  if (access === "signed_in" || roles.includes(access)) return null;
  return { code: "forbidden", detail: `This needs the role ${access}.` };
}
