// Which writes have been done in D1, so that one that is tried again is not done again.

import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row a write, put there by the transaction that does it. `at` is when that was, in ms. */
export const appliedWrites = sqliteTable(
  "applied_writes",
  {
    id: text("id").primaryKey(),
    at: integer("at").notNull(),
  },
  (table) => [index("applied_writes_at").on(table.at)],
);
