// Whether the market has said and kept what the naive one has.
import { expect } from "vitest";
import type { BookOrder } from "../../../src/core/book.ts";
import { marketBreaks } from "../../../src/core/invariants.ts";
import { isAsleep } from "../../../src/core/market/groups.ts";
import type { MarketEvent, MarketState } from "../../../src/core/market/state.ts";
import { isWaiting } from "../../../src/core/market/triggers.ts";
import type { Report, SubmitOrder } from "../../../src/core/messages.ts";
import type { Side } from "../../../src/core/order.ts";
import { queueOf } from "../naive/book.ts";
import type { Naive, NaiveEvent, Working } from "../naive/terms.ts";
import type { Run } from "./run.ts";

const KNOWN: readonly NaiveEvent["what"][] = [
  ...(["new", "rejected", "triggered", "fill", "canceled", "expired"] as const),
  ...(["cancel_rejected", "replaced", "replace_rejected"] as const),
];

/** The reports of a turn as the naive market says them. */
export function saidBy(events: readonly MarketEvent[]): NaiveEvent[] {
  return events.flatMap((event) => (event.kind === "report" ? [wordsOf(event.account, event.report)] : []));
}

function wordsOf(account: string, report: Report): NaiveEvent {
  const { orderId, execType, reason, fill, replaced, triggerPrice, prevented } = report;
  const what = KNOWN.find((known) => known === execType);
  if (what === undefined) throw new Error(`${execType} is not known here`);
  const event: NaiveEvent = { account, orderId, what, reason, fill: null, change: null, at: null, prevented: null };
  if (fill !== null) {
    const { price, qty, fee, liquidity, done } = fill;
    event.fill = { price, qty, fee, liquidity, done };
  }
  if (replaced !== undefined) {
    const { qtyDelta: by, limitPrice: price, hold, trigger } = replaced;
    event.change = { by, price, hold, trigger: trigger?.price ?? null };
  }
  if (triggerPrice !== undefined) event.at = triggerPrice;
  if (prevented !== undefined) {
    const { takerOrderId: taker, makerOrderId: maker, side, price, qty, selfTradePrevention: mode } = prevented;
    event.prevented = { taker, maker, side, price, qty, mode };
  }
  return event;
}

/** What both say, the same in the same order, and what both keep, all of it. */
export function compare(run: Run, naive: Naive, said: NaiveEvent[], expected: NaiveEvent[]): void {
  expectSame(said, expected);
  const { state } = run;
  for (const side of ["buy", "sell"] as const)
    expectSame(realQueue(state, side).map(factsOf), queueOf(naive, side).map(naiveFactsOf));
  const waiting = [...state.orders.values()].filter(isWaiting).sort((a, b) => a.seq - b.seq);
  expectSame(waiting.map(factsOf), naive.waiting.map(naiveFactsOf));
  const asleep = [...state.orders.values()].filter(isAsleep);
  expectSame(asleep.map(factsOf).sort(byId), naive.asleep.map(naiveFactsOf).sort(byId));
  const breaks = marketBreaks(state);
  if (breaks.length > 0) expect(breaks).toEqual([]);
}

/** An order's id, price, what is left of it, what it shows, its fee, what is held for it, and where its trigger stands. */
type Facts = readonly [string, bigint | null, bigint | null, bigint | null, bigint, bigint | null, bigint | null];

const byId = ([a]: Facts, [b]: Facts) => (a < b ? -1 : 1);

function factsOf({ id, account, price, leaves, shownQty, fee, budget, trigger }: BookOrder): Facts {
  const rests = trigger === undefined && leaves !== 0n;
  return [
    id,
    price,
    leaves,
    rests ? (shownQty ?? leaves) : null,
    fee,
    heldFor(account, budget),
    trigger?.price ?? null,
  ];
}

function naiveFactsOf({ id, account, price, leaves, shown, fee, budget, trigger }: Working): Facts {
  const rests = trigger === undefined && leaves !== 0n;
  return [id, price, leaves, rests ? shown : null, fee, heldFor(account, budget), trigger?.price ?? null];
}

/** Nothing is held for the house. */
function heldFor(account: string, budget: bigint): bigint | null {
  return account === "house" ? null : budget;
}

function realQueue(state: MarketState, side: Side): BookOrder[] {
  const { prices, levels } = state.book[side];
  return prices.flatMap((price) => [...(levels.get(price)?.orders.values() ?? [])]);
}

/** Texts only when something is amiss: to write two books 100,000 times would take longer than the matching. */
function expectSame(mine: unknown, other: unknown): void {
  if (!same(mine, other)) expect(mine).toEqual(other);
}

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, at) => same(one, b[at]));
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  return Object.entries({ ...b, ...a }).every(([key, value]) => same(value, Reflect.get(b, key)));
}

/** A case by what the order is and what became of it: `stop: triggered`, `bracket take_profit: canceled oco`. */
export function caseOf(sent: SubmitOrder, { what, reason, change }: NaiveEvent): string {
  const less = change !== null && change.by < 0n ? "less" : null;
  return `${nameOf(sent)}: ${[what, less, reason].filter((word) => word !== null).join(" ")}`;
}

function nameOf({ trigger, limitPrice, side, group }: SubmitOrder): string {
  const trails = trigger?.trail == null ? null : "bps" in trigger.trail ? "trailing percent" : "trailing amount";
  if (group !== undefined) return [group.kind, group.role, ...(trails === null ? [] : ["trailing"])].join(" ");
  if (trigger === undefined || trails !== null) return trails ?? "order";
  if (limitPrice !== null) return "stop_limit";
  return (side === "buy") === (trigger.when === "rises") ? "stop" : "take_profit";
}
