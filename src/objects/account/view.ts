// An account as its owner sees it now.
import { type AccountState, balanceOf } from "../../core/account/state.ts";
import { isCustomerMoney, keyParts } from "../../core/ledger.ts";
import type { AccountView } from "../protocol.ts";

/** The account with the balances of every asset that it has ever had, by symbol. `asOf` in ms. */
export function viewOf(state: Readonly<AccountState>, asOf: number): AccountView {
  // What an entry brings in for its exits has never been available.
  const money = [...state.balances.keys()].map(keyParts).filter(({ account }) => isCustomerMoney(account));
  const assets = new Set(money.map(({ asset }) => asset));
  const balances = [...assets].sort().map((asset) => ({
    asset,
    available: balanceOf(state, "available", asset),
    held: balanceOf(state, "held", asset),
  }));
  const { id, status, seq, ledgerSeq, ledgerHead, selfTradePrevention, base } = state;
  return {
    ...{ id, status, balances, seq, asOf, selfTradePrevention },
    ledger: { seq: ledgerSeq, hash: ledgerHead },
    pending: state.transfers.size,
    archivedBefore: base.seq === 0 ? null : base.at + 1,
  };
}
