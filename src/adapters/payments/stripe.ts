// Stripe's API: PaymentIntents bring deposits in (https://docs.stripe.com/api/payment_intents), payouts bring withdrawals out
// (https://docs.stripe.com/api/payouts). Forms in, JSON out. An Idempotency-Key makes each once, for a day at least: Stripe then
// answers what it answered first, a 500 too (https://docs.stripe.com/api/idempotent_requests).
import type { ProviderFact } from "../../core/account/reviews.ts";
import {
  OUTSIDE_ANSWER_BYTES_MAX,
  OUTSIDE_LANES_MAX,
  PAYMENT_CALL_MS,
  PAYMENT_TRIES_MAX,
  PAYMENT_TRY_MS,
} from "../../core/limits.ts";
import type { MovedOutside, PaymentOutcome } from "../../core/payments.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { askAgainAfter, outsideFetch } from "../outside.ts";
import type { Collection, PaymentEvent, PaymentProvider } from "./provider.ts";
import { isSigned } from "./signature.ts";

/** Where Stripe is, who we are there, and the secret of the endpoint that it sends its messages to. */
export interface StripeAccount {
  apiUrl: string;
  secretKey: string;
  webhookSecret: string;
}

const call = outsideFetch("stripe", {
  callMs: PAYMENT_CALL_MS,
  tryMs: PAYMENT_TRY_MS,
  tries: PAYMENT_TRIES_MAX,
  lanes: OUTSIDE_LANES_MAX,
  answerBytes: OUTSIDE_ANSWER_BYTES_MAX,
});
/** A cent in units of USD: Stripe counts cents. */
const CENT = 10_000n;
/** Kept of what Stripe says: it goes into a journal. */
const SAID_CHARS_MAX = 100;
/** What no repeat will mend. Keys, quotas and concurrent requests (401, 409, 429) are mended by people and by time. */
const WRONG: ReadonlySet<number> = new Set([400, 402, 403, 404]);

type Fields = Record<string, unknown>;

/** Moves USD through an account at Stripe, or at whatever speaks its API at another address. */
export function stripe(account: StripeAccount): PaymentProvider {
  return {
    amounts: { least: 50n * CENT, most: 99_999_999n * CENT, step: CENT },
    collect: async (transfer) => {
      const form = { ...formOf(transfer), "automatic_payment_methods[enabled]": "true" };
      return collectionOf(await ask(account, "/v1/payment_intents", { id: transfer.id, form }));
    },
    collection: async (ref) => collectionOf(await ask(account, `/v1/payment_intents/${encodeURIComponent(ref)}`, null)),
    payOut: async (transfer) => {
      const form = { ...formOf(transfer), method: "standard" };
      const answered = await ask(account, "/v1/payouts", { id: transfer.id, form });
      return mapped(answered, (said) => (isText(said["id"]) ? { ref: said["id"] } : null));
    },
    look: async ({ kind }, ref) => {
      const path = kind === "deposit" ? "/v1/payment_intents" : "/v1/payouts";
      return mapped(await ask(account, `${path}/${encodeURIComponent(ref)}`, null), factOf);
    },
    read: (body, signature, nowMs) => readEvent(account, body, signature, nowMs),
  };
}

function formOf({ id, amount, account }: MovedOutside): Record<string, string> {
  const named = { "metadata[transfer]": id, "metadata[account]": account };
  return { amount: String(amount / CENT), currency: "usd", ...named };
}

/** One request; `made` is what is to be made, once for each id, null only looks. */
async function ask(
  { apiUrl, secretKey }: StripeAccount,
  path: string,
  made: { id: string; form: Record<string, string> } | null,
): Promise<PaymentOutcome<Fields>> {
  const headers = { Authorization: `Bearer ${secretKey}`, "User-Agent": "tradepost" };
  const posted = {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": made?.id ?? "" },
    body: new URLSearchParams(made?.form).toString(),
  };
  try {
    const answer = await call(apiUrl + path, made === null ? { headers } : posted);
    return outcomeOf(answer.status, fieldsOf(await answer.text()));
  } catch (error) {
    const afterSeconds = askAgainAfter(error);
    const reason = String(error).slice(0, SAID_CHARS_MAX);
    return { kind: "later", reason, ...(afterSeconds === null ? {} : { afterSeconds }) };
  }
}

function outcomeOf(status: number, said: Fields): PaymentOutcome<Fields> {
  if (status === 200) return { kind: "done", value: said };
  const error = asFields(said["error"]);
  const reason = [error["decline_code"], error["code"], error["type"]].find(isText) ?? `status_${status}`;
  return { kind: WRONG.has(status) ? "refused" : "later", reason: reason.slice(0, SAID_CHARS_MAX) };
}

/** What is read of an answer that was done; null: it cannot be, since something else has answered, a captive portal perhaps. */
function mapped<T>(answered: PaymentOutcome<Fields>, read: (said: Fields) => T | null): PaymentOutcome<T> {
  if (answered.kind !== "done") return answered;
  const value = read(answered.value);
  return value === null ? { kind: "later", reason: "an answer that is not Stripe's" } : { kind: "done", value };
}

function collectionOf(answered: PaymentOutcome<Fields>): PaymentOutcome<Collection> {
  return mapped(answered, ({ id: ref, client_secret: clientSecret }) => {
    return isText(ref) && isText(clientSecret) ? { ref, clientSecret } : null;
  });
}

/** What a PaymentIntent or a payout says of its transfer as it is now; null for what is neither. */
function factOf(said: Fields): ProviderFact | null {
  const { object, id: ref, status, amount } = said;
  if (!isText(ref) || !isText(status)) return null;
  const settled = (cents: unknown): ProviderFact | null =>
    Number.isSafeInteger(cents) ? { outcome: "settled", ref, amount: BigInt(Number(cents)) * CENT } : null;
  if (object === "payment_intent") {
    if (status === "succeeded") return settled(said["amount_received"]);
    if (status === "canceled") return { outcome: "failed", ref, failure: reasonOf(said["cancellation_reason"]) };
    return { outcome: "known", ref };
  }
  if (object !== "payout") return null;
  if (status === "paid") return settled(amount);
  if (status === "failed" || status === "canceled")
    return { outcome: "failed", ref, failure: reasonOf(said["failure_code"] ?? status) };
  return { outcome: "known", ref };
}

function reasonOf(said: unknown): string {
  return isText(said) ? said.slice(0, SAID_CHARS_MAX) : "canceled";
}

/** Messages that end a transfer. A payment that has failed once may be tried again: only a canceled one never comes. */
const TOLD: ReadonlySet<string> = new Set([
  "payment_intent.succeeded",
  "payment_intent.canceled",
  "payout.paid",
  "payout.failed",
  "payout.canceled",
]);

async function readEvent(
  { webhookSecret }: StripeAccount,
  body: Uint8Array,
  signature: string | undefined,
  nowMs: number,
): Promise<Result<PaymentEvent | null>> {
  if (!(await isSigned(body, signature, webhookSecret, nowMs))) {
    return refuse({ code: "unauthenticated", detail: "This bears no good signature, or an old one." });
  }
  const event = fieldsOf(new TextDecoder().decode(body));
  const { id, type } = event;
  if (!isText(id) || !isText(type)) return refuse({ code: "malformed_json", detail: "This is no event." });
  const said = asFields(asFields(event["data"])["object"]);
  const { account, transfer } = asFields(said["metadata"]);
  if (!TOLD.has(type) || !isText(account) || !isText(transfer)) return ok(null);
  const fact = factOf(said);
  return ok(fact === null || fact.outcome === "known" ? null : { id, account, transfer, fact });
}

function fieldsOf(text: string): Fields {
  try {
    return asFields(JSON.parse(text));
  } catch {
    return {};
  }
}

function asFields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
