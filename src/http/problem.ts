// The one catalogue: refusal code → status and title, and its RFC 9457 face. Nothing else decides a status.

import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { FieldError, Refusal, RefusalCode } from "../core/result.ts";
import { wireTime } from "../core/wire.ts";
import type { AppEnv } from "./context.ts";
import { hear } from "./limits.ts";

/** What the world sees of one code. */
export interface CatalogueEntry {
  status: ContentfulStatusCode;
  title: string;
}

/** Every code the product may answer with. A new code does not compile until it has its line here. */
export const CATALOGUE: Readonly<Record<RefusalCode, CatalogueEntry>> = {
  malformed_json: { status: 400, title: "Malformed JSON" },
  unauthenticated: { status: 401, title: "Not signed in" },
  token_expired: { status: 401, title: "Token expired" },
  session_revoked: { status: 401, title: "Session revoked" },
  refresh_token_reused: { status: 401, title: "Refresh token used before" },
  invalid_credentials: { status: 401, title: "Wrong login or password" },
  invalid_code: { status: 401, title: "Wrong or used code" },
  forbidden: { status: 403, title: "Forbidden" },
  access_denied: { status: 403, title: "Sign-in canceled at the provider" },
  missing_scope: { status: 403, title: "API key lacks the scope" },
  email_not_verified: { status: 403, title: "E-mail address not verified" },
  own_withdrawal: { status: 403, title: "Own withdrawal" },
  step_up_required: { status: 403, title: "Password or code needed once more" },
  not_found: { status: 404, title: "Not found" },
  method_not_allowed: { status: 405, title: "Method not allowed" },
  email_taken: { status: 409, title: "E-mail address taken" },
  username_taken: { status: 409, title: "Username taken" },
  account_exists: { status: 409, title: "E-mail address belongs to an account" },
  identity_taken: { status: 409, title: "Identity linked already" },
  last_sign_in: { status: 409, title: "The last way to sign in" },
  too_many_api_keys: { status: 409, title: "Too many API keys" },
  last_admin: { status: 409, title: "Last admin" },
  mfa_already_on: { status: 409, title: "Second factor on already" },
  account_not_empty: { status: 409, title: "Account not empty" },
  break_closed: { status: 409, title: "Break closed already" },
  already_approved: { status: 409, title: "Approved by you already" },
  transfer_not_pending: { status: 409, title: "Transfer not pending" },
  transfer_not_settled: { status: 409, title: "Transfer not settled" },
  order_not_open: { status: 409, title: "Order no longer open" },
  already_listed: { status: 409, title: "Block listed already" },
  market_not_empty: { status: 409, title: "Orders open in the market" },
  replace_pending: { status: 409, title: "Order change under way" },
  too_many_tasks: { status: 409, title: "Too many tasks" },
  idempotency_in_flight: { status: 409, title: "Same request still running" },
  idempotency_answer_not_kept: { status: 409, title: "Done already, its secret was shown once" },
  order_archived: { status: 410, title: "Order archived" },
  period_archived: { status: 410, title: "Period archived" },
  precondition_failed: { status: 412, title: "Version no longer in force" },
  payload_too_large: { status: 413, title: "Payload too large" },
  unsupported_media_type: { status: 415, title: "Unsupported media type" },
  validation_failed: { status: 422, title: "Validation failed" },
  wrong_password: { status: 422, title: "Wrong password" },
  idempotency_key_reused: { status: 422, title: "Idempotency key used for another request" },
  insufficient_funds: { status: 422, title: "Insufficient funds" },
  daily_transfer_limit: { status: 422, title: "Limit of the day reached" },
  too_many_pending_transfers: { status: 422, title: "Too many pending transfers" },
  off_tick: { status: 422, title: "Price off the tick" },
  off_lot: { status: 422, title: "Quantity off the lot" },
  below_min_notional: { status: 422, title: "Order worth too little" },
  above_max_qty: { status: 422, title: "Quantity too large" },
  price_outside_band: { status: 422, title: "Price outside the band" },
  market_not_open: { status: 422, title: "Market not open" },
  market_post_only: { status: 422, title: "Market takes post-only orders alone" },
  display_qty_out_of_range: { status: 422, title: "Display quantity out of range" },
  post_only_would_cross: { status: 422, title: "Post-only order would cross" },
  fok_not_fillable: { status: 422, title: "Fill-or-kill order not fillable" },
  too_many_open_orders: { status: 422, title: "Too many open orders" },
  daily_order_quota: { status: 422, title: "Daily order quota reached" },
  submitted_too_late: { status: 422, title: "Submitted too late" },
  client_order_id_reused: { status: 422, title: "Client order id used for another order" },
  unsupported_order_type: { status: 422, title: "Unsupported order type" },
  amount_out_of_range: { status: 422, title: "Amount out of range" },
  account_frozen: { status: 422, title: "Account frozen" },
  batch_not_one_market: { status: 422, title: "Atomic batch for more than one market" },
  batch_aborted: { status: 424, title: "Batch aborted" },
  exits_misplaced: { status: 422, title: "Exits on the wrong side" },
  leg_qty_fixed: { status: 422, title: "Quantity of a leg is not its own" },
  rules_changed: { status: 422, title: "The market's rules have changed" },
  precondition_required: { status: 428, title: "If-Match needed" },
  rate_limited: { status: 429, title: "Too many requests" },
  internal: { status: 500, title: "Internal error" },
  storage_full: { status: 507, title: "Only cancels are taken" },
  unavailable: { status: 503, title: "Temporarily unavailable" },
};

/** An RFC 9457 document; `members` of a code stand beside the fixed ones. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  code: RefusalCode;
  request_id: string;
  errors?: FieldError[];
  [member: string]: unknown;
}

/** Field errors shown in one answer: a body of 64 KiB can be wrong in thousands of places. */
export const FIELD_ERRORS_MAX = 50;
/** Seconds a client is asked to wait after a 503 that does not know better: outages here are over at once or last for minutes. */
export const RETRY_AFTER_UNAVAILABLE_SECONDS = 1;

/** Renders a refusal for the request at `instance` (its path). A 500 never carries a detail of its own. */
export function problemOf(refusal: Refusal, instance: string, requestId: string): Problem {
  const { status, title } = CATALOGUE[refusal.code];
  return {
    type: `/docs/errors/${refusal.code}`,
    title,
    status,
    detail: refusal.code === "internal" ? "Something went wrong on our side." : (refusal.detail ?? `${title}.`),
    instance,
    code: refusal.code,
    request_id: requestId,
    ...membersOf(refusal),
  };
}

function membersOf(refusal: Refusal): Record<string, unknown> {
  switch (refusal.code) {
    case "insufficient_funds": {
      const { asset, needed, available, orderId, transferId } = refusal;
      const named = { order_id: orderId, transfer_id: transferId };
      return { asset, needed, available, ...named };
    }
    case "daily_transfer_limit": {
      const { transfer, limit, used, resetsAt } = refusal;
      return { transfer, limit, used, resets_at: wireTime(resetsAt) };
    }
    case "precondition_failed":
      return { version: refusal.version };
    case "validation_failed":
      return { errors: refusal.errors.slice(0, FIELD_ERRORS_MAX) };
    case "rate_limited":
      return {
        retry_after: refusal.retryAfterSeconds,
        ...(refusal.policy === undefined ? {} : { policy: refusal.policy }),
      };
    default: {
      const broken = "broken" in refusal ? refusal.broken : undefined;
      return {
        ...(broken === undefined ? {} : broken),
        ...("orderId" in refusal && refusal.orderId !== undefined ? { order_id: refusal.orderId } : {}),
      };
    }
  }
}

/** Answers the request with a refusal: problem document, Retry-After and WWW-Authenticate where they belong. */
export function problemResponse(c: Context<AppEnv>, refusal: Refusal): Response {
  const { status } = CATALOGUE[refusal.code];
  c.set("refused", refusal.code);
  const body = problemOf(refusal, c.req.path, c.get("requestId"));
  const headers: Record<string, string> = { "Content-Type": "application/problem+json" };
  if (refusal.code === "unavailable") {
    headers["Retry-After"] = String(refusal.retryAfterSeconds ?? RETRY_AFTER_UNAVAILABLE_SECONDS);
  }
  if (refusal.code === "rate_limited") {
    const { policy, retryAfterSeconds } = refusal;
    headers["Retry-After"] = String(retryAfterSeconds);
    if (policy !== undefined) hear(c, { policy, remaining: 0, resetSeconds: retryAfterSeconds });
  }
  if (status === 401) headers["WWW-Authenticate"] = "Bearer";
  return c.body(JSON.stringify(body), status, headers);
}
