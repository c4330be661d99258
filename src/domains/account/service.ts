// The verbs of an account's money: each is one call to the account object.
import type { Balance, Transfer } from "../../core/account/state.ts";
import { parseDecimal } from "../../core/decimal.ts";
import { formatUnits, type LedgerEntry } from "../../core/ledger.ts";
import { DEPOSIT_USD_UNITS_MAX } from "../../core/limits.ts";
import { findAsset, findMarket } from "../../core/listings.ts";
import { notionalOf } from "../../core/order.ts";
import { referencePrice } from "../../core/prices.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { wireBalance, wireTime } from "../../core/wire.ts";
import type {
  AccountView,
  Answered,
  Caller,
  Idempotency,
  LedgerQuery,
  Page,
  PageRequest,
  StreamCaller,
} from "../../objects/protocol.ts";
import { accountStub, callObject, type ObjectBindings } from "../../objects/stubs.ts";
import { sealTicket } from "./stream.ts";

/** Who asks, and where the objects are. */
export interface AccountContext {
  env: ObjectBindings;
  caller: Caller;
}

/** What prices are simulated from, and when. */
export interface Prices {
  priceSeed: number;
  nowMs: number;
}

/** The account with its balances. */
export function readAccount(ctx: AccountContext): Promise<Result<AccountView>> {
  return callObject(() => accountStub(ctx.env, ctx.caller.accountId).account(ctx.caller));
}

/** What a balance is worth in USD units at the reference price; an asset without a USD market is worth nothing here. */
export function worthOf(asset: string, units: bigint, prices: Prices): bigint {
  if (asset === "USD") return units;
  const rules = findMarket(`${asset}-USD`);
  if (rules === undefined) return 0n;
  return notionalOf(referencePrice(rules, prices.priceSeed, prices.nowMs), units, rules.baseScale);
}

/** An account as the contract shows it: equity is everything at reference prices, buying power the USD not held. */
export function wireAccount(view: AccountView, prices: Prices) {
  const equity = view.balances.reduce((sum, b) => sum + worthOf(b.asset, b.available + b.held, prices), 0n);
  const cash = view.balances.find((balance: Balance) => balance.asset === "USD")?.available ?? 0n;
  return {
    id: view.id,
    status: view.status,
    balances: view.balances.map(wireBalance),
    equity: formatUnits(equity, "USD"),
    buying_power: formatUnits(cash, "USD"),
    seq: view.seq,
    as_of: wireTime(view.asOf),
  };
}

/**
 * Moves paper money in or out. Refuses an unlisted asset, more digits than it has, more than 10,000,000 USD's worth
 * (amount_out_of_range), and what the account refuses.
 */
export async function makeTransfer(
  ctx: AccountContext & { prices: Prices },
  kind: Transfer["kind"],
  input: { asset: string; amount: string },
  idempotency: Idempotency | null,
): Promise<Answered<Transfer>> {
  const amount = amountOf(input);
  if (!amount.ok) return { result: amount, replay: null };
  if (worthOf(input.asset, amount.value, ctx.prices) > DEPOSIT_USD_UNITS_MAX) {
    return {
      result: refuse({ code: "amount_out_of_range", detail: "At most 10,000,000 USD at a time." }),
      replay: null,
    };
  }
  const wish = { kind, asset: input.asset, amount: amount.value };
  const stub = accountStub(ctx.env, ctx.caller.accountId);
  const called = await callObject(async () => ok(await stub.transfer(ctx.caller, wish, idempotency)));
  return called.ok ? called.value : { result: called, replay: null };
}

/** A withdrawal needs a verified e-mail address: refuses `email_not_verified` before anything of it is looked at. */
export async function withdraw(
  ctx: AccountContext & { prices: Prices; emailVerified: boolean },
  input: { asset: string; amount: string },
  idempotency: Idempotency | null,
): Promise<Answered<Transfer>> {
  if (!ctx.emailVerified) return { result: refuse({ code: "email_not_verified" }), replay: null };
  return makeTransfer(ctx, "withdrawal", input, idempotency);
}

function amountOf(input: { asset: string; amount: string }): Result<bigint> {
  const wrong = (pointer: string, code: string, detail: string) =>
    refuse({ code: "validation_failed", errors: [{ pointer, code, detail }] });
  const asset = findAsset(input.asset);
  if (asset === undefined) return wrong("/asset", "unknown_asset", "No asset has this symbol.");
  const units = parseDecimal(input.amount, asset.scale);
  if (units.ok) return ok(units.value);
  if (units.reason === "range") return refuse({ code: "amount_out_of_range" });
  return wrong("/amount", "excess_precision", `${asset.symbol} has ${asset.scale} digits.`);
}

/** Deposits or withdrawals, newest first. */
export function listTransfers(
  ctx: AccountContext,
  query: PageRequest & { kind: Transfer["kind"] },
): Promise<Result<Page<Transfer>>> {
  return callObject(() => accountStub(ctx.env, ctx.caller.accountId).transfers(ctx.caller, query));
}

/** The ledger, oldest first. */
export function listLedger(ctx: AccountContext, query: LedgerQuery): Promise<Result<Page<LedgerEntry>>> {
  return callObject(() => accountStub(ctx.env, ctx.caller.accountId).ledger(ctx.caller, query));
}

/** A ticket that opens one stream for this session, sealed with `secret`. Refuses `rate_limited` while too many are unused. */
export async function issueTicket(
  ctx: AccountContext & { caller: StreamCaller },
  secret: string,
): Promise<Result<{ ticket: string; expiresAt: number }>> {
  const made = await callObject(() => accountStub(ctx.env, ctx.caller.accountId).streamTicket(ctx.caller));
  if (!made.ok) return made;
  return ok({ ...made.value, ticket: await sealTicket(made.value.ticket, secret) });
}
