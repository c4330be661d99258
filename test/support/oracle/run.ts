// One run of the oracle: a market among four accounts, and all that chance has sent it.
import { emptyMarket, type MarketState, peerOf } from "../../../src/core/market/state.ts";
import type { SubmitOrder } from "../../../src/core/messages.ts";
import { bandOf, feeOf, limitBuyReserve, notionalOf, type Trigger } from "../../../src/core/order.ts";
import { referencePrice } from "../../../src/core/prices.ts";
import { listed, NOON, SEED } from "../book.ts";
import { type Random, randomOf } from "../random.ts";

export const RULES = listed("SOL-USD");
export const ACCOUNTS = ["ann", "bob", "cat", "dan"];

/** Which orders are sent: of each word also those of the words before. */
export const KNOWLEDGE = ["limits", "triggers", "groups"] as const;
export type Knowledge = (typeof KNOWLEDGE)[number];

export interface Run {
  random: Random;
  state: MarketState;
  now: number;
  knows: Knowledge;
  /** Every order that was sent, as it was sent. */
  sent: Map<string, SubmitOrder>;
  ids: string[];
}

export function beginRun(seed: number, knows: Knowledge): Run {
  return { random: randomOf(seed), state: emptyMarket(RULES, 1), now: NOON, knows, sent: new Map(), ids: [] };
}

export function knows(run: Run, what: Knowledge): boolean {
  return KNOWLEDGE.indexOf(what) <= KNOWLEDGE.indexOf(run.knows);
}

export function referenceOf(run: Run): bigint {
  return referencePrice(RULES, SEED, run.now);
}

export function nextCommand(run: Run, account: string): number {
  return peerOf(run.state, account).cseq + 1;
}

/** Keeps an order under the next id. */
export function send(run: Run, order: Omit<SubmitOrder, "id">): SubmitOrder {
  const sent = { ...order, id: `o${run.ids.length + 1}` };
  run.ids.push(sent.id);
  run.sent.set(sent.id, sent);
  return sent;
}

/** So many ticks, as a price. */
export function ticks(count: number): bigint {
  return BigInt(count) * RULES.tickSize;
}

type Priced = Pick<SubmitOrder, "side" | "limitPrice" | "qty" | "makerFeeBps" | "takerFeeBps" | "trigger">;

/**
 * What is held for an order by quantity: a buy without a limit is held at the band's edge around the price that it may trade at, now
 * and then at less, as where the price has moved since.
 */
export function budgetOf(run: Run, order: Priced): bigint {
  const qty = order.qty ?? 0n;
  if (order.side === "sell") return qty;
  if (order.limitPrice !== null) return reserve(order, order.limitPrice, qty);
  const worst = notionalOf(bandAround(run, order.trigger), qty, RULES.baseScale);
  return ((worst + feeOf(worst * BigInt(order.takerFeeBps))) * BigInt(run.random.once(3) ? 80 : 100)) / 100n;
}

/** All that a buy may cost at a price, fee included. */
export function reserve(order: Priced, price: bigint, qty: bigint): bigint {
  return limitBuyReserve({ ...order, feeNumerator: 0n, fee: 0n }, price, qty, RULES.baseScale);
}

/** The dearest price inside the band: around the reference price, or a trigger that lies beyond it. */
export function bandAround(run: Run, trigger: Trigger | undefined): bigint {
  const reference = referenceOf(run);
  const waits = trigger !== undefined && (trigger.when === "falls" || trigger.price > reference);
  return bandOf(waits ? trigger.price : reference, RULES.priceBandBps, RULES.tickSize).high;
}
