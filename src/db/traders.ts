// Who has had orders in which market, also where the read model has them no more: a market that is restored must hear them all.
import { eq, type SQL } from "drizzle-orm";
import type { Database } from "./client.ts";
import { orders, pastTraders } from "./read-model.ts";

/** The statement that keeps who has had the orders that `going` is true of; run it before they go. */
export function keepTraders(db: Database, going: SQL) {
  const theirs = { symbol: orders.symbol, accountId: orders.accountId };
  return db.insert(pastTraders).select(db.selectDistinct(theirs).from(orders).where(going)).onConflictDoNothing();
}

/** The statement that reads the accounts which have or have had an order in a market. */
export function tradersOf(db: Database, symbol: string) {
  const past = db.select({ account: pastTraders.accountId }).from(pastTraders).where(eq(pastTraders.symbol, symbol));
  return db.select({ account: orders.accountId }).from(orders).where(eq(orders.symbol, symbol)).union(past);
}
