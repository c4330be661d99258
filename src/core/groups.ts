// Orders that belong together: an entry and its exits, or two exits of which one is to trade. What both ends reckon by.
import { limitBuyReserve, type Order, type Side } from "./order.ts";
import { invariant } from "./result.ts";

/** An entry with two exits; an entry with one of them; two exits without an entry. */
export type GroupKind = "bracket" | "oto" | "oco";

/**
 * What an order is in its group. A `container` is the parent of an oco at its account: it stands for both exits, holds nothing
 * and never trades, and its market does not know it.
 */
export type GroupRole = "container" | "entry" | "take_profit" | "stop_loss";

/**
 * An order's place in a group, whose `id` is its parent's. `cap`: of an exit that buys without a limit, the price that it is
 * held at, in quote units per whole base unit; it gets no dearer one.
 */
export interface Membership {
  id: string;
  kind: GroupKind;
  role: GroupRole;
  cap?: bigint;
}

/** Something of a group, such as an order. */
type Grouped = { group?: Membership | undefined };
/** What is known of a thing once its group is known to be there. */
export type InGroup<T extends Grouped> = T & { group: NonNullable<T["group"]> };

/** Whether an order is an exit: it shares what it holds, and its quantity is what there is to get out of. */
export function isExit<T extends Grouped>(order: T): order is InGroup<T> {
  const role = order.group?.role;
  return role === "take_profit" || role === "stop_loss";
}

/** Whether an order is a parent that never trades itself. */
export function isContainer<T extends Grouped>(order: T): order is InGroup<T> {
  return order.group?.role === "container";
}

/** What {@link exitCost} needs of an exit. */
export type CostlyExit = Pick<Order, "side" | "makerFeeBps" | "takerFeeBps" | "feeNumerator" | "fee"> & {
  group?: Membership | undefined;
};

/**
 * The most that an exit may still cost with so much left, exactly: base units of a sell; of a buy quote units, at its limit or
 * else at its cap, fee included.
 */
export function exitCost(exit: CostlyExit, limitPrice: bigint | null, leaves: bigint, baseScale: number): bigint {
  if (exit.side === "sell") return leaves;
  const dearest = limitPrice ?? exit.group?.cap;
  invariant(dearest !== undefined, "an exit that buys has a limit or a cap");
  return limitBuyReserve(exit, dearest, leaves, baseScale);
}

/**
 * A group as its account keeps it while an exit of it is open. `side` is the exits', and says which asset `hold` is in; `open`
 * is what there is to get out of, in base units: filled by the entry and by no exit yet. `entry`: null once it has ended.
 */
export interface Group {
  id: string;
  symbol: string;
  side: Side;
  entry: string | null;
  exits: string[];
  open: bigint;
  hold: bigint;
}

/** Why a market ends orders of a group by itself: the other exit has ended; the entry has without a fill; an exit trades. */
export type GroupEnd = "oco" | "entry" | "exit";
