// What stands for a market's events once they are cut, made of the events alone.
import { standIns } from "../base.ts";
import { decode, encode } from "../codec.ts";
import type { Sha256 } from "../ledger.ts";
import type { MarketRules } from "../listings.ts";
import { invariant } from "../result.ts";
import { marketBase } from "./base.ts";
import { applyMarketEvent, emptyMarket, type MarketEvent, type MarketState, marketStateHash } from "./state.ts";

/**
 * What is to stand for `events`, a journal's first; `epochOf`: an account's, as far as it is known. Null where there are too few to be
 * worth it. Throws InvariantError where that would lead to another state than they have.
 */
export function marketRemains(
  listed: MarketRules,
  events: readonly MarketEvent[],
  epochOf: (account: string) => number,
  sha256: Sha256,
): MarketEvent[] | null {
  const state = replayed(listed, events);
  const parts = standIns({ after: 0, through: state.seq, at: state.at }, [], marketBase(state, epochOf));
  if (parts === null) return null;
  const bodies = parts.map((part) => encode(part));
  // Decoded for each: an order that both had would be changed by what one does with it.
  const read = () => bodies.map((body) => decode<MarketEvent>(body));
  const again = replayed(listed, read());
  invariant(
    marketStateHash(again, sha256) === marketStateHash(state, sha256),
    `a base at ${state.seq} leads elsewhere`,
  );
  return read();
}

function replayed(listed: MarketRules, events: readonly MarketEvent[]): MarketState {
  const state = emptyMarket(listed, 1);
  for (const event of events) applyMarketEvent(state, event);
  return state;
}
