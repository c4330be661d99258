// What objects have cut from their journals, taken out of the read model too: it shows what they can still answer for, and a read model
// that is made anew has no more.
import { type SQL, sql } from "drizzle-orm";
import { type Database, type Written, written } from "../db/client.ts";
import { executions, ledgerEntries, type ObjectKind, orders, trades } from "../db/read-model.ts";
import { keepTraders } from "../db/traders.ts";

/** Orders that may still change. */
const OPEN = sql.raw("('pending_new', 'held', 'new', 'partially_filled')");

/** What was cut: the fields of a CutRow. */
const cut = {
  name: sql.placeholder("name"),
  epoch: sql.placeholder("epoch"),
  through: sql.placeholder("through"),
  before: sql.placeholder("before"),
};

/**
 * The statements that forget what an object of a kind has cut, where the `step` that says so is one of those that fit. Orders go by the
 * time that they last changed, and not before all of their group; everything else by the event that it is of.
 */
export function forgetting(db: Database, fits: SQL): Record<ObjectKind, Written[]> {
  const thisFits = sql`${sql.placeholder("step")} IN ${fits}`;
  const isGone = sql`seq <= ${cut.through} AND epoch <= ${cut.epoch} AND ${thisFits}`;
  const entriesOf = (object: ObjectKind) =>
    written(db.delete(ledgerEntries).where(sql`object = ${object} AND name = ${cut.name} AND ${isGone}`));
  const itsOrders = sql`SELECT id FROM orders WHERE account_id = ${cut.name}`;
  const isOver = (one: string) =>
    sql`${sql.raw(one)}.status NOT IN ${OPEN} AND ${sql.raw(one)}.updated_at <= ${cut.before}`;
  const lives = sql`EXISTS (SELECT 1 FROM orders other WHERE other.account_id = ${cut.name}
    AND other.group_id = orders.group_id AND NOT (${isOver("other")}))`;
  const isOut = sql`account_id = ${cut.name} AND ${isOver("orders")} AND (group_id IS NULL OR NOT ${lives})`;
  return {
    market: [entriesOf("market"), written(db.delete(trades).where(sql`market = ${cut.name} AND ${isGone}`))],
    account: [
      entriesOf("account"),
      written(db.delete(executions).where(sql`order_id IN (${itsOrders}) AND ${isGone}`)),
      written(keepTraders(db, sql`${isOut} AND ${thisFits}`)),
      written(db.delete(orders).where(sql`${isOut} AND ${thisFits}`)),
    ],
  };
}

/**
 * Forgets which orders of an account were open before a base that is applied now, where its `step` fits: a BaseRow. Those that still are
 * come with it. Only where the read model had not heard of the events that are gone, as one that was being made anew when they were cut,
 * is there any.
 */
export function forgettingOpen(db: Database, fits: SQL): Written {
  const itsOwn = sql`account_id = ${cut.name} AND status IN ${OPEN}`;
  const before = sql`epoch <= ${cut.epoch} AND event_seq <= ${sql.placeholder("seq")}`;
  return written(db.delete(orders).where(sql`${itsOwn} AND ${before} AND ${sql.placeholder("step")} IN ${fits}`));
}
