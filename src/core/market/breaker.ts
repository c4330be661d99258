// The circuit breaker: at which prices nothing may trade, when the reference price moves too fast, and what happens then.
import type { MarketRules, MarketStatus } from "../listings.ts";
import type { PriceRange } from "../matching.ts";
import { bandOf } from "../order.ts";
import { pricePath, STEP_MS } from "../prices.ts";
import { enact } from "./rules.ts";
import type { MarketState } from "./state.ts";
import type { MarketTurn } from "./turn.ts";

/** The prices at which anything may trade around a reference price: the band, and what the breaker allows beyond it. */
export function tradableAt(rules: MarketRules, reference: bigint): PriceRange {
  return bandOf(reference, rules.priceBandBps + rules.breakerBps, rules.tickSize);
}

/** What a market takes now: one that is being restored, or is full, takes cancels alone, whatever its status is. */
export function takes({ rules, restoring }: MarketState, isFull = false): { status: MarketStatus } {
  return restoring || (isFull && rules.status !== "halted") ? { status: "cancel_only" } : rules;
}

/** Whether anything trades now. Where nothing does, an order may rest that another would meet: the book may be crossed. */
export function isTrading({ rules, restoring }: MarketState): boolean {
  return rules.status === "open" && !restoring;
}

const BPS = 10_000;

/**
 * Whether the reference price at a step is farther from what it was at any step of the window before than the breaker allows.
 * Every second of the window is looked at, also those in which nobody asked.
 */
export function hasBolted({ state, ctx }: MarketTurn, step: number, reference: bigint): boolean {
  const { rules } = state;
  const priceAt = pricePath(rules, ctx.priceSeed);
  const now = Number(reference / rules.tickSize);
  const first = Math.max(step - Math.floor(rules.breakerWindowMs / STEP_MS), Math.ceil(rules.openedAt / STEP_MS));
  for (let before = first; before < step; before += 1) {
    const then = priceAt(before);
    if (Math.abs(now - then) * BPS > then * rules.breakerBps) return true;
  }
  return false;
}

/** Halts an open market for as long as its breaker does. From now on nothing trades, and the house has no quotes. */
export function trip(turn: MarketTurn): void {
  const { rules, at } = turn.state;
  const until = Math.max(turn.ctx.now, at) + rules.breakerHaltMs;
  enact(turn, { status: "halted", halt: { reason: "circuit_breaker", until, before: rules.status } }, { by: null });
}
