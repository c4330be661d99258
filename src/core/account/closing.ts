// The order that closes a position.
import { ok, type Result, refuse } from "../result.ts";
import type { OrderRequest } from "./admission.ts";
import { type AccountState, rulesOf } from "./state.ts";

/**
 * The market order that sells a position as it is: all of its whole lots, or all of it where it is less than one, which the lot
 * refuses. What open orders hold is counted in: an order that leaves part of a position where it is would close nothing.
 * Refuses `not_found` where there is no position. Throws for a market that is not listed.
 */
export function closingOrder(state: AccountState, symbol: string): Result<OrderRequest> {
  const qty = state.positions.get(symbol)?.qty ?? 0n;
  if (qty === 0n) return refuse({ code: "not_found", detail: "There is no position to close." });
  const dust = qty % rulesOf(state, symbol).lotSize;
  return ok({
    clientOrderId: null,
    symbol,
    side: "sell",
    type: "market",
    selfTradePrevention: "cancel_newest",
    timeInForce: "ioc",
    postOnly: false,
    qty: dust === qty ? qty : qty - dust,
    notional: null,
    limitPrice: null,
    expiresAt: null,
  });
}
