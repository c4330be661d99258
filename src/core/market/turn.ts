// One turn at a market: what it is given, and the one way in which it makes events.
import type { Sha256 } from "../ledger.ts";
import type { MakeId, Report } from "../messages.ts";
import { referencePrice } from "../prices.ts";
import { applyMarketEvent, type MarketEvent, type MarketState, peerOf, type ReportEvent } from "./state.ts";

/** Everything that is not the state: the time in ms, ids, the hash, and the seed of the simulated prices. */
export interface MarketContext {
  now: number;
  makeId: MakeId;
  sha256: Sha256;
  priceSeed: number;
  /** So much is stored that the market takes cancels alone. */
  isFull?: boolean;
}

/** One turn at a market: the state that it changes and the events that it has made, in order. */
export interface MarketTurn {
  state: MarketState;
  ctx: MarketContext;
  events: MarketEvent[];
}

type Body<E> = E extends MarketEvent ? Omit<E, "seq" | "v" | "at"> : never;

/** Numbers an event, applies it to the state and keeps it for the journal. */
export function emit(turn: MarketTurn, body: Body<MarketEvent>): void {
  const at = Math.max(turn.ctx.now, turn.state.at);
  const event = { ...body, seq: turn.state.seq + 1, v: 1 as const, at } as MarketEvent;
  applyMarketEvent(turn.state, event);
  turn.events.push(event);
}

/** What a report does to nothing but its own order and account. */
export const NOTHING_MORE = {
  cseq: null,
  order: null,
  rests: false,
  budget: null,
  feeNumerator: null,
  house: null,
  trade: null,
  entry: null,
};

/** Reports to an account what became of one of its orders, numbered next for that account. */
export function report(
  turn: MarketTurn,
  account: string,
  facts: Pick<Report, "orderId" | "execType"> & Partial<Report>,
  effect: Partial<Omit<ReportEvent, "kind" | "account" | "report">> = {},
): void {
  const { state, ctx, events } = turn;
  const at = Math.max(ctx.now, state.at);
  const rseq = peerOf(state, account).rseq + 1;
  const full: Report = { reason: null, fill: null, rules: null, ...facts, rseq, at };
  const event: ReportEvent = { kind: "report", seq: state.seq + 1, v: 1, at, account, report: full, ...NOTHING_MORE };
  Object.assign(event, effect);
  applyMarketEvent(state, event);
  events.push(event);
}

/** The price that the house and the bands go by at a moment, in quote units per whole base unit. */
export function referenceAt(turn: Pick<MarketTurn, "state" | "ctx">, at: number): bigint {
  return referencePrice(turn.state.rules, turn.ctx.priceSeed, at);
}

/** As {@link referenceAt}, at this turn. */
export function referenceNow(turn: MarketTurn): bigint {
  return referenceAt(turn, Math.max(turn.ctx.now, turn.state.at));
}
