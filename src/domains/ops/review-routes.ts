// What operators decide of money in and out, over HTTP: the second of two approves, one rejects, one undoes.
import type { Context } from "hono";
import { send } from "../../http/answer.ts";
import { type AppEnv, callerOf } from "../../http/context.ts";
import {
  answer,
  body,
  createRouter,
  KEY_CODES,
  keyHeader,
  operation,
  pageOf,
  problems,
  TOKEN_CODES,
} from "../../http/openapi.ts";
import { actOf, reasonBody } from "../../http/operator-act.ts";
import { reviewedOut, reviewedQuery, transferPath, withdrawalPath } from "./review-schema.ts";
import { decide, listReviewed } from "./reviews.ts";
import { ACTING_CODES } from "./schema.ts";

const tags = ["Operations"];
const deciding = { access: "transfers:decide", once: "kept", tags } as const;
const headers = keyHeader("Same key and body: the first answer again, for a day at least.");
const DECIDING_CODES = [...ACTING_CODES, ...KEY_CODES, "not_found"] as const;

const listOf = <P extends string>(path: P, summary: string) =>
  operation({
    method: "get",
    path,
    access: "ops:read",
    tags,
    summary,
    description: "From the read model: as late as its queue is.",
    request: { query: reviewedQuery },
    responses: { 200: answer(pageOf(reviewedOut), "Newest first"), ...problems(...TOKEN_CODES) },
  });
const withdrawals = listOf("/v1/admin/withdrawals", "Withdrawals of all users, such as those that wait for operators");
const deposits = listOf("/v1/admin/deposits", "Deposits of all users");

const approve = operation({
  method: "post",
  path: "/v1/admin/withdrawals/{id}/approve",
  ...deciding,
  audit: "withdrawal.approve",
  summary: "Approve a withdrawal that waits for review",
  description: "The first approval is kept, the second, of another operator, settles it. Nobody approves their own.",
  request: { headers, params: withdrawalPath, body: body(reasonBody) },
  responses: {
    200: answer(reviewedOut, "As it is now"),
    ...problems(...DECIDING_CODES, "own_withdrawal", "already_approved", "transfer_not_pending", "account_frozen"),
  },
});
const reject = operation({
  method: "post",
  path: "/v1/admin/withdrawals/{id}/reject",
  ...deciding,
  audit: "withdrawal.reject",
  summary: "Reject a withdrawal that waits for review",
  description: "What it held is available again.",
  request: { headers, params: withdrawalPath, body: body(reasonBody) },
  responses: { 200: answer(reviewedOut, "Rejected"), ...problems(...DECIDING_CODES, "transfer_not_pending") },
});
const reverse = operation({
  method: "post",
  path: "/v1/admin/transfers/{id}/reverse",
  ...deciding,
  audit: "transfer.reverse",
  summary: "Undo a settled transfer by a new entry the other way, once",
  description:
    "The ledger keeps both entries. A deposit whose money is spent is not undone: `insufficient_funds`, with its `transfer_id`. " +
    "Nothing is asked of a payment provider.",
  request: { headers, params: transferPath, body: body(reasonBody) },
  responses: {
    200: answer(reviewedOut, "Reversed"),
    ...problems(
      ...DECIDING_CODES,
      "own_withdrawal",
      "transfer_not_settled",
      "insufficient_funds",
      "amount_out_of_range",
    ),
  },
});

/** Who decides, of which account of their own, and why. */
function reviewOf<V extends "approve" | "reject" | "reverse">(c: Context<AppEnv>, verdict: V, reason: string) {
  return { verdict, ...actOf(c, reason), account: callerOf(c).accountId };
}

const asItIs = <T>(value: T): T => value;

export const reviewRouter = createRouter()
  .openapi(withdrawals, async (c) => {
    return send(c, await listReviewed(c.env, "withdrawal", c.req.valid("query")), asItIs, 200);
  })
  .openapi(deposits, async (c) => send(c, await listReviewed(c.env, "deposit", c.req.valid("query")), asItIs, 200))
  .openapi(approve, async (c) => {
    const review = reviewOf(c, "approve", c.req.valid("json").reason);
    return send(c, await decide(c.env, c.req.valid("param").id, review), asItIs, 200);
  })
  .openapi(reject, async (c) => {
    const review = reviewOf(c, "reject", c.req.valid("json").reason);
    return send(c, await decide(c.env, c.req.valid("param").id, review), asItIs, 200);
  })
  .openapi(reverse, async (c) => {
    const review = reviewOf(c, "reverse", c.req.valid("json").reason);
    return send(c, await decide(c.env, c.req.valid("param").id, review), asItIs, 200);
  });
