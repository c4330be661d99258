// What a verb may answer: a value, or a refusal that is data. A thrown error is never a refusal: it is a bug.
import type { PolicyName, Standing } from "./policies.ts";

/** One wrong field of a request: a JSON Pointer (RFC 6901), a stable code and a sentence for a person. */
export interface FieldError {
  pointer: string;
  code: string;
  detail: string;
}

/** Order refusals: their code, and where one of a market's rules is broken, which, its bound and the order's own figure. */
export const PLAIN_ORDER_CODES = [
  "off_tick",
  "off_lot",
  "below_min_notional",
  "above_max_qty",
  "display_qty_out_of_range",
  "price_outside_band",
  "market_not_open",
  "market_post_only",
  "post_only_would_cross",
  "fok_not_fillable",
  "too_many_open_orders",
  "daily_order_quota",
  "submitted_too_late",
  "client_order_id_reused",
  "unsupported_order_type",
  "amount_out_of_range",
  "account_frozen",
  "batch_aborted",
  "exits_misplaced",
  "leg_qty_fixed",
  "rules_changed",
] as const;

/** One of {@link PLAIN_ORDER_CODES}. */
export type PlainOrderCode = (typeof PLAIN_ORDER_CODES)[number];

/** Which rule an order broke: its name as markets show it, the bound that it sets, and what the order had there. */
export interface BrokenRule {
  rule: string;
  limit: string;
  value: string;
}

/** Refusals that carry nothing but their code and are not about one order's terms. */
export type PlainCode =
  | "unauthenticated"
  | "token_expired"
  | "session_revoked"
  | "refresh_token_reused"
  | "invalid_credentials"
  | "invalid_code"
  | "wrong_password"
  | "forbidden"
  | "missing_scope"
  | "email_not_verified"
  | "step_up_required"
  | "mfa_already_on"
  | "account_not_empty"
  | "own_withdrawal"
  | "already_approved"
  | "transfer_not_pending"
  | "transfer_not_settled"
  | "too_many_pending_transfers"
  | "not_found"
  | "method_not_allowed"
  | "access_denied"
  | "account_exists"
  | "identity_taken"
  | "last_sign_in"
  | "email_taken"
  | "last_admin"
  | "too_many_api_keys"
  | "username_taken"
  | "order_not_open"
  | "replace_pending"
  | "batch_not_one_market"
  | "idempotency_in_flight"
  | "idempotency_key_reused"
  | "idempotency_answer_not_kept"
  | "already_listed"
  | "break_closed"
  | "market_not_empty"
  | "precondition_required"
  | "too_many_tasks"
  | "payload_too_large"
  | "unsupported_media_type"
  | "malformed_json"
  | "storage_full"
  | "order_archived"
  | "period_archived"
  | "internal";

/** What is missing, as decimals; `transferId` names the transfer that cannot be reversed for want of it. */
interface Shortage {
  asset: string;
  needed: string;
  available: string;
  transferId?: string;
}

/**
 * Everything the product may refuse with. `code` is API: it never changes its meaning.
 * `detail` says in one sentence what was wrong; `orderId` is there when the market refused an order that exists. A day's
 * limit and what is used of it are USD as decimals, `resetsAt` in ms. `version` is the one that is in force.
 */
export type Refusal =
  | (Shortage & { code: "insufficient_funds"; detail?: string; orderId?: string })
  | { code: "daily_transfer_limit"; transfer: string; limit: string; used: string; resetsAt: number; detail?: string }
  | { code: PlainOrderCode; broken?: BrokenRule; detail?: string; orderId?: string }
  | { code: PlainCode; detail?: string }
  | { code: "precondition_failed"; version: number; detail?: string }
  | { code: "unavailable"; retryAfterSeconds?: number; detail?: string }
  | { code: "rate_limited"; retryAfterSeconds: number; policy?: PolicyName; detail?: string }
  | { code: "validation_failed"; errors: FieldError[]; detail?: string };

/** Every code that the product may refuse with. */
export type RefusalCode = Refusal["code"];

/** What a verb answers: the value, or why not. */
export type Result<T> = { ok: true; value: T } | { ok: false; refusal: Refusal };

/**
 * An answer to an act that happens once. `replay` is null the first time; after that it says which key brought the same
 * answer again, and for an idempotency key the request id of the first answer, since that one is byte for byte. `repeated`:
 * that first answer was itself one by client_order_id.
 */
export interface Answered<T> {
  /** What counting this act has left to its account, if it was counted. */
  standing?: Standing;
  result: Result<T>;
  replay: null | { by: "idempotency_key"; requestId: string; repeated?: true } | { by: "client_order_id" };
}

/** Wraps a value as a success. */
export function ok<T>(value: T): { ok: true; value: T } {
  return { ok: true, value };
}

/** Wraps a refusal as a failure. */
export function refuse(refusal: Refusal): { ok: false; refusal: Refusal } {
  return { ok: false, refusal };
}

/** A broken invariant: the object that meets it stops, see protocol rule 5. Never used for a refusal. */
export class InvariantError extends Error {
  override name = "InvariantError";
}

/** What another object tells cannot be true together with what is known here: a person must look, the object goes on. */
export class ConflictError extends Error {
  override name = "ConflictError";
}

/** Does `work` with what another object tells; an invariant that breaks on it is a {@link ConflictError}. */
export function orConflict<T>(work: () => T): T {
  return onBreak(work, (broken) => {
    throw new ConflictError(`conflict: ${broken.message}`);
  });
}

/** Does `work`; when that breaks an invariant, answers `broken` instead. What else it throws is another bug, and goes on. */
export function onBreak<T>(work: () => T, broken: (error: InvariantError) => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof InvariantError) return broken(error);
    throw error;
  }
}

/** Throws {@link InvariantError} when `condition` is false; assertions stay on in production. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
