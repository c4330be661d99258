// The operators' view of the read model. It is as late as the queue is: what must be exact is asked of the objects.
import { and, desc, eq, lt, type SQL, sql } from "drizzle-orm";
import { decode } from "../../core/codec.ts";
import { fromColumn } from "../../core/money.ts";
import type { Trigger } from "../../core/order.ts";
import { ok, type Result } from "../../core/result.ts";
import { type ShownOrder, wireOrder, wireTime } from "../../core/wire.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { deadLetters, orders, projectionHeads } from "../../db/read-model.ts";
import { idCursor, type PageWish, pageBy, pageById, type WirePage, WRONG_CURSOR } from "../../http/page.ts";

/** Which orders: of one market, of one account, still open or not. */
export interface OrderWish extends PageWish {
  symbol?: string | undefined;
  account_id?: string | undefined;
  status: "open" | "closed" | "all";
}

/** An order of somebody's as the contract shows it, and whose it is. */
export type WireAdminOrder = ReturnType<typeof wireOrder> & { account_id: string };

/** Orders of all users. Refuses a wrong cursor (`validation_failed`), and `unavailable` while D1 is away. */
export async function listOrders(env: DatabaseBinding, wish: OrderWish): Promise<Result<WirePage<WireAdminOrder>>> {
  const db = database(env);
  const cursor = idCursor("ord", wish.cursor);
  if (!cursor.ok) return cursor;
  const found = await guardD1(
    db
      .select()
      .from(orders)
      .where(
        and(
          wish.symbol === undefined ? undefined : eq(orders.symbol, wish.symbol),
          wish.account_id === undefined ? undefined : eq(orders.accountId, wish.account_id),
          statusFilter(wish.status),
          cursor.value === null ? undefined : lt(orders.id, cursor.value),
        ),
      )
      .orderBy(desc(orders.id))
      .limit(wish.limit + 1),
  );
  if (!found.ok) return found;
  return ok(pageById(found.value, wish.limit, wireAdminOrder));
}

/** The text is the index's own: only then does SQLite use the index of open orders. */
const OPEN = sql.raw("status IN ('pending_new', 'held', 'new', 'partially_filled')");

function statusFilter(status: OrderWish["status"]): SQL | undefined {
  if (status === "all") return undefined;
  return status === "open" ? OPEN : sql`NOT (${OPEN})`;
}

function wireAdminOrder(row: typeof orders.$inferSelect): WireAdminOrder {
  const units = (stored: number | null) => (stored === null ? null : fromColumn(stored));
  const { trigger, displayQty, replaceRequested, groupId, orderClass, ...kept } = row;
  const order: ShownOrder = {
    ...kept,
    replacing: replaceRequested || null,
    ...(groupId === null || orderClass === null ? {} : { group: { id: groupId, kind: orderClass } }),
    ...(displayQty === null ? {} : { displayQty: fromColumn(displayQty) }),
    ...(trigger === null ? {} : { trigger: decode<Trigger>(trigger) }),
    qty: units(row.qty),
    notional: units(row.notional),
    limitPrice: units(row.limitPrice),
    filledQty: fromColumn(row.filledQty),
    filledNotional: fromColumn(row.filledNotional),
    fee: fromColumn(row.fee),
  };
  return { account_id: row.accountId, ...wireOrder(order) };
}

/** What could not be applied. Refuses as {@link listOrders}. */
export async function listDeadLetters(env: DatabaseBinding, wish: PageWish) {
  const db = database(env);
  const cursor = idCursor("dlt", wish.cursor);
  if (!cursor.ok) return cursor;
  const found = await guardD1(
    db
      .select()
      .from(deadLetters)
      .where(cursor.value === null ? undefined : lt(deadLetters.id, cursor.value))
      .orderBy(desc(deadLetters.id))
      .limit(wish.limit + 1),
  );
  if (!found.ok) return found;
  return ok(pageById(found.value, wish.limit, wireDeadLetter));
}

function wireDeadLetter({
  id,
  queue,
  subject,
  reason,
  body,
  count,
  at,
  lastAt,
  replayedAt,
}: typeof deadLetters.$inferSelect) {
  const times = {
    at: wireTime(at),
    last_at: wireTime(lastAt),
    replayed_at: replayedAt === null ? null : wireTime(replayedAt),
  };
  return { id, queue, subject, reason, body, count, ...times };
}

/** How far each object's journal has been applied, the object heard of last first. Refuses as {@link listOrders}. */
export async function listProjections(env: DatabaseBinding, wish: PageWish & { name?: string | undefined }) {
  const db = database(env);
  const cursor =
    wish.cursor === undefined ? null : /^p[1-9]\d{0,14}$/.test(wish.cursor) ? Number(wish.cursor.slice(1)) : undefined;
  if (cursor === undefined) return WRONG_CURSOR;
  const found = await guardD1(
    db
      .select()
      .from(projectionHeads)
      .where(
        and(
          wish.name === undefined ? undefined : eq(projectionHeads.name, wish.name),
          cursor === null ? undefined : lt(projectionHeads.id, cursor),
        ),
      )
      .orderBy(desc(projectionHeads.id))
      .limit(wish.limit + 1),
  );
  if (!found.ok) return found;
  return ok(pageBy(found.value, wish.limit, (row) => `p${row.id}`, wireProjection));
}

function wireProjection({ object, name, epoch, appliedSeq, appliedAt }: typeof projectionHeads.$inferSelect) {
  return { object, name, epoch, applied_seq: appliedSeq, applied_at: wireTime(appliedAt) };
}
