// The bounds of backups, with their units and reasons, as in limits.ts.

/** Pause between the beginnings of two backups: what a loss of everything would cost at most, with the time that one takes. */
export const BACKUP_EVERY_MS = 3_600_000;
/** Time for a backup in one run of the cron, and its slices: each is one stored part and one statement to D1. */
export const BACKUP_MS_MAX = 20_000;
export const BACKUP_SLICES_MAX = 20;
/** Age of a backup that has not ended from which on it is left, and another one begins. */
export const BACKUP_GIVEN_UP_MS = 21_600_000;
/** Accounts that one slice asks; most have a few KB. */
export const BACKUP_ACCOUNTS_MAX = 50;
/** Journal text in one part: it is held a few times in a memory of 128 MB, as text, packed, sealed, and read back. */
export const BACKUP_PART_CHARS = 4_000_000;
/** Journal text asked of an object at once: some ms of its time. */
export const BACKUP_PAGE_BYTES = 500_000;
/** Rows of one table in a slice. */
export const BACKUP_ROWS_MAX = 500;
/** Objects without an answer that a backup asks once more and names; with more than that it is given up. */
export const BACKUP_MISSING_MAX = 500;
/** Finished backups that are kept whatever their age, and of how many days and weeks the last one is. */
export const BACKUPS_LATEST_KEPT = 6;
export const BACKUP_DAYS_KEPT = 7;
export const BACKUP_WEEKS_KEPT = 5;
/** Backups that are forgotten in one run of the cron: each may have a thousand parts. */
export const BACKUPS_FORGOTTEN_MAX = 2;
