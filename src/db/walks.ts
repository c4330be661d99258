// Walks through all accounts, a part at a time: where each has come to is kept between two runs of the cron.
import { asc, gt, type SQL, sql } from "drizzle-orm";
import { type Database, type Guarded, guardD1 } from "./client.ts";
import { walks } from "./read-model.ts";
import { accounts } from "./tables.ts";

/** After the last account of all: a walk that is here has come to its end. */
export const WALK_END = "~";

/** Where a walk goes on: after this account's id. It begins before all of them, and again when its place is from before `since`, in ms. */
export function placeOf(walk: string, since = 0): SQL<string> {
  const kept = sql`SELECT ${walks.position} FROM ${walks} WHERE ${walks.name} = ${walk} AND ${walks.at} >= ${since}`;
  return sql<string>`coalesce((${kept}), '')`;
}

/** The first accounts after a place, by id, at most `rowsMax`. Refuses `unavailable`. */
export function accountsAfter(
  db: Database,
  place: SQL<string>,
  rowsMax: number,
): Promise<Guarded<{ id: string; createdAt: number }[]>> {
  const { id, createdAt } = accounts;
  return guardD1(db.select({ id, createdAt }).from(accounts).where(gt(id, place)).orderBy(asc(id)).limit(rowsMax));
}

/** Keeps where a walk has come to. Refuses `unavailable`. */
export function keepPlace(db: Database, name: string, position: string, at: number): Promise<Guarded<unknown>> {
  const set = { position, at };
  return guardD1(
    db
      .insert(walks)
      .values({ name, ...set })
      .onConflictDoUpdate({ target: walks.name, set }),
  );
}
