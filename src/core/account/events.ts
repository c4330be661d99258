// What an account journals: every event with all that a replay needs.
import type { Cut } from "../base.ts";
import type { Group } from "../groups.ts";
import type { LedgerEntry } from "../ledger.ts";
import type { MarketRules } from "../listings.ts";
import type { Command, PreventedMatch, Replaced, Report } from "../messages.ts";
import type { ExecType, Liquidity, Order, SelfTradePrevention, Side } from "../order.ts";
import type { Position } from "../positions.ts";
import type { Refusal } from "../result.ts";
import type { BaseItem, KeptItem } from "./base.ts";
import type { BatchVerdict } from "./batch.ts";
import type { TransferEvent } from "./transfer-events.ts";

/** A frozen account takes no new orders and no withdrawals; reports and cancels always work (protocol rule 14). */
export type AccountStatus = "active" | "frozen";

/** It was frozen or thawed, by which operator, and whether the kill switch has frozen it. */
export interface StatusChanged {
  kind: "status_changed";
  status: AccountStatus;
  reason: string;
  by?: string;
  cause?: "kill_switch";
}

/** One asset's money in units: what may be spent and what is held for open orders. */
export interface Balance {
  asset: string;
  available: bigint;
  held: bigint;
}

/**
 * Place in the account's stream: the event's messages have the numbers `first` to `seq`. Time in ms. `balances` are the
 * customer balances that the event changed, as they are after it.
 */
export interface EventHead {
  first: number;
  seq: number;
  v: 1;
  at: number;
  balances: Balance[];
}

/** One execution of one of the account's orders. */
export interface FillRecord {
  id: string;
  tradeId: string;
  orderId: string;
  symbol: string;
  side: Side;
  qty: bigint;
  price: bigint;
  fee: bigint;
  liquidity: Liquidity;
  at: number;
}

/** A trade of the account with itself that its market has prevented. */
export interface PreventedRecord extends PreventedMatch {
  symbol: string;
  at: number;
}

/** An act that must be done at most once for its key; `bodyHash` tells a repeat from a misuse. */
export interface OnceKey {
  scope: "client_order_id" | "orders" | "deposits" | "withdrawals";
  key: string;
  bodyHash: string;
  requestId: string | null;
}

/** A market's report and what it made of the order: the order as it is after it, and the money that moved. */
export interface ReportApplied extends EventHead {
  kind: "report";
  symbol: string;
  rseq: number;
  execType: Report["execType"];
  order: Order;
  fill: FillRecord | null;
  entry: LedgerEntry | null;
  position: Position | null;
  command: Command | null;
  rules: MarketRules | null;
  /** As the market has told it, and why: null, and left out by the version before, where its owner has asked for it. */
  replaced?: Replaced;
  replacedFor?: string | null;
  /** What has canceled or reduced the order. */
  prevented?: PreventedRecord;
  /** The order's group, as it is after it; over once it has no exit. */
  group?: Group;
}

/** One row of an account's journal; applying them in order to an empty account gives its state. */
export type AccountEvent =
  | TransferEvent
  /** No command: it is one of an atomic batch, whose last order has the command for them all. */
  | (EventHead & { kind: "order_accepted"; order: Order; command: Command | null; entry: LedgerEntry; once: OnceKey[] })
  /** A group's parent and legs, and the command for all of them. */
  | (EventHead & {
      kind: "group_accepted";
      order: Order;
      legs: Order[];
      group: Group;
      command: Command;
      entry: LedgerEntry;
      once: OnceKey[];
    })
  /** The parent of an oco, as its legs have made it. */
  | (EventHead & { kind: "followed"; order: Order; execType: ExecType })
  | (EventHead & { kind: "refused"; refusal: Refusal; once: OnceKey[] })
  /** An order asked for again by its client_order_id, under a key that was new. */
  | (EventHead & { kind: "repeated"; once: OnceKey[] })
  /** Orders placed together under a key, in their order; each has events of its own before this one. */
  | (EventHead & { kind: "batched"; verdicts: BatchVerdict[]; once: OnceKey[] })
  | (EventHead & { kind: "cancel_requested"; order: Order; command: Command })
  /** The entry holds what the order could cost more; null when that is nothing. */
  | (EventHead & {
      kind: "replace_requested";
      order: Order;
      command: Command;
      entry: LedgerEntry | null;
      group?: Group;
    })
  /** `by`: the operator, by user id, where it was one. */
  | (EventHead & StatusChanged)
  /** What the owner has chosen for orders that do not say. */
  | (EventHead & { kind: "settings_changed"; selfTradePrevention: SelfTradePrevention })
  /** What a market has said of its rules when it was asked. */
  | (EventHead & { kind: "rules_learned"; symbol: string; rules: MarketRules })
  | (EventHead & { kind: "session_revoked"; sessionId: string; until: number })
  | (EventHead & { kind: "tokens_valid_from"; from: number })
  | ReportApplied
  | RestoreEvent
  | CutEvent;

/** What restore adds (protocol rule 15). `by` is an operator's user id. */
export type RestoreEvent =
  /** The journal up to here is a snapshot: from here on another life speaks, cancel-only. */
  | (EventHead & { kind: "restored"; epoch: number; by: string; reason: string })
  /** An order that was forgotten, as its market told it; its reports follow. No entry: it had ended when it was told. */
  | (EventHead & { kind: "reimported"; order: Order; entry: LedgerEntry | null; once: OnceKey[]; group?: Group })
  /** Money that must have come in after the snapshot (positive), or has been found again (negative). */
  | (EventHead & { kind: "suspense"; asset: string; amount: bigint; entry: LedgerEntry; position: Position | null })
  /** Hands are shaken with a market: commands up to `cseq` are done with. */
  | (EventHead & { kind: "met"; symbol: string; epoch: number; cseq: number })
  /** A wish of before that its market has not heard. */
  | (EventHead & { kind: "reissued"; order: Order; command: Command })
  | (EventHead & { kind: "opened"; by: string | null; reason: string });

/** What a cut leaves of what it takes. `more`: the base goes on in the next event. */
export type CutEvent =
  | (EventHead & Cut)
  | (EventHead & { kind: "kept"; items: KeptItem[] })
  | (EventHead & { kind: "base"; items: BaseItem[]; more?: true });

/** The orders that an event has changed, as they are after it, a parent before its legs. */
export function ordersOf(event: AccountEvent): Order[] {
  if (!("order" in event)) return [];
  return event.kind === "group_accepted" ? [event.order, ...event.legs] : [event.order];
}

/** The command that an event sends to its market; null for one that sends none. */
export function commandOf(event: AccountEvent): Command | null {
  return "command" in event ? event.command : null;
}

/** What an act has made, as its keys name it. */
export function refOf(event: AccountEvent): string | null {
  if ("order" in event) return event.order.id;
  if (event.kind === "batched") return String(event.seq);
  return "transfer" in event ? event.transfer.id : null;
}
