// What a request carries from middleware to handler, and the dress every answer wears.

import type { Context, MiddlewareHandler } from "hono";
import type { MailSubject } from "../bindings/mail.ts";
import { type Config, loadConfig } from "../config.ts";
import type { KeyOwner, PresentedKey } from "../core/api-keys.ts";
import type { Rates, Spend, Standing } from "../core/policies.ts";
import { InvariantError, type RefusalCode, type Result } from "../core/result.ts";
import type { Write } from "../core/write-buffer.ts";
import type { AddressGate } from "./addresses.ts";
import type { KeyCaller } from "./api-keys.ts";
import type { AuditTrail } from "./audit.ts";
import { tellOrigin } from "./cors.ts";
import type { OnceStore } from "./idempotency.ts";
import { hear, type Limits, tellLimits } from "./limits.ts";
import { logRequest } from "./request-log.ts";
import type { WriteBuffers } from "./write-buffer.ts";

/** The parsed configuration, for domains: they read it from the request, never from the environment. */
export type { Config };

/**
 * Who calls, by a verified access token: as old as the token, 10 minutes at most. By key, as the account has said: `sessionId` is
 * then the key's, and what only a person at a session has (roles, a verified address, a fresh password) is not there.
 */
export interface Principal {
  userId: string;
  accountId: string;
  sessionId: string;
  roles: readonly string[];
  emailVerified: boolean;
  issuedAtMs: number;
  expiresAtMs: number;
  /** When a password or a code was last given in this session; null when nobody knows. */
  authAtMs: number | null;
}

/** A caller as their account is asked of them: by session, or by key, whose id then stands for a session's. */
export interface AskingCaller {
  accountId: string;
  sessionId: string;
  issuedAtMs: number;
  key?: PresentedKey;
}

/** What the account knows of sessions: it hears of each end first. A failure to tell it means that the caller must answer 503. */
export interface SessionAuthority {
  /**
   * Whether the session of a verified token, or a key, still counts and may spend this; `heard` is told what is left. Answers
   * whose key it is. Refuses `session_revoked`, what a key lacks, `rate_limited`, and `unavailable`.
   */
  admit(caller: AskingCaller, spend: Spend, heard: (standing: Standing) => void): Promise<Result<KeyOwner>>;
  /** No command of this session is taken from now on; the account may forget it after `untilMs`. */
  revokeSession(accountId: string, sessionId: string, untilMs: number): Promise<Result<null>>;
  /** Counts a use of an ended session that was refused at the edge, before its account was asked. Never throws. */
  noteRefusedUse(sessionId: string): Promise<void>;
  /** No token issued before `validFromMs` is taken from now on. */
  revokeAll(accountId: string, validFromMs: number): Promise<Result<null>>;
  /** No API key of this account is taken from now on. */
  revokeKeys(accountId: string): Promise<Result<null>>;
}

/** What domains fill in and app.ts wires. */
export interface Ports {
  sessionAuthority(env: Env): SessionAuthority;
  limits(env: Env, rates: Rates): Limits;
  addressGate(env: Env): AddressGate;
  onceStore(env: Env): OnceStore;
  writeBuffers(env: Env): WriteBuffers;
  audit(env: Env): AuditTrail;
  mail(env: Env): (subject: MailSubject) => Promise<Result<null>>;
  /** Whether a user has a verified e-mail address by now: a token is up to ten minutes old. Refuses `unavailable`. */
  emailVerified(env: Env): (userId: string) => Promise<Result<boolean>>;
}

export interface AppEnv {
  Bindings: Env;
  Variables: {
    requestId: string;
    traceId: string;
    config: Config;
    ports: Ports;
    principal: Principal | undefined;
    /** The API key that the call is by; whether it is one only the account can say. */
    apiKey: KeyCaller | undefined;
    /** What this call costs its caller; a handler of many acts at once says how many before it asks the account. */
    spend: Spend | undefined;
    /** What counting has left, by policy; undefined when nothing was counted. */
    standings: Standing[] | undefined;
    /** What waits in the caller's write buffer, on routes that ask for it. */
    waiting: Promise<Result<Write[]>> | undefined;
    /** The parsed body, once it was JSON. */
    json: unknown;
    /** Why an operator does this, once their act was read. */
    reason: string | undefined;
    /** What they do it to, where the path does not say all of it. */
    target: string | undefined;
    /** The code that the request was refused with, and what was thrown if it is a bug: both for the log. */
    refused: RefusalCode | undefined;
    uncaught: Error | undefined;
    /** Bytes of a body that came without a length and was read to measure it. */
    bodyBytes: Uint8Array | undefined;
  };
}

/** The signed-in caller. Throws when the route is public: that is a mistake in the route, not in the request. */
export function callerOf(c: Context<AppEnv>): Principal {
  const principal = c.get("principal");
  if (principal === undefined) throw new InvariantError("a public route asked who its caller is");
  return principal;
}

/** The caller, by session or by key, as their account is asked: what the call costs, and who hears what that leaves. */
export function accessOf(c: Context<AppEnv>) {
  const spend = c.get("spend");
  return {
    env: c.env,
    caller: { ...askingCallerOf(c), ...(spend === undefined ? {} : { spend }) },
    heard: (standing: Standing) => hear(c, standing),
  };
}

function askingCallerOf(c: Context<AppEnv>): AskingCaller & { expiresAtMs: number } {
  const presented = c.get("apiKey");
  if (presented !== undefined) return keyedCaller(presented);
  const { accountId, sessionId, issuedAtMs, expiresAtMs } = callerOf(c);
  return { accountId, sessionId, issuedAtMs, expiresAtMs };
}

/** A caller by key. Its id stands for a session's, and no token is as old as −1; its end the account adds. */
export function keyedCaller({ accountId, keyId, key }: KeyCaller): AskingCaller & { expiresAtMs: number } {
  return { accountId, sessionId: keyId, issuedAtMs: -1, expiresAtMs: 0, key };
}

/** A request as a domain's files beside its routes see it. */
export type RequestContext = Context<AppEnv>;

/** Lets `work` go on after the answer, which does not wait for it. It must not fail: nobody would hear of it. */
export function later(c: Context<AppEnv>, work: Promise<unknown>): void {
  try {
    c.executionCtx.waitUntil(work);
  } catch {
    // A test that calls the app directly has no such thing; the work runs all the same.
  }
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;
const NO_TRACE = "0".repeat(32);

const SECURITY_HEADERS: readonly (readonly [string, string])[] = [
  ["X-Content-Type-Options", "nosniff"],
  ["Strict-Transport-Security", "max-age=63072000; includeSubDomains"],
  ["Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"],
  ["Referrer-Policy", "no-referrer"],
];

/** First in line: gives the request its id, trace and ports, and dresses and logs whatever answer comes. */
export function requestContext(ports: Ports): MiddlewareHandler<AppEnv> {
  return async function requestContext(c, next) {
    const since = Date.now();
    const sent = c.req.header("x-request-id");
    const requestId = sent !== undefined && REQUEST_ID.test(sent) ? sent : crypto.randomUUID();
    c.set("requestId", requestId);
    c.set("traceId", traceIdOf(c.req.header("traceparent")));
    c.set("ports", ports);
    await next();
    const answer = dressed(c);
    // Setting it again, even to itself, would copy the answer.
    if (answer !== c.res) c.res = answer;
    logRequest(c, since);
  };
}

/** Second in line: the checked configuration. A wrong one throws, and the answer to that still gets its headers. */
export const configuration: MiddlewareHandler<AppEnv> = async (c, next) => {
  c.set("config", loadConfig(c.env));
  return next();
};

function traceIdOf(traceparent: string | undefined): string {
  const traceId = TRACEPARENT.exec(traceparent ?? "")?.[1];
  return traceId === undefined || traceId === NO_TRACE ? crypto.randomUUID().replaceAll("-", "") : traceId;
}

/** Adds the headers every answer has. What says nothing about caching, or was made for one caller, is not stored. */
function dressed(c: Context<AppEnv>): Response {
  const answer = c.res;
  if (answer.webSocket === null) {
    dress(c, answer.headers);
    return answer;
  }
  // An upgrade's answer comes from another object: its headers cannot be changed, and it lives by its socket.
  const headers = new Headers(answer.headers);
  dress(c, headers);
  return new Response(null, { status: 101, webSocket: answer.webSocket, headers });
}

function dress(c: Context<AppEnv>, headers: Headers): void {
  headers.set("X-Request-Id", c.get("requestId"));
  tellLimits(c, headers);
  tellOrigin(c, headers);
  for (const [name, value] of SECURITY_HEADERS) if (!headers.has(name)) headers.set(name, value);
  if (c.get("principal") !== undefined || !headers.has("Cache-Control")) headers.set("Cache-Control", "no-store");
}
