// What the cron does for retention: once a day it archives of each object what is older than is kept, and has it cut there. Nothing is cut
// that has not been read back from the archive, or that the read model does not have.
import { and, desc, eq } from "drizzle-orm";
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
import { storeArchive, type Vault } from "./parts.ts";
import type { BackupBindings } from "./scheduled.ts";
import { backupKeyOf } from "./sealing.ts";

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
 * {@link ARCHIVE_MS_MAX}. Never throws: what failed is done another day, and what was archived and not cut is archived again.
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
    const page = await accountsAfter(db, placeOf(WALK, midnight), ARCHIVE_OBJECTS_MAX);
    if (!page.ok || page.value.length === 0) return report;
    // Before they are asked: one that broke the walk would otherwise be in the way of all behind it, for the whole day.
    const end = page.value.length < ARCHIVE_OBJECTS_MAX ? WALK_END : (page.value.at(-1)?.id ?? WALK_END);
    if (!(await keepPlace(db, WALK, end, nowMs)).ok) return report;
    const accounts = page.value.map(({ id }): Journalled => ({ object: "account", name: id }));
    const markets = MARKETS.map(({ symbol }): Journalled => ({ object: "market", name: `${env.VENUE}/${symbol}` }));
    for (const one of end === WALK_END ? [...accounts, ...markets] : accounts) {
      for (let goesOn = true; goesOn && clock() < until; ) {
        const done = await archiveOne(env, db, vault, one, midnight - retentionDays * DAY_MS);
        goesOn = done === "cut";
        if (done === "cut") report.cut += 1;
        if (done === "left") report.left += 1;
      }
    }
  } catch (error) {
    log("error", "archive_failed", { message: String(error) });
  }
  if (report.cut + report.left > 0) log(report.left > 0 ? "warn" : "info", "journals_archived", { ...report });
  return report;
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
  const events = await eventsOf(env, one, wanted);
  if (last === undefined || events === null) return "left";
  const { epoch, after, through, before } = wanted;
  const part: ArchivePart = { v: 1, ...one, epoch, from: after + 1, to: through, before, last, events };
  const { key, sha256, bytes } = await storeArchive(vault, part);
  const row = { ...one, key, epoch, fromSeq: part.from, toSeq: part.to, before, sha256, bytes, archivedAt: Date.now() };
  if (!(await guardD1(db.insert(archives).values(row))).ok) return "left";
  const done = await askJournal(env, one, (journal) => journal.cut(wanted));
  return done?.ok === true ? "cut" : "left";
}

/** What was archived of an object last; null when nothing was, undefined when D1 does not say. */
async function lastOf(db: Database, { object, name }: Journalled): Promise<PartRef | null | undefined> {
  const found = await guardD1(
    db
      .select({ key: archives.key, sha256: archives.sha256 })
      .from(archives)
      .where(and(eq(archives.object, object), eq(archives.name, name)))
      .orderBy(desc(archives.epoch), desc(archives.fromSeq), desc(archives.archivedAt))
      .limit(1),
  );
  return found.ok ? (found.value[0] ?? null) : undefined;
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
