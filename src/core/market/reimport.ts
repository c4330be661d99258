// A restored market takes back what its accounts still know, and opens again when all have told (protocol rule 15).
import { type BookOrder, opposite } from "../book.ts";
import type { Mark, Report, Told, Trade } from "../messages.ts";
import { notionalOf } from "../order.ts";
import { STEP_MS } from "../prices.ts";
import { invariant } from "../result.ts";
import { mayRest } from "./active.ts";
import { settleGroups } from "./exits.ts";
import { retoldEntry } from "./fills.ts";
import { isAsleep } from "./groups.ts";
import { type MarketEvent, peerOf, type ReportEvent } from "./state.ts";
import { laterOfCrossed } from "./status.ts";
import { emit, type MarketTurn, NOTHING_MORE, referenceNow, report } from "./turn.ts";

/**
 * A snapshot's events without a last one that is half of a trade: its entry posts the maker's side too, whose report would
 * follow, and whoever tells that report would post it again. Without the part of an atomic batch, too: what is left of it
 * would be placed after a handshake, or not.
 */
export function wholeTrades(snapshot: readonly MarketEvent[]): readonly MarketEvent[] {
  const events = snapshot.slice(0, snapshot.findLastIndex((event) => !("more" in event && event.more === true)) + 1);
  const last = events.at(-1);
  const half = last?.kind === "report" && last.trade !== null && last.house === null && last.retold !== true;
  return half ? events.slice(0, -1) : events;
}

/** Applies what an account tells again, from the report after the last one known, as facts: nothing is matched anew. */
export function reimport(turn: MarketTurn, account: string, told: readonly Told[]): void {
  for (const one of told) {
    if (one.report.rseq !== peerOf(turn.state, account).rseq + 1) continue;
    emit(turn, {
      kind: "report",
      account,
      ...NOTHING_MORE,
      ...effectOf(turn, account, one),
      report: one.report,
      retold: true,
    });
  }
}

function effectOf(turn: MarketTurn, account: string, { report: { execType, fill, at }, order, origin }: Told) {
  if (order === null) return {};
  invariant(order.account === account, `order ${order.id} is of ${order.account}, not of ${account}`);
  if (execType === "new") return { order, origin, rests: mayRest(order) };
  if (execType === "replaced") return { order, rests: mayRest(order) };
  if (execType === "triggered") return { rests: mayRest(order) };
  if (execType === "rejected" || execType === "rules_changed") return { order, origin };
  if (execType !== "fill") return {};
  invariant(fill !== null, "a fill report comes with its fill");
  const { price, qty, fee, liquidity } = fill;
  const side = liquidity === "taker" ? order.side : opposite(order.side);
  const trade: Trade = { id: fill.tradeId, price, qty, side, at };
  const notional = notionalOf(price, qty, turn.state.rules.baseScale);
  const entry = retoldEntry(turn, trade, order.side, { qty, notional }, fee);
  return { trade, entry, budget: order.budget, feeNumerator: order.feeNumerator };
}

/** Ends the handshake with an account: both sides know the same reports, and its commands up to `cseq` are done with. */
export function meetAccount(turn: MarketTurn, account: string, epoch: number, cseq: number): void {
  emit(turn, { kind: "met", account, epoch, cseq: Math.max(cseq, peerOf(turn.state, account).cseq) });
}

/**
 * Opens the market again. Of two orders that cross, since neither side knows of their trade, the later is canceled. The
 * house goes on from now: it does not trade for the time in which nobody could cancel.
 */
export function openMarket(turn: MarketTurn, by: string | null, reason: string): void {
  // A snapshot may end within an order that was never to rest: what ended it is known to nobody.
  const { orders, resting, waiting } = turn.state;
  for (const order of orders.values())
    if (!resting.has(order.id) && !waiting.has(order.id) && !isAsleep(order)) cancelRestored(turn, order);
  for (let later = laterOfCrossed(turn); later !== null; later = laterOfCrossed(turn)) {
    cancelRestored(turn, later);
  }
  const now = Math.max(turn.ctx.now, turn.state.at);
  emit(turn, { kind: "opened", step: Math.floor(now / STEP_MS), by, reason });
  // What one exit had done may have been told, and not what that did to the other.
  for (const id of turn.state.groups.all.keys()) turn.state.groups.unsettled.add(id);
  settleGroups(turn, referenceNow(turn));
}

function cancelRestored(turn: MarketTurn, { id: orderId, account }: BookOrder): void {
  report(turn, account, { orderId, execType: "canceled", reason: "market_restored" });
}

/** A report as this market tells it to an account that has forgotten it. */
export function toldOf({ report, order, origin }: ReportEvent): Told {
  return { report, order, origin: origin ?? null };
}

/** Which report a market has under a number. */
export function markOf({ rseq, orderId, execType, fill }: Report): Mark {
  return { rseq, orderId, execType, executionId: fill?.executionId ?? null };
}
