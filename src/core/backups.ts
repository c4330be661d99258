// What a backup consists of, and which backups are kept.
import { BACKUP_DAYS_KEPT, BACKUP_WEEKS_KEPT, BACKUPS_LATEST_KEPT, DAY_MS } from "./limits.ts";

/** An object as of its last event: what a replay of its journal must give again. `head` is its ledger's last entry. */
export interface Fingerprint {
  epoch: number;
  seq: number;
  hash: string;
  head: string;
}

/** Events of one object's journal as they are stored, one after the other. `of` is the object when its backup began. */
export interface JournalPart {
  object: "account" | "market";
  name: string;
  of: Fingerprint;
  /** Whether these are its last ones up to `of.seq`. */
  whole: boolean;
  events: string[];
}

/** Rows of one table of D1. */
export interface TablePart {
  table: string;
  rows: Record<string, string | number | null>[];
}

/** Where a part is, and the SHA-256 of its text in hex. */
export interface PartRef {
  key: string;
  sha256: string;
}

/** One stored piece of a backup: parts name the one before them, so that the last one names all. */
export interface BackupPart {
  v: 1;
  backup: string;
  before: PartRef | null;
  journals: JournalPart[];
  tables: TablePart[];
}

/**
 * Events that an object has cut: all from `from` to `to`, which were at or before the time `before` (ms). `last`: what was archived of
 * the object before.
 */
export interface ArchivePart {
  v: 1;
  object: "account" | "market";
  name: string;
  epoch: number;
  from: number;
  to: number;
  before: number;
  last: PartRef | null;
  events: string[];
}

/** What all keys of an object's archive begin with. */
export function archivePrefix({ object, name }: Pick<ArchivePart, "object" | "name">): string {
  return `archives/${object}/${name}/`;
}

/** What has been counted. `rows` and `bytes` are of D1 and of what is stored. */
export interface BackupCounts {
  accounts: number;
  markets: number;
  events: number;
  rows: number;
  parts: number;
  bytes: number;
}

/** What a backup says of itself. Not `complete`: the objects in `missing` did not answer, and nothing of them is in it. */
export interface BackupManifest {
  v: 1;
  id: string;
  venue: string;
  startedAt: number;
  finishedAt: number;
  complete: boolean;
  missing: string[];
  counts: BackupCounts;
  last: PartRef | null;
}

/** The place of a backup's manifest. */
export function manifestKey(id: string): string {
  return `${backupPrefix(id)}manifest`;
}

/** What all keys of a backup begin with. */
export function backupPrefix(id: string): string {
  return `backups/${id}/`;
}

/**
 * Tables in the order in which a backup copies them: whoever refers to others before these, so that no row refers to one that has been
 * made since. A restore fills them the other way round.
 */
export function referringFirst(
  tables: readonly string[],
  references: readonly { from: string; to: string }[],
): string[] {
  const ordered = new Set<string>();
  const place = (table: string, above: readonly string[]) => {
    if (ordered.has(table) || above.includes(table)) return;
    for (const { to } of references.filter(({ from }) => from === table)) place(to, [...above, table]);
    ordered.add(table);
  };
  for (const table of tables) place(table, []);
  return [...ordered].filter((table) => tables.includes(table)).reverse();
}

/**
 * Which finished backups are kept: the latest {@link BACKUPS_LATEST_KEPT}, the last one of each of the latest
 * {@link BACKUP_DAYS_KEPT} UTC days and {@link BACKUP_WEEKS_KEPT} weeks that have one. Incomplete ones count among the latest alone.
 */
export function keptBackups(finished: readonly { id: string; at: number; complete: boolean }[]): Set<string> {
  const newest = [...finished].sort((a, b) => b.at - a.at);
  const whole = newest.filter(({ complete }) => complete);
  const lastOfEach = (ms: number, most: number) => {
    const seen = new Map<number, string>();
    for (const { id, at } of whole) {
      const span = Math.floor(at / ms);
      if (!seen.has(span) && seen.size < most) seen.set(span, id);
    }
    return [...seen.values()];
  };
  return new Set([
    ...newest.slice(0, BACKUPS_LATEST_KEPT).map(({ id }) => id),
    // While later ones fail, the last that is whole stays, whatever its age.
    ...whole.slice(0, 1).map(({ id }) => id),
    ...lastOfEach(DAY_MS, BACKUP_DAYS_KEPT),
    ...lastOfEach(7 * DAY_MS, BACKUP_WEEKS_KEPT),
  ]);
}
