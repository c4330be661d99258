// Positions and the portfolio on the wire.
import { z } from "@hono/zod-openapi";
import { decimalOut } from "../../http/openapi.ts";

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

export const positionList = z.object({ data: z.array(positionOut), next_cursor: z.null() });

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

export const symbolPath = z.object({ symbol: z.string().max(32) });
