// Whether what is stored can be what was written: looked at once in each life, before anything is decided by it.
import { type Base, goesOn } from "../core/base.ts";
import { decode } from "../core/codec.ts";
import { isEventHead } from "../core/event-head.ts";
import { entriesBreak, GENESIS_HASH, type LedgerEntry } from "../core/ledger.ts";
import { EPOCH_STEP_MAX, LEDGER_TAIL_ROWS } from "../core/limits.ts";
import { InvariantError, invariant, ok, type Result, refuse } from "../core/result.ts";
import { sentSeq } from "./outbox.ts";
import type { ObjectPorts } from "./ports.ts";

/** The columns of `journal` that tell which rows may have an entry of the ledger. */
export type LedgerRows = "entry_kind IS NOT NULL" | "kind = 'report'";

interface Row extends Record<string, string | number> {
  seq: number;
  at: number;
  body: string;
}

/** What is checked of a state. */
interface Books {
  epoch: number;
  seq: number;
  base: Base;
  ledgerHead: string;
  balances: ReadonlyMap<string, bigint>;
}

/** Any event, as far as its place and its money go. */
interface AnyEvent {
  seq: number;
  at: number;
  entry?: LedgerEntry | null;
}

/** What a stored body holds. Throws InvariantError with the row's name, and not with what is in it. */
export function readBody<T>(body: string, row: string): T {
  try {
    return decode<T>(body);
  } catch {
    throw new InvariantError(`${row} does not decode`);
  }
}

/**
 * Throws InvariantError unless the newest event is in its place, the queue knows of none after it, and the last
 * {@link LEDGER_TAIL_ROWS} rows of the ledger are chained and lead to the stored balances.
 */
export function checkStored(
  { sql, sha256 }: Pick<ObjectPorts, "sql" | "sha256">,
  ledgerRows: LedgerRows,
  state: Books,
): void {
  invariant(state.epoch > 0, "the epoch is no number");
  const [newest] = sql<Row>("SELECT seq, at, body FROM journal ORDER BY seq DESC LIMIT 1").map(readRow);
  invariant((newest?.seq ?? 0) === state.seq, `the journal ends at ${newest?.seq}, the state at ${state.seq}`);
  const sent = sentSeq(sql);
  invariant(sent <= state.seq, `the queue has been told ${sent}, the journal ends at ${state.seq}`);
  const rows = sql<Row>(
    `SELECT seq, at, body FROM journal WHERE ${ledgerRows} ORDER BY seq DESC LIMIT ?`,
    LEDGER_TAIL_ROWS,
  );
  const entries = rows.map(readRow).flatMap(entriesOf).reverse();
  // Of a journal that was cut, what the first entry follows is not looked for: where it was cut, all was.
  const before = rows.length < LEDGER_TAIL_ROWS && state.base.seq === 0 ? GENESIS_HASH : null;
  const broken = entriesBreak(before, entries, state.balances, sha256);
  invariant(broken === undefined, broken ?? "");
}

function readRow({ seq, at, body }: Row): AnyEvent {
  const event = readBody<AnyEvent>(body, `journal row ${seq}`);
  invariant(event.seq === seq && event.at === at, `journal row ${seq} has another event`);
  return event;
}

function entriesOf({ entry }: AnyEvent): LedgerEntry[] {
  return entry === undefined || entry === null ? [] : [entry];
}

/** What a snapshot is replayed into, and how. */
export interface Replay<Event, State> {
  /** Empty. */
  state: State;
  apply: (state: State, event: Event) => void;
  /** Writes the events that have just been replayed. */
  keep: (events: readonly Event[]) => void;
  /** The epoch that begins. */
  epoch: number;
  /** The first of these events that can stand without those that follow. */
  whole: (events: readonly Event[]) => readonly Event[];
  sha256: ObjectPorts["sha256"];
}

/** A snapshot that cannot be a journal of this object; the pointer says where. */
class SnapshotError extends Error {
  readonly pointer: string;
  constructor(pointer: string, detail: string) {
    super(detail);
    this.pointer = pointer;
  }
}

/**
 * Does a restore, which is a transaction with {@link replaySnapshot} in it, and turns what that finds wrong, after which nothing is
 * changed, into `validation_failed`.
 */
export function orInvalid(restore: () => void): Result<null> {
  try {
    restore();
    return ok(null);
  } catch (error) {
    if (error instanceof SnapshotError) return invalid(error.pointer, error.message);
    throw error;
  }
}

/**
 * Replays a snapshot, page by page. Belongs in {@link orInvalid}: throws for what does not decode, does not follow what is before it,
 * is not what its ledger's hashes cover, ends within what stands for a cut, or has begun this epoch before. Events at its end that
 * cannot stand alone are left out.
 */
export function replaySnapshot<Event extends { kind: string }, State extends Books>(
  pages: Iterable<readonly string[]>,
  { state, apply, keep, epoch, whole, sha256 }: Replay<Event, State>,
): void {
  let at = 0;
  let head = GENESIS_HASH;
  let held: Event[] = [];
  let last: Event | undefined;
  for (const page of pages) {
    const first = at;
    const read = page.map((body, index) => atEvent(first + index, () => readEvent<Event>(body)));
    const known = [...held, ...read];
    const events = whole(known);
    at += page.length;
    const start = at - known.length;
    for (const [index, event] of events.entries()) {
      atEvent(start + index, () => apply(state, event));
      // No entry is before a base: what follows it has the hash that it tells.
      if (event.kind === "base") head = state.ledgerHead;
    }
    if (events.some((event) => begins(event, epoch))) throw new SnapshotError("/epoch", "the journal has it already");
    const entries = events.flatMap((event) => entriesOf(event as Event & AnyEvent));
    const broken = entriesBreak(head, entries, state.balances, sha256);
    if (broken !== undefined) throw new SnapshotError("/journal", broken);
    head = entries.at(-1)?.hash ?? head;
    held = known.slice(events.length);
    last = known.at(-1);
    asWritten(() => keep(events));
  }
  // Without the end of its base an object would begin as if it had never had anything.
  if (last !== undefined && goesOn(last))
    throw new SnapshotError(`/journal/${at - 1}`, "ends within what stands for a cut");
}

function readEvent<Event>(body: string): Event {
  const event = decode<unknown>(body);
  invariant(isEventHead(event), "is no event");
  invariant(event.v === 1, "is of a version that is not known");
  return event as object as Event;
}

/** Whether an error tells of what was read, and not of who keeps it. */
export function isOfContent(error: unknown): boolean {
  return [InvariantError, SyntaxError, TypeError, RangeError].some((kind) => error instanceof kind);
}

/** Does a write of events; what no event as it was written could have come to is the snapshot's fault, all else is thrown on. */
function asWritten(write: () => void): void {
  try {
    write();
  } catch (error) {
    if (isOfContent(error) || String(error).includes("constraint failed"))
      throw new SnapshotError("/journal", "has an event that cannot have been written");
    throw error;
  }
}

function begins(event: { kind: string; epoch?: number }, epoch: number): boolean {
  return event.kind === "restored" && (event.epoch ?? 0) >= epoch;
}

function atEvent<T>(index: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new SnapshotError(`/journal/${index}`, error instanceof InvariantError ? error.message : "is no event");
  }
}

/** Refuses an epoch that cannot follow the one that is `known`; null for one that can. */
export function wrongEpoch(epoch: number, known: number): Result<never> | null {
  if (epoch <= known) return invalid("/epoch", `must be higher than ${known}`);
  const most = known + EPOCH_STEP_MAX;
  return epoch > most ? invalid("/epoch", `must not be higher than ${most}`) : null;
}

/** Refuses a wish for one field of it. */
export function invalid(pointer: string, detail: string, code = "invalid"): Result<never> {
  return refuse({ code: "validation_failed", errors: [{ pointer, code, detail }] });
}
