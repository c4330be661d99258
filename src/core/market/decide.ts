// What a market does with commands, the house's clock and expiry. Every decision is an event; there is no other state.
import { accepts, type BookOrder, bestPrice, findInBook, opposite } from "../book.ts";
import { houseQuotes, nextCrossingStep } from "../house.ts";
import { type MatchPlan, type PlannedFill, planMatch } from "../matching.ts";
import type { Command } from "../messages.ts";
import { bandOf, type Side } from "../order.ts";
import { STEP_MS } from "../prices.ts";
import { submitAll } from "./batch.ts";
import { fillMaker, fillTaker } from "./fills.ts";
import { houseOrderId, type MarketState, peerOf } from "./state.ts";
import { emit, type MarketTurn, referenceAt, report } from "./turn.ts";

/**
 * Brings the market to now, before anything else is decided. Steps at which the house's price would have crossed a resting
 * order are replayed in order, due orders expire in between at their own times, then the house quotes for now.
 */
export function advance(turn: MarketTurn): void {
  const { state, ctx } = turn;
  // An expiry or a fill now would take a number that an account may know as something else.
  if (state.restoring) return;
  const now = Math.max(ctx.now, state.at);
  const current = Math.floor(now / STEP_MS);
  let step = state.step;
  for (const { id: orderId, at } of state.expiring.due(now)) {
    step = replaySteps(turn, step, Math.ceil(at / STEP_MS));
    const order = state.orders.get(orderId);
    if (order !== undefined) report(turn, order.account, { orderId, execType: "expired", reason: order.timeInForce });
  }
  replaySteps(turn, step, current);
  if (current > state.step) requote(turn, current);
}

/** Replays the crossing steps after `from` and before `until`; answers the step up to which there is none left. */
function replaySteps(turn: MarketTurn, from: number, until: number): number {
  const { state, ctx } = turn;
  if (from === 0 || from >= until || state.rules.status !== "open") return from;
  for (let step = from; step < until; ) {
    const bid = bestPrice(state.book.buy, true);
    const ask = bestPrice(state.book.sell, true);
    if (bid === null && ask === null) break;
    step = nextCrossingStep(state.rules, ctx.priceSeed, step, bid, ask, until - step);
    if (step < until) requote(turn, step);
  }
  return until - 1;
}

function requote(turn: MarketTurn, step: number): void {
  const { state } = turn;
  const reference = referenceAt(turn, step * STEP_MS);
  // A quote in a market that is not open would trade with what rests there.
  const quotes = state.rules.status === "open" ? houseQuotes(state.rules, reference) : [];
  emit(turn, { kind: "requote", step, reference, quotes });
  for (const { side, price } of quotes) {
    // One plan has a bounded number of fills: what it leaves crossed is met by the next.
    let fills = houseFills(state, side, price);
    while (fills.length > 0) {
      for (const fill of fills) fillMaker(turn, fill, { side, price });
      fills = houseFills(state, side, price);
    }
  }
}

/** What the house's quote at a price meets, as far as it is still there. */
function houseFills(state: MarketState, side: Side, price: bigint): PlannedFill[] {
  const quote = findInBook(state.book, side, price, houseOrderId(side, price));
  return quote === undefined ? [] : planMatch(state.book, quote, price, state.rules).fills;
}

/** Applies the commands of one account that follow the last one applied; older ones were answered before. */
export function applyCommands(turn: MarketTurn, account: string, commands: readonly Command[]): void {
  for (const command of commands) {
    if (command.cseq !== peerOf(turn.state, account).cseq + 1) continue;
    if (command.kind === "submit") submit(turn, account, command);
    else if (command.kind === "submit_all") submitAll(turn, account, command, { submit, limitOf });
    else cancel(turn, account, command);
  }
}

function cancel(turn: MarketTurn, account: string, command: Command & { kind: "cancel" }): void {
  const { cseq, orderId, reason = "user" } = command;
  const mine = turn.state.orders.get(orderId)?.account === account;
  if (mine) report(turn, account, { orderId, execType: "canceled", reason }, { cseq });
  else report(turn, account, { orderId, execType: "cancel_rejected", reason: "order_not_open" }, { cseq });
}

function submit(turn: MarketTurn, account: string, command: Command & { kind: "submit" }): void {
  const { state } = turn;
  const { cseq } = command;
  const { origin = null, limitPrice: price, qty: leaves, postOnly, ...terms } = command.order;
  const orderId = terms.id;
  const order: BookOrder = { ...terms, account, price, leaves, feeNumerator: 0n, fee: 0n, seq: 0 };
  if (command.rulesVersion !== state.rules.version) {
    report(turn, account, { orderId, execType: "rules_changed", rules: state.rules }, { cseq, order, origin });
    return;
  }
  const limit = limitOf(turn, order.side, order.price);
  const late = command.notAfter !== null && Math.max(turn.ctx.now, state.at) > command.notAfter;
  const plan = planMatch(state.book, order, limit, state.rules);
  const reason = late ? "submitted_too_late" : refusalOf(turn, order, postOnly, limit, plan);
  if (reason !== null) {
    report(turn, account, { orderId, execType: "rejected", reason }, { cseq, order, origin });
    return;
  }
  const rests = mayRest(order);
  report(turn, account, { orderId, execType: "new" }, { cseq, order, rests, origin });
  plan.fills.forEach((fill, index) => {
    fillTaker(turn, orderId, fill, plan.complete && index === plan.fills.length - 1);
  });
  if (plan.complete || (rests && plan.end === null)) return;
  report(turn, account, { orderId, execType: "canceled", reason: plan.end ?? restReason(turn, order) });
}

/** Whether what is left of an order stays in the book. */
export function mayRest({ price, timeInForce }: BookOrder): boolean {
  return price !== null && (timeInForce === "gtc" || timeInForce === "gtd" || timeInForce === "day");
}

/** The worst price an order may get: its own, or of a market order the edge of the band around the reference price. */
function limitOf(turn: MarketTurn, side: Side, price: bigint | null): bigint {
  if (price !== null) return price;
  const { rules, at } = turn.state;
  const band = bandOf(referenceAt(turn, Math.max(turn.ctx.now, at)), rules.priceBandBps, rules.tickSize);
  return side === "buy" ? band.high : band.low;
}

function refusalOf(
  turn: MarketTurn,
  order: BookOrder,
  postOnly: boolean,
  limit: bigint,
  plan: MatchPlan,
): string | null {
  if (turn.state.rules.status !== "open" || turn.state.restoring) return "market_not_open";
  const best = bestPrice(turn.state.book[opposite(order.side)]);
  if (postOnly && best !== null && accepts(order.side, limit, best)) return "post_only_would_cross";
  if (order.timeInForce === "fok" && !plan.complete) return "fok_not_fillable";
  return null;
}

function restReason(turn: MarketTurn, order: BookOrder): string {
  if (order.price !== null) return order.timeInForce;
  const more = bestPrice(turn.state.book[opposite(order.side)]) !== null;
  return more ? "price_band" : "no_liquidity";
}
