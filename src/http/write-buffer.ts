// Writes that can wait: what stands between a verb and the database while that is away. A request learns from its user's buffer
// object, beside its admission, whether writes wait there already; then its own go behind them.
import { ok, type Result, refuse } from "../core/result.ts";
import type { Kept, Write } from "../core/write-buffer.ts";
import { callerOf, type RequestContext } from "./context.ts";

/** The buffers, one a user. */
export interface WriteBuffers {
  /** What waits, oldest first. Refuses `unavailable`: nobody could say in which order writes are done. */
  look(userId: string): Promise<Result<Write[]>>;
  /** Takes writes, each for itself. Refuses `unavailable`. */
  append(userId: string, writes: Write[]): Promise<Result<Kept>>;
  /** Forgets all of a user who is no more. Refuses `unavailable`. */
  forget(userId: string): Promise<Result<null>>;
}

/** The caller's own buffer, in one request. */
export interface OwnBuffer {
  waiting: () => Promise<Result<Write[]>>;
  append: (writes: Write[]) => Promise<Result<Kept>>;
  forget: () => Promise<Result<null>>;
}

/** Asks what waits, as soon as it is known who calls: nobody waits longer for it than for their account. */
export function lookForWrites(c: RequestContext): void {
  const waiting = c.get("ports").writeBuffers(c.env).look(callerOf(c).userId);
  // Who is refused meanwhile never hears of it; who does hear, hears of a bug too.
  waiting.catch(() => undefined);
  c.set("waiting", waiting);
}

/** The caller's buffer; on a route that does not say that it `buffers`, it is asked only now. */
export function ownBuffer(c: RequestContext): OwnBuffer {
  const { userId } = callerOf(c);
  const buffers = c.get("ports").writeBuffers(c.env);
  return {
    waiting: () => c.get("waiting") ?? buffers.look(userId),
    append: (writes) => buffers.append(userId, writes),
    forget: () => buffers.forget(userId),
  };
}

/** What came of a write: done, with what doing it answered; or kept, with all that waits now. */
export type Written<T> = { done: T } | { waiting: Write[] };

/** As {@link writeOrKeepAll} does many, one write. Refuses what `doNow` or the buffer refuses, and `unavailable`. */
export async function writeOrKeep<T>(
  buffer: OwnBuffer,
  write: Write,
  doNow: () => Promise<Result<T>>,
): Promise<Result<Written<T>>> {
  const written = await writeOrKeepAll(buffer, [write], doNow);
  if (!written.ok) return written;
  if ("done" in written.value) return ok(written.value);
  const { waiting, refused } = written.value;
  const [own] = refused;
  return own === undefined ? ok({ waiting }) : refuse(own.refusal);
}

/**
 * Has `doNow` do writes in the database, or keeps them: behind those that wait, or when the database does not take them. It may have
 * taken them all the same, so they are kept under the ids under which they were tried. Refuses what `doNow` refuses, and `unavailable`;
 * what the buffer refuses, it refuses of each write for itself.
 */
export async function writeOrKeepAll<T>(
  buffer: OwnBuffer,
  writes: Write[],
  doNow: () => Promise<Result<T>>,
): Promise<Result<{ done: T } | Kept>> {
  const before = await buffer.waiting();
  if (!before.ok) return before;
  if (before.value.length === 0) {
    const done = await doNow();
    if (done.ok) return ok({ done: done.value });
    if (done.refusal.code !== "unavailable") return done;
  }
  return buffer.append(writes);
}
