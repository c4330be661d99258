// Who may come in: the checks that stand before a route and before anything of the request is looked at.

import type { MiddlewareHandler } from "hono";
import { edgeSessions } from "../bindings/kv.ts";
import type { Refusal } from "../core/result.ts";
import { type AppEnv, callerOf, later } from "./context.ts";
import { problemResponse } from "./problem.ts";
import { NOT_SIGNED_IN, verifyAccessToken } from "./tokens.ts";

/** The token of an `Authorization: Bearer …` header, if that is what it is. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(authorization ?? "")?.[1];
}

const SESSION_ENDED: Refusal = { code: "session_revoked", detail: "This session has ended; sign in again." };

/** Answers that may have been given before the account was asked: refusals of role, form, fields, names and state. */
const REFUSALS: ReadonlySet<number> = new Set([400, 403, 404, 409, 415, 422]);

/**
 * Lets only signed-in callers through (401), and sets `principal`. Whether the session has ended only its account knows, and
 * every act asks it anyway; what is refused without an act is asked for here, since such a caller must learn nothing else.
 */
export const requireAuth: MiddlewareHandler<AppEnv> = async (c, next) => {
  const token = bearerToken(c.req.header("authorization"));
  if (token === undefined) return problemResponse(c, NOT_SIGNED_IN);
  const verified = await verifyAccessToken(c.get("config"), token, Date.now());
  if (!verified.ok) return problemResponse(c, verified.refusal);
  c.set("principal", verified.value);
  await next();
  if (!REFUSALS.has(c.res.status)) return undefined;
  const admitted = await c.get("ports").sessionAuthority(c.env).admit(verified.value);
  if (admitted.ok || admitted.refusal.code !== "session_revoked") return undefined;
  // Two steps: set over another answer, it would take on that one's headers.
  c.res = undefined;
  c.res = problemResponse(c, admitted.refusal);
  return undefined;
};

/**
 * Refuses a session that KV's blacklist has (401), without waking its account; stands after {@link requireAuth} and before
 * {@link requireLiveSession}. What KV has not heard of, that one refuses.
 */
export const refuseBlacklisted: MiddlewareHandler<AppEnv> = async (c, next) => {
  const { sessionId } = callerOf(c);
  if (!(await edgeSessions(c.env).isBlacklisted(sessionId))) return next();
  later(c, c.get("ports").sessionAuthority(c.env).noteRefusedUse(sessionId));
  return problemResponse(c, SESSION_ENDED);
};

/** Lets only callers through whose session has not ended (401), for routes that ask no account; after {@link requireAuth}. */
export const requireLiveSession: MiddlewareHandler<AppEnv> = async (c, next) => {
  const admitted = await c.get("ports").sessionAuthority(c.env).admit(callerOf(c));
  return admitted.ok ? next() : problemResponse(c, admitted.refusal);
};

/** Lets only callers with a verified e-mail address through (403); stands after {@link requireAuth}. */
export const requireVerifiedEmail: MiddlewareHandler<AppEnv> = async (c, next) =>
  callerOf(c).emailVerified ? next() : problemResponse(c, { code: "email_not_verified" });

/** Lets only callers with `role` through (403); stands after {@link requireAuth}. */
export function requireRole(role: string): MiddlewareHandler<AppEnv> {
  return async function requireRole(c, next) {
    if (c.get("principal")?.roles.includes(role) !== true) {
      return problemResponse(c, { code: "forbidden", detail: `This needs the role ${role}.` });
    }
    return next();
  };
}
