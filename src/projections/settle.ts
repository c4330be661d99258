// What arrived of several objects, settled: applied, kept or dropped, by where D1 says that each object stands.

import { PROJECTION_FAILURES_MAX, PROJECTION_LANES_MAX } from "../core/limits.ts";
import type { Database, Guarded } from "../db/client.ts";
import type { Source } from "../db/heads.ts";
import { log } from "../log.ts";
import { applySlices, keepSlice, NOWHERE, type Position, readPositions, type Step } from "./apply.ts";
import type { Slice } from "./slice.ts";

/** A slice, and who is told whether it has been settled: applied, kept, or found to be old. */
export interface Delivery {
  slice: Slice;
  answer: (settled: boolean) => void;
}

/** Where an object stands in D1, and what has arrived of it. */
export interface Place {
  source: Source;
  position: Position;
  deliveries: Delivery[];
}

/** One batch at work. `failures` counts those in a row: a D1 that is away is asked a few times and not a hundred. */
export interface Work {
  db: Database;
  failures: number;
}

/** Takes note of how something that asked D1 has ended. */
export function noteOutcome(work: Work, done: boolean): void {
  work.failures = done ? 0 : work.failures + 1;
}

/** Reads where the objects stand. False, and nothing known, when D1 does not answer. */
export async function locate(work: Work, places: readonly Place[]): Promise<boolean> {
  const positions = await readPositions(
    work.db,
    places.map(({ source }) => source),
  );
  if (!positions.ok) return false;
  for (const [index, place] of places.entries()) place.position = positions.value[index] ?? NOWHERE;
  return true;
}

/**
 * Settles what has arrived of each object, and answers for each slice; positions are where the objects stand after that. All
 * objects together first, since a D1 batch costs far more than what is in it; then each for itself, a few side by side: what
 * was early, old, overtaken by another consumer, or together with something that D1 refuses. `charsMax`: of journal text in one
 * D1 batch. Never throws.
 */
export async function settleAll(work: Work, places: readonly Place[], charsMax: number): Promise<void> {
  for (const { deliveries } of places) deliveries.sort(({ slice: a }, { slice: b }) => a.from - b.from || b.to - a.to);
  await applyTogether(work, places, charsMax);
  const waiting = [...places];
  const lane = async () => {
    for (let place = waiting.shift(); place !== undefined; place = waiting.shift()) await settleAlone(work, place);
  };
  await Promise.all(Array.from({ length: PROJECTION_LANES_MAX }, lane));
}

/** One object's part of a joint D1 batch. */
interface Part {
  place: Place;
  slice: Slice;
}

/** Applies what follows each object's head, in as few D1 batches as size allows, and notes where each stands then. */
async function applyTogether(work: Work, places: readonly Place[], charsMax: number): Promise<void> {
  let parts: Part[] = [];
  let chars = 0;
  for (const place of places) {
    const run = runOf(place, charsMax);
    if (run === null) continue;
    if (parts.length > 0 && chars + charsOf(run) > charsMax) {
      // What fails together is tried alone: a fault of one object must not hold up the others. And a D1 that is away is
      // asked once, since each time may take its whole timeout.
      if (!(await applyParts(work, parts))) return;
      [parts, chars] = [[], 0];
    }
    parts.push({ place, slice: run });
    chars += charsOf(run);
  }
  if (parts.length > 0) await applyParts(work, parts);
}

async function applyParts(work: Work, parts: readonly Part[]): Promise<boolean> {
  const steps = parts.map(({ place, slice }) => ({ slice, head: place.position.head }));
  const done = await applySlices(work.db, steps, Date.now());
  if (!done.ok) return false;
  for (const [index, { place }] of parts.entries()) place.position = done.value[index] ?? place.position;
  return true;
}

/** The slices that follow the head and each other, as one; null when none does. */
function runOf({ deliveries, position: { head } }: Place, charsMax: number): Slice | null {
  const [run, ...rest] = deliveries.map(({ slice }) => slice).filter(({ to }) => to > head);
  if (run === undefined || run.from > head + 1) return null;
  let joined = run;
  for (const slice of rest) {
    if (slice.to <= joined.to) continue;
    if (slice.from > joined.to + 1 || charsOf(joined) + charsOf(slice) > charsMax) break;
    const fresh = slice.events.filter(({ seq }) => seq > joined.to);
    const events = [...joined.events, ...fresh];
    joined = { ...joined, to: slice.to, events, bodies: [...joined.bodies, ...slice.bodies.slice(-fresh.length)] };
  }
  return joined;
}

function charsOf({ bodies }: Slice): number {
  return bodies.reduce((sum, body) => sum + body.length, 0);
}

async function settleAlone(work: Work, place: Place): Promise<void> {
  const { head: headBefore, next } = place.position;
  // What was kept fits by now: its own message was acknowledged long ago, and nobody else would apply it.
  let head: number | null = next === null ? headBefore : await settle(work.db, next, headBefore);
  for (const { slice, answer } of place.deliveries) {
    const settled: number | null =
      head === null || work.failures >= PROJECTION_FAILURES_MAX ? null : await settle(work.db, slice, head);
    noteOutcome(work, settled !== null);
    answer(settled !== null);
    head = settled ?? head;
  }
  place.position = { head: head ?? headBefore, next: null };
}

/**
 * Sees to one slice: applies or keeps it, then applies what was kept behind it. Answers the head after that, or null when
 * D1 failed: the message must come again, be it only for what was kept. Ends, since each round either keeps the slice or
 * goes on with a newer head.
 */
async function settle(db: Database, wanted: Slice, headBefore: number): Promise<number | null> {
  let head = headBefore;
  let slice: Slice | null = wanted;
  try {
    while (slice !== null && slice.to > head) {
      const early: boolean = slice.from > head + 1;
      const done: Guarded<Position> = await (early ? keepSlice(db, slice, Date.now()) : applyOne(db, { slice, head }));
      if (!done.ok) return null;
      head = done.value.head;
      if (early || slice.to <= head) slice = done.value.next;
    }
    return head;
  } catch (error) {
    // A bug must not cost the other messages of the batch their tries.
    log("error", "projection_failed", { message: String(error) });
    return null;
  }
}

async function applyOne(db: Database, step: Step): Promise<Guarded<Position>> {
  const done = await applySlices(db, [step], Date.now());
  return done.ok ? { ok: true, value: done.value[0] ?? NOWHERE } : done;
}
