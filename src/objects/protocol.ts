// What objects answer to the Worker, and the interfaces of their remote calls.

import type { OrderRequest, UnreadOrder } from "../core/account/admission.ts";
import type { Batch, BatchOutcome } from "../core/account/batch.ts";
import type { AccountPast } from "../core/account/history.ts";
import type { Preview } from "../core/account/preview.ts";
import type { ReplaceWish } from "../core/account/replace.ts";
import type { Settings } from "../core/account/settings.ts";
import type { AccountStatus, Balance, FillRecord, Transfer } from "../core/account/state.ts";
import type { KeyOwner, PresentedKey } from "../core/api-keys.ts";
import type { ChainHead, LedgerEntry } from "../core/ledger.ts";
import type { Order, SelfTradePrevention, Side } from "../core/order.ts";
import type { PerformanceRecord, PerformanceWish } from "../core/performance.ts";
import type { Scope } from "../core/permissions.ts";
import type { Spend, Standing } from "../core/policies.ts";
import type { Position } from "../core/positions.ts";
import type { Rate, Taken } from "../core/rate.ts";
import type { Answered, Result } from "../core/result.ts";
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
import type { GovernedRpc, MarketView, OperatedRpc, OperatorAct } from "./governing.ts";

/** An act that happens once is answered to HTTP and by objects in one shape. */
/** What is told of an order, or of many at once, is told to core as it is. */
export type { Answered, Batch, BatchOutcome, MarketView, OperatorAct, UnreadOrder };

/** A pair that an object has parked: the other end, why, since when (ms), and how many messages it has for it. */
export interface ParkedPair {
  peer: string;
  reason: string;
  since: number;
  waiting: number;
}

/** What an object has parked, the last one first; and why it takes no commands at all, null while it does. */
export interface ParkedView extends Page<ParkedPair> {
  stopped: string | null;
}

/**
 * What an object is restored from: the first events of its journal, as stored, and the epoch of its next life. `replace`:
 * what it has stored is thrown away for them; the version before leaves it out.
 */
export interface Snapshot {
  epoch: number;
  journal: string[];
  replace?: boolean;
}

/** How far a restore has come: whether new orders are refused, with whom hands are to be shaken, and what is broken. */
export interface RestoreView {
  epoch: number;
  restoring: boolean;
  unmet: string[];
  breaks: string[];
}

/**
 * Who asks: the session is judged by the account object itself, which hears of a logout first. Times in ms. `spend`: what
 * the call costs; left out, it is not counted. By `key`, `sessionId` is the key's id and `issuedAtMs` −1: an object of the
 * version before, which knows no keys, takes that for a token from before all logouts.
 */
export interface Caller {
  accountId: string;
  sessionId: string;
  issuedAtMs: number;
  key?: PresentedKey;
  spend?: Spend;
}

/** A new API key; `hash` is the SHA-256 of its text, which nobody keeps. Times in ms; null: it does not expire. */
export interface NewApiKey {
  id: string;
  hash: string;
  userId: string;
  name: string;
  scopes: Scope[];
  ipAllow: string[];
  signing: boolean;
  expiresAt: number | null;
}

/** An API key as its owner sees it. Times in ms; `lastUsedAt` may be a minute late. */
export interface ApiKey extends Omit<NewApiKey, "hash" | "userId"> {
  createdAt: number;
  lastUsedAt: number | null;
}

/** An answer to a call that was counted says what that has left; one to a call that was not says nothing of it. */
export type Counted<T> = Result<T> & { standing?: Standing };

/** Who opens a stream: it lives no longer than the token that it was opened with, or last renewed by. */
export interface StreamCaller extends Caller {
  expiresAtMs: number;
}

/** One page of a list: `nextCursor` is the place after its last row, null at the end. */
export interface Page<T> {
  data: T[];
  nextCursor: number | null;
}

/** At most `limit` rows, from the place `cursor` on; null begins at the list's own start. */
export interface PageRequest {
  limit: number;
  cursor: number | null;
}

/** Which of the caller's orders are wanted; null filters nothing. */
export interface OrderQuery extends PageRequest {
  status: "open" | "closed" | "all";
  symbol: string | null;
  side: Side | null;
}

/** Which entries of the caller's ledger are wanted; null filters nothing. `from` and `to` in ms, `to` exclusive. */
export interface LedgerQuery extends PageRequest {
  asset: string | null;
  kind: string | null;
  from: number | null;
  to: number | null;
}

/** An account as of one stream number. `asOf` in ms; `ledger` is where its chain ends: the version before leaves it out. */
export interface AccountView {
  id: string;
  status: AccountStatus;
  balances: Balance[];
  ledger?: ChainHead;
  seq: number;
  asOf: number;
  selfTradePrevention?: SelfTradePrevention;
}

/** Where an object's journal is: for the sweeper that compares it with the read model. */
export interface JournalHead {
  epoch: number;
  seq: number;
}

/** Journal rows as they are sent to the read model. `from` and `to` are stream numbers; rows follow each other. */
export interface JournalSlice {
  v: 1;
  object: "account" | "market";
  name: string;
  epoch: number;
  from: number;
  to: number;
  /** Each row's body as stored: core/codec.ts decodes it. */
  events: string[];
}

/**
 * A message of the journal queue that says whose journal is to be fetched from its object, from where the read model is. Of
 * version 2, so that a reader of slices alone leaves it for a newer one.
 */
export interface JournalPull {
  v: 2;
  kind: "pull";
  object: "account" | "market";
  name: string;
  epoch: number;
}

/** What those who look after the read model ask of an object. */
export interface JournalRpc {
  head(): Promise<JournalHead>;
  /** The events from a stream number on, in at most `bytesMax`, but at least one; null at the end. */
  journalFrom(fromSeq: number, bytesMax: number): Promise<JournalSlice | null>;
}

/** A request's Idempotency-Key, and its id, under which the first answer is replayed. */
export interface Idempotency {
  key: string;
  requestId: string;
}

/** Questions as callers ask them. */
type AskedByCaller<T> = {
  [K in keyof T]: T[K] extends (query: infer Q) => Result<infer A>
    ? (caller: Caller, query: Q) => Promise<Counted<A>>
    : never;
};

/** The account object's remote calls. Refusals are values; a throw is a bug. */
export interface AccountRpc extends JournalRpc, OperatedRpc, AskedByCaller<AccountPast> {
  admit(caller: Caller): Promise<Counted<KeyOwner>>;
  /** As {@link AccountPast.performance}, for the record of all accounts. */
  recordedPerformance(wish: PerformanceWish): Promise<Result<PerformanceRecord>>;
  placeOrder(caller: Caller, request: OrderRequest, idempotency: Idempotency | null): Promise<Answered<Order>>;
  refuseOrder(caller: Caller, unread: UnreadOrder, idempotency: Idempotency | null): Promise<Answered<Order>>;
  placeBatch(caller: Caller, batch: Batch, idempotency: Idempotency | null): Promise<Answered<BatchOutcome[]>>;
  cancelOrder(caller: Caller, orderId: string): Promise<Counted<Order>>;
  /** What placing this order now would do. Refuses as placing it would. */
  previewOrder(caller: Caller, request: OrderRequest): Promise<Counted<Preview & { bookSeq: number }>>;
  /** The order under its other terms, or as it is while its market has not answered (`replacing`). */
  replaceOrder(caller: Caller, orderId: string, wish: ReplaceWish): Promise<Counted<Order>>;
  cancelAll(caller: Caller, filter: { symbol: string | null; side: Side | null }): Promise<Counted<Order[]>>;
  /** Refuses nothing that another command does not. `cancelAt` in ms; null: never. */
  cancelAllAfter(caller: Caller, timeoutMs: number): Promise<Counted<{ cancelAt: number | null }>>;
  transfer(
    caller: Caller,
    wish: { kind: Transfer["kind"]; asset: string; amount: bigint },
    idempotency: Idempotency | null,
  ): Promise<Answered<Transfer>>;
  account(caller: Caller): Promise<Counted<AccountView>>;
  /** From the next order on. */
  choose(caller: Caller, settings: Settings): Promise<Counted<AccountView>>;
  /** What its fees go by: the volume of thirty days, in USD units. */
  volume(caller: Caller): Promise<Counted<bigint>>;
  order(caller: Caller, by: { id: string } | { clientOrderId: string }): Promise<Counted<Order>>;
  orders(caller: Caller, query: OrderQuery): Promise<Counted<Page<Order>>>;
  fills(
    caller: Caller,
    query: PageRequest & { symbol: string | null; orderId: string | null },
  ): Promise<Counted<Page<FillRecord>>>;
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
  /** The markets that this account sends nothing to. */
  parked(query: PageRequest): Promise<ParkedView>;
  /** Sends a parked market what waits for it. Refuses `not_found` when it is not parked. */
  unpark(symbol: string, act: OperatorAct): Promise<Result<null>>;
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

/** One price of a book and all that rests there, in units. */
export interface BookLevel {
  price: bigint;
  qty: bigint;
}

/** The best levels of a market's book, best first, as of its event `seq`. */
export interface BookView {
  symbol: string;
  seq: number;
  bids: BookLevel[];
  asks: BookLevel[];
}

/** The market object's remote calls. */
export interface MarketRpc extends JournalRpc, GovernedRpc {
  exchange(call: ExchangeCall): Promise<ExchangeAnswer>;
  preview(call: PreviewCall): Promise<PreviewAnswer>;
  shake(call: HandshakeCall): Promise<HandshakeAnswer>;
  /** Null while what is stored cannot be read. */
  book(depth: number): Promise<BookView | null>;
  /** The accounts that this market pushes nothing to; their own calls are answered. */
  parked(query: PageRequest): Promise<ParkedView>;
  /** Pushes to a parked account what waits for it. Refuses `not_found` when it is not parked. */
  unpark(account: string, act: OperatorAct): Promise<Result<null>>;
  /** As an account's; `expected` are accounts that may have traded here since the snapshot. */
  restore(snapshot: Snapshot, expected: string[], act: OperatorAct): Promise<Result<null>>;
  restoration(): Promise<RestoreView>;
  reopen(act: OperatorAct): Promise<Result<null>>;
  /** The journal as it is stored, oldest first: what a restore begins from. */
  journal(query: PageRequest): Promise<Page<string>>;
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
