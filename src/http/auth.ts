// Who may come in: the checks that stand before a route and before anything of the request is looked at.

import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./context.ts";
import { problemResponse } from "./problem.ts";
import { NOT_SIGNED_IN, verifyAccessToken } from "./tokens.ts";

/** The token of an `Authorization: Bearer …` header, if that is what it is. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(authorization ?? "")?.[1];
}

/** Lets only signed-in callers through (401), and sets `principal`. */
export const requireAuth: MiddlewareHandler<AppEnv> = async (c, next) => {
  const token = bearerToken(c.req.header("authorization"));
  if (token === undefined) return problemResponse(c, NOT_SIGNED_IN);
  const verified = await verifyAccessToken(c.get("config"), token, Date.now());
  if (!verified.ok) return problemResponse(c, verified.refusal);
  c.set("principal", verified.value);
  return next();
};

/** Lets only callers with `role` through (403); stands after {@link requireAuth}. */
export function requireRole(role: string): MiddlewareHandler<AppEnv> {
  return async function requireRole(c, next) {
    if (c.get("principal")?.roles.includes(role) !== true) {
      return problemResponse(c, { code: "forbidden", detail: `This needs the role ${role}.` });
    }
    return next();
  };
}
