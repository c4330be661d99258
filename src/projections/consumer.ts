// The journal queue's consumer: at least once and in any order in, exactly once and in order out. Every message is answered
// for itself: what a throw would do to its neighbours is what this file prevents.
import {
  PROJECTION_BATCH_CHARS_MAX,
  PROJECTION_FAILURES_MAX,
  PROJECTION_LANES_MAX,
  SLICE_RETRY_FIRST_SECONDS,
  SLICE_RETRY_MAX_SECONDS,
  SLICE_UNKNOWN_RETRY_SECONDS,
} from "../core/limits.ts";
import { type Database, database, type Guarded } from "../db/client.ts";
import { type Source, sourceKey } from "../db/heads.ts";
import { log } from "../log.ts";
import { applySlices, keepSlice, NOWHERE, type Position, readPositions, type Step } from "./apply.ts";
import { storeDeadLetter } from "./dead-letters.ts";
import { readSlice, type Slice } from "./slice.ts";

interface Delivery {
  message: Message;
  slice: Slice;
}

/** What a batch has of one object. */
interface Group {
  source: Source;
  deliveries: Delivery[];
}

/** Where a group's object stands. */
interface Place {
  group: Group;
  position: Position;
}

/** One batch at work. `failures` counts those in a row: a D1 that is away is asked a few times and not a hundred. */
interface Work {
  db: Database;
  failures: number;
}

/**
 * Applies a batch of journal slices: those that follow their object's head, and what was kept behind them. Early ones are
 * kept, old ones dropped; both are acknowledged. Never throws: what fails is delivered again, alone, after a pause.
 */
export async function consumeJournal(batch: MessageBatch, env: { DB: D1Database }): Promise<void> {
  const work: Work = { db: database(env), failures: 0 };
  const groups = new Map<string, Group>();
  for (const message of batch.messages) {
    const read = readSlice(message.body);
    if (read.kind === "slice") {
      const { source } = read.slice;
      const group = groups.get(sourceKey(source)) ?? { source, deliveries: [] };
      groups.set(sourceKey(source), group);
      group.deliveries.push({ message, slice: read.slice });
    } else if (read.kind === "later") {
      log("warn", "slice_not_understood", { reason: read.reason });
      message.retry({ delaySeconds: SLICE_UNKNOWN_RETRY_SECONDS });
    } else {
      const { subject, reason } = read;
      const letter = { queue: batch.queue, subject, reason, body: message.body };
      const stored = await storeDeadLetter(work.db, letter, Date.now());
      answer(work, message, stored.ok);
    }
  }
  await applyGroups(work, [...groups.values()]);
}

/**
 * All objects together first, since a D1 batch costs far more than what is in it; then each for itself, a few side by side:
 * what was early, old, overtaken by another consumer, or together with something that D1 refuses.
 */
async function applyGroups(work: Work, groups: Group[]): Promise<void> {
  if (groups.length === 0) return;
  const sources = groups.map(({ source }) => source);
  const positions = await readPositions(work.db, sources);
  if (!positions.ok) {
    for (const { message } of groups.flatMap(({ deliveries }) => deliveries)) answer(work, message, false);
    return;
  }
  const places = groups.map((group, index): Place => ({ group, position: positions.value[index] ?? NOWHERE }));
  for (const { deliveries } of groups) deliveries.sort(({ slice: a }, { slice: b }) => a.from - b.from || b.to - a.to);
  await applyTogether(work, places);
  const lane = async () => {
    for (let place = places.shift(); place !== undefined; place = places.shift()) await applyGroup(work, place);
  };
  await Promise.all(Array.from({ length: PROJECTION_LANES_MAX }, lane));
}

/** One object's part of a joint D1 batch. */
interface Part {
  place: Place;
  slice: Slice;
}

/** Applies what follows each object's head, in as few D1 batches as size allows, and notes where each stands then. */
async function applyTogether(work: Work, places: readonly Place[]): Promise<void> {
  let parts: Part[] = [];
  let chars = 0;
  for (const place of places) {
    const run = runOf(place);
    if (run === null) continue;
    if (parts.length > 0 && chars + charsOf(run) > PROJECTION_BATCH_CHARS_MAX) {
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
function runOf({ group, position: { head } }: Place): Slice | null {
  const [run, ...rest] = group.deliveries.map(({ slice }) => slice).filter(({ to }) => to > head);
  if (run === undefined || run.from > head + 1) return null;
  let joined = run;
  for (const slice of rest) {
    if (slice.to <= joined.to) continue;
    if (slice.from > joined.to + 1 || charsOf(joined) + charsOf(slice) > PROJECTION_BATCH_CHARS_MAX) break;
    const fresh = slice.events.filter(({ seq }) => seq > joined.to);
    const events = [...joined.events, ...fresh];
    joined = { ...joined, to: slice.to, events, bodies: [...joined.bodies, ...slice.bodies.slice(-fresh.length)] };
  }
  return joined;
}

function charsOf({ bodies }: Slice): number {
  return bodies.reduce((sum, body) => sum + body.length, 0);
}

async function applyGroup(work: Work, { group: { deliveries }, position }: Place): Promise<void> {
  const { head: headBefore, next } = position;
  // What was kept fits by now: its own message was acknowledged long ago, and nobody else would apply it.
  let head: number | null = next === null ? headBefore : await settle(work.db, next, headBefore);
  for (const { message, slice } of deliveries) {
    const settled: number | null =
      head === null || work.failures >= PROJECTION_FAILURES_MAX ? null : await settle(work.db, slice, head);
    answer(work, message, settled !== null);
    head = settled ?? head;
  }
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

function answer(work: Work, message: Message, done: boolean): void {
  work.failures = done ? 0 : work.failures + 1;
  if (done) message.ack();
  else message.retry({ delaySeconds: retrySeconds(message.attempts) });
}

/** The pause before the next delivery of a message that has been delivered `attempts` times. */
export function retrySeconds(attempts: number): number {
  return Math.min(SLICE_RETRY_FIRST_SECONDS * 2 ** Math.max(0, attempts - 1), SLICE_RETRY_MAX_SECONDS);
}
