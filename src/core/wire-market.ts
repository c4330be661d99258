// The face of a market on the wire; the public and operators see the same.
import { formatDecimal } from "./decimal.ts";
import type { MarketRules, MarketStatus } from "./listings.ts";
import { wirePrice, wireTime } from "./wire.ts";

/** A market as the contract shows it: its rules, what it takes now, and the price that its bands go by. */
export function wireMarket({
  rules,
  takes,
  reference,
}: {
  rules: MarketRules;
  takes: MarketStatus;
  reference: bigint;
}) {
  const until = rules.halt?.until ?? null;
  const halt =
    rules.halt === null
      ? null
      : { reason: rules.halt.reason, until: until === null ? null : wireTime(until), before: rules.halt.before };
  return {
    symbol: rules.symbol,
    base: rules.base,
    quote: rules.quote,
    status: takes,
    halt,
    tick_size: wirePrice(rules.tickSize, rules),
    lot_size: formatDecimal(rules.lotSize, rules.baseScale),
    min_notional: formatDecimal(rules.minNotional, rules.quoteScale),
    max_qty: formatDecimal(rules.maxQty, rules.baseScale),
    max_open_orders: rules.maxOpenOrders,
    price_band_bps: rules.priceBandBps,
    breaker_bps: rules.breakerBps,
    breaker_window_ms: rules.breakerWindowMs,
    breaker_halt_ms: rules.breakerHaltMs,
    maker_fee_bps: rules.makerFeeBps,
    taker_fee_bps: rules.takerFeeBps,
    order_types: ["market", "limit", "stop", "stop_limit", "take_profit", "trailing_stop"],
    time_in_force: ["gtc", "gtd", "day", "ioc", "fok"],
    rules_version: rules.version,
    reference_price: wirePrice(reference, rules),
  };
}
