// The verbs of the portfolio: positions at average cost, valued at reference prices. Equity is cash plus positions, exactly.
import type { AsOf, PositionExplained, PositionLots } from "../../core/account/history.ts";
import type { Balance } from "../../core/account/state.ts";
import { formatUnits } from "../../core/ledger.ts";
import { findMarket } from "../../core/listings.ts";
import { notionalOf } from "../../core/order.ts";
import { flatPosition, type Position } from "../../core/positions.ts";
import { referencePrice } from "../../core/prices.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { weightsBps } from "../../core/weights.ts";
import type { PageRequest } from "../../objects/protocol.ts";
import { type AccountAccess, askAccount } from "../../objects/stubs.ts";

/** Who asks, where the objects are, and what prices are simulated from, and when. */
export interface PortfolioContext extends AccountAccess {
  priceSeed: number;
  nowMs: number;
}

/** A position and the price that it is valued at, in quote units per whole base unit. */
export interface ValuedPosition {
  position: Position;
  price: bigint;
  value: bigint;
}

/** Everything that the account has, valued at one moment. Amounts in USD units. */
export interface Portfolio {
  cash: bigint;
  positions: ValuedPosition[];
  seq: number;
  /** The time of the prices, in ms. */
  pricedAt: number;
}

/** A position, valued, and what makes it. */
export interface ExplainedPosition extends PositionExplained {
  valued: ValuedPosition;
}

/**
 * The caller's positions and cash, valued now; or as they were and were worth at a moment. Refuses `validation_failed` for
 * one that has not come.
 */
export async function readPortfolio(ctx: PortfolioContext, asOf: AsOf | null): Promise<Result<Portfolio>> {
  const result = await askAccount(ctx, async (account, caller) =>
    asOf === null ? account.positions(caller) : account.stateAt(caller, asOf),
  );
  if (!result.ok) return result;
  const { balances, seq } = result.value;
  const usd = balances.find((balance: Balance) => balance.asset === "USD");
  const cash = usd === undefined ? 0n : usd.available + usd.held;
  const pricedAt = asOf === null ? ctx.nowMs : result.value.asOf;
  const positions = result.value.positions.map((position: Position) => valued(ctx, position, pricedAt));
  return ok({ cash, positions, seq, pricedAt });
}

function valued(ctx: PortfolioContext, position: Position, pricedAt: number): ValuedPosition {
  const rules = findMarket(position.symbol);
  if (rules === undefined) return { position, price: 0n, value: 0n };
  const price = referencePrice(rules, ctx.priceSeed, pricedAt);
  return { position, price, value: notionalOf(price, position.qty, rules.baseScale) };
}

/** One position; flat when the market exists and the account never traded it. Refuses `not_found`, and as {@link readPortfolio}. */
export async function readPosition(
  ctx: PortfolioContext,
  symbol: string,
  asOf: AsOf | null,
): Promise<Result<ValuedPosition>> {
  if (findMarket(symbol) === undefined) return refuse({ code: "not_found" });
  const portfolio = await readPortfolio(ctx, asOf);
  if (!portfolio.ok) return portfolio;
  const { positions, pricedAt } = portfolio.value;
  return ok(positions.find((p) => p.position.symbol === symbol) ?? valued(ctx, flatPosition(symbol), pricedAt));
}

/** A position with a page of the entries that make it, oldest first, and its open lots. Refuses `not_found`. */
export async function explainPosition(
  ctx: PortfolioContext,
  query: PageRequest & { symbol: string },
): Promise<Result<ExplainedPosition>> {
  if (findMarket(query.symbol) === undefined) return refuse({ code: "not_found" });
  const explained = await askAccount(ctx, async (account, caller) => account.explainPosition(caller, query));
  if (!explained.ok) return explained;
  return ok({ ...explained.value, valued: valued(ctx, explained.value.value, ctx.nowMs) });
}

/** A position by its lots, first in, first out, and valued. Refuses `not_found`, and as {@link readPortfolio}. */
export async function readLots(
  ctx: PortfolioContext,
  symbol: string,
): Promise<Result<PositionLots & { valued: ValuedPosition }>> {
  if (findMarket(symbol) === undefined) return refuse({ code: "not_found" });
  const found = await askAccount(ctx, async (account, caller) => account.positionLots(caller, { symbol }));
  return found.ok ? ok({ ...found.value, valued: valued(ctx, found.value.value, ctx.nowMs) }) : found;
}

/** The portfolio as the contract shows it; the weights of what is worth anything add up to 10,000. */
export function wirePortfolio(portfolio: Portfolio) {
  const { cash, positions } = portfolio;
  const positionsValue = positions.reduce((sum, p) => sum + p.value, 0n);
  const equity = cash + positionsValue;
  const usd = (units: bigint) => formatUnits(units, "USD");
  const held = positions.map((p) => ({ asset: p.position.symbol.split("-")[0] ?? "", value: p.value }));
  const parts = [{ asset: "USD", value: cash }, ...held].filter((part) => part.value > 0n);
  const weights = weightsBps(parts.map((part) => part.value));
  return {
    equity: usd(equity),
    cash: usd(cash),
    positions_value: usd(positionsValue),
    unrealized_pnl: usd(positions.reduce((sum, p) => sum + p.value - p.position.costBasis, 0n)),
    realized_pnl: usd(positions.reduce((sum, p) => sum + p.position.realizedPnl, 0n)),
    allocation: parts.map(({ asset, value }, at) => ({ asset, value: usd(value), weight_bps: weights[at] ?? 0 })),
    seq: portfolio.seq,
  };
}
