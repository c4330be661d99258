// What is forgotten each minute of writes that were done long ago.
import { sql } from "drizzle-orm";
import { APPLIED_WRITES_KEPT_MS } from "../../core/limits.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { appliedWrites } from "../../db/write-tables.ts";

/** Forgets which writes were done more than {@link APPLIED_WRITES_KEPT_MS} ago; a few thousand a run. Never throws. */
export async function forgetApplied(env: DatabaseBinding, nowMs: number): Promise<void> {
  const { id, at } = appliedWrites;
  const old = sql`SELECT ${id} FROM ${appliedWrites} WHERE ${at} < ${nowMs - APPLIED_WRITES_KEPT_MS} LIMIT 2000`;
  await guardD1(database(env).run(sql`DELETE FROM ${appliedWrites} WHERE ${id} IN (${old})`));
}
