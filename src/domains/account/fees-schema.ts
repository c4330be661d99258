// The caller's fees on the wire.
import { z } from "@hono/zod-openapi";
import { decimalOut } from "../../http/openapi.ts";

const tierOut = z.object({ tier: z.int(), volume: decimalOut, discount_percent: z.int() }).openapi("FeeTier");

/** The volume of thirty days in USD, the tier that it gives and the next one, and what a new order pays in each market. */
export const feesOut = z
  .object({
    volume_30d: decimalOut,
    tier: tierOut,
    next_tier: tierOut.nullable(),
    markets: z.array(z.object({ symbol: z.string(), maker_fee_bps: z.int(), taker_fee_bps: z.int() })),
  })
  .openapi("Fees");
