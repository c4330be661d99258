// What an account and a market say to each other: commands one way, reports the other, each contiguously numbered.
import type { MarketRules } from "./listings.ts";
import type { ExecType, Liquidity, SelfTradePrevention, Side, TimeInForce } from "./order.ts";

/** An order as it is sent to its market: terms, what is held for it, and until when and under which rules it counts. */
export interface SubmitOrder {
  id: string;
  side: Side;
  limitPrice: bigint | null;
  qty: bigint | null;
  timeInForce: TimeInForce;
  postOnly: boolean;
  selfTradePrevention: SelfTradePrevention;
  makerFeeBps: number;
  takerFeeBps: number;
  budget: bigint;
  expiresAt: number | null;
}

/** One command of an account for one market; `cseq` counts them from 1 for that pair. */
export type Command =
  | { kind: "submit"; cseq: number; order: SubmitOrder; notAfter: number | null; rulesVersion: number }
  | { kind: "cancel"; cseq: number; orderId: string };

/** One execution as its owner sees it. `done`: the order has got all that it may get. */
export interface Fill {
  executionId: string;
  tradeId: string;
  price: bigint;
  qty: bigint;
  fee: bigint;
  liquidity: Liquidity;
  done: boolean;
}

/**
 * One report of a market about one order of one account; `rseq` counts them from 1 for that pair.
 * `cancel_rejected`: the order was not open. `rules_changed`: not judged, admit it again under `rules`.
 */
export interface Report {
  rseq: number;
  orderId: string;
  execType: ExecType | "cancel_rejected" | "rules_changed";
  at: number;
  reason: string | null;
  fill: Fill | null;
  rules: MarketRules | null;
}

/** One trade as the public sees it; `side` is the taker's. */
export interface Trade {
  id: string;
  price: bigint;
  qty: bigint;
  side: Side;
  at: number;
}

/** Makes an id of a kind at a moment; a parameter of core, since core has no randomness. */
export type MakeId = (prefix: string, atMs: number) => string;
