import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDecimal } from "../../src/core/decimal.ts";
import { type HouseQuote, houseQuotes, nextCrossingStep } from "../../src/core/house.ts";
import { findMarket, MARKETS, type MarketRules } from "../../src/core/listings.ts";
import { notionalOf } from "../../src/core/order.ts";
import { referencePrice, STEP_MS } from "../../src/core/prices.ts";

const START = Date.UTC(2026, 10, 21) / STEP_MS;
const LEVEL_WORTH = 10_000n * 10n ** 6n;
const SEED = 42;

function listed(symbol: string): MarketRules {
  const rules = findMarket(symbol);
  if (rules === undefined) throw new Error(`${symbol} is not listed`);
  return rules;
}

function picture(rules: MarketRules, quotes: HouseQuote[], side: "buy" | "sell"): string {
  return quotes
    .filter((quote) => quote.side === side)
    .map((quote) => `${formatDecimal(quote.price, rules.quoteScale)} × ${formatDecimal(quote.qty, rules.baseScale)}`)
    .slice(0, 3)
    .join(", ");
}

/** Whether the house's best quotes at a step meet an order that rests. */
function crosses(rules: MarketRules, step: number, bid: bigint | null, ask: bigint | null): boolean {
  const quotes = houseQuotes(rules, referencePrice(rules, SEED, step * STEP_MS));
  const buy = quotes.find((quote) => quote.side === "buy");
  const sell = quotes.find((quote) => quote.side === "sell");
  if (buy === undefined || sell === undefined) throw new Error("the house quotes both sides");
  return (bid !== null && sell.price <= bid) || (ask !== null && buy.price >= ask);
}

describe("at its base price the house quotes", () => {
  it.each([
    [
      "BTC-USD",
      "59970 × 0.1667505, 59958 × 0.1667835, 59946 × 0.166817",
      "60030 × 0.1665835, 60042 × 0.1665505, 60054 × 0.166517",
    ],
    [
      "SOL-USD",
      "179.91 × 55.5834, 179.87 × 55.5958, 179.83 × 55.6081",
      "180.09 × 55.5278, 180.13 × 55.5155, 180.17 × 55.5032",
    ],
    [
      "DOGE-USD",
      "0.1999 × 50025.1, 0.19986 × 50035.1, 0.19982 × 50045.1",
      "0.2001 × 49975.1, 0.20014 × 49965.1, 0.20018 × 49955.1",
    ],
    [
      "AAPL-USD",
      "229.88 × 43.501, 229.83 × 43.5105, 229.78 × 43.5199",
      "230.12 × 43.4556, 230.17 × 43.4462, 230.22 × 43.4368",
    ],
  ])("%s with bids %s … and asks %s …", (symbol, bids, asks) => {
    const rules = listed(symbol);
    const quotes = houseQuotes(rules, rules.basePrice);
    expect(picture(rules, quotes, "buy")).toBe(bids);
    expect(picture(rules, quotes, "sell")).toBe(asks);
  });
});

describe.each(MARKETS)("$symbol, at any price that it may have", (rules) => {
  const references = [92n, 95n, 99n, 100n, 104n, 108n].map((percent) => {
    const price = (rules.basePrice * percent) / 100n;
    return price - (price % rules.tickSize);
  });

  it.each(references)("reference %s", (reference) => {
    const quotes = houseQuotes(rules, reference);
    const bids = quotes.slice(0, 10);
    const asks = quotes.slice(10);
    expect(bids.every((quote) => quote.side === "buy")).toBe(true);
    expect(asks.every((quote) => quote.side === "sell")).toBe(true);
    expect(asks).toHaveLength(10);
    const prices = [...bids.toReversed(), ...asks].map((quote) => quote.price);
    prices.forEach((price, i) => {
      expect(i === 0 || price > (prices[i - 1] ?? price)).toBe(true);
    });
    const spread = (asks[0]?.price ?? 0n) - (bids[0]?.price ?? 0n);
    expect(spread >= 4n * rules.tickSize && spread * 10_000n >= 10n * reference).toBe(true);
    for (const quote of quotes) {
      expect(quote.price % rules.tickSize).toBe(0n);
      expect(quote.qty % rules.lotSize).toBe(0n);
      expect(quote.qty <= rules.maxQty).toBe(true);
      expect(notionalOf(quote.price, quote.qty, rules.baseScale) >= LEVEL_WORTH).toBe(true);
      expect(notionalOf(quote.price, quote.qty - rules.lotSize, rules.baseScale) < LEVEL_WORTH).toBe(true);
      const off = quote.price > reference ? quote.price - reference : reference - quote.price;
      expect(off * 10_000n <= BigInt(rules.priceBandBps) * reference).toBe(true);
    }
  });
});

describe("when a price is only a few ticks", () => {
  const rules: MarketRules = { ...listed("BTC-USD"), tickSize: 1_000_000n, basePrice: 4_000_000n };

  it("the spread is still four ticks, and no bid is at zero", () => {
    const quotes = houseQuotes(rules, 4_000_000n);
    expect(quotes.filter((quote) => quote.side === "buy").map((quote) => quote.price)).toEqual([
      2_000_000n,
      1_000_000n,
    ]);
    expect(quotes.filter((quote) => quote.side === "sell").map((quote) => quote.price)[0]).toBe(6_000_000n);
  });

  it("a reference off tick counts as the tick below", () => {
    expect(houseQuotes(rules, 4_999_999n)).toEqual(houseQuotes(rules, 4_000_000n));
  });
});

describe("the next step at which the house meets a resting order", () => {
  const rules = listed("BTC-USD");

  it("is the horizon when nothing rests", () => {
    expect(nextCrossingStep(rules, SEED, START, null, null)).toBe(START + 3_600);
    expect(nextCrossingStep(rules, SEED, START, null, null, 10)).toBe(START + 10);
  });

  it("is the horizon when the orders are out of reach", () => {
    expect(nextCrossingStep(rules, SEED, START, rules.tickSize, rules.basePrice * 2n)).toBe(START + 3_600);
  });

  it("is the very next one when an order is met at once", () => {
    expect(nextCrossingStep(rules, SEED, START, rules.basePrice * 2n, null)).toBe(START + 1);
    expect(nextCrossingStep(rules, SEED, START, null, rules.tickSize)).toBe(START + 1);
  });

  it("is the first at which its quotes cross, and no earlier", () => {
    const away = fc.option(fc.integer({ min: -20, max: 40 }), { nil: null });
    const markets = fc.constantFrom(...MARKETS);
    const starts = fc.integer({ min: START, max: START + 1_000_000 });
    let met = 0;
    fc.assert(
      fc.property(markets, starts, away, away, fc.boolean(), (market, from, below, above, offTick) => {
        const reference = referencePrice(market, SEED, from * STEP_MS);
        const shift = offTick ? market.tickSize / 3n : 0n;
        const off = (bps: number) => ((reference * BigInt(bps)) / 10_000n / market.tickSize) * market.tickSize + shift;
        const bid = below === null ? null : reference - off(below);
        const ask = above === null ? null : reference + off(above);
        const found = nextCrossingStep(market, SEED, from, bid, ask, 120);
        expect(found > from && found <= from + 120).toBe(true);
        for (let step = from + 1; step < found; step += 1) expect(crosses(market, step, bid, ask)).toBe(false);
        if (found === from + 120) return;
        met += 1;
        expect(crosses(market, found, bid, ask)).toBe(true);
      }),
      { numRuns: 300 },
    );
    expect(met).toBeGreaterThan(50);
  });

  it("is found for a whole hour within 10 ms", () => {
    const look = () => nextCrossingStep(rules, SEED, START, rules.tickSize, rules.basePrice * 2n);
    look();
    const times = Array.from({ length: 5 }, () => {
      const from = performance.now();
      look();
      return performance.now() - from;
    });
    expect(Math.min(...times)).toBeLessThan(10);
  });
});
