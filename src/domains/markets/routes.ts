// Assets, markets and books over HTTP; public.
import type { Context } from "hono";
import { ok } from "../../core/result.ts";
import { wireMarket } from "../../core/wire-market.ts";
import { sendPublic } from "../../http/answer.ts";
import type { AppEnv } from "../../http/context.ts";
import { marketOut, symbolPath } from "../../http/market-shape.ts";
import { answer, createRouter, operation, problems } from "../../http/openapi.ts";
import { assetList, assetOut, bookOut, depthQuery, marketList } from "./schema.ts";
import { listAssets, listMarkets, type PriceContext, readAsset, readBook, readMarket, wireBook } from "./service.ts";

const tags = ["Markets"];
const access = "public";
const ASSETS_MAX_AGE_SECONDS = 60;

const assets = operation({
  method: "get",
  path: "/v1/assets",
  access,
  tags,
  summary: "Every asset",
  responses: { 200: answer(assetList, "Assets"), ...problems() },
});
const asset = operation({
  method: "get",
  path: "/v1/assets/{symbol}",
  access,
  tags,
  summary: "One asset",
  request: { params: symbolPath },
  responses: { 200: answer(assetOut, "The asset"), ...problems("not_found") },
});
const markets = operation({
  method: "get",
  path: "/v1/markets",
  access,
  tags,
  summary: "Every market and its rules, at most a second late",
  responses: { 200: answer(marketList, "Markets"), ...problems() },
});
const market = operation({
  method: "get",
  path: "/v1/markets/{symbol}",
  access,
  tags,
  summary: "One market and its rules, as they are now",
  request: { params: symbolPath },
  responses: { 200: answer(marketOut, "The market"), ...problems("not_found", "unavailable") },
});
const book = operation({
  method: "get",
  path: "/v1/markets/{symbol}/book",
  access,
  tags,
  summary: "The order book, best first",
  request: { params: symbolPath, query: depthQuery },
  responses: { 200: answer(bookOut, "The book"), ...problems("not_found", "validation_failed", "unavailable") },
});

function pricesOf(c: Context<AppEnv>): PriceContext {
  return { priceSeed: c.get("config").priceSeed, nowMs: Date.now() };
}

export const marketsRouter = createRouter()
  .openapi(assets, (c) =>
    sendPublic(c, ok(listAssets()), (data) => ({ data: [...data], next_cursor: null }), ASSETS_MAX_AGE_SECONDS),
  )
  .openapi(asset, (c) =>
    sendPublic(c, readAsset(c.req.valid("param").symbol), (found) => found, ASSETS_MAX_AGE_SECONDS),
  )
  .openapi(markets, async (c) => {
    const found = await listMarkets(c.env, pricesOf(c));
    return sendPublic(c, ok(found.map(wireMarket)), (data) => ({ data, next_cursor: null }), 0);
  })
  .openapi(market, async (c) => {
    const found = await readMarket(c.env, pricesOf(c), c.req.valid("param").symbol);
    return sendPublic(c, found, wireMarket, 0);
  })
  .openapi(book, async (c) => {
    const found = await readBook(c.env, c.req.valid("param").symbol, c.req.valid("query").depth);
    return sendPublic(c, found, wireBook, 0);
  });
