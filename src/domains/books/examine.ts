// One slice of a check: some objects, what the read model has of them, and what they say themselves.
import { sql } from "drizzle-orm";
import { addBooked, addNow, type Cut } from "../../core/contra.ts";
import type { Amount, Booked, Exam, Figures } from "../../core/exam.ts";
import { CHECK_PAIR_PAUSE_MS, CHECK_PAIR_TRIES, CHECK_ROWS_MAX } from "../../core/limits.ts";
import {
  type BreakKind,
  type Compared,
  type Copy,
  compare,
  type Finding,
  forgedEntry,
  type HashClaim,
  ownFindings,
} from "../../core/reconcile.ts";
import { checkMarks } from "../../db/books-tables.ts";
import { type Database, type DatabaseBinding, database, type Guarded, guardD1 } from "../../db/client.ts";
import type { ObjectKind } from "../../db/read-model.ts";
import { answerOf, askInWalk, askJournal, marketStub, type ObjectBindings } from "../../objects/stubs.ts";
import { type BreakRow, type Found, mended, openBreaksOf } from "./breaks.ts";
import { readCopies, type Wanted } from "./copies.ts";

/** What checks are made with. */
export interface BooksBindings extends DatabaseBinding, ObjectBindings {
  /** How long a report is waited for, if not {@link CHECK_PAIR_PAUSE_MS}: simulated time has no pauses. */
  pairPauseMs?: number;
}

/** Where the next check goes on in an object. */
export type Mark = typeof checkMarks.$inferSelect;

/** What came of some objects. `unreached`: those that have not answered, of whom nothing is known this time. */
export interface Examined {
  figures: Map<string, Figures>;
  found: Found[];
  closed: BreakRow[];
  marks: Mark[];
  unreached: string[];
}

interface Asked {
  wanted: Wanted;
  copy: Copy;
  open: BreakRow[];
  mark: Mark | undefined;
}

/** The digest of a text in lower-case hex. */
export async function sha256Hex(text: string): Promise<string> {
  return hexOf(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

/** Bytes in lower-case hex. */
export function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Looks at markets by their names. Fails when D1 does. */
export function examineMarkets(env: BooksBindings, names: readonly string[], now: number): Promise<Guarded<Examined>> {
  return examine(env, { object: "market", names, now }, ({ wanted, copy }) => {
    const question = { applied: copy.applied, orders: wanted.orders, entries: wanted.entries, cuts: [] };
    return askJournal(env, { object: "market", name: wanted.name }, (market) => market.inspect(question));
  });
}

/** Looks at accounts, and adds what they have booked to the markets' cuts. Fails when D1 does; `cuts` are then of no use. */
export async function examineAccounts(
  env: BooksBindings,
  names: readonly string[],
  cuts: readonly Cut[],
  now: number,
): Promise<Guarded<Examined>> {
  const told = await Promise.all(cuts.map((cut) => toldBy(env, cut, names)));
  const wishOf = (name: string) =>
    told.flatMap((byName, index) => {
      const [cut, rseq] = [cuts[index], byName?.get(name)];
      return cut === undefined || rseq === undefined ? [] : [{ symbol: cut.symbol, rseq }];
    });
  const booked = new Map<string, Booked[]>();
  const examined = await examine(env, { object: "account", names, now }, async (one) => {
    const exam = await askAccount(env, one, wishOf(one.wanted.name));
    if (exam?.figures) booked.set(one.wanted.name, exam.figures.booked);
    return exam;
  });
  if (!examined.ok) return examined;
  for (const name of names) {
    const figures = examined.value.figures.get(name);
    // One without an answer is asked again at the end; one that cannot be read has nothing to say.
    if (figures === undefined && !examined.value.unreached.includes(name))
      for (const { symbol } of wishOf(name)) unjudge(cuts, symbol, `${name} cannot be read`);
    if (figures === undefined) continue;
    for (const cut of cuts) addNow(cut, figures.money);
    if (figures.restoring) for (const { symbol } of figures.booked) unjudge(cuts, symbol, `${name} is being restored`);
    for (const { symbol, rseq } of wishOf(name)) {
      const one = booked.get(name)?.find((pair) => pair.symbol === symbol);
      const cut = cuts.find((market) => market.symbol === symbol);
      if (one === undefined || cut === undefined) continue;
      const owed = one.rseq < rseq ? await owedTo(env, symbol, name, one.rseq, rseq) : [];
      if (owed === null) unjudge(cuts, symbol, `${symbol} could not be asked`);
      addBooked(cut, one, owed ?? []);
    }
  }
  return examined;
}

function unjudge(cuts: readonly Cut[], symbol: string, because: string): void {
  const cut = cuts.find((one) => one.symbol === symbol);
  if (cut !== undefined) cut.unjudged ??= because;
}

async function toldBy(env: BooksBindings, cut: Cut, names: readonly string[]): Promise<Map<string, number> | null> {
  const { symbol, seq } = cut;
  const told = await answerOf({ object: "market", name: symbol }, async () =>
    marketStub(env, symbol).toldBy(seq, [...names]),
  );
  if (told === null) cut.unjudged ??= `${symbol} could not be asked`;
  return told === null ? null : new Map(told.map(({ account, rseq }) => [account, rseq]));
}

/** Asks again while a report up to the cut has not been applied: it is most likely on its way. */
async function askAccount(env: BooksBindings, { wanted, copy }: Asked, cuts: { symbol: string; rseq: number }[]) {
  const { name, orders, entries } = wanted;
  const question = { applied: copy.applied, orders, entries, cuts };
  for (let tries = 1; ; tries += 1) {
    const exam = await askJournal(env, { object: "account", name }, (account) => account.inspect(question));
    const late = cuts.some(({ symbol, rseq }) =>
      exam?.figures?.booked.some((one) => one.symbol === symbol && one.rseq < rseq),
    );
    if (!late || tries === CHECK_PAIR_TRIES) return exam;
    await new Promise((resolve) => setTimeout(resolve, env.pairPauseMs ?? CHECK_PAIR_PAUSE_MS));
  }
}

/** What a market has moved with reports that an account has not applied; null when it cannot say. */
async function owedTo(env: BooksBindings, symbol: string, account: string, from: number, to: number) {
  const amounts: Amount[] = [];
  for (let after = from; after < to; ) {
    const part = await answerOf({ object: "market", name: symbol }, async () =>
      marketStub(env, symbol).owed(account, after, to),
    );
    if (part === null || part.upTo <= after) return null;
    amounts.push(...part.amounts);
    after = part.upTo;
  }
  return amounts;
}

interface Slice {
  object: ObjectKind;
  names: readonly string[];
  now: number;
}

async function examine(
  env: BooksBindings,
  slice: Slice,
  ask: (one: Asked) => Promise<Exam | null>,
): Promise<Guarded<Examined>> {
  const asked = await prepare(database(env), slice);
  if (!asked.ok) return asked;
  const examined: Examined = { figures: new Map(), found: [], closed: [], marks: [], unreached: [] };
  await Promise.all(asked.value.map(async (one) => judge(examined, slice, one, await ask(one))));
  return { ok: true, value: examined };
}

async function prepare(db: Database, { object, names }: Slice): Promise<Guarded<Asked[]>> {
  const among = sql`(SELECT value FROM json_each(${JSON.stringify(names)}))`;
  const known = await guardD1(
    db.batch([
      openBreaksOf(db, object, among),
      db.select().from(checkMarks).where(sql`object = ${object} AND name IN ${among}`),
    ]),
  );
  if (!known.ok) return known;
  const [open, marks] = known.value;
  const one = names.map((name) => {
    const ofIt = open.filter((row) => row.name === name);
    const also = (kind: BreakKind) => ofIt.filter((row) => row.kind === kind).map(({ subject }) => subject);
    const mark = marks.find((row) => row.name === name);
    const limit = CHECK_ROWS_MAX;
    const orders = { after: mark?.ordersAfter ?? "", limit, also: also("order") };
    const entries = { after: mark?.entriesAfter ?? 0, limit, also: also("entry").map(Number) };
    return { wanted: { name, orders, entries }, open: ofIt, mark };
  });
  const copies = await readCopies(
    db,
    object,
    one.map(({ wanted }) => wanted),
  );
  if (!copies.ok) return copies;
  return {
    ok: true,
    value: one.flatMap((asked) => {
      const copy = copies.value.get(asked.wanted.name);
      return copy === undefined ? [] : [{ ...asked, copy }];
    }),
  };
}

async function judge(to: Examined, { object, now }: Slice, one: Asked, exam: Exam | null): Promise<void> {
  const { wanted, copy, open, mark } = one;
  const { name } = wanted;
  if (exam === null) {
    to.unreached.push(name);
    return;
  }
  const { figures } = exam;
  const compared = figures === null ? null : compare(figures, copy, wanted, now);
  const forged = await Promise.all((compared?.claims ?? []).map(forgery));
  const findings = [...ownFindings(exam), ...(compared?.findings ?? []), ...forged.flat()];
  const found = findings.map((finding): Found => ({ ...finding, object, name }));
  const judged = new Set(judgedKinds(figures, compared));
  to.found.push(...found);
  to.closed.push(...mended(open, found).filter(({ kind }) => judged.has(kind)));
  if (figures !== null) to.figures.set(name, figures);
  if (compared === null) return;
  const { ordersAfter, entriesAfter } = compared;
  const next: Mark = { object, name, ordersAfter, entriesAfter };
  if (mark !== undefined || ordersAfter !== "" || entriesAfter !== 0) to.marks.push(next);
}

async function forgery(claim: HashClaim): Promise<Finding[]> {
  const hash = await sha256Hex(claim.text);
  return hash === claim.hash ? [] : [forgedEntry(claim, hash)];
}

/** The kinds that were really looked for: breaks of another kind are not over because they were not seen. */
function judgedKinds(figures: Figures | null, compared: Compared | null): BreakKind[] {
  return [
    "unreachable",
    "stopped",
    ...(figures === null ? [] : (["invariants", "stored", "head", "not_applied"] as const)),
    ...(figures?.asApplied ? (["balance", "order_count", "entry_count", "chain", "entry"] as const) : []),
    ...(compared?.ordersSeen === true ? (["order"] as const) : []),
  ];
}

/** What an account owed its customer at a time; null while it cannot say. */
export function askOwed(env: BooksBindings, name: string, atMs: number) {
  return askInWalk(env, name, (account) => account.owedAt(atMs));
}
