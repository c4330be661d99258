// Whether what is stored can be what was written: looked at once in each life, before anything is decided by it.
import { decode } from "../core/codec.ts";
import { entriesBreak, GENESIS_HASH, type LedgerEntry } from "../core/ledger.ts";
import { LEDGER_TAIL_ROWS } from "../core/limits.ts";
import { InvariantError, invariant, type Result, refuse } from "../core/result.ts";
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
  const before = rows.length < LEDGER_TAIL_ROWS ? GENESIS_HASH : null;
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

/**
 * The events of a snapshot, once they have been replayed into `state`, which is empty. Refuses `validation_failed` for what
 * does not decode, does not follow what is before it, or is not what its ledger's hashes cover; the pointer says where.
 */
export function readSnapshot<Event extends { kind: string }, State extends Books>(
  journal: readonly string[],
  state: State,
  apply: (state: State, event: Event) => void,
  sha256: ObjectPorts["sha256"],
): Result<Event[]> {
  const events: Event[] = [];
  for (const [index, body] of journal.entries()) {
    try {
      const event = decode<Event>(body);
      apply(state, event);
      events.push(event);
    } catch (error) {
      return invalid(`/journal/${index}`, error instanceof InvariantError ? error.message : "is no event");
    }
  }
  const entries = events.flatMap((event) => entriesOf(event as Event & AnyEvent));
  const broken = entriesBreak(GENESIS_HASH, entries, state.balances, sha256);
  return broken === undefined ? { ok: true, value: events } : invalid("/journal", broken);
}

/** Refuses a wish for one field of it. */
export function invalid(pointer: string, detail: string, code = "invalid"): Result<never> {
  return refuse({ code: "validation_failed", errors: [{ pointer, code, detail }] });
}
