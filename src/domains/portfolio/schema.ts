// Positions and the portfolio on the wire.
import { z } from "@hono/zod-openapi";
import { decimalOut } from "../../http/openapi.ts";

/** A position at average cost, fees included, and at the reference price; money in the quote asset. */
export const positionOut = z
  .object({
    symbol: z.string(),
    asset: z.string(),
    qty: decimalOut,
    avg_entry_price: decimalOut.nullable(),
    cost_basis: decimalOut,
    market_price: decimalOut,
    market_value: decimalOut,
    unrealized_pnl: decimalOut,
    realized_pnl: decimalOut,
  })
  .openapi("Position");

/** All of them in one page: there is at most one per market. */
export const positionList = z.object({ data: z.array(positionOut), next_cursor: z.null() });

/** Everything the account has, in USD; the weights of `allocation` add up to 10,000, or there are none. */
export const portfolioOut = z
  .object({
    equity: decimalOut,
    cash: decimalOut,
    positions_value: decimalOut,
    unrealized_pnl: decimalOut,
    realized_pnl: decimalOut,
    allocation: z.array(z.object({ asset: z.string(), value: decimalOut, weight_bps: z.int() })),
    seq: z.int(),
  })
  .openapi("Portfolio");

/** What is not listed is found to be so by the verb: 404. */
export const symbolPath = z.object({ symbol: z.string().max(32) });
