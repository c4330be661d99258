// What the cron does for retention: once a day it archives of each object what is older than is kept, and has it cut there. Nothing is cut
// that has not been read back from the archive, or that the read model does not have.
import { and, desc, eq, sql } from "drizzle-orm";
import { backupBucket } from "../../bindings/backups.ts";
import type { ArchivePart, PartRef } from "../../core/backups.ts";
import { decode } from "../../core/codec.ts";
import { ARCHIVE_MS_MAX, ARCHIVE_OBJECTS_MAX, BACKUP_PAGE_BYTES, DAY_MS } from "../../core/limits.ts";
import { MARKETS } from "../../core/listings.ts";
import { archives } from "../../db/backup-tables.ts";
import { type Database, database, guardD1 } from "../../db/client.ts";
import { readHeads } from "../../db/heads.ts";
import { accountsAfter, keepPlace, placeOf, WALK_END } from "../../db/walks.ts";
import { log } from "../../log.ts";
import type { Cuttable } from "../../objects/protocol.ts";
import { askJournal, type Journalled } from "../../objects/stubs.ts";
import { readArchive, storeArchive, type Vault } from "./parts.ts";
import type { BackupBindings } from "./scheduled.ts";
import { backupKeyOf, SealError } from "./sealing.ts";

const WALK = "archives";

/** For how long what is over is kept, in days; 0: for ever. And what archives are sealed under, in base64url. */
export interface Retention {
  retentionDays: number;
  backupKey: string;
}

/** What one run did: parts archived and cut, and objects that it could not go on with. */
export interface ArchiveReport {
  cut: number;
  left: number;
}

/**
 * Archives and cuts what was more than `retentionDays` before the last 00:00 UTC, of the next objects for at most
 * {@link ARCHIVE_MS_MAX}. Never throws: what failed is done another day, and of what has time, the rest by the next run.
 */
export async function archiveJournals(
  env: BackupBindings,
  { retentionDays, backupKey }: Retention,
  nowMs: number,
  clock: () => number = Date.now,
): Promise<ArchiveReport> {
  const report: ArchiveReport = { cut: 0, left: 0 };
  const bucket = backupBucket(env);
  if (bucket === null || retentionDays === 0) return report;
  try {
    const [db, vault] = [database(env), { bucket, key: await backupKeyOf(backupKey) }];
    const midnight = Math.floor(nowMs / DAY_MS) * DAY_MS;
    const until = clock() + ARCHIVE_MS_MAX;
    const turn = await nextObjects(db, env.VENUE, midnight);
    if (turn === null) return report;
    // Before they are asked: one that broke the walk would otherwise be in the way of all behind it, for the whole day.
    if (!(await keepPlace(db, WALK, turn.end, nowMs)).ok) return report;
    let place = turn.start;
    for (const one of turn.objects) {
      let done: Awaited<ReturnType<typeof archiveOne>> = "cut";
      while (done === "cut" && clock() < until) {
        done = await archiveOne(env, db, vault, one, midnight - retentionDays * DAY_MS);
        if (done === "cut") report.cut += 1;
        if (done === "left") report.left += 1;
      }
      if (done === "cut") {
        // Time is up: it, and those behind it, would otherwise wait for a day, and then again.
        await keepPlace(db, WALK, place, nowMs);
        break;
      }
      place = placeAt(one);
    }
  } catch (error) {
    log("error", "archive_failed", { message: String(error) });
  }
  if (report.cut + report.left > 0) log(report.left > 0 ? "warn" : "info", "journals_archived", { ...report });
  return report;
}

/** Objects that a run asks, in their order; where the walk is before them, and after them. */
interface Turn {
  start: string;
  objects: Journalled[];
  end: string;
}

/** The next objects of a day's walk: accounts by id, then markets. Null when the walk is at its end, or D1 is away. */
async function nextObjects(db: Database, venue: string, midnight: number): Promise<Turn | null> {
  const kept = await guardD1(db.all<{ at: string }>(sql`SELECT ${placeOf(WALK, midnight)} AS at`));
  const start = kept.ok ? kept.value[0]?.at : undefined;
  if (start === undefined || start === WALK_END) return null;
  const page = await accountsAfter(db, sql<string>`${start}`, ARCHIVE_OBJECTS_MAX);
  if (!page.ok) return null;
  const accounts = page.value.map(({ id }): Journalled => ({ object: "account", name: id }));
  const last = accounts.at(-1);
  if (last !== undefined && accounts.length === ARCHIVE_OBJECTS_MAX)
    return { start, objects: accounts, end: placeAt(last) };
  const markets = MARKETS.map(({ symbol }): Journalled => ({ object: "market", name: `${venue}/${symbol}` }));
  const ahead = markets.filter((one) => placeAt(one) > start).sort((a, b) => (placeAt(a) < placeAt(b) ? -1 : 1));
  return { start, objects: [...accounts, ...ahead], end: WALK_END };
}

/** Where the walk is once an object has been asked. Markets come after all accounts, whatever their venue is called. */
function placeAt({ object, name }: Journalled): string {
  return object === "account" ? name : `market ${name}`;
}

/** The next part of one object: cut; nothing more to cut; or left as it is. */
async function archiveOne(
  env: BackupBindings,
  db: Database,
  vault: Vault,
  one: Journalled,
  beforeMs: number,
): Promise<"cut" | "nothing" | "left"> {
  const cuttable = await askJournal(env, one, async (journal) => ({ is: await journal.cuttable(beforeMs) }));
  if (cuttable === null) return "left";
  const wanted = cuttable.is;
  if (wanted === null) return "nothing";
  const applied = await readHeads(db, [{ ...one, epoch: wanted.epoch }]);
  if (!applied.ok || (applied.value[0] ?? 0) < wanted.through) return "left";
  const last = await lastOf(db, one);
  if (last === undefined) return "left";
  if (!(await isArchived(vault, last, wanted)) && !(await archive(env, db, vault, one, wanted, last))) return "left";
  const done = await askJournal(env, one, (journal) => journal.cut(wanted));
  if (done?.ok === true) return "cut";
  // Too little to be worth a base: it stays until there is more.
  return done?.refusal.code === "not_found" ? "nothing" : "left";
}

type ArchiveRow = typeof archives.$inferSelect;

/** What was archived of an object last; null when nothing was, undefined when D1 does not say. */
async function lastOf(db: Database, { object, name }: Journalled): Promise<ArchiveRow | null | undefined> {
  const found = await guardD1(
    db
      .select()
      .from(archives)
      .where(and(eq(archives.object, object), eq(archives.name, name)))
      .orderBy(desc(archives.epoch), desc(archives.fromSeq), desc(archives.archivedAt))
      .limit(1),
  );
  return found.ok ? (found.value[0] ?? null) : undefined;
}

/** Whether the last part is what is to be cut, and can still be read: what is not cut for good reason would be archived again each day. */
async function isArchived({ bucket, key }: Vault, last: ArchiveRow | null, wanted: Cuttable): Promise<boolean> {
  if (last?.epoch !== wanted.epoch || last.fromSeq !== wanted.after + 1 || last.toSeq !== wanted.through) return false;
  try {
    return (await readArchive({ get: bucket.get, keys: [key] }, last.key))?.ref.sha256 === last.sha256;
  } catch (error) {
    // Sealed under a key of before, or spoiled: it is archived again.
    if (error instanceof SealError) return false;
    throw error;
  }
}

/** Archives what is to be cut. False: the object or D1 did not answer as it should. */
async function archive(
  env: BackupBindings,
  db: Database,
  vault: Vault,
  one: Journalled,
  wanted: Cuttable,
  before: ArchiveRow | null,
): Promise<boolean> {
  const events = await eventsOf(env, one, wanted);
  if (events === null) return false;
  const { epoch, after, through } = wanted;
  const last: PartRef | null = before === null ? null : { key: before.key, sha256: before.sha256 };
  const part: ArchivePart = { v: 1, ...one, epoch, from: after + 1, to: through, before: wanted.before, last, events };
  const { key, sha256, bytes } = await storeArchive(vault, part);
  const range = { fromSeq: part.from, toSeq: through, before: wanted.before };
  const row = { ...one, key, epoch, ...range, sha256, bytes, archivedAt: Date.now() };
  return (await guardD1(db.insert(archives).values(row))).ok;
}

/** The events that are to be cut, as they are stored; null when they cannot be had. */
async function eventsOf(
  env: BackupBindings,
  one: Journalled,
  { epoch, after, through }: Cuttable,
): Promise<string[] | null> {
  const events: string[] = [];
  for (let next = after + 1; next <= through; ) {
    const from = next;
    const slice = await askJournal(env, one, (journal) => journal.journalFrom(from, BACKUP_PAGE_BYTES));
    if (slice === null || slice.epoch !== epoch || slice.from !== from) return null;
    events.push(...slice.events.filter((body) => decode<{ seq: number }>(body).seq <= through));
    next = slice.to + 1;
  }
  return events;
}
