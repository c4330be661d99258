// The verbs of money in and out: each is one call to the account object.
import type { Transfer } from "../../core/account/state.ts";
import { parseDecimal } from "../../core/decimal.ts";
import { formatUnits } from "../../core/ledger.ts";
import { findAsset } from "../../core/listings.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import type { Answered, Idempotency, Page, PageRequest, TransferLimits } from "../../objects/protocol.ts";
import { type AccountAccess, askAccount, askAccountOnce } from "../../objects/stubs.ts";

/** Moves money in or out. Refuses an unlisted asset, more digits than it has, and what the account refuses. */
export async function makeTransfer(
  ctx: AccountAccess,
  kind: Transfer["kind"],
  input: { asset: string; amount: string },
  idempotency: Idempotency | null,
): Promise<Answered<Transfer>> {
  const amount = amountOf(input);
  if (!amount.ok) return { result: amount, replay: null };
  const wish = { kind, asset: input.asset, amount: amount.value };
  return askAccountOnce(ctx, async (account, caller) => account.transfer(caller, wish, idempotency));
}

/** An amount of an asset in units. Refuses an unlisted asset, and more digits than it has. */
export function amountOf(input: { asset: string; amount: string }): Result<bigint> {
  const wrong = (pointer: string, code: string, detail: string) =>
    refuse({ code: "validation_failed", errors: [{ pointer, code, detail }] });
  const asset = findAsset(input.asset);
  if (asset === undefined) return wrong("/asset", "unknown_asset", "No asset has this symbol.");
  const units = parseDecimal(input.amount, asset.scale);
  // Beyond what can be booked, too: the account refuses it, and remembers that it did.
  if (units.ok || units.reason === "range") return ok(units.value);
  return wrong("/amount", "excess_precision", `${asset.symbol} has ${asset.scale} digits.`);
}

/** Deposits or withdrawals, newest first. */
export function listTransfers(
  ctx: AccountAccess,
  query: PageRequest & { kind: Transfer["kind"] },
): Promise<Result<Page<Transfer>>> {
  return askAccount(ctx, async (account, caller) => account.transfers(caller, query));
}

/** One deposit or withdrawal as it is now. Refuses `not_found`, also for another's. */
export function readTransfer(
  ctx: AccountAccess,
  which: { id: string; kind: Transfer["kind"] },
): Promise<Result<Transfer>> {
  return askAccount(ctx, async (account, caller) => account.transferOf(caller, which));
}

/** Takes a withdrawal back. Refuses `not_found`, and `transfer_not_pending` for one that nobody has to decide of any more. */
export function cancelWithdrawal(ctx: AccountAccess, id: string): Promise<Result<Transfer>> {
  return askAccount(ctx, async (account, caller) => account.cancelWithdrawal(caller, { id }));
}

/** What a day allows, and what of today's is used. */
export function readLimits(ctx: AccountAccess): Promise<Result<TransferLimits>> {
  return askAccount(ctx, async (account, caller) => account.transferLimits(caller, null));
}

/** The limits as they are answered. */
export function wireLimits({ perDay, used, reviewOver, resetsAt }: TransferLimits) {
  const usd = (units: bigint | null) => (units === null ? null : formatUnits(units, "USD"));
  const dayOf = (kind: Transfer["kind"]) => {
    const limit = perDay[kind];
    const left = limit === null ? null : limit > used[kind] ? limit - used[kind] : 0n;
    return { limit: usd(limit), used: formatUnits(used[kind], "USD"), remaining: usd(left) };
  };
  return {
    deposits: dayOf("deposit"),
    withdrawals: dayOf("withdrawal"),
    review_over: usd(reviewOver),
    resets_at: wireTime(resetsAt),
  };
}
