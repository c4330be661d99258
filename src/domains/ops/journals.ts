// The objects as those who look after the read model see them: whose journal it is, how far it is, and sending it again.
import { isTypeId } from "../../core/ids.ts";
import { SWEEP_CALL_TIMEOUT_MS, SWEEP_LANES_MAX } from "../../core/limits.ts";
import { findMarket } from "../../core/listings.ts";
import type { Source } from "../../db/heads.ts";
import { log } from "../../log.ts";
import type { JournalHead } from "../../objects/protocol.ts";
import { accountStub, marketStub, type ObjectBindings } from "../../objects/stubs.ts";

/** An object that keeps a journal. */
export interface Journalled {
  object: Source["object"];
  name: string;
  head: () => Promise<JournalHead>;
  replay: (fromSeq: number) => Promise<JournalHead>;
}

/** An account as the keeper of a journal. */
export function journalledAccount(env: ObjectBindings, id: string): Journalled {
  return {
    object: "account",
    name: id,
    head: async () => accountStub(env, id).head(),
    replay: async (fromSeq) => accountStub(env, id).replay(fromSeq),
  };
}

/** A market as the keeper of a journal; `symbol` must be listed. */
export function journalledMarket(env: ObjectBindings, symbol: string): Journalled {
  return {
    object: "market",
    name: `${env.VENUE}/${symbol}`,
    head: async () => marketStub(env, symbol).head(),
    replay: async (fromSeq) => marketStub(env, symbol).replay(fromSeq),
  };
}

/** The object that a projection's row names, or null for what cannot be one's name: asking would make an object. */
export function journalled(env: ObjectBindings, { object, name }: Pick<Source, "object" | "name">): Journalled | null {
  if (object === "account") return isTypeId("acc", name) ? journalledAccount(env, name) : null;
  if (!name.startsWith(`${env.VENUE}/`)) return null;
  const symbol = name.slice(env.VENUE.length + 1);
  return findMarket(symbol) === undefined ? null : journalledMarket(env, symbol);
}

/** An object's answer, or null, with a line in the log, when it has none in {@link SWEEP_CALL_TIMEOUT_MS}. */
export async function asked(
  { object, name }: Journalled,
  call: () => Promise<JournalHead>,
): Promise<JournalHead | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer in time")), SWEEP_CALL_TIMEOUT_MS);
  });
  try {
    return await Promise.race([call(), timeout]);
  } catch (error) {
    log("error", "journal_unreachable", { object, name, message: String(error) });
    return null;
  } finally {
    clearTimeout(timer);
  }
}

/** Does `work` for each item, {@link SWEEP_LANES_MAX} at a time. */
export async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const lane = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: SWEEP_LANES_MAX }, lane));
}
