// Positions and the portfolio on the wire.
import { z } from "@hono/zod-openapi";
import { decimalOut, timestampOut } from "../../http/openapi.ts";
import { INTERVAL_NAMES, PERIOD_NAMES } from "./performance.ts";

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

/** A position by its lots, oldest first. `fifo` is null for one with more than 5,000 entries. */
export const positionLots = z
  .object({
    value: positionOut,
    fifo: z
      .object({
        cost_basis: decimalOut,
        avg_entry_price: decimalOut.nullable(),
        unrealized_pnl: decimalOut,
        realized_pnl: decimalOut,
      })
      .nullable(),
    lots: z.array(lot),
    older_lots_qty: decimalOut,
  })
  .openapi("PositionLots");

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

/** Which period, and how often it is looked at. */
export const performanceQuery = z.object({
  period: z.enum(PERIOD_NAMES).default("1m").openapi({ description: "`all`: from before the account's first event" }),
  interval: z
    .enum(INTERVAL_NAMES)
    .optional()
    .openapi({ description: "Left out: the shortest that gives no more than 100 points" }),
});

const performancePoint = z.object({
  at: timestampOut,
  equity: decimalOut,
  cash: decimalOut,
  positions_value: decimalOut,
  deposits: decimalOut,
  withdrawals: decimalOut,
  profit: decimalOut,
  time_weighted_return: decimalOut,
});

/** How a portfolio has done: each point's flows, profit and return are those since the first one. */
export const performanceOut = z
  .object({
    period: z.enum(PERIOD_NAMES),
    interval: z.enum(INTERVAL_NAMES),
    from: timestampOut,
    to: timestampOut,
    opening_equity: decimalOut,
    closing_equity: decimalOut,
    deposits: decimalOut,
    withdrawals: decimalOut,
    profit: decimalOut,
    time_weighted_return: decimalOut,
    data: z.array(performancePoint),
    next_cursor: z.null(),
  })
  .openapi("PortfolioHistory");

/** A portfolio at an end of a day: flows and return are those since the snapshot before it, null where there were too many. */
export const snapshotOut = z
  .object({
    at: timestampOut,
    seq: z.int(),
    equity: decimalOut,
    cash: decimalOut,
    positions_value: decimalOut,
    deposits: decimalOut.nullable(),
    withdrawals: decimalOut.nullable(),
    time_weighted_return: decimalOut.nullable(),
  })
  .openapi("PortfolioSnapshot");
