// The objects' remote calls.

import type { OrderRequest } from "../core/account/admission.ts";
import type { GroupRequest } from "../core/account/grouping.ts";
import type { AccountPast } from "../core/account/history.ts";
import type { Preview } from "../core/account/preview.ts";
import type { ReplaceWish } from "../core/account/replace.ts";
import type { Settings } from "../core/account/settings.ts";
import type { Balance, FillRecord, PreventedRecord, Transfer } from "../core/account/state.ts";
import type { AccountTransfers, TransferWish } from "../core/account/transfers.ts";
import type { KeyOwner } from "../core/api-keys.ts";
import type { AccountExamRpc, MarketExamRpc } from "../core/exam.ts";
import type { LedgerEntry } from "../core/ledger.ts";
import type { Order, Side } from "../core/order.ts";
import type { PerformanceRecord, PerformanceWish } from "../core/performance.ts";
import type { Position } from "../core/positions.ts";
import type { Rate, Taken } from "../core/rate.ts";
import type { Result } from "../core/result.ts";
import type { Conflict, Kept, Write } from "../core/write-buffer.ts";
import type {
  ExchangeAnswer,
  ExchangeCall,
  HandshakeAnswer,
  HandshakeCall,
  PreviewAnswer,
  PreviewCall,
  ReportAnswer,
  ReportCall,
} from "./calls.ts";
import type { GovernedRpc, OperatedRpc } from "./governing.ts";
import type {
  AccountView,
  Answered,
  ApiKey,
  Batch,
  BatchOutcome,
  BookView,
  Caller,
  Counted,
  Cuttable,
  ExecutionQuery,
  Idempotency,
  JournalHead,
  JournalSlice,
  LedgerQuery,
  NewApiKey,
  OperatorAct,
  OrderQuery,
  Page,
  PageRequest,
  ParkedView,
  ProviderFact,
  RestoreView,
  Snapshot,
  SnapshotPart,
  StreamCaller,
  TransferReview,
  UnreadOrder,
} from "./protocol.ts";

/** What those who look after the read model ask of an object. */
export interface JournalRpc {
  head(): Promise<JournalHead>;
  /** The events from a stream number on, in at most `bytesMax`, but at least one; null at the end. */
  journalFrom(fromSeq: number, bytesMax: number): Promise<JournalSlice | null>;
  /** What may be cut of what was before a time in ms; null when that is nothing. */
  cuttable(beforeMs: number): Promise<Cuttable | null>;
  /** Cuts it. Refuses `not_found` when something else may be cut by now, and `unavailable` when it would lose something. */
  cut(wanted: Cuttable): Promise<Result<null>>;
}

/** Questions as callers ask them. */
type AskedByCaller<T> = {
  [K in keyof T]: T[K] extends (query: infer Q) => Result<infer A>
    ? (caller: Caller, query: Q) => Promise<Counted<A>>
    : never;
};

/** The account object's remote calls. Refusals are values; a throw is a bug. */
export interface AccountRpc
  extends JournalRpc,
    OperatedRpc,
    AccountExamRpc,
    AskedByCaller<AccountPast & AccountTransfers> {
  admit(caller: Caller): Promise<Counted<KeyOwner>>;
  /** As {@link AccountPast.performance}, for the record of all accounts. */
  recordedPerformance(wish: PerformanceWish): Promise<Result<PerformanceRecord>>;
  placeOrder(caller: Caller, request: OrderRequest, idempotency: Idempotency | null): Promise<Answered<Order>>;
  /** A call of its own: an object of the version before would place the lead without its exits. */
  placeGroup(caller: Caller, request: GroupRequest, idempotency: Idempotency | null): Promise<Answered<Order>>;
  refuseOrder(caller: Caller, unread: UnreadOrder, idempotency: Idempotency | null): Promise<Answered<Order>>;
  placeBatch(caller: Caller, batch: Batch, idempotency: Idempotency | null): Promise<Answered<BatchOutcome[]>>;
  /** Sells a position at the market. Refuses `not_found` where there is none. */
  closePosition(caller: Caller, symbol: string): Promise<Answered<Order>>;
  cancelOrder(caller: Caller, orderId: string): Promise<Counted<Order>>;
  previewOrder(caller: Caller, request: OrderRequest): Promise<Counted<Preview & { bookSeq: number }>>;
  previewGroup(caller: Caller, request: GroupRequest): Promise<Counted<Preview & { bookSeq: number }>>;
  /** The order under its other terms, or as it is while its market has not answered (`replacing`). */
  replaceOrder(caller: Caller, orderId: string, wish: ReplaceWish): Promise<Counted<Order>>;
  cancelAll(caller: Caller, filter: { symbol: string | null; side: Side | null }): Promise<Counted<Order[]>>;
  /** Refuses nothing that another command does not. `cancelAt` in ms; null: never. */
  cancelAllAfter(caller: Caller, timeoutMs: number): Promise<Counted<{ cancelAt: number | null }>>;
  transfer(caller: Caller, wish: TransferWish, idempotency: Idempotency | null): Promise<Answered<Transfer>>;
  /** What an operator decides of a transfer, or its provider says. */
  decideTransfer(id: string, word: TransferReview | ProviderFact): Promise<Result<Transfer>>;
  account(caller: Caller): Promise<Counted<AccountView>>;
  /** From the next order on. */
  choose(caller: Caller, settings: Settings): Promise<Counted<AccountView>>;
  /** What its fees go by: the volume of thirty days, in USD units. */
  volume(caller: Caller): Promise<Counted<bigint>>;
  order(caller: Caller, by: { id: string } | { clientOrderId: string }): Promise<Counted<Order>>;
  orders(caller: Caller, query: OrderQuery): Promise<Counted<Page<Order>>>;
  fills(caller: Caller, query: ExecutionQuery): Promise<Counted<Page<FillRecord>>>;
  prevented(caller: Caller, query: ExecutionQuery): Promise<Counted<Page<PreventedRecord>>>;
  ledger(caller: Caller, query: LedgerQuery): Promise<Counted<Page<LedgerEntry>>>;
  transfers(caller: Caller, query: PageRequest & { kind: Transfer["kind"] }): Promise<Counted<Page<Transfer>>>;
  positions(
    caller: Caller,
  ): Promise<Counted<{ positions: Position[]; balances: Balance[]; seq: number; asOf: number }>>;
  streamTicket(caller: StreamCaller): Promise<Counted<{ ticket: string; expiresAt: number }>>;
  redeemTicket(ticket: string): Promise<Result<StreamCaller>>;
  createKey(caller: Caller, key: NewApiKey): Promise<Counted<ApiKey>>;
  apiKeys(caller: Caller, query: PageRequest): Promise<Counted<Page<ApiKey>>>;
  /** Refuses `not_found` for a key that is not this account's. */
  revokeKey(caller: Caller, id: string): Promise<Counted<null>>;
  revokeAllKeys(): Promise<Result<null>>;
  revokeSession(sessionId: string, untilMs: number): Promise<Result<null>>;
  revokeAllBefore(fromMs: number): Promise<Result<null>>;
  report(call: ReportCall): Promise<ReportAnswer>;
  parked(query: PageRequest): Promise<ParkedView>;
  /** Sends a parked market what waits for it. Refuses `not_found` when it is not parked. */
  unpark(symbol: string, act: OperatorAct): Promise<Result<null>>;
  /** Keeps a part of a snapshot apart for {@link AccountRpc.restore}; answers how many events are kept. */
  keepPart(part: SnapshotPart): Promise<Result<number>>;
  /**
   * Begins the next life of an object without a journal, of one whose storage was brought back (`journal` empty), or of one
   * that is to forget what it has stored (`replace`).
   */
  restore(snapshot: Snapshot, act: OperatorAct): Promise<Result<null>>;
  restoration(): Promise<RestoreView>;
  /** Opens a restored object though it still waits for others. */
  reopen(act: OperatorAct): Promise<Result<null>>;
  /** The journal as it is stored, oldest first: what a restore begins from. */
  journal(query: PageRequest): Promise<Page<string>>;
}

/** The market object's remote calls. */
export interface MarketRpc extends JournalRpc, GovernedRpc, MarketExamRpc {
  exchange(call: ExchangeCall): Promise<ExchangeAnswer>;
  preview(call: PreviewCall): Promise<PreviewAnswer>;
  shake(call: HandshakeCall): Promise<HandshakeAnswer>;
  /** Null while what is stored cannot be read. */
  book(depth: number): Promise<BookView | null>;
  /** The accounts that this market pushes nothing to; their own calls are answered. */
  parked(query: PageRequest): Promise<ParkedView>;
  /** Pushes to a parked account what waits for it. Refuses `not_found` when it is not parked. */
  unpark(account: string, act: OperatorAct): Promise<Result<null>>;
  keepPart(part: SnapshotPart): Promise<Result<number>>;
  /** As an account's; `expected` are accounts that may have traded here since the snapshot. */
  restore(snapshot: Snapshot, expected: string[], act: OperatorAct): Promise<Result<null>>;
  restoration(): Promise<RestoreView>;
  reopen(act: OperatorAct): Promise<Result<null>>;
  journal(query: PageRequest): Promise<Page<string>>;
}

/** The remote calls of a user's write buffer. */
export interface WriteBufferRpc {
  /** What waits, oldest first, after a try to do it all; while there is any, all of the user's writes go through the buffer. */
  look(): Promise<Write[]>;
  /** Takes writes behind those that wait, each for itself, each id once. */
  append(writes: Write[]): Promise<Kept>;
  conflicts(query: PageRequest): Promise<Page<Conflict>>;
  /** Forgets a conflict by its write's id. Refuses `not_found`. */
  dismiss(writeId: string): Promise<Result<null>>;
  /** Forgets everything, for a user who has closed their account. */
  forget(): Promise<Result<null>>;
}

/** A limiter's remote calls, for the one key that it is named after: an address, a person, a name that nobody has. */
export interface LimiterRpc {
  /** Takes units out of a policy's bucket, which is in memory. */
  take(policy: string, rate: Rate, count: number): Promise<Taken>;
  /** What is left of a policy's failures, which are stored. */
  failures(policy: string, rate: Rate): Promise<Taken>;
  /**
   * Says how a try has ended. Not allowed: others have failed so often meanwhile that its outcome must not be told. Else a
   * failure counts from now on.
   */
  settle(policy: string, rate: Rate, failed: boolean): Promise<Taken>;
}
