// A backup is made in slices, each a stored part and one statement to D1, so that any run of the cron goes on where the last one
// ended. A slice that two have made counts once: the other's part belongs to nothing.
import { and, desc, eq, isNull, sql } from "drizzle-orm";
import type { BackupCounts, BackupPart, JournalPart, PartRef, TablePart } from "../../core/backups.ts";
import { typeId } from "../../core/ids.ts";
import { BACKUP_ACCOUNTS_MAX, BACKUP_GIVEN_UP_MS, BACKUP_MISSING_MAX, BACKUP_PART_CHARS } from "../../core/limits.ts";
import { MARKETS } from "../../core/listings.ts";
import { backups } from "../../db/backup-tables.ts";
import { type Database, type DatabaseBinding, type Guarded, guardD1 } from "../../db/client.ts";
import { knownAccounts } from "../../db/walks.ts";
import { log } from "../../log.ts";
import type { Journalled, ObjectBindings } from "../../objects/stubs.ts";
import { beginJournal, goOn, type OpenJournal } from "./journals.ts";
import { storeManifest, storePart, type Vault } from "./parts.ts";
import { copyRows, type TablePlace, tablesOf } from "./tables.ts";

/** A backup as D1 knows it. */
export type BackupRow = typeof backups.$inferSelect;

/** What backups are made of. */
export type Sources = ObjectBindings & DatabaseBinding;

/** What a backup has come to. */
interface State {
  /** Objects that are next, and the one that is half done. */
  waiting: Journalled[];
  open: OpenJournal | null;
  /** The last account that has been listed. */
  position: string;
  /** Those that had no answer, to be asked once more. */
  again: Journalled[];
  missing: string[];
  /** Tables that are next; null before they have been looked up. */
  tables: string[] | null;
  place: TablePlace | null;
  last: PartRef | null;
}

type Phase = BackupRow["phase"];

/** What a slice has found, and where that leaves its backup. */
interface Step {
  phase: Phase;
  state: State;
  journals: JournalPart[];
  tables: TablePart[];
}

/** A row for a backup that begins now; null `askedBy`: the cron. */
export function newBackup(venue: string, now: number, askedBy: string | null): BackupRow {
  const waiting = MARKETS.map(({ symbol }): Journalled => ({ object: "market", name: `${venue}/${symbol}` }));
  const state: State = {
    waiting,
    open: null,
    position: "",
    again: [],
    missing: [],
    tables: null,
    place: null,
    last: null,
  };
  return {
    id: typeId("bck", now, crypto.getRandomValues(new Uint8Array(10))),
    ...{
      phase: "markets",
      version: 1,
      state: JSON.stringify(state),
      startedAt: now,
      finishedAt: null,
      complete: false,
    },
    ...{ accounts: 0, markets: 0, events: 0, rows: 0, parts: 0, bytes: 0 },
    ...{ missing: [], askedBy, forgottenAt: null },
  };
}

/** The backup that is under way, given up before if it has been for too long; null when there is none. */
export async function underWay(db: Database, now: number): Promise<Guarded<BackupRow | null>> {
  const found = await guardD1(
    db.batch([
      db
        .update(backups)
        .set({ phase: "given_up" })
        .where(and(isNull(backups.finishedAt), sql`${backups.startedAt} < ${now - BACKUP_GIVEN_UP_MS}`)),
      db
        .select()
        .from(backups)
        .where(and(isNull(backups.finishedAt), sql`${backups.phase} <> 'given_up'`))
        .orderBy(desc(backups.startedAt))
        .limit(1),
    ]),
  );
  return found.ok ? { ok: true, value: found.value[1][0] ?? null } : found;
}

/** Makes the next slice. Answers the backup after it; null when D1 or R2 fails, or another run has made this slice. */
export async function nextSlice(
  env: Sources,
  db: Database,
  vault: Vault,
  row: BackupRow,
  now: number,
): Promise<BackupRow | null> {
  const step = await stepOf(env, db, row.phase, JSON.parse(row.state) as State);
  if (!step.ok) return null;
  const { state, journals, tables } = step.value;
  const after = counted({ ...row, phase: step.value.phase, version: row.version + 1 }, journals, tables);
  const isEmpty = journals.length === 0 && tables.every(({ rows }) => rows.length === 0);
  if (!isEmpty) {
    const part: BackupPart = { v: 1, backup: row.id, before: state.last, journals, tables };
    const { bytes, ...ref } = await storePart(vault, part, row.parts + 1);
    state.last = ref;
    Object.assign(after, { parts: row.parts + 1, bytes: row.bytes + bytes });
  }
  after.missing = state.missing;
  if (after.phase === "done") await finish(env, vault, after, state, now);
  const { id: _, ...set } = { ...after, state: JSON.stringify(state) };
  const written = await guardD1(
    db
      .update(backups)
      .set(set)
      .where(and(eq(backups.id, row.id), eq(backups.version, row.version)))
      .returning({ id: backups.id }),
  );
  return written.ok && written.value.length === 1 ? { ...after, state: set.state } : null;
}

async function finish(env: Sources, vault: Vault, row: BackupRow, { last }: State, finishedAt: number): Promise<void> {
  const complete = row.missing.length === 0;
  Object.assign(row, { finishedAt, complete });
  const { id, startedAt, missing } = row;
  await storeManifest(vault, {
    ...{ v: 1, id, venue: env.VENUE, startedAt, finishedAt, complete, missing, last },
    counts: countsOf(row),
  });
  log(complete ? "info" : "error", complete ? "backup_done" : "backup_incomplete", { id, missing, ...countsOf(row) });
}

/** What has been counted of a backup. */
export function countsOf({ accounts, markets, events, rows, parts, bytes }: BackupCounts): BackupCounts {
  return { accounts, markets, events, rows, parts, bytes };
}

function counted(row: BackupRow, journals: readonly JournalPart[], tables: readonly TablePart[]): BackupRow {
  const wholes = journals.filter(({ whole }) => whole);
  return {
    ...row,
    accounts: row.accounts + wholes.filter(({ object }) => object === "account").length,
    markets: row.markets + wholes.filter(({ object }) => object === "market").length,
    events: row.events + journals.reduce((sum, { events }) => sum + events.length, 0),
    rows: row.rows + tables.reduce((sum, { rows }) => sum + rows.length, 0),
  };
}

function stepOf(env: Sources, db: Database, phase: Phase, state: State): Promise<Guarded<Step>> {
  if (state.waiting.length > 0 || state.open !== null) return objectsStep(env, phase, state);
  switch (phase) {
    case "markets":
      return ready({ phase: "accounts", state });
    case "accounts":
      return accountsStep(env, db, state);
    case "again":
      return ready({ phase: "tables", state });
    default:
      return tablesStep(db, state);
  }
}

function ready(step: Pick<Step, "phase" | "state">): Promise<Guarded<Step>> {
  return Promise.resolve({ ok: true, value: { journals: [], tables: [], ...step } });
}

/** Objects one after the other, until the part is full. */
async function objectsStep(env: Sources, phase: Phase, state: State): Promise<Guarded<Step>> {
  const journals: JournalPart[] = [];
  let chars = 0;
  while (chars < BACKUP_PART_CHARS) {
    const { open } = state;
    const next = open ?? state.waiting.shift();
    if (next === undefined) break;
    const copied = await (open === null ? beginJournal(env, next) : goOn(env, open));
    state.open = copied?.open ?? null;
    if (copied === null) unanswered(phase, state, next);
    else if (copied.part.of.seq > 0) journals.push(copied.part);
    chars += copied?.chars ?? 0;
  }
  return { ok: true, value: { phase, state, journals, tables: [] } };
}

/** Asked once more at the end of the walk; named as missing when it has no answer then either. */
function unanswered(phase: Phase, state: State, { object, name }: Journalled): void {
  if (phase === "again") state.missing.push(name);
  else if (state.again.length < BACKUP_MISSING_MAX) state.again.push({ object, name });
  else throw new Error(`more than ${BACKUP_MISSING_MAX} objects do not answer`);
}

async function accountsStep(env: Sources, db: Database, state: State): Promise<Guarded<Step>> {
  const page = await knownAccounts(db, state.position, BACKUP_ACCOUNTS_MAX);
  if (!page.ok) return page;
  const last = page.value.at(-1);
  if (last === undefined) return ready({ phase: "again", state: { ...state, waiting: state.again, again: [] } });
  const waiting = page.value.map((name): Journalled => ({ object: "account", name }));
  return objectsStep(env, "accounts", { ...state, waiting, position: last });
}

async function tablesStep(db: Database, state: State): Promise<Guarded<Step>> {
  if (state.tables === null) {
    const names = await tablesOf(db);
    if (!names.ok) return names;
    state.tables = names.value;
  }
  const tables: TablePart[] = [];
  let chars = 0;
  while (chars < BACKUP_PART_CHARS) {
    const name = state.tables[0];
    if (name === undefined) return { ok: true, value: { phase: "done", state, journals: [], tables } };
    const copied = await copyRows(db, state.place ?? { table: name, after: 0 });
    if (!copied.ok) return copied;
    tables.push(copied.value.part);
    state.place = copied.value.next;
    if (state.place === null) state.tables.shift();
    chars += JSON.stringify(copied.value.part).length;
  }
  return { ok: true, value: { phase: "tables", state, journals: [], tables } };
}
