// Assets, markets and books on the wire.
import { z } from "@hono/zod-openapi";
import { BOOK_DEPTH_DEFAULT, BOOK_DEPTH_MAX } from "../../core/limits.ts";
import { marketOut } from "../../http/market-shape.ts";
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

const level = z.tuple([decimalOut, decimalOut]);

/** A book: [price, quantity] of each level, best first, as of `seq`. */
export const bookOut = z
  .object({ symbol: z.string(), seq: z.int(), bids: z.array(level), asks: z.array(level) })
  .openapi("Book");

/** How many levels of each side are wanted. */
export const depthQuery = z.object({
  depth: countIn(BOOK_DEPTH_MAX, BOOK_DEPTH_DEFAULT),
});

/** All of them in one page: the catalogue has no cursor. */
export const assetList = z.object({ data: z.array(assetOut), next_cursor: z.null() });
export const marketList = z.object({ data: z.array(marketOut), next_cursor: z.null() });
