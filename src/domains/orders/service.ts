// The verbs of orders: each is one call to the caller's account object, which alone may spend the account's money.
import type { BatchItem } from "../../core/account/batch.ts";
import { isGroup } from "../../core/account/grouping.ts";
import type { Preview } from "../../core/account/preview.ts";
import type { FillRecord, PreventedRecord } from "../../core/account/state.ts";
import { canonical } from "../../core/codec.ts";
import { findMarket } from "../../core/listings.ts";
import type { Order, Side } from "../../core/order.ts";
import { ok, PLAIN_ORDER_CODES, type Refusal, type Result, refuse } from "../../core/result.ts";
import { wireBalance, wireFill, wireHold, wireOrder, wirePrevented } from "../../core/wire.ts";
import { mapOnce } from "../../http/once.ts";
import { problemOf } from "../../http/problem.ts";
import type { Answered, BatchOutcome, ExecutionQuery, Idempotency, OrderQuery, Page } from "../../objects/protocol.ts";
import { type AccountAccess, askAccount, askAccountOnce, goingOn } from "../../objects/stubs.ts";
import { GROUP_IN_BATCH, wishOf } from "./group-request.ts";
import { orderRequestOf, replaceWishOf } from "./request.ts";
import type { OrderChange, OrderIn } from "./schema.ts";

/**
 * Places an order, or a group, which is answered as its parent. Refuses what {@link wishOf} refuses, what the account refuses, and what the market refused. The
 * account remembers each of these under the order's keys, but for validation_failed.
 */
export async function placeOrder(
  ctx: AccountAccess,
  input: OrderIn,
  idempotency: Idempotency | null,
): Promise<Answered<Order>> {
  const request = wishOf(input);
  if (!request.ok && request.refusal.code === "validation_failed") return { result: request, replay: null };
  const answered = await askAccountOnce(ctx, async (account, caller) => {
    if (request.ok) {
      const { value } = request;
      if (isGroup(value)) return account.placeGroup(caller, value, idempotency);
      return account.placeOrder(caller, value, idempotency);
    }
    const clientOrderId = input.client_order_id ?? null;
    const unread = { clientOrderId, body: unreadBody(input), refusal: request.refusal };
    return account.refuseOrder(caller, unread, idempotency);
  });
  return mapOnce(answered, marketRefusal);
}

/** A batch as it came: each order as it is judged by its own, those that are none with the reason, and whether all or none. */
export interface BatchRead {
  orders: readonly { sent: unknown; order: Result<OrderIn> }[];
  atomic: boolean;
}

/** One order of a batch as it is answered: what POST /v1/orders would have answered to it alone. */
export interface BatchAnswer {
  status_code: number;
  order?: ReturnType<typeof wireOrder>;
  problem?: ReturnType<typeof problemOf>;
}

/**
 * Places orders together. Refuses `batch_not_one_market` for an atomic batch that names several symbols; else each order has
 * its own answer, and the account remembers what it remembers of single ones.
 */
export async function placeBatch(
  ctx: AccountAccess,
  { orders, atomic }: BatchRead,
  idempotency: Idempotency | null,
): Promise<Answered<BatchOutcome[]>> {
  const symbols = new Set(orders.flatMap(({ sent }) => symbolOf(sent)));
  if (atomic && symbols.size > 1) return { result: refuse({ code: "batch_not_one_market" }), replay: null };
  const items = orders.map(({ sent, order }) => batchItemOf(sent, order));
  return askAccountOnce(ctx, async (account, caller) => account.placeBatch(caller, { items, atomic }, idempotency));
}

function symbolOf(sent: unknown): string[] {
  const named = typeof sent === "object" && sent !== null && "symbol" in sent ? sent.symbol : undefined;
  return typeof named === "string" ? [named] : [];
}

function batchItemOf(sent: unknown, order: Result<OrderIn>): BatchItem {
  const request = !order.ok
    ? order
    : order.value.order_class === "simple"
      ? orderRequestOf(order.value)
      : refuse(GROUP_IN_BATCH);
  if (request.ok) return { kind: "order", request: request.value };
  const { refusal } = request;
  if (!order.ok || refusal.code === "validation_failed") return { kind: "invalid", body: canonical(sent), refusal };
  const clientOrderId = order.value.client_order_id ?? null;
  return { kind: "unread", clientOrderId, body: unreadBody(order.value), refusal };
}

/** Its text with what a default stands for, as it has been compared from the first version on. */
function unreadBody(order: OrderIn): string {
  return canonical({ self_trade_prevention: "cancel_newest", ...order });
}

/** The answer to one order of a batch, for the request at this path. */
export function batchAnswer({ result, repeated }: BatchOutcome, request: { path: string; id: string }): BatchAnswer {
  const refusal = result.ok ? marketRefusal(result.value) : result.refusal;
  if (refusal !== null || !result.ok) {
    const problem = problemOf(refusal ?? { code: "internal" }, request.path, request.id);
    return { status_code: problem.status, problem };
  }
  const order = wireOrder(result.value);
  return { status_code: placedStatus(result.value, repeated), order };
}

/** What placing an order is answered with: 200 when it was there before, 202 while its market has not answered. */
export function placedStatus(order: Order, repeated: boolean): 200 | 201 | 202 {
  return repeated ? 200 : order.status === "pending_new" ? 202 : 201;
}

/** Where all of a batch have this, no order is at fault: the rules are other ones since a moment ago. */
const ABORTED =
  "Another order of this atomic batch was refused, or the market's rules have just changed: then send it again.";

/** The refusal of an order that its market rejected; it exists, so it is named. */
function marketRefusal(order: Order): Refusal | null {
  if (order.status !== "rejected") return null;
  const code = PLAIN_ORDER_CODES.find((known) => known === order.reason);
  // Judged again under new rules, an order can lack funds; what it would have needed is not kept.
  return {
    code: code ?? "market_not_open",
    orderId: order.id,
    ...(order.broken === undefined ? {} : { broken: order.broken }),
    detail: code === "batch_aborted" ? ABORTED : `The market's rules refused it: ${order.reason}.`,
  };
}

/**
 * Sells a position at the market. Refuses `not_found` where there is none or no such market, and as {@link placeOrder}: what
 * open orders hold is `insufficient_funds`. Asked again, it sells nothing twice: that is held or gone.
 */
export async function closePosition(ctx: AccountAccess, symbol: string): Promise<Result<Order>> {
  if (findMarket(symbol) === undefined) return refuse({ code: "not_found" });
  const answered = await askAccountOnce(ctx, async (account, caller) => account.closePosition(caller, symbol));
  return mapOnce(answered, marketRefusal).result;
}

/** What placing an order now would do; nothing of it is kept. Refuses as {@link placeOrder}. */
export async function previewOrder(ctx: AccountAccess, input: OrderIn): Promise<Result<Previewed>> {
  const request = wishOf(input);
  if (!request.ok) return request;
  const { value } = request;
  const found = await askAccount(ctx, async (account, caller) =>
    isGroup(value) ? account.previewGroup(caller, value) : account.previewOrder(caller, value),
  );
  if (!found.ok) return found;
  const refusal = marketRefusal(found.value.order);
  if (refusal === null) return found;
  // There is no such order: it has no id to be named by.
  return refuse(withoutOrder(refusal));
}

function withoutOrder(refusal: Refusal): Refusal {
  if (!("orderId" in refusal)) return refusal;
  const { orderId: _, ...told } = refusal;
  return told;
}

type Previewed = Preview & { bookSeq: number };

/** A preview as the contract shows it. */
export function wirePreview({ order, fills, prevented, balances, bookSeq }: Previewed) {
  const { filled_qty, filled_notional, filled_avg_price, leaves_qty, fee, fee_asset, status, reason, ...others } =
    wireOrder(order);
  const { maker_fee_bps, taker_fee_bps } = others;
  return {
    ...{ status, reason, filled_qty, filled_notional, avg_price: filled_avg_price, leaves_qty },
    ...{ fee, fee_asset, maker_fee_bps, taker_fee_bps },
    hold: wireHold(order),
    fills: fills.map(wireFill).map(({ qty, price, fee: paid, liquidity }) => ({ qty, price, fee: paid, liquidity })),
    prevented_matches: prevented
      .map(wirePrevented)
      .map(({ maker_order_id, price, qty }) => ({ maker_order_id, price, qty })),
    balances_after: balances.map(wireBalance),
    book_seq: bookSeq,
  };
}

/** Cancels one order. Refuses `not_found` and `order_not_open`. The order may still be open when its market is away. */
export async function cancelOrder(ctx: AccountAccess, orderId: string): Promise<Result<Order>> {
  const result = await askAccount(ctx, async (account, caller) => account.cancelOrder(caller, orderId));
  const tooLate = result.ok && result.value.status !== "canceled" && !result.value.cancelRequested;
  return tooLate ? refuse({ code: "order_not_open" }) : result;
}

/**
 * Gives an open order other terms. Refuses `not_found`, `order_not_open`, `replace_pending`, and as for a new one. Its market
 * may not have answered yet: the order is as it was then, and says so.
 */
export async function replaceOrder(ctx: AccountAccess, id: string, input: OrderChange): Promise<Result<Order>> {
  const found = await findOrder(ctx, { id });
  if (!found.ok) return found;
  const wish = replaceWishOf(input, found.value.symbol);
  if (!wish.ok) return wish;
  return askAccount(goingOn(ctx), async (account, caller) => account.replaceOrder(caller, id, wish.value));
}

/** One order of a bulk cancel: 200 once canceled, 202 while its market has not answered, 409 when it was too late. */
export interface CancelOutcome {
  id: string;
  status_code: number;
  order?: ReturnType<typeof wireOrder>;
  problem?: ReturnType<typeof problemOf>;
}

/** Cancels every open order that fits, and says of each what became of it. */
export async function cancelAll(
  ctx: AccountAccess,
  filter: { symbol?: string | undefined; side?: Side | undefined },
  request: { path: string; id: string },
): Promise<Result<CancelOutcome[]>> {
  const wanted = { symbol: filter.symbol ?? null, side: filter.side ?? null };
  const result = await askAccount(ctx, async (account, caller) => account.cancelAll(caller, wanted));
  if (!result.ok) return result;
  return ok(
    result.value.map((order) => {
      if (order.status === "canceled") return { id: order.id, status_code: 200, order: wireOrder(order) };
      if (order.cancelRequested) return { id: order.id, status_code: 202, order: wireOrder(order) };
      return {
        id: order.id,
        status_code: 409,
        problem: problemOf({ code: "order_not_open" }, request.path, request.id),
      };
    }),
  );
}

/** Has all open orders canceled in `timeoutMs` unless this is asked for again; 0: no more. Answers when, in ms, or null. */
export function cancelAllAfter(ctx: AccountAccess, timeoutMs: number): Promise<Result<{ cancelAt: number | null }>> {
  return askAccount(ctx, async (account, caller) => account.cancelAllAfter(caller, timeoutMs));
}

/** One of the caller's orders by its id or client_order_id. Refuses `not_found`, also for another user's order. */
export function findOrder(ctx: AccountAccess, by: { id: string } | { clientOrderId: string }): Promise<Result<Order>> {
  return askAccount(ctx, async (account, caller) => account.order(caller, by));
}

/** The caller's orders, newest first. */
export function listOrders(ctx: AccountAccess, query: OrderQuery): Promise<Result<Page<Order>>> {
  return askAccount(ctx, async (account, caller) => account.orders(caller, query));
}

/** The caller's executions, newest first. */
export function listFills(ctx: AccountAccess, query: ExecutionQuery): Promise<Result<Page<FillRecord>>> {
  return askAccount(ctx, async (account, caller) => account.fills(caller, query));
}

/** The trades of the caller with themselves that were prevented, newest first. */
export function listPrevented(ctx: AccountAccess, query: ExecutionQuery): Promise<Result<Page<PreventedRecord>>> {
  return askAccount(ctx, async (account, caller) => account.prevented(caller, query));
}
