// What an account has traded, by day: a table that a trigger on its journal keeps, since the version before writes journals too.
import type { Sql } from "../ports.ts";

/** What a fill's entry has moved against its market, as core's countVolume counts it. */
const MOVED = `SELECT sum(abs(CAST(substr(value ->> 'amount', 2) AS INTEGER)))`;
const AGAINST_MARKET = "value ->> 'asset' = 'USD' AND value ->> 'account' GLOB 'clearing:*'";

/** The table, filled from the journal as it is, and its trigger. Days are counted from 1970, UTC; `units` of USD. */
export const VOLUMES_SCHEMA = [
  "CREATE TABLE volumes (day INTEGER PRIMARY KEY, units INTEGER NOT NULL) STRICT",
  // Text that is no JSON would end the statement, and the object could never be opened again to be restored.
  `INSERT INTO volumes (day, units) SELECT day, units FROM (
    ${MOVED} AS units, at / 86400000 AS day
      FROM journal, json_each(CASE WHEN json_valid(body) THEN body ELSE '{}' END, '$.entry.postings')
      WHERE entry_kind = 'fill' AND ${AGAINST_MARKET} GROUP BY day) WHERE units IS NOT NULL`,
  "DELETE FROM volumes WHERE day <= (SELECT max(day) FROM volumes) - 30",
  `CREATE TRIGGER journal_volumes AFTER INSERT ON journal WHEN new.entry_kind = 'fill' BEGIN
    DELETE FROM volumes WHERE day <= new.at / 86400000 - 30;
    INSERT INTO volumes (day, units) SELECT new.at / 86400000, units FROM (
      ${MOVED} AS units FROM json_each(new.body, '$.entry.postings') WHERE ${AGAINST_MARKET}) WHERE units IS NOT NULL
      ON CONFLICT DO UPDATE SET units = units + excluded.units;
  END`,
];

/** What has been traded, by day. */
export function loadVolumes(sql: Sql): Map<string, bigint> {
  // As text: a binding reads integers above 2^53 − 1 wrongly.
  const rows = sql<{ day: number; units: string }>(
    "SELECT day, CAST(units AS TEXT) AS units FROM volumes ORDER BY day",
  );
  return new Map(rows.map(({ day, units }) => [String(day), BigInt(units)]));
}
