// What goes into a part of objects: their journals, up to the event that each was at when its backup began.

import type { Fingerprint, JournalPart } from "../../core/backups.ts";
import { decode } from "../../core/codec.ts";
import { BACKUP_PAGE_BYTES, BACKUP_PART_CHARS } from "../../core/limits.ts";
import { askJournal, type Journalled, type ObjectBindings } from "../../objects/stubs.ts";

/** An object whose journal does not fit into one part: where the next one goes on. */
export interface OpenJournal extends Journalled {
  of: Fingerprint;
  nextSeq: number;
  /** Where its journal begins; undefined before the first of it has been copied. */
  base: number | undefined;
}

/** What came of one object: its events; `open` when there are more; null: it did not answer, or not as what it was. */
export interface Copied {
  part: JournalPart;
  open: OpenJournal | null;
  chars: number;
}

/** Begins with an object. An object that nothing has happened to has no events, and is whole. */
export async function beginJournal(env: ObjectBindings, { object, name }: Journalled): Promise<Copied | null> {
  const of = await askJournal(env, { object, name }, (one) => one.fingerprint());
  return of === null ? null : goOn(env, { object, name, of, nextSeq: 1, base: undefined });
}

/** Goes on where the part before has ended. */
export async function goOn(env: ObjectBindings, open: OpenJournal): Promise<Copied | null> {
  const { object, name, of } = open;
  const events: string[] = [];
  let { nextSeq, base } = open;
  let chars = 0;
  while (nextSeq <= of.seq && chars < BACKUP_PART_CHARS) {
    const from = nextSeq;
    const slice = await askJournal(env, open, (one) => one.journalFrom(from, BACKUP_PAGE_BYTES));
    // Restored meanwhile, it has another journal: what was copied of it is of no use.
    if (slice === null || slice.epoch !== of.epoch || slice.from < nextSeq) return null;
    // Cut meanwhile, it goes on with what stands for what was copied.
    base ??= slice.base;
    if (slice.base !== base) return null;
    const mine = slice.to <= of.seq ? slice.events : slice.events.filter((body) => seqOf(body) <= of.seq);
    events.push(...mine);
    for (const body of mine) chars += body.length;
    nextSeq = slice.to + 1;
  }
  const whole = nextSeq > of.seq;
  const part: JournalPart = { object, name, of, whole, events };
  return { part, open: whole ? null : { object, name, of, nextSeq, base }, chars };
}

function seqOf(body: string): number {
  return decode<{ seq: number }>(body).seq;
}
