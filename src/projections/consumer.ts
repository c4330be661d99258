// The journal queue's consumer: at least once and in any order in, exactly once and in order out. Every message is answered
// for itself: what a throw would do to its neighbours is what this file prevents.
import {
  PROJECTION_FAILURES_MAX,
  PROJECTION_LANES_MAX,
  SLICE_RETRY_FIRST_SECONDS,
  SLICE_RETRY_MAX_SECONDS,
  SLICE_UNKNOWN_RETRY_SECONDS,
} from "../core/limits.ts";
import { type Database, database, type Guarded } from "../db/client.ts";
import { readHeads, sourceKey } from "../db/heads.ts";
import { applySlice, keepSlice, type Position, readPosition } from "./apply.ts";
import { storeDeadLetter } from "./dead-letters.ts";
import { readSlice, type Slice } from "./slice.ts";

interface Delivery {
  message: Message;
  slice: Slice;
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
  const groups = new Map<string, Delivery[]>();
  for (const message of batch.messages) {
    const read = readSlice(message.body);
    if (read.kind === "slice") {
      const key = sourceKey(read.slice.source);
      const group = groups.get(key) ?? [];
      groups.set(key, group);
      group.push({ message, slice: read.slice });
    } else if (read.kind === "later") {
      console.warn(JSON.stringify({ level: "warn", event: "slice_not_understood", reason: read.reason }));
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

/** Objects side by side, in a few lanes; an object's slices one after the other, lowest first. */
async function applyGroups(work: Work, groups: Delivery[][]): Promise<void> {
  const sources = groups.flatMap((group) => group.slice(0, 1).map(({ slice }) => slice.source));
  if (sources.length === 0) return;
  const heads = await readHeads(work.db, sources);
  if (!heads.ok) {
    for (const { message } of groups.flat()) answer(work, message, false);
    return;
  }
  const waiting = groups.map((group, index) => ({ group, head: heads.value[index] ?? 0 }));
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await applyGroup(work, next.group, next.head);
    }
  };
  await Promise.all(Array.from({ length: PROJECTION_LANES_MAX }, lane));
}

async function applyGroup(work: Work, group: Delivery[], headBefore: number): Promise<void> {
  group.sort((a, b) => a.slice.from - b.slice.from || b.slice.to - a.slice.to);
  let head = await resume(work, group, headBefore);
  for (const { message, slice } of group) {
    const settled = work.failures >= PROJECTION_FAILURES_MAX ? null : await settle(work.db, slice, head);
    answer(work, message, settled !== null);
    head = settled ?? head;
  }
}

/** A consumer that died after its commit left what was kept behind it: the message comes again, and is old by then. */
async function resume(work: Work, group: Delivery[], head: number): Promise<number> {
  if (group.every(({ message }) => message.attempts <= 1)) return head;
  const [first] = group;
  const position = first === undefined ? null : await readPosition(work.db, first.slice.source);
  if (!position?.ok || position.value.next === null) return head;
  return (await settle(work.db, position.value.next, position.value.head)) ?? head;
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
      const done: Guarded<Position> = await (early
        ? keepSlice(db, slice, Date.now())
        : applySlice(db, slice, head, Date.now()));
      if (!done.ok) return null;
      head = done.value.head;
      if (early || slice.to <= head) slice = done.value.next;
    }
    return head;
  } catch (error) {
    // A bug must not cost the other messages of the batch their tries.
    console.error(JSON.stringify({ level: "error", event: "projection_failed", message: String(error) }));
    return null;
  }
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
