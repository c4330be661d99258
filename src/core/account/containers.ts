// The parent of an oco: it stands for two exits, never trades itself, and follows what becomes of them.
import { isContainer } from "../groups.ts";
import { type ExecType, isOpen, leavesOf, type Order } from "../order.ts";

/** What its legs have come to, and what a message of it is called; null when nothing of it is other than before. */
export function followLegs(container: Order, legs: readonly Order[]): { order: Order; execType: ExecType } | null {
  if (!isContainer(container)) return null;
  const sum = (of: (leg: Order) => bigint) => legs.reduce((total, leg) => total + of(leg), 0n);
  const filledQty = sum((leg) => leg.filledQty);
  const qty = qtyOf(container, legs, filledQty);
  const ended = legs.find(({ status, reason }) => !isOpen(status) && reason !== "oco" && reason !== "entry");
  const status = statusOf(container, legs, ended, filledQty);
  const order: Order = {
    ...container,
    qty,
    status,
    reason: isOpen(status) || status === "filled" ? null : (ended?.reason ?? null),
    filledQty,
    filledNotional: sum((leg) => leg.filledNotional),
    feeNumerator: sum((leg) => leg.feeNumerator),
    fee: sum((leg) => leg.fee),
  };
  const same = order.status === container.status && order.filledQty === container.filledQty && qty === container.qty;
  if (same) return null;
  return { order, execType: execTypeOf(order, container) };
}

/**
 * What has been got out of and what is left to: an exit that has met its owner's order leaves less, and one that is filled nothing. The
 * other hears of it later.
 */
function qtyOf({ qty }: Order, legs: readonly Order[], filledQty: bigint): Order["qty"] {
  const telling = legs.filter(({ status }) => isOpen(status) || status === "filled");
  const left = telling.map((leg) => filledQty + leavesOf(leg));
  return left.reduce((least, one) => (least === null || one < least ? one : least), qty);
}

/** `ended`: the leg that has ended the other, by a fill or otherwise. A restored account may not know of it. */
function statusOf(container: Order, legs: readonly Order[], ended: Order | undefined, filledQty: bigint) {
  if (legs.some((leg) => leg.status === "pending_new")) return container.status;
  if (legs.some((leg) => isOpen(leg.status))) return filledQty > 0n ? "partially_filled" : "new";
  return ended?.status ?? "canceled";
}

function execTypeOf(order: Order, before: Order): ExecType {
  if (order.filledQty > before.filledQty) return "fill";
  if (order.status === "canceled" || order.status === "expired" || order.status === "rejected") return order.status;
  if (order.status === "filled") return "fill";
  return order.qty === before.qty ? "new" : "replaced";
}
