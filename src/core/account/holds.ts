// What an open order holds: exactly what it can still cost, where its terms bound that.
import { exitCost, isContainer, isExit } from "../groups.ts";
import { leavesOf, type Order, worstCost } from "../order.ts";

/**
 * Units that an order must hold under its terms, and under those that it may be replaced with: the greater of the two. Null
 * where its hold alone bounds what it costs, for a buy without a limit: it keeps what it has. An exit holds nothing itself,
 * its group does; nor does the parent of an oco.
 */
export function holdOf(order: Order, baseScale: number): bigint | null {
  if (isExit(order) || isContainer(order)) return 0n;
  const now = worstCost(order, order.limitPrice, leavesOf(order), baseScale);
  const to = order.replacing ?? null;
  if (now === null || to === null) return now;
  const then = worstCost(order, to.limitPrice, (to.qty ?? 0n) - order.filledQty, baseScale) ?? 0n;
  return then > now ? then : now;
}

/** What its market has as the budget of an order: without what is held for a change that is still asked for. */
export function budgetOf(order: Order, baseScale: number): bigint {
  if (isExit(order)) return exitCost(order, order.limitPrice, leavesOf(order), baseScale);
  return holdOf({ ...order, replacing: null }, baseScale) ?? order.replacing?.before.hold ?? order.hold;
}
