// What an account keeps of its groups: what their exits share, and what each report makes of that.
import { exitCost, type Group, type InGroup, isExit } from "../groups.ts";
import type { Movement } from "../ledger.ts";
import { isOpen, leavesOf, type Order } from "../order.ts";
import { invariant } from "../result.ts";
import { type AccountState, assetsOf, rulesOf } from "./state.ts";

/** A group before and after something has happened to one of its orders. */
export interface GroupChange {
  before: Group;
  after: Group;
}

/** The group that an order is in. Throws InvariantError for one that is over. */
export function groupOf({ groups }: Pick<AccountState, "groups">, { group: { id } }: InGroup<Order>): Group {
  const group = groups.get(id);
  invariant(group !== undefined, `group ${id} is over`);
  return group;
}

/**
 * What becomes of an order's group as the order becomes `after`: what there is to get out of, who is still in it, and what is
 * held for the exits. `lost`: base units that an exit has lost to nobody. Null for an order of none, and once no exit is open:
 * what an entry brings in then is its owner's.
 */
export function groupChange(state: AccountState, order: Order, after: Order, lost = 0n): GroupChange | null {
  const before = order.group === undefined ? undefined : state.groups.get(order.group.id);
  if (before === undefined) return null;
  const got = after.filledQty - order.filledQty;
  const stays = isOpen(after.status);
  const group = { ...before, open: before.open + (isExit(order) ? -got - lost : got) };
  if (!stays && group.entry === order.id) group.entry = null;
  if (!stays) group.exits = group.exits.filter((id) => id !== order.id);
  group.hold = groupNeed(state, group, after);
  return { before, after: group };
}

/**
 * What a group must hold, exactly. Exits that sell share what there is to get out of; of those that buy the dearer one counts,
 * with what the entry may still sell. Nothing once none is open. `order` is taken as it is given.
 */
export function groupNeed(state: AccountState, group: Group, order?: Order): bigint {
  const orderOf = (id: string) => (id === order?.id ? order : state.orders.get(id));
  if (group.exits.length === 0) return 0n;
  if (group.side === "sell") return group.open;
  const entry = group.entry === null ? undefined : orderOf(group.entry);
  const most = group.open + (entry === undefined ? 0n : leavesOf(entry));
  const { baseScale } = rulesOf(state, group.symbol);
  const costs = group.exits.flatMap((id) => {
    const exit = orderOf(id);
    return exit === undefined ? [] : exitCosts(exit, most, baseScale);
  });
  return costs.reduce((dearest, cost) => (cost > dearest ? cost : dearest), 0n);
}

/** What an exit may cost under its terms, and under those that it may be replaced with. */
function exitCosts(exit: Order, leaves: bigint, baseScale: number): bigint[] {
  const now = exitCost(exit, exit.limitPrice, leaves, baseScale);
  const to = exit.replacing ?? null;
  if (to === null) return [now];
  const { limitPrice, cap = null } = to;
  return [now, exitCost(exit, limitPrice ?? cap, leaves, baseScale)];
}

/** What a change of a group moves between what is held and what is not; nothing where there is none. */
export function groupMoves(state: AccountState, change: GroupChange | null): Movement[] {
  if (change === null) return [];
  const { before, after } = change;
  const { held } = assetsOf(rulesOf(state, before.symbol), before.side);
  const more = after.hold - before.hold;
  return [
    ["available", held, -more],
    ["held", held, more],
  ];
}

/** What an event says of a group; nothing where there is none. */
export function groupTold(change: GroupChange | null): { group?: Group } {
  return change === null ? {} : { group: change.after };
}

/** Every invariant that the account's groups break, one sentence each. */
export function accountGroupBreaks(state: AccountState): string[] {
  const breaks: string[] = [];
  for (const [id, group] of state.groups) {
    const need = groupNeed(state, group);
    if (group.id !== id || group.exits.length === 0) breaks.push(`group ${id} has ended and is kept`);
    if (group.hold !== need) breaks.push(`group ${id} holds ${group.hold} and needs ${need}`);
    if (group.open < 0n) breaks.push(`exits of ${id} have got out of more than there was`);
    for (const member of group.entry === null ? group.exits : [group.entry, ...group.exits])
      if (state.orders.get(member)?.group?.id !== id) breaks.push(`group ${id} has lost its order ${member}`);
  }
  for (const order of state.orders.values())
    if (isExit(order) && !state.groups.get(order.group.id)?.exits.includes(order.id))
      breaks.push(`exit ${order.id} is open, its group is not`);
  return breaks;
}
