// The objects as those who look after the read model see them: who keeps a journal, and how many are asked at once.
import { isTypeId } from "../../core/ids.ts";
import { SWEEP_LANES_MAX } from "../../core/limits.ts";
import { findMarket, MARKETS } from "../../core/listings.ts";
import type { Journalled, ObjectBindings } from "../../objects/stubs.ts";

/** Every market as the keeper of a journal. */
export function journalledMarkets(env: ObjectBindings): Journalled[] {
  return MARKETS.map(({ symbol }) => ({ object: "market", name: `${env.VENUE}/${symbol}` }));
}

/** Whether it is the name of an account or of a listed market: to ask another would make an object. */
export function keepsJournal(env: ObjectBindings, { object, name }: Journalled): boolean {
  if (object === "account") return isTypeId("acc", name);
  return name.startsWith(`${env.VENUE}/`) && findMarket(name.slice(env.VENUE.length + 1)) !== undefined;
}

/** Does `work` for each item, {@link SWEEP_LANES_MAX} at a time. */
export async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const lane = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: SWEEP_LANES_MAX }, lane));
}
