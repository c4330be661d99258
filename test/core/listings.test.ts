import { describe, expect, it } from "vitest";
import { ASSETS, findAsset, findMarket, MARKETS } from "../../src/core/listings.ts";
import { UNITS_MAX } from "../../src/core/money.ts";
import { notionalOf } from "../../src/core/order.ts";

const USD = 10n ** 6n;
const BPS = 10_000n;
// The simulated price stays within 8 % of its base.
const low = (price: bigint) => (price * 92n) / 100n;
const high = (price: bigint) => (price * 108n) / 100n;

describe("assets", () => {
  it("are US dollars with six digits, at least six crypto assets and four equities", () => {
    expect(findAsset("USD")).toMatchObject({ class: "fiat", scale: 6 });
    expect(ASSETS.filter((asset) => asset.class === "crypto").length).toBeGreaterThanOrEqual(6);
    expect(ASSETS.filter((asset) => asset.class === "equity").length).toBeGreaterThanOrEqual(4);
  });

  it("have each a symbol of its own", () => {
    expect(new Set(ASSETS.map((asset) => asset.symbol)).size).toBe(ASSETS.length);
  });

  it.each(["usd", "BTC-USD", "", "__proto__", "constructor"])("do not include %j", (symbol) => {
    expect(findAsset(symbol)).toBeUndefined();
  });
});

describe("markets", () => {
  it("are one for every asset but the dollar", () => {
    expect(MARKETS.map((market) => market.base)).toEqual(ASSETS.slice(1).map((asset) => asset.symbol));
  });

  it.each(["btc-usd", "BTC", "USD-USD", "", "__proto__"])("do not include %j", (symbol) => {
    expect(findMarket(symbol)).toBeUndefined();
  });
});

describe.each(MARKETS)("$symbol", (rules) => {
  const { baseScale, tickSize, lotSize, maxQty, minNotional, basePrice } = rules;

  it("is found by its symbol and open under its first rules", () => {
    expect(findMarket(rules.symbol)).toBe(rules);
    expect(rules).toMatchObject({ symbol: `${rules.base}-USD`, quote: "USD", version: 1, status: "open" });
  });

  it("has the scales of its assets", () => {
    expect(findAsset(rules.base)?.scale).toBe(baseScale);
    expect(findAsset(rules.quote)?.scale).toBe(rules.quoteScale);
  });

  it("has no notional that would have to be rounded", () => {
    expect((tickSize * lotSize) % 10n ** BigInt(baseScale)).toBe(0n);
  });

  it("has a tick of at most 2 bps of the price, three times over at the base", () => {
    expect(tickSize * BPS <= 2n * low(basePrice)).toBe(true);
    expect(3n * tickSize * BPS <= 2n * basePrice).toBe(true);
  });

  it("has a lot worth at most 0.10 USD, twice over at the dearest", () => {
    expect(2n * notionalOf(high(basePrice), lotSize, baseScale) <= USD / 10n).toBe(true);
  });

  it("has a least order of at most 10 USD, and more than a lot", () => {
    expect(minNotional > notionalOf(high(basePrice), lotSize, baseScale)).toBe(true);
    expect(minNotional <= 10n * USD).toBe(true);
  });

  it("has a greatest order worth 1,000,000 USD at the cheapest, in whole lots and far from the bound", () => {
    expect(notionalOf(low(basePrice), maxQty, baseScale) >= 1_000_000n * USD).toBe(true);
    expect(maxQty % lotSize).toBe(0n);
    expect(maxQty * 2n <= UNITS_MAX).toBe(true);
    expect(notionalOf(2n * high(basePrice), maxQty, baseScale) <= UNITS_MAX).toBe(true);
  });

  it("has a base price on tick, a band of 10 % and fees of 10 and 20 bps", () => {
    expect(basePrice % tickSize).toBe(0n);
    expect(rules).toMatchObject({ priceBandBps: 1_000, makerFeeBps: 10, takerFeeBps: 20 });
  });
});
