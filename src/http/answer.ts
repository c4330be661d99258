// From a verb's Result to a response. The only place where a success gets its status and a refusal its problem.

import type { Context, TypedResponse } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { JSONParsed } from "hono/utils/types";
import type { Result } from "../core/result.ts";
import type { AppEnv } from "./context.ts";
import { problemResponse } from "./problem.ts";

/** A JSON answer as the route's types see it. */
export type Answer<B, S extends ContentfulStatusCode> = Response & TypedResponse<JSONParsed<B>, S, "json">;

/**
 * Answers with `render(value)` and `status`, or with the refusal's problem document. The type is that of the success
 * alone, so a body that does not fit the route's schema does not compile.
 */
export function send<T, B, S extends ContentfulStatusCode>(
  c: Context<AppEnv>,
  result: Result<T>,
  render: (value: T) => B,
  status: S,
): Answer<B, S> {
  // The cast is what keeps refusals out of every handler's type; `problems` documents them.
  if (!result.ok) return problemResponse(c, result.refusal) as Answer<B, S>;
  const headers = { "Content-Type": "application/json" };
  return c.body(JSON.stringify(render(result.value)), status, headers) as Response as Answer<B, S>;
}

/** Answers 204 without a body, or with the refusal's problem document. */
export function sendNothing(c: Context<AppEnv>, result: Result<unknown>): Response {
  return result.ok ? c.body(null, 204) : problemResponse(c, result.refusal);
}

/** Answers 202 without a body: it will be done. Or with the refusal's problem document. */
export function sendAccepted(c: Context<AppEnv>, result: Result<unknown>): Response {
  return result.ok ? c.body(null, 202) : problemResponse(c, result.refusal);
}

/**
 * Answers public data, which may be stored for `maxAgeSeconds` (0: ask again each time), with an ETag; 304 when the
 * client has it. Never for anything that depends on the caller.
 */
export async function sendPublic<T, B>(
  c: Context<AppEnv>,
  result: Result<T>,
  render: (value: T) => B,
  maxAgeSeconds: number,
): Promise<Answer<B, 200>> {
  if (!result.ok) return problemResponse(c, result.refusal) as Answer<B, 200>;
  const text = JSON.stringify(render(result.value));
  return (await sendText(c, text, "application/json", maxAgeSeconds)) as Answer<B, 200>;
}

/** Answers a public page of HTML, which may be stored for `maxAgeSeconds`, as {@link sendPublic} does data. */
export function sendPage(c: Context<AppEnv>, html: string, maxAgeSeconds: number): Promise<Response> {
  return sendText(c, html, "text/html; charset=utf-8", maxAgeSeconds);
}

async function sendText(c: Context<AppEnv>, text: string, type: string, maxAgeSeconds: number): Promise<Response> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const tag = `"${[...digest.subarray(0, 12)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}"`;
  const headers = { ETag: tag, "Cache-Control": maxAgeSeconds === 0 ? "no-cache" : `public, max-age=${maxAgeSeconds}` };
  if (matches(c.req.header("if-none-match"), tag)) return c.body(null, 304, headers);
  return c.body(text, 200, { ...headers, "Content-Type": type });
}

function matches(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(",").some((one) => one.trim() === "*" || one.trim().replace(/^W\//, "") === tag);
}
