// What an account decides of money that comes in or goes out: limits of the day, what it holds, and what it gives back.
import { formatUnits, type LedgerEntry, type Movement } from "../ledger.ts";
import { DAY_MS, TRANSFER_USD_UNITS_MAX, TRANSFERS_PENDING_MAX } from "../limits.ts";
import { findMarket } from "../listings.ts";
import { notionalOf } from "../order.ts";
import { addToPosition, flatPosition, type Position, takeFromPosition } from "../positions.ts";
import { usdWorth } from "../prices.ts";
import { invariant, ok, type Refusal, type Result } from "../result.ts";
import { providerOf, type TransferPolicy } from "../transfer-policy.ts";
import { creditRefusal } from "./admission.ts";
import { type AccountTurn, emit, entryFor, moveHold, referenceFor, refuseOnce, turnTime } from "./decide.ts";
import { balanceOf, type OnceKey } from "./state.ts";
import type { DayUse, Transfer, TransferKind, TransferStatus } from "./transfer-events.ts";

/** What somebody wants to move, in units of an asset. */
export interface TransferWish {
  kind: TransferKind;
  asset: string;
  amount: bigint;
}

/** What a UTC day allows and what of today's is used, in USD units; `resetsAt` in ms. Null: there is no such limit. */
export interface TransferLimits {
  perDay: TransferPolicy["perDay"];
  used: Record<TransferKind, bigint>;
  reviewOver: bigint | null;
  resetsAt: number;
}

/** What the owner may ask of single transfers. */
export interface AccountTransfers {
  transferLimits(query: null): Result<TransferLimits>;
  /** Refuses `not_found`. */
  transferOf(query: { id: string; kind: TransferKind }): Result<Transfer>;
  /** Refuses as core's cancelTransfer does, and `not_found`. */
  cancelWithdrawal(query: { id: string }): Result<Transfer>;
}

/** The UTC day of a moment in ms, counted from 1970. */
export function dayOf(at: number): number {
  return Math.floor(at / DAY_MS);
}

/** What has been used on the day of a moment. */
export function usedOn(at: number, today: DayUse): DayUse {
  return today.day === dayOf(at) ? today : { day: dayOf(at), deposit: 0n, withdrawal: 0n };
}

/** When the day of a moment is over, in ms. */
export function dayEnds(at: number): number {
  return (dayOf(at) + 1) * DAY_MS;
}

/**
 * Moves money in or out: at once where it is paper and nobody has to look at it; else its amount is held, or awaited, until
 * somebody has decided. Refuses `account_frozen` and `insufficient_funds` of a withdrawal; `amount_out_of_range` for more than
 * one transfer may be worth and when the balance could pass its bound; `daily_transfer_limit`, `too_many_pending_transfers`.
 * Every refusal is journalled.
 */
export function transfer(
  turn: AccountTurn,
  wish: TransferWish,
  once: OnceKey[],
  policy: TransferPolicy,
): Result<Transfer> {
  const at = turnTime(turn);
  const worth = usdWorth(wish.asset, wish.amount, turn.ctx.priceSeed, at);
  const provider = providerOf(policy, wish.asset);
  const reviewed = wish.kind === "withdrawal" && policy.reviewOver !== null && worth > policy.reviewOver;
  const status: TransferStatus = reviewed ? "pending_review" : provider !== null ? "pending" : "settled";
  const refusal = transferRefusal(turn, wish, worth, policy) ?? (status === "settled" ? null : crowded(turn));
  if (refusal !== null) return refuseOnce(turn, refusal, once);
  const id = turn.ctx.makeId(wish.kind === "deposit" ? "dep" : "wdr", at);
  invariant(wish.amount > 0n, `transfer ${id} moves nothing`);
  const record: Transfer = { id, ...wish, status, createdAt: at, worth, ...(provider === null ? {} : { provider }) };
  const used = usedOn(at, turn.state.movedToday);
  const today = { ...used, [wish.kind]: used[wish.kind] + worth };
  if (status === "settled") {
    const entry = entryOf(turn, wish.kind, record, moveOutside("available", record));
    emit(turn, { kind: "transfer", transfer: record, entry, position: positionAfterTransfer(turn, wish), once, today });
  } else {
    const entry = wish.kind === "deposit" ? null : entryOf(turn, "hold", record, moveHold(wish.asset, wish.amount));
    emit(turn, { kind: "transfer_requested", transfer: record, entry, once, today });
  }
  return ok(record);
}

function transferRefusal(
  turn: AccountTurn,
  { kind, asset, amount }: TransferWish,
  worth: bigint,
  policy: TransferPolicy,
): Refusal | null {
  const { state } = turn;
  const at = turnTime(turn);
  if (kind === "withdrawal" && state.status === "frozen") return { code: "account_frozen" };
  if (worth > TRANSFER_USD_UNITS_MAX) {
    return { code: "amount_out_of_range", detail: "At most 10,000,000 USD at a time." };
  }
  const limit = policy.perDay[kind];
  const used = usedOn(at, state.movedToday)[kind];
  if (limit !== null && used + worth > limit) {
    const figures = { limit: formatUnits(limit, "USD"), used: formatUnits(used, "USD"), resetsAt: dayEnds(at) };
    return { code: "daily_transfer_limit", transfer: kind, ...figures };
  }
  return kind === "withdrawal" ? fundsRefusal(turn, asset, amount) : creditRefusalOf(turn, asset, amount);
}

function crowded({ state }: AccountTurn): Refusal | null {
  if (state.transfers.size < TRANSFERS_PENDING_MAX) return null;
  return { code: "too_many_pending_transfers", detail: `${TRANSFERS_PENDING_MAX} wait for their end already.` };
}

function fundsRefusal({ state }: AccountTurn, asset: string, amount: bigint): Refusal | null {
  const available = balanceOf(state, "available", asset);
  if (amount <= available) return null;
  const needed = formatUnits(amount, asset);
  return { code: "insufficient_funds", asset, needed, available: formatUnits(available, asset) };
}

function creditRefusalOf({ state }: AccountTurn, asset: string, amount: bigint): Refusal | null {
  return creditRefusal(state, asset, amount) === null ? null : { code: "amount_out_of_range" };
}

/** What a transfer moves between an account of its owner's and the world. */
function moveOutside(account: "available" | "held", { kind, asset, amount }: Transfer): Movement[] {
  const signed = kind === "deposit" ? amount : -amount;
  return [
    [account, asset, signed],
    ["external", asset, -signed],
  ];
}

function entryOf(turn: AccountTurn, kind: string, { id }: Transfer, movements: Movement[]): LedgerEntry {
  const entry = entryFor(turn, kind, id, movements);
  invariant(entry !== null, `transfer ${id} moves nothing`);
  return entry;
}

/** Base assets that come in without a trade cost what they are worth then; USD has no position. */
export function positionAfterTransfer(turn: AccountTurn, wish: TransferWish): Position | null {
  const rules = findMarket(`${wish.asset}-USD`);
  if (rules === undefined) return null;
  const position = turn.state.positions.get(rules.symbol) ?? flatPosition(rules.symbol);
  if (wish.kind === "withdrawal") return takeFromPosition(position, wish.amount, null);
  return addToPosition(position, wish.amount, notionalOf(referenceFor(turn, rules), wish.amount, rules.baseScale));
}

/** A change that moves no money. */
export function keepTransfer(turn: AccountTurn, changed: Transfer): Transfer {
  return emitChange(turn, changed, null, null);
}

/** The end of a pending transfer that goes the way it was meant to: a deposit comes in, a withdrawal's hold goes out. */
export function settleTransfer(turn: AccountTurn, changed: Transfer): Transfer {
  const settled: Transfer = { ...changed, status: "settled" };
  const from = settled.kind === "deposit" ? "available" : "held";
  const entry = entryOf(turn, settled.kind, settled, moveOutside(from, settled));
  return emitChange(turn, settled, entry, positionAfterTransfer(turn, settled));
}

/** The end of a pending transfer that comes to nothing: a withdrawal's hold is released. The day gets back what it used. */
export function dropTransfer(
  turn: AccountTurn,
  changed: Transfer,
  status: "rejected" | "canceled" | "failed",
): Transfer {
  const { kind, asset, amount } = changed;
  const entry = kind === "deposit" ? null : entryOf(turn, "release", changed, moveHold(asset, -amount));
  return emitChange(turn, { ...changed, status }, entry, null);
}

/**
 * Undoes a settled transfer by an entry the other way, once. Refuses `transfer_not_settled`; `insufficient_funds`, naming the
 * transfer, when a deposit's money is spent already; `amount_out_of_range` when a balance could pass its bound.
 */
export function undoTransfer(turn: AccountTurn, changed: Transfer): Result<Transfer> {
  const { id, kind, asset, amount, status } = changed;
  if (status !== "settled") return notSettled(status);
  const back: TransferKind = kind === "deposit" ? "withdrawal" : "deposit";
  const funds = back === "withdrawal" ? fundsRefusal(turn, asset, amount) : creditRefusalOf(turn, asset, amount);
  if (funds !== null) {
    const named: Refusal = funds.code === "insufficient_funds" ? { ...funds, transferId: id } : funds;
    return { ok: false, refusal: named };
  }
  const entry = entryOf(turn, "reversal", changed, moveOutside("available", { ...changed, kind: back }));
  const position = positionAfterTransfer(turn, { kind: back, asset, amount });
  return ok(emitChange(turn, { ...changed, status: "reversed" }, entry, position));
}

function notSettled(status: TransferStatus): Result<never> {
  const detail = status === "reversed" ? "This has been reversed already." : `This is ${status}, and was not settled.`;
  return { ok: false, refusal: { code: "transfer_not_settled", detail } };
}

function emitChange(
  turn: AccountTurn,
  changed: Transfer,
  entry: LedgerEntry | null,
  position: Position | null,
): Transfer {
  const done: Transfer = { ...changed, updatedAt: turnTime(turn) };
  emit(turn, { kind: "transfer_changed", transfer: done, entry, position, today: useAfter(turn, done) });
  return done;
}

/** What came to nothing is given back to the day that it was asked for on, while that lasts. */
function useAfter({ state: { movedToday } }: AccountTurn, { id, status, kind, worth, createdAt }: Transfer): DayUse {
  const dropped = status === "rejected" || status === "canceled" || status === "failed";
  if (!dropped || dayOf(createdAt) !== movedToday.day) return movedToday;
  invariant(worth !== undefined, `transfer ${id} was pending, and nobody has said what it is worth`);
  return { ...movedToday, [kind]: movedToday[kind] - worth };
}
