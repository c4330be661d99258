// What a market does with commands. Every decision is an event; there is no other state.
import { type BookOrder, crosses } from "../book.ts";
import { type MatchPlan, planMatch } from "../matching.ts";
import type { Command, Report, Submission } from "../messages.ts";
import { execute, fireTriggers, limitOf, mayRest, NO_PLAN } from "./active.ts";
import { submitAll } from "./batch.ts";
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
    else submit(turn, account, command);
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
  const { origin = null, limitPrice: price, qty: leaves, postOnly, ...terms } = command.order;
  const orderId = terms.id;
  const order: BookOrder = { ...terms, account, price, leaves, feeNumerator: 0n, fee: 0n, seq: 0 };
  if (command.rulesVersion !== state.rules.version) {
    report(turn, account, { orderId, execType: "rules_changed", rules: state.rules }, { cseq, order, origin });
    return;
  }
  const reference = referenceNow(turn);
  const waits = order.trigger !== undefined;
  const limit = limitOf(state.rules, order, reference);
  const plan = waits ? NO_PLAN : planMatch(state.book, order, limit, state.rules);
  const late = command.notAfter !== null && Math.max(turn.ctx.now, state.at) > command.notAfter;
  const reason = late ? "submitted_too_late" : refusalOf(turn, order, postOnly, limit, plan);
  if (reason !== null) {
    report(turn, account, { orderId, execType: "rejected", reason }, { cseq, order, origin });
    return;
  }
  report(turn, account, { orderId, execType: "new" }, { cseq, order, rests: mayRest(order), origin });
  if (waits) fireTriggers(turn, reference);
  else execute(turn, order, plan);
}

function refusalOf(
  turn: MarketTurn,
  order: BookOrder,
  postOnly: boolean,
  limit: bigint,
  plan: MatchPlan,
): string | null {
  if (turn.state.rules.status !== "open" || turn.state.restoring) return "market_not_open";
  if (postOnly && crosses(turn.state.book, order.side, limit)) return "post_only_would_cross";
  if (order.timeInForce === "fok" && !plan.complete) return "fok_not_fillable";
  return null;
}
