// The record of what a portfolio was worth at the end of each day, as it was taken then.
import { and, desc, eq, lt } from "drizzle-orm";
import { formatUnits } from "../../core/ledger.ts";
import { formatReturn } from "../../core/performance.ts";
import { ok } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { portfolioSnapshots } from "../../db/portfolio-tables.ts";
import { cursorOf, cursorText, type PageWish, pageBy } from "../../http/page.ts";

/** An account's snapshots, newest first. Refuses a wrong cursor, and `unavailable` while D1 is away. */
export async function listSnapshots(env: DatabaseBinding, accountId: string, wish: PageWish) {
  const cursor = cursorOf(wish.cursor);
  if (!cursor.ok) return cursor;
  const { at } = portfolioSnapshots;
  const found = await guardD1(
    database(env)
      .select()
      .from(portfolioSnapshots)
      .where(and(eq(portfolioSnapshots.accountId, accountId), cursor.value === null ? undefined : lt(at, cursor.value)))
      .orderBy(desc(at))
      .limit(wish.limit + 1),
  );
  if (!found.ok) return found;
  return ok(pageBy(found.value, wish.limit, (row) => cursorText(row.at) ?? "", wireSnapshot));
}

function wireSnapshot(row: typeof portfolioSnapshots.$inferSelect) {
  const usd = (units: bigint) => formatUnits(units, "USD");
  const text = (units: string | null) => (units === null ? null : usd(BigInt(units)));
  const [cash, positionsValue] = [BigInt(row.cash), BigInt(row.positionsValue)];
  return {
    at: wireTime(row.at),
    seq: row.seq,
    equity: usd(cash + positionsValue),
    cash: usd(cash),
    positions_value: usd(positionsValue),
    deposits: text(row.deposits),
    withdrawals: text(row.withdrawals),
    time_weighted_return: row.growth === null ? null : formatReturn(BigInt(row.growth)),
  };
}
