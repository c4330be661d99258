// Money in and out over HTTP: deposits, withdrawals, and what a day allows of them.
import { wireTransfer } from "../../core/wire.ts";
import { send } from "../../http/answer.ts";
import { audit } from "../../http/audit.ts";
import { accessOf } from "../../http/context.ts";
import { idempotencyOf, sendOnce } from "../../http/once.ts";
import {
  answer,
  BODY_CODES,
  body,
  createRouter,
  idempotencyHeaders,
  operation,
  pageOf,
  pageQuery,
  problems,
  TOKEN_CODES,
} from "../../http/openapi.ts";
import { renderPage, withCursor } from "../../http/page.ts";
import { makeDeposit, wirePayable } from "./deposits.ts";
import { depositPath, limitsOut, payableOut, transferIn, transferOut, withdrawalPath } from "./transfer-schema.ts";
import { cancelWithdrawal, listTransfers, makeTransfer, readLimits, readTransfer, wireLimits } from "./transfers.ts";

const tags = ["Account"];
const reading = { access: "account:read", asksAccount: true } as const;
const moving = { access: "funds:transfer", asksAccount: true } as const;
const createProblems = problems(
  ...TOKEN_CODES,
  ...BODY_CODES,
  "amount_out_of_range",
  "daily_transfer_limit",
  "too_many_pending_transfers",
  "insufficient_funds",
  "account_frozen",
  "storage_full",
  "idempotency_key_reused",
  "email_not_verified",
  "step_up_required",
);
const transferRequest = { headers: idempotencyHeaders, body: body(transferIn) };

const deposit = operation({
  method: "post",
  path: "/v1/account/deposits",
  ...moving,
  tags,
  summary: "Deposit",
  description:
    "Paper money settles at once. Where a payment provider moves the asset it is `pending` until the provider says that it is paid; " +
    "`client_secret` is what you pay it with there. Its day has a limit where `GET /v1/account/limits` says so.",
  request: transferRequest,
  responses: { 201: answer(payableOut, "Settled, or pending"), ...createProblems },
});
const withdrawal = operation({
  method: "post",
  path: "/v1/account/withdrawals",
  ...moving,
  verifiedEmail: true,
  stepUp: true,
  tags,
  summary: "Withdraw",
  description:
    "One worth more than `review_over` of `GET /v1/account/limits` is `pending_review`: its amount is held until two operators have " +
    "approved it, or one has rejected it, or you cancel it.",
  request: transferRequest,
  responses: { 201: answer(transferOut, "Settled, or pending"), ...createProblems },
});
const listOf = (path: "/v1/account/deposits" | "/v1/account/withdrawals", summary: string) =>
  operation({
    method: "get",
    path,
    ...reading,
    tags,
    summary,
    request: { query: pageQuery },
    responses: { 200: answer(pageOf(transferOut), "Newest first"), ...problems(...TOKEN_CODES, "validation_failed") },
  });
const deposits = listOf("/v1/account/deposits", "Your deposits");
const withdrawals = listOf("/v1/account/withdrawals", "Your withdrawals");

const oneOf = <P extends string, S extends typeof depositPath>(path: P, params: S, summary: string) =>
  operation({
    method: "get",
    path,
    ...reading,
    tags,
    summary,
    request: { params },
    responses: { 200: answer(transferOut, "As it is now"), ...problems(...TOKEN_CODES, "not_found") },
  });
const oneDeposit = oneOf("/v1/account/deposits/{id}", depositPath, "One of your deposits");
const oneWithdrawal = oneOf("/v1/account/withdrawals/{id}", withdrawalPath, "One of your withdrawals");

const cancel = operation({
  method: "delete",
  path: "/v1/account/withdrawals/{id}",
  ...moving,
  tags,
  summary: "Take a withdrawal back that waits for operators",
  description: "What it held is available again. Asked again it is answered as it is.",
  request: { params: withdrawalPath },
  responses: {
    200: answer(transferOut, "Canceled"),
    ...problems(...TOKEN_CODES, "not_found", "transfer_not_pending"),
  },
});
const limits = operation({
  method: "get",
  path: "/v1/account/limits",
  ...reading,
  tags,
  summary: "What you may move on a day (UTC), in USD worth, and what of it is used",
  description: "What was rejected, canceled or has failed on the day that it was asked for counts no more.",
  responses: { 200: answer(limitsOut, "The limits"), ...problems(...TOKEN_CODES) },
});

export const transferRoutes = createRouter()
  .openapi(deposit, async (c) => {
    const { payments } = c.get("config");
    const done = await makeDeposit(accessOf(c), payments, c.req.valid("json"), idempotencyOf(c));
    return sendOnce(c, done, wirePayable, () => 201);
  })
  .openapi(withdrawal, async (c) => {
    const done = await makeTransfer(accessOf(c), "withdrawal", c.req.valid("json"), idempotencyOf(c));
    return sendOnce(c, done, wireTransfer, () => 201);
  })
  .openapi(deposits, async (c) => {
    const { limit, cursor: from } = c.req.valid("query");
    const page = await withCursor(from, (cursor) => listTransfers(accessOf(c), { limit, cursor, kind: "deposit" }));
    return send(c, page, (found) => renderPage(found, wireTransfer), 200);
  })
  .openapi(withdrawals, async (c) => {
    const { limit, cursor: from } = c.req.valid("query");
    const page = await withCursor(from, (cursor) => listTransfers(accessOf(c), { limit, cursor, kind: "withdrawal" }));
    return send(c, page, (found) => renderPage(found, wireTransfer), 200);
  })
  .openapi(oneDeposit, async (c) => {
    const { id } = c.req.valid("param");
    return send(c, await readTransfer(accessOf(c), { id, kind: "deposit" }), wireTransfer, 200);
  })
  .openapi(oneWithdrawal, async (c) => {
    const { id } = c.req.valid("param");
    return send(c, await readTransfer(accessOf(c), { id, kind: "withdrawal" }), wireTransfer, 200);
  })
  .openapi(cancel, async (c) => {
    const { id } = c.req.valid("param");
    const canceled = await cancelWithdrawal(accessOf(c), id);
    audit(c, { act: "money.cancel", target: id, outcome: canceled.ok ? "ok" : canceled.refusal.code });
    return send(c, canceled, wireTransfer, 200);
  })
  .openapi(limits, async (c) => send(c, await readLimits(accessOf(c)), wireLimits, 200));
