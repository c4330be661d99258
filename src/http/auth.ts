// Who may come in: the checks that stand before a route and before anything of the request is looked at.

import type { Context, MiddlewareHandler, Next } from "hono";
import { edgeSessions } from "../bindings/kv.ts";
import type { KeyOwner } from "../core/api-keys.ts";
import { STEP_UP_MS } from "../core/limits.ts";
import { isStaffs, mayByRole, PERMISSIONS, type Permission } from "../core/permissions.ts";
import type { Spend } from "../core/policies.ts";
import { invariant, type Refusal, type Result, refuse } from "../core/result.ts";
import { API_KEY_HEADER, presentKey } from "./api-keys.ts";
import { audit } from "./audit.ts";
import { type AppEnv, accessOf, callerOf, later, type Principal } from "./context.ts";
import { problemResponse } from "./problem.ts";
import { NOT_SIGNED_IN, verifyAccessToken } from "./tokens.ts";
import { lookForWrites } from "./write-buffer.ts";

/** Who may call a route: everybody, or who has a permission (core/permissions.ts). */
export type Access = "public" | Permission;

/** The token of an `Authorization: Bearer …` header, if that is what it is. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(authorization ?? "")?.[1];
}

/** The refusal of a caller who has to show once more who they are; null for one who has within {@link STEP_UP_MS}. */
export function staleness({ authAtMs }: Pick<Principal, "authAtMs">, nowMs = Date.now()): Refusal | null {
  if (authAtMs !== null && nowMs - authAtMs <= STEP_UP_MS) return null;
  return { code: "step_up_required", detail: "Give your password, or a code, to POST /v1/auth/step-up first." };
}

const NOT_VERIFIED: Refusal = {
  code: "email_not_verified",
  detail: "Follow the link in the e-mail that was sent to your address; POST /v1/auth/email/resend sends another.",
};
const SESSION_ENDED: Refusal = { code: "session_revoked", detail: "This session has ended; sign in again." };

/** Answers that may have been given before the account was asked: refusals of form, fields, names and state. */
const REFUSALS: ReadonlySet<number> = new Set([400, 404, 409, 415, 422]);

/** What a route that is not public demands, and what a call of it spends. */
export interface CallerDoor {
  access: Permission;
  spends: Spend["policy"];
  /** The caller's e-mail address must be verified, too. */
  verifiedEmail: boolean;
  /** The route's act asks the caller's account, which then judges the session and counts the call: no hop of its own. */
  asksAccount: boolean;
  /** The route's act tells the account that sessions end: KV need not be asked, and an account that is away is the act's to see. */
  tellsAccount: boolean;
  /** Only for who has given a password or a code within the last {@link STEP_UP_MS}: 403 `step_up_required` else. No key can. */
  stepUp: boolean;
  /** The route's act reads or writes what may wait in the caller's write buffer, which is asked beside the account. */
  buffers: boolean;
}

/** Whether KV may refuse the session of a route, and nothing is answered while the account cannot be asked. */
function isEdgeJudged({ asksAccount, tellsAccount }: CallerDoor): boolean {
  return !asksAccount && !tellsAccount;
}

/**
 * Lets only callers through who are signed in (401), may call this (403) and have not called too often (429), and sets
 * `principal`. Whether the session has ended and how often it calls only its account knows; it need not be woken for one that
 * KV knows to have ended. Where the act asks the account anyway, only what was refused without it is asked for here: such a
 * caller must learn nothing else, and pays for the refusal.
 */
export function requireCaller(door: CallerDoor): MiddlewareHandler<AppEnv> {
  return async function requireCaller(c, next) {
    const key = c.req.header(API_KEY_HEADER);
    if (key !== undefined) return enterByKey(c, next, door, key);
    const token = bearerToken(c.req.header("authorization"));
    if (token === undefined) return problemResponse(c, NOT_SIGNED_IN);
    const verified = await verifyAccessToken(c.get("config"), token, Date.now());
    if (!verified.ok) return problemResponse(c, verified.refusal);
    c.set("principal", verified.value);
    c.set("spend", { policy: door.spends, count: 1 });
    if (door.buffers) lookForWrites(c);
    if (isEdgeJudged(door) && (await isBlacklisted(c))) return problemResponse(c, SESSION_ENDED);
    const lacking = await lackOf(c, door, verified.value);
    if (lacking === null && door.asksAccount) {
      await next();
      return judgeRefusal(c);
    }
    const admitted = await admit(c);
    const refusal = admitted.ok ? lacking : whatCounts(admitted.refusal, door, lacking);
    if (admitted.ok && refusal?.code === "forbidden" && isStaffs(door.access)) tellOfStranger(c);
    return refusal === null ? next() : problemResponse(c, refusal);
  };
}

/** The same for a caller by key, of whom the account knows the most: where its act is not asked anyway, it is asked here. */
async function enterByKey(c: Context<AppEnv>, next: Next, door: CallerDoor, text: string) {
  const { scope } = PERMISSIONS[door.access];
  const presented = await presentKey(c, text, scope);
  if (!presented.ok) return problemResponse(c, presented.refusal);
  c.set("apiKey", presented.value);
  c.set("spend", { policy: door.spends, count: 1 });
  if (scope !== null && door.asksAccount) {
    await next();
    return judgeRefusal(c);
  }
  const admitted = await admit(c);
  if (!admitted.ok) return problemResponse(c, admitted.refusal);
  // An account refuses every key where none is enough.
  invariant(scope !== null && admitted.value !== null, `a key was let in by ${door.access}`);
  const { accountId, keyId: sessionId } = presented.value;
  const { userId } = admitted.value;
  c.set("principal", {
    userId,
    accountId,
    sessionId,
    roles: [],
    emailVerified: false,
    issuedAtMs: -1,
    expiresAtMs: 0,
    authAtMs: null,
  });
  if (door.buffers) lookForWrites(c);
  return next();
}

/**
 * Has the caller's account judge the session or key and count the call. Refuses `session_revoked`, what a key lacks,
 * `rate_limited`, `unavailable`.
 */
export function admit(c: Context<AppEnv>): Promise<Result<KeyOwner>> {
  const authority = c.get("ports").sessionAuthority(c.env);
  const { caller, heard } = accessOf(c);
  return authority.admit(caller, c.get("spend") ?? { policy: "calls", count: 1 }, heard);
}

/** 401 before 403 before 429. Where no act asks the account itself, one that is away lets nobody pass. */
function whatCounts(refusal: Refusal, door: CallerDoor, lacking: Refusal | null): Refusal | null {
  if (refusal.code === "session_revoked") return refusal;
  if (refusal.code === "unavailable") return isEdgeJudged(door) ? refusal : lacking;
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

/** What a caller by session lacks for a route; null when nothing. */
async function lackOf(c: Context<AppEnv>, door: CallerDoor, principal: Principal): Promise<Refusal | null> {
  const { access, verifiedEmail, stepUp } = door;
  if (!mayByRole(access, principal.roles)) {
    return { code: "forbidden", detail: `This needs the permission ${access}.` };
  }
  const verified = verifiedEmail ? await requireVerified(c, principal) : OK;
  if (!verified.ok) return verified.refusal;
  return stepUp ? staleness(principal) : null;
}

const OK: Result<null> = { ok: true, value: null };

/**
 * Lets a caller through whose e-mail address is verified: as the token says, or where it says no, by now. Refuses
 * `email_not_verified`, and `unavailable` when nobody can tell.
 */
export async function requireVerified(
  c: Context<AppEnv>,
  { userId, emailVerified }: Pick<Principal, "userId" | "emailVerified">,
): Promise<Result<null>> {
  if (emailVerified) return OK;
  const now = await c.get("ports").emailVerified(c.env)(userId);
  if (!now.ok) return now;
  return now.value ? OK : refuse(NOT_VERIFIED);
}

/** The trail hears of whoever tries what staff may: the request log alone would have it for days. */
function tellOfStranger(c: Context<AppEnv>): void {
  audit(c, { act: "admin.refused", target: `${c.req.method} ${c.req.path}`, outcome: "forbidden" });
}
