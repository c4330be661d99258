// The naive market's book: who meets whom, at which price, and what becomes of both.
import type { Side } from "../../../src/core/order.ts";
import { affordable, charge, holdOf } from "./money.ts";
import { emptyNaive, end, type Naive, type NaivePrevented, say, takeOut, type Working } from "./terms.ts";

/** The orders of one side, best price first, first come first served. */
export function queueOf({ resting }: Naive, side: Side): Working[] {
  const mine = resting.filter((order) => order.side === side);
  return mine.sort((a, b) => {
    const [x, y] = side === "buy" ? [b.price ?? 0n, a.price ?? 0n] : [a.price ?? 0n, b.price ?? 0n];
    return x < y ? -1 : x > y ? 1 : 0;
  });
}

/** Lets an order trade, and then rest or end. */
export function comeIn(market: Naive, order: Working, limit: bigint): void {
  const stop = match(market, order, limit);
  if (stop === "done") return;
  const mayRest = order.price !== null && order.timeInForce !== "ioc" && order.timeInForce !== "fok";
  if (stop === "no_match" && mayRest) stand(market, order);
  else end(market, order, stop === "no_match" ? whyNothingMore(market, order) : stop, "canceled", order.stopped);
}

/** Shows what it may, behind all who stand there. */
export function stand(market: Naive, order: Working): void {
  const leaves = order.leaves ?? 0n;
  order.shown = order.displayQty !== undefined && order.displayQty < leaves ? order.displayQty : leaves;
  takeOut(market, order);
  market.resting.push(order);
}

/** The order that one with this limit would meet first. */
export function firstMet({ resting }: Naive, { side }: Working, limit: bigint): Working | undefined {
  let best: Working | undefined;
  for (const other of resting) {
    if (other.side === side || other.price === null) continue;
    if (side === "buy" ? other.price > limit : other.price < limit) continue;
    const price = best?.price ?? null;
    if (price === null || (side === "buy" ? other.price < price : other.price > price)) best = other;
  }
  return best;
}

/** Plays the order on a copy of the book. */
export function fillsWhole(market: Naive, order: Working, limit: bigint): boolean {
  const copy = emptyNaive(market.rules);
  copy.resting = market.resting.map((one) => ({ ...one }));
  return match(copy, { ...order }, limit) === "done";
}

/** Less is left of an order than before, and it stays where it is. */
export function shrink(market: Naive, order: Working, leaves: bigint): void {
  order.leaves = leaves;
  if (order.shown > leaves) order.shown = leaves;
  order.budget = holdOf(market.rules, order);
}

/** Trades until the order is done, meets its owner, has no money, or finds nobody. */
export function match(
  market: Naive,
  order: Working,
  limit: bigint,
): "done" | "no_match" | "self_trade_prevention" | "hold_exhausted" {
  let traded = false;
  for (;;) {
    const maker = firstMet(market, order, limit);
    if (maker === undefined) return "no_match";
    const most = affordable(market.rules, order, maker.price ?? 0n);
    if (most === 0n) return order.leaves === null && traded ? "done" : "hold_exhausted";
    if (maker.account === order.account && order.selfTradePrevention !== "none") {
      if (prevent(market, order, maker, most)) return "self_trade_prevention";
      continue;
    }
    const wanted = [maker.shown, most, ...(order.leaves === null ? [] : [order.leaves])];
    trade(
      market,
      order,
      maker,
      wanted.reduce((a, b) => (a < b ? a : b)),
      limit,
    );
    traded = true;
    if (order.leaves === 0n) return "done";
  }
}

/** Two of one owner do not trade; whether the one that comes in ends here. */
function prevent(market: Naive, order: Working, maker: Working, most: bigint): boolean {
  const asked = order.selfTradePrevention;
  const mode = order.leaves === null && asked === "decrement" ? "cancel_newest" : asked;
  const least = [maker.leaves ?? 0n, order.leaves ?? most, most].reduce((a, b) => (a < b ? a : b));
  const { id: taker, side } = order;
  const prevented = { taker, maker: maker.id, side, price: maker.price ?? 0n, qty: least, mode: asked };
  if (mode === "cancel_newest") {
    order.stopped = prevented;
    return true;
  }
  if (mode !== "decrement") {
    end(market, maker, "self_trade_prevention", "canceled", prevented);
    return mode === "cancel_both";
  }
  const [mine, theirs] = [order.leaves ?? 0n, maker.leaves ?? 0n];
  const both = mine < theirs ? mine : theirs;
  const met = { ...prevented, qty: both };
  if (theirs === both) end(market, maker, "self_trade_prevention", "canceled", met);
  else lose(market, maker, both, met);
  if (mine === both) return true;
  lose(market, order, both, null);
  return false;
}

function lose(market: Naive, order: Working, qty: bigint, prevented: NaivePrevented | null): void {
  shrink(market, order, (order.leaves ?? 0n) - qty);
  order.lost += qty;
  const change = { by: -qty, price: order.price, hold: order.budget, trigger: null };
  say(market, order, "replaced", "self_trade_prevention", { change, prevented });
}

function trade(market: Naive, taker: Working, maker: Working, qty: bigint, limit: bigint): void {
  const { rules } = market;
  const price = maker.price ?? 0n;
  const takerFee = charge(rules, taker, price, qty, taker.takerFeeBps);
  const makerFee = charge(rules, maker, price, qty, maker.makerFeeBps);
  maker.shown -= qty;
  if (maker.leaves === 0n) takeOut(market, maker);
  else if (maker.shown === 0n) stand(market, maker);
  const next = firstMet(market, taker, limit);
  const broke = taker.leaves === null && next !== undefined && affordable(rules, taker, next.price ?? 0n) === 0n;
  const took = { price, qty, fee: takerFee, liquidity: "taker", done: taker.leaves === 0n || broke } as const;
  const made = { price, qty, fee: makerFee, liquidity: "maker", done: maker.leaves === 0n } as const;
  for (const [order, fill] of [[taker, took] as const, [maker, made] as const]) {
    if (fill.done) takeOut(market, order);
    if (fill.done) order.ended = "filled";
    say(market, order, "fill", null, { fill });
  }
}

function whyNothingMore({ resting }: Naive, order: Working): string {
  if (order.price !== null) return order.timeInForce;
  return resting.some(({ side }) => side !== order.side) ? "price_band" : "no_liquidity";
}
