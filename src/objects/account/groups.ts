// The account object's groups: a row for each that has an exit open; and parents with their legs, as answers show them.
import { encode } from "../../core/codec.ts";
import type { Group } from "../../core/groups.ts";
import { isContainer } from "../../core/groups.ts";
import { isOpen, type Order } from "../../core/order.ts";
import type { Sql } from "../ports.ts";
import { readBody } from "../stored.ts";

/** A version of an account's tables. */
export const ACCOUNT_GROUPS_SCHEMA = [
  "CREATE TABLE IF NOT EXISTS groups (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID",
];

/** The groups as the table has them, by id. Throws InvariantError for a row that does not decode. */
export function loadGroups(sql: Sql): Map<string, Group> {
  const rows = sql<{ id: string; body: string }>("SELECT id, body FROM groups ORDER BY id");
  return new Map(rows.map(({ id, body }) => [id, readBody<Group>(body, `group ${id}`)]));
}

/** Writes a group as it is after a turn; one without exits is over. Belongs in the turn's transaction. */
export function writeGroup(sql: Sql, group: Group): void {
  if (group.exits.length === 0) sql("DELETE FROM groups WHERE id = ?", group.id);
  else sql("INSERT OR REPLACE INTO groups (id, body) VALUES (?, ?)", group.id, encode(group));
}

/** A parent with its legs as they are now; any other order as it is. The parent of an oco is being canceled with a leg. */
export function withLegs(order: Order, orderOf: (id: string) => Order | undefined): Order {
  const { group } = order;
  if (group === undefined || group.id !== order.id) return order;
  const legs = group.legs.flatMap((id) => orderOf(id) ?? []);
  const asked = isContainer(order) && isOpen(order.status) && legs.some((leg) => leg.cancelRequested);
  return { ...order, legs, cancelRequested: order.cancelRequested || asked };
}
