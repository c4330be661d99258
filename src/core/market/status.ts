// What a market takes, and what happens as that changes: by an operator, by the kill switch, or as a halt's time is over.
import { type BookSide, levelAt, type RestingOrder } from "../book.ts";
import type { MarketHalt, MarketStatus } from "../listings.ts";
import { execute, planNow } from "./active.ts";
import { isTrading } from "./breaker.ts";
import { settleGroups } from "./exits.ts";
import { enact, type RuleAct } from "./rules.ts";
import { type MarketTurn, referenceNow } from "./turn.ts";

/**
 * Gives a market another status; the same one changes nothing, but a halt that has an end has none any more. What crossed while
 * nothing traded meets as it opens.
 */
export function changeStatus(
  turn: MarketTurn,
  status: MarketStatus,
  act: RuleAct,
  reason: MarketHalt["reason"] = "operator",
): void {
  const { rules } = turn.state;
  const before = rules.halt?.before ?? rules.status;
  const halt = status === "halted" ? { reason, until: null, before } : null;
  if (status === rules.status && rules.halt?.reason === halt?.reason) return;
  const { at, restoring } = turn.state;
  const opened = status === "open" ? { openedAt: Math.max(turn.ctx.now, at) } : {};
  enact(turn, { status, halt, ...opened }, act);
  if (status === "open" && !restoring) uncross(turn);
}

/** Halts a market until the kill switch is released. One that an operator has halted stays halted by that. */
export function kill(turn: MarketTurn, act: RuleAct): void {
  if (turn.state.rules.halt?.reason !== "operator") changeStatus(turn, "halted", act, "kill_switch");
}

/** Releases the kill switch: the market is what it was before. What is halted otherwise stays halted. */
export function release(turn: MarketTurn, act: RuleAct): void {
  const { halt } = turn.state.rules;
  if (halt?.reason === "kill_switch") changeStatus(turn, halt.before, act);
}

/** Ends a halt: the market is again what it was before. */
export function resume(turn: MarketTurn, before: MarketStatus): void {
  changeStatus(turn, before, { by: null });
}

/** Has orders that crossed while nothing traded meet: the later one comes in as it would now, the earlier one's price counts. */
function uncross(turn: MarketTurn): void {
  for (let later = laterOfCrossed(turn); later !== null; later = laterOfCrossed(turn)) {
    execute(turn, later, planNow(turn, later, later.price));
    // An exit must not trade what the other has just got out of.
    settleGroups(turn, referenceNow(turn));
    if (!isTrading(turn.state)) return;
  }
}

/** Of the best orders of both sides the later, where they cross; null where they do not. The house must have no quotes. */
export function laterOfCrossed({ state: { book } }: MarketTurn): RestingOrder | null {
  const [bid, ask] = [first(book.buy), first(book.sell)];
  if (bid === undefined || ask === undefined || bid.price < ask.price) return null;
  return bid.seq > ask.seq ? bid : ask;
}

function first(side: BookSide): RestingOrder | undefined {
  const best = side.prices[0];
  return best === undefined ? undefined : levelAt(side, best).orders.values().next().value;
}
