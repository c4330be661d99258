// The simulated reference price: a pure function of rules, seed and time, so that every isolate agrees and history needs no
// storage. Value noise in eight octaves, in whole numbers below 2^53 throughout: no rounding can differ between machines.
import { findMarket, type MarketRules } from "./listings.ts";
import { notionalOf } from "./order.ts";

/** The price holds for one step of this length; steps are counted from the Unix epoch. */
export const STEP_MS = 1_000;

/** What the path depends on: a later version of a market's other rules leaves its prices as they were. */
export type PriceRules = Pick<MarketRules, "symbol" | "tickSize" | "basePrice">;

/** The price at a step, in ticks. */
export type PricePath = (step: number) => number;

// Octave k turns every 4^(k+1) s (4 s to 18 h) and swings by 313 × 2^k millionths: like a random walk, about 0.9 % in an
// hour. All together they reach 313 × 255 = 79,815 millionths, which keeps the price within 8 % of its base for ever.
const OCTAVES = 8;
const FIRST_SWING_PPM = 313;
const PPM = 1_000_000;
const LATTICE = 2 ** 15;
const WEIGHT = 2 ** 16;
// The sum of swings is below 2^48; cut to 2^27 it may be multiplied with a base of 2^26 ticks.
const CUT = 2 ** 21;
/** The most ticks that a base price may have. */
export const BASE_TICKS_MAX = 2 ** 26;
const OFFSET_ONE = PPM * ((LATTICE * WEIGHT) / CUT);

interface Octave {
  period: number;
  swing: number;
  key: number;
  phase: number;
}

/** MurmurHash3's finalizer: every bit of the input moves every bit of the 32 that come out. */
function mix(bits: number): number {
  let hash = bits ^ (bits >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function keyOf(symbol: string, seed: number): number {
  let key = mix(mix(seed | 0) ^ Math.floor(seed / 2 ** 32));
  for (let i = 0; i < symbol.length; i += 1) key = mix(Math.imul(key, 31) + symbol.charCodeAt(i));
  return key;
}

function octavesOf(key: number): Octave[] {
  return Array.from({ length: OCTAVES }, (_, k) => {
    const own = mix(key + Math.imul(k + 1, 0x9e3779b9));
    const period = 4 ** (k + 1);
    // Without a phase of their own all octaves would turn at the same second, and the price would stand still there.
    return { period, swing: FIRST_SWING_PPM * 2 ** k, key: own, phase: mix(own) & (period - 1) };
  });
}

/** The octave's value at one of its turning points, in [-2^15, 2^15). */
function latticeValue(key: number, index: number): number {
  return (mix(key ^ Math.imul(index, 0x27d4eb2f)) >>> 16) - LATTICE;
}

/** One octave at a step: swing × value × weight, where the weights 3t² − 2t³ join two turning points smoothly. */
function octaveAt(octave: Octave, step: number): number {
  const { period, key } = octave;
  const shifted = step + octave.phase;
  const index = Math.floor(shifted / period);
  const into = shifted - index * period;
  const from = latticeValue(key, index);
  const to = latticeValue(key, index + 1);
  const weight = Math.floor(into * into * (3 * period - 2 * into) * (WEIGHT / (period * period * period)));
  return octave.swing * (from * WEIGHT + (to - from) * weight);
}

/**
 * The price of a market over time, prepared for many steps (a step costs well under a microsecond). Whole ticks, within
 * 8 % of the base price, rounded to the nearest tick. Throws RangeError unless the base price is 1 to 2^26 ticks.
 */
export function pricePath(rules: PriceRules, seed: number): PricePath {
  const baseTicks = Number(rules.basePrice / rules.tickSize);
  if (baseTicks < 1 || baseTicks > BASE_TICKS_MAX) throw new RangeError(`a base price of ${baseTicks} ticks`);
  const octaves = octavesOf(keyOf(rules.symbol, seed));
  return (step) => {
    let sum = 0;
    for (const octave of octaves) sum += octaveAt(octave, step);
    return baseTicks + Math.floor((baseTicks * Math.floor(sum / CUT)) / OFFSET_ONE + 0.5);
  };
}

/**
 * The reference price at a moment, in quote units per whole base unit, a multiple of the tick: the same for the whole
 * step that `atMs` (ms since the epoch) lies in. `seed` is any safe integer.
 */
export function referencePrice(rules: PriceRules, seed: number, atMs: number): bigint {
  return BigInt(pricePath(rules, seed)(Math.floor(atMs / STEP_MS))) * rules.tickSize;
}

/** What an amount of an asset is worth in USD units at the reference price; an asset without a USD market is worth nothing. */
export function usdWorth(asset: string, units: bigint, seed: number, atMs: number): bigint {
  if (asset === "USD") return units;
  const rules = findMarket(`${asset}-USD`);
  return rules === undefined ? 0n : notionalOf(referencePrice(rules, seed, atMs), units, rules.baseScale);
}
