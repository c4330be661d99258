// The verbs of orders: each is one call to the caller's account object, which alone may spend the account's money.
import type { FillRecord } from "../../core/account/state.ts";
import { canonical } from "../../core/codec.ts";
import type { Order, Side } from "../../core/order.ts";
import { ok, PLAIN_ORDER_CODES, type Refusal, type Result, refuse } from "../../core/result.ts";
import { wireOrder } from "../../core/wire.ts";
import { mapOnce } from "../../http/once.ts";
import { problemOf } from "../../http/problem.ts";
import type { Answered, Caller, Idempotency, OrderQuery, Page, PageRequest } from "../../objects/protocol.ts";
import { accountStub, callObject, type ObjectBindings } from "../../objects/stubs.ts";
import { orderRequestOf } from "./request.ts";
import type { OrderIn } from "./schema.ts";

/** Who asks, and where the objects are. */
export interface OrderContext {
  env: ObjectBindings;
  caller: Caller;
}

/**
 * Places an order. Refuses what {@link orderRequestOf} refuses, what the account refuses, and what the market refused. The
 * account remembers each of these under the order's keys, but for validation_failed.
 */
export async function placeOrder(
  ctx: OrderContext,
  input: OrderIn,
  idempotency: Idempotency | null,
): Promise<Answered<Order>> {
  const request = orderRequestOf(input);
  if (!request.ok && request.refusal.code === "validation_failed") return { result: request, replay: null };
  const stub = accountStub(ctx.env, ctx.caller.accountId);
  const called = await callObject(async () => {
    if (request.ok) return ok(await stub.placeOrder(ctx.caller, request.value, idempotency));
    const clientOrderId = input.client_order_id ?? null;
    const unread = { clientOrderId, body: canonical(input), refusal: request.refusal };
    return ok(await stub.refuseOrder(ctx.caller, unread, idempotency));
  });
  return called.ok ? mapOnce(called.value, marketRefusal) : { result: called, replay: null };
}

/** The refusal of an order that its market rejected; it exists, so it is named. */
function marketRefusal(order: Order): Refusal | null {
  if (order.status !== "rejected") return null;
  const code = PLAIN_ORDER_CODES.find((known) => known === order.reason);
  // Judged again under new rules, an order can lack funds; what it would have needed is not kept.
  return {
    code: code ?? "market_not_open",
    orderId: order.id,
    detail: `The market's rules refused it: ${order.reason}.`,
  };
}

/** Cancels one order. Refuses `not_found` and `order_not_open`. The order may still be open when its market is away. */
export function cancelOrder(ctx: OrderContext, orderId: string): Promise<Result<Order>> {
  return callObject(async () => {
    const result = await accountStub(ctx.env, ctx.caller.accountId).cancelOrder(ctx.caller, orderId);
    const tooLate = result.ok && result.value.status !== "canceled" && !result.value.cancelRequested;
    return tooLate ? refuse({ code: "order_not_open" }) : result;
  });
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
  ctx: OrderContext,
  filter: { symbol?: string | undefined; side?: Side | undefined },
  request: { path: string; id: string },
): Promise<Result<CancelOutcome[]>> {
  const wanted = { symbol: filter.symbol ?? null, side: filter.side ?? null };
  const result = await callObject(() => accountStub(ctx.env, ctx.caller.accountId).cancelAll(ctx.caller, wanted));
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

/** One of the caller's orders by its id or client_order_id. Refuses `not_found`, also for another user's order. */
export function findOrder(ctx: OrderContext, by: { id: string } | { clientOrderId: string }): Promise<Result<Order>> {
  return callObject(() => accountStub(ctx.env, ctx.caller.accountId).order(ctx.caller, by));
}

/** The caller's orders, newest first. */
export function listOrders(ctx: OrderContext, query: OrderQuery): Promise<Result<Page<Order>>> {
  return callObject(() => accountStub(ctx.env, ctx.caller.accountId).orders(ctx.caller, query));
}

/** The caller's executions, newest first. */
export function listFills(
  ctx: OrderContext,
  query: PageRequest & { symbol: string | null; orderId: string | null },
): Promise<Result<Page<FillRecord>>> {
  return callObject(() => accountStub(ctx.env, ctx.caller.accountId).fills(ctx.caller, query));
}
