// Assets, markets and books on the wire.
import { z } from "@hono/zod-openapi";
import { BOOK_DEPTH_DEFAULT, BOOK_DEPTH_MAX } from "../../core/limits.ts";
import { countIn, decimalOut } from "../../http/openapi.ts";

export const assetOut = z
  .object({
    symbol: z.string(),
    name: z.string(),
    class: z.enum(["crypto", "equity", "fiat"]),
    scale: z.int(),
    status: z.string(),
  })
  .openapi("Asset");

/** A market's rules: prices in the quote asset, quantities in the base, band and fees in hundredths of a percent. */
export const marketOut = z
  .object({
    symbol: z.string(),
    base: z.string(),
    quote: z.string(),
    status: z.enum(["open", "post_only", "cancel_only", "halted"]),
    tick_size: decimalOut,
    lot_size: decimalOut,
    min_notional: decimalOut,
    max_qty: decimalOut,
    price_band_bps: z.int(),
    maker_fee_bps: z.int(),
    taker_fee_bps: z.int(),
    order_types: z.array(z.string()),
    time_in_force: z.array(z.string()),
    reference_price: decimalOut,
  })
  .openapi("Market");

const level = z.tuple([decimalOut, decimalOut]);

/** A book: [price, quantity] of each level, best first, as of `seq`. */
export const bookOut = z
  .object({ symbol: z.string(), seq: z.int(), bids: z.array(level), asks: z.array(level) })
  .openapi("Book");

/** What is not listed is found to be so by the verb: 404. */
export const symbolPath = z.object({ symbol: z.string().max(32) });
/** How many levels of each side are wanted. */
export const depthQuery = z.object({
  depth: countIn(BOOK_DEPTH_MAX, BOOK_DEPTH_DEFAULT),
});

/** All of them in one page: the catalogue has no cursor. */
export const assetList = z.object({ data: z.array(assetOut), next_cursor: z.null() });
export const marketList = z.object({ data: z.array(marketOut), next_cursor: z.null() });
