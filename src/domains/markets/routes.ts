// Assets, markets and books over HTTP; public.
import type { Context } from "hono";
import { ok } from "../../core/result.ts";
import { sendPublic } from "../../http/answer.ts";
import type { AppEnv } from "../../http/context.ts";
import { answer, createRouter, operation, problems } from "../../http/openapi.ts";
import { assetList, assetOut, bookOut, depthQuery, marketList, marketOut, symbolPath } from "./schema.ts";
import {
  listAssets,
  listMarkets,
  type PriceContext,
  readAsset,
  readBook,
  readMarket,
  wireBook,
  wireMarket,
} from "./service.ts";

const tags = ["Markets"];
const access = "public";
const ASSETS_MAX_AGE_SECONDS = 60;
const MARKETS_MAX_AGE_SECONDS = 1;

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
  summary: "Every market and its rules",
  responses: { 200: answer(marketList, "Markets"), ...problems() },
});
const market = operation({
  method: "get",
  path: "/v1/markets/{symbol}",
  access,
  tags,
  summary: "One market and its rules",
  request: { params: symbolPath },
  responses: { 200: answer(marketOut, "The market"), ...problems("not_found") },
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
  .openapi(markets, (c) => {
    const render = (found: ReturnType<typeof listMarkets>) => ({ data: found.map(wireMarket), next_cursor: null });
    return sendPublic(c, ok(listMarkets(pricesOf(c))), render, MARKETS_MAX_AGE_SECONDS);
  })
  .openapi(market, (c) =>
    sendPublic(c, readMarket(pricesOf(c), c.req.valid("param").symbol), wireMarket, MARKETS_MAX_AGE_SECONDS),
  )
  .openapi(book, async (c) => {
    const found = await readBook(c.env, c.req.valid("param").symbol, c.req.valid("query").depth);
    return sendPublic(c, found, wireBook, 0);
  });
