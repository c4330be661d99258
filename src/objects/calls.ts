// What an account and a market ask and answer each other; what they carry is in core/messages.ts.
import type { Command, Mark, Report, Submission, Told } from "../core/messages.ts";

/** Whose answer it is: the epoch of the object that speaks. The version before leaves it out of some answers. */
interface Spoken {
  epoch?: number;
}

/** A market's answer to a call of an account: its record of that account. `later`: ask again; `bug`: park this pair. */
export type ExchangeAnswer = Spoken &
  (
    | { outcome: "applied"; cseq: number; reports: Report[] }
    | { outcome: "gap"; expected: number }
    | { outcome: "later" }
    | { outcome: "bug"; detail: string }
  );

/** An account's call to a market: commands not yet acknowledged, lowest first, and the last report it has applied. */
export interface ExchangeCall {
  v: 1;
  account: string;
  epoch: number;
  /** The market's epoch that it is meant for; null before the first contact. The version before leaves it out. */
  to?: number | null;
  rseq: number;
  commands: Command[];
}

/**
 * An account's call to a market when one of them has been restored: what it has counted, the report that it has under
 * `rseq`, and reports that the market has forgotten, lowest first. `to`: the market's epoch, null while it is not known.
 */
export interface HandshakeCall {
  v: 1;
  account: string;
  epoch: number;
  to: number | null;
  cseq: number;
  rseq: number;
  last: Mark | null;
  told: Told[];
}

/**
 * A market's answer to it. `behind`: tell the reports after `rseq`. `known`: it knows all that the account does, here is
 * what the account has not (`told`, up to `rseq`, in parts); commands up to `cseq` are done with. `conflict`: one number
 * means different things to them.
 */
export type HandshakeAnswer = Spoken &
  (
    | { outcome: "behind"; rseq: number; last: Mark | null }
    | { outcome: "known"; cseq: number; rseq: number; told: Told[] }
    | { outcome: "later" }
    | { outcome: "conflict" | "bug"; detail: string }
  );

/** A market's push to an account: reports not yet acknowledged, lowest first. */
export interface ReportCall {
  v: 1;
  symbol: string;
  epoch: number;
  reports: Report[];
  /** The market has been restored, and waits for this account's hand. */
  hello?: true;
}

/** An account's answer to a push: the last report that it has applied. `later`: push again; `bug`: park this pair. */
export type ReportAnswer = Spoken &
  ({ outcome: "applied"; rseq: number } | { outcome: "later" } | { outcome: "bug"; detail: string });

/** An order that is not placed: what would its market say to it? */
export interface PreviewCall {
  v: 1;
  account: string;
  submission: Submission;
}

/** The reports that there would be, numbered from 1, and the event of the market that they are as of. */
export type PreviewAnswer = { outcome: "previewed"; seq: number; reports: Report[] } | { outcome: "later" };
