// How a market comes to now: what expired, what the house's moving price has met, and which triggers it has reached.
import { bestPrice, findInBook } from "../book.ts";
import { houseQuotes, nextCrossingStep } from "../house.ts";
import { isFill, planMatch } from "../matching.ts";
import type { Side } from "../order.ts";
import { STEP_MS } from "../prices.ts";
import { fireTriggers } from "./active.ts";
import { hasBolted, isTrading, tradableAt, trip } from "./breaker.ts";
import { settleGroups } from "./exits.ts";
import { fillMaker } from "./fills.ts";
import { houseOrderId } from "./quotes.ts";
import type { MarketState } from "./state.ts";
import { resume } from "./status.ts";
import { type Range, widen } from "./triggers.ts";
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
    resumeBy(turn, walk, at);
    replaySteps(turn, walk, Math.ceil(at / STEP_MS));
    const order = state.orders.get(orderId);
    if (order !== undefined) report(turn, order.account, { orderId, execType: "expired", reason: order.timeInForce });
    settleGroups(turn, referenceAt(turn, at));
  }
  resumeBy(turn, walk, now);
  replaySteps(turn, walk, current);
  if (current > state.step) requote(turn, current, walk.range);
}

/** Ends a halt whose time is over by `at`: from then on steps count again. */
function resumeBy(turn: MarketTurn, walk: Walk, at: number): void {
  const { halt } = turn.state.rules;
  if (halt === null || halt.until === null || halt.until > at) return;
  resume(turn, halt.before);
  walk.step = Math.max(walk.step, Math.floor(halt.until / STEP_MS));
  const reference = referenceAt(turn, walk.step * STEP_MS);
  walk.range = { low: reference, high: reference };
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
    // Halted there: nothing of what follows has happened.
    if (state.rules.status !== "open") break;
  }
  walk.step = until - 1;
}

function requote(turn: MarketTurn, step: number, range: Range): void {
  const { state } = turn;
  const reference = referenceAt(turn, step * STEP_MS);
  if (state.rules.status === "open" && hasBolted(turn, step, reference)) trip(turn);
  // A quote in a market that is not open would trade with what rests there, and so would what is triggered.
  const isOpen = state.rules.status === "open";
  const quotes = isOpen ? houseQuotes(state.rules, reference) : [];
  widen(range, reference);
  const trails = isOpen ? state.waiting.trailed(range, state.rules.tickSize) : [];
  emit(turn, { kind: "requote", step, reference, quotes, ...(trails.length > 0 ? { trails } : {}) });
  for (const { side, price } of quotes) {
    // One plan has a bounded number of fills: what it leaves crossed is met by the next.
    let { fills, end } = houseMeets(state, side, price, reference);
    while (fills.length > 0) {
      for (const fill of fills) fillMaker(turn, fill, { side, price });
      ({ fills, end } = houseMeets(state, side, price, reference));
    }
    if (end === "halted") {
      trip(turn);
      break;
    }
  }
  // All have followed the price this far: one that begins to follow it now has not seen what was before.
  Object.assign(range, { low: reference, high: reference });
  settleGroups(turn, reference);
  if (isTrading(state)) fireTriggers(turn, reference);
  settleGroups(turn, reference);
}

/** What the house's quote at a price meets, as far as it is still there. */
function houseMeets(state: MarketState, side: Side, price: bigint, reference: bigint) {
  const quote = findInBook(state.book, side, price, houseOrderId(side, price));
  if (quote === undefined) return { fills: [], end: null };
  const { meetings, end } = planMatch(state.book, quote, price, state.rules, tradableAt(state.rules, reference));
  return { fills: meetings.filter(isFill), end };
}
