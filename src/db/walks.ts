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

/** What {@link knownAccounts} asks. */
export function knownAccountsQuery(after: string, most: number): SQL {
  return sql`SELECT id AS name FROM accounts WHERE id > ${after}
    UNION SELECT name FROM projection_heads WHERE object = 'account' AND name > ${after} ORDER BY 1 LIMIT ${most}`;
}

/** Whoever D1 knows, by sign-up or by a journal, after a name. Refuses `unavailable`. */
export async function knownAccounts(db: Database, after: string, most: number): Promise<Guarded<string[]>> {
  const found = await guardD1(db.all<{ name: string }>(knownAccountsQuery(after, most)));
  return found.ok ? { ok: true, value: found.value.map(({ name }) => name) } : found;
}
