// Backups as operators see them, and have one made.
import { desc, lt } from "drizzle-orm";
import { type BackupsBinding, backupBucket } from "../../bindings/backups.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { backups } from "../../db/backup-tables.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { idCursor, type PageWish, pageById, type WirePage } from "../../http/page.ts";
import { log } from "../../log.ts";
import type { OperatorAct } from "../../objects/protocol.ts";
import type { WireBackup } from "./schema.ts";
import { type BackupRow, countsOf, newBackup, type Sources, underWay } from "./taking.ts";

/** Backups, newest first. Refuses a wrong cursor (`validation_failed`), and `unavailable` while D1 is away. */
export async function listBackups(env: DatabaseBinding, wish: PageWish): Promise<Result<WirePage<WireBackup>>> {
  const cursor = idCursor("bck", wish.cursor);
  if (!cursor.ok) return cursor;
  const found = await guardD1(
    database(env)
      .select()
      .from(backups)
      .where(cursor.value === null ? undefined : lt(backups.id, cursor.value))
      .orderBy(desc(backups.id))
      .limit(wish.limit + 1),
  );
  return found.ok ? ok(pageById(found.value, wish.limit, wireBackup)) : found;
}

/** Has a backup begun, or answers the one that is under way. Refuses `unavailable`, also where there is no bucket for it. */
export async function askForBackup(
  env: Sources & BackupsBinding,
  { by, reason }: OperatorAct,
  now: number,
): Promise<Result<WireBackup>> {
  if (backupBucket(env) === null) return refuse({ code: "unavailable", detail: "This deployment has no bucket." });
  const db = database(env);
  const running = await underWay(db, now);
  if (!running.ok) return running;
  if (running.value !== null) return ok(wireBackup(running.value));
  const row = newBackup(env.VENUE, now, by);
  const written = await guardD1(db.insert(backups).values(row));
  if (!written.ok) return written;
  log("warn", "backup_asked", { id: row.id, by, reason });
  return ok(wireBackup(row));
}

function wireBackup(row: BackupRow): WireBackup {
  const { id, startedAt, finishedAt, askedBy: asked_by, missing } = row;
  return {
    id,
    status: statusOf(row),
    started_at: wireTime(startedAt),
    finished_at: finishedAt === null ? null : wireTime(finishedAt),
    ...{ asked_by, missing, counts: countsOf(row) },
  };
}

function statusOf({ phase, complete, forgottenAt }: BackupRow): WireBackup["status"] {
  if (forgottenAt !== null) return "forgotten";
  if (phase === "given_up") return "given_up";
  if (phase !== "done") return "running";
  return complete ? "complete" : "incomplete";
}
