// What a planned fill becomes: a trade, its ledger entry, and reports with what is left of each order's hold.
import { type BookOrder, HOUSE, leftOf, opposite } from "../book.ts";
import { exitCost, isExit } from "../groups.ts";
import { type Movement, makeEntry } from "../ledger.ts";
import type { PlannedFill } from "../matching.ts";
import type { Trade } from "../messages.ts";
import { feeOfFill, limitBuyReserve, type Side } from "../order.ts";
import { invariant } from "../result.ts";
import type { ReportEvent } from "./state.ts";
import { type MarketTurn, report } from "./turn.ts";

type Amounts = Pick<PlannedFill, "qty" | "notional">;

/**
 * What one side of a trade moves in the market's ledger; `account` is the customers in sum, or the house. It balances with
 * the other side's.
 */
function movementsOf(turn: MarketTurn, account: string, side: Side, fill: Amounts, fee: bigint): Movement[] {
  const { base, quote } = turn.state.rules;
  const sign = side === "buy" ? 1n : -1n;
  return [
    [account, quote, -sign * fill.notional - fee],
    ["fees", quote, fee],
    [account, base, sign * fill.qty],
  ];
}

/** The trade's one ledger entry: both of its sides. */
function tradeEntry(turn: MarketTurn, trade: Trade, movements: Movement[]) {
  const { state, ctx } = turn;
  const seq = state.seq + 1;
  const facts = { id: ctx.makeId("ent", trade.at), seq, at: trade.at, kind: "trade", ref: trade.id };
  return makeEntry(state.balances, state.ledgerHead, facts, movements, ctx.sha256);
}

/**
 * The ledger entry of one side of a trade that an account tells after a restore. The house takes the other side: where that
 * was another account, it tells its own, and the house is even again.
 */
export function retoldEntry(turn: MarketTurn, trade: Trade, side: Side, fill: Amounts, fee: bigint) {
  return tradeEntry(turn, trade, [
    ...movementsOf(turn, "clearing", side, fill, fee),
    ...movementsOf(turn, HOUSE, opposite(side), fill, 0n),
  ]);
}

function newTrade(turn: MarketTurn, side: Side, fill: PlannedFill): Trade {
  const at = Math.max(turn.ctx.now, turn.state.at);
  return { id: turn.ctx.makeId("trd", at), price: fill.price, qty: fill.qty, side, at };
}

/** One fill of an incoming order: the trade, its one ledger entry, and a report to each side that has an account. */
export function fillTaker(turn: MarketTurn, takerId: string, fill: PlannedFill, done: boolean): void {
  const order = turn.state.orders.get(takerId);
  invariant(order !== undefined, `order ${takerId} trades and is not open`);
  const charged = feeOfFill(order, fill.notional, order.takerFeeBps);
  const trade = newTrade(turn, order.side, fill);
  const { maker } = fill;
  const makerFee = feeOfFill(maker, fill.notional, maker.makerFeeBps).fee;
  const counterparty = maker.account === HOUSE ? HOUSE : "clearing";
  const entry = tradeEntry(turn, trade, [
    ...movementsOf(turn, "clearing", order.side, fill, charged.fee),
    ...movementsOf(turn, counterparty, maker.side, fill, makerFee),
  ]);
  const house = maker.account === HOUSE ? { side: maker.side, price: fill.price } : null;
  report(
    turn,
    order.account,
    { orderId: order.id, execType: "fill", fill: executionOf(turn, trade, charged.fee, "taker", done) },
    {
      budget: budgetAfter(turn, order, fill, charged),
      feeNumerator: charged.feeNumerator,
      house,
      trade,
      entry,
    },
  );
  if (house === null) reportMaker(turn, fill, trade, null, null);
}

/** A resting order that the house's new quote meets: the house takes, at the resting price. */
export function fillMaker(turn: MarketTurn, fill: PlannedFill, house: { side: Side; price: bigint }): void {
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
  const done = fill.qty === maker.leaves;
  report(
    turn,
    maker.account,
    { orderId: maker.id, execType: "fill", fill: executionOf(turn, trade, charged.fee, "maker", done) },
    {
      budget: budgetAfter(turn, maker, fill, charged),
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
  { qty, notional }: Amounts,
  charged: { feeNumerator: bigint; fee: bigint },
): bigint {
  if (order.side === "sell") return order.budget - qty;
  const after = { ...order, feeNumerator: charged.feeNumerator, fee: order.fee + charged.fee };
  const { baseScale } = turn.state.rules;
  if (isExit(order)) return exitCost(after, order.price, leftOf(order) - qty, baseScale);
  if (order.price === null || order.leaves === null) return order.budget - notional - charged.fee;
  return limitBuyReserve(after, order.price, order.leaves - qty, baseScale);
}

function executionOf(turn: MarketTurn, trade: Trade, fee: bigint, liquidity: "maker" | "taker", done: boolean) {
  const executionId = turn.ctx.makeId("exe", trade.at);
  return { executionId, tradeId: trade.id, price: trade.price, qty: trade.qty, fee, liquidity, done };
}
