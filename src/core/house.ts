// What the house quotes around a reference price, and when its quotes will next meet an order that rests.
import { HOUSE_HORIZON_STEPS } from "./limits.ts";
import type { MarketRules } from "./listings.ts";
import { ceilDiv } from "./money.ts";
import type { Side } from "./order.ts";
import { type PriceRules, pricePath } from "./prices.ts";

/** One level of the house: price on tick, quantity in whole lots. */
export interface HouseQuote {
  side: Side;
  price: bigint;
  qty: bigint;
}

/** Levels on each side: the contract's figure. */
export const HOUSE_LEVELS = 10;
/** The least worth of one level in whole units of the quote asset (USD): the contract's figure. */
export const HOUSE_LEVEL_WORTH = 10_000n;
// A half spread of two ticks makes the contract's four; in basis points it is what a newcomer's market order costs.
const HALF_SPREAD_TICKS_MIN = 2;
const HALF_SPREAD_BPS = 5;
const LEVEL_GAP_TICKS_MIN = 1;
const LEVEL_GAP_BPS = 2;
const BPS = 10_000;

/** From the reference to the best quote on either side, in ticks. The one place that both quotes and forecast ask. */
function halfSpreadTicks(reference: number): number {
  return Math.max(HALF_SPREAD_TICKS_MIN, Math.ceil((reference * HALF_SPREAD_BPS) / BPS));
}

function levelGapTicks(reference: number): number {
  return Math.max(LEVEL_GAP_TICKS_MIN, Math.ceil((reference * LEVEL_GAP_BPS) / BPS));
}

/** The least quantity in whole lots that is worth {@link HOUSE_LEVEL_WORTH} at this price. */
function levelQty(rules: MarketRules, price: bigint): bigint {
  const worth = HOUSE_LEVEL_WORTH * 10n ** BigInt(rules.quoteScale + rules.baseScale);
  const perLot = price * rules.lotSize;
  return ceilDiv(worth, perLot) * rules.lotSize;
}

/**
 * The house's whole book at a reference price (quote units per whole base unit; floored to the tick): ten bids best first,
 * then ten asks best first. Bids at or below zero are left out, so a price of a few ticks has fewer.
 */
export function houseQuotes(rules: MarketRules, reference: bigint): HouseQuote[] {
  const middle = Number(reference / rules.tickSize);
  const half = halfSpreadTicks(middle);
  const gap = levelGapTicks(middle);
  const quotes: HouseQuote[] = [];
  const quote = (side: Side, ticks: number) => {
    const price = BigInt(ticks) * rules.tickSize;
    if (price > 0n) quotes.push({ side, price, qty: levelQty(rules, price) });
  };
  for (let level = 0; level < HOUSE_LEVELS; level += 1) quote("buy", middle - half - level * gap);
  for (let level = 0; level < HOUSE_LEVELS; level += 1) quote("sell", middle + half + level * gap);
  return quotes;
}

/** Sees the reference price of one step after the other, in ticks; whether something is due at it. */
export type Watch = (ticks: number) => boolean;

/**
 * The first step after `fromStep` at which the house would sell at or below the best resting bid, or buy at or above the
 * best resting ask (quote units per whole base unit, null for an empty side), or at which `watch` says so, which sees every
 * step up to it. `fromStep + horizonSteps` when there is none by then: not a crossing, only the time to look again.
 */
export function nextCrossingStep(
  rules: PriceRules,
  seed: number,
  fromStep: number,
  bestBid: bigint | null,
  bestAsk: bigint | null,
  horizonSteps: number = HOUSE_HORIZON_STEPS,
  watch: Watch | null = null,
): number {
  const last = fromStep + horizonSteps;
  if (bestBid === null && bestAsk === null && watch === null) return last;
  const { tickSize } = rules;
  // An order may rest off tick since before a change of the tick: floor and ceiling keep the comparison exact for it.
  const bidTicks = bestBid === null ? Number.NEGATIVE_INFINITY : Number(bestBid / tickSize);
  const askTicks = bestAsk === null ? Number.POSITIVE_INFINITY : Number(ceilDiv(bestAsk, tickSize));
  const priceAt = pricePath(rules, seed);
  for (let step = fromStep + 1; step < last; step += 1) {
    const middle = priceAt(step);
    const half = halfSpreadTicks(middle);
    const due = watch?.(middle) === true;
    if (due || middle + half <= bidTicks || middle - half >= askTicks) return step;
  }
  return last;
}
