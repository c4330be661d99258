// Objects as an older version of the product has left them: what later versions added to their tables is taken away again.
import { ACCOUNT_VERSIONS } from "../../src/objects/account/tables.ts";
import { accountOf, marketOf, sql } from "./objects.ts";

/** What undoes each version of an account's tables after the first; a new version adds a line. */
const ACCOUNT_UNDONE: readonly (readonly string[])[] = [
  ["DROP TABLE parkings", "ALTER TABLE peers DROP COLUMN epoch"],
  ["ALTER TABLE ledger_accounts DROP COLUMN beyond"],
  ["DROP INDEX journal_transfers"],
  ["DROP TABLE handshakes"],
  ["DROP TABLE tickets"],
  ["DROP TABLE api_keys", "DROP TABLE api_nonces"],
  ["DROP TRIGGER journal_moves", "DROP TABLE moves", "DROP INDEX journal_statuses"],
  ["DROP TABLE groups"],
  [
    "DROP TRIGGER journal_transfers_kept",
    "DROP TABLE transfers",
    "DELETE FROM meta WHERE key = 'moved_today'",
    // It knew neither what a transfer was worth nor what a day allows.
    "UPDATE journal SET body = json_remove(body, '$.today', '$.transfer.worth') WHERE json_valid(body)",
  ],
  ["DROP TRIGGER journal_volumes", "DROP TABLE volumes"],
  ["DROP TRIGGER journal_prevented", "DROP TABLE prevented"],
];

/** What undoes all versions of a market's tables but the first. */
const MARKET_UNDONE = [
  "DROP TABLE handshakes",
  "DROP TABLE parkings",
  "DROP TABLE groups",
  "ALTER TABLE ledger_accounts DROP COLUMN beyond",
];

const forgetVersionsAfter = (version: number) => `DELETE FROM schema_version WHERE version > ${version}`;

/** Gives an account's object the tables of a version; it must be evicted then, as it would be by a deployment. */
export async function olderAccount(id: string, version: number): Promise<void> {
  if (ACCOUNT_UNDONE.length !== ACCOUNT_VERSIONS.length - 1)
    throw new Error("a version of the tables cannot be undone");
  const undone = ACCOUNT_UNDONE.slice(version - 1)
    .reverse()
    .flat();
  for (const statement of [...undone, forgetVersionsAfter(version)]) await sql(accountOf(id), statement);
}

/** Gives a market's object the tables of the first version. */
export async function oldestMarket(symbol: string): Promise<void> {
  for (const statement of [...MARKET_UNDONE, forgetVersionsAfter(1)]) await sql(marketOf(symbol), statement);
}
