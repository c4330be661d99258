// What two states of an account are compared by.
import { canonical } from "../codec.ts";
import type { Sha256 } from "../ledger.ts";
import type { AccountState } from "./state.ts";

/** SHA-256 over everything that a replay of the journal must give again. */
export function accountStateHash(state: AccountState, sha256: Sha256): string {
  const sorted = <T>(map: Map<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  // A peer that was only looked up has no event, so a replay does not know it.
  const peers = sorted(state.peers).flatMap(([symbol, { cseq, rseq }]) =>
    cseq + rseq > 0 ? [[symbol, cseq, rseq]] : [],
  );
  const { id, status, epoch, restoring, seq, at, ledgerHead, tokensValidFrom } = state;
  const maps = [state.balances, state.orders, state.positions, state.rules, state.revokedSessions].map((map) =>
    sorted<unknown>(map),
  );
  const credits = sorted(state.credits).filter(([, units]) => units !== 0n);
  // Left out where there is nothing of them: journals of before give the hash that they gave then.
  const { selfTradePrevention } = state;
  const more = {
    ...(state.groups.size === 0 ? {} : { groups: sorted(state.groups) }),
    ...(state.transfers.size === 0 ? {} : { transfers: sorted(state.transfers) }),
    ...(state.movedToday.day === 0 ? {} : { movedToday: state.movedToday }),
    ...(state.volumes.size === 0 ? {} : { volumes: sorted(state.volumes) }),
    ...(selfTradePrevention === "cancel_newest" ? {} : { selfTradePrevention }),
  };
  return sha256(
    canonical({ id, status, epoch, restoring, seq, at, ledgerHead, tokensValidFrom, peers, maps, credits, ...more }),
  );
}
