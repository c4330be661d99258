// Positions at average cost, fees included, so that equity = deposits − withdrawals + realised + unrealised, to the unit.

import { invariant } from "./result.ts";

/** What an account has of one market's base asset: base units, and what they cost and have brought in, in quote units. */
export interface Position {
  symbol: string;
  qty: bigint;
  costBasis: bigint;
  realizedPnl: bigint;
}

/** A position that has never been opened. */
export function flatPosition(symbol: string): Position {
  return { symbol, qty: 0n, costBasis: 0n, realizedPnl: 0n };
}

/** After base units came in for `cost` quote units (a buy: notional plus fee; a deposit: its value then). */
export function addToPosition(position: Position, qty: bigint, cost: bigint): Position {
  return { ...position, qty: position.qty + qty, costBasis: position.costBasis + cost };
}

/**
 * After base units left for `proceeds` quote units (a sale: notional less fee). Cost leaves in proportion, rounded down,
 * and all of it with the last unit. Null proceeds (a withdrawal) realise nothing. Throws InvariantError for more units than
 * there are: money and position have come apart.
 */
export function takeFromPosition(position: Position, qty: bigint, proceeds: bigint | null): Position {
  invariant(qty <= position.qty, `${qty} of ${position.symbol} leave a position of ${position.qty}`);
  const cost = (position.costBasis * qty) / position.qty;
  return {
    ...position,
    qty: position.qty - qty,
    costBasis: position.costBasis - cost,
    realizedPnl: position.realizedPnl + (proceeds === null ? 0n : proceeds - cost),
  };
}
