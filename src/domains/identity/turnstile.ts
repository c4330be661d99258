// One password hash at a time in an isolate. A hash blocks the thread, so what is bounded here is how many requests
// wait for theirs: beyond that a caller hears 503 at once instead of waiting behind everybody.

import { ok, type Result, refuse } from "../../core/result.ts";

/** Requests of one isolate that may wait for their hash: some eight seconds of work. */
export const HASHES_WAITING_MAX = 32;
/** A client that hangs up leaves its place behind; no place is kept longer than this. */
const PLACE_KEPT_MS = 30_000;

const places = new Map<symbol, number>();

/** Runs `hash` when the requests before it had their turn; refuses with `unavailable` when too many wait. */
export async function oneHashAtATime<T>(hash: () => T): Promise<Result<T>> {
  const now = Date.now();
  for (const [place, since] of places) if (now - since > PLACE_KEPT_MS) places.delete(place);
  if (places.size >= HASHES_WAITING_MAX) {
    return refuse({ code: "unavailable", detail: "Too many sign-ins at once; try again." });
  }
  const place = Symbol();
  places.set(place, now);
  try {
    // Gives way to requests that are already here, so that they are counted and cheap ones need not wait.
    await new Promise((resolve) => setTimeout(resolve, 0));
    return ok(hash());
  } finally {
    places.delete(place);
  }
}
