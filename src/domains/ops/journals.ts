// The objects as those who look after the read model see them: who keeps a journal.
import { isTypeId } from "../../core/ids.ts";
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
