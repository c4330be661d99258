// What money is held for. An open order holds exactly what it can still cost, where its terms bound that.
import { exitCost, type Group, isContainer, isExit } from "../groups.ts";
import { leavesOf, type Order, worstCost } from "../order.ts";
import { type AccountState, assetsOf, rulesOf, type Transfer } from "./state.ts";
import { heldBy } from "./transfer-events.ts";

/** One thing that money is held for, and how many units of which asset. */
export type HeldPart = { asset: string; units: bigint } & (
  | { order: Order }
  | { group: Group }
  | { withdrawal: Transfer }
);

/** Everything that money is held for: all parts of an asset together are what the account has held of it. */
export function heldParts(state: Readonly<AccountState>): HeldPart[] {
  const orders = [...state.orders.values()].map((order) => {
    return { asset: assetsOf(rulesOf(state, order.symbol), order.side).held, units: order.hold, order };
  });
  const groups = [...state.groups.values()].map((group) => {
    return { asset: assetsOf(rulesOf(state, group.symbol), group.side).held, units: group.hold, group };
  });
  const withdrawals = [...state.transfers.values()].map((withdrawal) => {
    return { asset: withdrawal.asset, units: heldBy(withdrawal), withdrawal };
  });
  return [...orders, ...groups, ...withdrawals.filter(({ units }) => units > 0n)];
}

/**
 * Units that an order must hold under its terms, and under those that it may be replaced with: the greater of the two. Null
 * where its hold alone bounds what it costs, for a buy without a limit: it keeps what it has. An exit holds nothing itself,
 * its group does; nor does the parent of an oco.
 */
export function holdOf(order: Order, baseScale: number): bigint | null {
  if (isExit(order) || isContainer(order)) return 0n;
  const { filledQty, status } = order;
  const costs = [order, order.replacing ?? order].map(({ qty, limitPrice }) =>
    worstCost(order, limitPrice, leavesOf({ qty, filledQty, status }), baseScale),
  );
  return costs.reduce((most, cost) => (most === null || cost === null ? null : cost > most ? cost : most));
}

/** What its market has as the budget of an order: without what is held for a change that is still asked for. */
export function budgetOf(order: Order, baseScale: number): bigint {
  if (isExit(order)) return exitCost(order, order.limitPrice, leavesOf(order), baseScale);
  return holdOf({ ...order, replacing: null }, baseScale) ?? order.replacing?.before.hold ?? order.hold;
}
