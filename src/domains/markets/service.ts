// The verbs of markets: assets from the listing, rules and book from the market objects.
import { formatDecimal } from "../../core/decimal.ts";
import { ASSETS, type Asset, findAsset, findMarket, type MarketRules, type MarketStatus } from "../../core/listings.ts";
import { referencePrice } from "../../core/prices.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import type { BookLevel, BookView, MarketView } from "../../objects/protocol.ts";
import { callObject, marketStub, type ObjectBindings, readAllRules, readRules } from "../../objects/stubs.ts";

/** A market's rules, what it takes, and the price that its bands go by now. */
export interface MarketNow {
  rules: MarketRules;
  takes: MarketStatus;
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

/** Every listed market, at most a second late. One that does not answer takes no orders, and is shown as halted. */
export async function listMarkets(env: ObjectBindings, ctx: PriceContext): Promise<MarketNow[]> {
  const views = await readAllRules(env, ctx.nowMs);
  return views.map((view) => nowOf(view, ctx));
}

/** One market as it is now. Refuses `not_found`, and `unavailable` when it does not answer. */
export async function readMarket(env: ObjectBindings, ctx: PriceContext, symbol: string): Promise<Result<MarketNow>> {
  if (findMarket(symbol) === undefined) return refuse({ code: "not_found" });
  const view = await readRules(env, symbol);
  return view.ok ? ok(nowOf(view.value, ctx)) : view;
}

function nowOf({ rules, takes }: MarketView, { priceSeed, nowMs }: PriceContext): MarketNow {
  return { rules, takes, reference: referencePrice(rules, priceSeed, nowMs) };
}

/** The book of a market. Refuses `not_found`, and `unavailable`; an unknown symbol never wakes an object. */
export async function readBook(env: ObjectBindings, symbol: string, depth: number): Promise<Result<BookView>> {
  if (findMarket(symbol) === undefined) return refuse({ code: "not_found" });
  return callObject(async () => {
    const book = await marketStub(env, symbol).book(depth);
    return book === null ? refuse({ code: "unavailable", detail: "This market is halted." }) : ok(book);
  });
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
