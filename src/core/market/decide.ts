// What a market does with commands. Every decision is an event; there is no other state.
import { type BookOrder, crossedPrice } from "../book.ts";
import { notFillable, notSpendable, notTaken, type RuleRefusal, tooLate, wouldCross } from "../broken-rules.ts";
import type { MarketRules } from "../listings.ts";
import { isFill, type MatchPlan, type PlannedFill } from "../matching.ts";
import type { Command, Report, Submission } from "../messages.ts";
import { feeOf } from "../order.ts";
import { execute, fireTriggers, limitOf, mayRest, NO_PLAN, planNow } from "./active.ts";
import { submitAll } from "./batch.ts";
import { takes } from "./breaker.ts";
import { settleGroups } from "./exits.ts";
import { type Judged, submitGroup } from "./grouping.ts";
import { rehearsalOf } from "./rehearsal.ts";
import { replaceOrder } from "./replace.ts";
import { peerOf } from "./state.ts";
import { type MarketTurn, referenceNow, report } from "./turn.ts";

type Submit = Extract<Command, { kind: "submit" | "submit_held" | "submit_iceberg" }>;

/** Applies the commands of one account that follow the last one applied; older ones were answered before. */
export function applyCommands(turn: MarketTurn, account: string, commands: readonly Command[]): void {
  for (const command of commands) {
    if (command.cseq !== peerOf(turn.state, account).cseq + 1) continue;
    if (command.kind === "cancel") cancel(turn, account, command);
    else if (command.kind === "replace") replaceOrder(turn, account, command);
    else if (command.kind === "submit_all") submitAll(turn, account, command, submit);
    else if (command.kind === "submit_group") submitGroup(turn, account, command, judge);
    else submit(turn, account, command);
    settleGroups(turn, referenceNow(turn));
  }
}

function cancel(turn: MarketTurn, account: string, command: Command & { kind: "cancel" }): void {
  const { cseq, orderId, reason = "user" } = command;
  const mine = turn.state.orders.get(orderId)?.account === account;
  if (mine) report(turn, account, { orderId, execType: "canceled", reason }, { cseq });
  else report(turn, account, { orderId, execType: "cancel_rejected", reason: "order_not_open" }, { cseq });
}

/**
 * What an order would be told if it came in now, under the market's rules of now: the reports to its account, numbered from 1.
 * Nothing happens.
 */
export function previewSubmit(turn: MarketTurn, account: string, { order, notAfter }: Submission): Report[] {
  const rehearsal = rehearsalOf(turn, [order]);
  const rulesVersion = turn.state.rules.version;
  submit(rehearsal, account, { kind: "submit", cseq: 1, order, notAfter, rulesVersion });
  return rehearsal.events.flatMap((event) =>
    event.kind === "report" && event.account === account ? [event.report] : [],
  );
}

function submit(turn: MarketTurn, account: string, command: Submit): void {
  const { state } = turn;
  const { cseq } = command;
  const { origin = null, limitPrice: price, qty: leaves, postOnly: _, ...terms } = command.order;
  const orderId = terms.id;
  const order: BookOrder = { ...terms, account, price, leaves, feeNumerator: 0n, fee: 0n, seq: 0 };
  if (command.rulesVersion !== state.rules.version) {
    report(turn, account, { orderId, execType: "rules_changed", rules: state.rules }, { cseq, order, origin });
    return;
  }
  const { plan, refused } = judge(turn, order, command);
  if (refused !== null) {
    const { code: reason, broken } = refused;
    report(turn, account, { orderId, execType: "rejected", reason, broken }, { cseq, order, origin });
    return;
  }
  report(turn, account, { orderId, execType: "new" }, { cseq, order, rests: mayRest(order), origin });
  if (order.trigger !== undefined) fireTriggers(turn, referenceNow(turn));
  else execute(turn, order, plan);
}

/** What an order that comes in would meet, and why it is not taken; null when it is. */
function judge(turn: MarketTurn, order: BookOrder, { order: { postOnly }, notAfter }: Submission): Judged {
  const { rules } = turn.state;
  const limit = limitOf(rules, order, () => referenceNow(turn));
  const plan = order.trigger === undefined ? planNow(turn, order, limit) : NO_PLAN;
  return { plan, refused: lateness(turn, notAfter) ?? refusalOf(turn, order, postOnly, limit, plan) };
}

function lateness(turn: MarketTurn, notAfter: number | null): RuleRefusal | null {
  const now = Math.max(turn.ctx.now, turn.state.at);
  return notAfter !== null && now > notAfter ? tooLate("not_after", notAfter, now) : null;
}

function refusalOf(
  turn: MarketTurn,
  order: BookOrder,
  postOnly: boolean,
  limit: bigint,
  plan: MatchPlan,
): RuleRefusal | null {
  const { rules, book } = turn.state;
  const closed = notTaken(takes(turn.state, turn.ctx.isFull), postOnly);
  if (closed !== null) return closed;
  const crossed = postOnly ? crossedPrice(book, order.side, limit) : null;
  if (crossed !== null) return wouldCross(rules, crossed, limit);
  return order.timeInForce !== "fok" || plan.complete ? null : unfillable(rules, order, plan.meetings.filter(isFill));
}

function unfillable(rules: MarketRules, order: BookOrder, fills: readonly PlannedFill[]): RuleRefusal {
  const { leaves, budget, takerFeeBps } = order;
  if (leaves !== null) return notFillable(rules, sumOf(fills, "qty"), leaves);
  const notional = sumOf(fills, "notional");
  return notSpendable(rules, notional + feeOf(notional * BigInt(takerFeeBps)), budget);
}

function sumOf(fills: readonly PlannedFill[], part: "qty" | "notional"): bigint {
  return fills.reduce((sum, fill) => sum + fill[part], 0n);
}
