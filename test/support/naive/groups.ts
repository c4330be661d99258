// Orders that belong together at the naive market, and the triggers that end each other there: what each group must be by what
// its orders have done, reckoned anew whenever it is asked for.
import { comeIn, shrink } from "./book.ts";
import { holdOf, limitOf, trailing } from "./money.ts";
import { end, groupOf, isExit, type Naive, type NaiveGroup, say, takeOut, type Working } from "./terms.ts";

/** What there is to get out of: what the entry has got into, and nobody got out of or lost. */
function openOf({ start, entry, exits }: NaiveGroup): bigint {
  const out = exits.reduce((sum, { filled, lost }) => sum + filled + lost, 0n);
  return start + (entry?.filled ?? 0n) - out;
}

/** Why its exits end: one of them has by itself; or there was never anything to get out of. */
function whyOver(group: NaiveGroup): "oco" | "entry" | null {
  if (group.exits.some(({ ended }) => ended !== null && ended !== "oco" && ended !== "entry")) return "oco";
  const isEntryOver = group.entry === null || group.entry.ended !== null;
  return isEntryOver && openOf(group) === 0n ? "entry" : null;
}

/** Puts every group that something has happened to in order. */
export function settle(market: Naive, reference: bigint): void {
  for (let group = market.touched.shift(); group !== undefined; group = market.touched.shift()) {
    const { entry, exits } = group;
    const hasTraded = exits.some(({ filled, triggered }) => filled > 0n || triggered);
    if (hasTraded && entry !== null && entry.ended === null) end(market, entry, "exit");
    for (const exit of exits.filter(({ ended }) => ended === null)) {
      const why = whyOver(group);
      if (why !== null) end(market, exit, why);
      else if (exit.leaves !== openOf(group)) resize(market, exit, openOf(group), reference);
    }
  }
}

/** One with less to get out of stays where it is; one with more comes in anew, and begins to trail if it has slept. */
function resize(market: Naive, exit: Working, leaves: bigint, reference: bigint): void {
  const { trigger, price } = exit;
  const by = leaves - (exit.leaves ?? 0n);
  const start = exit.leaves === 0n && trigger !== undefined ? trailing(market.rules, trigger, reference) : null;
  if (start !== null && trigger !== undefined) exit.trigger = { ...trigger, price: start };
  if (by < 0n) shrink(market, exit, leaves);
  else {
    takeOut(market, exit);
    exit.leaves = leaves;
    exit.budget = holdOf(market.rules, exit);
  }
  const change = { by, price, hold: exit.budget, trigger: start };
  say(market, exit, "replaced", by > 0n ? "entry" : "oco", { change });
  if (by < 0n) return;
  if (trigger !== undefined) market.waiting.push(exit);
  else comeIn(market, exit, price ?? 0n);
}

/** Triggers all that have waited for a reference price, in the order in which they came. */
export function comeUp(market: Naive, reference: bigint): void {
  const isThere = ({ trigger }: Working) =>
    trigger !== undefined && (trigger.when === "rises" ? reference >= trigger.price : reference <= trigger.price);
  for (const order of market.waiting.filter(isThere)) {
    const group = isExit(order) ? groupOf(market, order) : undefined;
    // What came up before it may have left it nothing, or less: that has yet to be settled.
    if (group !== undefined && (whyOver(group) !== null || openOf(group) === 0n)) continue;
    if (group !== undefined && order.leaves !== openOf(group)) resize(market, order, openOf(group), reference);
    const at = order.trigger?.price ?? 0n;
    takeOut(market, order);
    order.trigger = undefined;
    order.triggered = true;
    say(market, order, "triggered", null, { at });
    if (group !== undefined) takeOver(market, group, order);
    comeIn(market, order, limitOf(market.rules, order, reference));
  }
}

/** From now on one exit alone trades. */
function takeOver(market: Naive, { entry, exits }: NaiveGroup, exit: Working): void {
  for (const other of exits) if (other !== exit && other.ended === null) end(market, other, "oco");
  if (entry !== null && entry.ended === null) end(market, entry, "exit");
}

/** Every trigger that trails goes where the reference price draws it, and never back. */
export function follow({ rules, waiting }: Naive, reference: bigint): void {
  for (const { trigger } of waiting) {
    const price = trigger === undefined ? null : trailing(rules, trigger, reference);
    if (trigger === undefined || price === null) continue;
    if (trigger.when === "rises" ? price < trigger.price : price > trigger.price) trigger.price = price;
  }
}
