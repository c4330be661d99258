// The faces of orders, fills and money on the wire: snake_case, decimal strings, RFC 3339 times. HTTP and sockets share them.

import type { Balance, FillRecord, PreventedRecord, Transfer } from "./account/state.ts";
import type { StreamData } from "./account/stream.ts";
import { formatDecimal, formatRatio } from "./decimal.ts";
import type { Membership } from "./groups.ts";
import { formatUnits, type LedgerEntry, type Posting } from "./ledger.ts";
import { listedMarket, type MarketRules } from "./listings.ts";
import { isReplacing, leavesOf, notionalOf, type Order, type Trigger } from "./order.ts";
import type { Position } from "./positions.ts";

/** A moment in ms as RFC 3339 UTC with milliseconds. */
export function wireTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** A price in quote units per whole base unit as a decimal string. */
export function wirePrice(price: bigint, rules: MarketRules): string {
  return formatDecimal(price, rules.quoteScale);
}

/** An average price over `qty` base units for `notional` quote units: 10 digits, half-even; null for no quantity. */
export function wireAverage(notional: bigint, qty: bigint, rules: MarketRules): string | null {
  if (qty === 0n) return null;
  return formatRatio(notional * 10n ** BigInt(rules.baseScale), qty * 10n ** BigInt(rules.quoteScale));
}

/** What the wire shows of an order; what only its account needs is left out. */
export type ShownOrder = Omit<
  Order,
  "credit" | "feeNumerator" | "bodyHash" | "hold" | "replacing" | "replaceRefused" | "broken" | "group" | "legs"
> & { replacing?: unknown; group?: Pick<Membership, "id" | "kind">; legs?: ShownOrder[] };

/** What an order waits for or has waited for: where that is, or was when it was last told, and what it trails by. */
function wireTrigger(trigger: Trigger | undefined, rules: MarketRules) {
  const trail = trigger?.trail ?? null;
  return {
    stop_price: trigger === undefined ? null : wirePrice(trigger.price, rules),
    trail_percent: trail !== null && "bps" in trail ? formatDecimal(BigInt(trail.bps), 2) : null,
    trail_amount: trail !== null && "amount" in trail ? wirePrice(trail.amount, rules) : null,
  };
}

/** An order as the contract shows it; a parent's legs where it has been given them. */
export function wireOrder(order: ShownOrder) {
  return { ...wireLeg(order), legs: order.legs === undefined ? null : order.legs.map(wireLeg) };
}

/** An order without legs. */
function wireLeg(order: ShownOrder) {
  const rules = listedMarket(order.symbol);
  const base = (units: bigint | null) => (units === null ? null : formatDecimal(units, rules.baseScale));
  const quote = (units: bigint | null) => (units === null ? null : formatDecimal(units, rules.quoteScale));
  return {
    id: order.id,
    client_order_id: order.clientOrderId,
    symbol: order.symbol,
    side: order.side,
    type: order.type,
    time_in_force: order.timeInForce,
    qty: base(order.qty),
    notional: quote(order.notional),
    limit_price: quote(order.limitPrice),
    ...wireTrigger(order.trigger, rules),
    post_only: order.postOnly,
    display_qty: base(order.displayQty ?? null),
    expires_at: order.expiresAt === null ? null : wireTime(order.expiresAt),
    self_trade_prevention: order.selfTradePrevention,
    status: order.status,
    reason: order.reason,
    cancel_requested: order.cancelRequested,
    replace_requested: isReplacing(order),
    leaves_qty: formatDecimal(leavesOf(order), rules.baseScale),
    filled_qty: formatDecimal(order.filledQty, rules.baseScale),
    filled_avg_price: wireAverage(order.filledNotional, order.filledQty, rules),
    filled_notional: formatDecimal(order.filledNotional, rules.quoteScale),
    fee: formatDecimal(order.fee, rules.quoteScale),
    fee_asset: rules.quote,
    maker_fee_bps: order.makerFeeBps,
    taker_fee_bps: order.takerFeeBps,
    order_class: order.group?.kind ?? ("simple" as const),
    parent_id: order.group === undefined || order.group.id === order.id ? null : order.group.id,
    created_at: wireTime(order.createdAt),
    updated_at: wireTime(order.updatedAt),
    seq: order.seq,
  };
}

/** What is held for an order, in the asset that it would cost. */
export function wireHold({ symbol, side, hold }: Order): string {
  const rules = listedMarket(symbol);
  return formatDecimal(hold, side === "buy" ? rules.quoteScale : rules.baseScale);
}

/** An execution as the contract shows it. */
export function wireFill(fill: FillRecord) {
  const rules = listedMarket(fill.symbol);
  return {
    id: fill.id,
    order_id: fill.orderId,
    symbol: fill.symbol,
    side: fill.side,
    qty: formatDecimal(fill.qty, rules.baseScale),
    price: wirePrice(fill.price, rules),
    fee: formatDecimal(fill.fee, rules.quoteScale),
    fee_asset: rules.quote,
    liquidity: fill.liquidity,
    at: wireTime(fill.at),
  };
}

/** A prevented match as the contract shows it. */
export function wirePrevented(match: PreventedRecord) {
  const rules = listedMarket(match.symbol);
  return {
    id: match.id,
    symbol: match.symbol,
    taker_order_id: match.takerOrderId,
    maker_order_id: match.makerOrderId,
    side: match.side,
    price: wirePrice(match.price, rules),
    qty: formatDecimal(match.qty, rules.baseScale),
    self_trade_prevention: match.selfTradePrevention,
    at: wireTime(match.at),
  };
}

/** One asset's money. */
export function wireBalance(balance: Balance) {
  const { asset, available, held } = balance;
  return {
    asset,
    available: formatUnits(available, asset),
    held: formatUnits(held, asset),
    total: formatUnits(available + held, asset),
  };
}

/** A deposit or withdrawal. What there is nothing to say of is left out: first answers are replayed byte for byte. */
export function wireTransfer({ id, status, asset, amount, createdAt, updatedAt, failure }: Transfer) {
  return {
    ...{ id, status, asset, amount: formatUnits(amount, asset), created_at: wireTime(createdAt) },
    ...(updatedAt === undefined ? {} : { updated_at: wireTime(updatedAt) }),
    ...(failure === undefined ? {} : { failure }),
  };
}

/** A movement on one account of the ledger. */
export function wirePosting({ account, asset, amount }: Pick<Posting, "account" | "asset" | "amount">) {
  return { account, asset, amount: formatUnits(amount, asset) };
}

/** A ledger entry: what its hash covers, and the hash. */
export function wireEntry(entry: LedgerEntry) {
  const postings = entry.postings.map(wirePosting);
  return {
    seq: entry.seq,
    id: entry.id,
    at: wireTime(entry.at),
    kind: entry.kind,
    ref: entry.ref,
    postings,
    hash: entry.hash,
  };
}

/** A position at a market price in quote units per whole base unit. */
export function wirePosition(position: Position, price: bigint) {
  const rules = listedMarket(position.symbol);
  const value = notionalOf(price, position.qty, rules.baseScale);
  return {
    symbol: position.symbol,
    asset: rules.base,
    qty: formatDecimal(position.qty, rules.baseScale),
    avg_entry_price: wireAverage(position.costBasis, position.qty, rules),
    cost_basis: formatDecimal(position.costBasis, rules.quoteScale),
    market_price: wirePrice(price, rules),
    market_value: formatDecimal(value, rules.quoteScale),
    unrealized_pnl: formatDecimal(value - position.costBasis, rules.quoteScale),
    realized_pnl: formatDecimal(position.realizedPnl, rules.quoteScale),
  };
}

/** A stream message's data. */
export function wireStreamData(message: StreamData) {
  if (message.channel === "orders") {
    const { execType, order, prevented } = message;
    const told = prevented === undefined ? {} : { prevented_match: wirePrevented(prevented) };
    return { exec_type: execType, ...wireOrder(order), ...told };
  }
  return message.channel === "fills" ? wireFill(message.fill) : wireBalance(message.balance);
}
