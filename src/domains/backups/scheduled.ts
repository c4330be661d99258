// What the cron does for backups: goes on with the one that is under way, begins one when it is time, and takes away what is
// not kept any more.
import { and, desc, isNotNull, isNull, sql } from "drizzle-orm";
import { type BackupsBinding, backupBucket } from "../../bindings/backups.ts";
import { backupPrefix, keptBackups } from "../../core/backups.ts";
import { BACKUP_EVERY_MS, BACKUP_MS_MAX, BACKUP_SLICES_MAX, BACKUPS_FORGOTTEN_MAX } from "../../core/limits.ts";
import { backups } from "../../db/backup-tables.ts";
import { type Database, database, guardD1 } from "../../db/client.ts";
import { log } from "../../log.ts";
import type { Vault } from "./parts.ts";
import { backupKeyOf } from "./sealing.ts";
import { type BackupRow, newBackup, nextSlice, type Sources, underWay } from "./taking.ts";

export { archiveJournals } from "./archiving.ts";

/** What backups are made with. */
export type BackupBindings = Sources & BackupsBinding;

/**
 * Goes on with a backup, or begins one {@link BACKUP_EVERY_MS} after the last began, for at most {@link BACKUP_MS_MAX}. `secret`
 * is the key in base64url. Answers the backup as it is then; null when there was none to make. Never throws: what failed is
 * done by the next run.
 */
export async function takeBackups(
  env: BackupBindings,
  secret: string,
  clock: () => number = Date.now,
): Promise<BackupRow | null> {
  const bucket = backupBucket(env);
  if (bucket === null) return null;
  try {
    const db = database(env);
    const vault: Vault = { bucket, key: await backupKeyOf(secret) };
    const begun = await currentBackup(env, db, clock());
    if (begun === null) {
      await forget(db, vault);
      return null;
    }
    return await inSlices(begun, clock, (row) => nextSlice(env, db, vault, row, clock()));
  } catch (error) {
    log("error", "backup_failed", { message: String(error) });
    return null;
  }
}

async function currentBackup(env: Sources, db: Database, now: number): Promise<BackupRow | null> {
  const found = await underWay(db, now);
  if (!found.ok || found.value !== null) return found.ok ? found.value : null;
  const last = await guardD1(
    db.select({ at: backups.startedAt }).from(backups).orderBy(desc(backups.startedAt)).limit(1),
  );
  if (!last.ok || now - (last.value[0]?.at ?? Number.NEGATIVE_INFINITY) < BACKUP_EVERY_MS) return null;
  const row = newBackup(env.VENUE, now, null);
  const written = await guardD1(db.insert(backups).values(row));
  return written.ok ? row : null;
}

/** Slices until it is done, fails, or has taken its time. */
async function inSlices(
  begun: BackupRow,
  clock: () => number,
  slice: (row: BackupRow) => Promise<BackupRow | null>,
): Promise<BackupRow> {
  const until = clock() + BACKUP_MS_MAX;
  let row = begun;
  for (let done = 0; done < BACKUP_SLICES_MAX && row.phase !== "done" && clock() < until; done += 1) {
    const after = await slice(row);
    if (after === null) return row;
    row = after;
  }
  return row;
}

/** Takes away what is not kept, and what was given up. Its row stays, and says so. */
async function forget(db: Database, { bucket }: Vault): Promise<void> {
  const there = and(
    isNull(backups.forgottenAt),
    sql`(${isNotNull(backups.finishedAt)} OR ${backups.phase} = 'given_up')`,
  );
  const found = await guardD1(db.select().from(backups).where(there));
  if (!found.ok) return;
  const finished = found.value.flatMap(({ id, finishedAt: at, complete }) =>
    at === null ? [] : [{ id, at, complete }],
  );
  const kept = keptBackups(finished);
  const gone = found.value.filter(({ id }) => !kept.has(id)).slice(0, BACKUPS_FORGOTTEN_MAX);
  for (const { id } of gone) {
    if (!(await bucket.clear(backupPrefix(id)))) continue;
    await guardD1(db.update(backups).set({ forgottenAt: Date.now() }).where(sql`${backups.id} = ${id}`));
  }
}
