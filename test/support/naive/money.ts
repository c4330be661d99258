// What things cost at the naive market.
import type { Side } from "../../../src/core/order.ts";
import type { NaiveRules, NaiveTrigger, Working } from "./terms.ts";

const BPS = 10_000n;

/** A part of a whole number of ten-thousandths, rounded up. */
function roundedUp(basis: bigint): bigint {
  return basis / BPS + (basis % BPS === 0n ? 0n : 1n);
}

export function worth({ baseScale }: NaiveRules, price: bigint, qty: bigint): bigint {
  return (price * qty) / 10n ** BigInt(baseScale);
}

/** What is held for an order is what is left of it may cost; without any dearest price it is what is left of its money. */
export function holdOf(rules: NaiveRules, order: Working): bigint {
  if (order.side === "sell") return order.leaves ?? 0n;
  const dearest = order.price ?? order.group?.cap;
  if (dearest === undefined) return order.budget;
  const worst = worth(rules, dearest, order.leaves ?? 0n);
  const bps = Math.max(order.makerFeeBps, order.takerFeeBps);
  return worst + roundedUp(order.basis + worst * BigInt(bps)) - order.fee;
}

/** Books one execution on an order; answers its fee: what all its fills cost together, rounded up, less what they did. */
export function charge(rules: NaiveRules, order: Working, price: bigint, qty: bigint, bps: number): bigint {
  const notional = worth(rules, price, qty);
  order.basis += notional * BigInt(bps);
  const fee = roundedUp(order.basis) - order.fee;
  order.fee += fee;
  order.budget -= order.side === "buy" ? notional + fee : qty;
  order.filled += qty;
  if (order.leaves !== null) order.leaves -= qty;
  order.budget = holdOf(rules, order);
  return fee;
}

/** By trial: the most whole lots whose price and fee the order's money still covers. */
export function affordable(rules: NaiveRules, order: Working, price: bigint): bigint {
  if (order.side === "sell") return order.budget;
  const covers = (lots: bigint) => {
    const notional = worth(rules, price, lots * rules.lotSize);
    return notional + roundedUp(order.basis + notional * BigInt(order.takerFeeBps)) - order.fee <= order.budget;
  };
  let low = 0n;
  let high = 1n;
  while (covers(high)) high *= 2n;
  while (low + 1n < high) {
    const middle = (low + high) / 2n;
    if (covers(middle)) low = middle;
    else high = middle;
  }
  return low * rules.lotSize;
}

/** The worst price that an order may get at a reference price: its limit, or the band's edge, and no dearer one than its cap. */
export function limitOf(rules: NaiveRules, { side, price, group }: Working, reference: bigint): bigint {
  if (price !== null) return price;
  const edge = bandEdge(rules, side, reference);
  return group?.cap !== undefined && group.cap < edge ? group.cap : edge;
}

/** By trial: the farthest tick that is still inside the band. */
function bandEdge({ priceBandBps, tickSize }: NaiveRules, side: Side, reference: bigint): bigint {
  const inside = (price: bigint) => {
    const off = price > reference ? price - reference : reference - price;
    return off * BPS <= reference * BigInt(priceBandBps);
  };
  const step = side === "buy" ? tickSize : -tickSize;
  const far = (reference * BigInt(priceBandBps)) / BPS / tickSize;
  let price = (reference / tickSize) * tickSize + step * (far - 1n);
  while (inside(price + step)) price += step;
  return price;
}

/** Where a trigger trails a reference price: the nearest tick that is as far away as was asked for. */
export function trailing({ tickSize }: NaiveRules, { when, trail }: NaiveTrigger, reference: bigint): bigint | null {
  if (trail === null) return null;
  const distance = "amount" in trail ? trail.amount * BPS : reference * BigInt(trail.bps);
  const isFarEnough = (price: bigint) => (when === "rises" ? price - reference : reference - price) * BPS >= distance;
  const step = when === "rises" ? tickSize : -tickSize;
  let price = (reference / tickSize) * tickSize + step * (distance / BPS / tickSize - 1n);
  while (!isFarEnough(price)) price += step;
  return price;
}
