// How operators change markets, stop trading, and what they are told of it.
import { z } from "@hono/zod-openapi";
import { isTypeId } from "../../core/ids.ts";
import {
  BREAKER_HALT_MAX_MS,
  BREAKER_MAX_BPS,
  BREAKER_WINDOW_MAX_MS,
  FEE_MAX_BPS,
  MARKET_OPEN_ORDERS_MAX,
  PRICE_BAND_MAX_BPS,
} from "../../core/limits.ts";
import { findMarket, MARKET_STATUSES } from "../../core/listings.ts";
import { STEP_MS } from "../../core/prices.ts";
import { marketOut } from "../../http/market-shape.ts";
import { decimalIn, timestampOut } from "../../http/openapi.ts";
import { reasonIn } from "../../http/operator-act.ts";

/** A market as operators see it: with how many orders a mass cancel has yet to come to. */
export const adminMarketOut = marketOut.extend({ canceling: z.int() }).openapi("AdminMarket");

export const statusIn = z.strictObject({ status: z.enum(MARKET_STATUSES), reason: reasonIn }).openapi("MarketStatusIn");

const positiveDecimal = decimalIn.refine((text) => /[1-9]/.test(text), {
  message: "must be more than 0",
  params: { code: "not_positive" },
});

const RULES = {
  tick_size: positiveDecimal,
  lot_size: positiveDecimal,
  min_notional: positiveDecimal,
  max_qty: positiveDecimal,
  max_open_orders: z.int().min(1).max(MARKET_OPEN_ORDERS_MAX),
  price_band_bps: z.int().min(1).max(PRICE_BAND_MAX_BPS),
  breaker_bps: z.int().min(1).max(BREAKER_MAX_BPS),
  breaker_window_ms: z.int().min(STEP_MS).max(BREAKER_WINDOW_MAX_MS),
  breaker_halt_ms: z.int().min(STEP_MS).max(BREAKER_HALT_MAX_MS),
  maker_fee_bps: z.int().min(0).max(FEE_MAX_BPS),
  taker_fee_bps: z.int().min(0).max(FEE_MAX_BPS),
};

/** What of a market's rules is to be other; what is left out stays. */
export const rulesIn = z
  .strictObject({ ...z.object(RULES).partial().shape, reason: reasonIn })
  .superRefine((change, context) => {
    const some = Object.keys(change).some((name) => name !== "reason");
    const issue = { code: "custom" as const, path: ["min_notional"], params: { code: "required" } };
    if (!some) context.addIssue({ ...issue, message: "Say what is to be other." });
  })
  .openapi("MarketRulesIn");

const scopeFields = {
  scope: z.enum(["account", "market", "everything"]),
  account_id: z
    .string()
    .refine((text) => isTypeId("acc", text), { params: { code: "invalid" } })
    .optional(),
  symbol: z
    .string()
    .refine((text) => findMarket(text) !== undefined, { params: { code: "unknown_symbol" } })
    .optional(),
  reason: reasonIn,
};

/** Each scope names what it is of: an account, a market, or nothing. */
function scoped<S extends z.ZodType<{ scope: string; account_id?: unknown; symbol?: unknown }>>(schema: S) {
  return schema.superRefine((sent, context) => {
    const fits = (name: "account_id" | "symbol", scope: string) => {
      if ((sent[name] !== undefined) === (sent.scope === scope)) return;
      const code = sent[name] === undefined ? "required" : "not_allowed";
      context.addIssue({ code: "custom", path: [name], message: `belongs to the scope ${scope}`, params: { code } });
    };
    fits("account_id", "account");
    fits("symbol", "market");
  });
}

/** Whom to stop; `cancel_orders`: all open orders there are canceled, too. An account's always are. */
export const killIn = scoped(z.strictObject({ ...scopeFields, cancel_orders: z.boolean().default(false) })).openapi(
  "KillSwitchIn",
);
export const releaseIn = scoped(z.strictObject(scopeFields)).openapi("KillSwitchRelease");

/** Who has been told, and who is told again until they have; `canceling`: orders that are being canceled. */
export const killOut = z
  .object({ told: z.array(z.string()), untold: z.array(z.string()), canceling: z.int() })
  .openapi("KillSwitchOut");

/** What one market was last to be told, and when it has been. */
export const killOrderOut = z
  .object({
    symbol: z.string(),
    act: z.enum(["kill", "release"]),
    cancel_orders: z.boolean(),
    by: z.string(),
    reason: z.string(),
    at: timestampOut,
    told_at: timestampOut.nullable(),
  })
  .openapi("KillSwitchOrder");
export const killOrders = z.object({ data: z.array(killOrderOut), next_cursor: z.null() });
