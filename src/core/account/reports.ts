// What a market's report does to an account's order, money and position. A report cannot be refused: it has happened.

import { isExit } from "../groups.ts";
import { balanceKey, type Movement } from "../ledger.ts";
import type { MarketRules } from "../listings.ts";
import type { Fill, Report } from "../messages.ts";
import { feeOfFill, notionalOf, type Order } from "../order.ts";
import { addToPosition, flatPosition, type Position, takeFromPosition } from "../positions.ts";
import { type BrokenRule, invariant } from "../result.ts";
import { admit } from "./admission.ts";
import { followLegs } from "./containers.ts";
import {
  type AccountTurn,
  cancelCommand,
  emit,
  entryFor,
  moveHold,
  referenceFor,
  submitCommand,
  turnTime,
} from "./decide.ts";
import { groupChange, groupMoves, groupTold } from "./groups.ts";
import { holdOf } from "./holds.ts";
import { replacedEffect, replaceRejectedEffect } from "./replace.ts";
import { accountPeer, assetsOf, balanceOf, creditOf, type FillRecord, type ReportApplied, rulesOf } from "./state.ts";

type Effect = Pick<ReportApplied, "order"> & Partial<Omit<ReportApplied, "kind" | "balances">>;

const NO_EFFECT = { fill: null, entry: null, position: null, command: null, rules: null };

const KNOWN: ReadonlySet<string> = new Set<Report["execType"]>([
  "new",
  "rejected",
  "fill",
  "canceled",
  "expired",
  "triggered",
  "replaced",
  "replace_rejected",
  "cancel_rejected",
  "rules_changed",
]);

/** What says nothing new of the order itself. */
const SILENT: ReadonlySet<string> = new Set<Report["execType"]>([
  "cancel_rejected",
  "replace_rejected",
  "rules_changed",
]);

/** Finds an order that is no longer open. */
type OrderFinder = (id: string) => Order | undefined;

/** Whether this version knows what every one of these reports says; a newer market may say more (protocol rule 16). */
export function understands(reports: readonly Report[]): boolean {
  return reports.every((report) => KNOWN.has(report.execType));
}

/**
 * Applies the reports that follow the last one applied, in order; older ones were applied before. Answers the number of
 * the last report applied, so that the market can tell a gap. `closedOrder` finds an order that is no longer open. Reports
 * that are `retold` after a restore are history: they cause no new command.
 */
export function applyReports(
  turn: AccountTurn,
  symbol: string,
  reports: readonly Report[],
  closedOrder: OrderFinder,
  retold = false,
): number {
  const peer = accountPeer(turn.state, symbol);
  for (const report of reports) {
    if (report.rseq !== peer.rseq + 1) continue;
    const order =
      turn.state.orders.get(report.orderId) ?? closedInTurn(turn, report.orderId) ?? closedOrder(report.orderId);
    invariant(order !== undefined, `a report for ${report.orderId}, which this account never placed`);
    const { execType, rseq } = report;
    const effect = effectOf(turn, order, report, retold);
    const told = {
      ...(report.replaced === undefined ? {} : { replaced: report.replaced, replacedFor: report.reason }),
      ...(report.prevented === undefined ? {} : { prevented: { ...report.prevented, symbol, at: report.at } }),
    };
    const silent = SILENT.has(execType);
    const after = silent ? effect.order : { ...effect.order, seq: turn.state.seq + 1, updatedAt: turnTime(turn) };
    emit(turn, { kind: "report", symbol, rseq, execType, ...NO_EFFECT, ...effect, ...told, order: after });
    if (!silent && after.group !== undefined) follow(turn, after.group, closedOrder);
  }
  return peer.rseq;
}

/** Has the parent of an oco, by its place in its group or a leg's, follow its legs. */
export function follow(turn: AccountTurn, { id, legs }: NonNullable<Order["group"]>, closedOrder: OrderFinder): void {
  const container = turn.state.orders.get(id);
  if (container === undefined) return;
  const known = legs.flatMap((leg) => turn.state.orders.get(leg) ?? closedInTurn(turn, leg) ?? closedOrder(leg) ?? []);
  const followed = followLegs(container, known);
  if (followed === null) return;
  const order = { ...followed.order, seq: turn.state.seq + 1, updatedAt: turnTime(turn) };
  emit(turn, { kind: "followed", ...followed, order });
}

/** An order that this very turn has closed: what is stored is still the order before it. */
function closedInTurn(turn: AccountTurn, id: string): Order | undefined {
  const reports = turn.events.filter((event) => event.kind === "report");
  return reports.findLast(({ order }) => order.id === id)?.order;
}

function effectOf(turn: AccountTurn, order: Order, report: Report, retold: boolean): Effect {
  switch (report.execType) {
    case "new":
      return { order: { ...order, status: order.trigger === undefined && order.qty !== 0n ? "new" : "held" } };
    case "triggered":
      return triggeredEffect(order, report);
    case "fill":
      invariant(report.fill !== null, "a fill report comes with its fill");
      return fillEffect(turn, order, report.fill, report.at);
    case "replaced":
      return replacedEffect(turn, order, report);
    case "replace_rejected":
      return replaceRejectedEffect(turn, order, report);
    case "cancel_rejected":
      return cancelRejectedEffect(turn, order, retold);
    case "rules_changed":
      invariant(report.rules !== null, "changed rules come with the report");
      return retold ? { order, rules: report.rules } : rulesEffect(turn, order, report.rules);
    case "rejected":
      // The orders of an atomic batch are not judged again under newer rules: the next batch is.
      return { ...closeEffect(turn, withBroken(order, report.broken), "rejected", report.reason), rules: report.rules };
    case "canceled":
    case "expired":
      return closeEffect(turn, order, report.execType, report.reason);
  }
}

/** The order with the rule that it broke, where it broke one. */
function withBroken(order: Order, broken: BrokenRule | undefined): Order {
  return broken === undefined ? order : { ...order, broken };
}

/** It waits no more; one that trailed says where it was triggered. */
function triggeredEffect(order: Order, { triggerPrice }: Report): Effect {
  invariant(order.trigger !== undefined && triggerPrice !== undefined, `order ${order.id} waits for no trigger`);
  return { order: { ...order, status: "new", trigger: { ...order.trigger, price: triggerPrice } } };
}

/**
 * The cancel found no order: it had ended before. One still open here was sent anew under changed rules, behind its cancel;
 * one that the market had taken has been lost there.
 */
function cancelRejectedEffect(turn: AccountTurn, order: Order, retold: boolean): Effect {
  if (!turn.state.orders.has(order.id)) return { order: { ...order, cancelRequested: false } };
  if (retold) return { order };
  // Asked again for what it has lost, the market would say the same again, without end.
  invariant(order.status === "pending_new", `order ${order.id} is open, and its market has none`);
  // Without this second cancel the owner's wish would be lost without a word.
  return { order, command: cancelCommand(turn, order) };
}

const ENDED = { hold: 0n, cancelRequested: false };

/**
 * A change that was asked for ends with its order: the market's own word on it says the same. A cancel for the reason
 * `replaced` is that change itself.
 */
function unreplaced({ replacing = null }: Order, reason: string | null = null): Partial<Order> {
  if (replacing === null) return {};
  const replaceRefused = reason === "replaced" ? null : "order_not_open";
  return { replacing: null, replaceRefused, credit: replacing.before.credit };
}

function closeEffect(
  turn: AccountTurn,
  order: Order,
  status: "rejected" | "canceled" | "expired",
  reason: string | null,
): Effect {
  const { held } = assetsOf(rulesOf(turn.state, order.symbol), order.side);
  const after: Order = { ...order, ...ENDED, ...unreplaced(order, reason), status, reason };
  const change = groupChange(turn.state, order, after);
  const movements = [...moveHold(held, -order.hold), ...groupMoves(turn.state, change)];
  return { order: after, entry: entryFor(turn, "release", order.id, movements), ...groupTold(change) };
}

/** The market answered that its rules are newer: the same order is judged again under them, its hold and its fees as they are. */
function rulesEffect(turn: AccountTurn, order: Order, rules: MarketRules): Effect {
  // Judged as if its hold were free and it were not yet there: it must not be refused for its own money, credit or place.
  const { held, credited } = assetsOf(rules, order.side);
  const balances = new Map(turn.state.balances);
  balances.set(balanceKey("available", held), balanceOf(turn.state, "available", held) + order.hold);
  const credits = new Map(turn.state.credits);
  credits.set(credited, creditOf(turn.state, credited) - order.credit);
  const orders = new Map(turn.state.orders);
  orders.delete(order.id);
  const without = { ...turn.state, orders, balances, credits };
  const judged = admit(without, order, rules, referenceFor(turn, rules), turnTime(turn));
  if (!judged.ok) {
    const broken = "broken" in judged.refusal ? judged.refusal.broken : undefined;
    return { ...closeEffect(turn, withBroken(order, broken), "rejected", judged.refusal.code), rules };
  }
  return { order, rules, command: submitCommand(turn, order, rules) };
}

function fillEffect(turn: AccountTurn, order: Order, fill: Fill, at: number): Effect {
  const rules = rulesOf(turn.state, order.symbol);
  const notional = notionalOf(fill.price, fill.qty, rules.baseScale);
  const bps = fill.liquidity === "maker" ? order.makerFeeBps : order.takerFeeBps;
  const { feeNumerator, fee } = feeOfFill(order, notional, bps);
  invariant(fee === fill.fee, `fee ${fill.fee} of ${fill.executionId} should be ${fee}`);
  const filled: Order = {
    ...order,
    status: fill.done ? "filled" : "partially_filled",
    filledQty: order.filledQty + fill.qty,
    filledNotional: order.filledNotional + notional,
    feeNumerator,
    fee: order.fee + fee,
  };
  invariant(order.qty === null || filled.filledQty <= order.qty, `order ${order.id} overfilled`);
  invariant(!fill.done || order.qty === null || filled.filledQty === order.qty, `order ${order.id} done too early`);
  const spent = order.side === "buy" ? notional + fee : fill.qty;
  if (fill.done) Object.assign(filled, unreplaced(order));
  // One whose hold alone bounds what it costs keeps what is left until it is done.
  filled.hold = fill.done ? 0n : (holdOf(filled, rules.baseScale) ?? order.hold - spent);
  const change = groupChange(turn.state, order, filled);
  const shares = isExit(order);
  invariant(!shares || change !== null, `exit ${order.id} trades and its group is over`);
  // What an exit spends is its group's; what an entry of exits that sell brings in never gets available.
  const pool = shares && change !== null ? change.before.hold - change.after.hold : order.hold - filled.hold;
  const released = pool - spent;
  invariant(released >= 0n, `order ${order.id} costs more than its hold`);
  filled.cancelRequested = !fill.done && order.cancelRequested;
  const entry = entryFor(turn, "fill", fill.executionId, [
    ...fillMovements(order, rules, { qty: fill.qty, notional, fee, released }),
    ...(shares ? [] : groupMoves(turn.state, change)),
  ]);
  const position = positionAfter(
    turn.state.positions.get(order.symbol) ?? flatPosition(order.symbol),
    order,
    fill.qty,
    notional,
    fee,
  );
  const { executionId: id, tradeId, price, qty, liquidity } = fill;
  const { id: orderId, symbol, side } = order;
  const record: FillRecord = { id, tradeId, orderId, symbol, side, qty, price, fee, liquidity, at };
  return { order: filled, fill: record, entry, position, ...groupTold(change) };
}

function fillMovements(
  order: Order,
  rules: MarketRules,
  fill: { qty: bigint; notional: bigint; fee: bigint; released: bigint },
): Movement[] {
  const { base, quote } = rules;
  const clearing = `clearing:${order.symbol}`;
  const fees = `fees:${order.symbol}`;
  const { qty, notional, fee, released } = fill;
  if (order.side === "buy") {
    return [
      ["held", quote, -(notional + fee + released)],
      ["available", quote, released],
      [clearing, quote, notional],
      [fees, quote, fee],
      ["available", base, qty],
      [clearing, base, -qty],
    ];
  }
  return [
    ["held", base, -(qty + released)],
    ["available", base, released],
    [clearing, base, qty],
    ["available", quote, notional - fee],
    [fees, quote, fee],
    [clearing, quote, -notional],
  ];
}

function positionAfter(position: Position, order: Order, qty: bigint, notional: bigint, fee: bigint): Position {
  if (order.side === "buy") return addToPosition(position, qty, notional + fee);
  return takeFromPosition(position, qty, notional - fee);
}
