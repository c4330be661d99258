// Deposits that a payment provider collects: begun there in the name of the transfer, and settled by what it says later.
import { paymentsOf } from "../../adapters/payments/choice.ts";
import type { PaymentProvider } from "../../adapters/payments/provider.ts";
import type { ProviderFact } from "../../core/account/reviews.ts";
import type { Transfer } from "../../core/account/state.ts";
import { isTypeId } from "../../core/ids.ts";
import { formatUnits } from "../../core/ledger.ts";
import { findAsset } from "../../core/listings.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { wireTransfer } from "../../core/wire.ts";
import type { Config } from "../../http/context.ts";
import { log } from "../../log.ts";
import type { Answered, Idempotency } from "../../objects/protocol.ts";
import { type AccountAccess, accountStub, callObject, type ObjectBindings } from "../../objects/stubs.ts";
import { amountOf, makeTransfer, readTransfer } from "./transfers.ts";

/** What a provider's customer pays a deposit with. */
export type Payable = Transfer & { clientSecret?: string };

/**
 * Deposits. Where a provider moves the asset the answer has what its owner pays it with there, which is fetched again for
 * each replay and kept nowhere. Refuses as {@link makeTransfer}, `validation_failed` for an amount that the provider does not
 * move, and `unavailable` while it cannot be reached: the same key asks again.
 */
export async function makeDeposit(
  ctx: AccountAccess,
  config: Config["payments"],
  input: { asset: string; amount: string },
  idempotency: Idempotency | null,
): Promise<Answered<Payable>> {
  const provider = findAsset(input.asset)?.class === "fiat" ? paymentsOf(config) : null;
  const odd = provider === null ? null : amountRefusal(provider, input);
  if (odd !== null) return { result: refuse(odd), replay: null };
  const made = await makeTransfer(ctx, "deposit", input, idempotency);
  if (!made.result.ok || provider === null || made.result.value.provider === undefined) return made;
  const first = made.result.value;
  const now = made.replay === null ? made.result : await readAgain(ctx, first.id);
  if (!now.ok) return { ...made, result: now };
  const result = await payable(ctx, provider, first, now.value);
  // Nobody would ever come back to it: without its secret it cannot be paid.
  if (!result.ok && idempotency === null) await tell(ctx, first.id, failedFor("not_begun"));
  return { ...made, result };
}

function amountRefusal({ amounts }: PaymentProvider, input: { asset: string; amount: string }): Refusal | null {
  const read = amountOf(input);
  if (!read.ok) return null;
  const { least, most, step } = amounts;
  const wrong = (code: string, detail: string): Refusal => {
    return { code: "validation_failed", errors: [{ pointer: "/amount", code, detail }] };
  };
  const shown = (units: bigint) => `${formatUnits(units, input.asset)} ${input.asset}`;
  if (read.value % step !== 0n) return wrong("excess_precision", `Paid in steps of ${shown(step)}.`);
  if (read.value < least) return wrong("too_small", `At least ${shown(least)} can be paid.`);
  return read.value > most ? wrong("too_big", `At most ${shown(most)} can be paid at a time.`) : null;
}

/** A deposit with what it is paid with, `now` being as it is now. One that the provider has refused outright is answered so. */
async function payable(
  ctx: AccountAccess,
  provider: PaymentProvider,
  first: Transfer,
  { status, providerRef, ...now }: Transfer,
): Promise<Result<Payable>> {
  if (status === "failed" && providerRef === undefined) return ok({ status, ...now });
  const asked = { ...first, account: ctx.caller.accountId };
  const begun = await (providerRef === undefined ? provider.collect(asked) : provider.collection(providerRef));
  if (begun.kind === "refused" && providerRef === undefined) return tell(ctx, first.id, failedFor(begun.reason));
  if (begun.kind !== "done") return refuse(awayFor("afterSeconds" in begun ? begun.afterSeconds : undefined));
  const { ref, clientSecret } = begun.value;
  const told = providerRef === undefined ? await tell(ctx, first.id, { outcome: "known", ref }) : ok(first);
  return told.ok ? ok({ ...first, clientSecret }) : told;
}

function awayFor(retryAfterSeconds: number | undefined): Refusal {
  const away = { code: "unavailable", detail: "The payment provider does not answer." } as const;
  return retryAfterSeconds === undefined ? away : { ...away, retryAfterSeconds };
}

function failedFor(failure: string): ProviderFact {
  return { outcome: "failed", ref: null, failure };
}

function tell({ env, caller }: AccountAccess, id: string, fact: ProviderFact): Promise<Result<Transfer>> {
  return callObject(() => accountStub(env, caller.accountId).decideTransfer(id, fact));
}

/** In a further call of one request nothing is counted again, and what it was signed with is used up. */
function readAgain(ctx: AccountAccess, id: string): Promise<Result<Transfer>> {
  const { spend: _, ...caller } = ctx.caller;
  const further = caller.key === undefined ? caller : { ...caller, key: { ...caller.key, proof: "ticket" as const } };
  return readTransfer({ ...ctx, caller: further }, { id, kind: "deposit" });
}

/** A deposit as it is answered to who asks for it. */
export function wirePayable({ clientSecret, ...transfer }: Payable) {
  return { ...wireTransfer(transfer), ...(clientSecret === undefined ? {} : { client_secret: clientSecret }) };
}

/**
 * Takes a provider's signed message to the account that it is about; one that changes nothing is taken too, as is one about
 * nothing of ours. Refuses `not_found` where no provider is configured, `unauthenticated`, `malformed_json`, what the account
 * does not believe, and `unavailable`: the provider then sends it again.
 */
export async function hearProvider(
  env: ObjectBindings,
  config: Config["payments"],
  body: Uint8Array,
  signature: string | undefined,
): Promise<Result<null>> {
  const provider = paymentsOf(config);
  if (provider === null) return refuse({ code: "not_found" });
  const read = await provider.read(body, signature, Date.now());
  if (!read.ok) return read;
  if (read.value === null) return ok(null);
  const { id, account, transfer, fact } = read.value;
  if (!isTypeId("acc", account)) return ok(null);
  const heard = await callObject(() => accountStub(env, account).decideTransfer(transfer, fact));
  if (heard.ok) return ok(null);
  log("error", "payment_event_refused", { event: id, account, transfer, code: heard.refusal.code });
  return heard;
}
