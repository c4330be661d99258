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
 * What is to stand for `events`, a journal's first; what is kept for ever already stays among them and is not told again. Null where there
 * are too few to be worth it. Throws InvariantError where that would lead to another state than they have.
 */
export function accountRemains(id: string, events: readonly AccountEvent[], sha256: Sha256): AccountRemains | null {
  const [state, gathered] = [emptyAccount(id, 1), new Gathered(sha256)];
  for (const event of events) {
    applyAccountEvent(state, event);
    gathered.take(event);
  }
  const kept = events.filter(({ kind }) => kind === "kept");
  const numbers = { after: kept.at(-1)?.seq ?? 0, through: state.seq, at: state.at };
  const parts = standIns<KeptItem, BaseItem>(numbers, gathered.kept(), gathered.base(state));
  if (parts === null) return null;
  const made = parts.map((part) => decode<AccountEvent>(encode({ ...part, balances: [] })));
  const again = emptyAccount(id, 1);
  for (const event of [...kept, ...made]) applyAccountEvent(again, event);
  invariant(
    accountStateHash(again, sha256) === accountStateHash(state, sha256),
    `a base at ${state.seq} leads elsewhere`,
  );
  return { events: made, gathered, state };
}
