// A restored account, or one whose market was restored, takes back what only the market still knows (protocol rule 15).
import type { BookOrder } from "../book.ts";
import { type Group, isContainer } from "../groups.ts";
import { listedMarket } from "../listings.ts";
import type { Command, Fill, Mark, Origin, PreventedMatch, Report, Told } from "../messages.ts";
import { leavesOf, type Order } from "../order.ts";
import { invariant } from "../result.ts";
import {
  type AccountTurn,
  cancelCommand,
  emit,
  entryFor,
  moveHold,
  submitAllCommand,
  submitCommand,
  turnTime,
} from "./decide.ts";
import { ordersOf } from "./events.ts";
import { submitGroupCommand } from "./grouping.ts";
import { groupNeed } from "./groups.ts";
import { budgetOf, holdOf } from "./holds.ts";
import { replaceCommand } from "./replace.ts";
import { applyReports, follow } from "./reports.ts";
import {
  accountPeer,
  assetsOf,
  balanceOf,
  type FillRecord,
  type OnceKey,
  type PreventedRecord,
  type ReportApplied,
  rulesOf,
} from "./state.ts";
import { membershipOf, originOf } from "./submissions.ts";
import { positionAfterTransfer } from "./transfers.ts";

/** What this needs of what is stored: an order that is no longer open, and whether a client_order_id is used already. */
export interface KnownOrders {
  closed: (id: string) => Order | undefined;
  isUsed: (clientOrderId: string) => boolean;
}

/**
 * Applies what a market tells again, from the report after the last one applied. An order that is not known is made again,
 * with its hold and its key. Money that is missing for a hold comes out of suspense: the market's fact cannot be refused.
 */
export function reimport(turn: AccountTurn, symbol: string, told: readonly Told[], known: KnownOrders): void {
  for (const { report, order, origin } of told) {
    if (report.rseq !== accountPeer(turn.state, symbol).rseq + 1) continue;
    if (order !== null && isUnknown(turn, report.orderId, known)) recreate(turn, symbol, order, origin, known);
    coverReplaced(turn, report);
    applyReports(turn, symbol, [report], known.closed, true);
  }
  // A snapshot may end between a leg's report and what that made of its parent.
  for (const { group } of [...turn.state.orders.values()].filter(isContainer)) follow(turn, group, known.closed);
}

function isUnknown(turn: AccountTurn, id: string, known: KnownOrders): boolean {
  return (
    !turn.state.orders.has(id) &&
    known.closed(id) === undefined &&
    !turn.events.some((event) => ordersOf(event).some((order) => order.id === id))
  );
}

function recreate(
  turn: AccountTurn,
  symbol: string,
  book: BookOrder,
  origin: Origin | null,
  stored: KnownOrders,
): void {
  const rules = rulesOf(turn.state, symbol);
  const { parent, ...known } = origin ?? {};
  const at = turnTime(turn);
  const { id, side, timeInForce, selfTradePrevention, makerFeeBps, takerFeeBps, expiresAt, displayQty, trigger } = book;
  const plain = { clientOrderId: null, bodyHash: "", postOnly: false, notional: null, credit: 0n, createdAt: at };
  const order: Order = {
    ...{ id, symbol, side, timeInForce, selfTradePrevention, makerFeeBps, takerFeeBps, expiresAt },
    ...{
      type: book.price === null ? ("market" as const) : ("limit" as const),
      qty: book.leaves,
      limitPrice: book.price,
    },
    ...plain,
    ...known,
    ...(displayQty === undefined ? {} : { displayQty }),
    ...(trigger === undefined ? {} : { trigger }),
    ...(book.group === undefined ? {} : { group: { legs: [], ...book.group, ...parent } }),
    status: "pending_new",
    reason: null,
    cancelRequested: false,
    filledQty: 0n,
    filledNotional: 0n,
    feeNumerator: 0n,
    fee: 0n,
    hold: book.budget,
    updatedAt: at,
    seq: turn.state.seq + 1,
  };
  order.hold = holdOf(order, rules.baseScale) === 0n ? 0n : book.budget;
  recreateContainer(turn, order, stored);
  const group = groupWith(turn, order);
  const more = group === null ? 0n : group.hold - (turn.state.groups.get(group.id)?.hold ?? 0n);
  const holds = new Map([[assetsOf(rules, side).held, order.hold]]);
  if (group !== null) {
    const { held } = assetsOf(rules, group.side);
    holds.set(held, (holds.get(held) ?? 0n) + more);
  }
  for (const [asset, hold] of holds) {
    const short = hold - balanceOf(turn.state, "available", asset);
    if (short > 0n) moveSuspense(turn, asset, short);
  }
  order.seq = turn.state.seq + 1;
  const once = onceOf(order, stored.isUsed);
  const entry = entryFor(
    turn,
    "hold",
    order.id,
    [...holds].flatMap(([asset, hold]) => moveHold(asset, hold)),
  );
  emit(turn, { kind: "reimported", order, entry, once, ...(group === null ? {} : { group }) });
}

function onceOf({ clientOrderId: key, bodyHash }: Order, isUsed: KnownOrders["isUsed"]): OnceKey[] {
  return key === null || isUsed(key) ? [] : [{ scope: "client_order_id", key, bodyHash, requestId: null }];
}

/** The group of an order that has been forgotten, with it in it; null for one of none. */
function groupWith({ state }: AccountTurn, order: Order): Group | null {
  if (order.group === undefined) return null;
  const { id, role, kind, legs } = order.group;
  const isEntry = role === "entry";
  const side = isEntry === (order.side === "sell") ? "buy" : "sell";
  // Its exits are told after it: a group without any would be over.
  const known = state.groups.get(id) ?? {
    id,
    symbol: order.symbol,
    side,
    entry: null,
    exits: legs,
    open: 0n,
    hold: 0n,
  };
  const group: Group = isEntry ? { ...known, entry: order.id } : { ...known };
  if (kind === "oco") group.open = leavesOf(order);
  const orders = new Map(state.orders).set(order.id, order);
  return { ...group, hold: groupNeed({ ...state, orders }, group) };
}

/** The parent of an oco is known to no market: its first leg brings it back. */
function recreateContainer(turn: AccountTurn, leg: Order, stored: KnownOrders): void {
  const { key, legs = [], id = "" } = leg.group ?? {};
  // The other leg may have brought it back just now, and both may have been rejected since.
  if (key === undefined || !isUnknown(turn, id, stored) || legs.some((one) => turn.state.orders.has(one))) return;
  const { trigger: _, ...terms } = leg;
  const group = { id, kind: "oco" as const, role: "container" as const, legs };
  const none = { hold: 0n, credit: 0n, limitPrice: null, type: "limit" as const, seq: turn.state.seq + 1 };
  const order: Order = { ...terms, ...key, ...none, id, group };
  emit(turn, { kind: "reimported", order, entry: null, once: onceOf(order, stored.isUsed) });
}

/** What an order's other terms hold more was taken from what was available then. */
function coverReplaced(turn: AccountTurn, { orderId, replaced }: Report): void {
  const order = turn.state.orders.get(orderId);
  if (order === undefined || replaced === undefined) return;
  const { held } = assetsOf(rulesOf(turn.state, order.symbol), order.side);
  const short = replaced.hold - order.hold - balanceOf(turn.state, "available", held);
  if (short > 0n) moveSuspense(turn, held, short);
}

/** Moves units out of suspense into what is available; negative moves them back. */
function moveSuspense(turn: AccountTurn, asset: string, amount: bigint): void {
  const kind = amount > 0n ? ("deposit" as const) : ("withdrawal" as const);
  const position = positionAfterTransfer(turn, { kind, asset, amount: amount > 0n ? amount : -amount });
  const entry = entryFor(turn, "suspense", asset, [
    ["available", asset, amount],
    ["suspense", asset, -amount],
  ]);
  invariant(entry !== null, "what is moved in suspense is not nothing");
  emit(turn, { kind: "suspense", asset, amount, entry, position });
}

/** What is still owed to suspense, in units by asset: money that no journal explains any more. */
export function owedToSuspense(state: AccountTurn["state"]): [asset: string, units: bigint][] {
  return [...state.balances].flatMap(([key, units]): [string, bigint][] =>
    key.startsWith("suspense|") && units < 0n ? [[key.slice("suspense|".length), -units]] : [],
  );
}

/** Gives back to suspense what is available by now: it was missing only because markets are told one after the other. */
export function repaySuspense(turn: AccountTurn): void {
  for (const [asset, owed] of owedToSuspense(turn.state)) {
    const available = balanceOf(turn.state, "available", asset);
    const back = available < owed ? available : owed;
    if (back > 0n) moveSuspense(turn, asset, -back);
  }
}

/**
 * Ends the handshake with a market: both sides know the same reports, and commands up to `cseq` are done with. What the
 * owner has asked for and the market has not heard is asked for again, under new numbers.
 */
export function meetMarket(turn: AccountTurn, symbol: string, epoch: number, cseq: number): void {
  emit(turn, { kind: "met", symbol, epoch, cseq });
  const orders = [...turn.state.orders.values()].filter((one) => one.symbol === symbol && !isContainer(one));
  const unheard = orders.filter((one) => one.status === "pending_new");
  for (const order of orders) {
    const command = unheard.includes(order) ? submitAgain(turn, order, unheard) : null;
    if (command !== null) emit(turn, { kind: "reissued", order, command });
    if (order.replacing != null)
      emit(turn, { kind: "reissued", order, command: replaceCommand(turn, order, order.replacing) });
    if (order.cancelRequested) emit(turn, { kind: "reissued", order, command: cancelCommand(turn, order) });
  }
}

/** The command that submits an order anew; those of its group or atomic batch go with the first of them, and null with the others. */
function submitAgain(turn: AccountTurn, order: Order, unheard: readonly Order[]): Command | null {
  const rules = rulesOf(turn.state, order.symbol);
  if (order.group !== undefined) {
    const its = unheard.filter(({ group }) => group?.id === order.group?.id);
    return order === its[0] ? submitGroupCommand(turn, its, rules) : null;
  }
  const together = order.batch === undefined ? [] : unheard.filter(({ batch }) => batch === order.batch);
  if (together.length < 2) return submitCommand(turn, order, rules);
  return order === together[0] ? submitAllCommand(turn, together, rules) : null;
}

/** What says which rule was broken, where it was one. */
const REFUSED: ReadonlySet<Report["execType"]> = new Set(["rejected", "replace_rejected"]);

/** A report as this account tells it to a market that has forgotten it. */
export function toldOf(account: string, applied: ReportApplied): Told {
  const { rseq, execType, at, order, fill, rules, replaced, replacedFor, prevented } = applied;
  const report: Report = {
    // A group whose exits were prevented from trading has less to get out of than one whose owner wanted less.
    ...{ rseq, execType, rules, orderId: order.id, reason: replacedFor ?? order.reason },
    at: fill?.at ?? prevented?.at ?? at,
    fill: fill === null ? null : executionOf(fill, order.status === "filled"),
    ...(replaced === undefined ? {} : { replaced }),
    ...(prevented === undefined ? {} : { prevented: matchOf(prevented) }),
    ...(REFUSED.has(execType) && order.broken !== undefined ? { broken: order.broken } : {}),
    ...(execType === "triggered" && order.trigger !== undefined ? { triggerPrice: order.trigger.price } : {}),
  };
  return { report, order: bookOrderOf(account, order), origin: originOf(order) };
}

function matchOf({ symbol: _, at: __, ...match }: PreventedRecord): PreventedMatch {
  return match;
}

function executionOf({ id, tradeId, price, qty, fee, liquidity }: FillRecord, done: boolean): Fill {
  return { executionId: id, tradeId, price, qty, fee, liquidity, done };
}

function bookOrderOf(account: string, order: Order): BookOrder {
  const { baseScale } = listedMarket(order.symbol);
  const { id, side, timeInForce, selfTradePrevention, makerFeeBps, takerFeeBps, expiresAt, feeNumerator, fee } = order;
  return {
    ...{ id, account, side, timeInForce, selfTradePrevention, makerFeeBps, takerFeeBps, expiresAt, feeNumerator, fee },
    price: order.limitPrice,
    leaves: order.qty === null ? null : order.qty - order.filledQty,
    budget: budgetOf(order, baseScale),
    seq: 0,
    ...membershipOf(order),
    ...(order.displayQty === undefined ? {} : { displayQty: order.displayQty }),
    ...(order.trigger !== undefined && (order.status === "pending_new" || order.status === "held")
      ? { trigger: order.trigger }
      : {}),
  };
}

/** Which report an account has under a number. */
export function markOf({ rseq, order, execType, fill }: ReportApplied): Mark {
  return { rseq, orderId: order.id, execType, executionId: fill?.id ?? null };
}
