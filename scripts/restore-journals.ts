// A backup's journals, put together and replayed: what each object was, from its events alone.
import { createHash } from "node:crypto";
import { applyAccountEvent, emptyAccount } from "../src/core/account/state.ts";
import { accountStateHash } from "../src/core/account/state-hash.ts";
import type { BackupPart, Fingerprint, TablePart } from "../src/core/backups.ts";
import { decode } from "../src/core/codec.ts";
import { findMarket } from "../src/core/listings.ts";
import { applyMarketEvent, emptyMarket, marketStateHash } from "../src/core/market/state.ts";

/** An object as it is in a backup. */
export interface Journal {
  object: "account" | "market";
  name: string;
  of: Fingerprint;
  events: string[];
}

/** What a replay gives: the hash of the state, its number, and what it has of each asset by ledger account. */
export interface Replayed {
  hash: string;
  seq: number;
  balances: ReadonlyMap<string, bigint>;
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** Everything that a backup has, from its parts in their order. Throws for an object whose last part is not there. */
export function assembled(parts: readonly BackupPart[]): { journals: Journal[]; tables: TablePart[] } {
  const journals = new Map<string, Journal & { whole: boolean }>();
  for (const { object, name, of, whole, events } of parts.flatMap((part) => part.journals)) {
    const known = journals.get(name) ?? { object, name, of, whole, events: [] };
    known.events.push(...events);
    known.whole = whole;
    journals.set(name, known);
  }
  for (const { name, whole } of journals.values()) if (!whole) throw new Error(`the journal of ${name} is cut off`);
  return { journals: [...journals.values()], tables: parts.flatMap(({ tables }) => tables) };
}

/** Replays events from the beginning. Throws when they are none of such an object. */
export function replay({ object, name }: Pick<Journal, "object" | "name">, events: readonly string[]): Replayed {
  if (object === "account") {
    const state = emptyAccount(name, 1);
    for (const body of events) applyAccountEvent(state, decode(body));
    return { hash: accountStateHash(state, sha256), seq: state.seq, balances: state.balances };
  }
  const rules = findMarket(name.slice(name.indexOf("/") + 1));
  if (rules === undefined) throw new Error(`no market is listed as ${name}`);
  const state = emptyMarket(rules, 1);
  for (const body of events) applyMarketEvent(state, decode(body));
  return { hash: marketStateHash(state, sha256), seq: state.seq, balances: state.balances };
}

/** Which balances differ, one sentence each. */
export function balanceDifferences(name: string, before: Replayed["balances"], after: Replayed["balances"]): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [was, is] = [before.get(key) ?? 0n, after.get(key) ?? 0n];
    return was === is ? [] : [`${name}: ${key} was ${was} and is ${is}`];
  });
}
