// The portfolio's table in D1. Times are milliseconds since 1970.

import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/**
 * What each portfolio was worth at each 00:00 UTC, written once: USD units as text, since a sum over positions has no bound.
 * `deposits`, `withdrawals` and `growth` (18 digits) are those since the snapshot before, or since the account's beginning; null
 * where there were too many to reckon.
 */
export const portfolioSnapshots = sqliteTable(
  "portfolio_snapshots",
  {
    accountId: text("account_id").notNull(),
    at: integer("at").notNull(),
    seq: integer("seq").notNull(),
    cash: text("cash").notNull(),
    positionsValue: text("positions_value").notNull(),
    deposits: text("deposits"),
    withdrawals: text("withdrawals"),
    growth: text("growth"),
  },
  (table) => [primaryKey({ columns: [table.accountId, table.at] })],
);
