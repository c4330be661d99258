// The groups of a market: what there is to get out of in each, and which of its orders are open. Kept by the reports alone.
import { type BookOrder, leftOf } from "../book.ts";
import { exitCost, type GroupEnd, isExit } from "../groups.ts";
import { invariant } from "../result.ts";
import type { ReportEvent } from "./events.ts";

/**
 * A group as its market keeps it, until none of its exits is open. `open` in base units: filled by the entry and by no exit
 * yet, of an oco what is left of its quantity. `ended`: an exit has by itself; `traded`: an exit has, or has been triggered.
 */
export interface MarketGroup {
  id: string;
  account: string;
  entry: string | null;
  exits: string[];
  open: bigint;
  ended: boolean;
  traded: boolean;
}

/** Every group of a market, by its id; which have been touched since they were stored, and which since they were settled. */
export class Groups {
  readonly all = new Map<string, MarketGroup>();
  readonly touched = new Set<string>();
  readonly unsettled = new Set<string>();

  /** A copy in which nothing has been touched. */
  static of(groups: Iterable<MarketGroup>): Groups {
    const made = new Groups();
    for (const group of groups) made.all.set(group.id, { ...group, exits: [...group.exits] });
    return made;
  }

  /** Follows a report about an order as it was before it. Throws InvariantError when exits have got out of more than there is. */
  follow({ account, report }: ReportEvent, order: BookOrder): void {
    const id = order.group?.id;
    if (id === undefined) return;
    if (report.execType === "new") this.#join(id, account, order);
    const group = this.all.get(id);
    if (group === undefined) return;
    this.touched.add(id);
    this.unsettled.add(id);
    const qty = report.fill?.qty ?? 0n;
    if (isExit(order)) {
      group.open -= qty;
      if (report.reason === PREVENTED) group.open += report.replaced?.qtyDelta ?? 0n;
      if (qty > 0n || report.execType === "triggered") group.traded = true;
    } else group.open += qty;
    invariant(group.open >= 0n, `exits of ${id} have got out of more than there is`);
    if (report.fill?.done === true || CLOSES.has(report.execType)) this.#leave(group, order, report.reason);
  }

  #join(id: string, account: string, order: BookOrder): void {
    const fresh = { id, account, entry: null, exits: [], open: 0n, ended: false, traded: false };
    const group: MarketGroup = this.all.get(id) ?? fresh;
    this.all.set(id, group);
    if (isExit(order)) group.exits.push(order.id);
    else group.entry = order.id;
    if (order.group?.kind === "oco") group.open = leftOf(order);
  }

  #leave(group: MarketGroup, order: BookOrder, reason: string | null): void {
    if (isExit(order)) {
      group.exits = group.exits.filter((exit) => exit !== order.id);
      // One that has gone because the other was triggered must not take that one with it: it may rest now.
      if (reason !== ENDED_BY_OTHER) group.ended = true;
    } else group.entry = null;
    // One that has traded has yet to end its entry, which would go on without a way out.
    const isSimple = group.ended && !group.traded;
    if (group.exits.length === 0 && (isSimple || group.entry === null)) this.all.delete(group.id);
  }
}

/** Why the other exit has ended an exit. */
const ENDED_BY_OTHER: GroupEnd = "oco";

const CLOSES: ReadonlySet<string> = new Set(["canceled", "expired"]);

/** Why an order loses a quantity, or ends, when it would have met its owner's. */
export const PREVENTED = "self_trade_prevention";

/** Whether an exit has nothing to get out of yet: it neither rests nor waits. */
export function isAsleep(order: BookOrder): boolean {
  return order.leaves === 0n && isExit(order);
}

/** An exit with so much left. */
export function exitWith(exit: BookOrder, leaves: bigint, baseScale: number): BookOrder {
  return { ...exit, leaves, budget: exitCost(exit, exit.price, leaves, baseScale) };
}

/** What a group's open orders break, one sentence each: at rest, every open exit has all that there is to get out of. */
export function groupBreaks(groups: Groups, orders: ReadonlyMap<string, BookOrder>): string[] {
  const breaks: string[] = [];
  const members = new Set<string>();
  for (const { id, account, entry, exits, open, ended } of groups.all.values()) {
    if (ended || exits.length === 0) breaks.push(`group ${id} has ended and is kept`);
    if (entry === null && open === 0n) breaks.push(`group ${id} has nothing to get out of, and no entry`);
    for (const member of entry === null ? exits : [entry, ...exits]) {
      members.add(member);
      const order = orders.get(member);
      if (order?.account !== account || order.group?.id !== id) breaks.push(`group ${id} has lost its order ${member}`);
      else if (isExit(order) && order.leaves !== open)
        breaks.push(`exit ${member} has ${order.leaves} left, its group ${open}`);
    }
  }
  for (const [id, order] of orders)
    if (isExit(order) && !members.has(id)) breaks.push(`exit ${id} is open, its group is not`);
  return breaks;
}
