// The only place that opens D1, and where its failures become refusals. D1 is one thread somewhere else: it may be
// slow, overloaded or away for a minute, and it never retries a write.

import { fillPlaceholders, type Query, type SQL, sql } from "drizzle-orm";
import { type DrizzleD1Database, drizzle } from "drizzle-orm/d1";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import { type Refusal, refuse } from "../core/result.ts";
import { log } from "../log.ts";

/** The D1 read model, as drizzle. */
export type Database = DrizzleD1Database & { $client: D1Database };

/** How long a caller waits for D1: stalls of 2–25 s are reported, and a request that waits for one ties up its client. */
export const D1_TIMEOUT_MS = 5_000;

/**
 * What came of a D1 statement. `uniqueColumn` is set when a UNIQUE constraint refused a write, e.g.
 * `users.email_canonical`; the refusal beside it is `internal`, because a service that did not expect it has a bug.
 */
export type Guarded<T> = { ok: true; value: T } | { ok: false; refusal: Refusal; uniqueColumn?: string };

/** The environment as far as the read model is concerned. */
export interface DatabaseBinding {
  DB: D1Database;
}

/** Opens the D1 database of this environment. Cheap: it holds no connection. */
export function database(env: DatabaseBinding): Database {
  return drizzle(env.DB);
}

/** Whether a column has one of these values, given as one of JSON: D1 takes 100 values in a statement. */
export function among(column: SQLiteColumn, values: readonly string[]): SQL {
  return sql`${column} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`;
}

/** A query as text, written once to be run many times; what its placeholders stand for is given then, by name. */
export interface Written {
  text: string;
  params: readonly unknown[];
}

/** Writes a query down, as {@link Written}. */
export function written(query: { toSQL: () => Query }): Written {
  const { sql, params } = query.toSQL();
  return { text: sql, params };
}

/** Runs written statements with their values as one D1 batch, which is one transaction; answers the last one's rows, columns by name. */
export async function runWritten<Row>(
  db: Database,
  statements: readonly (readonly [Written, Readonly<Record<string, unknown>>])[],
): Promise<Row[]> {
  const bound = statements.map(([{ text, params }, values]) =>
    db.$client.prepare(text).bind(...fillPlaceholders([...params], { ...values })),
  );
  const answers = await db.$client.batch<Row>(bound);
  return answers.at(-1)?.results ?? [];
}

/**
 * Waits for a D1 statement, at most `timeoutMs`. Any failure is `unavailable` (503), never "not found" or
 * "empty": D1's outages have several shapes. After a timeout a write may still have landed.
 */
export async function guardD1<T>(statement: PromiseLike<T>, timeoutMs = D1_TIMEOUT_MS): Promise<Guarded<T>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("D1 did not answer in time")), timeoutMs);
  });
  try {
    return { ok: true, value: await Promise.race([statement, timeout]) };
  } catch (error) {
    const messages = messagesOf(error);
    const uniqueColumn = uniqueColumnIn(messages);
    if (uniqueColumn !== undefined) return { ok: false, refusal: { code: "internal" }, uniqueColumn };
    log("error", "d1_failed", { message: messages.at(-1) ?? "unknown" });
    return refuse({ code: "unavailable", detail: "The database is not reachable at the moment." });
  } finally {
    clearTimeout(timer);
  }
}

/** The messages of an error and its causes, outermost first. Drizzle's own repeats the statement with its values. */
function messagesOf(error: unknown): string[] {
  const messages: string[] = [];
  for (let at = error; at instanceof Error && messages.length < 8; at = at.cause) messages.push(at.message);
  return messages;
}

function uniqueColumnIn(messages: string[]): string | undefined {
  for (const message of messages) {
    const found = /UNIQUE constraint failed: ([a-z_]+\.[a-z_]+)/.exec(message);
    if (found?.[1] !== undefined) return found[1];
  }
  return undefined;
}
