import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findMarket, MARKETS, type MarketRules } from "../../src/core/listings.ts";
import { pricePath, referencePrice, STEP_MS, usdWorth } from "../../src/core/prices.ts";

const START = Date.UTC(2026, 10, 21) / STEP_MS;
const HOUR = 3_600;
const markets = fc.constantFrom(...MARKETS);
const seeds = fc.maxSafeInteger();
const times = fc.integer({ min: 0, max: Date.UTC(2200, 0) });

function listed(symbol: string): MarketRules {
  const rules = findMarket(symbol);
  if (rules === undefined) throw new Error(`${symbol} is not listed`);
  return rules;
}

describe("the reference price", () => {
  // A change of these figures is a change of history: every price of the past would be another.
  it.each([
    ["BTC-USD", 1, 0, 58_962_000_000n],
    ["BTC-USD", 1, 1_795_219_200_000, 60_138_000_000n],
    ["BTC-USD", 2, 1_795_219_200_000, 60_940_000_000n],
    ["DOGE-USD", 1, 1_795_219_200_000, 203_650n],
    ["TSLA-USD", 9_007_199_254_740_991, 4_102_444_800_000, 297_220_000n],
  ])("of %s with seed %d at %d ms is %s", (symbol, seed, atMs, price) => {
    expect(referencePrice(listed(symbol), seed, atMs)).toBe(price);
  });

  it("is on tick and within 8 % of the base price, for any seed and time", () => {
    fc.assert(
      fc.property(markets, seeds, times, (rules, seed, atMs) => {
        const price = referencePrice(rules, seed, atMs);
        expect(price % rules.tickSize).toBe(0n);
        expect(price * 100n >= rules.basePrice * 92n && price * 100n <= rules.basePrice * 108n).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it("holds for one whole step", () => {
    fc.assert(
      fc.property(markets, seeds, times, (rules, seed, atMs) => {
        const first = atMs - (atMs % STEP_MS);
        const price = referencePrice(rules, seed, first);
        expect(referencePrice(rules, seed, atMs)).toBe(price);
        expect(referencePrice(rules, seed, first + STEP_MS - 1)).toBe(price);
      }),
    );
  });

  it("is the path's at that step", () => {
    fc.assert(
      fc.property(markets, seeds, times, (rules, seed, atMs) => {
        const ticks = pricePath(rules, seed)(Math.floor(atMs / STEP_MS));
        expect(referencePrice(rules, seed, atMs)).toBe(BigInt(ticks) * rules.tickSize);
      }),
    );
  });

  it("does not depend on the version of other rules", () => {
    const rules = listed("ETH-USD");
    const later: MarketRules = { ...rules, version: 2, status: "halted", makerFeeBps: 0, lotSize: rules.lotSize * 2n };
    expect(referencePrice(later, 5, 1e12)).toBe(referencePrice(rules, 5, 1e12));
  });

  it("differs from market to market and from seed to seed", () => {
    const rules = listed("AAPL-USD");
    const offsets = (symbol: string, seed: number) => {
      const path = pricePath({ ...rules, symbol }, seed);
      return Array.from({ length: 20 }, (_, i) => path(START + i * HOUR)).join();
    };
    const all = ["A-USD", "B-USD", "AB-USD", "BA-USD"].flatMap((s) =>
      [0, 1, -1, 2 ** 32, 2 ** 33].map((x) => offsets(s, x)),
    );
    expect(new Set(all).size).toBe(all.length);
  });

  it.each([
    [0n, 1n],
    [1n, 2n],
    [2n ** 26n + 1n, 1n],
  ])("is refused for a base of %s with a tick of %s", (basePrice, tickSize) => {
    expect(() => referencePrice({ symbol: "X-USD", basePrice, tickSize }, 1, 0)).toThrow(RangeError);
  });

  it("stays exact at the greatest base: one step is never a leap", () => {
    const path = pricePath({ symbol: "X-USD", basePrice: 2n ** 26n, tickSize: 1n }, 1);
    for (let step = START; step < START + HOUR; step += 1) {
      expect(Number.isSafeInteger(path(step))).toBe(true);
      expect(Math.abs(path(step + 1) - path(step)) / 2 ** 26).toBeLessThan(0.001);
    }
  });
});

describe("what an amount is worth in dollars", () => {
  it("is its notional at the reference price of the moment", () => {
    const rules = listed("SOL-USD");
    expect(usdWorth("SOL", 250_000_000n, 7, 1e12)).toBe((referencePrice(rules, 7, 1e12) * 5n) / 2n);
  });

  it("is itself for dollars, and nothing for what has no market against them", () => {
    expect(usdWorth("USD", 5n, 7, 1e12)).toBe(5n);
    expect(usdWorth("GOLD", 5n, 7, 1e12)).toBe(0n);
  });
});

describe.each(MARKETS)("over sixty days $symbol", (rules) => {
  const path = pricePath(rules, 42);
  const base = Number(rules.basePrice / rules.tickSize);
  const samples = Array.from({ length: 60 * 24 * 4 }, (_, i) => START + i * 900);

  it("moves by about 1 % an hour", () => {
    const squares = samples.map((step) => (path(step + HOUR) / path(step) - 1) ** 2);
    const deviation = Math.sqrt(squares.reduce((sum, x) => sum + x, 0) / squares.length);
    expect(deviation).toBeGreaterThan(0.006);
    expect(deviation).toBeLessThan(0.014);
  });

  it("visits both sides of its base and never leaps more than 0.1 % in a second", () => {
    const offsets = samples.map((step) => path(step) / base - 1);
    expect(Math.min(...offsets)).toBeLessThan(-0.02);
    expect(Math.max(...offsets)).toBeGreaterThan(0.02);
    expect(Math.max(...samples.map((step) => Math.abs(path(step + 1) - path(step)) / base))).toBeLessThan(0.001);
  });
});
