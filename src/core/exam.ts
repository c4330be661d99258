// What a check asks of an object, and the figures that it answers: bounded in cost, and whole as of one event.
import type { Balance } from "./account/events.ts";
import type { Fingerprint } from "./backups.ts";
import type { ChainHead } from "./ledger.ts";
import type { Order } from "./order.ts";

/** Units of an asset. */
export interface Amount {
  asset: string;
  units: bigint;
}

/** Which rows are wanted: at most `limit` after the place `after`, and those of `also` wherever they are. */
export interface Window<Place> {
  after: Place;
  limit: number;
  also: readonly Place[];
}

/** What a check asks of an account or a market. `applied`: how far D1 is, null where nothing of it has been applied. */
export interface Question {
  applied: { epoch: number; seq: number } | null;
  orders: Window<string>;
  entries: Window<number>;
  /** Of accounts: the last report of each market that counts. */
  cuts: { symbol: string; rseq: number }[];
}

/** An entry of the ledger by its hash, and the hash that it follows; null when that lies too far back to be looked for. */
export interface EntryMark {
  seq: number;
  before: string | null;
  hash: string;
}

/** A window's rows; `upTo` is the last place that it covers, null when it goes to the end. */
export interface WindowPage<Place, Row> {
  rows: Row[];
  upTo: Place | null;
  also: Row[];
}

/**
 * What an account has booked against one market: `clearing` and `fees` once it had applied the report that was asked for, or
 * its last one, `rseq`, when it has not come so far. Not `known`: that lies too far back to be looked for.
 */
export interface Booked {
  symbol: string;
  rseq: number;
  clearing: Amount[];
  fees: Amount[];
  known: boolean;
}

/** What the read model can be held against: the object as it was after its event `seq`, the last that D1 has applied. */
export interface AsApplied {
  seq: number;
  head: ChainHead | null;
  entries: WindowPage<number, EntryMark>;
  /** Null where there are none to count without reading all, as in markets. */
  entryCount: number | null;
  /** Null in markets, whose orders are their accounts'. */
  orderCount: number | null;
  balances: Balance[];
  /** Null when more has happened since than is worth looking at. `moved`: orders that have changed since. */
  orders: (WindowPage<string, Order> & { moved: string[] }) | null;
}

/** What an object says of itself. `asApplied` is null when D1 has applied nothing of this life, or more than there is. */
export interface Figures {
  epoch: number;
  seq: number;
  restoring: boolean;
  /** Every ledger account as it is now. */
  money: (Amount & { account: string })[];
  /** What is broken: by the object's own invariants, and between its memory and its tables. */
  own: string[];
  stored: string[];
  /** How many orders and entries it has ever had, as far as they can be counted at once. */
  orders: number;
  entries: number;
  asApplied: AsApplied | null;
  /** When the first event happened that D1 has not applied, in ms; null when there is none. */
  waitingSince: number | null;
  /** Of accounts. */
  booked: Booked[];
  /** Of markets: how many accounts it has ever told anything. */
  peers: number;
}

/** An object's answer to a {@link Question}: why it takes no commands, if so; no figures while what is stored cannot be read. */
export interface Exam {
  stopped: string | null;
  figures: Figures | null;
}

/** The last report that a market had made to an account by some event of its own. */
export interface ToldTo {
  account: string;
  rseq: number;
}

/** What a market has moved in its `clearing` with some reports to an account; `upTo` is the last one counted. */
export interface Owed {
  upTo: number;
  amounts: Amount[];
}

/** What a check or a backup may ask of any object. */
export interface ExamRpc {
  inspect(question: Question): Promise<Exam>;
  /** The object as of its last event; null while what is stored cannot be read. */
  fingerprint(): Promise<Fingerprint | null>;
}

/** Of an account also what it owed its customer at a time in ms; null: not yet, or not to be read. */
export interface AccountExamRpc extends ExamRpc {
  owedAt(atMs: number): Promise<Amount[] | null>;
}

/** Of a market also what it had told by its event `seq`, and what reports after `from`, up to `to`, have moved. */
export interface MarketExamRpc extends ExamRpc {
  toldBy(seq: number, accounts: string[]): Promise<ToldTo[]>;
  owed(account: string, from: number, to: number): Promise<Owed>;
}
