// What identity does each minute.

import { sql } from "drizzle-orm";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { mfaChallenges } from "../../db/tables.ts";

/** Forgets sign-ins that have waited too long for their code; a few thousand a run. Never throws. */
export async function forgetSignIns(env: DatabaseBinding, nowMs: number): Promise<void> {
  const old = sql`SELECT hash FROM ${mfaChallenges} WHERE ${mfaChallenges.expiresAt} < ${nowMs} LIMIT 2000`;
  await guardD1(database(env).run(sql`DELETE FROM ${mfaChallenges} WHERE hash IN (${old})`));
}
