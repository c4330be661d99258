// What an order does once it may trade: as it comes in, when its trigger is reached, or under other terms.
import { type BookOrder, bestPrice, crosses, leftOf, opposite, type RestingOrder } from "../book.ts";
import { exitCost, isExit } from "../groups.ts";
import type { MarketRules } from "../listings.ts";
import { isFill, type MatchPlan, type Prevented, planMatch } from "../matching.ts";
import type { PreventedMatch, Report } from "../messages.ts";
import { bandOf, worstCost } from "../order.ts";
import { isTrading, tradableAt, trip } from "./breaker.ts";
import { comeToTrigger, takeOver } from "./ends.ts";
import { fillTaker } from "./fills.ts";
import { PREVENTED } from "./groups.ts";
import type { WaitingOrder } from "./triggers.ts";
import { type MarketTurn, referenceNow, report } from "./turn.ts";

/** What an order meets that waits, or keeps its place. */
export const NO_PLAN: MatchPlan = { meetings: [], complete: false, end: null };

/** Whether what is left of an order stays in the book, once it waits for nothing. */
export function mayRest(order: BookOrder): order is RestingOrder {
  const { price, leaves, timeInForce, trigger } = order;
  if (price === null || trigger !== undefined || leaves === 0n) return false;
  return timeInForce === "gtc" || timeInForce === "gtd" || timeInForce === "day";
}

/**
 * The worst price that an order may get: its own limit, or the edge of the band around the reference price, which is asked for
 * only then.
 */
export function limitOf(
  rules: MarketRules,
  { side, price }: Pick<BookOrder, "side" | "price">,
  reference: () => bigint,
): bigint {
  if (price !== null) return price;
  const band = bandOf(reference(), rules.priceBandBps, rules.tickSize);
  return side === "buy" ? band.high : band.low;
}

/**
 * What an order would meet now, down to `limit`: nothing where nothing trades, and nothing beyond the breaker. The reference is
 * asked for only where it would meet anything.
 */
export function planNow(
  turn: MarketTurn,
  order: BookOrder,
  limit: bigint,
  reference = () => referenceNow(turn),
): MatchPlan {
  const { book, rules } = turn.state;
  if (!isTrading(turn.state)) return NO_PLAN;
  const tradable = crosses(book, order.side, limit) ? tradableAt(rules, reference()) : null;
  return planMatch(book, order, limit, rules, tradable);
}

/**
 * Fills an order that has just become active as planned; what may not rest is canceled. Where the next fill would be beyond the
 * breaker, the market is halted instead, and what may rest waits there.
 */
export function execute(turn: MarketTurn, order: BookOrder, plan: MatchPlan): void {
  const { id: orderId, account } = order;
  const last = plan.meetings.findLastIndex(isFill);
  let told: Pick<Report, "prevented"> = {};
  plan.meetings.forEach((meeting, index) => {
    if (isFill(meeting)) fillTaker(turn, orderId, meeting, plan.complete && index === last);
    else if (meeting.prevents === "cancel_taker") told = { prevented: preventedMatch(turn, order, meeting) };
    else preventTrade(turn, order, meeting);
  });
  const rests = mayRest(order) && (plan.end === null || plan.end === "halted");
  if (!plan.complete && !rests)
    report(turn, account, { orderId, execType: "canceled", reason: plan.end ?? restReason(turn, order), ...told });
  if (plan.end === "halted") trip(turn);
}

function preventedMatch(turn: MarketTurn, taker: BookOrder, { maker, qty }: Prevented): PreventedMatch {
  const id = turn.ctx.makeId("pvm", Math.max(turn.ctx.now, turn.state.at));
  const { side, selfTradePrevention } = taker;
  return { id, takerOrderId: taker.id, makerOrderId: maker.id, side, price: maker.price, qty, selfTradePrevention };
}

/** Cancels the maker, or takes what the two would have traded off both: the one that loses all of it is canceled. */
function preventTrade(turn: MarketTurn, order: BookOrder, meeting: Prevented): void {
  const { prevents, maker, qty } = meeting;
  const told = { reason: PREVENTED, prevented: preventedMatch(turn, order, meeting) };
  if (prevents === "cancel_maker" || qty === maker.leaves)
    report(turn, maker.account, { orderId: maker.id, execType: "canceled", ...told });
  else reduce(turn, maker, qty, told);
  const taker = turn.state.orders.get(order.id);
  // One that has lost all of it ends with its plan.
  if (prevents === "decrement" && taker !== undefined && taker.leaves !== qty)
    reduce(turn, taker, qty, { reason: PREVENTED });
}

function reduce(turn: MarketTurn, order: BookOrder, qty: bigint, told: Pick<Report, "reason" | "prevented">): void {
  const { id: orderId, account, price: limitPrice } = order;
  const leaves = leftOf(order) - qty;
  const { baseScale } = turn.state.rules;
  const hold = isExit(order)
    ? exitCost(order, limitPrice, leaves, baseScale)
    : (worstCost(order, limitPrice, leaves, baseScale) ?? order.budget);
  const replaced = { qtyDelta: -qty, limitPrice, hold };
  const after = { ...order, leaves, budget: hold };
  const facts = { orderId, execType: "replaced", replaced, ...told } as const;
  report(turn, account, facts, { order: after, rests: turn.state.resting.has(orderId) });
}

/** Triggers all that have waited for a reference price, in the order in which they came. */
export function fireTriggers(turn: MarketTurn, reference: bigint): void {
  const { state } = turn;
  for (const order of state.waiting.due(reference)) {
    // The one before may have halted the market.
    if (state.rules.status !== "open") return;
    trigger(turn, order, reference);
  }
}

/** From now on the order is a market or a limit order like any other that comes in. */
function trigger(turn: MarketTurn, order: WaitingOrder, reference: bigint): void {
  const { rules } = turn.state;
  const due = comeToTrigger(turn, order);
  if (due === null) return;
  const active: BookOrder = { ...due, trigger: undefined };
  const facts = { orderId: order.id, execType: "triggered", triggerPrice: order.trigger.price } as const;
  report(turn, order.account, facts, { rests: mayRest(active) });
  takeOver(turn, active);
  execute(
    turn,
    active,
    planNow(turn, active, worstPrice(rules, active, reference), () => reference),
  );
}

/** The worst price that an order may get once it is triggered: an exit that buys was paid for up to its cap. */
function worstPrice(rules: MarketRules, order: BookOrder, reference: bigint): bigint {
  const worst = limitOf(rules, order, () => reference);
  const cap = order.price === null ? order.group?.cap : undefined;
  return cap !== undefined && cap < worst ? cap : worst;
}

function restReason(turn: MarketTurn, order: BookOrder): string {
  if (order.price !== null) return order.timeInForce;
  const more = bestPrice(turn.state.book[opposite(order.side)]) !== null;
  return more ? "price_band" : "no_liquidity";
}
