// Positions and the portfolio on the wire.
import { z } from "@hono/zod-openapi";
import { decimalOut, timestampOut } from "../../http/openapi.ts";

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

/** A position after an entry, at average cost. */
const positionAfter = z.object({
  qty: decimalOut,
  avg_entry_price: decimalOut.nullable(),
  cost_basis: decimalOut,
  realized_pnl: decimalOut,
});

/** What one entry of the ledger did to a position; price, fee and order are a fill's. */
const positionEntry = z
  .object({
    seq: z.int(),
    id: z.string(),
    at: timestampOut,
    kind: z.string(),
    ref: z.string(),
    order_id: z.string().nullable(),
    qty: decimalOut,
    price: decimalOut.nullable(),
    fee: decimalOut.nullable(),
    cost: decimalOut,
    realized_pnl: decimalOut,
    position: positionAfter,
  })
  .openapi("PositionEntry");

/** What is left of one acquisition, first in, first out. */
const lot = z
  .object({ seq: z.int(), ref: z.string(), at: timestampOut, qty: decimalOut, cost: decimalOut })
  .openapi("Lot");

/** A position and what makes it; `older_lots_qty` lies in lots before those that are listed. */
export const positionExplained = z
  .object({
    value: positionOut,
    entries: z.array(positionEntry),
    next_cursor: z.string().nullable(),
    lots: z.array(lot),
    older_lots_qty: decimalOut,
  })
  .openapi("ExplainedPosition");

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
