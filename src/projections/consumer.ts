// The journal queue's consumer: at least once and in any order in, exactly once and in order out. Every message is answered
// for itself: what a throw would do to its neighbours is what this file prevents.
import {
  PROJECTION_BATCH_CHARS_MAX,
  PULL_PAUSE_MS,
  SLICE_RETRY_FIRST_SECONDS,
  SLICE_RETRY_MAX_SECONDS,
  SLICE_UNKNOWN_RETRY_SECONDS,
} from "../core/limits.ts";
import { type DatabaseBinding, database } from "../db/client.ts";
import { type Source, sourceKey } from "../db/heads.ts";
import { log } from "../log.ts";
import type { ObjectBindings } from "../objects/stubs.ts";
import { NOWHERE } from "./apply.ts";
import { storeDeadLetter } from "./dead-letters.ts";
import { pullJournals } from "./pull.ts";
import { locate, noteOutcome, type Place, settleAll, type Work } from "./settle.ts";
import { readMessage } from "./slice.ts";

/** What the read model is made with. */
export type ConsumerBindings = DatabaseBinding & ObjectBindings;

/**
 * Applies a batch of journal slices: those that follow their object's head, and what was kept behind them. Early ones are
 * kept, old ones dropped; both are acknowledged. Then fetches the journals that the batch asks for, `pauseMs` between pages. Never throws: a slice
 * that fails is delivered again, alone, after a pause.
 */
export async function consumeJournal(
  batch: MessageBatch,
  env: ConsumerBindings,
  pauseMs = PULL_PAUSE_MS,
): Promise<void> {
  const work: Work = { db: database(env), failures: 0 };
  const places = new Map<string, Place>();
  const pulls = new Map<string, Source>();
  for (const message of batch.messages) {
    const read = readMessage(message.body);
    if (read.kind === "slice") {
      const { source } = read.slice;
      const place = places.get(sourceKey(source)) ?? { source, position: NOWHERE, deliveries: [] };
      places.set(sourceKey(source), place);
      place.deliveries.push({ slice: read.slice, answer: (settled) => answer(message, settled) });
    } else if (read.kind === "pull") {
      // Whatever becomes of it: while something is missing, the sweeper asks for it again.
      message.ack();
      pulls.set(sourceKey(read.source), read.source);
    } else if (read.kind === "later") {
      log("warn", "slice_not_understood", { reason: read.reason });
      message.retry({ delaySeconds: SLICE_UNKNOWN_RETRY_SECONDS });
    } else {
      const { subject, reason } = read;
      const letter = { queue: batch.queue, subject, reason, body: message.body };
      const stored = await storeDeadLetter(work.db, letter, Date.now());
      noteOutcome(work, stored.ok);
      answer(message, stored.ok);
    }
  }
  await settleSlices(work, [...places.values()]);
  await pullJournals(work, env, [...pulls.values()], pauseMs);
}

async function settleSlices(work: Work, places: Place[]): Promise<void> {
  if (places.length === 0) return;
  if (await locate(work, places)) return settleAll(work, places, PROJECTION_BATCH_CHARS_MAX);
  for (const delivery of places.flatMap(({ deliveries }) => deliveries)) delivery.answer(false);
}

function answer(message: Message, done: boolean): void {
  if (done) message.ack();
  else message.retry({ delaySeconds: retrySeconds(message.attempts) });
}

/** The pause before the next delivery of a message that has been delivered `attempts` times. */
export function retrySeconds(attempts: number): number {
  return Math.min(SLICE_RETRY_FIRST_SECONDS * 2 ** Math.max(0, attempts - 1), SLICE_RETRY_MAX_SECONDS);
}
