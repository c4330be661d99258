// A change of an open order's terms: what is asked for, what is held for it meanwhile, and what becomes of it.
import { type InGroup, isContainer, isExit } from "../groups.ts";
import { formatUnits } from "../ledger.ts";
import type { MarketRules } from "../listings.ts";
import type { Command, Replaced, Report } from "../messages.ts";
import { isOpen, isReplacing, type Order, type OrderTerms, type Replacement, type Trail, trailFrom } from "../order.ts";
import {
  type BrokenRule,
  type FieldError,
  invariant,
  ok,
  PLAIN_ORDER_CODES,
  type Refusal,
  type Result,
  refuse,
} from "../result.ts";
import { brokenRule, creditRefusal, stakeOf } from "./admission.ts";
import { type AccountTurn, emit, entryFor, moveHold, referenceFor, turnTime } from "./decide.ts";
import { brokenExitRule, capOf, misplacement } from "./exit-rules.ts";
import { groupChange, groupMoves, groupOf, groupTold } from "./groups.ts";
import { holdOf } from "./holds.ts";
import { type AccountState, accountPeer, assetsOf, balanceOf, type ReportApplied, rulesOf } from "./state.ts";

/** What is to be other than it is; `qty` in all, what is filled already included. Amounts in units. */
export interface ReplaceWish {
  qty?: bigint;
  limitPrice?: bigint;
  stopPrice?: bigint;
  trail?: Trail;
}

/**
 * Asks the order's market for other terms. What they may cost more is held at once; until the market answers, the order trades
 * under those that it has. Refuses `order_not_open`; `replace_pending` while its market has not answered what it was asked
 * before; `validation_failed` for what its type has not, or no more, and a quantity that is filled already;
 * `leg_qty_fixed` for the quantity of an exit, which goes by its entry's fills, and of an entry whose exits are paid for
 * already; and as admission does. Nothing of a refusal is kept.
 */
export function requestReplace(turn: AccountTurn, order: Order, wish: ReplaceWish): Result<Order> {
  if (!isOpen(order.status)) return refuse({ code: "order_not_open" });
  if (turn.state.status === "frozen") return refuse({ code: "account_frozen" });
  const asked = order.status === "pending_new" || order.cancelRequested || isReplacing(order);
  if (asked) return refuse({ code: "replace_pending" });
  if (wish.qty !== undefined && isQtyFixed(turn.state, order)) return refuse({ code: "leg_qty_fixed" });
  const misfit = misfitOf(order, wish);
  if (misfit !== null) return refuse({ code: "validation_failed", errors: [misfit] });
  const refusal = ruleBrokenBy(turn, order, wish);
  if (refusal !== null) return refuse(refusal);
  const rules = rulesOf(turn.state, order.symbol);
  const reference = referenceFor(turn, rules);
  const to = termsAfter(order, wish, rules, reference);
  const misplaced = isExit(order) ? misplacedBy(turn.state, order, to, rules) : null;
  if (misplaced !== null) return refuse(misplaced);
  const replacing = replacementOf(order, to, rules, reference);
  const short = fundsRefusal(turn, order, replacing, rules);
  return short === null ? ok(askFor(turn, order, replacing, rules)) : refuse(short);
}

/** Exits that buy are paid for from the beginning: there is no more of what they buy back. */
function isQtyFixed({ groups }: AccountState, order: Order): boolean {
  return isExit(order) || groups.get(order.group?.id ?? "")?.side === "buy";
}

/** Refuses an exit's other terms where they would be on the wrong side of the other exit's. */
function misplacedBy(state: AccountState, order: InGroup<Order>, to: OrderTerms, rules: MarketRules) {
  const { exits } = groupOf(state, order);
  const terms = exits.map((id) => (id === order.id ? { ...to, group: order.group } : state.orders.get(id)));
  const [profit, loss] = (["take_profit", "stop_loss"] as const).map((role) =>
    terms.find((one) => one?.group?.role === role),
  );
  return misplacement(rules, order.side, [profit?.limitPrice ?? null, null, loss?.trigger?.price ?? null]);
}

/** The first rule of its market that an order would break under other terms; null when none. */
export function ruleBrokenBy(turn: AccountTurn, order: Order, wish: ReplaceWish): Refusal | null {
  const rules = rulesOf(turn.state, order.symbol);
  const reference = referenceFor(turn, rules);
  const to = termsAfter(order, wish, rules, reference);
  const judge = isExit(order) ? brokenExitRule : brokenRule;
  return judge({ ...to, expiresAt: null }, rules, reference, turnTime(turn), order.limitPrice);
}

function misfitOf(order: Order, wish: ReplaceWish): FieldError | null {
  const waits = order.status === "held" && order.trigger !== undefined;
  const misfit = (name: string, detail: string, code = "not_allowed") => ({ pointer: `/${name}`, code, detail });
  if (isContainer(order)) return misfit(nameOf(wish), "It has none of its own: change its legs.");
  if (wish.qty !== undefined && order.qty === null) return misfit("qty", "This order is by notional.");
  if (wish.qty !== undefined && wish.qty <= order.filledQty)
    return misfit("qty", "So much is filled already: cancel the order for its rest.", "too_small");
  if (wish.limitPrice !== undefined && order.limitPrice === null) return misfit("limit_price", "It has no limit.");
  if (wish.stopPrice !== undefined && (!waits || order.trigger?.trail !== null))
    return misfit("stop_price", "It does not wait for a price that stands still.");
  if (wish.trail !== undefined && (!waits || order.trigger?.trail === null))
    return misfit("trail_percent", "It does not wait for a price that trails.");
  return null;
}

/** What is asked for first, as the wire calls it. */
function nameOf({ qty, limitPrice, stopPrice }: ReplaceWish): string {
  if (qty !== undefined) return "qty";
  if (limitPrice !== undefined) return "limit_price";
  return stopPrice === undefined ? "trail_percent" : "stop_price";
}

function termsAfter(order: Order, wish: ReplaceWish, rules: MarketRules, reference: bigint): OrderTerms {
  const { trigger } = order;
  const limitPrice = wish.limitPrice ?? order.limitPrice;
  const to: OrderTerms = { ...order, qty: wish.qty ?? order.qty, notional: notionalAfter(order), limitPrice };
  if (trigger === undefined || order.status !== "held") return to;
  if (wish.stopPrice !== undefined) to.trigger = { ...trigger, price: wish.stopPrice };
  if (wish.trail !== undefined) {
    const price = trailFrom(trigger.when, wish.trail, reference, rules.tickSize);
    to.trigger = { ...trigger, price, trail: wish.trail };
  }
  return to;
}

/** What an order was to be worth is what it had its quantity from: other terms are by quantity. */
function notionalAfter({ qty, notional }: Order): bigint | null {
  return qty === null ? notional : null;
}

function replacementOf(order: Order, to: OrderTerms, rules: MarketRules, reference: bigint): Replacement {
  const { qty, limitPrice, trigger } = to;
  if (isExit(order)) return exitReplacementOf(order, to, rules, reference);
  const stake = stakeOf(to, rules, reference);
  const under: Order = { ...order, qty, limitPrice, replacing: null };
  return {
    qty,
    limitPrice,
    ...(trigger !== undefined && trigger !== order.trigger ? { trigger } : {}),
    // Nothing has been filled of an order that is bounded by its hold alone: it still waits.
    hold: holdOf(under, rules.baseScale) ?? stake.hold,
    credit: stake.credit,
    before: { hold: order.hold, credit: order.credit },
  };
}

/** What an exit holds is its group's, and what it may bring in was reckoned with twice the price. */
function exitReplacementOf(order: Order, to: OrderTerms, rules: MarketRules, reference: bigint): Replacement {
  const { qty, limitPrice, trigger } = to;
  const cap = trigger === undefined ? null : capOf(order.side, limitPrice, trigger, reference, rules);
  return {
    qty,
    limitPrice,
    ...(trigger !== undefined && trigger !== order.trigger ? { trigger } : {}),
    ...(cap === null ? {} : { cap }),
    ...{ hold: 0n, credit: order.credit, before: { hold: 0n, credit: order.credit } },
  };
}

function fundsRefusal(turn: AccountTurn, order: Order, to: Replacement, rules: MarketRules): Refusal | null {
  const { held, credited } = assetsOf(rules, order.side);
  const more = to.credit - order.credit;
  const beyond = more > 0n ? creditRefusal(turn.state, credited, more) : null;
  if (beyond !== null) return beyond;
  const available = balanceOf(turn.state, "available", held);
  const change = groupChange(turn.state, order, { ...order, replacing: to });
  const shared = isExit(order) && change !== null ? change.after.hold - change.before.hold : 0n;
  const extra = to.hold - order.hold + shared;
  if (extra <= available) return null;
  const needed = formatUnits(extra, held);
  return { code: "insufficient_funds", asset: held, needed, available: formatUnits(available, held) };
}

function askFor(turn: AccountTurn, order: Order, replacing: Replacement, rules: MarketRules): Order {
  const hold = replacing.hold > order.hold ? replacing.hold : order.hold;
  const credit = replacing.credit > order.credit ? replacing.credit : order.credit;
  const { broken: _, ...without } = order;
  const asked: Order = { ...without, hold, credit, replacing, replaceRefused: null };
  const { held } = assetsOf(rules, order.side);
  const change = groupChange(turn.state, order, asked);
  const movements = [...moveHold(held, hold - order.hold), ...groupMoves(turn.state, change)];
  const entry = entryFor(turn, "hold", order.id, movements);
  const command = replaceCommand(turn, asked, replacing);
  emit(turn, { kind: "replace_requested", order: asked, command, entry, ...groupTold(change) });
  return asked;
}

/** The command that asks for a replacement, numbered next for its market. */
export function replaceCommand(
  turn: AccountTurn,
  order: Order,
  { qty, limitPrice, trigger, cap, hold, credit }: Replacement,
): Command {
  const qtyDelta = (qty ?? 0n) - (order.qty ?? 0n);
  const to: Replaced = { qtyDelta, limitPrice, hold, credit, ...(trigger === undefined ? {} : { trigger }) };
  if (cap !== undefined) to.cap = cap;
  const cseq = accountPeer(turn.state, order.symbol).cseq + 1;
  return { kind: "replace", cseq, orderId: order.id, postOnly: order.postOnly, ...to };
}

type Effect = Pick<ReportApplied, "order" | "entry" | "group">;

/** Why an exit loses a quantity that nobody gets: its owner's orders have met. */
const PREVENTED: Report["reason"] = "self_trade_prevention";

/**
 * The market has replaced it: the order has its other terms, and what it no longer needs is released. With a reason it has
 * done so by itself, and a change that is asked for goes on from there. An exit awakes with its first quantity.
 */
export function replacedEffect(turn: AccountTurn, order: Order, report: Report): Effect {
  const { replaced, reason } = report;
  invariant(replaced !== undefined, "a replaced report comes with what is other");
  const { qtyDelta, limitPrice, trigger, cap, credit = order.credit } = replaced;
  const hold = isExit(order) ? 0n : replaced.hold;
  const qty = withMore(order.qty, qtyDelta);
  const notional = notionalAfter(order);
  const after: Order = { ...order, qty, notional, limitPrice, hold, credit, replacing: null };
  if (trigger !== undefined) after.trigger = trigger;
  if (cap !== undefined && order.group !== undefined) after.group = { ...order.group, cap };
  if (order.qty === 0n && qtyDelta > 0n && order.trigger === undefined) after.status = "new";
  const { replacing = null } = order;
  if (reason !== null && replacing !== null) {
    after.replacing = { ...replacing, qty: withMore(replacing.qty, qtyDelta) };
    after.hold = holdOf(after, rulesOf(turn.state, order.symbol).baseScale) ?? order.hold;
  }
  return releaseEffect(turn, order, after, reason === PREVENTED ? -qtyDelta : 0n);
}

/** So much more of a quantity; of an order by notional there is none. */
function withMore(qty: bigint | null, delta: bigint): bigint | null {
  return qty === null ? null : qty + delta;
}

/** The market has not: the order is as it was. One that has closed meanwhile is told why, too. */
export function replaceRejectedEffect(turn: AccountTurn, order: Order, { reason, broken }: Report): Effect {
  const { replacing = null } = order;
  const told = broken === undefined ? {} : { broken };
  const after: Order = { ...order, replacing: null, replaceRefused: reason, ...told };
  if (replacing === null || !turn.state.orders.has(order.id)) return { order: after, entry: null };
  const { baseScale } = rulesOf(turn.state, order.symbol);
  after.hold = holdOf(after, baseScale) ?? replacing.before.hold;
  after.credit = replacing.before.credit;
  return releaseEffect(turn, order, after);
}

function releaseEffect(turn: AccountTurn, before: Order, after: Order, lost?: bigint): Effect {
  const { held } = assetsOf(rulesOf(turn.state, before.symbol), before.side);
  const change = groupChange(turn.state, before, after, lost);
  const movements = [...moveHold(held, after.hold - before.hold), ...groupMoves(turn.state, change)];
  return { order: after, entry: entryFor(turn, "release", before.id, movements), ...groupTold(change) };
}

/** What the owner is told of a market's reason against other terms. */
export function replaceRefusal(reason: string, broken?: BrokenRule): Refusal {
  const code = PLAIN_ORDER_CODES.find((known) => known === reason);
  return code === undefined
    ? { code: "order_not_open" }
    : { code, detail: `The market's rules refused it: ${reason}.`, ...(broken === undefined ? {} : { broken }) };
}
