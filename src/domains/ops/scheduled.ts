// The sweeper. "The queue has taken it" is not "D1 has it": it compares the objects' journals with the read model, and asks
// the consumer to fetch from an object what has been lost. It applies nothing itself.
import { eq, sql } from "drizzle-orm";
import { SWEEP_GAPS_MAX, SWEEP_LAG_MS, SWEEP_OBJECTS_MAX } from "../../core/limits.ts";
import { MARKETS } from "../../core/listings.ts";
import { type Database, database, type Guarded, guardD1 } from "../../db/client.ts";
import { readHeads, type Source } from "../../db/heads.ts";
import { projectionHeads, projectionSlices } from "../../db/read-model.ts";
import { accountsAfter, keepPlace, placeOf } from "../../db/walks.ts";
import { log } from "../../log.ts";
import { askJournal, inLanes, type Journalled, type ObjectBindings, sendPulls } from "../../objects/stubs.ts";
import { journalledMarkets } from "./journals.ts";

export { retell } from "./kill-switch.ts";

/** What one sweep saw: objects asked, those without an answer, those behind, those to be fetched. */
export interface SweepReport {
  looked: number;
  unreachable: number;
  behind: number;
  replayed: number;
}

interface Seen {
  source: Source;
  seq: number;
  applied: number;
}

const WALK = "accounts";

/**
 * Looks at every market, at accounts with a gap and at the next ones in turn, {@link SWEEP_OBJECTS_MAX} objects in all. One
 * that D1 is behind is looked at again after `pauseMs`, since its slices may simply be on their way; one of which nothing
 * has arrived by then is fetched by the consumer. Never throws; a D1 that is away ends the sweep, an object that is away does not.
 */
export async function sweep(
  env: ObjectBindings & { DB: D1Database },
  now: number,
  pauseMs = SWEEP_LAG_MS,
): Promise<SweepReport> {
  const db = database(env);
  const report: SweepReport = { looked: 0, unreachable: 0, behind: 0, replayed: 0 };
  await guardD1(dropApplied(db));
  const gaps = await accountsWithGaps(db);
  if (!gaps.ok) return report;
  const next = await nextAccounts(db, SWEEP_OBJECTS_MAX - MARKETS.length - gaps.value.length, now);
  if (!next.ok) return report;
  const ids = [...new Set([...gaps.value, ...next.value])];
  const all = [...journalledMarkets(env), ...ids.map((name): Journalled => ({ object: "account", name }))];
  const seen = await lookAt(env, all, report);
  const behind = await stillBehind(db, seen);
  report.behind = behind.length;
  if (behind.length > 0) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    const before = new Map(behind.map(({ source, applied }) => [source, applied]));
    const stuck = (await stillBehind(db, behind)).filter(({ source, applied }) => applied === before.get(source));
    const pulls = stuck.map(({ source }) => source);
    if (await sendPulls(env, pulls)) report.replayed = pulls.length;
  }
  if (report.behind > 0 || report.unreachable > 0) log("warn", "sweep", { ...report });
  return report;
}

/** Kept slices that have been applied since, on their own or as part of others, are needed no more. */
function dropApplied(db: Database) {
  const heads = projectionHeads;
  const slices = projectionSlices;
  return db.delete(slices).where(
    sql`EXISTS (SELECT 1 FROM ${heads} WHERE ${heads.object} = ${slices.object} AND ${heads.name} = ${slices.name}
      AND ${heads.epoch} = ${slices.epoch} AND ${heads.appliedSeq} >= ${slices.toSeq})`,
  );
}

/** Accounts of which a slice waits for another one: most likely that one is lost, so they do not wait for their turn. */
async function accountsWithGaps(db: Database): Promise<Guarded<string[]>> {
  const found = await guardD1(
    db
      .selectDistinct({ name: projectionSlices.name })
      .from(projectionSlices)
      .where(eq(projectionSlices.object, "account"))
      .limit(SWEEP_GAPS_MAX),
  );
  return found.ok ? { ok: true, value: found.value.map(({ name }) => name) } : found;
}

/** The accounts that follow the last ones looked at, from the first again after the last. */
async function nextAccounts(db: Database, rowsMax: number, now: number): Promise<Guarded<string[]>> {
  const page = await accountsAfter(db, placeOf(WALK), rowsMax);
  if (!page.ok) return page;
  const ids = page.value.map(({ id }) => id);
  const position = ids.length < rowsMax ? "" : (ids.at(-1) ?? "");
  // Before they are asked: an account that broke the sweep would otherwise be in the way of all behind it, for ever.
  const moved = await keepPlace(db, WALK, position, now);
  return moved.ok ? { ok: true, value: ids } : moved;
}

async function lookAt(env: ObjectBindings, all: readonly Journalled[], report: SweepReport): Promise<Seen[]> {
  const seen: Seen[] = [];
  await inLanes(all, async (one) => {
    report.looked += 1;
    const head = await askJournal(env, one, (journal) => journal.head());
    if (head === null) report.unreachable += 1;
    else seen.push({ source: { ...one, epoch: head.epoch }, seq: head.seq, applied: 0 });
  });
  return seen;
}

/** Those of which D1 lacks something that was there when they were asked, in their order; none when D1 is away. */
async function stillBehind(db: Database, seen: readonly Seen[]): Promise<Seen[]> {
  const heads = await readHeads(
    db,
    seen.map(({ source }) => source),
  );
  if (!heads.ok) return [];
  return seen
    .map((one, index) => ({ ...one, applied: heads.value[index] ?? 0 }))
    .filter(({ applied, seq }) => applied < seq);
}
