// The account's money on the wire: balances, transfers, ledger, stream tickets.
import { z } from "@hono/zod-openapi";
import { isTypeId } from "../../core/ids.ts";
import { API_KEY_ADDRESSES_MAX } from "../../core/limits.ts";
import { SELF_TRADE_PREVENTIONS } from "../../core/order.ts";
import { SCOPES } from "../../core/permissions.ts";
import { STATEMENT_FORMATS } from "../../core/statement.ts";
import { blockIn } from "../../http/ip-block.ts";
import { lineIn } from "../../http/line.ts";
import { assetFilter, decimalOut, pageQuery, timestampIn, timestampOut } from "../../http/openapi.ts";
import { forwards, PERIOD_FIELDS } from "../../http/period.ts";

/** What the account has of one asset; `total` is available and held. */
export const balanceOut = z
  .object({ asset: z.string(), available: decimalOut, held: decimalOut, total: decimalOut })
  .openapi("Balance");

/** Where the ledger ends: the number and the hash of its last entry. Whoever keeps it can prove later what the ledger was. */
export const chainHeadOut = z
  .object({ seq: z.int(), hash: z.string() })
  .openapi("LedgerHead", { description: "The ledger's last entry; 0 and 64 zeros before the first." });

/** The account: `equity` is everything at reference prices and `buying_power` the USD not held, both in USD. */
export const accountOut = z
  .object({
    id: z.string(),
    status: z.string(),
    balances: z.array(balanceOut),
    equity: decimalOut,
    buying_power: decimalOut,
    ledger: chainHeadOut.optional(),
    self_trade_prevention: z.enum(SELF_TRADE_PREVENTIONS).optional(),
    archived_before: timestampOut.nullable().optional().openapi({
      description: "Orders that ended before, and entries of before, have been archived; null: all is here.",
    }),
    seq: z.int(),
    as_of: timestampOut,
  })
  .openapi("Account");

/** What the owner chooses for orders that do not say. */
export const settingsIn = z
  .strictObject({ self_trade_prevention: z.enum(SELF_TRADE_PREVENTIONS) })
  .openapi("AccountSettings");

/** A ledger entry: postings sum to zero in each asset, and `hash` covers them and the entry before. */
export const entryOut = z
  .object({
    seq: z.int(),
    id: z.string(),
    at: timestampOut,
    kind: z.string(),
    ref: z.string(),
    postings: z.array(z.object({ account: z.string(), asset: z.string(), amount: decimalOut })),
    hash: z.string(),
  })
  .openapi("LedgerEntry");

/** An asset in a path; what is not listed is found to be so by the verb: 404. */
export const assetPath = z.object({ asset: z.string().max(16) });

/** A balance and what makes it: `holds`, `other_holds` and pending `withdrawals` together are what is held. */
export const balanceExplained = z
  .object({
    value: balanceOut,
    entries: z.array(entryOut.extend({ balance: balanceOut }).openapi("BalanceEntry")),
    next_cursor: z.string().nullable(),
    holds: z.array(
      z.object({ order_id: z.string(), symbol: z.string(), side: z.string(), amount: decimalOut }).openapi("Hold"),
    ),
    other_holds: z.object({ count: z.int(), amount: decimalOut }),
    withdrawals: z.array(z.object({ withdrawal_id: z.string(), amount: decimalOut }).openapi("WithdrawalHold")),
  })
  .openapi("ExplainedBalance");

/** Which period a statement is of: `from` included, `to` not. Left out, it goes from the beginning, or up to now. */
export const statementQuery = z
  .object({ ...PERIOD_FIELDS, format: z.enum(STATEMENT_FORMATS).default("json") })
  .superRefine(forwards);

const bookedPosting = z.object({ account: z.string(), asset: z.string(), amount: decimalOut, balance: decimalOut });

/** A statement: its entries lead from `opening` to `closing`, and from the hash of `ledger_before` to that of `ledger`. */
export const statementOut = z
  .object({
    account_id: z.string(),
    from: timestampOut.nullable(),
    to: timestampOut.nullable(),
    made_at: timestampOut,
    ledger_before: chainHeadOut,
    opening: z.array(balanceOut),
    entries: z.array(entryOut.extend({ postings: z.array(bookedPosting) }).openapi("BookedEntry")),
    closing: z.array(balanceOut),
    ledger: chainHeadOut,
  })
  .openapi("Statement");

/** Which entries are wanted; of `from` and `to` only `from` is included. */
export const ledgerQuery = pageQuery
  .extend({
    asset: assetFilter.optional(),
    kind: z.enum(["deposit", "withdrawal", "reversal", "hold", "release", "fill"]).optional(),
    ...PERIOD_FIELDS,
  })
  .superRefine(forwards);

/** An API key that is to be made; whoever leaves `ip_allow` out may call from anywhere, and without `expires_at` for ever. */
export const keyIn = z
  .strictObject({
    name: lineIn(64),
    scopes: z
      .array(z.enum(SCOPES))
      .min(1)
      .max(SCOPES.length)
      .refine((scopes) => new Set(scopes).size === scopes.length, "must have each scope once"),
    ip_allow: z.array(blockIn).max(API_KEY_ADDRESSES_MAX).default([]),
    expires_at: timestampIn.nullable().default(null),
    signing: z.boolean().default(false).openapi({ description: "Every call by this key must be signed" }),
  })
  .openapi("NewApiKey");

/** An API key as its owner sees it. */
export const keyOut = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.enum(SCOPES)),
    ip_allow: z.array(z.string()),
    signing: z.boolean(),
    created_at: timestampOut,
    expires_at: timestampOut.nullable(),
    last_used_at: timestampOut.nullable(),
  })
  .openapi("ApiKey");

/** A key at its making, the only time that its text and what signs its calls are shown. */
export const keyMade = keyOut
  .extend({ key: z.string(), signing_secret: z.string().optional().openapi({ description: "base64url" }) })
  .openapi("MadeApiKey");

/** What cannot be a key's name is not found, like a name that no key has. */
export const keyPath = z.object({ id: z.string().refine((text) => isTypeId("key", text)) });

/** An API key that has been asked for. */
export type KeyIn = z.output<typeof keyIn>;

/** A ticket that opens one stream until `expires_at`. */
export const ticketOut = z.object({ ticket: z.string(), expires_at: timestampOut }).openapi("StreamTicket");
/**
 * Whatever is no ticket is one that nobody has: 401 like any other, since nothing of a stranger's request is judged. For
 * the same reason it is loose: a parameter that there is not is passed over.
 */
export const streamQuery = z.looseObject({ ticket: z.string().optional().catch("").openapi({ type: "string" }) });
