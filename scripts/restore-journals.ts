// A backup's journals, put together and replayed: what each object was, from its events alone.
import { createHash } from "node:crypto";
import { applyAccountEvent, emptyAccount } from "../src/core/account/state.ts";
import { accountStateHash } from "../src/core/account/state-hash.ts";
import type { ArchivePart, BackupPart, Fingerprint, PartRef, TablePart } from "../src/core/backups.ts";
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

/** What a replay gives: the hash of the state, its number, what it has of each asset by ledger account, and where an account has dealt. */
export interface Replayed {
  hash: string;
  seq: number;
  markets: string[];
  balances: ReadonlyMap<string, bigint>;
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** Everything that a backup has, from its parts in their order. Throws for an object whose last part is not there. */
export function assembled(parts: readonly BackupPart[]): { journals: Journal[]; tables: TablePart[] } {
  const journals = new Map<string, Journal & { whole: boolean }>();
  for (const piece of parts.flatMap((part) => part.journals)) {
    const known = journals.get(piece.name);
    if (known === undefined || beginsAgain(known.events, piece.events)) {
      journals.set(piece.name, { ...piece, events: [...piece.events] });
      continue;
    }
    known.events.push(...piece.events);
    known.whole = piece.whole;
  }
  for (const { name, whole } of journals.values()) if (!whole) throw new Error(`the journal of ${name} is cut off`);
  return { journals: [...journals.values()], tables: parts.flatMap(({ tables }) => tables) };
}

/** An archived part, and where it was read. */
export interface ReadArchive {
  part: ArchivePart;
  ref: PartRef;
}

/**
 * The events of an object's archive in their order, each once, and what is wrong with it, one sentence each: a part that another names and
 * that is not what it was, and events that are missing. What was archived twice, since the cut after it had failed, is the same.
 */
export function archivedEvents(parts: readonly ReadArchive[]): { events: string[]; wrong: string[] } {
  const digests = new Map(parts.map(({ ref }) => [ref.key, ref.sha256]));
  const wrong = parts.flatMap(({ part: { last }, ref }) =>
    last === null || digests.get(last.key) === last.sha256
      ? []
      : [`${last.key} is not the part that ${ref.key} follows`],
  );
  const bySeq = new Map<number, { first: number; body: string }>();
  for (const body of parts.flatMap(({ part }) => part.events)) {
    const { seq, first } = numbersOf(body);
    bySeq.set(seq, { first, body });
  }
  const events = [...bySeq].sort(([a], [b]) => a - b);
  let after = 0;
  for (const [seq, { first }] of events) {
    if (first !== after + 1) wrong.push(`events ${after + 1} to ${first - 1} are missing`);
    after = seq;
  }
  return { events: events.map(([, { body }]) => body), wrong };
}

/** An object that did not answer in the middle was asked once more, from the beginning: what was stored of it before is not meant. */
function beginsAgain(before: readonly string[], events: readonly string[]): boolean {
  const [last, next] = [before.at(-1), events[0]];
  return last !== undefined && next !== undefined && numbersOf(next).first <= numbersOf(last).seq;
}

/** The numbers that an event takes in its object's stream. */
function numbersOf(body: string): { first: number; seq: number } {
  const { seq, first = seq } = decode<{ seq: number; first?: number }>(body);
  return { first, seq };
}

/**
 * By market, whoever has dealt there as their own copies say: a market that was copied before they came must not open before they have
 * told it, and with an empty D1 nobody else is left to name them.
 */
export function dealers(journals: readonly Journal[]): ReadonlyMap<string, string[]> {
  const found = new Map<string, string[]>();
  for (const one of journals.filter(({ object }) => object === "account"))
    for (const symbol of replay(one, one.events).markets) found.set(symbol, [...(found.get(symbol) ?? []), one.name]);
  return found;
}

/** A journal in parts whose JSON has at most `bytesMax` bytes, unless one event alone has more; `after` counts the events before. */
export function* snapshotParts(
  journal: readonly string[],
  bytesMax: number,
): Generator<{ after: number; journal: readonly string[] }> {
  let after = 0;
  let bytes = 0;
  for (const [at, body] of journal.entries()) {
    const size = Buffer.byteLength(JSON.stringify(body)) + 1;
    if (at > after && bytes + size > bytesMax) {
      yield { after, journal: journal.slice(after, at) };
      after = at;
      bytes = 0;
    }
    bytes += size;
  }
  yield { after, journal: journal.slice(after) };
}

/** Replays events from the beginning. Throws when they are none of such an object. */
export function replay({ object, name }: Pick<Journal, "object" | "name">, events: readonly string[]): Replayed {
  if (object === "account") {
    const state = emptyAccount(name, 1);
    for (const body of events) applyAccountEvent(state, decode(body));
    const dealt = [...state.peers].filter(([, { cseq, rseq }]) => cseq > 0 || rseq > 0);
    const markets = dealt.map(([symbol]) => symbol);
    return { hash: accountStateHash(state, sha256), seq: state.seq, markets, balances: state.balances };
  }
  const rules = findMarket(symbolOf(name));
  if (rules === undefined) throw new Error(`no market is listed as ${name}`);
  const state = emptyMarket(rules, 1);
  for (const body of events) applyMarketEvent(state, decode(body));
  return { hash: marketStateHash(state, sha256), seq: state.seq, markets: [], balances: state.balances };
}

/** Which balances differ, one sentence each. */
export function balanceDifferences(name: string, before: Replayed["balances"], after: Replayed["balances"]): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [was, is] = [before.get(key) ?? 0n, after.get(key) ?? 0n];
    return was === is ? [] : [`${name}: ${key} was ${was} and is ${is}`];
  });
}

/** The symbol of a market, which is called `<venue>/<symbol>`. */
export function symbolOf(name: string): string {
  return name.slice(name.indexOf("/") + 1);
}
