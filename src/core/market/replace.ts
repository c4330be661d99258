// A change of an open order's terms, judged by its market: all of it is made, or none.
import { type BookOrder, crossedPrice, leftOf } from "../book.ts";
import { notTaken, offLot, offTick, type RuleRefusal, wouldCross } from "../broken-rules.ts";
import { isExit } from "../groups.ts";
import type { MarketRules } from "../listings.ts";
import type { Command, Replaced } from "../messages.ts";
import { worstCost } from "../order.ts";
import { execute, fireTriggers, mayRest, NO_PLAN, planNow } from "./active.ts";
import { takes } from "./breaker.ts";
import { exitWith, isAsleep } from "./groups.ts";
import { isWaiting } from "./triggers.ts";
import { type MarketTurn, referenceNow, report } from "./turn.ts";

/** The command that asks for it. */
export type Replace = Extract<Command, { kind: "replace" }>;

/**
 * Gives an order of the account its new terms. One with less of the same keeps its place; any other comes in as a new one
 * would, and meets what it meets. One that has got all that it now wants is canceled.
 */
export function replaceOrder(turn: MarketTurn, account: string, command: Replace): void {
  const { cseq, orderId } = command;
  const order = turn.state.orders.get(orderId);
  const refused = order?.account === account ? replaceOwn(turn, order, command) : NOT_OPEN;
  if (refused === null) return;
  const { code: reason, broken } = refused;
  report(turn, account, { orderId, execType: "replace_rejected", reason, broken }, { cseq });
}

/** Why no change is made: the rule broken, if it is one. */
interface NotReplaced {
  code: RuleRefusal["code"] | "order_not_open";
  broken?: RuleRefusal["broken"] | undefined;
}

const NOT_OPEN: NotReplaced = { code: "order_not_open" };

/** Makes the change and answers null, or says why not. */
function replaceOwn(turn: MarketTurn, before: BookOrder, command: Replace): NotReplaced | null {
  const { kind: _, cseq, orderId, postOnly, ...to } = command;
  const { rules } = turn.state;
  const { account } = before;
  const after = replacedBy(before, to, rules);
  if (after.leaves !== null && after.leaves <= 0n && !isAsleep(after)) {
    report(turn, account, { orderId, execType: "canceled", reason: "replaced" }, { cseq });
    return null;
  }
  const refusal = refusalOf(turn, before, after, postOnly);
  if (refusal !== null) return refusal;
  const rests = mayRest(after);
  const moves = rests && (after.price !== before.price || after.leaves > leftOf(before));
  const plan = rests && moves ? planNow(turn, after, after.price) : NO_PLAN;
  const replaced = { ...to, hold: after.budget };
  report(turn, account, { orderId, execType: "replaced", replaced }, { cseq, order: after, rests });
  if (isWaiting(after)) fireTriggers(turn, referenceNow(turn));
  else if (moves) execute(turn, after, plan);
  return null;
}

/** The order under its other terms, its budget exact where a limit bounds what it can cost. */
function replacedBy(order: BookOrder, to: Replaced, rules: MarketRules): BookOrder {
  const leaves = order.leaves === null ? null : order.leaves + to.qtyDelta;
  const after = { ...order, price: to.limitPrice, leaves, trigger: to.trigger ?? order.trigger };
  if (order.group !== undefined && to.cap !== undefined) after.group = { ...order.group, cap: to.cap };
  if (isExit(after)) return exitWith(after, leftOf(after), rules.baseScale);
  const budget = leaves === null ? null : worstCost(order, to.limitPrice, leaves, rules.baseScale);
  return { ...after, budget: budget ?? to.hold };
}

function refusalOf(turn: MarketTurn, before: BookOrder, after: BookOrder, postOnly: boolean): NotReplaced | null {
  const { rules, book } = turn.state;
  const closed = notTaken(takes(turn.state, turn.ctx.isFull), postOnly);
  if (closed !== null) return closed;
  // What was asked of its trigger was asked of an order that still waited.
  if (isWaiting(after) && !isWaiting(before)) return NOT_OPEN;
  if (after.price !== null && after.price % rules.tickSize !== 0n) return offTick(rules, after.price);
  if (after.leaves !== null && after.leaves % rules.lotSize !== 0n) return offLot(rules, after.leaves);
  if (!postOnly || after.price === null) return null;
  const crossed = crossedPrice(book, after.side, after.price);
  return crossed === null ? null : wouldCross(rules, crossed, after.price);
}
