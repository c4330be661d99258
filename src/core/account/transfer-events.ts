// Money on its way in or out: what an account journals of it, and how that changes the account.
import type { LedgerEntry } from "../ledger.ts";
import type { Position } from "../positions.ts";
import { invariant } from "../result.ts";
import type { EventHead, OnceKey } from "./events.ts";
import type { AccountState } from "./state.ts";

/**
 * `pending_review`: two operators must approve. `pending`: the payment provider has it. The others are its ends; only what
 * was settled can be reversed, and a deposit that had failed can be settled after all when its provider says so.
 */
export type TransferStatus = "pending_review" | "pending" | "settled" | "rejected" | "canceled" | "failed" | "reversed";

/** Whether money comes in or goes out. */
export type TransferKind = "deposit" | "withdrawal";

/** What an operator has decided of a transfer: who, by user id, why, and when in ms. */
export interface TransferDecision {
  verdict: "approve" | "reject" | "reverse";
  by: string;
  reason: string;
  at: number;
}

/**
 * Money that comes in or goes out, in units of `asset`. `worth`: in USD units as it was asked for. `provider`: who moves it
 * outside, by name, and `providerRef` what they call it; without one it is paper. `failure`: the provider's word for why it
 * failed. Times in ms. What the version before does not know is left out where there is nothing to say.
 */
export interface Transfer {
  id: string;
  kind: TransferKind;
  asset: string;
  amount: bigint;
  status: TransferStatus;
  createdAt: number;
  worth?: bigint;
  updatedAt?: number;
  provider?: string;
  providerRef?: string;
  failure?: string;
  decisions?: TransferDecision[];
}

/** What has come in and gone out on one UTC day, counted from 1970, in USD units; what was given back does not count. */
export interface DayUse {
  day: number;
  deposit: bigint;
  withdrawal: bigint;
}

/** What is journalled of transfers. `today` is the day's use after the event; the version before leaves it out. */
export type TransferEvent =
  /** Settled as soon as it was asked for. */
  | (EventHead & {
      kind: "transfer";
      transfer: Transfer;
      entry: LedgerEntry;
      position: Position | null;
      once: OnceKey[];
      today?: DayUse;
    })
  /** Asked for, and to be settled later. A withdrawal's entry holds its amount; a deposit has none. */
  | (EventHead & {
      kind: "transfer_requested";
      transfer: Transfer;
      entry: LedgerEntry | null;
      once: OnceKey[];
      today: DayUse;
    })
  /** As it is after somebody has decided something, or the provider has. No entry: no money has moved by that. */
  | (EventHead & {
      kind: "transfer_changed";
      transfer: Transfer;
      entry: LedgerEntry | null;
      position: Position | null;
      today: DayUse;
    });

/** Whether a transfer's end is still to come. */
export function isPending({ status }: Pick<Transfer, "status">): boolean {
  return status === "pending_review" || status === "pending";
}

/** Units that a transfer holds: a withdrawal's amount while it is pending. */
export function heldBy(transfer: Transfer): bigint {
  return transfer.kind === "withdrawal" && isPending(transfer) ? transfer.amount : 0n;
}

/** Units that a transfer will bring in, which can no longer be refused: a deposit's amount while it is pending. */
export function creditOfTransfer(transfer: Transfer): bigint {
  return transfer.kind === "deposit" && isPending(transfer) ? transfer.amount : 0n;
}

const AFTER: Readonly<Record<TransferStatus, readonly TransferStatus[]>> = {
  pending_review: ["pending_review", "pending", "settled", "rejected", "canceled"],
  pending: ["pending", "settled", "failed"],
  settled: ["reversed"],
  failed: ["settled"],
  rejected: [],
  canceled: [],
  reversed: [],
};

/** Whether a transfer in one status may come to be in another. */
export function canFollow(before: TransferStatus, after: TransferStatus): boolean {
  return AFTER[before].includes(after);
}

/** Keeps what is pending, and what it will bring in. Throws InvariantError for a change that cannot be. */
export function applyTransfer(state: AccountState, { transfer, kind, today }: TransferEvent): void {
  const before = state.transfers.get(transfer.id);
  invariant(before === undefined || kind === "transfer_changed", `transfer ${transfer.id} exists`);
  if (before !== undefined)
    invariant(canFollow(before.status, transfer.status), `${before.status} to ${transfer.status}: ${transfer.id}`);
  const change = creditOfTransfer(transfer) - (before === undefined ? 0n : creditOfTransfer(before));
  if (change !== 0n) state.credits.set(transfer.asset, (state.credits.get(transfer.asset) ?? 0n) + change);
  if (isPending(transfer)) state.transfers.set(transfer.id, transfer);
  else state.transfers.delete(transfer.id);
  if (today !== undefined) state.movedToday = today;
}

/** What the transfers that an account keeps as pending break, one sentence each. */
export function transferBreaks({ transfers }: { transfers: ReadonlyMap<string, Transfer> }): string[] {
  return [...transfers].flatMap(([id, transfer]) => [
    ...(transfer.id === id ? [] : [`transfer ${transfer.id} is kept as ${id}`]),
    ...(isPending(transfer) ? [] : [`transfer ${id} is ${transfer.status} and still kept as pending`]),
    ...(transfer.amount > 0n ? [] : [`transfer ${id} is of ${transfer.amount}`]),
  ]);
}
