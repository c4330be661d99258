// Changes of a profile in D1, each once however often it is tried.
import { and, eq, isNull, notExists, type SQL, sql } from "drizzle-orm";
import { BUFFER_D1_WAIT_MS } from "../../core/limits.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import type { Outcome, ProfileChange, Write } from "../../core/write-buffer.ts";
import { type Database, type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { users } from "../../db/tables.ts";
import { appliedWrites } from "../../db/write-tables.ts";

/**
 * Changes a profile, unless that very write has done so before; answers the profile as it is then. Refuses `not_found` for a user who
 * is no more, and `unavailable`, after which it may be done all the same.
 */
export async function writeProfile(
  db: Database,
  { id, userId }: Pick<Write, "id" | "userId">,
  change: ProfileChange,
  nowMs: number,
): Promise<Result<typeof users.$inferSelect>> {
  const person = and(eq(users.id, userId), isNull(users.closedAt));
  const done = db.select({ id: appliedWrites.id }).from(appliedWrites).where(eq(appliedWrites.id, id));
  const written = await guardD1(
    db.batch([
      db
        .update(users)
        .set({ ...choiceColumns(change), updatedAt: nowMs })
        .where(and(person, notExists(done))),
      db.insert(appliedWrites).select(sql`SELECT ${id}, ${nowMs} WHERE changes() = 1`),
      db.select().from(users).where(person),
    ]),
    BUFFER_D1_WAIT_MS,
  );
  if (!written.ok) return refuse(written.refusal);
  const [, , [user]] = written.value;
  return user === undefined ? refuse({ code: "not_found" }) : ok(user);
}

/** As they stand in the UPDATE, which reads nothing first: of two changes at once neither undoes the other. */
export function choiceColumns({ locale, notifications }: ProfileChange): Record<string, string | SQL> {
  return {
    ...(locale === undefined ? {} : { locale }),
    ...(notifications === undefined
      ? {}
      : { notifications: sql`json_patch(${users.notifications}, ${JSON.stringify(notifications)})` }),
  };
}

/** Does a change that has waited in its user's buffer. */
export async function applyProfileWrite(env: DatabaseBinding, write: Write): Promise<Outcome> {
  if (write.act.kind !== "profile.change") return { kind: "refused", refusal: { code: "not_found" } };
  const written = await writeProfile(database(env), write, write.act.change, Date.now());
  if (written.ok) return { kind: "done" };
  return written.refusal.code === "unavailable" ? { kind: "away" } : { kind: "refused", refusal: written.refusal };
}
