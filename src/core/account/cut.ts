// What stands for an account's events once they are cut, made of the events alone.
import { standIns } from "../base.ts";
import { decode, encode } from "../codec.ts";
import type { Sha256 } from "../ledger.ts";
import { invariant } from "../result.ts";
import { type BaseItem, Gathered, type KeptItem } from "./base.ts";
import { type AccountEvent, type AccountState, applyAccountEvent, emptyAccount } from "./state.ts";
import { accountStateHash } from "./state-hash.ts";

/** The events that stand for others, what was gathered of these, and the state that they led to. */
export interface AccountRemains {
  events: AccountEvent[];
  gathered: Gathered;
  state: AccountState;
}

/**
 * A journal's first events, but for those that say what is kept for ever: they end at the number `after`, and are no part of what is
 * replayed, since an account may have millions of keys. `placedSeqOf`: which event had asked for a transfer that is kept.
 */
export interface CutEvents {
  after: number;
  events: readonly AccountEvent[];
  placedSeqOf: (transferId: string) => number | undefined;
}

/** An account in which nothing has happened but what is kept for ever, up to the number `after`. */
export function accountAfter(id: string, after: number): AccountState {
  return { ...emptyAccount(id, 1), seq: after };
}

/**
 * What is to stand for a journal's first events. Null where there are too few to be worth it. Throws InvariantError where that would lead
 * to another state than they have.
 */
export function accountRemains(
  id: string,
  { after, events, placedSeqOf }: CutEvents,
  sha256: Sha256,
): AccountRemains | null {
  const [state, gathered] = [accountAfter(id, after), new Gathered(sha256, placedSeqOf)];
  for (const event of events) {
    applyAccountEvent(state, event);
    gathered.take(event);
  }
  const numbers = { after, through: state.seq, at: state.at };
  const parts = standIns<KeptItem, BaseItem>(numbers, gathered.kept(), gathered.base(state));
  if (parts === null) return null;
  const made = parts.map((part) => decode<AccountEvent>(encode({ ...part, balances: [] })));
  const again = accountAfter(id, after);
  for (const event of made) applyAccountEvent(again, event);
  invariant(
    accountStateHash(again, sha256) === accountStateHash(state, sha256),
    `a base at ${state.seq} leads elsewhere`,
  );
  return { events: made, gathered, state };
}
