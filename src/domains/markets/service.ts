// The verbs of markets: the catalogue from the listing, the book from the market object.
import { formatDecimal } from "../../core/decimal.ts";
import { ASSETS, type Asset, findAsset, findMarket, MARKETS, type MarketRules } from "../../core/listings.ts";
import { referencePrice } from "../../core/prices.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { wirePrice } from "../../core/wire.ts";
import type { BookLevel, BookView } from "../../objects/protocol.ts";
import { callObject, marketStub, type ObjectBindings } from "../../objects/stubs.ts";

/** A market's rules and the price that its bands go by now. */
export interface MarketNow {
  rules: MarketRules;
  reference: bigint;
}

/** What prices are simulated from, and when. */
export interface PriceContext {
  priceSeed: number;
  nowMs: number;
}

/** Every listed asset. */
export function listAssets(): readonly Asset[] {
  return ASSETS;
}

/** One asset. Refuses `not_found`. */
export function readAsset(symbol: string): Result<Asset> {
  const asset = findAsset(symbol);
  return asset === undefined ? refuse({ code: "not_found" }) : ok(asset);
}

/** Every listed market. */
export function listMarkets(ctx: PriceContext): MarketNow[] {
  return MARKETS.map((rules) => ({ rules, reference: referencePrice(rules, ctx.priceSeed, ctx.nowMs) }));
}

/** One market. Refuses `not_found`. */
export function readMarket(ctx: PriceContext, symbol: string): Result<MarketNow> {
  const rules = findMarket(symbol);
  if (rules === undefined) return refuse({ code: "not_found" });
  return ok({ rules, reference: referencePrice(rules, ctx.priceSeed, ctx.nowMs) });
}

/** The book of a market. Refuses `not_found`, and `unavailable`; an unknown symbol never wakes an object. */
export async function readBook(env: ObjectBindings, symbol: string, depth: number): Promise<Result<BookView>> {
  if (findMarket(symbol) === undefined) return refuse({ code: "not_found" });
  return callObject(async () => {
    const book = await marketStub(env, symbol).book(depth);
    return book === null ? refuse({ code: "unavailable", detail: "This market is halted." }) : ok(book);
  });
}

/** A market as the contract shows it. */
export function wireMarket({ rules, reference }: MarketNow) {
  return {
    symbol: rules.symbol,
    base: rules.base,
    quote: rules.quote,
    status: rules.status,
    tick_size: wirePrice(rules.tickSize, rules),
    lot_size: formatDecimal(rules.lotSize, rules.baseScale),
    min_notional: formatDecimal(rules.minNotional, rules.quoteScale),
    max_qty: formatDecimal(rules.maxQty, rules.baseScale),
    price_band_bps: rules.priceBandBps,
    maker_fee_bps: rules.makerFeeBps,
    taker_fee_bps: rules.takerFeeBps,
    order_types: ["market", "limit", "stop", "stop_limit", "take_profit", "trailing_stop"],
    time_in_force: ["gtc", "gtd", "day", "ioc", "fok"],
    reference_price: wirePrice(reference, rules),
  };
}

/** A book as the contract shows it: [price, qty] pairs, best first. */
export function wireBook(book: BookView) {
  const rules = findMarket(book.symbol);
  const side = (levels: BookLevel[]) =>
    levels.map(({ price, qty }): [string, string] => [
      formatDecimal(price, rules?.quoteScale ?? 0),
      formatDecimal(qty, rules?.baseScale ?? 0),
    ]);
  return { symbol: book.symbol, seq: book.seq, bids: side(book.bids), asks: side(book.asks) };
}
