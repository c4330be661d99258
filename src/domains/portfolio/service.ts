// The verbs of the portfolio: positions at average cost, valued at reference prices. Equity is cash plus positions, exactly.
import type { Balance } from "../../core/account/state.ts";
import { formatUnits } from "../../core/ledger.ts";
import { findMarket } from "../../core/listings.ts";
import { notionalOf } from "../../core/order.ts";
import { flatPosition, type Position } from "../../core/positions.ts";
import { referencePrice } from "../../core/prices.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { weightsBps } from "../../core/weights.ts";
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
}

/** The caller's positions and cash, valued now. */
export async function readPortfolio(ctx: PortfolioContext): Promise<Result<Portfolio>> {
  const result = await askAccount(ctx, async (account, caller) => account.positions(caller));
  if (!result.ok) return result;
  const usd = result.value.balances.find((balance: Balance) => balance.asset === "USD");
  const cash = usd === undefined ? 0n : usd.available + usd.held;
  const positions = result.value.positions.map((position) => valued(ctx, position));
  return ok({ cash, positions, seq: result.value.seq });
}

function valued(ctx: PortfolioContext, position: Position): ValuedPosition {
  const rules = findMarket(position.symbol);
  if (rules === undefined) return { position, price: 0n, value: 0n };
  const price = referencePrice(rules, ctx.priceSeed, ctx.nowMs);
  return { position, price, value: notionalOf(price, position.qty, rules.baseScale) };
}

/** One position; flat when the market exists and the account never traded it. Refuses `not_found`. */
export async function readPosition(ctx: PortfolioContext, symbol: string): Promise<Result<ValuedPosition>> {
  if (findMarket(symbol) === undefined) return refuse({ code: "not_found" });
  const portfolio = await readPortfolio(ctx);
  if (!portfolio.ok) return portfolio;
  return ok(portfolio.value.positions.find((p) => p.position.symbol === symbol) ?? valued(ctx, flatPosition(symbol)));
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
