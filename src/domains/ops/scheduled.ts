// The sweeper. "The queue has taken it" is not "D1 has it": it compares the objects' journals with the read model, and asks
// an object whose slices have been lost to send them again. It applies nothing itself.
import { asc, eq, gt, sql } from "drizzle-orm";
import { SWEEP_GAPS_MAX, SWEEP_LAG_MS, SWEEP_OBJECTS_MAX } from "../../core/limits.ts";
import { MARKETS } from "../../core/listings.ts";
import { type Database, database, type Guarded, guardD1 } from "../../db/client.ts";
import { readHeads, type Source } from "../../db/heads.ts";
import { projectionHeads, projectionSlices, sweepCursors } from "../../db/read-model.ts";
import { accounts } from "../../db/tables.ts";
import { log } from "../../log.ts";
import type { ObjectBindings } from "../../objects/stubs.ts";
import { asked, inLanes, type Journalled, journalledAccount, journalledMarket } from "./journals.ts";

/** What one sweep saw: objects asked, those without an answer, those behind, those told to send again. */
export interface SweepReport {
  looked: number;
  unreachable: number;
  behind: number;
  replayed: number;
}

interface Seen {
  swept: Journalled;
  source: Source;
  seq: number;
  applied: number;
}

const CURSOR = "accounts";

/**
 * Looks at every market, at accounts with a gap and at the next ones in turn, {@link SWEEP_OBJECTS_MAX} objects in all. One
 * that D1 is behind is looked at again after `pauseMs`, since its slices may simply be on their way; one of which nothing
 * has arrived by then is told to send again. Never throws; a D1 that is away ends the sweep, an object that is away does not.
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
  const all = [
    ...MARKETS.map(({ symbol }) => journalledMarket(env, symbol)),
    ...ids.map((id) => journalledAccount(env, id)),
  ];
  const seen = await lookAt(all, report);
  const behind = await stillBehind(db, seen);
  report.behind = behind.length;
  if (behind.length > 0) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    const before = new Map(behind.map(({ swept, applied }) => [swept, applied]));
    const stuck = (await stillBehind(db, behind)).filter(({ swept, applied }) => applied === before.get(swept));
    await inLanes(stuck, async ({ swept, applied }) => {
      const told = await asked(swept, () => swept.replay(applied + 1));
      if (told !== null) report.replayed += 1;
    });
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
  const cursor = sql`coalesce((SELECT ${sweepCursors.position} FROM ${sweepCursors} WHERE ${sweepCursors.name} = ${CURSOR}), '')`;
  const page = await guardD1(
    db
      .select({ id: accounts.id })
      .from(accounts)
      .where(gt(accounts.id, cursor))
      .orderBy(asc(accounts.id))
      .limit(rowsMax),
  );
  if (!page.ok) return page;
  const ids = page.value.map(({ id }) => id);
  const position = ids.length < rowsMax ? "" : (ids.at(-1) ?? "");
  // Before they are asked: an account that broke the sweep would otherwise be in the way of all behind it, for ever.
  const moved = await guardD1(
    db
      .insert(sweepCursors)
      .values({ name: CURSOR, position, at: now })
      .onConflictDoUpdate({ target: sweepCursors.name, set: { position, at: now } }),
  );
  return moved.ok ? { ok: true, value: ids } : moved;
}

async function lookAt(all: readonly Journalled[], report: SweepReport): Promise<Seen[]> {
  const seen: Seen[] = [];
  await inLanes(all, async (swept) => {
    report.looked += 1;
    const head = await asked(swept, swept.head);
    if (head === null) report.unreachable += 1;
    else
      seen.push({
        swept,
        source: { object: swept.object, name: swept.name, epoch: head.epoch },
        seq: head.seq,
        applied: 0,
      });
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
