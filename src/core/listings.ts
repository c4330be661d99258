// What is listed from the start: assets, and the rules under which their USD markets open. A market object owns its rules
// from then on and counts their versions; this file only says how they begin.
import { unitsOf } from "./decimal.ts";
import { BREAKER_BPS, BREAKER_HALT_MS, BREAKER_WINDOW_MS, MARKET_OPEN_ORDERS_MAX } from "./limits.ts";
import { invariant } from "./result.ts";

/** What an asset is. */
export type AssetClass = "crypto" | "equity" | "fiat";

/** `scale`: digits after the point of one whole unit. */
export interface Asset {
  symbol: string;
  name: string;
  class: AssetClass;
  scale: number;
  status: "active";
}

/**
 * What a market takes: `open` all; `post_only` post-only orders alone, and nothing trades; `cancel_only` and `halted` no orders.
 * Cancels work in all. A `halted` one is halted by somebody or something, and says so in {@link MarketHalt}.
 */
export const MARKET_STATUSES = ["open", "post_only", "cancel_only", "halted"] as const;
/** One of {@link MARKET_STATUSES}. */
export type MarketStatus = (typeof MARKET_STATUSES)[number];

/** Who or what has halted a market, until when (ms; null: until an operator says so), and what it was before. */
export interface MarketHalt {
  reason: "circuit_breaker" | "kill_switch" | "operator";
  until: number | null;
  before: MarketStatus;
}

/**
 * One market's rules. Prices (`tickSize`, `basePrice`) in quote units per whole base unit; `lotSize` and `maxQty` in base
 * units; `minNotional` in quote units; band and fees in hundredths of a percent. tickSize × lotSize is a whole number of
 * quote units times 10^baseScale, so that a notional never rounds. `basePrice` is the middle of the simulated price.
 * `maxOpenOrders` is what one account may have open here. The breaker halts the market for `breakerHaltMs` where a trade would be
 * farther from the reference than `priceBandBps` and `breakerBps` together, and where the reference itself has moved by more
 * than `breakerBps` within `breakerWindowMs`. `halt` is there while the status is `halted`; `openedAt` (ms) is when it last opened
 * again: the breaker looks no farther back.
 */
export interface MarketRules {
  symbol: string;
  base: string;
  quote: string;
  baseScale: number;
  quoteScale: number;
  version: number;
  status: MarketStatus;
  halt: MarketHalt | null;
  openedAt: number;
  tickSize: bigint;
  lotSize: bigint;
  minNotional: bigint;
  maxQty: bigint;
  maxOpenOrders: number;
  priceBandBps: number;
  breakerBps: number;
  breakerWindowMs: number;
  breakerHaltMs: number;
  makerFeeBps: number;
  takerFeeBps: number;
  basePrice: bigint;
}

const USD: Asset = { symbol: "USD", name: "US Dollar", class: "fiat", scale: 6, status: "active" };

type Listing = readonly [
  symbol: string,
  name: string,
  assetClass: AssetClass,
  scale: number,
  price: string,
  tick: string,
  lot: string,
  maxQty: string,
];

// Tick × lot is 0.000001 USD throughout: the least that leaves notionals whole. Within that, a tick is under 0.7 bps and a
// lot under 0.05 USD, so that both stay fine when the price moves.
const LISTINGS: readonly Listing[] = [
  ["BTC", "Bitcoin", "crypto", 8, "60000", "2", "0.0000005", "50"],
  ["ETH", "Ether", "crypto", 8, "2500", "0.1", "0.00001", "1000"],
  ["SOL", "Solana", "crypto", 8, "180", "0.01", "0.0001", "20000"],
  ["XRP", "XRP", "crypto", 6, "2", "0.0001", "0.01", "1500000"],
  ["ADA", "Cardano", "crypto", 6, "0.6", "0.00002", "0.05", "5000000"],
  ["DOGE", "Dogecoin", "crypto", 6, "0.2", "0.00001", "0.1", "15000000"],
  ["LINK", "Chainlink", "crypto", 8, "20", "0.001", "0.001", "150000"],
  ["AAPL", "Apple", "equity", 6, "230", "0.01", "0.0001", "15000"],
  ["MSFT", "Microsoft", "equity", 6, "430", "0.01", "0.0001", "10000"],
  ["NVDA", "NVIDIA", "equity", 6, "180", "0.01", "0.0001", "20000"],
  ["TSLA", "Tesla", "equity", 6, "300", "0.01", "0.0001", "10000"],
];

function usdMarket([base, , , baseScale, price, tick, lot, maxQty]: Listing): MarketRules {
  return {
    symbol: `${base}-${USD.symbol}`,
    base,
    quote: USD.symbol,
    baseScale,
    quoteScale: USD.scale,
    version: 1,
    status: "open",
    halt: null,
    openedAt: 0,
    tickSize: unitsOf(tick, USD.scale),
    lotSize: unitsOf(lot, baseScale),
    minNotional: unitsOf("1", USD.scale),
    maxQty: unitsOf(maxQty, baseScale),
    maxOpenOrders: MARKET_OPEN_ORDERS_MAX,
    priceBandBps: 1_000,
    breakerBps: BREAKER_BPS,
    breakerWindowMs: BREAKER_WINDOW_MS,
    breakerHaltMs: BREAKER_HALT_MS,
    makerFeeBps: 10,
    takerFeeBps: 20,
    basePrice: unitsOf(price, USD.scale),
  };
}

/** Every asset, the quote currency first. */
export const ASSETS: readonly Asset[] = [
  USD,
  ...LISTINGS.map(
    ([symbol, name, assetClass, scale]): Asset => ({ symbol, name, class: assetClass, scale, status: "active" }),
  ),
];

/** Every market as it opens, version 1. */
export const MARKETS: readonly MarketRules[] = LISTINGS.map(usdMarket);

const ASSET_BY_SYMBOL = new Map(ASSETS.map((asset) => [asset.symbol, asset]));
const MARKET_BY_SYMBOL = new Map(MARKETS.map((market) => [market.symbol, market]));

/** The asset with this symbol, or undefined when none is listed. Symbols are upper-case and matched exactly. */
export function findAsset(symbol: string): Asset | undefined {
  return ASSET_BY_SYMBOL.get(symbol);
}

/** The asset with a symbol that must be listed. Throws InvariantError for one that is not. */
export function listedAsset(symbol: string): Asset {
  const asset = findAsset(symbol);
  invariant(asset !== undefined, `asset ${symbol} is not listed`);
  return asset;
}

/** The opening rules of the market with this symbol (`BTC-USD`), or undefined when none is listed. */
export function findMarket(symbol: string): MarketRules | undefined {
  return MARKET_BY_SYMBOL.get(symbol);
}

/** The opening rules of a market that must be listed. Throws InvariantError for one that is not. */
export function listedMarket(symbol: string): MarketRules {
  const rules = findMarket(symbol);
  invariant(rules !== undefined, `market ${symbol} is not listed`);
  return rules;
}
