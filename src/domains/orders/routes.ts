// Orders over HTTP: place, read, cancel.

import { z } from "@hono/zod-openapi";
import { isReplacing } from "../../core/order.ts";
import { PLAIN_ORDER_CODES } from "../../core/result.ts";
import { wireFill, wireOrder, wirePrevented, wireTime } from "../../core/wire.ts";
import { send } from "../../http/answer.ts";
import { accessOf } from "../../http/context.ts";
import { symbolPath } from "../../http/market-shape.ts";
import { idempotencyOf, sendOnce } from "../../http/once.ts";
import {
  answer,
  BODY_CODES,
  body,
  createRouter,
  idempotencyHeaders,
  KEY_CODES,
  operation,
  pageOf,
  problems,
  TOKEN_CODES,
} from "../../http/openapi.ts";
import { orderOut } from "../../http/order-shape.ts";
import { renderPage, withCursor } from "../../http/page.ts";
import type { BatchOutcome } from "../../objects/protocol.ts";
import {
  batchIn,
  batchItemOut,
  bulkItemOut,
  cancelAfterIn,
  cancelAfterOut,
  clientOrderPath,
  fillOut,
  fillQuery,
  orderChange,
  orderFilter,
  orderIn,
  orderPath,
  orderQuery,
  preventedOut,
  previewOut,
  readOrder,
} from "./schema.ts";
import {
  batchAnswer,
  cancelAll,
  cancelAllAfter,
  cancelOrder,
  closePosition,
  findOrder,
  listFills,
  listOrders,
  listPrevented,
  placeBatch,
  placedStatus,
  placeOrder,
  previewOrder,
  replaceOrder,
  wirePreview,
} from "./service.ts";

const tags = ["Orders"];
const reading = { access: "orders:read", asksAccount: true } as const;
const trading = { access: "orders:trade", asksAccount: true } as const;
const REFUSALS = [...PLAIN_ORDER_CODES, "insufficient_funds", "storage_full", "order_archived"] as const;
const orderProblems = problems(...REFUSALS, ...TOKEN_CODES, ...BODY_CODES, ...KEY_CODES);
const READ = [...TOKEN_CODES, "not_found", "order_archived"] as const;
const listProblems = problems(...TOKEN_CODES, "validation_failed");
const ofOrderProblems = problems(...TOKEN_CODES, "validation_failed", "order_archived");
const cancelProblems = problems(...READ, "order_not_open");

const place = operation({
  method: "post",
  path: "/v1/orders",
  ...trading,
  spends: "orders",
  tags,
  summary: "Place an order",
  request: { headers: idempotencyHeaders, body: body(orderIn) },
  responses: {
    200: answer(orderOut, "The order that this client_order_id made before, as it is now"),
    201: answer(orderOut, "The order, answered by its market"),
    202: answer(orderOut, "Held and sent; its market has not answered yet"),
    ...orderProblems,
  },
});
const placeMany = operation({
  method: "post",
  path: "/v1/orders/batch",
  ...trading,
  spends: "orders",
  tags,
  summary: "Place up to 100 orders in one call, each for itself, or all of them or none",
  request: { headers: idempotencyHeaders, body: body(batchIn) },
  responses: {
    207: answer(z.object({ data: z.array(batchItemOut) }), "What became of each, in the order given"),
    ...problems("batch_not_one_market", ...TOKEN_CODES, ...BODY_CODES, ...KEY_CODES),
  },
});
const preview = operation({
  method: "post",
  path: "/v1/orders/preview",
  ...trading,
  spends: "orders",
  tags,
  summary: "What an order would do now: nothing is placed, held or kept",
  request: { body: body(orderIn) },
  responses: { 200: answer(previewOut, "What it would do"), ...problems(...REFUSALS, ...TOKEN_CODES, ...BODY_CODES) },
});
const list = operation({
  method: "get",
  path: "/v1/orders",
  ...reading,
  tags,
  summary: "Your orders, newest first",
  request: { query: orderQuery },
  responses: { 200: answer(pageOf(orderOut), "Orders"), ...listProblems },
});
const byClientOrderId = operation({
  method: "get",
  path: "/v1/orders/by-client-id/{client_order_id}",
  ...reading,
  tags,
  summary: "What a client_order_id made: the order, or the refusal that it got",
  request: { params: clientOrderPath },
  responses: { 200: answer(orderOut, "The order"), ...problems(...READ, ...REFUSALS) },
});
const read = operation({
  method: "get",
  path: "/v1/orders/{id}",
  ...reading,
  tags,
  summary: "One order",
  request: { params: orderPath },
  responses: { 200: answer(orderOut, "The order"), ...problems(...READ) },
});
const cancel = operation({
  method: "delete",
  path: "/v1/orders/{id}",
  ...trading,
  tags,
  summary: "Cancel an order",
  request: { params: orderPath },
  responses: {
    200: answer(orderOut, "Canceled"),
    202: answer(orderOut, "Asked; the market has not answered yet"),
    ...cancelProblems,
  },
});
const replace = operation({
  method: "patch",
  path: "/v1/orders/{id}",
  ...trading,
  spends: "orders",
  tags,
  summary: "Replace an open order's terms; less of the same keeps its place in time",
  request: { params: orderPath, body: body(orderChange) },
  responses: {
    200: answer(orderOut, "The order under its other terms"),
    202: answer(orderOut, "Held and sent; its market has not answered yet"),
    ...problems(...REFUSALS, ...READ, ...BODY_CODES, "order_not_open", "replace_pending"),
  },
});
const cancelEvery = operation({
  method: "delete",
  path: "/v1/orders",
  ...trading,
  tags,
  summary: "Cancel all open orders that fit",
  request: { query: orderFilter },
  responses: { 207: answer(z.object({ data: z.array(bulkItemOut) }), "What became of each"), ...listProblems },
});
const cancelAfter = operation({
  method: "post",
  path: "/v1/orders/cancel-all-after",
  ...trading,
  tags,
  summary: "Cancel all open orders unless this is called again in time",
  request: { body: body(cancelAfterIn) },
  responses: {
    200: answer(cancelAfterOut, "In place of any time before"),
    ...problems(...TOKEN_CODES, ...BODY_CODES),
  },
});
const close = operation({
  method: "delete",
  path: "/v1/positions/{symbol}",
  ...trading,
  spends: "orders",
  tags,
  summary: "Close a position: sell all of it at the market",
  description:
    "The order sells all whole lots that you have. What your open orders hold cannot be sold by another one: cancel them first. " +
    "Asked again, it never sells twice: while the order is under way there is nothing available, and after it no position.",
  request: { params: symbolPath },
  responses: {
    201: answer(orderOut, "The order that closes it, answered by its market"),
    202: answer(orderOut, "Held and sent; its market has not answered yet"),
    ...problems(...REFUSALS, ...READ),
  },
});
const fills = operation({
  method: "get",
  path: "/v1/fills",
  ...reading,
  tags,
  summary: "Your executions, newest first",
  request: { query: fillQuery },
  responses: { 200: answer(pageOf(fillOut), "Executions"), ...ofOrderProblems },
});

const prevented = operation({
  method: "get",
  path: "/v1/prevented-matches",
  ...reading,
  tags,
  summary: "Trades with yourself that self-trade prevention has kept from happening, newest first",
  description: "`order_id` is the taker's or the maker's. `qty` is what would have traded, at the maker's `price`.",
  request: { query: fillQuery },
  responses: { 200: answer(pageOf(preventedOut), "Prevented matches"), ...ofOrderProblems },
});

export const ordersRouter = createRouter()
  .openapi(place, async (c) => {
    const answered = await placeOrder(accessOf(c), c.req.valid("json"), idempotencyOf(c));
    return sendOnce(c, answered, wireOrder, placedStatus);
  })
  .openapi(placeMany, async (c) => {
    const { orders, atomic } = c.req.valid("json");
    c.set("spend", { policy: "orders", count: orders.length });
    const answered = await placeBatch(accessOf(c), { orders: orders.map(readOrder), atomic }, idempotencyOf(c));
    // The id is looked up when all is known: a replay has that of the first answer.
    const data = (outcomes: BatchOutcome[]) =>
      outcomes.map((one) => batchAnswer(one, { path: c.req.path, id: c.get("requestId") }));
    return sendOnce(
      c,
      answered,
      (outcomes) => ({ data: data(outcomes) }),
      () => 207,
    );
  })
  .openapi(preview, async (c) => send(c, await previewOrder(accessOf(c), c.req.valid("json")), wirePreview, 200))
  .openapi(list, async (c) => {
    const { limit, cursor: from, status, symbol = null, side = null } = c.req.valid("query");
    const page = await withCursor(from, (cursor) => listOrders(accessOf(c), { limit, cursor, status, symbol, side }));
    return send(c, page, (found) => renderPage(found, wireOrder), 200);
  })
  .openapi(byClientOrderId, async (c) => {
    const by = { clientOrderId: c.req.valid("param").client_order_id };
    return send(c, await findOrder(accessOf(c), by), wireOrder, 200);
  })
  .openapi(read, async (c) => send(c, await findOrder(accessOf(c), { id: c.req.valid("param").id }), wireOrder, 200))
  .openapi(replace, async (c) => {
    const order = await replaceOrder(accessOf(c), c.req.valid("param").id, c.req.valid("json"));
    return send(c, order, wireOrder, order.ok && isReplacing(order.value) ? 202 : 200);
  })
  .openapi(cancel, async (c) => {
    const order = await cancelOrder(accessOf(c), c.req.valid("param").id);
    return send(c, order, wireOrder, order.ok && order.value.status !== "canceled" ? 202 : 200);
  })
  .openapi(cancelEvery, async (c) => {
    const request = { path: c.req.path, id: c.get("requestId") };
    return send(c, await cancelAll(accessOf(c), c.req.valid("query"), request), (data) => ({ data }), 207);
  })
  .openapi(close, async (c) => {
    const order = await closePosition(accessOf(c), c.req.valid("param").symbol);
    return send(c, order, wireOrder, order.ok && order.value.status === "pending_new" ? 202 : 201);
  })
  .openapi(cancelAfter, async (c) => {
    const { timeout_ms } = c.req.valid("json");
    const armed = await cancelAllAfter(accessOf(c), timeout_ms);
    const told = (at: number | null) => ({ timeout_ms, cancel_at: at === null ? null : wireTime(at) });
    return send(c, armed, ({ cancelAt }) => told(cancelAt), 200);
  })
  .openapi(fills, async (c) => {
    const { limit, cursor: from, symbol = null, order_id: orderId = null } = c.req.valid("query");
    const page = await withCursor(from, (cursor) => listFills(accessOf(c), { limit, cursor, symbol, orderId }));
    return send(c, page, (found) => renderPage(found, wireFill), 200);
  })
  .openapi(prevented, async (c) => {
    const { limit, cursor: from, symbol = null, order_id: orderId = null } = c.req.valid("query");
    const page = await withCursor(from, (cursor) => listPrevented(accessOf(c), { limit, cursor, symbol, orderId }));
    return send(c, page, (found) => renderPage(found, wirePrevented), 200);
  });
