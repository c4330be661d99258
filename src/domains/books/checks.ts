// A check goes round all objects in slices. What it has added up is in D1, so that any run of the cron goes on where the last
// one ended; a slice that two have done at once counts once.
import { and, asc, desc, eq, getTableColumns, isNotNull, isNull, type SQL, sql } from "drizzle-orm";
import { decode, encode } from "../../core/codec.ts";
import {
  addMoney,
  type Cut,
  contraFindings,
  cutOf,
  LINES,
  type Line,
  type Sums,
  settledSums,
  sumFindings,
  totalOf,
} from "../../core/contra.ts";
import type { Figures } from "../../core/exam.ts";
import { typeId } from "../../core/ids.ts";
import { formatUnits } from "../../core/ledger.ts";
import { CHECK_ACCOUNTS_MAX, CHECK_EVERY_MS, CHECK_GIVEN_UP_MS, CHECK_UNREACHED_MAX } from "../../core/limits.ts";
import { MARKETS } from "../../core/listings.ts";
import { checkMarks, checks } from "../../db/books-tables.ts";
import { type Database, database, type Guarded, guardD1 } from "../../db/client.ts";
import { knownAccounts } from "../../db/walks.ts";
import { closeBreaks, type Found, keepFound, mended, openBreaksOf } from "./breaks.ts";
import { type BooksBindings, type Examined, examineAccounts, examineMarkets } from "./examine.ts";

/** A check as it is stored. */
export type CheckRow = typeof checks.$inferSelect;

/** What a check has added up so far. `again`: accounts without an answer, to be asked once more; `unreached`: still without. */
interface State {
  cuts: Cut[];
  sums: Sums;
  again: string[];
  unreached: number;
}

/** What a finished check says. Amounts are decimals; `unjudged` are markets whose books could not be held against their accounts'. */
export interface CheckResult {
  sums: { asset: string; total: string; lines: Record<Line, string> }[];
  unjudged: string[];
  unreached: number;
}

/** What a slice changes of its check, and what it writes besides. */
interface Step {
  row: Partial<CheckRow>;
  state: State;
  examined: Pick<Examined, "found" | "closed" | "marks">;
}

const NOTHING = { found: [], closed: [], marks: [] };

/** The check that is under way, or a new one when the last one began long enough ago; null when there is nothing to do. */
export async function currentCheck(db: Database, now: number): Promise<Guarded<CheckRow | null>> {
  const last = await guardD1(db.select().from(checks).orderBy(desc(checks.startedAt)).limit(1));
  if (!last.ok) return last;
  const [row] = last.value;
  const underWay = row !== undefined && row.finishedAt === null && row.phase !== "given_up";
  if (underWay && now - row.startedAt < CHECK_GIVEN_UP_MS) return { ok: true, value: row };
  if (!underWay && row !== undefined && now - row.startedAt < CHECK_EVERY_MS) return { ok: true, value: null };
  const begun = await guardD1(
    db.batch([
      db
        .update(checks)
        .set({ phase: "given_up" })
        .where(and(isNull(checks.finishedAt), eq(checks.id, row?.id ?? ""))),
      db.insert(checks).select(unlessBegun(now)).returning(),
    ]),
  );
  return begun.ok ? { ok: true, value: begun.value[1][0] ?? null } : begun;
}

/** Another run of the cron may have seen the same, and begun. */
function unlessBegun(now: number): SQL {
  const row = beginning(now);
  const values = Object.keys(getTableColumns(checks)).map((key) => sql`${row[key as keyof CheckRow]}`);
  return sql`SELECT ${sql.join(values, sql`, `)} WHERE NOT EXISTS
    (SELECT 1 FROM checks WHERE started_at > ${now - CHECK_EVERY_MS} AND phase <> 'given_up')`;
}

function beginning(startedAt: number): CheckRow {
  const state: State = { cuts: [], sums: {}, again: [], unreached: 0 };
  return {
    id: typeId("chk", startedAt, crypto.getRandomValues(new Uint8Array(10))),
    ...{ phase: "markets", position: "", version: 1, state: encode(state), startedAt, finishedAt: null },
    ...{ accounts: 0, markets: 0, orders: 0, entries: 0, result: null },
  };
}

/** Does the next slice. Answers the check after it; null when D1 fails, or another run has done this slice. */
export async function nextSlice(env: BooksBindings, row: CheckRow, now: number): Promise<CheckRow | null> {
  const db = database(env);
  // A copy of its own: a slice that fails half way must leave nothing behind.
  const state = decode<State>(row.state);
  const step = await stepOf(env, db, row, state, now);
  if (!step.ok) return null;
  const { row: changed, examined } = step.value;
  const after: CheckRow = { ...row, ...changed, state: encode(step.value.state), version: row.version + 1 };
  const { id: _, ...set } = after;
  const written = await guardD1(
    db.batch([
      db
        .update(checks)
        .set(set)
        .where(and(eq(checks.id, row.id), eq(checks.version, row.version)))
        .returning({ id: checks.id }),
      keepFound(db, examined.found, now),
      closeBreaks(
        db,
        examined.closed.map(({ id }) => id),
        now,
      ),
      keepMarks(db, examined.marks),
    ]),
  );
  return written.ok && written.value[0].length === 1 ? after : null;
}

function stepOf(env: BooksBindings, db: Database, row: CheckRow, state: State, now: number): Promise<Guarded<Step>> {
  if (row.phase === "markets") return marketsStep(env, row, state, now);
  return row.phase === "accounts" ? accountsStep(env, db, row, state, now) : lastStep(env, db, row, state, now);
}

async function marketsStep(env: BooksBindings, row: CheckRow, state: State, now: number): Promise<Guarded<Step>> {
  const nameOf = (symbol: string) => `${env.VENUE}/${symbol}`;
  const examined = await examineMarkets(
    env,
    MARKETS.map(({ symbol }) => nameOf(symbol)),
    now,
  );
  if (!examined.ok) return examined;
  for (const { symbol } of MARKETS) {
    const figures = examined.value.figures.get(nameOf(symbol));
    if (figures === undefined) continue;
    state.cuts.push(cutOf(symbol, figures));
    addMoney(state.sums, "market", figures.money);
  }
  const found = [...examined.value.found, ...unreached("market", examined.value.unreached)];
  const counted = { ...row, phase: "accounts" as const, markets: examined.value.figures.size };
  return { ok: true, value: { row: counted, state, examined: { ...examined.value, found } } };
}

function unreached(object: "account" | "market", names: readonly string[]): Found[] {
  return names.map((name) => ({
    kind: "unreachable",
    object,
    name,
    subject: "",
    expected: "an answer",
    found: "none",
  }));
}

async function accountsStep(
  env: BooksBindings,
  db: Database,
  row: CheckRow,
  state: State,
  now: number,
): Promise<Guarded<Step>> {
  const names = await knownAccounts(db, row.position, CHECK_ACCOUNTS_MAX);
  if (!names.ok) return names;
  const last = names.value.at(-1);
  if (last === undefined) return { ok: true, value: { row: { phase: "again" }, state, examined: NOTHING } };
  const examined = await examineAccounts(env, names.value, state.cuts, now);
  if (!examined.ok) return examined;
  state.again.push(...examined.value.unreached);
  const beyond = state.again.splice(CHECK_UNREACHED_MAX).length;
  state.unreached += beyond;
  if (beyond > 0) unjudgeAll(state, "too many accounts could not be asked");
  const counted = countAccounts(row, state, examined.value.figures);
  return { ok: true, value: { row: { ...counted, position: last }, state, examined: examined.value } };
}

function countAccounts(row: CheckRow, state: State, figures: ReadonlyMap<string, Figures>): Partial<CheckRow> {
  let { accounts, orders, entries } = row;
  for (const one of figures.values()) {
    addMoney(state.sums, "account", one.money);
    accounts += 1;
    orders += one.orders;
    entries += one.entries;
  }
  return { accounts, orders, entries };
}

/** Asks those once more who had no answer, and judges the sums. */
async function lastStep(
  env: BooksBindings,
  db: Database,
  row: CheckRow,
  state: State,
  now: number,
): Promise<Guarded<Step>> {
  const some = state.again.splice(0, CHECK_ACCOUNTS_MAX);
  if (some.length === 0) return finish(env, db, { row, state, examined: NOTHING }, now);
  const examined = await examineAccounts(env, some, state.cuts, now);
  if (!examined.ok) return examined;
  const counted = countAccounts(row, state, examined.value.figures);
  const missing = examined.value.unreached;
  state.unreached += missing.length;
  if (missing.length > 0) unjudgeAll(state, "an account could not be asked");
  const found = [...examined.value.found, ...unreached("account", missing)];
  const { closed, marks } = examined.value;
  if (state.again.length > 0) return { ok: true, value: { row: counted, state, examined: { found, closed, marks } } };
  return finish(env, db, { row: { ...row, ...counted }, state, examined: { found, closed, marks } }, now);
}

function unjudgeAll(state: State, because: string): void {
  for (const cut of state.cuts) cut.unjudged ??= because;
}

async function finish(
  env: BooksBindings,
  db: Database,
  { row, state, examined }: Step,
  now: number,
): Promise<Guarded<Step>> {
  const sums = settledSums(state.sums, state.cuts);
  const ofMarkets = state.cuts.flatMap((cut) =>
    contraFindings(cut).map((one): Found => ({ ...one, object: "market", name: `${env.VENUE}/${cut.symbol}` })),
  );
  const ofAll = sumFindings(sums).map((one): Found => ({ ...one, object: "exchange", name: env.VENUE }));
  const judged = state.cuts.filter(({ unjudged }) => unjudged === null).map(({ symbol }) => `${env.VENUE}/${symbol}`);
  const among = sql`(SELECT value FROM json_each(${JSON.stringify(judged)}))`;
  const open = await guardD1(
    db.batch([openBreaksOf(db, "market", among), openBreaksOf(db, "exchange", sql`(${env.VENUE})`)]),
  );
  if (!open.ok) return open;
  const [markets, exchange] = open.value;
  const contra = markets.filter(({ kind }) => ["contra", "fees", "accounts"].includes(kind));
  const found = [...examined.found, ...ofMarkets, ...ofAll];
  const closed = [...examined.closed, ...mended([...contra, ...exchange], found)];
  const result: CheckResult = {
    sums: shownSums(sums),
    unjudged: MARKETS.map(({ symbol }) => symbol).filter((symbol) => !judged.includes(`${env.VENUE}/${symbol}`)),
    unreached: state.unreached,
  };
  const done = { ...row, phase: "done" as const, finishedAt: now, result: JSON.stringify(result) };
  // What it was made of is of no use any more, and grows with the number of markets.
  const empty: State = { cuts: [], sums: {}, again: [], unreached: 0 };
  return { ok: true, value: { row: done, state: empty, examined: { ...examined, found, closed } } };
}

function shownSums(sums: Sums): CheckResult["sums"] {
  return Object.entries(sums)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([asset, lines]) => ({
      asset,
      total: formatUnits(totalOf(lines), asset),
      lines: Object.fromEntries(LINES.map((line) => [line, formatUnits(lines[line], asset)])) as Record<Line, string>,
    }));
}

function keepMarks(db: Database, marks: Examined["marks"]) {
  const rows = marks.map(({ object, name, ordersAfter, entriesAfter }) => [object, name, ordersAfter, entriesAfter]);
  return db
    .insert(checkMarks)
    .select(
      sql`SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(${JSON.stringify(rows)}) WHERE true`,
    )
    .onConflictDoUpdate({
      target: [checkMarks.object, checkMarks.name],
      set: { ordersAfter: sql`excluded.orders_after`, entriesAfter: sql`excluded.entries_after` },
    });
}

/** The last check that has been finished; undefined before the first. */
export async function lastFinished(db: Database): Promise<Guarded<CheckRow | undefined>> {
  const found = await guardD1(
    db.select().from(checks).where(isNotNull(checks.finishedAt)).orderBy(desc(checks.finishedAt)).limit(1),
  );
  return found.ok ? { ok: true, value: found.value[0] } : found;
}

/** Forgets checks that are long over. */
export function forgetChecks(db: Database, before: number) {
  return db
    .delete(checks)
    .where(sql`id IN (SELECT id FROM checks WHERE started_at < ${before} ORDER BY ${asc(checks.startedAt)} LIMIT 500)`);
}
