// A database that somebody else holds, for those who look what the Worker makes of that.
import type { DatabaseSync } from "node:sqlite";

const LIMIT_MS = 10_000;
const PAUSE_MS = 2;

/**
 * Takes a database's one place for a writer (`BEGIN IMMEDIATE`), or the whole of it (`BEGIN EXCLUSIVE`), until it is rolled back or
 * closed. The server's own writes come first: it is tried until it is free. Throws after ten seconds.
 */
export async function lock(database: DatabaseSync, how: "BEGIN IMMEDIATE" | "BEGIN EXCLUSIVE"): Promise<void> {
  for (const giveUpAt = performance.now() + LIMIT_MS; ; ) {
    try {
      return database.exec(how);
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
