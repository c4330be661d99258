// The running balances of an object's ledger, as both kinds of object keep them. Customers' money fits an INTEGER column;
// what stands against it may pass that, and is text from then on.
import { type Balances, balanceKey } from "../core/ledger.ts";
import { fromColumn, toColumn, UNITS_MAX } from "../core/money.ts";
import type { Sql } from "./ports.ts";

/** The statement that makes room for greater balances, for the version of an object's schema that brings it. Never edited. */
export const BALANCES_BEYOND: readonly string[] = ["ALTER TABLE ledger_accounts ADD COLUMN beyond TEXT"];

/** Reads all balances. */
export function loadBalances(sql: Sql): Balances {
  const rows = sql<{ account: string; asset: string; balance: number; beyond: string | null }>(
    "SELECT account, asset, balance, beyond FROM ledger_accounts",
  );
  return new Map(
    rows.map(({ account, asset, balance, beyond }) => [
      balanceKey(account, asset),
      beyond === null ? fromColumn(balance) : BigInt(beyond),
    ]),
  );
}

/** Writes the balances that a turn has moved, in one statement; belongs in the turn's transaction. */
export function writeBalances(sql: Sql, moved: Balances): void {
  if (moved.size === 0) return;
  const rows = [...moved].map(([key, balance]) => {
    const held = balance > UNITS_MAX ? UNITS_MAX : balance < -UNITS_MAX ? -UNITS_MAX : balance;
    return [...key.split("|"), toColumn(held), held === balance ? null : String(balance)];
  });
  sql(
    `INSERT INTO ledger_accounts (account, asset, balance, beyond)
      SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
      ON CONFLICT DO UPDATE SET balance = excluded.balance, beyond = excluded.beyond`,
    JSON.stringify(rows),
  );
}
