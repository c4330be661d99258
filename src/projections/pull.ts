// Journals fetched from their objects, page by page: how what the queue has lost, or all of the read model, is made again. The
// pace is D1's own: nothing is asked for before what came last has been applied.

import {
  JOURNAL_QUEUE_WAIT_MS,
  PULL_ASK_ROUND,
  PULL_BATCH_CHARS_MAX,
  PULL_BYTES_MAX,
  PULL_OBJECTS_MAX,
  PULL_ROUNDS_MAX,
} from "../core/limits.ts";
import { PULLED, type Source } from "../db/heads.ts";
import { log } from "../log.ts";
import { askJournal, type ObjectBindings, sendPulls } from "../objects/stubs.ts";
import { NOWHERE } from "./apply.ts";
import { storeDeadLetter } from "./dead-letters.ts";
import { locate, type Place, settleAll, type Work } from "./settle.ts";
import { readSlice, type Slice } from "./slice.ts";

/**
 * Applies journals from where D1 is to their ends, or as far as {@link PULL_ROUNDS_MAX} rounds go: the queue is asked to go on
 * with the rest, some rounds ahead, and this ends when its next batch is due. Between two rounds it rests for `pauseMs`. A
 * journal that does not move, since its object, D1 or an event of it fails, is left to the sweeper. Never throws.
 */
export async function pullJournals(
  work: Work,
  env: ObjectBindings,
  sources: readonly Source[],
  pauseMs: number,
): Promise<void> {
  let places = sources.map((source): Place => ({ source, position: NOWHERE, deliveries: [] }));
  if (places.length === 0 || !(await locate(work, places))) return;
  let nextAtMs = Number.POSITIVE_INFINITY;
  for (let round = 0; places.length > 0 && round < PULL_ROUNDS_MAX && Date.now() < nextAtMs; round += 1) {
    if (round === PULL_ASK_ROUND && (await askToGoOn(env, places))) nextAtMs = Date.now() + JOURNAL_QUEUE_WAIT_MS;
    // The runtime looks at its sockets when it has nothing to do: without a pause, requests would wait for the whole of it.
    if (round > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    const turn = places.slice(0, PULL_OBJECTS_MAX);
    places = [...places.slice(PULL_OBJECTS_MAX), ...(await pullRound(work, env, turn))];
  }
  if (places.length > 0 && nextAtMs === Number.POSITIVE_INFINITY) await askToGoOn(env, places);
}

function askToGoOn(env: ObjectBindings, places: readonly Place[]): Promise<boolean> {
  return sendPulls(
    env,
    places.map(({ source }) => source),
  );
}

/** The next page of each journal, applied together; answers those that have moved. */
async function pullRound(work: Work, env: ObjectBindings, places: readonly Place[]): Promise<Place[]> {
  const bytesMax = Math.floor(PULL_BYTES_MAX / places.length);
  const heads = new Map(places.map((place) => [place, place.position.head]));
  await Promise.all(
    places.map(async (place) => {
      const slice = await fetchSlice(work, env, place, bytesMax);
      place.deliveries = slice === null ? [] : [{ slice, answer: () => undefined }];
    }),
  );
  const fetched = places.filter(({ deliveries }) => deliveries.length > 0);
  await settleAll(work, fetched, PULL_BATCH_CHARS_MAX);
  const moved = fetched.filter((place) => place.position.head > (heads.get(place) ?? 0));
  // Where it is farther back than before, the read model has been emptied meanwhile.
  for (const { source, position } of fetched.filter((place) => place.position.head === heads.get(place))) {
    // No queue gives it up after some tries, so nothing else would say whose journal has come to a stop, and where.
    log("error", "journal_not_applied", { ...source, head: position.head });
  }
  return moved;
}

/** The journal's next page; null at its end, or when it cannot be had. */
async function fetchSlice(work: Work, env: ObjectBindings, place: Place, bytesMax: number): Promise<Slice | null> {
  const { source, position } = place;
  const page = await askJournal(env, source, (journal) => journal.journalFrom(position.head + 1, bytesMax));
  if (page === null) return null;
  const read = readSlice(page);
  if (read.kind === "slice") return read.slice.source.epoch === source.epoch ? read.slice : null;
  if (read.kind === "later") {
    log("warn", "slice_not_understood", { reason: read.reason });
  } else {
    const letter = { queue: PULLED, subject: read.subject, reason: read.reason, body: page };
    await storeDeadLetter(work.db, letter, Date.now());
  }
  return null;
}
