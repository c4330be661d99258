// What a market does with commands, the house's clock and expiry. Every decision is an event; there is no other state.
import { accepts, type BookOrder, bestPrice, findInBook, opposite } from "../book.ts";
import { houseQuotes, nextCrossingStep } from "../house.ts";
import type { MarketRules } from "../listings.ts";
import { type MatchPlan, type PlannedFill, planMatch } from "../matching.ts";
import type { Command } from "../messages.ts";
import { bandOf, type Side } from "../order.ts";
import { STEP_MS } from "../prices.ts";
import { fillMaker, fillTaker } from "./fills.ts";
import { houseOrderId, type MarketState, peerOf } from "./state.ts";
import { type Range, type WaitingOrder, widen } from "./triggers.ts";
import { emit, type MarketTurn, referenceAt, report } from "./turn.ts";

/** How far the steps of the price have been gone through, and how low and high it was on the way. */
interface Walk {
  step: number;
  range: Range;
}

/**
 * Brings the market to now, before anything else is decided. Steps at which the house's price would have crossed a resting
 * order, or reached a trigger, are replayed in order, due orders expire in between at their own times, then the house quotes
 * for now.
 */
export function advance(turn: MarketTurn): void {
  const { state, ctx } = turn;
  // An expiry or a fill now would take a number that an account may know as something else.
  if (state.restoring) return;
  const now = Math.max(ctx.now, state.at);
  const current = Math.floor(now / STEP_MS);
  const since = referenceAt(turn, state.step * STEP_MS);
  const walk: Walk = { step: state.step, range: { low: since, high: since } };
  for (const { id: orderId, at } of state.expiring.due(now)) {
    replaySteps(turn, walk, Math.ceil(at / STEP_MS));
    const order = state.orders.get(orderId);
    if (order !== undefined) report(turn, order.account, { orderId, execType: "expired", reason: order.timeInForce });
  }
  replaySteps(turn, walk, current);
  if (current > state.step) requote(turn, current, walk.range);
}

/** Replays the steps before `until` at which something is due. */
function replaySteps(turn: MarketTurn, walk: Walk, until: number): void {
  const { state, ctx } = turn;
  const { rules, book, waiting } = state;
  if (walk.step === 0 || walk.step >= until || rules.status !== "open") return;
  for (let { step } = walk; step < until; ) {
    const bid = bestPrice(book.buy, true);
    const ask = bestPrice(book.sell, true);
    const watch = waiting.watch(walk.range, rules.tickSize);
    if (bid === null && ask === null && watch === null) break;
    step = nextCrossingStep(rules, ctx.priceSeed, step, bid, ask, until - step, watch);
    if (step < until) requote(turn, step, walk.range);
  }
  walk.step = until - 1;
}

function requote(turn: MarketTurn, step: number, range: Range): void {
  const { state } = turn;
  const reference = referenceAt(turn, step * STEP_MS);
  // A quote in a market that is not open would trade with what rests there, and so would what is triggered.
  const isOpen = state.rules.status === "open";
  const quotes = isOpen ? houseQuotes(state.rules, reference) : [];
  widen(range, reference);
  const trails = isOpen ? state.waiting.trailed(range, state.rules.tickSize) : [];
  emit(turn, { kind: "requote", step, reference, quotes, ...(trails.length > 0 ? { trails } : {}) });
  for (const { side, price } of quotes) {
    // One plan has a bounded number of fills: what it leaves crossed is met by the next.
    let fills = houseFills(state, side, price);
    while (fills.length > 0) {
      for (const fill of fills) fillMaker(turn, fill, { side, price });
      fills = houseFills(state, side, price);
    }
  }
  if (isOpen) fireTriggers(turn, reference);
}

/** Triggers all that have waited for a reference price, in the order in which they came. */
function fireTriggers(turn: MarketTurn, reference: bigint): void {
  const { state } = turn;
  for (const order of state.waiting.due(reference)) trigger(turn, order, reference);
}

/** From now on the order is a market or a limit order like any other that comes in. */
function trigger(turn: MarketTurn, order: WaitingOrder, reference: bigint): void {
  const { book, rules } = turn.state;
  const active: BookOrder = { ...order, trigger: null };
  const plan = planMatch(book, active, active.price ?? protectionPrice(rules, active.side, reference), rules);
  const facts = { orderId: order.id, execType: "triggered", triggerPrice: order.trigger.price } as const;
  report(turn, order.account, facts, { rests: mayRest(active) });
  execute(turn, active, plan);
}

/** What the house's quote at a price meets, as far as it is still there. */
function houseFills(state: MarketState, side: Side, price: bigint): PlannedFill[] {
  const quote = findInBook(state.book, side, price, houseOrderId(side, price));
  return quote === undefined ? [] : planMatch(state.book, quote, price, state.rules).fills;
}

type Submit = Exclude<Command, { kind: "cancel" }>;

/** What an order that waits meets when it comes in. */
const NO_PLAN: MatchPlan = { fills: [], complete: false, end: null };

/** Applies the commands of one account that follow the last one applied; older ones were answered before. */
export function applyCommands(turn: MarketTurn, account: string, commands: readonly Command[]): void {
  for (const command of commands) {
    if (command.cseq !== peerOf(turn.state, account).cseq + 1) continue;
    if (command.kind === "cancel") cancel(turn, account, command);
    else submit(turn, account, command);
  }
}

function cancel(turn: MarketTurn, account: string, command: Command & { kind: "cancel" }): void {
  const { cseq, orderId } = command;
  const mine = turn.state.orders.get(orderId)?.account === account;
  if (mine) report(turn, account, { orderId, execType: "canceled", reason: "user" }, { cseq });
  else report(turn, account, { orderId, execType: "cancel_rejected", reason: "order_not_open" }, { cseq });
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
  const reference = referenceAt(turn, Math.max(turn.ctx.now, state.at));
  const waits = order.trigger !== undefined;
  const limit = order.price ?? protectionPrice(state.rules, order.side, reference);
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

/** Fills an order that has just become active as planned; what may not rest is canceled. */
function execute(turn: MarketTurn, order: BookOrder, plan: MatchPlan): void {
  const { id: orderId, account } = order;
  plan.fills.forEach((fill, index) => {
    fillTaker(turn, orderId, fill, plan.complete && index === plan.fills.length - 1);
  });
  if (plan.complete || (mayRest(order) && plan.end === null)) return;
  report(turn, account, { orderId, execType: "canceled", reason: plan.end ?? restReason(turn, order) });
}

/** Whether what is left of an order stays in the book, once it waits for nothing. */
export function mayRest({ price, timeInForce, trigger }: BookOrder): boolean {
  if (price === null || (trigger ?? null) !== null) return false;
  return timeInForce === "gtc" || timeInForce === "gtd" || timeInForce === "day";
}

/** The worst price a market order may get: the edge of the band around the reference price. */
function protectionPrice(rules: MarketRules, side: Side, reference: bigint): bigint {
  const band = bandOf(reference, rules.priceBandBps, rules.tickSize);
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
