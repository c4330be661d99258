// What a run of the black box has seen from outside: every attempt with its moments and its answer, every stream message,
// and what was there to read at the end. checker.ts judges it.
import type { wireEntry, wireFill, wireOrder } from "../../src/core/wire.ts";

export type WireOrder = ReturnType<typeof wireOrder>;
export type WireFill = ReturnType<typeof wireFill>;
export type WireEntry = ReturnType<typeof wireEntry>;

/**
 * `ok`: done, or shown. `fail`: refused, for good. `info`: nobody knows (no answer, 5xx), or not judged at all (401, 409
 * while in flight, 429): it is tried again with the same key.
 */
export type Outcome = "ok" | "fail" | "info";

/** What an answer said that matters to the checker. */
export interface Facts {
  /** The id of what the act made, also when its market refused it. */
  ref: string | null;
  /** The code of a refusal. */
  code: string | null;
  /** An order's status and what was filled of it. */
  status: string | null;
  filledQty: string | null;
  /** The stream number of an account, or of an order's last change. */
  seq: number | null;
  /** A hash of the body's bytes. */
  bytes: string;
}

/** One request. `invoke` and `completion` in ms of one clock. */
export interface Attempt {
  account: string;
  kind: "deposit" | "order" | "cancel" | "read_account" | "read_order";
  /** An act's own key; what is canceled or read otherwise. */
  key: string;
  /** Whether an Idempotency-Key was sent with it: then every answer has the same bytes. */
  byKey: boolean;
  body: string;
  invoke: number;
  completion: number;
  outcome: Outcome;
  /** Of HTTP; 0 when there was no answer. */
  httpStatus: number;
  /** The answer says that the act had been done before. */
  repeated: boolean;
  facts: Facts | null;
}

/** One thing that happened on the stream of an account: a subscription made, or a message. */
export type StreamLine =
  | { type: "subscribed"; resumeFrom: number | null }
  | { type: "snapshot"; seq: number }
  | { type: "gap" }
  | { type: "fill"; seq: number; prevSeq: number; id: string }
  | { type: "order"; seq: number; prevSeq: number; id: string; status: string }
  | { type: "balance"; seq: number; prevSeq: number; asset: string; available: string; held: string };

/** All that one account shows at the end, and what D1 shows of it. Lists are whole; the ledger is oldest first. */
export interface FinalAccount {
  id: string;
  seq: number;
  balances: { asset: string; available: string; held: string }[];
  orders: WireOrder[];
  fills: WireFill[];
  ledger: WireEntry[];
  projected: WireOrder[];
}

/** What of one asset is in one kind of ledger account over all objects of a kind, in units. */
export interface Holding {
  owner: "accounts" | "markets";
  account: string;
  asset: string;
  units: bigint;
}

/** What a client was answered that asked for something of D1 while D1 was away. */
export interface OutageProbe {
  path: string;
  httpStatus: number;
  retryAfter: string | null;
}

/** `stored`: Σ over the objects' own tables after the server's end, and what the invariants of core say of them. */
export interface History {
  attempts: Attempt[];
  streams: Map<string, StreamLine[]>;
  final: FinalAccount[];
  probes: OutageProbe[];
  stored: { holdings: Holding[]; breaks: string[] };
}

/** A history of nothing, to be judged in parts. */
export const NOTHING_SEEN: History = {
  attempts: [],
  streams: new Map(),
  final: [],
  probes: [],
  stored: { holdings: [], breaks: [] },
};
