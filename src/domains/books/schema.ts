// The books on the wire: what a check says, what is broken, what customers are owed.
import { z } from "@hono/zod-openapi";
import { LINES } from "../../core/contra.ts";
import { BREAK_KINDS } from "../../core/reconcile.ts";
import { decimalOut, pageQuery, timestampOut } from "../../http/openapi.ts";

const linesOut = Object.fromEntries(LINES.map((line) => [line, decimalOut])) as Record<
  (typeof LINES)[number],
  typeof decimalOut
>;

/** The last finished check; before the first, `checked` is false and there are no figures. */
export const invariantsOut = z
  .object({
    checked: z.boolean(),
    at: timestampOut.nullable(),
    started_at: timestampOut.optional(),
    duration_ms: z.int().optional(),
    stale: z.boolean(),
    counts: z
      .object({
        accounts: z.int(),
        accounts_unreached: z.int(),
        markets: z.int(),
        orders: z.int(),
        entries: z.int(),
      })
      .nullable(),
    sums: z.array(z.object({ asset: z.string(), ...linesOut, total: decimalOut }).openapi("LedgerSums")),
    breaks: z.object({ total: z.int(), by_kind: z.record(z.string(), z.int()) }).nullable(),
    unjudged: z.array(z.string()),
  })
  .openapi("Invariants");

/** As {@link invariantsOut} has it. */
export type Invariants = z.infer<typeof invariantsOut>;

/** A difference that a check has found; `expected` is what the authority says. */
export const breakOut = z
  .object({
    id: z.string(),
    status: z.enum(["open", "acknowledged", "closed"]),
    kind: z.enum(BREAK_KINDS),
    object: z.enum(["account", "market", "exchange"]),
    name: z.string(),
    subject: z.string(),
    detail: z.object({ expected: z.string(), found: z.string() }),
    opened_at: timestampOut,
    last_seen: timestampOut,
    closed_at: timestampOut.nullable(),
    acknowledged_at: timestampOut.nullable(),
    acknowledged_by: z.string().nullable(),
    reason: z.string().nullable(),
  })
  .openapi("Break");

export const breakQuery = pageQuery.extend({
  status: z.enum(["open", "acknowledged", "closed", "all"]).default("open"),
});

export const breakPath = z.object({ id: z.string().min(1).max(64) });

const sumsOut = z.array(z.object({ asset: z.string(), amount: decimalOut }));

/** What all customers were owed at a full hour. */
export const roundOut = z
  .object({
    round: z.string().openapi({ example: "2026-11-21T19Z" }),
    as_of: timestampOut,
    root: z.string(),
    accounts: z.int(),
    missing: z.int(),
    totals: sumsOut,
    finished_at: timestampOut,
    proofs_until: timestampOut,
  })
  .openapi("LiabilityRound");

export const roundPath = z.object({ round: z.string().min(1).max(32).openapi({ example: "2026-11-21T19Z" }) });

/** That an account is in a round, and with how much. */
export const proofOut = z
  .object({
    v: z.literal(1),
    round: z.string(),
    account_id: z.string(),
    salt: z.string(),
    balances: sumsOut,
    leaf: z.string(),
    path: z.array(z.object({ side: z.enum(["left", "right"]), hash: z.string(), sums: sumsOut })),
    root: z.string(),
    totals: sumsOut,
  })
  .openapi("LiabilityProof");
