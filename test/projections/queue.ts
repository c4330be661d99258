// A queue in the hand of a test: messages that remember what became of them, and the read model's tables to look at.
import { env } from "cloudflare:workers";
import type { JournalSlice } from "../../src/objects/ports.ts";
import { consumeJournal } from "../../src/projections/consumer.ts";

/** A message and what its consumer said about it first. */
export interface Fate {
  body: unknown;
  outcome: "none" | "acked" | "retried";
  delaySeconds: number | undefined;
}

const QUEUE = "tradepost-journal";

/** A batch of these bodies, as the queue hands it over: parsed from JSON. The first word about a message counts. */
export function batchOf(bodies: unknown[], queue = QUEUE, attempts = 1): { batch: MessageBatch; fates: Fate[] } {
  const fates = bodies.map((body): Fate => ({ body, outcome: "none", delaySeconds: undefined }));
  const decide = (fate: Fate, outcome: Fate["outcome"], delaySeconds?: number) => {
    if (fate.outcome === "none") Object.assign(fate, { outcome, delaySeconds });
  };
  const messages = fates.map((fate, index) => ({
    id: `message-${index}`,
    timestamp: new Date(0),
    body: JSON.parse(JSON.stringify(fate.body)) as unknown,
    attempts,
    ack: () => decide(fate, "acked"),
    retry: (options?: QueueRetryOptions) => decide(fate, "retried", options?.delaySeconds),
  }));
  const metadata = { metrics: { backlogCount: 0, backlogBytes: 0 } };
  const forbidden = () => {
    throw new Error("each message is answered for itself");
  };
  return { batch: { queue, messages, metadata, ackAll: forbidden, retryAll: forbidden }, fates };
}

/** Delivers slices in one batch and says what became of each. */
export async function deliver(slices: unknown[], db: D1Database = env.DB, attempts = 1): Promise<Fate["outcome"][]> {
  const { batch, fates } = batchOf(slices, QUEUE, attempts);
  await consumeJournal(batch, { DB: db });
  return fates.map((fate) => fate.outcome);
}

const TABLES = {
  projection_heads: "SELECT object, name, epoch, applied_seq FROM projection_heads ORDER BY 1, 2, 3",
  orders: "SELECT * FROM orders ORDER BY id",
  executions: "SELECT * FROM executions ORDER BY id",
  ledger_entries: "SELECT * FROM ledger_entries ORDER BY object, name, epoch, seq",
  balances: "SELECT * FROM balances ORDER BY account_id, asset",
  transfers: "SELECT * FROM transfers ORDER BY id",
  trades: "SELECT * FROM trades ORDER BY id",
};

/** Everything that the journals made of the read model. */
export async function dump(): Promise<Record<keyof typeof TABLES, Record<string, unknown>[]>> {
  const names = Object.keys(TABLES) as (keyof typeof TABLES)[];
  const answers = await env.DB.batch<Record<string, unknown>>(names.map((name) => env.DB.prepare(TABLES[name])));
  return Object.fromEntries(names.map((name, index) => [name, answers[index]?.results ?? []])) as never;
}

/** Rows of one query. */
export async function rows(query: string, ...bindings: (string | number)[]): Promise<Record<string, unknown>[]> {
  return (
    await env.DB.prepare(query)
      .bind(...bindings)
      .all()
  ).results;
}

/** Empties the read model. */
export async function wipe(): Promise<void> {
  const names = [...Object.keys(TABLES), "projection_slices", "dead_letters", "sweep_cursors"];
  await env.DB.batch(names.map((name) => env.DB.prepare(`DELETE FROM ${name}`)));
}

/** The shapes in which D1 has been seen to be away: a lost network, a locked file on a write, and on a read. */
export const D1_ERRORS = [
  "D1_ERROR: Network connection lost.",
  "D1_ERROR: database is locked: SQLITE_BUSY",
  "Failed to parse body as JSON, got: error",
] as const;

/** A D1 that fails each call (a statement that is run, or a batch) for which `fails` says so. */
export function faultyD1(fails: () => boolean, message: string = D1_ERRORS[0]): D1Database {
  const real = new WeakMap<D1PreparedStatement, D1PreparedStatement>();
  const answer = async <T>(run: () => Promise<T>): Promise<T> => {
    if (fails()) throw new Error(message);
    return run();
  };
  const wrapped = (statement: D1PreparedStatement): D1PreparedStatement => {
    const wrapper = {
      bind: (...values: unknown[]) => wrapped(statement.bind(...values)),
      all: () => answer(() => statement.all()),
      run: () => answer(() => statement.run()),
      raw: () => answer(() => statement.raw()),
      first: () => answer(() => statement.first()),
    } as unknown as D1PreparedStatement;
    real.set(wrapper, statement);
    return wrapper;
  };
  return {
    prepare: (query: string) => wrapped(env.DB.prepare(query)),
    batch: (statements: D1PreparedStatement[]) =>
      answer(() => env.DB.batch(statements.map((statement) => real.get(statement) ?? statement))),
  } as unknown as D1Database;
}

/** A slice's twin with one event changed. */
export function spoiled(slice: JournalSlice, index: number, change: (body: string) => string): JournalSlice {
  return { ...slice, events: slice.events.map((body, at) => (at === index ? change(body) : body)) };
}
