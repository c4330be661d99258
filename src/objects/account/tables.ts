// The account object's tables, version by version.
import { BALANCES_BEYOND } from "../balances.ts";
import { HANDSHAKES_SCHEMA } from "../handshakes.ts";
import { PARKINGS_SCHEMA } from "../parking.ts";
import { API_KEYS_SCHEMA } from "./api-keys.ts";
import { ACCOUNT_GROUPS_SCHEMA } from "./groups.ts";
import { TICKETS_SCHEMA } from "./tickets.ts";
import { VOLUMES_SCHEMA } from "./volumes.ts";

/** What stored objects have is never edited: a change is a version of its own. */
const VERSION_1 = [
  "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
  `CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY, first INTEGER NOT NULL, v INTEGER NOT NULL, at INTEGER NOT NULL,
    kind TEXT NOT NULL, entry_kind TEXT, symbol TEXT, order_id TEXT, cseq INTEGER, body TEXT NOT NULL) STRICT`,
  "CREATE INDEX IF NOT EXISTS journal_entries ON journal (entry_kind, seq) WHERE entry_kind IS NOT NULL",
  "CREATE INDEX IF NOT EXISTS journal_commands ON journal (symbol, cseq) WHERE cseq IS NOT NULL",
  `CREATE TABLE IF NOT EXISTS ledger_accounts (account TEXT NOT NULL, asset TEXT NOT NULL,
    balance INTEGER NOT NULL CHECK (balance BETWEEN -9007199254740991 AND 9007199254740991),
    PRIMARY KEY (account, asset), CHECK (account NOT IN ('available', 'held') OR balance >= 0)) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, placed_seq INTEGER NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
    open INTEGER NOT NULL, body TEXT NOT NULL) STRICT, WITHOUT ROWID`,
  "CREATE INDEX IF NOT EXISTS orders_placed ON orders (placed_seq)",
  "CREATE INDEX IF NOT EXISTS orders_open ON orders (placed_seq) WHERE open = 1",
  "CREATE TABLE IF NOT EXISTS positions (symbol TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID",
  `CREATE TABLE IF NOT EXISTS peers (symbol TEXT PRIMARY KEY, cseq INTEGER NOT NULL, acknowledged INTEGER NOT NULL,
    rseq INTEGER NOT NULL, parked TEXT, rules TEXT) STRICT, WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS once (scope TEXT NOT NULL, key TEXT NOT NULL, body_hash TEXT NOT NULL, ref TEXT, refusal TEXT,
    answer TEXT, request_id TEXT, PRIMARY KEY (scope, key)) STRICT, WITHOUT ROWID`,
  "CREATE TABLE IF NOT EXISTS revoked_sessions (session_id TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID",
  "INSERT OR IGNORE INTO meta (key, value) VALUES ('epoch', '1')",
];

/** Each market's epoch, and parkings with their times; `peers.parked` is read no more. */
const VERSION_2 = [
  "ALTER TABLE peers ADD COLUMN epoch INTEGER",
  ...PARKINGS_SCHEMA,
  `INSERT INTO parkings (peer, reason, at)
    SELECT symbol, parked, coalesce((SELECT max(at) FROM journal), 0) FROM peers WHERE parked IS NOT NULL`,
  "UPDATE peers SET parked = NULL",
];

/** A transfer asked for again by its key is found by its id, however many there are. */
const TRANSFERS_BY_ID = [
  "CREATE INDEX journal_transfers ON journal (body ->> '$.transfer.id') WHERE kind = 'transfer'",
];

/** What an entry posts, `moved` being the change of what the owner has of the asset: 0 for a hold or a release. */
const POSTINGS = `SELECT value ->> 'asset' AS asset, sum(CASE WHEN value ->> 'account' IN ('available', 'held')
    THEN CAST(substr(value ->> 'amount', 2) AS INTEGER) ELSE 0 END) AS moved`;

/**
 * Which events moved an asset, found by asset: 1 more, -1 less, 0 only held or released. A trigger keeps it, since the
 * version before writes journals too; and the few changes of status, which a look at the past needs.
 */
const MOVES = [
  `CREATE TABLE moves (asset TEXT NOT NULL, seq INTEGER NOT NULL, moved INTEGER NOT NULL, PRIMARY KEY (asset, seq))
    STRICT, WITHOUT ROWID`,
  // Text that is no JSON would end the statement, and the object could never be opened again to be restored.
  `INSERT INTO moves (asset, seq, moved) SELECT asset, seq, (moved > 0) - (moved < 0) FROM (
    ${POSTINGS}, seq FROM journal, json_each(CASE WHEN json_valid(body) THEN body ELSE '{}' END, '$.entry.postings')
      WHERE entry_kind IS NOT NULL GROUP BY seq, 1)`,
  `CREATE TRIGGER journal_moves AFTER INSERT ON journal WHEN new.entry_kind IS NOT NULL BEGIN
    INSERT INTO moves (asset, seq, moved) SELECT asset, new.seq, (moved > 0) - (moved < 0) FROM (
      ${POSTINGS} FROM json_each(new.body, '$.entry.postings') GROUP BY 1);
  END`,
  "CREATE INDEX journal_statuses ON journal (seq) WHERE kind = 'status_changed'",
];

/** The values of a row of `transfers` out of an event's transfer. */
const TRANSFER_ROW = (body: string, seq: string) => `${body} ->> '$.transfer.id', ${seq}, ${body} ->> '$.transfer.kind',
    ${body} ->> '$.transfer.status' IN ('pending_review', 'pending'), ${body} -> '$.transfer'`;

/**
 * Every transfer as it is now, and what of the day's limits is used. A trigger keeps both, since the version before writes
 * journals too.
 */
const TRANSFERS = [
  `CREATE TABLE transfers (id TEXT PRIMARY KEY, placed_seq INTEGER NOT NULL, kind TEXT NOT NULL, open INTEGER NOT NULL,
    body TEXT NOT NULL) STRICT, WITHOUT ROWID`,
  `INSERT OR IGNORE INTO transfers (id, placed_seq, kind, open, body)
    SELECT ${TRANSFER_ROW("body", "seq")} FROM journal WHERE kind = 'transfer' AND json_valid(body)`,
  "CREATE INDEX transfers_placed ON transfers (kind, placed_seq)",
  "CREATE INDEX transfers_open ON transfers (placed_seq) WHERE open = 1",
  `CREATE TRIGGER journal_transfers_kept AFTER INSERT ON journal
    WHEN new.kind IN ('transfer', 'transfer_requested', 'transfer_changed') BEGIN
    INSERT INTO transfers (id, placed_seq, kind, open, body) SELECT ${TRANSFER_ROW("new.body", "new.seq")} WHERE true
      ON CONFLICT DO UPDATE SET open = excluded.open, body = excluded.body;
    INSERT INTO meta (key, value) SELECT 'moved_today', new.body -> '$.today' WHERE new.body -> '$.today' IS NOT NULL
      ON CONFLICT DO UPDATE SET value = excluded.value;
  END`,
];

/** Where the journal has a prevented match, found by market and by either order; a trigger keeps it, as it keeps the others. */
const PREVENTED = [
  `CREATE TABLE prevented (seq INTEGER PRIMARY KEY, symbol TEXT NOT NULL, taker_order_id TEXT NOT NULL,
    maker_order_id TEXT NOT NULL) STRICT`,
  `CREATE TRIGGER journal_prevented AFTER INSERT ON journal
    WHEN new.kind = 'report' AND new.body -> '$.prevented' IS NOT NULL BEGIN
    INSERT INTO prevented (seq, symbol, taker_order_id, maker_order_id) VALUES (new.seq, new.symbol,
      new.body ->> '$.prevented.takerOrderId', new.body ->> '$.prevented.makerOrderId');
  END`,
];

/** The statements of every version, in order. */
export const ACCOUNT_VERSIONS = [
  VERSION_1,
  VERSION_2,
  BALANCES_BEYOND,
  TRANSFERS_BY_ID,
  HANDSHAKES_SCHEMA,
  TICKETS_SCHEMA,
  API_KEYS_SCHEMA,
  MOVES,
  ACCOUNT_GROUPS_SCHEMA,
  TRANSFERS,
  VOLUMES_SCHEMA,
  PREVENTED,
];
