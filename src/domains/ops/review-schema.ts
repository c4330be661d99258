// Transfers as operators see them, and how they ask for them.
import { z } from "@hono/zod-openapi";
import { isTypeId } from "../../core/ids.ts";
import { decimalOut, pageQuery, timestampOut } from "../../http/openapi.ts";

const STATUSES = ["pending_review", "pending", "settled", "rejected", "canceled", "failed", "reversed"] as const;

/** A transfer, whose it is, what it was worth in USD when it was asked for, and who has decided what of it. */
export const reviewedOut = z
  .object({
    account_id: z.string(),
    kind: z.enum(["deposit", "withdrawal"]),
    id: z.string(),
    status: z.string(),
    asset: z.string(),
    amount: decimalOut,
    created_at: timestampOut,
    updated_at: timestampOut.optional(),
    failure: z.string().optional(),
    worth: decimalOut.nullable(),
    provider: z.string().nullable(),
    provider_ref: z.string().nullable(),
    decisions: z.array(
      z
        .object({
          verdict: z.enum(["approve", "reject", "reverse"]),
          by: z.string(),
          reason: z.string(),
          at: timestampOut,
        })
        .openapi("TransferDecision"),
    ),
  })
  .openapi("ReviewedTransfer");

/** Which transfers of all accounts are wanted. */
export const reviewedQuery = pageQuery.extend({
  status: z.enum(STATUSES).optional(),
  account_id: z.string().min(1).max(64).optional(),
});

const isWithdrawal = (text: string) => isTypeId("wdr", text);

export const withdrawalPath = z.object({ id: z.string().refine(isWithdrawal) });
export const transferPath = z.object({
  id: z.string().refine((text) => isWithdrawal(text) || isTypeId("dep", text)),
});
