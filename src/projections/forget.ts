// What objects have cut from their journals, taken out of the read model too: it shows what they can still answer for, and a read model
// that is made anew has no more.
import { type SQL, sql } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import type { Database } from "../db/client.ts";
import { executions, ledgerEntries, orders, trades } from "../db/read-model.ts";
import type { BaseRow, CutRow } from "./rows.ts";

/** Orders that may still change. */
const OPEN = sql.raw("('pending_new', 'held', 'new', 'partially_filled')");

/**
 * The statements that forget what was cut, of the steps that fit. `cuts` by step. Orders go by the time that they last changed, and
 * not before all of their group; everything else by the event that it is of.
 */
export function forget(db: Database, cuts: readonly (readonly CutRow[])[], fits: SQL): BatchItem<"sqlite">[] {
  return cuts.flatMap((ofStep, step) => ofStep.flatMap((cut) => forgetOne(db, cut, sql`${step} IN ${fits}`)));
}

/**
 * The statements that forget, of the steps that fit, which orders were open before a base that is applied now: those that still are come
 * with it. Only where the read model had not heard of the events that are gone, as one that was being made anew when they were cut.
 */
export function beginAnew(db: Database, bases: readonly (readonly BaseRow[])[], fits: SQL): BatchItem<"sqlite">[] {
  return bases.flatMap((ofStep, step) =>
    ofStep.map(({ name, epoch, seq }) =>
      db
        .delete(orders)
        .where(
          sql`account_id = ${name} AND status IN ${OPEN} AND epoch <= ${epoch} AND event_seq <= ${seq} AND ${step} IN ${fits}`,
        ),
    ),
  );
}

function forgetOne(db: Database, cut: CutRow, fits: SQL): BatchItem<"sqlite">[] {
  const { object, name, epoch, through, before } = cut;
  const isGone = sql`seq <= ${through} AND epoch <= ${epoch} AND ${fits}`;
  const entries = db.delete(ledgerEntries).where(sql`object = ${object} AND name = ${name} AND ${isGone}`);
  if (object === "market") return [entries, db.delete(trades).where(sql`market = ${name} AND ${isGone}`)];
  const itsOrders = sql`SELECT id FROM orders WHERE account_id = ${name}`;
  const isOver = (one: SQL) => sql`${one}.status NOT IN ${OPEN} AND ${one}.updated_at <= ${before}`;
  const lives = sql`EXISTS (SELECT 1 FROM orders other WHERE other.account_id = ${name} AND other.group_id = orders.group_id
    AND NOT (${isOver(sql.raw("other"))}))`;
  return [
    entries,
    db.delete(executions).where(sql`order_id IN (${itsOrders}) AND ${isGone}`),
    db
      .delete(orders)
      .where(
        sql`account_id = ${name} AND ${isOver(sql.raw("orders"))} AND (group_id IS NULL OR NOT ${lives}) AND ${fits}`,
      ),
  ];
}
