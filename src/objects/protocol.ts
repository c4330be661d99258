// What objects answer to the Worker, and what they are asked with.

import type { UnreadOrder } from "../core/account/admission.ts";
import type { Batch, BatchOutcome } from "../core/account/batch.ts";
import type { ProviderFact, TransferReview } from "../core/account/reviews.ts";
import type { AccountStatus, Balance } from "../core/account/state.ts";
import type { TransferLimits } from "../core/account/transfers.ts";
import type { PresentedKey } from "../core/api-keys.ts";
import type { ChainHead } from "../core/ledger.ts";
import type { SelfTradePrevention, Side } from "../core/order.ts";
import type { Scope } from "../core/permissions.ts";
import type { Spend, Standing } from "../core/policies.ts";
import type { Answered, Result } from "../core/result.ts";
import type { MarketView, OperatorAct } from "./governing.ts";

/** An act that happens once is answered to HTTP and by objects in one shape; what is told to core is told as it is. */
export type {
  Answered,
  Batch,
  BatchOutcome,
  MarketView,
  OperatorAct,
  ProviderFact,
  TransferLimits,
  TransferReview,
  UnreadOrder,
};

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

/** Events of a snapshot that is too long for one call, as stored, behind the first `after` that were handed in for the same epoch. */
export interface SnapshotPart {
  epoch: number;
  after: number;
  journal: readonly string[];
}

/**
 * What an object is restored from: the first events of its journal, as stored, and the epoch of its next life. `after`: how many
 * of them have been handed in as parts. `replace`: what it has stored is thrown away for them. The version before leaves out both.
 */
export interface Snapshot extends Omit<SnapshotPart, "after"> {
  after?: number;
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

/** Which of the caller's executions, or prevented matches, are wanted; null filters nothing. */
export interface ExecutionQuery extends PageRequest {
  symbol: string | null;
  orderId: string | null;
}

/** Which entries of the caller's ledger are wanted; null filters nothing. `from` and `to` in ms, `to` exclusive. */
export interface LedgerQuery extends PageRequest {
  asset: string | null;
  kind: string | null;
  from: number | null;
  to: number | null;
}

/**
 * An account as of one stream number. `asOf` in ms, and `archivedBefore`: from then on it can still answer; the version before leaves
 * `ledger` out, and how many transfers are pending.
 */
export interface AccountView {
  id: string;
  status: AccountStatus;
  balances: Balance[];
  ledger?: ChainHead;
  pending?: number;
  seq: number;
  asOf: number;
  selfTradePrevention?: SelfTradePrevention;
  archivedBefore?: number | null;
}

/** Where an object's journal is: for the sweeper that compares it with the read model. */
export interface JournalHead {
  epoch: number;
  seq: number;
}

/**
 * What of an object's journal may be cut: the events after `after` up to `through`, which are all that were at or before the time
 * `before` (ms), and after those that were cut before.
 */
export interface Cuttable {
  epoch: number;
  after: number;
  through: number;
  before: number;
}

/**
 * Journal rows as they are sent to the read model. `from` and `to` are stream numbers; rows follow each other. `base`: the last event
 * that has been cut; the version before leaves it out.
 */
export interface JournalSlice {
  v: 1;
  object: "account" | "market";
  name: string;
  epoch: number;
  from: number;
  to: number;
  /** Each row's body as stored: core/codec.ts decodes it. */
  events: string[];
  base?: number;
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

/** A request's Idempotency-Key, and its id, under which the first answer is replayed. */
export interface Idempotency {
  key: string;
  requestId: string;
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
