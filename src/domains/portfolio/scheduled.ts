// What the portfolio does each minute: after 00:00 UTC it keeps what every portfolio was worth then, a part of them at a time.
import { inArray, max } from "drizzle-orm";
import { DAY_MS, SNAPSHOTS_PER_RUN } from "../../core/limits.ts";
import type { PerformanceWish } from "../../core/performance.ts";
import { invariant, ok, type Result } from "../../core/result.ts";
import { type Database, database, guardD1 } from "../../db/client.ts";
import { portfolioSnapshots } from "../../db/portfolio-tables.ts";
import { accountsAfter, keepPlace, placeOf, WALK_END } from "../../db/walks.ts";
import { log } from "../../log.ts";
import { askInWalk, inLanes, type ObjectBindings } from "../../objects/stubs.ts";
import { pointsOf } from "./performance.ts";

type SnapshotBindings = ObjectBindings & { DB: D1Database };
type Snapshot = typeof portfolioSnapshots.$inferInsert;

const WALK = "portfolio_snapshots";
/** D1 takes 100 values in a statement. */
const ROWS_PER_STATEMENT = 12;

/** What one run did: snapshots taken, and accounts that had no answer. */
export interface SnapshotReport {
  taken: number;
  missed: number;
}

/**
 * Takes the snapshots of the last 00:00 UTC of the next {@link SNAPSHOTS_PER_RUN} accounts. One that is missed has none for that day, and
 * its next one covers both. Never throws; a D1 that is away ends the run, and the next one does the same accounts again.
 */
export async function snapshotPortfolios(
  env: SnapshotBindings,
  nowMs: number,
  priceSeed: number,
): Promise<SnapshotReport> {
  const report: SnapshotReport = { taken: 0, missed: 0 };
  const db = database(env);
  const midnight = Math.floor(nowMs / DAY_MS) * DAY_MS;
  const page = await accountsAfter(db, placeOf(WALK, midnight), SNAPSHOTS_PER_RUN);
  if (!page.ok || page.value.length === 0) return report;
  const ids = page.value.filter(({ createdAt }) => createdAt < midnight).map(({ id }) => id);
  const since = await lastSnapshots(db, ids);
  if (!since.ok) return report;
  const rows: Snapshot[] = [];
  await inLanes(ids, async (accountId) => {
    const row = await snapshotOf(env, accountId, since.value.get(accountId) ?? null, midnight, priceSeed);
    if (row === null) report.missed += 1;
    else rows.push(row);
  });
  // An account in which nothing has happened has nothing to record.
  const kept = rows.filter(({ seq }) => seq > 0);
  if (!(await keep(db, kept))) return report;
  report.taken = kept.length;
  const end = page.value.length < SNAPSHOTS_PER_RUN ? WALK_END : (page.value.at(-1)?.id ?? WALK_END);
  await keepPlace(db, WALK, end, nowMs);
  log(report.missed > 0 ? "warn" : "info", "portfolio_snapshots", { ...report });
  return report;
}

async function lastSnapshots(db: Database, ids: readonly string[]): Promise<Result<Map<string, number>>> {
  const last = new Map<string, number>();
  for (let at = 0; at < ids.length; at += ROWS_PER_STATEMENT * 8) {
    const { accountId } = portfolioSnapshots;
    const found = await guardD1(
      db
        .select({ accountId, at: max(portfolioSnapshots.at) })
        .from(portfolioSnapshots)
        .where(inArray(accountId, ids.slice(at, at + ROWS_PER_STATEMENT * 8)))
        .groupBy(accountId),
    );
    if (!found.ok) return found;
    for (const row of found.value) if (row.at !== null) last.set(row.accountId, row.at);
  }
  return ok(last);
}

/** What an account was worth at a time, and how it has done since an earlier one; null when it has no answer. */
async function snapshotOf(
  env: SnapshotBindings,
  accountId: string,
  from: number | null,
  at: number,
  priceSeed: number,
): Promise<Snapshot | null> {
  const ask = (since: number | null) => {
    const wish: PerformanceWish = { from: since, to: at, steps: [Number.POSITIVE_INFINITY], looks: 2 };
    return askInWalk(env, accountId, (account) => account.recordedPerformance(wish));
  };
  const whole = await ask(from);
  // Too many transfers for one record: what the account is worth is kept all the same.
  const reckoned = whole === null || whole.ok;
  const found = reckoned ? whole : await ask(at);
  if (found === null || !found.ok) return null;
  const point = pointsOf(found.value, priceSeed).at(-1);
  invariant(point !== undefined, "a period has an end");
  const { seq, cash, positionsValue, deposits, withdrawals, growth } = point;
  const since = reckoned ? { deposits, withdrawals, growth } : { deposits: null, withdrawals: null, growth: null };
  const text = (units: bigint | null) => units?.toString() ?? null;
  return {
    ...{ accountId, at, seq, cash: String(cash), positionsValue: String(positionsValue) },
    ...{ deposits: text(since.deposits), withdrawals: text(since.withdrawals), growth: text(since.growth) },
  };
}

/** Writes snapshots, but for those that are there already. False while D1 is away. */
async function keep(db: Database, rows: readonly Snapshot[]): Promise<boolean> {
  for (let at = 0; at < rows.length; at += ROWS_PER_STATEMENT) {
    const part = rows.slice(at, at + ROWS_PER_STATEMENT);
    const kept = await guardD1(db.insert(portfolioSnapshots).values(part).onConflictDoNothing());
    if (!kept.ok) return false;
  }
  return true;
}
