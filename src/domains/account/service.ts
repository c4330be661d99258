// The verbs of an account's money: each is one call to the account object.
import type { AsOf, BalanceExplained } from "../../core/account/history.ts";
import type { Balance } from "../../core/account/state.ts";
import { formatUnits, type LedgerEntry } from "../../core/ledger.ts";
import { findAsset } from "../../core/listings.ts";
import type { SelfTradePrevention } from "../../core/order.ts";
import { usdWorth } from "../../core/prices.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { wireBalance, wireTime } from "../../core/wire.ts";
import type { AccountView, Caller, LedgerQuery, Page, PageRequest, StreamCaller } from "../../objects/protocol.ts";
import { type AccountAccess, askAccount } from "../../objects/stubs.ts";
import { sealTicket } from "./stream.ts";

/** What prices are simulated from, and when. */
export interface Prices {
  priceSeed: number;
  nowMs: number;
}

/** The account with its balances, now or as it was. Refuses `validation_failed` for a moment that has not come. */
export function readAccount(ctx: AccountAccess, asOf: AsOf | null): Promise<Result<AccountView>> {
  return askAccount<AccountView, Caller>(ctx, async (account, caller) =>
    asOf === null ? account.account(caller) : account.stateAt(caller, asOf),
  );
}

/** Chooses what orders have that do not say; the account as it is then. */
export function chooseSettings(
  ctx: AccountAccess,
  selfTradePrevention: SelfTradePrevention,
): Promise<Result<AccountView>> {
  return askAccount<AccountView, Caller>(ctx, async (account, caller) =>
    account.choose(caller, { selfTradePrevention }),
  );
}

/** An account as the contract shows it: equity is everything at reference prices, buying power the USD not held. */
export function wireAccount(view: AccountView, prices: Prices) {
  const { priceSeed, nowMs } = prices;
  const worth = view.balances.map((one) => usdWorth(one.asset, one.available + one.held, priceSeed, nowMs));
  const equity = worth.reduce((sum, units) => sum + units, 0n);
  const cash = view.balances.find((balance: Balance) => balance.asset === "USD")?.available ?? 0n;
  return {
    id: view.id,
    status: view.status,
    balances: view.balances.map(wireBalance),
    equity: formatUnits(equity, "USD"),
    buying_power: formatUnits(cash, "USD"),
    ...(view.ledger === undefined ? {} : { ledger: view.ledger }),
    ...(view.selfTradePrevention === undefined ? {} : { self_trade_prevention: view.selfTradePrevention }),
    ...(view.archivedBefore === undefined
      ? {}
      : { archived_before: view.archivedBefore === null ? null : wireTime(view.archivedBefore) }),
    seq: view.seq,
    as_of: wireTime(view.asOf),
  };
}

/** The ledger, oldest first. */
export function listLedger(ctx: AccountAccess, query: LedgerQuery): Promise<Result<Page<LedgerEntry>>> {
  return askAccount(ctx, async (account, caller) => account.ledger(caller, query));
}

/** A balance with a page of the entries that make it, oldest first. Refuses `not_found`. */
export async function explainBalance(
  ctx: AccountAccess,
  query: PageRequest & { asset: string },
): Promise<Result<BalanceExplained>> {
  if (findAsset(query.asset) === undefined) return refuse({ code: "not_found" });
  return askAccount(ctx, async (account, caller) => account.explainBalance(caller, query));
}

/** A ticket that opens one stream for this session, sealed with `secret`. Refuses `rate_limited` while too many are unused. */
export async function issueTicket(
  ctx: AccountAccess<StreamCaller>,
  secret: string,
): Promise<Result<{ ticket: string; expiresAt: number }>> {
  const made = await askAccount(ctx, async (account, caller) => account.streamTicket(caller));
  if (!made.ok) return made;
  return ok({ ...made.value, ticket: await sealTicket(made.value.ticket, secret) });
}
