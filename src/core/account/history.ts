// What an account was, and what makes a figure of it. Events bear what they led to, so nothing is replayed for that.
import type { ChainHead, LedgerEntry } from "../ledger.ts";
import type { Side } from "../order.ts";
import type { PerformanceRecord, PerformanceWish } from "../performance.ts";
import type { Position } from "../positions.ts";
import { invariant, type Result } from "../result.ts";
import type { AccountEvent, AccountStatus, Balance, FillRecord } from "./events.ts";

/** A moment of an account: after the act that has this stream number, or after all that had happened at a time in ms. */
export type AsOf = { seq: number } | { at: number };

/** An account as it was after its event `seq`; `ledger` is where its chain ended then. `asOf` in ms. */
export interface AccountThen {
  id: string;
  status: AccountStatus;
  balances: Balance[];
  positions: Position[];
  ledger: ChainHead;
  seq: number;
  asOf: number;
}

/** An entry of the ledger that moved an asset, and what the owner had of it then. */
export interface BalanceStep {
  entry: LedgerEntry;
  balance: Balance;
}

/** What an open order holds of its asset, or the exits of a group under its parent's id, in units. */
export interface OrderHold {
  orderId: string;
  symbol: string;
  side: Side;
  amount: bigint;
}

/** What a pending withdrawal holds of its asset, in units. */
export interface WithdrawalHold {
  withdrawalId: string;
  amount: bigint;
}

/**
 * A page of what makes a balance. `holds`, `otherHolds` (what orders without a place in that list hold) and `withdrawals` are
 * all that is held.
 */
export interface BalanceExplained {
  value: Balance;
  steps: BalanceStep[];
  nextCursor: number | null;
  holds: OrderHold[];
  otherHolds: { count: number; amount: bigint };
  withdrawals: WithdrawalHold[];
}

/** What one entry did to a position, which is `position` after it: changes in units. No fill: money in or out. */
export interface PositionStep {
  entry: LedgerEntry;
  fill: FillRecord | null;
  qty: bigint;
  cost: bigint;
  realizedPnl: bigint;
  position: Position;
}

/** What is left of one acquisition when the oldest units are taken to have left first; `cost` is its part of what it cost. */
export interface Lot {
  entry: LedgerEntry;
  qty: bigint;
  cost: bigint;
}

/** A page of what makes a position, and its open lots, oldest first; `olderQty` units lie in lots before them. */
export interface PositionExplained {
  value: Position;
  steps: PositionStep[];
  nextCursor: number | null;
  lots: Lot[];
  olderQty: bigint;
}

/**
 * A position when the oldest units are taken to have left first: what the units that are left have cost, and what was made of those
 * that were sold.
 */
export interface FifoFigures {
  costBasis: bigint;
  realizedPnl: bigint;
}

/** A position by its lots; `fifo` is null where it has too long a history to be gone through. */
export interface PositionLots extends Pick<PositionExplained, "value" | "lots" | "olderQty"> {
  fifo: FifoFigures | null;
}

/** A period of the ledger. Times in ms, `to` exclusive; null: from the beginning, up to now. */
export interface Period {
  from: number | null;
  to: number | null;
}

/**
 * What stands around a period's entries, which are those after event `afterSeq` up to event `lastSeq`: what the owner had
 * before and after them, and where the chain was. It never changes once the period is over. `madeAt` in ms.
 */
export interface StatementFrame extends Period {
  account: string;
  madeAt: number;
  before: ChainHead;
  opening: Balance[];
  closing: Balance[];
  head: ChainHead;
  afterSeq: number;
  lastSeq: number;
}

/** One page of a list: at most `limit` rows after the stream number that `cursor` is. */
interface PageWish {
  limit: number;
  cursor: number | null;
}

/** What an account answers of its past. */
export interface AccountPast {
  /** The account as it was. Refuses `validation_failed` for a moment that has not come, `period_archived` for one that has been cut. */
  stateAt(asOf: AsOf): Result<AccountThen>;
  /** Refuses `period_archived` for a page after one of what has been cut. */
  explainBalance(query: PageWish & { asset: string }): Result<BalanceExplained>;
  /** As {@link explainBalance}; `symbol` must be listed. */
  explainPosition(query: PageWish & { symbol: string }): Result<PositionExplained>;
  /** `symbol` must be listed. */
  positionLots(query: { symbol: string }): Result<PositionLots>;
  /**
   * Refuses `validation_failed` for a period that has not begun, and for one with too many entries for one statement, `period_archived`
   * for one that begins before the journal.
   */
  statement(period: Period): Result<StatementFrame>;
  /**
   * From where the journal begins, where the wish begins before. Refuses `validation_failed` for an end that has not come, and for a
   * period with too many transfers.
   */
  performance(wish: PerformanceWish): Result<PerformanceRecord>;
}

/** The entry of an event, or null when it moved no money. */
export function entryOf(event: AccountEvent): LedgerEntry | null {
  return "entry" in event ? event.entry : null;
}

/** What the owner had of an asset after an event that moved it. Throws InvariantError for one that did not. */
export function balanceStep(event: AccountEvent, asset: string): BalanceStep {
  const entry = entryOf(event);
  const balance = event.balances.find((one) => one.asset === asset);
  invariant(entry !== null && balance !== undefined, `event ${event.seq} does not move ${asset}`);
  return { entry, balance };
}

/** The position in a market that an event led to, or null when it did nothing to it. */
export function positionOf(event: AccountEvent, symbol: string): Position | null {
  const position = "position" in event ? event.position : null;
  return position?.symbol === symbol ? position : null;
}

/** What an event did to a position. Throws InvariantError for an event that did nothing to it. */
export function positionStep(before: Position, event: AccountEvent): PositionStep {
  const entry = entryOf(event);
  const position = positionOf(event, before.symbol);
  invariant(entry !== null && position !== null, `event ${event.seq} is none of ${before.symbol}`);
  return {
    entry,
    fill: event.kind === "report" ? event.fill : null,
    qty: position.qty - before.qty,
    cost: position.costBasis - before.costBasis,
    realizedPnl: position.realizedPnl - before.realizedPnl,
    position,
  };
}

/**
 * The open lots of a position of `qty` units, oldest first, at most `most`: first in, first out leaves what came in last.
 * `acquisitions` are the steps that brought units in, newest first; no more of them are read than are needed.
 */
export function openLots(
  qty: bigint,
  acquisitions: Iterable<PositionStep>,
  most: number,
): Pick<PositionExplained, "lots" | "olderQty"> {
  const lots: Lot[] = [];
  let left = qty;
  if (left === 0n) return { lots, olderQty: 0n };
  for (const step of acquisitions) {
    const taken = step.qty > left ? step.qty - left : 0n;
    lots.unshift({ entry: step.entry, qty: step.qty - taken, cost: step.cost - (step.cost * taken) / step.qty });
    left -= step.qty - taken;
    if (left === 0n || lots.length === most) break;
  }
  return { lots, olderQty: left };
}

/**
 * The figures of a position by first in, first out; `steps` are all of its entries, oldest first. What is withdrawn takes its cost along
 * and realises nothing. Rounded down as {@link openLots}, so that both agree.
 */
export function fifoOf(steps: Iterable<PositionStep>): FifoFigures {
  const lots: { qty: bigint; cost: bigint; taken: bigint }[] = [];
  const leftCost = ({ qty, cost, taken }: (typeof lots)[number]) => cost - (cost * taken) / qty;
  let [first, realizedPnl] = [0, 0n];
  for (const { qty, cost, realizedPnl: average, fill } of steps) {
    if (qty > 0n) lots.push({ qty, cost, taken: 0n });
    let [leaving, costOut] = [qty < 0n ? -qty : 0n, 0n];
    for (let lot = lots[first]; lot !== undefined && leaving > 0n; lot = lots[first]) {
      const before = leftCost(lot);
      const taken = leaving < lot.qty - lot.taken ? leaving : lot.qty - lot.taken;
      lot.taken += taken;
      leaving -= taken;
      costOut += before - leftCost(lot);
      if (lot.taken === lot.qty) first += 1;
    }
    invariant(leaving === 0n, "more units left a position than came in");
    // At average cost the profit of a sale is what it brought less the cost that left with it.
    if (qty < 0n && fill !== null) realizedPnl += average - cost - costOut;
  }
  return { costBasis: lots.slice(first).reduce((sum, lot) => sum + leftCost(lot), 0n), realizedPnl };
}
