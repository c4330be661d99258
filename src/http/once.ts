// Answers to acts that happen once: a replay says so, and carries the request id of the first answer in its body.
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { type Answered, ok, type Refusal, refuse } from "../core/result.ts";
import { type Answer, send } from "./answer.ts";
import type { AppEnv } from "./context.ts";

/** The request's Idempotency-Key with the id under which its first answer is to be replayed; null when there is none. */
export function idempotencyOf(c: Context<AppEnv>): { key: string; requestId: string } | null {
  const key = c.req.header("idempotency-key");
  return key === undefined ? null : { key, requestId: c.get("requestId") };
}

/** Answers with the act's outcome; a replay by key has `Idempotency-Replayed: true` and the first answer's bytes. */
export function sendOnce<T, B, S extends ContentfulStatusCode>(
  c: Context<AppEnv>,
  answered: Answered<T>,
  render: (value: T) => B,
  status: (value: T, repeated: boolean) => S,
): Answer<B, S> {
  const { replay, result } = answered;
  let repeated = replay?.by === "client_order_id";
  if (replay?.by === "idempotency_key") {
    // Of an act that has been archived it is forgotten: an empty id would find nothing in any log.
    if (replay.requestId !== "") c.set("requestId", replay.requestId);
    c.header("Idempotency-Replayed", "true");
    repeated = replay.repeated === true;
  }
  return send(c, result, render, result.ok ? status(result.value, repeated) : (200 as S));
}

/** Turns an outcome into another, keeping how it came about. */
export function mapOnce<T>(answered: Answered<T>, refusalOf: (value: T) => Refusal | null): Answered<T> {
  if (!answered.result.ok) return answered;
  const refusal = refusalOf(answered.result.value);
  return { ...answered, result: refusal === null ? ok(answered.result.value) : refuse(refusal) };
}
