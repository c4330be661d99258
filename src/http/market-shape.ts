// A market as requests name it and answers show it; what the public and operators read alike. The same names as
// core/wire-market.ts writes.
import { z } from "@hono/zod-openapi";
import { findMarket, MARKET_STATUSES } from "../core/listings.ts";
import { decimalOut, timestampOut } from "./openapi.ts";

/** A market, or an asset, as a path names it. */
export const symbolPath = z.object({ symbol: z.string().max(32) });

/** `?symbol=` of a list or a bulk act: a listed market, for none at all would look like one where nothing is. */
export const symbolFilter = z
  .string()
  .refine((text) => findMarket(text) !== undefined, {
    message: "No market has this symbol.",
    params: { code: "unknown_symbol" },
  })
  .openapi({ example: "BTC-USD" });

/**
 * A market's rules: prices in the quote asset, quantities in the base, band, breaker and fees in hundredths of a percent. `halt`
 * says who or what has halted it, and until when by itself.
 */
export const marketOut = z
  .object({
    symbol: z.string(),
    base: z.string(),
    quote: z.string(),
    status: z.enum(MARKET_STATUSES),
    halt: z
      .object({
        reason: z.enum(["circuit_breaker", "kill_switch", "operator"]),
        until: timestampOut.nullable(),
        before: z.enum(MARKET_STATUSES),
      })
      .nullable(),
    tick_size: decimalOut,
    lot_size: decimalOut,
    min_notional: decimalOut,
    max_qty: decimalOut,
    max_open_orders: z.int(),
    price_band_bps: z.int(),
    breaker_bps: z.int(),
    breaker_window_ms: z.int(),
    breaker_halt_ms: z.int(),
    maker_fee_bps: z.int(),
    taker_fee_bps: z.int(),
    order_types: z.array(z.string()),
    time_in_force: z.array(z.string()),
    rules_version: z.int(),
    reference_price: decimalOut,
  })
  .openapi("Market");
