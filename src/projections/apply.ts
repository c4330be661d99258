// The read model's tables: slices and the heads that they move are one D1 batch, and every row of it is guarded by the head
// that it follows. Whoever comes second, or with an old head, changes nothing.
import { type Database, type Guarded, guardD1, runWritten, type Written } from "../db/client.ts";
import { type Source, sourceKey, sourcesText } from "../db/heads.ts";
import type { Rows } from "./rows.ts";
import { readSlice, type Slice } from "./slice.ts";
import { rowsText, statements, TABLE_NAMES } from "./statements.ts";

/** How far an object has been applied, and the kept slice that can be applied now, if any. */
export interface Position {
  head: number;
  next: Slice | null;
}

/** Where an object stands of which nothing has been applied. */
export const NOWHERE: Position = { head: 0, next: null };

/** A slice, and the head of its object that its first new event follows. */
export interface Step {
  slice: Slice;
  head: number;
}

/** A written statement, and the values of its placeholders. */
type Filled = readonly [Written, Readonly<Record<string, unknown>>];

/** Where objects stand now, in the order given. */
export async function readPositions(db: Database, sources: readonly Source[]): Promise<Guarded<Position[]>> {
  return runThenPositions(db, sources, []);
}

/**
 * Applies slices of different objects as one D1 batch, and answers where each object stands then. Each is guarded for
 * itself: when D1 has another head for it by then, it changes nothing and the answer says so; the caller decides anew. A
 * failure leaves all as it was, or, when only the answer was lost, all applied.
 */
export async function applySlices(db: Database, steps: readonly Step[], atMs: number): Promise<Guarded<Position[]>> {
  const { beginAnew, into, forget, moveHeads } = statements(db);
  const wanted = JSON.stringify(
    steps.map(({ slice: { source, to }, head }) => [source.object, source.name, source.epoch, head, to]),
  );
  const gathered = steps.map(({ slice, head }) => gather(slice, head));
  const inserts = TABLE_NAMES.flatMap((name): Filled[] => {
    const rows = rowsText(
      name,
      gathered.map((ofStep) => ofStep[name]),
    );
    return rows === null ? [] : [[into[name], { rows, wanted }]];
  });
  const bases = gathered.flatMap(({ bases: ofStep }, step) =>
    ofStep.map((base): Filled => [beginAnew, { ...base, step, wanted }]),
  );
  const cuts = gathered.flatMap(({ cuts: ofStep }, step) =>
    ofStep.flatMap((cut) => forget[cut.object].map((statement): Filled => [statement, { ...cut, step, wanted }])),
  );
  const sources = steps.map(({ slice }) => slice.source);
  return runThenPositions(db, sources, [...bases, ...inserts, ...cuts, [moveHeads, { wanted, atMs }]]);
}

/** Keeps a slice that came too early, and answers where its object stands then. Keeping it twice keeps it once. */
export async function keepSlice(db: Database, slice: Slice, atMs: number): Promise<Guarded<Position>> {
  const { source, from: fromSeq, to: toSeq, bodies } = slice;
  const kept = { ...source, fromSeq, toSeq, events: bodies, keptAt: atMs };
  const positions = await runThenPositions(db, [source], [[statements(db).keepSlice, kept]]);
  return positions.ok ? { ok: true, value: positions.value[0] ?? NOWHERE } : positions;
}

/** A head, and the kept slice that fits to it, if any, as D1 answers them. */
type PositionRow = Source & {
  applied_seq: number;
  from_seq: number;
  to_seq: number;
  /** As JSON. */
  events: string | null;
};

/**
 * Reading the positions in the same batch is what leaves no gap between consumers: of one that keeps a slice and one that
 * applies the slice before it, the later sees what the earlier did.
 */
async function runThenPositions(
  db: Database,
  sources: readonly Source[],
  writes: readonly Filled[],
): Promise<Guarded<Position[]>> {
  const read: Filled = [statements(db).positions, { sources: sourcesText(sources) }];
  const found = await guardD1(runWritten<PositionRow>(db, [...writes, read]));
  return found.ok ? { ok: true, value: positionsOf(sources, found.value) } : found;
}

function positionsOf(sources: readonly Source[], found: readonly PositionRow[]): Position[] {
  // Of several kept slices that fit, the one that reaches farthest comes last and stays.
  const rows = new Map(found.map((row) => [sourceKey(row), row]));
  return sources.map((source) => {
    const row = rows.get(sourceKey(source));
    if (row === undefined) return NOWHERE;
    if (row.events === null) return { head: row.applied_seq, next: null };
    const kept = readSlice({
      v: 1,
      ...source,
      from: row.from_seq,
      to: row.to_seq,
      events: JSON.parse(row.events) as unknown,
    });
    // Kept by a newer version and not known to this one: it stays for that one.
    return { head: row.applied_seq, next: kept.kind === "slice" ? kept.slice : null };
  });
}

/** The rows of the events after `head`; of an order, a balance or a transfer only the last, since one statement may not hit it twice. */
function gather(slice: Slice, head: number): Rows {
  const fresh = slice.events.filter((event) => event.seq > head).map((event) => event.rows);
  const last = <Row>(rows: Row[], key: (row: Row) => string) => [
    ...new Map(rows.map((row) => [key(row), row])).values(),
  ];
  return {
    orders: last(
      fresh.flatMap((rows) => rows.orders),
      (row) => row.id,
    ),
    balances: last(
      fresh.flatMap((rows) => rows.balances),
      (row) => `${row.accountId} ${row.asset}`,
    ),
    executions: fresh.flatMap((rows) => rows.executions),
    entries: fresh.flatMap((rows) => rows.entries),
    transfers: last(
      fresh.flatMap((rows) => rows.transfers),
      (row) => row.id,
    ),
    trades: fresh.flatMap((rows) => rows.trades),
    cuts: fresh.flatMap((rows) => rows.cuts),
    bases: fresh.flatMap((rows) => rows.bases),
  };
}
