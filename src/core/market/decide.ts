// What a market does with commands, the house's clock and expiry: decides, journals through `emit`, keeps no other state.
import { accepts, bestPrice, type BookOrder, findInBook, HOUSE, opposite } from "../book.ts";
import { houseQuotes, nextCrossingStep } from "../house.ts";
import { balanceKey, makeEntry, type Movement, type Sha256 } from "../ledger.ts";
import { type MatchPlan, type PlannedFill, planMatch } from "../matching.ts";
import type { Command, MakeId, Report, Trade } from "../messages.ts";
import { bandOf, feeOfFill, limitBuyReserve, type Side } from "../order.ts";
import { referencePrice, STEP_MS } from "../prices.ts";
import { applyMarketEvent, houseOrderId, type MarketEvent, type MarketState, peerOf, type ReportEvent } from "./state.ts";

/** Everything that is not the state: the time in ms, ids, the hash, and the seed of the simulated prices. */
export interface MarketContext {
  now: number;
  makeId: MakeId;
  sha256: Sha256;
  priceSeed: number;
}

/** One turn at a market: the state that it changes and the events that it has made, in order. */
export interface MarketTurn {
  state: MarketState;
  ctx: MarketContext;
  events: MarketEvent[];
}

type Body<E> = E extends MarketEvent ? Omit<E, "seq" | "v" | "at"> : never;

function emit(turn: MarketTurn, body: Body<MarketEvent>): void {
  const at = Math.max(turn.ctx.now, turn.state.at);
  const event = { ...body, seq: turn.state.seq + 1, v: 1 as const, at } as MarketEvent;
  applyMarketEvent(turn.state, event);
  turn.events.push(event);
}

const NOTHING_MORE = {
  cseq: null,
  order: null,
  rests: false,
  budget: null,
  feeNumerator: null,
  house: null,
  trade: null,
  entry: null,
};

function report(
  turn: MarketTurn,
  account: string,
  facts: Pick<Report, "orderId" | "execType"> & Partial<Report>,
  effect: Partial<Omit<ReportEvent, "kind" | "account" | "report">> = {},
): void {
  const rseq = peerOf(turn.state, account).rseq + 1;
  const at = Math.max(turn.ctx.now, turn.state.at);
  const full: Report = { reason: null, fill: null, rules: null, ...facts, rseq, at };
  emit(turn, { kind: "report", account, ...NOTHING_MORE, ...effect, report: full });
}

/** The price that the house and the bands go by at a moment, in quote units per whole base unit. */
export function referenceAt(turn: Pick<MarketTurn, "state" | "ctx">, at: number): bigint {
  return referencePrice(turn.state.rules, turn.ctx.priceSeed, at);
}

/**
 * Brings the market to now, before anything else is decided. Steps at which the house's price would have crossed a resting
 * order are replayed in order, due orders expire in between at their own times, then the house quotes for now.
 */
export function advance(turn: MarketTurn): void {
  const { state, ctx } = turn;
  const now = Math.max(ctx.now, state.at);
  const current = Math.floor(now / STEP_MS);
  const due = [...state.expiring].filter(([, at]) => at <= now).sort(([, a], [, b]) => a - b);
  let step = state.step;
  for (const [orderId, at] of due) {
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
    else cancel(turn, account, command);
  }
}

function cancel(turn: MarketTurn, account: string, command: Command & { kind: "cancel" }): void {
  const { cseq, orderId } = command;
  const mine = turn.state.orders.get(orderId)?.account === account;
  if (mine) report(turn, account, { orderId, execType: "canceled", reason: "user" }, { cseq });
  else report(turn, account, { orderId, execType: "cancel_rejected", reason: "order_not_open" }, { cseq });
}

function submit(turn: MarketTurn, account: string, command: Command & { kind: "submit" }): void {
  const { state } = turn;
  const { cseq, order: terms } = command;
  const orderId = terms.id;
  if (command.rulesVersion !== state.rules.version) {
    report(turn, account, { orderId, execType: "rules_changed", rules: state.rules }, { cseq });
    return;
  }
  const order: BookOrder = { ...terms, account, price: terms.limitPrice, leaves: terms.qty, feeNumerator: 0n, fee: 0n, seq: 0 };
  const limit = order.price ?? protectionPrice(turn, order.side);
  const late = command.notAfter !== null && Math.max(turn.ctx.now, state.at) > command.notAfter;
  const plan = planMatch(state.book, order, limit, state.rules);
  const reason = late ? "submitted_too_late" : refusalOf(turn, order, terms.postOnly, limit, plan);
  if (reason !== null) {
    report(turn, account, { orderId, execType: "rejected", reason }, { cseq });
    return;
  }
  const rests = order.price !== null && (order.timeInForce === "gtc" || order.timeInForce === "gtd" || order.timeInForce === "day");
  report(turn, account, { orderId, execType: "new" }, { cseq, order, rests });
  plan.fills.forEach((fill, index) => {
    fillTaker(turn, order, fill, plan.complete && index === plan.fills.length - 1);
  });
  if (plan.complete || (rests && plan.end === null)) return;
  report(turn, account, { orderId, execType: "canceled", reason: plan.end ?? restReason(turn, order) });
}

/** The worst price a market order may get: the edge of the band around the reference price. */
function protectionPrice(turn: MarketTurn, side: Side): bigint {
  const { rules, at } = turn.state;
  const band = bandOf(referenceAt(turn, Math.max(turn.ctx.now, at)), rules.priceBandBps, rules.tickSize);
  return side === "buy" ? band.high : band.low;
}

function refusalOf(turn: MarketTurn, order: BookOrder, postOnly: boolean, limit: bigint, plan: MatchPlan): string | null {
  if (turn.state.rules.status !== "open") return "market_not_open";
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

/** What one side of a trade moves in the market's ledger; `account` is the other end: the customers in sum, or the house. */
function movementsOf(turn: MarketTurn, account: string, side: Side, fill: PlannedFill, fee: bigint): Movement[] {
  const { base, quote } = turn.state.rules;
  const sign = side === "buy" ? 1n : -1n;
  return [
    [account, quote, -sign * fill.notional - fee],
    ["fees", quote, fee],
    [account, base, sign * fill.qty],
    ["counter", quote, sign * fill.notional],
    ["counter", base, -sign * fill.qty],
  ];
}

/** The trade's one ledger entry. The two sides' counter movements cancel, so no counter account is ever posted. */
function tradeEntry(turn: MarketTurn, trade: Trade, movements: Movement[]) {
  const { state, ctx } = turn;
  const seq = state.seq + 1;
  const facts = { id: ctx.makeId("ent", trade.at), seq, at: trade.at, kind: "trade", ref: trade.id };
  return makeEntry(state.balances, state.ledgerHead, facts, movements, ctx.sha256);
}

function newTrade(turn: MarketTurn, side: Side, fill: PlannedFill): Trade {
  const at = Math.max(turn.ctx.now, turn.state.at);
  return { id: turn.ctx.makeId("trd", at), price: fill.price, qty: fill.qty, side, at };
}

function fillTaker(turn: MarketTurn, taker: BookOrder, fill: PlannedFill, done: boolean): void {
  const { state } = turn;
  const order = state.orders.get(taker.id) ?? taker;
  const charged = feeOfFill(order, fill.notional, order.takerFeeBps);
  const trade = newTrade(turn, order.side, fill);
  const { maker } = fill;
  const makerFee = maker.account === HOUSE ? 0n : feeOfFill(maker, fill.notional, maker.makerFeeBps).fee;
  const counterparty = maker.account === HOUSE ? HOUSE : "clearing";
  const entry = tradeEntry(turn, trade, [
    ...movementsOf(turn, "clearing", order.side, fill, charged.fee),
    ...movementsOf(turn, counterparty, maker.side, fill, makerFee),
  ]);
  const house = maker.account === HOUSE ? { side: maker.side, price: fill.price } : null;
  const spent = order.side === "buy" ? fill.notional + charged.fee : fill.qty;
  report(
    turn,
    order.account,
    { orderId: order.id, execType: "fill", fill: executionOf(turn, trade, charged.fee, "taker", done) },
    {
      budget: budgetAfter(turn, order, fill.qty, spent, charged),
      feeNumerator: charged.feeNumerator,
      house,
      trade,
      entry,
    },
  );
  if (house === null) reportMaker(turn, fill, trade, null, null);
}

/** A resting order that the house's new quote meets: the house takes, at the resting price. */
function fillMaker(turn: MarketTurn, fill: PlannedFill, house: { side: Side; price: bigint }): void {
  const trade = newTrade(turn, house.side, fill);
  const fee = feeOfFill(fill.maker, fill.notional, fill.maker.makerFeeBps).fee;
  const entry = tradeEntry(turn, trade, [
    ...movementsOf(turn, "clearing", fill.maker.side, fill, fee),
    ...movementsOf(turn, HOUSE, house.side, fill, 0n),
  ]);
  reportMaker(turn, fill, trade, entry, house);
}

function reportMaker(
  turn: MarketTurn,
  fill: PlannedFill,
  trade: Trade,
  entry: ReportEvent["entry"],
  house: ReportEvent["house"],
): void {
  const { maker } = fill;
  const charged = feeOfFill(maker, fill.notional, maker.makerFeeBps);
  const spent = maker.side === "buy" ? fill.notional + charged.fee : fill.qty;
  const done = fill.qty === maker.leaves;
  report(
    turn,
    maker.account,
    { orderId: maker.id, execType: "fill", fill: executionOf(turn, trade, charged.fee, "maker", done) },
    {
      budget: budgetAfter(turn, maker, fill.qty, spent, charged),
      feeNumerator: charged.feeNumerator,
      house,
      trade: house === null ? null : trade,
      entry,
    },
  );
}

/** What stays held for an order after a fill: the same as its account keeps, so that both always agree. */
function budgetAfter(
  turn: MarketTurn,
  order: BookOrder,
  qty: bigint,
  spent: bigint,
  charged: { feeNumerator: bigint; fee: bigint },
): bigint {
  if (order.side === "sell" || order.price === null || order.leaves === null) return order.budget - spent;
  const after = { ...order, limitPrice: order.price, feeNumerator: charged.feeNumerator, fee: order.fee + charged.fee };
  return limitBuyReserve(after, order.leaves - qty, turn.state.rules.baseScale);
}

function executionOf(turn: MarketTurn, trade: Trade, fee: bigint, liquidity: "maker" | "taker", done: boolean) {
  const executionId = turn.ctx.makeId("exe", trade.at);
  return { executionId, tradeId: trade.id, price: trade.price, qty: trade.qty, fee, liquidity, done };
}

/** What the market's ledger has on one account and asset, in units. */
export function marketBalance(state: MarketState, account: string, asset: string): bigint {
  return state.balances.get(balanceKey(account, asset)) ?? 0n;
}
