// Who may come in: the checks that stand before a route and before anything of the request is looked at.

import type { Context, MiddlewareHandler } from "hono";
import { edgeSessions } from "../bindings/kv.ts";
import { STEP_UP_MS } from "../core/limits.ts";
import type { Spend } from "../core/policies.ts";
import type { Refusal, Result } from "../core/result.ts";
import { type AppEnv, callerOf, later, type Principal } from "./context.ts";
import { hear } from "./limits.ts";
import { problemResponse } from "./problem.ts";
import { NOT_SIGNED_IN, verifyAccessToken } from "./tokens.ts";

/**
 * Who may call a route: everybody; who is signed in; who is signed in where no account object answers, so that the session is
 * judged before the act; who also has a verified e-mail address; or who has a role. Only {@link EDGE_JUDGED} read KV: the
 * way of an order does not.
 */
export type Access = "public" | "signed_in" | "live_session" | "verified_email" | "operator";

/** Routes whose sessions KV may refuse, and which answer nothing while the account cannot be asked. */
const EDGE_JUDGED: ReadonlySet<Access> = new Set(["live_session", "operator"]);

/** The token of an `Authorization: Bearer …` header, if that is what it is. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(authorization ?? "")?.[1];
}

/** The refusal of a caller who has to show once more who they are; null for one who has within {@link STEP_UP_MS}. */
export function staleness({ authAtMs }: Pick<Principal, "authAtMs">, nowMs = Date.now()): Refusal | null {
  if (authAtMs !== null && nowMs - authAtMs <= STEP_UP_MS) return null;
  return { code: "step_up_required", detail: "Give your password, or a code, to POST /v1/auth/step-up first." };
}

const SESSION_ENDED: Refusal = { code: "session_revoked", detail: "This session has ended; sign in again." };

/** Answers that may have been given before the account was asked: refusals of form, fields, names and state. */
const REFUSALS: ReadonlySet<number> = new Set([400, 404, 409, 415, 422]);

/** What a route behind a token demands, and what a call of it spends. */
export interface CallerDoor {
  access: Exclude<Access, "public">;
  spends: Spend["policy"];
  /** The route's act asks the caller's account, which then judges the session and counts the call: no hop of its own. */
  asksAccount: boolean;
  /** Only for who has given a password or a code within the last {@link STEP_UP_MS}: 403 `step_up_required` else. */
  stepUp: boolean;
}

/**
 * Lets only callers through who are signed in (401), may call this (403) and have not called too often (429), and sets
 * `principal`. Whether the session has ended and how often it calls only its account knows; it need not be woken for one that
 * KV knows to have ended. Where the act asks the account anyway, only what was refused without it is asked for here: such a
 * caller must learn nothing else, and pays for the refusal.
 */
export function requireCaller({ access, spends, asksAccount, stepUp }: CallerDoor): MiddlewareHandler<AppEnv> {
  return async function requireCaller(c, next) {
    const token = bearerToken(c.req.header("authorization"));
    if (token === undefined) return problemResponse(c, NOT_SIGNED_IN);
    const verified = await verifyAccessToken(c.get("config"), token, Date.now());
    if (!verified.ok) return problemResponse(c, verified.refusal);
    c.set("principal", verified.value);
    c.set("spend", { policy: spends, count: 1 });
    if (EDGE_JUDGED.has(access) && (await isBlacklisted(c))) return problemResponse(c, SESSION_ENDED);
    const lacking = lackOf(access, verified.value) ?? (stepUp ? staleness(verified.value) : null);
    if (lacking === null && asksAccount) {
      await next();
      return judgeRefusal(c);
    }
    const admitted = await admit(c);
    const refusal = admitted.ok ? lacking : whatCounts(admitted.refusal, access, lacking);
    return refusal === null ? next() : problemResponse(c, refusal);
  };
}

/** Has the caller's account judge the session and count the call. Refuses `session_revoked`, `rate_limited`, `unavailable`. */
export function admit(c: Context<AppEnv>): Promise<Result<null>> {
  const authority = c.get("ports").sessionAuthority(c.env);
  return authority.admit(callerOf(c), c.get("spend") ?? { policy: "calls", count: 1 }, (standing) => hear(c, standing));
}

/** 401 before 403 before 429. Where no act asks the account itself, one that is away lets nobody pass. */
function whatCounts(refusal: Refusal, access: Access, lacking: Refusal | null): Refusal | null {
  if (refusal.code === "session_revoked") return refusal;
  if (refusal.code === "unavailable") return EDGE_JUDGED.has(access) ? refusal : lacking;
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

/** Whether KV's blacklist has the caller's session: then its account need not be woken. What KV has not heard of, that knows. */
async function isBlacklisted(c: Context<AppEnv>): Promise<boolean> {
  const { sessionId } = callerOf(c);
  if (!(await edgeSessions(c.env).isBlacklisted(sessionId))) return false;
  later(c, c.get("ports").sessionAuthority(c.env).noteRefusedUse(sessionId));
  return true;
}

function lackOf(access: CallerDoor["access"], { emailVerified, roles }: Principal): Refusal | null {
  if (access === "verified_email") return emailVerified ? null : { code: "email_not_verified" };
  if (access !== "operator" || roles.includes(access)) return null;
  return { code: "forbidden", detail: `This needs the role ${access}.` };
}
