// What an account does with its owner's wishes and its markets' reports: decides, journals through `emit`, nothing else.
import { formatUnits, isCustomerMoney, type LedgerEntry, type Movement, makeEntry, type Sha256 } from "../ledger.ts";
import { STREAM_RESTART_GAP, SUBMIT_DEADLINE_MS, TRANSFER_USD_UNITS_MAX } from "../limits.ts";
import { findMarket, type MarketRules } from "../listings.ts";
import type { CancelReason, Command, MakeId, Origin, Submission } from "../messages.ts";
import { UNITS_MAX } from "../money.ts";
import { notionalOf, type Order, type OrderTerms } from "../order.ts";
import { addToPosition, flatPosition, takeFromPosition } from "../positions.ts";
import { referencePrice, usdWorth } from "../prices.ts";
import { invariant, ok, type Refusal, type Result, refuse } from "../result.ts";
import { admit, type OrderRequest } from "./admission.ts";
import {
  type AccountEvent,
  type AccountState,
  accountPeer,
  applyAccountEvent,
  assetsOf,
  type Balance,
  balanceOf,
  creditOf,
  type OnceKey,
  rulesOf,
  type Transfer,
} from "./state.ts";
import { streamMessages } from "./stream.ts";

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
  const numbers = draft.kind === "restored" ? STREAM_RESTART_GAP : Math.max(1, streamMessages(draft).length);
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
  const dated = request.timeInForce === "day" ? { ...request, expiresAt: endOfDay(turnTime(turn)) } : request;
  const admitted = admit(turn.state, dated, rules, referenceFor(turn, rules), turnTime(turn));
  if (!admitted.ok) return refuseOnce(turn, admitted.refusal, once);
  const { terms, hold, credit } = admitted.value;
  const at = turnTime(turn);
  const order: Order = {
    ...terms,
    id: turn.ctx.makeId("ord", at),
    clientOrderId: request.clientOrderId,
    bodyHash,
    status: "pending_new",
    reason: null,
    cancelRequested: false,
    ...(batch === undefined ? {} : { batch: batch.id }),
    filledQty: 0n,
    filledNotional: 0n,
    feeNumerator: 0n,
    fee: 0n,
    hold,
    credit,
    createdAt: at,
    updatedAt: at,
    seq: turn.state.seq + 1,
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

const DAY_MS = 86_400_000;

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
  return { kind: submitKind(order), cseq, rulesVersion: rules.version, ...submissionOf(order) };
}

function submitKind({ displayQty, trigger }: Order) {
  if (displayQty !== undefined) return "submit_iceberg";
  return trigger === undefined ? "submit" : "submit_held";
}

/** The command that sends the orders of an atomic batch to their market: all of them or none. */
export function submitAllCommand(turn: AccountTurn, orders: readonly Order[], rules: MarketRules): Command {
  const cseq = accountPeer(turn.state, rules.symbol).cseq + 1;
  return { kind: "submit_all", cseq, rulesVersion: rules.version, orders: orders.map(submissionOf) };
}

function submissionOf(order: Order): Submission {
  return {
    notAfter: notAfterOf(order, order.createdAt),
    order: {
      id: order.id,
      side: order.side,
      limitPrice: order.limitPrice,
      qty: order.qty,
      timeInForce: order.timeInForce,
      postOnly: order.postOnly,
      selfTradePrevention: order.selfTradePrevention,
      makerFeeBps: order.makerFeeBps,
      takerFeeBps: order.takerFeeBps,
      budget: order.hold,
      expiresAt: order.expiresAt,
      ...(order.displayQty === undefined ? {} : { displayQty: order.displayQty }),
      ...(order.trigger === undefined ? {} : { trigger: order.trigger }),
      origin: originOf(order),
    },
  };
}

/** What is sent with an order so that it can be made again from what its market knows. */
export function originOf({ batch, ...order }: Order): Origin {
  const { clientOrderId, bodyHash, type, notional, postOnly, credit, createdAt } = order;
  const origin = { clientOrderId, bodyHash, type, notional, postOnly, credit, createdAt };
  return batch === undefined ? origin : { ...origin, batch };
}

function notAfterOf(terms: OrderTerms, at: number): number | null {
  const immediate = terms.type === "market" || terms.timeInForce === "ioc" || terms.timeInForce === "fok";
  return immediate ? at + SUBMIT_DEADLINE_MS : terms.expiresAt;
}

/**
 * Asks the order's market to cancel it; until the market reports, the order stays as it is. Asking twice sends once, with
 * the first `reason`; none: its owner has asked by hand.
 */
export function requestCancel(turn: AccountTurn, order: Order, reason?: CancelReason): Order {
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

/**
 * Moves paper money in or out; it settles at once. Refuses `account_frozen`, `amount_out_of_range` for more than one
 * transfer may be worth and when the balance could pass its bound, and `insufficient_funds` for a withdrawal of more than
 * is available. Every refusal is journalled.
 */
export function transfer(
  turn: AccountTurn,
  wish: { kind: Transfer["kind"]; asset: string; amount: bigint },
  once: OnceKey[],
): Result<Transfer> {
  const refusal = transferRefusal(turn, wish);
  if (refusal !== null) return refuseOnce(turn, refusal, once);
  const at = turnTime(turn);
  const id = turn.ctx.makeId(wish.kind === "deposit" ? "dep" : "wdr", at);
  const record: Transfer = { id, ...wish, status: "settled", createdAt: at };
  const signed = wish.kind === "deposit" ? wish.amount : -wish.amount;
  const entry = entryFor(turn, wish.kind, id, [
    ["available", wish.asset, signed],
    ["external", wish.asset, -signed],
  ]);
  invariant(entry !== null, `transfer ${id} moves nothing`);
  emit(turn, { kind: "transfer", transfer: record, entry, position: positionAfterTransfer(turn, wish), once });
  return ok(record);
}

function transferRefusal(turn: AccountTurn, wish: { kind: string; asset: string; amount: bigint }): Refusal | null {
  const { state, ctx } = turn;
  const { asset, amount } = wish;
  const out = wish.kind === "withdrawal";
  if (out && state.status === "frozen") return { code: "account_frozen" };
  if (usdWorth(asset, amount, ctx.priceSeed, turnTime(turn)) > TRANSFER_USD_UNITS_MAX) {
    return { code: "amount_out_of_range", detail: "At most 10,000,000 USD at a time." };
  }
  const available = balanceOf(state, "available", asset);
  if (out && amount > available) {
    const needed = formatUnits(amount, asset);
    return { code: "insufficient_funds", asset, needed, available: formatUnits(available, asset) };
  }
  const most = available + balanceOf(state, "held", asset) + creditOf(state, asset) + amount;
  return out || most <= UNITS_MAX ? null : { code: "amount_out_of_range" };
}

/** Base assets that come in without a trade cost what they are worth then; USD has no position. */
export function positionAfterTransfer(turn: AccountTurn, wish: { kind: string; asset: string; amount: bigint }) {
  const rules = findMarket(`${wish.asset}-USD`);
  if (rules === undefined) return null;
  const position = turn.state.positions.get(rules.symbol) ?? flatPosition(rules.symbol);
  if (wish.kind === "withdrawal") return takeFromPosition(position, wish.amount, null);
  return addToPosition(position, wish.amount, notionalOf(referenceFor(turn, rules), wish.amount, rules.baseScale));
}
