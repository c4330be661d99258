// Positions and the portfolio over HTTP.
import type { Context } from "hono";
import { wirePosition } from "../../core/wire.ts";
import { wirePositionExplained, wirePositionLots } from "../../core/wire-history.ts";
import { send } from "../../http/answer.ts";
import { asOfQuery } from "../../http/as-of.ts";
import { type AppEnv, accessOf } from "../../http/context.ts";
import { symbolPath } from "../../http/market-shape.ts";
import { answer, createRouter, operation, pageOf, pageQuery, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { cursorText, withCursor } from "../../http/page.ts";
import { readPerformance, wirePerformance } from "./performance.ts";
import {
  performanceOut,
  performanceQuery,
  portfolioOut,
  positionExplained,
  positionList,
  positionLots,
  positionOut,
  snapshotOut,
} from "./schema.ts";
import {
  explainPosition,
  type PortfolioContext,
  readLots,
  readPortfolio,
  readPosition,
  type ValuedPosition,
  wirePortfolio,
} from "./service.ts";
import { listSnapshots } from "./snapshots.ts";

const tags = ["Portfolio"];
const door = { access: "account:read", asksAccount: true } as const;

const positions = operation({
  method: "get",
  path: "/v1/positions",
  ...door,
  tags,
  summary: "Your positions at average cost, now or as they were",
  request: { query: asOfQuery },
  responses: { 200: answer(positionList, "Positions"), ...problems(...TOKEN_CODES, "period_archived") },
});
const position = operation({
  method: "get",
  path: "/v1/positions/{symbol}",
  ...door,
  tags,
  summary: "One position, now or as it was",
  request: { params: symbolPath, query: asOfQuery },
  responses: { 200: answer(positionOut, "The position"), ...problems(...TOKEN_CODES, "not_found", "period_archived") },
});
const explanation = operation({
  method: "get",
  path: "/v1/positions/{symbol}/explain",
  ...door,
  tags,
  summary: "What makes a position: fills and transfers, oldest first, and the lots that are left",
  description:
    "Each entry says how it changed quantity, cost and realized profit, and the position after it; after the last it is " +
    "`value`. `lots` are what is left when the oldest units leave first; their cost is another way to count than the average's.",
  request: { params: symbolPath, query: pageQuery },
  responses: {
    200: answer(positionExplained, "The position and its entries"),
    ...problems(...TOKEN_CODES, "not_found", "period_archived"),
  },
});
const lots = operation({
  method: "get",
  path: "/v1/positions/{symbol}/lots",
  ...door,
  tags,
  summary: "A position by its lots: cost and profit when the oldest units leave first",
  description:
    "`value` is the same position at average cost. Both count the same money: what one has made more by sales, what is left has cost " +
    "it more. `fifo` is null for a position with more than 5,000 entries, or with some that have been archived.",
  request: { params: symbolPath },
  responses: { 200: answer(positionLots, "The position and its lots"), ...problems(...TOKEN_CODES, "not_found") },
});
const portfolio = operation({
  method: "get",
  path: "/v1/portfolio",
  ...door,
  tags,
  summary: "Equity, cash, profit and allocation, now or as they were",
  request: { query: asOfQuery },
  responses: { 200: answer(portfolioOut, "The portfolio"), ...problems(...TOKEN_CODES, "period_archived") },
});

const history = operation({
  method: "get",
  path: "/v1/portfolio/history",
  ...door,
  tags,
  summary: "How your portfolio has done: equity, what was paid in and out, profit, and the return without both",
  description:
    "Equity changes by deposits, withdrawals and profit, to the unit. The return is time-weighted: what is paid in or out does " +
    "not change it. Each point is the state of the ledger then at the reference prices of then. It goes no further back than the " +
    "account's `archived_before`; /v1/portfolio/snapshots does.",
  request: { query: performanceQuery },
  responses: {
    200: answer(performanceOut, "The period and its points"),
    ...problems(...TOKEN_CODES, "period_archived"),
  },
});

const snapshots = operation({
  method: "get",
  path: "/v1/portfolio/snapshots",
  access: "account:read",
  tags,
  summary: "What your portfolio was worth at each 00:00 UTC, newest first",
  description:
    "Written down once, soon after that time, at the prices of it. A day that was missed has none; the next snapshot's flows and " +
    "return are those since the one before it.",
  request: { query: pageQuery },
  responses: { 200: answer(pageOf(snapshotOut), "Snapshots"), ...problems(...TOKEN_CODES) },
});

function contextOf(c: Context<AppEnv>): PortfolioContext {
  return { ...accessOf(c), priceSeed: c.get("config").priceSeed, nowMs: Date.now() };
}

const render = ({ position, price }: ValuedPosition) => wirePosition(position, price);

export const portfolioRouter = createRouter()
  .openapi(positions, async (c) => {
    const found = await readPortfolio(contextOf(c), c.req.valid("query").as_of ?? null);
    return send(c, found, (all) => ({ data: all.positions.map(render), next_cursor: null }), 200);
  })
  .openapi(position, async (c) => {
    const { symbol } = c.req.valid("param");
    return send(c, await readPosition(contextOf(c), symbol, c.req.valid("query").as_of ?? null), render, 200);
  })
  .openapi(explanation, async (c) => {
    const { symbol } = c.req.valid("param");
    const { limit, cursor: from } = c.req.valid("query");
    const found = await withCursor(from, (cursor) => explainPosition(contextOf(c), { symbol, limit, cursor }));
    return send(
      c,
      found,
      (one) => ({
        value: render(one.valued),
        ...wirePositionExplained(one),
        next_cursor: cursorText(one.nextCursor),
      }),
      200,
    );
  })
  .openapi(lots, async (c) => {
    const found = await readLots(contextOf(c), c.req.valid("param").symbol);
    return send(c, found, (one) => ({ value: render(one.valued), ...wirePositionLots(one, one.valued.price) }), 200);
  })
  .openapi(portfolio, async (c) => {
    const found = await readPortfolio(contextOf(c), c.req.valid("query").as_of ?? null);
    return send(c, found, wirePortfolio, 200);
  })
  .openapi(history, async (c) => {
    const wish = c.req.valid("query");
    const found = await readPerformance(contextOf(c), wish);
    return send(c, found, (one) => wirePerformance(wish.period, one), 200);
  })
  .openapi(snapshots, async (c) => {
    const { env, caller } = accessOf(c);
    return send(c, await listSnapshots(env, caller.accountId, c.req.valid("query")), (page) => page, 200);
  });
