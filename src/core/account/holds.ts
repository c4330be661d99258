// What an open order holds: exactly what it can still cost, where its terms bound that.
import { leavesOf, type Order, worstCost } from "../order.ts";

/**
 * Units that an order must hold under its terms, and under those that it may be replaced with: the greater of the two. Null
 * where its hold alone bounds what it costs, for a buy without a limit: it keeps what it has.
 */
export function holdOf(order: Order, baseScale: number): bigint | null {
  const now = worstCost(order, order.limitPrice, leavesOf(order), baseScale);
  const to = order.replacing ?? null;
  if (now === null || to === null) return now;
  const then = worstCost(order, to.limitPrice, (to.qty ?? 0n) - order.filledQty, baseScale) ?? 0n;
  return then > now ? then : now;
}

/** What its market has as the budget of an order: without what is held for a change that is still asked for. */
export function budgetOf(order: Order, baseScale: number): bigint {
  return holdOf({ ...order, replacing: null }, baseScale) ?? order.replacing?.before.hold ?? order.hold;
}
