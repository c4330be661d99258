// The faces of what explains a figure, and of statements, on the wire.
import type {
  BalanceExplained,
  BalanceStep,
  Lot,
  PositionExplained,
  PositionLots,
  PositionStep,
} from "./account/history.ts";
import { formatDecimal } from "./decimal.ts";
import { formatUnits, type LedgerEntry } from "./ledger.ts";
import { listedMarket, type MarketRules } from "./listings.ts";
import { notionalOf } from "./order.ts";
import { wireAverage, wireBalance, wireEntry, wirePosting, wirePrice, wireTime } from "./wire.ts";

/** An entry of the ledger, and what each account that it posts to has after it. */
export function wireBookedEntry(entry: LedgerEntry) {
  const { hash, ...shown } = wireEntry(entry);
  const postings = entry.postings.map((posting) => {
    return { ...wirePosting(posting), balance: formatUnits(posting.balance, posting.asset) };
  });
  return { ...shown, postings, hash };
}

/** What makes a balance. */
export function wireBalanceExplained(explained: BalanceExplained) {
  const { asset } = explained.value;
  const { count, amount } = explained.otherHolds;
  return {
    value: wireBalance(explained.value),
    entries: explained.steps.map(({ entry, balance }: BalanceStep) => ({
      ...wireEntry(entry),
      balance: wireBalance(balance),
    })),
    holds: explained.holds.map((hold) => ({
      order_id: hold.orderId,
      symbol: hold.symbol,
      side: hold.side,
      amount: formatUnits(hold.amount, asset),
    })),
    other_holds: { count, amount: formatUnits(amount, asset) },
    withdrawals: explained.withdrawals.map((one) => {
      return { withdrawal_id: one.withdrawalId, amount: formatUnits(one.amount, asset) };
    }),
  };
}

/** What makes a position, but for the position itself, which has a price besides. */
export function wirePositionExplained({ value, steps, lots, olderQty }: PositionExplained) {
  const rules = listedMarket(value.symbol);
  return {
    entries: steps.map((step) => wireStep(step, rules)),
    lots: lots.map((lot) => wireLot(lot, rules)),
    older_lots_qty: formatDecimal(olderQty, rules.baseScale),
  };
}

/** A position by its lots, but for the position itself. `price` in quote units per whole base unit. */
export function wirePositionLots({ value, fifo, lots, olderQty }: PositionLots, price: bigint) {
  const rules = listedMarket(value.symbol);
  const quote = (units: bigint) => formatDecimal(units, rules.quoteScale);
  const worth = notionalOf(price, value.qty, rules.baseScale);
  return {
    fifo: fifo && {
      cost_basis: quote(fifo.costBasis),
      avg_entry_price: wireAverage(fifo.costBasis, value.qty, rules),
      unrealized_pnl: quote(worth - fifo.costBasis),
      realized_pnl: quote(fifo.realizedPnl),
    },
    lots: lots.map((lot) => wireLot(lot, rules)),
    older_lots_qty: formatDecimal(olderQty, rules.baseScale),
  };
}

function wireStep({ entry, fill, qty, cost, realizedPnl, position }: PositionStep, rules: MarketRules) {
  const { seq, id, at, kind, ref } = entry;
  const quote = (units: bigint) => formatDecimal(units, rules.quoteScale);
  return {
    ...{ seq, id, at: wireTime(at), kind, ref },
    order_id: fill?.orderId ?? null,
    qty: formatDecimal(qty, rules.baseScale),
    price: fill === null ? null : wirePrice(fill.price, rules),
    fee: fill === null ? null : quote(fill.fee),
    cost: quote(cost),
    realized_pnl: quote(realizedPnl),
    position: {
      qty: formatDecimal(position.qty, rules.baseScale),
      avg_entry_price: wireAverage(position.costBasis, position.qty, rules),
      cost_basis: quote(position.costBasis),
      realized_pnl: quote(position.realizedPnl),
    },
  };
}

function wireLot({ entry, qty, cost }: Lot, rules: MarketRules) {
  return {
    seq: entry.seq,
    ref: entry.ref,
    at: wireTime(entry.at),
    qty: formatDecimal(qty, rules.baseScale),
    cost: formatDecimal(cost, rules.quoteScale),
  };
}
