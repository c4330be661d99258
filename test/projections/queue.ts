// A queue in the hand of a test: messages that remember what became of them, and the read model's tables to look at.

import { env } from "cloudflare:workers";
import { refuse } from "../../src/core/result.ts";
import type { JournalSlice } from "../../src/objects/protocol.ts";
import type { JournalRpc } from "../../src/objects/rpc.ts";
import { type ConsumerBindings, consumeJournal } from "../../src/projections/consumer.ts";
import { type Journal, sliceOf } from "./history.ts";

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
  await consumeJournal(batch, { ...env, DB: db });
  return fates.map((fate) => fate.outcome);
}

/** How the objects of {@link keepersOf} fail: who gives no answer, how long a page is at most, and what becomes of one. */
interface Manner {
  unreachable?: readonly string[];
  bytesMax?: number;
  page?: (slice: JournalSlice) => JournalSlice;
}

/**
 * Bindings whose objects keep these journals, and no others any: `asked` tells whose head was asked for, `pages` what was
 * fetched, `most` how many at once. What is put into their queue waits in `queued`.
 */
export function keepersOf(journals: readonly Journal[], manner: Manner = {}) {
  const seen = { asked: [] as string[], pages: [] as JournalSlice[], queued: [] as unknown[], most: 0 };
  let flying = 0;
  const reach = (name: string) => {
    if (manner.unreachable?.includes(name)) throw new Error("no route to object");
  };
  const stub = (name: string): JournalRpc => {
    const journal = journals.find((one) => one.name === name);
    return {
      head: async () => {
        seen.asked.push(name);
        reach(name);
        return { epoch: 1, seq: journal?.events.at(-1)?.seq ?? 0 };
      },
      journalFrom: async (fromSeq, bytesMax) => {
        reach(name);
        flying += 1;
        seen.most = Math.max(seen.most, flying);
        await scheduler.wait(1);
        flying -= 1;
        const slice = journal && pageOf(journal, fromSeq, Math.min(bytesMax, manner.bytesMax ?? bytesMax));
        if (!slice) return null;
        seen.pages.push(slice);
        return manner.page?.(slice) ?? slice;
      },
      cuttable: async () => null,
      cut: async () => refuse({ code: "not_found" }),
    };
  };
  const getByName = stub as never;
  const sendBatch = async (messages: { body: unknown }[]) => {
    seen.queued.push(...messages.map(({ body }) => body));
  };
  const bindings: ConsumerBindings = {
    ...env,
    ACCOUNT: { getByName } as never,
    MARKET: { getByName } as never,
    JOURNAL: { sendBatch } as never,
  };
  /** Delivers what is queued, and what is queued by that, until nothing is left; answers how many batches it was. */
  const settle = async (db: D1Database = env.DB, pauseMs = 0) => {
    let batches = 0;
    for (; seen.queued.length > 0; batches += 1) {
      await consumeJournal(batchOf(seen.queued.splice(0)).batch, { ...bindings, DB: db }, pauseMs);
    }
    return batches;
  };
  return Object.assign(seen, { settle, env: bindings });
}

function pageOf(journal: Journal, fromSeq: number, bytesMax: number): JournalSlice | null {
  const { events } = journal;
  const at = events.findIndex(({ seq }) => seq >= fromSeq);
  if (at < 0) return null;
  let to = at + 1;
  while (to < events.length && JSON.stringify(sliceOf(journal, at, to + 1)).length <= bytesMax) to += 1;
  return sliceOf(journal, at, to);
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
