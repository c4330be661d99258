// What an account's owner may read, straight from the object's own tables: it shows every answer already given.
import type { AccountEvent, FillRecord, PreventedRecord, ReportApplied } from "../../core/account/state.ts";
import { decode } from "../../core/codec.ts";
import type { LedgerEntry } from "../../core/ledger.ts";
import type { Order } from "../../core/order.ts";
import type { ObjectPorts, SqlValue } from "../ports.ts";
import type { ExecutionQuery, LedgerQuery, OrderQuery, Page, PageRequest } from "../protocol.ts";
import { withLegs } from "./groups.ts";

type Filter = [clause: string, value: SqlValue];

/** What the owner may list of an account: every page is read from the tables when it is asked for. */
export class AccountReads {
  readonly #sql: ObjectPorts["sql"];

  constructor(ports: Pick<ObjectPorts, "sql">) {
    this.#sql = ports.sql;
  }

  /** The account's orders, newest first; parents with their legs, which are orders of the list too. */
  orders(query: OrderQuery): Page<Order> {
    const filters: Filter[] = [];
    if (query.status !== "all") filters.push(["open = ?", query.status === "open" ? 1 : 0]);
    if (query.symbol !== null) filters.push(["symbol = ?", query.symbol]);
    if (query.side !== null) filters.push(["side = ?", query.side]);
    if (query.cursor !== null) filters.push(["placed_seq < ?", query.cursor]);
    const rows = this.#sql<{ body: string; placed_seq: number }>(
      `SELECT body, placed_seq FROM orders ${where(filters)} ORDER BY placed_seq DESC LIMIT ?`,
      ...filters.map(([, value]) => value),
      query.limit + 1,
    );
    return pageOf(
      rows,
      query.limit,
      (row) => withLegs(decode<Order>(row.body), (id) => this.#order(id)),
      (row) => row.placed_seq,
    );
  }

  #order(id: string): Order | undefined {
    const [row] = this.#sql<{ body: string }>("SELECT body FROM orders WHERE id = ?", id);
    return row === undefined ? undefined : decode<Order>(row.body);
  }

  /** The account's executions, newest first. */
  fills(query: ExecutionQuery): Page<FillRecord> {
    const filters: Filter[] = [["entry_kind = ?", "fill"]];
    if (query.symbol !== null) filters.push(["symbol = ?", query.symbol]);
    if (query.orderId !== null) filters.push(["order_id = ?", query.orderId]);
    return this.#events(filters, query, "DESC", (event) => (event.kind === "report" ? event.fill : null));
  }

  /** The trades of the account with itself that were prevented, newest first; `orderId` is of either order. */
  prevented(query: ExecutionQuery): Page<PreventedRecord> {
    const filters: Filter[] = [];
    if (query.symbol !== null) filters.push(["prevented.symbol = ?", query.symbol]);
    if (query.orderId !== null) filters.push(["? IN (taker_order_id, maker_order_id)", query.orderId]);
    if (query.cursor !== null) filters.push(["prevented.seq < ?", query.cursor]);
    const rows = this.#sql<{ body: string; seq: number }>(
      `SELECT journal.body, prevented.seq FROM prevented CROSS JOIN journal ON journal.seq = prevented.seq
        ${where(filters)} ORDER BY prevented.seq DESC LIMIT ?`,
      ...filters.map(([, value]) => value),
      query.limit + 1,
    );
    const page = pageOf(
      rows,
      query.limit,
      (row) => decode<ReportApplied>(row.body).prevented,
      (row) => row.seq,
    );
    return { ...page, data: page.data.filter((match) => match !== undefined) };
  }

  /** The ledger's entries, oldest first. `from` and `to` bound their time in ms, `to` exclusive. */
  ledger(query: LedgerQuery): Page<LedgerEntry> {
    const filters: Filter[] = [query.kind === null ? ["1 = ?", 1] : ["entry_kind = ?", query.kind]];
    if (query.from !== null) filters.push(["at >= ?", query.from]);
    if (query.to !== null) filters.push(["at < ?", query.to]);
    if (query.asset !== null) {
      filters.push([
        "EXISTS (SELECT 1 FROM json_each(body, '$.entry.postings') WHERE value ->> 'asset' = ?)",
        query.asset,
      ]);
    }
    return this.#events(filters, query, "ASC", (event) => ("entry" in event ? event.entry : null));
  }

  /** Every event after a stream number, oldest first, at most `limit`. */
  eventsAfter(seq: number, limit: number): AccountEvent[] {
    const rows = this.#sql<{ body: string }>("SELECT body FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit);
    return rows.map((row) => decode<AccountEvent>(row.body));
  }

  #events<T>(
    filters: Filter[],
    query: PageRequest,
    direction: "ASC" | "DESC",
    pick: (event: AccountEvent) => T | null,
  ): Page<T> {
    if (query.cursor !== null) filters.push([direction === "DESC" ? "seq < ?" : "seq > ?", query.cursor]);
    const rows = this.#sql<{ body: string; seq: number }>(
      `SELECT body, seq FROM journal ${where(filters)} AND entry_kind IS NOT NULL ORDER BY seq ${direction} LIMIT ?`,
      ...filters.map(([, value]) => value),
      query.limit + 1,
    );
    const page = pageOf(
      rows,
      query.limit,
      (row) => pick(decode<AccountEvent>(row.body)),
      (row) => row.seq,
    );
    return { ...page, data: page.data.filter((item) => item !== null) };
  }
}

function where(filters: Filter[]): string {
  return filters.length === 0 ? "" : `WHERE ${filters.map(([clause]) => clause).join(" AND ")}`;
}

/** A page of `limit` rows out of `limit` + 1 asked for: the extra one only says that there are more. */
function pageOf<Row, T>(rows: Row[], limit: number, read: (row: Row) => T, place: (row: Row) => number): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { data: shown.map(read), nextCursor: rows.length > limit && last !== undefined ? place(last) : null };
}
