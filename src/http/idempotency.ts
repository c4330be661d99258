// Acts that happen once by their Idempotency-Key, where no money moves: the port that remembers them, and what stands
// between a route's door and its act. Money has this in the account object, in the act's own transaction.
import type { Context, MiddlewareHandler } from "hono";
import type { z } from "zod";
import { canonical } from "../core/codec.ts";
import type { Refusal, Result } from "../core/result.ts";
import { clientIp, ipKey } from "./client-ip.ts";
import type { AppEnv } from "./context.ts";
import { problemResponse } from "./problem.ts";

/** What a key may be. */
export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/** A key as it came: `scope` is the caller and the route, `bodyHash` is keyed, so that it tells nothing of a password. */
export interface OnceWish {
  scope: string;
  key: string;
  bodyHash: string;
  requestId: string;
}

/** A first answer as it was given. */
export interface OnceAnswer {
  requestId: string;
  status: number;
  contentType: string;
  body: string;
}

/** Remembers first answers. */
export interface OnceStore {
  /**
   * Takes a key for a minute, or answers with what it got before: null when it is taken now. Refuses
   * `idempotency_in_flight`, `idempotency_key_reused`, and `unavailable`: without it nobody could promise anything.
   */
  begin(wish: OnceWish): Promise<Result<OnceAnswer | null>>;
  /** Keeps the answer to a key taken, or with null gives it free. Never rejects: the act has been done. */
  end(wish: OnceWish, answer: OnceAnswer | null): Promise<void>;
}

const NOT_AGAIN: Refusal = {
  code: "idempotency_answer_not_kept",
  detail: "This has been done already, and its secret was shown once; for another one use a new key.",
};

/**
 * How a route's answers are kept: as they are; only that there was one, since it showed a secret; or as they are where they can be,
 * since the act itself makes the same thing of the same key.
 */
export type OnceKind = "kept" | "secret" | "buffered";

/** Answers that say nothing for good: asking again may get another one. */
const NOT_KEPT: ReadonlySet<number> = new Set([400, 401, 403, 415, 429]);

/**
 * Does an act once for each caller and key. Stands after the body has been read. What does not fit `schema` is let through:
 * it is refused there, and uses no key up.
 */
export function onceByKey(kind: OnceKind, schema: z.ZodType): MiddlewareHandler<AppEnv> {
  return async function onceByKey(c, next) {
    const key = c.req.header("idempotency-key");
    if (key === undefined || !IDEMPOTENCY_KEY.test(key) || !schema.safeParse(c.get("json")).success) return next();
    const wish = { scope: scopeOf(c), key, bodyHash: await bodyHashOf(c), requestId: c.get("requestId") };
    const store = c.get("ports").onceStore(c.env);
    const begun = await store.begin(wish);
    if (!begun.ok && kind === "buffered" && begun.refusal.code === "unavailable") return next();
    if (!begun.ok) return problemResponse(c, begun.refusal);
    if (begun.value !== null) return kind === "secret" ? problemResponse(c, NOT_AGAIN) : replayed(c, begun.value);
    try {
      await next();
    } catch (error) {
      await store.end(wish, null);
      throw error;
    }
    await store.end(wish, kind === "secret" ? markOf(c) : await keptOf(c));
    return undefined;
  };
}

function replayed(c: Context<AppEnv>, { requestId, status, contentType, body }: OnceAnswer): Response {
  c.set("requestId", requestId);
  return c.body(body, status as 200, { "Content-Type": contentType, "Idempotency-Replayed": "true" });
}

/** What is kept of an answer that showed a secret: that there was one. Null for a refusal, which has done nothing. */
function markOf(c: Context<AppEnv>): OnceAnswer | null {
  const { status, headers } = c.res;
  if (!c.res.ok) return null;
  return { requestId: c.get("requestId"), status, contentType: headers.get("Content-Type") ?? "", body: "" };
}

/** The answer as it is kept; null for one that is not: a bug's, an outage's, and what says nothing for good. */
async function keptOf(c: Context<AppEnv>): Promise<OnceAnswer | null> {
  const { status, headers } = c.res;
  if (c.error !== undefined || status >= 500 || NOT_KEPT.has(status) || c.get("refused") === "validation_failed")
    return null;
  const contentType = headers.get("Content-Type") ?? "application/json";
  return { requestId: c.get("requestId"), status, contentType, body: await c.res.clone().text() };
}

function scopeOf(c: Context<AppEnv>): string {
  const who = c.get("principal")?.userId ?? c.get("apiKey")?.accountId ?? `ip/${ipKey(clientIp(c))}`;
  return `${who} ${c.req.method} ${c.req.path}`;
}

async function bodyHashOf(c: Context<AppEnv>): Promise<string> {
  const secret = Buffer.from(c.get("config").refreshSecret, "base64url");
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const said = new TextEncoder().encode(`idempotency.v1.${canonical(c.get("json"))}`);
  return Buffer.from(await crypto.subtle.sign("HMAC", key, said)).toString("base64url");
}
