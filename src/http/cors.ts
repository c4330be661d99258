// Which pages of other origins may call, and read what they get: those that ALLOWED_ORIGINS names, exactly as written.
import type { Context, MiddlewareHandler } from "hono";
import type { AppEnv } from "./context.ts";
import { problemResponse } from "./problem.ts";

/** What a page may send and read beyond what every page may. */
const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE";
const SENT_HEADERS =
  "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Traceparent, " +
  "X-Api-Key, X-Nonce, X-Request-Id, X-Signature, X-Timestamp, X-Token-Transport";
const READ_HEADERS = "ETag, Idempotency-Replayed, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id";
/** How long a browser keeps what it was told before a call; Chromium's own most is two hours. */
const PREFLIGHT_MAX_AGE_SECONDS = 600;

/** Whether a request comes from a page that may act for its visitor: of this origin, or of a listed one. */
export function isOwnOrListed(c: Context<AppEnv>, origin: string): boolean {
  return origin === new URL(c.req.url).origin || c.get("config").allowedOrigins.includes(origin);
}

/**
 * Answers preflights of listed origins, and refuses a WebSocket that another page opens with 403. What others ask is answered
 * without the headers that would let them read it.
 */
export const cors: MiddlewareHandler<AppEnv> = async (c, next) => {
  const origin = c.req.header("origin");
  if (origin === undefined) return next();
  const isSocket = c.req.header("upgrade")?.toLowerCase() === "websocket";
  if (isSocket && !isOwnOrListed(c, origin)) {
    return problemResponse(c, { code: "forbidden", detail: "Pages of this origin may not open streams." });
  }
  if (!c.get("config").allowedOrigins.includes(origin)) return next();
  if (c.req.method !== "OPTIONS" || c.req.header("access-control-request-method") === undefined) return next();
  return c.body(null, 204, {
    "Access-Control-Allow-Methods": METHODS,
    "Access-Control-Allow-Headers": SENT_HEADERS,
    "Access-Control-Max-Age": String(PREFLIGHT_MAX_AGE_SECONDS),
  });
};

/** Sets what lets a listed origin read an answer. Every answer varies by origin once there is a list: caches must know. */
export function tellOrigin(c: Context<AppEnv>, headers: Headers): void {
  const listed = c.get("config")?.allowedOrigins ?? [];
  if (listed.length === 0) return;
  headers.append("Vary", "Origin");
  const origin = c.req.header("origin");
  if (origin === undefined || !listed.includes(origin)) return;
  headers.set("Access-Control-Allow-Origin", origin);
  headers.set("Access-Control-Allow-Credentials", "true");
  headers.set("Access-Control-Expose-Headers", READ_HEADERS);
}
