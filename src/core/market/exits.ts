// What the orders of a group do to each other, in the same turn: exits follow their entry's fills, and one ends the other.
import { type BookOrder, leftOf } from "../book.ts";
import { trailFrom } from "../order.ts";
import { invariant } from "../result.ts";
import { execute, fireTriggers, mayRest, NO_PLAN, planNow } from "./active.ts";
import { isTrading } from "./breaker.ts";
import { endEntry, endOrder, tellResized } from "./ends.ts";
import { exitWith, isAsleep, type MarketGroup } from "./groups.ts";
import type { MarketTurn } from "./turn.ts";

/**
 * Brings every group that this turn has touched to what it must be at the reference price: an exit that has ended ends the
 * other (`oco`), one that trades ends its entry (`exit`), an entry that has ended without a fill ends them (`entry`), and
 * each open exit has left what there is to get out of. What that lets trade trades, until nothing is left to do; where nothing
 * trades it rests or waits.
 */
export function settleGroups(turn: MarketTurn, reference: bigint): void {
  const { unsettled, all } = turn.state.groups;
  while (unsettled.size > 0) {
    let awakes = false;
    // Grows while it is gone through: what is done to a group touches it, and others.
    for (const id of unsettled) {
      unsettled.delete(id);
      const group = all.get(id);
      if (group !== undefined && settle(turn, group, reference)) awakes = true;
    }
    // Not before all are settled: a trigger must not trade with an order that its group is about to end.
    if (awakes && isTrading(turn.state)) fireTriggers(turn, reference);
  }
}

/** Whether an exit waits from now on that has slept. */
function settle(turn: MarketTurn, group: MarketGroup, reference: bigint): boolean {
  let awakes = false;
  if (group.traded) endEntry(turn, group);
  const over = group.ended ? "oco" : group.entry === null && group.open === 0n ? "entry" : null;
  for (const id of [...group.exits]) {
    const exit = turn.state.orders.get(id);
    invariant(exit !== undefined, `exit ${id} of a group is not open`);
    // What the other has done on awaking may have ended the group.
    if (over !== null || group.ended) endOrder(turn, exit, over ?? "oco");
    else if (exit.leaves !== group.open) {
      awakes ||= isAsleep(exit) && exit.trigger !== undefined;
      resize(turn, exit, group.open, reference);
    }
  }
  return awakes;
}

/** Gives an exit another quantity. One that awakes comes in as a new order would, and a trigger that trails begins here. */
function resize(turn: MarketTurn, exit: BookOrder, leaves: bigint, reference: bigint): void {
  const { rules } = turn.state;
  const { trigger } = exit;
  const after = exitWith(exit, leaves, rules.baseScale);
  if (isAsleep(exit) && trigger?.trail != null)
    after.trigger = { ...trigger, price: trailFrom(trigger.when, trigger.trail, reference, rules.tickSize) };
  const rests = mayRest(after);
  const plan = rests && leaves > leftOf(exit) ? planNow(turn, after, after.price, () => reference) : NO_PLAN;
  tellResized(turn, exit, after, rests);
  if (plan.meetings.length > 0 || plan.end !== null) execute(turn, after, plan);
}
