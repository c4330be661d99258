// Money in and out on the wire: transfers, and what a day allows.
import { z } from "@hono/zod-openapi";
import { isTypeId } from "../../core/ids.ts";
import { decimalIn, decimalOut, timestampOut } from "../../http/openapi.ts";

/** A deposit or withdrawal, in: more than nothing of a listed asset. */
export const transferIn = z
  .strictObject({
    asset: z.string().min(1).max(16),
    amount: decimalIn.refine((text) => /[1-9]/.test(text), {
      message: "must be greater than zero",
      params: { code: "not_positive" },
    }),
  })
  .openapi("NewTransfer");

/** A deposit or withdrawal; `updated_at` is there once something has come of it, `failure` where its provider says why not. */
export const transferOut = z
  .object({
    id: z.string(),
    status: z.string().openapi({
      description: "pending_review, pending, settled, rejected, canceled, failed or reversed",
    }),
    asset: z.string(),
    amount: decimalOut,
    created_at: timestampOut,
    updated_at: timestampOut.optional(),
    failure: z.string().optional(),
  })
  .openapi("Transfer");

/** A deposit with what it is paid with at its provider. */
export const payableOut = transferOut.extend({ client_secret: z.string().optional() }).openapi("Deposit");

/** What cannot be a transfer's name is not found, like a name that none has. */
export const depositPath = z.object({ id: z.string().refine((text) => isTypeId("dep", text)) });
export const withdrawalPath = z.object({ id: z.string().refine((text) => isTypeId("wdr", text)) });

const dayOut = z
  .object({ limit: decimalOut.nullable(), used: decimalOut, remaining: decimalOut.nullable() })
  .openapi("TransferLimit");

/** What a UTC day allows, in USD worth; null: there is no limit. */
export const limitsOut = z
  .object({
    deposits: dayOut,
    withdrawals: dayOut,
    review_over: decimalOut.nullable().openapi({ description: "A withdrawal worth more waits for two operators" }),
    resets_at: timestampOut,
  })
  .openapi("TransferLimits");
