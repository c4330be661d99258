// Positions and the portfolio over HTTP.
import type { Context } from "hono";
import { wirePosition } from "../../core/wire.ts";
import { send } from "../../http/answer.ts";
import { type AppEnv, accessOf } from "../../http/context.ts";
import { answer, createRouter, operation, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { portfolioOut, positionList, positionOut, symbolPath } from "./schema.ts";
import { type PortfolioContext, readPortfolio, readPosition, type ValuedPosition, wirePortfolio } from "./service.ts";

const tags = ["Portfolio"];
const door = { access: "account:read", asksAccount: true } as const;

const positions = operation({
  method: "get",
  path: "/v1/positions",
  ...door,
  tags,
  summary: "Your positions at average cost",
  responses: { 200: answer(positionList, "Positions"), ...problems(...TOKEN_CODES) },
});
const position = operation({
  method: "get",
  path: "/v1/positions/{symbol}",
  ...door,
  tags,
  summary: "One position",
  request: { params: symbolPath },
  responses: { 200: answer(positionOut, "The position"), ...problems(...TOKEN_CODES, "not_found") },
});
const portfolio = operation({
  method: "get",
  path: "/v1/portfolio",
  ...door,
  tags,
  summary: "Equity, cash, profit and allocation",
  responses: { 200: answer(portfolioOut, "The portfolio"), ...problems(...TOKEN_CODES) },
});

function contextOf(c: Context<AppEnv>): PortfolioContext {
  return { ...accessOf(c), priceSeed: c.get("config").priceSeed, nowMs: Date.now() };
}

const render = ({ position, price }: ValuedPosition) => wirePosition(position, price);

export const portfolioRouter = createRouter()
  .openapi(positions, async (c) => {
    const found = await readPortfolio(contextOf(c));
    return send(c, found, (all) => ({ data: all.positions.map(render), next_cursor: null }), 200);
  })
  .openapi(position, async (c) => send(c, await readPosition(contextOf(c), c.req.valid("param").symbol), render, 200))
  .openapi(portfolio, async (c) => send(c, await readPortfolio(contextOf(c)), wirePortfolio, 200));
