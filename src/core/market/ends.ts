// How an exit that is triggered takes its group over, and how orders of a group end each other.
import { type BookOrder, leftOf } from "../book.ts";
import type { GroupEnd } from "../groups.ts";
import { exitWith, type MarketGroup } from "./groups.ts";
import { type MarketTurn, report } from "./turn.ts";

/** The entry gets no more once an exit trades. */
export function endEntry(turn: MarketTurn, group: MarketGroup): void {
  const entry = group.entry === null ? undefined : turn.state.orders.get(group.entry);
  if (entry !== undefined) endOrder(turn, entry, "exit");
}

/** Ends an order for what another of its group has done. */
export function endOrder(turn: MarketTurn, { id: orderId, account }: BookOrder, reason: GroupEnd): void {
  report(turn, account, { orderId, execType: "canceled", reason });
}

/**
 * An exit's trigger is reached: it has what there is to get out of by now, whatever this turn has done before it. Null when
 * that is nothing any more: its group is about to end it. An order of no group is as it is.
 */
export function comeToTrigger(turn: MarketTurn, order: BookOrder): BookOrder | null {
  const { state } = turn;
  const group = groupOf(turn, order);
  if (group === undefined || group.entry === order.id) return order;
  if (group.ended || group.open === 0n) return null;
  if (order.leaves === group.open) return order;
  const after = exitWith(order, group.open, state.rules.baseScale);
  tellResized(turn, order, after, false);
  return after;
}

/** Tells that an exit has another quantity: its entry's fills add to it, what the other exit has done takes from it. */
export function tellResized(turn: MarketTurn, before: BookOrder, after: BookOrder, rests: boolean): void {
  const { id: orderId, account, price: limitPrice, trigger } = after;
  const qtyDelta = leftOf(after) - leftOf(before);
  const moved = trigger === undefined || trigger === before.trigger ? {} : { trigger };
  const replaced = { qtyDelta, limitPrice, ...moved, hold: after.budget };
  const reason: GroupEnd = qtyDelta > 0n ? "entry" : "oco";
  report(turn, account, { orderId, execType: "replaced", reason, replaced }, { order: after, rests });
}

/** An exit has been triggered: it alone trades from now on. Before it does, so that it cannot meet its own entry. */
export function takeOver(turn: MarketTurn, order: BookOrder): void {
  const group = groupOf(turn, order);
  if (group === undefined || group.entry === order.id) return;
  for (const id of group.exits) {
    const other = id === order.id ? undefined : turn.state.orders.get(id);
    if (other !== undefined) endOrder(turn, other, "oco");
  }
  endEntry(turn, group);
}

function groupOf({ state }: MarketTurn, order: BookOrder): MarketGroup | undefined {
  return order.group === undefined ? undefined : state.groups.all.get(order.group.id);
}
