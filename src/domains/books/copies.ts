// What the read model has of some objects, all of it read at one moment of D1.
import { count, type SQL, sql } from "drizzle-orm";
import { GENESIS_HASH } from "../../core/ledger.ts";
import { CHECK_ROWS_MAX } from "../../core/limits.ts";
import { fromColumn } from "../../core/money.ts";
import type { CopiedEntry, Copy, Windows } from "../../core/reconcile.ts";
import { type Database, type Guarded, guardD1 } from "../../db/client.ts";
import { balances, ledgerEntries, type ObjectKind, orders, projectionHeads } from "../../db/read-model.ts";

/** An object, and which of its rows are wanted. */
export interface Wanted extends Windows {
  name: string;
}

/** Above every id, and above every stream number. */
const LAST_ID = "~";
const LAST_SEQ = Number.MAX_SAFE_INTEGER;

/** What D1 has of these objects of one kind, by name, in one batch of seven statements. */
export async function readCopies(
  db: Database,
  object: ObjectKind,
  wanted: readonly Wanted[],
): Promise<Guarded<Map<string, Copy>>> {
  const asked = JSON.stringify(
    wanted.map(({ name, orders: o, entries: e }) => [name, o.after, e.after, o.also, e.also]),
  );
  const names = sql`(SELECT value ->> 0 FROM json_each(${asked}))`;
  const itsOwn = sql`object = ${object} AND name IN ${names}`;
  const { name, epoch } = ledgerEntries;
  const read = await guardD1(
    db.batch([
      db.select().from(projectionHeads).where(itsOwn),
      db.select().from(balances).where(sql`account_id IN ${names}`),
      db
        .select({ name: orders.accountId, n: count() })
        .from(orders)
        .where(sql`account_id IN ${names}`)
        .groupBy(orders.accountId),
      db
        .select()
        .from(orders)
        .where(sql`id IN (${ordersWanted(asked)})`)
        .orderBy(orders.id),
      // Of a market's entries, objects do not know how many there are without reading all.
      db
        .select({ name, epoch, n: count() })
        .from(ledgerEntries)
        .where(sql`${itsOwn} AND object = 'account'`)
        .groupBy(name, epoch),
      db
        .select()
        .from(ledgerEntries)
        .where(sql`rowid IN (${newestEntries(itsOwn)})`),
      db
        .select()
        .from(ledgerEntries)
        .where(sql`rowid IN (${entriesWanted(object, asked)})`)
        .orderBy(ledgerEntries.seq),
    ]),
  );
  if (!read.ok) return read;
  const [heads, money, orderCounts, orderRows, entryCounts, newest, entryRows] = read.value;
  const found: Found = { heads, money, orderCounts, orderRows, entryCounts, newest, entryRows };
  return { ok: true, value: new Map(wanted.map((one) => [one.name, copyOf(one, found)])) };
}

/** Rows of all objects that were asked for. */
interface Found {
  heads: (typeof projectionHeads.$inferSelect)[];
  money: (typeof balances.$inferSelect)[];
  orderCounts: { name: string; n: number }[];
  orderRows: (typeof orders.$inferSelect)[];
  entryCounts: { name: string; epoch: number; n: number }[];
  newest: (typeof ledgerEntries.$inferSelect)[];
  entryRows: (typeof ledgerEntries.$inferSelect)[];
}

function copyOf({ name, orders: o, entries: e }: Wanted, found: Found): Copy {
  const [life] = found.heads.filter((head) => head.name === name).sort((a, b) => b.epoch - a.epoch);
  const ofLife = <Row extends { name: string; epoch: number }>(rows: readonly Row[]) =>
    rows.filter((row) => row.name === name && row.epoch === life?.epoch);
  const ordersOf = found.orderRows.filter((row) => row.accountId === name);
  const entriesOf = ofLife(found.entryRows).map(copiedEntry);
  const money = found.money.filter((row) => row.accountId === name);
  const ids = ordersOf.map(({ id }) => id);
  const seqs = entriesOf.map(({ seq }) => seq);
  return {
    applied: life === undefined ? null : { epoch: life.epoch, seq: life.appliedSeq },
    balances: money.map(({ asset, available, held }) => {
      return { asset, available: fromColumn(available), held: fromColumn(held) };
    }),
    orderCount: found.orderCounts.find((row) => row.name === name)?.n ?? 0,
    orders: { rows: ordersOf, upTo: nthAfter(ids, o.after) },
    entryCount: ofLife(found.entryCounts)[0]?.n ?? 0,
    head: ofLife(found.newest)[0] ?? { seq: 0, hash: GENESIS_HASH },
    entries: { rows: entriesOf, upTo: nthAfter(seqs, e.after) },
  };
}

function copiedEntry({ postings, ...entry }: typeof ledgerEntries.$inferSelect): CopiedEntry {
  return {
    ...entry,
    postings: postings.map(([account, asset, amount]) => ({ account, asset, amount: fromColumn(amount) })),
  };
}

/** The last place of a full window; null when it goes to the end. Places are sorted. */
function nthAfter<Place extends string | number>(places: readonly Place[], after: Place): Place | null {
  return places.filter((place) => place > after)[CHECK_ROWS_MAX - 1] ?? null;
}

function ordersWanted(asked: string): SQL {
  return sql`SELECT o.id FROM json_each(${asked}) w CROSS JOIN orders o
      ON o.account_id = w.value ->> 0 AND o.id > w.value ->> 1 AND o.id <= coalesce((
        SELECT p.id FROM orders p WHERE p.account_id = w.value ->> 0 AND p.id > w.value ->> 1
          ORDER BY p.id LIMIT 1 OFFSET ${CHECK_ROWS_MAX - 1}), ${LAST_ID})
    UNION ALL SELECT also.value FROM json_each(${asked}) w, json_each(w.value, '$[3]') also`;
}

function newestEntries(itsOwn: SQL): SQL {
  return sql`SELECT (SELECT e.rowid FROM ledger_entries e WHERE e.object = h.object AND e.name = h.name AND e.epoch = h.epoch
      ORDER BY e.seq DESC LIMIT 1)
    FROM (SELECT object, name, epoch FROM projection_heads WHERE ${itsOwn}) h`;
}

function entriesWanted(object: ObjectKind, asked: string): SQL {
  const life = sql`json_each(${asked}) w CROSS JOIN
    (SELECT name, max(epoch) AS epoch FROM projection_heads WHERE object = ${object} GROUP BY name) h ON h.name = w.value ->> 0`;
  const ofIt = sql`e.object = ${object} AND e.name = h.name AND e.epoch = h.epoch`;
  return sql`SELECT e.rowid FROM ${life} CROSS JOIN ledger_entries e
      ON ${ofIt} AND e.seq > w.value ->> 2 AND e.seq <= coalesce((
        SELECT p.seq FROM ledger_entries p WHERE p.object = ${object} AND p.name = h.name AND p.epoch = h.epoch AND p.seq > w.value ->> 2
          ORDER BY p.seq LIMIT 1 OFFSET ${CHECK_ROWS_MAX - 1}), ${LAST_SEQ})
    UNION ALL SELECT e.rowid FROM ${life} CROSS JOIN json_each(w.value, '$[4]') also CROSS JOIN ledger_entries e
      ON ${ofIt} AND e.seq = also.value`;
}
