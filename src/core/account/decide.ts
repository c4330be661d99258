// What an account does with its owner's wishes and its markets' reports: decides, journals through `emit`, nothing else.
import { isContainer } from "../groups.ts";
import { isCustomerMoney, type LedgerEntry, type Movement, makeEntry, type Sha256 } from "../ledger.ts";
import { DAY_MS, STREAM_RESTART_GAP } from "../limits.ts";
import type { MarketRules } from "../listings.ts";
import type { CancelReason, Command, MakeId } from "../messages.ts";
import type { Order, OrderTerms } from "../order.ts";
import { referencePrice } from "../prices.ts";
import { invariant, ok, type Refusal, type Result, refuse } from "../result.ts";
import { admit, type OrderRequest } from "./admission.ts";
import { ordersOf } from "./events.ts";
import {
  type AccountEvent,
  type AccountState,
  accountPeer,
  applyAccountEvent,
  assetsOf,
  type Balance,
  balanceOf,
  type OnceKey,
  rulesOf,
} from "./state.ts";
import { streamMessages } from "./stream.ts";
import { submissionOf, submitKind } from "./submissions.ts";

/** Everything that is not the state: the time in ms, ids, the hash, and the seed of the simulated prices. */
export interface AccountContext {
  now: number;
  makeId: MakeId;
  sha256: Sha256;
  priceSeed: number;
}

/** One turn at an account: the state that it changes and the events that it has made, in order. */
export interface AccountTurn {
  state: AccountState;
  ctx: AccountContext;
  events: AccountEvent[];
}

type Body<E> = E extends AccountEvent ? Omit<E, "first" | "seq" | "v" | "at" | "balances"> : never;

/** The moment that this turn's events bear: never before the last event's. */
export function turnTime(turn: AccountTurn): number {
  return Math.max(turn.ctx.now, turn.state.at);
}

/** Numbers an event, applies it and keeps it for the journal. Its messages take the numbers from `first` to `seq`. */
export function emit<E extends Body<AccountEvent>>(turn: AccountTurn, body: E): void {
  const first = turn.state.seq + 1;
  const balances = balancesAfter(turn.state, "entry" in body ? body.entry : null);
  const draft = { ...body, first, seq: first, v: 1, at: turnTime(turn), balances } as AccountEvent;
  // No number of the life before may come again with another meaning: who resumes from one is told of a gap.
  const own = Math.max(1, streamMessages(draft).length, ordersOf(draft).length);
  const numbers = draft.kind === "restored" ? STREAM_RESTART_GAP : own;
  const event = { ...draft, seq: first + numbers - 1 };
  applyAccountEvent(turn.state, event);
  turn.events.push(event);
}

/** The customer balances that an entry changes, as they are after it, in the order of its postings. */
function balancesAfter(state: AccountState, entry: LedgerEntry | null): Balance[] {
  const after: Balance[] = [];
  for (const posting of entry?.postings ?? []) {
    if (!isCustomerMoney(posting.account)) continue;
    let balance = after.find((b) => b.asset === posting.asset);
    if (balance === undefined) {
      const { asset } = posting;
      balance = { asset, available: balanceOf(state, "available", asset), held: balanceOf(state, "held", asset) };
      after.push(balance);
    }
    if (posting.account === "available") balance.available = posting.balance;
    else balance.held = posting.balance;
  }
  return after;
}

/** The ledger entry for some movements at this turn. Throws InvariantError when they do not balance. */
export function entryFor(turn: AccountTurn, kind: string, ref: string, movements: Movement[]) {
  const { state, ctx } = turn;
  const at = turnTime(turn);
  const facts = { id: ctx.makeId("ent", at), seq: state.seq + 1, at, kind, ref };
  return makeEntry(state.balances, state.ledgerHead, facts, movements, ctx.sha256);
}

/** The price that this account judges bands and market orders by, in quote units per whole base unit. */
export function referenceFor(turn: AccountTurn, rules: MarketRules): bigint {
  return referencePrice(rules, turn.ctx.priceSeed, turnTime(turn));
}

/** The atomic batch that an order is placed with: its id, and the command that goes with this order, if any. */
export interface OfBatch {
  id: string;
  commandOf: (order: Order) => Command | null;
}

/**
 * Places an order: hold, order and command in one event, or a refusal that is journalled too, so that the same
 * client_order_id gets the same answer for ever. Refuses as {@link admit} does.
 */
export function placeOrder(
  turn: AccountTurn,
  request: OrderRequest,
  bodyHash: string,
  once: OnceKey[],
  batch?: OfBatch,
): Result<Order> {
  const rules = rulesOf(turn.state, request.symbol);
  const admitted = admit(turn.state, dated(turn, request), rules, referenceFor(turn, rules), turnTime(turn));
  if (!admitted.ok) return refuseOnce(turn, admitted.refusal, once);
  const { terms, hold, credit } = admitted.value;
  const { clientOrderId } = request;
  const id = turn.ctx.makeId("ord", turnTime(turn));
  const order: Order = {
    ...newOrder(turn, terms, { id, clientOrderId, bodyHash, hold, credit }),
    ...(batch === undefined ? {} : { batch: batch.id }),
  };
  const { held } = assetsOf(rules, order.side);
  const entry = entryFor(turn, "hold", order.id, moveHold(held, hold));
  invariant(entry !== null, `order ${order.id} holds nothing`);
  const command = batch === undefined ? submitCommand(turn, order, rules) : batch.commandOf(order);
  emit(turn, { kind: "order_accepted", order, command, entry, once });
  return ok(order);
}

/** Refuses, and journals the refusal, so that the same keys get it again for ever. */
export function refuseOnce(turn: AccountTurn, refusal: Refusal, once: OnceKey[]): Result<never> {
  emit(turn, { kind: "refused", refusal, once });
  return refuse(refusal);
}

/** An order of which its market has said nothing yet. */
export function newOrder(
  turn: AccountTurn,
  terms: OrderTerms,
  facts: Pick<Order, "id" | "clientOrderId" | "bodyHash" | "hold" | "credit">,
): Order {
  const at = turnTime(turn);
  return {
    ...terms,
    ...facts,
    ...{ status: "pending_new", reason: null, cancelRequested: false },
    ...{ filledQty: 0n, filledNotional: 0n, feeNumerator: 0n, fee: 0n },
    ...{ createdAt: at, updatedAt: at, seq: turn.state.seq + 1 },
  };
}

/** A request with the moment at which a day order ends. */
export function dated(turn: AccountTurn, request: OrderRequest): OrderRequest {
  return request.timeInForce === "day" ? { ...request, expiresAt: endOfDay(turnTime(turn)) } : request;
}

/** The next 00:00 UTC after a moment: when day orders end. */
function endOfDay(at: number): number {
  return (Math.floor(at / DAY_MS) + 1) * DAY_MS;
}

/** Moves units from available to held; negative releases them. */
export function moveHold(asset: string, units: bigint): Movement[] {
  return [
    ["available", asset, -units],
    ["held", asset, units],
  ];
}

/** The command that sends an order to its market, numbered next for that market. */
export function submitCommand(turn: AccountTurn, order: Order, rules: MarketRules): Command {
  const cseq = accountPeer(turn.state, order.symbol).cseq + 1;
  return { kind: submitKind(order), cseq, rulesVersion: rules.version, ...submissionOf(order, rules) };
}

/** The command that sends the orders of an atomic batch to their market: all of them or none. */
export function submitAllCommand(turn: AccountTurn, orders: readonly Order[], rules: MarketRules): Command {
  const cseq = accountPeer(turn.state, rules.symbol).cseq + 1;
  const sent = orders.map((order) => submissionOf(order, rules));
  return { kind: "submit_all", cseq, rulesVersion: rules.version, orders: sent };
}

/**
 * Asks the order's market to cancel it; until the market reports, the order stays as it is. Asking twice sends once, with
 * the first `reason`; none: its owner has asked by hand. Of the parent of an oco one leg is asked for, which ends the other.
 */
export function requestCancel(turn: AccountTurn, order: Order, reason?: CancelReason): Order {
  if (isContainer(order)) {
    const leg = order.group?.legs.map((id) => turn.state.orders.get(id)).find((one) => one !== undefined);
    return leg === undefined ? order : requestCancel(turn, leg, reason);
  }
  if (order.cancelRequested) return order;
  const asked = { ...order, cancelRequested: true, ...(reason === undefined ? {} : { cancelReason: reason }) };
  emit(turn, { kind: "cancel_requested", order: asked, command: cancelCommand(turn, asked) });
  return asked;
}

/** The command that cancels an order, numbered next for its market. */
export function cancelCommand(turn: AccountTurn, { id: orderId, symbol, cancelReason }: Order): Command {
  const cseq = accountPeer(turn.state, symbol).cseq + 1;
  return { kind: "cancel", cseq, orderId, ...(cancelReason === undefined ? {} : { reason: cancelReason }) };
}
