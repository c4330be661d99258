// Placing a group: an entry with its exits, or two exits alone. All of it is admitted, or none.
import { type Group, type GroupKind, isContainer } from "../groups.ts";
import { formatUnits, type Movement } from "../ledger.ts";
import type { MarketRules } from "../listings.ts";
import type { Command } from "../messages.ts";
import { leavesOf, type Order, type OrderTerms, type Side, type Trail, type Trigger } from "../order.ts";
import { invariant, ok, type Refusal, type Result, refuse } from "../result.ts";
import {
  type Admitted,
  admit,
  creditRefusal,
  crowdedness,
  firstPrice,
  type OrderRequest,
  stakeOf,
} from "./admission.ts";
import {
  type AccountTurn,
  dated,
  emit,
  entryFor,
  moveHold,
  newOrder,
  referenceFor,
  refuseOnce,
  turnTime,
} from "./decide.ts";
import { brokenExitRule, capOf, misplacement } from "./exit-rules.ts";
import { groupNeed } from "./groups.ts";
import { accountPeer, assetsOf, balanceOf, type OnceKey, rulesOf } from "./state.ts";
import { submissionOf } from "./submissions.ts";

/** The exit against the market: at a trigger that stands still, or that trails; with a limit from then on, or without. */
export interface StopLossWish {
  price: bigint | null;
  trail: Trail | null;
  limitPrice: bigint | null;
}

/**
 * A group as it is asked for. `lead` is the entry; of an oco, what both exits have in common, with the take_profit's limit.
 * Exactly one exit with an oto, both otherwise. Amounts in units.
 */
export interface GroupRequest {
  clientOrderId: string | null;
  kind: GroupKind;
  lead: OrderRequest;
  takeProfit: { limitPrice: bigint } | null;
  stopLoss: StopLossWish | null;
}

/** Whether a group is asked for, not a single order. */
export function isGroup(request: OrderRequest | GroupRequest): request is GroupRequest {
  return "lead" in request;
}

/** The market of what is asked for. */
export function symbolOf(request: OrderRequest | GroupRequest): string {
  return isGroup(request) ? request.lead.symbol : request.symbol;
}

/** Orders of a group before they are numbered: the terms of each and the most that it may bring in. */
interface Exit {
  role: "take_profit" | "stop_loss";
  terms: OrderTerms;
  credit: bigint;
  cap?: bigint;
}

interface JudgedGroup {
  rules: MarketRules;
  lead: Admitted;
  exits: Exit[];
}

/**
 * Places a group: its holds, its orders and one command in one event, or a refusal that is journalled too. Refuses as
 * admission does an entry and each exit, but that an exit may be worth any amount; `exits_misplaced` for exits that are not
 * on either side of the entry and of each other; and `insufficient_funds` for what its exits would have to hold.
 * Answers the parent.
 */
export function placeGroup(turn: AccountTurn, request: GroupRequest, bodyHash: string, once: OnceKey[]): Result<Order> {
  const judged = judgeGroup(turn, request);
  if (!judged.ok) return refuseOnce(turn, judged.refusal, once);
  const { rules, lead, exits } = judged.value;
  const made = ordersOf(turn, request, lead, exits, bodyHash);
  const funded = fund(turn, request, made, rules);
  if (!funded.ok) return refuseOnce(turn, funded.refusal, once);
  const { group, movements } = funded.value;
  const [order, ...legs] = made;
  const entry = entryFor(turn, "hold", order.id, movements);
  invariant(entry !== null, `group ${order.id} holds nothing`);
  const command = submitGroupCommand(turn, made, rules);
  emit(turn, { kind: "group_accepted", order, legs, group, command, entry, once });
  return ok(order);
}

/** Judges a group by its market's rules; what its exits would have to hold is not looked at. Refuses as {@link placeGroup}. */
export function judgeGroup(turn: AccountTurn, request: GroupRequest): Result<JudgedGroup> {
  const rules = rulesOf(turn.state, request.lead.symbol);
  const reference = referenceFor(turn, rules);
  const lead = admit(turn.state, dated(turn, request.lead), rules, reference, turnTime(turn));
  if (!lead.ok) return lead;
  const exits = exitsOf(request, lead.value, rules, reference);
  const refusal = exitsRefusal(turn, request, lead.value.terms, exits, rules, reference);
  return refusal === null ? ok({ rules, lead: lead.value, exits }) : refuse(refusal);
}

/** The command that sends orders of a group to their market, all of them or none; the parent of an oco is none of them. */
export function submitGroupCommand(turn: AccountTurn, orders: readonly Order[], rules: MarketRules): Command {
  const cseq = accountPeer(turn.state, rules.symbol).cseq + 1;
  const sent = orders.filter((order) => !isContainer(order));
  return {
    kind: "submit_group",
    cseq,
    rulesVersion: rules.version,
    orders: sent.map((order) => submissionOf(order, rules)),
  };
}

function exitsOf(
  { kind, lead, takeProfit, stopLoss }: GroupRequest,
  admitted: Admitted,
  rules: MarketRules,
  reference: bigint,
): Exit[] {
  const { terms } = admitted;
  const lasts = terms.timeInForce === "day" || terms.timeInForce === "gtd";
  const side = exitSide(kind, lead.side);
  const plain: OrderTerms = {
    ...{ symbol: terms.symbol, side, notional: null, selfTradePrevention: terms.selfTradePrevention },
    ...{ makerFeeBps: terms.makerFeeBps, takerFeeBps: terms.takerFeeBps },
    ...{ timeInForce: lasts ? terms.timeInForce : "gtc", expiresAt: lasts ? terms.expiresAt : null },
    ...{ type: "limit", limitPrice: null, postOnly: false },
    // An exit of an entry has nothing to get out of before that fills.
    qty: kind === "oco" ? terms.qty : 0n,
  };
  const exits: Exit[] = [];
  const add = (role: Exit["role"], exit: OrderTerms, cap: bigint | null) => {
    const credit = creditOf(exit, terms.qty ?? admitted.credit, rules, reference);
    exits.push({ role, terms: exit, credit, ...(cap === null ? {} : { cap }) });
  };
  if (takeProfit !== null)
    add(
      "take_profit",
      { ...plain, limitPrice: takeProfit.limitPrice, postOnly: kind === "oco" && terms.postOnly },
      null,
    );
  if (stopLoss !== null) {
    const trigger = triggerOf(stopLoss, side, entryPrice(kind, terms, reference), reference, rules);
    const { limitPrice } = stopLoss;
    const type = trigger.trail === null ? (limitPrice === null ? "stop" : "stop_limit") : "trailing_stop";
    add("stop_loss", { ...plain, type, limitPrice, trigger }, capOf(side, limitPrice, trigger, reference, rules));
  }
  return exits;
}

/** What exits do: the other side of an entry. An oco names its own. */
function exitSide(kind: GroupKind, side: Side): Side {
  return (side === "buy") === (kind === "oco") ? "buy" : "sell";
}

function creditOf(exit: OrderTerms, qty: bigint, rules: MarketRules, reference: bigint): bigint {
  const dearest = exit.limitPrice !== null && exit.limitPrice > reference ? exit.limitPrice : reference;
  return stakeOf({ ...exit, qty }, rules, dearest).credit;
}

/** Where an entry is expected to trade; an oco has none, and its exits go by the reference price. */
function entryPrice(kind: GroupKind, { limitPrice, trigger }: OrderTerms, reference: bigint): bigint {
  return kind === "oco" ? reference : (limitPrice ?? trigger?.price ?? reference);
}

function triggerOf(
  { price, trail }: StopLossWish,
  side: Side,
  entry: bigint,
  reference: bigint,
  rules: MarketRules,
): Trigger {
  const when = side === "buy" ? "rises" : "falls";
  // Held at the dearest that it can begin at: it begins to trail only as its entry fills.
  const from = side === "buy" && reference > entry ? reference : entry;
  return { when, price: price ?? firstPrice({ when, trail }, rules, from), trail };
}

function exitsRefusal(
  turn: AccountTurn,
  { kind, lead }: GroupRequest,
  terms: OrderTerms,
  exits: readonly Exit[],
  rules: MarketRules,
  reference: bigint,
): Refusal | null {
  const crowded = crowdedness(turn.state, rules, exits.length + 1);
  if (crowded !== null) return crowded;
  // What the market takes now is asked of the order that may trade at once: exits of one that only rests wait for it.
  const taken = { ...rules, status: "open" as const };
  for (const { terms: exit } of exits) {
    const broken = brokenExitRule(exit, taken, reference, turnTime(turn));
    if (broken !== null) return broken;
  }
  const price = kind === "oco" ? null : entryPrice(kind, terms, reference);
  const [profit, loss] = (["take_profit", "stop_loss"] as const).map(
    (role) => exits.find((one) => one.role === role)?.terms,
  );
  const ladder = [profit?.limitPrice ?? null, price, loss?.trigger?.price ?? null] as const;
  const misplaced = misplacement(rules, exitSide(kind, lead.side), ladder);
  if (misplaced !== null) return misplaced;
  const credit = exits.reduce((sum, exit) => sum + exit.credit, 0n);
  return creditRefusal(turn.state, assetsOf(rules, exitSide(kind, lead.side)).credited, credit);
}

/** The group's orders, the parent first; numbers follow each other, so that a list shows each once. */
function ordersOf(
  turn: AccountTurn,
  { kind, clientOrderId }: GroupRequest,
  { terms, hold, credit }: Admitted,
  exits: readonly Exit[],
  bodyHash: string,
): [Order, ...Order[]] {
  const makeId = () => turn.ctx.makeId("ord", turnTime(turn));
  const id = makeId();
  const named = exits.map((exit) => ({ ...exit, id: makeId() }));
  const legs = named.map((exit) => exit.id);
  const key = { clientOrderId, bodyHash };
  const isOco = kind === "oco";
  const role = isOco ? ("container" as const) : ("entry" as const);
  const parent: Order = {
    ...newOrder(turn, terms, { id, ...key, hold: isOco ? 0n : hold, credit: isOco ? 0n : credit }),
    ...(isOco ? { limitPrice: null } : {}),
    group: { id, kind, role, legs },
  };
  const made = named.map(({ id: its, role: leg, terms: of, credit: most, cap }, index): Order => {
    const order = newOrder(turn, of, { id: its, clientOrderId: null, bodyHash, hold: 0n, credit: most });
    const group = { id, kind, role: leg, legs, ...(cap === undefined ? {} : { cap }), ...(isOco ? { key } : {}) };
    return { ...order, seq: order.seq + 1 + index, group };
  });
  return [parent, ...made];
}

/** What the parent and the exits hold. */
function fund(
  turn: AccountTurn,
  { kind, lead }: GroupRequest,
  [parent, ...legs]: [Order, ...Order[]],
  rules: MarketRules,
): Result<{ group: Group; movements: Movement[] }> {
  const side = exitSide(kind, lead.side);
  const exits = legs.map((leg) => leg.id);
  const entry = kind === "oco" ? null : parent.id;
  const open = kind === "oco" ? leavesOf(parent) : 0n;
  const group: Group = { id: parent.id, symbol: rules.symbol, side, entry, exits, open, hold: 0n };
  const orders = new Map([parent, ...legs].map((order) => [order.id, order]));
  group.hold = groupNeed({ ...turn.state, orders }, group);
  const { held } = assetsOf(rules, side);
  const available = balanceOf(turn.state, "available", held);
  if (group.hold > available) {
    const needed = formatUnits(group.hold, held);
    return refuse({ code: "insufficient_funds", asset: held, needed, available: formatUnits(available, held) });
  }
  const own = assetsOf(rules, parent.side).held;
  return ok({ group, movements: [...moveHold(own, parent.hold), ...moveHold(held, group.hold)] });
}
