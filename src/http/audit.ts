// What security and money are told of afterwards: who did what to whom, how it ended, from where, and why.
import type { Context, MiddlewareHandler } from "hono";
import { clientIpText } from "./client-ip.ts";
import { type AppEnv, later } from "./context.ts";

/** An act as its verb tells it. `actor` is the caller unless it says otherwise, such as at a login. */
export interface AuditAct {
  act: string;
  /** What it was done to: an id, or several joined by `/`. Never what somebody typed where a secret may be typed. */
  target: string;
  /** `ok`, or the code that it was refused with. */
  outcome: string;
  actor?: string;
  reason?: string;
  /** What was asked for, as JSON text. */
  request?: string | null;
}

/** An event as it is stored. `at` in ms; `actor` is empty for a stranger. */
export interface AuditEvent {
  at: number;
  actorKind: "user" | "operator" | "key" | "stranger";
  actor: string;
  act: string;
  target: string;
  outcome: string;
  ip: string;
  requestId: string;
  reason: string | null;
  request: string | null;
}

/** Where events go. Never rejects: an act that has been done is not undone because nobody could write it down. */
export type AuditTrail = (event: AuditEvent) => Promise<void>;

/** Longest text of a reason, a target or a request. */
const TEXT_CHARS_MAX = 500;

/** Tells the audit trail of an act of this request, after the answer. */
export function audit(c: Context<AppEnv>, act: AuditAct, actorKind?: AuditEvent["actorKind"]): void {
  const keyId = c.get("apiKey")?.keyId;
  const actor = act.actor ?? keyId ?? c.get("principal")?.userId ?? "";
  const written = c.get("ports").audit(c.env)({
    at: Date.now(),
    actorKind: actorKind ?? (actor === "" ? "stranger" : actor === keyId ? "key" : "user"),
    actor,
    act: act.act,
    target: act.target.slice(0, TEXT_CHARS_MAX),
    outcome: act.outcome,
    ip: clientIpText(c),
    requestId: c.get("requestId"),
    reason: act.reason?.slice(0, TEXT_CHARS_MAX) ?? null,
    // Half a text would be no JSON: what is longer, such as a journal, is told by its target alone.
    request: (act.request?.length ?? 0) > TEXT_CHARS_MAX ? null : (act.request ?? null),
  });
  later(c, written);
}

/**
 * Tells of an operator's act, done or refused, with what was asked for: its target is what the act says, or the path's ids, or
 * else the request. The reason is the one the act was read with (operator-act.ts). Stands behind the door: who may not act is in
 * the request log alone.
 */
export function audited(act: string): MiddlewareHandler<AppEnv> {
  return async function audited(c, next) {
    await next();
    // A replay is an answer, and no act.
    if (c.res.headers.has("Idempotency-Replayed")) return;
    const reason = c.get("reason");
    const outcome = c.get("refused") ?? "ok";
    const request = requestOf(c);
    const target = c.get("target") ?? (Object.values(c.req.param()).join("/") || (request ?? ""));
    audit(c, { act, target, outcome, request, ...(reason === undefined ? {} : { reason }) }, "operator");
  };
}

function requestOf(c: Context<AppEnv>): string | null {
  const said: Record<string, unknown> = { ...c.req.query(), ...(asObject(c.get("json")) ?? {}) };
  const { reason: _, ...rest } = said;
  return Object.keys(rest).length > 0 ? JSON.stringify(rest) : null;
}

function asObject(value: unknown): object | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
}
