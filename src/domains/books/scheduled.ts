// What the cron does for the books: the check that is under way, and the round of liabilities, as far as its time goes.
import { CHECK_MS_MAX, CHECK_SLICES_MAX, CHECKS_KEPT_MS } from "../../core/limits.ts";
import { database, guardD1 } from "../../db/client.ts";
import { log } from "../../log.ts";
import { type CheckRow, currentCheck, forgetChecks, nextSlice } from "./checks.ts";
import type { BooksBindings } from "./examine.ts";
import { currentRound, forgetNodes, nextRoundSlice, type RoundRow } from "./liabilities.ts";

/** What tells the time, in ms. */
export type Clock = () => number;

/**
 * Goes on with the check of all objects, or begins one, for at most {@link CHECK_MS_MAX}. Answers the check as it is then; null
 * when there was none to do. Never throws: what failed is done by the next run.
 */
export async function checkBooks(env: BooksBindings, clock: Clock = Date.now): Promise<CheckRow | null> {
  return guarded("check_failed", async () => {
    const db = database(env);
    await guardD1(forgetChecks(db, clock() - CHECKS_KEPT_MS));
    const begun = await currentCheck(db, clock());
    if (!begun.ok || begun.value === null) return null;
    return inSlices(
      begun.value,
      clock,
      ({ phase }) => phase === "done",
      (row) => nextSlice(env, row, clock()),
    );
  });
}

/** As {@link checkBooks}, with the round of liabilities of the last full hour. */
export async function sumLiabilities(env: BooksBindings, clock: Clock = Date.now): Promise<RoundRow | null> {
  return guarded("liabilities_failed", async () => {
    const db = database(env);
    await guardD1(forgetNodes(db, clock()));
    const begun = await currentRound(db, clock());
    if (!begun.ok || begun.value === null) return null;
    return inSlices(
      begun.value,
      clock,
      ({ phase }) => phase === "done",
      (row) => nextRoundSlice(env, row, clock()),
    );
  });
}

async function guarded<T>(event: string, work: () => Promise<T | null>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    log("error", event, { message: String(error) });
    return null;
  }
}

/** Slices until it is done, fails, or has taken its time. */
async function inSlices<Row>(
  begun: Row,
  clock: Clock,
  isDone: (row: Row) => boolean,
  slice: (row: Row) => Promise<Row | null>,
): Promise<Row> {
  const until = clock() + CHECK_MS_MAX;
  let row = begun;
  for (let done = 0; done < CHECK_SLICES_MAX && !isDone(row) && clock() < until; done += 1) {
    const after = await slice(row);
    if (after === null) return row;
    row = after;
  }
  return row;
}
