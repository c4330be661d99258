// The audit trail on the wire, and an event on its way to D1.
import { z } from "@hono/zod-openapi";
import { pageQuery, timestampOut } from "../../http/openapi.ts";
import { forwards, PERIOD_FIELDS } from "../../http/period.ts";

const name = z.string().min(1).max(500);

/** Which acts are wanted; of `from` and `to` only `from` is included. */
export const auditQuery = pageQuery
  .extend({ actor: name.optional(), act: name.optional(), target: name.optional(), ...PERIOD_FIELDS })
  .superRefine(forwards);

/** An act of security or money: `outcome` is ok, or the code that it was refused with; `actor` is null for a stranger. */
export const auditOut = z
  .object({
    id: z.string(),
    at: timestampOut,
    actor_kind: z.enum(["user", "operator", "key", "stranger"]),
    actor: z.string().nullable(),
    act: z.string(),
    target: z.string(),
    outcome: z.string(),
    ip: z.string(),
    request_id: z.string(),
    reason: z.string().nullable(),
    request: z.string().nullable().openapi({ description: "What an operator asked for beside the reason, as JSON." }),
  })
  .openapi("AuditEvent");

const text = z.string().max(1_000);

/** What the queue carries; `id` makes it stand there once. */
export const auditMessage = z.object({
  v: z.literal(1),
  id: text,
  at: z.int(),
  actorKind: z.enum(["user", "operator", "key", "stranger"]),
  actor: text,
  act: text,
  target: text,
  outcome: text,
  ip: text,
  requestId: text,
  reason: text.nullable(),
  /** The version before did not send it. */
  request: text.nullable().default(null),
});

/** An event on its way to D1. */
export type AuditMessage = z.infer<typeof auditMessage>;
