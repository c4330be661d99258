// What the edge keeps in D1: the audit trail, the operators' lists of addresses, and the first answers to idempotency keys.

import { sql } from "drizzle-orm";
import { check, index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/**
 * One row an act of security or money. Triggers refuse to change or remove one, and add one for each row of `transfers` as
 * the journal brings it: the money path itself writes nothing here. `actor` is empty for a stranger.
 */
export const auditEvents = sqliteTable(
  "audit_events",
  {
    id: text("id").primaryKey(),
    at: integer("at").notNull(),
    actorKind: text("actor_kind", { enum: ["user", "operator", "key", "stranger"] }).notNull(),
    actor: text("actor").notNull(),
    act: text("act").notNull(),
    target: text("target").notNull(),
    outcome: text("outcome").notNull(),
    ip: text("ip").notNull(),
    requestId: text("request_id").notNull(),
    reason: text("reason"),
    /** JSON: what was asked for beside the reason. */
    request: text("request"),
  },
  (table) => [
    index("audit_events_actor").on(table.actor, table.id),
    index("audit_events_act").on(table.act, table.id),
    index("audit_events_target").on(table.target, table.id),
  ],
);

/** One row a block of addresses that operators let in or shut out; `block` is in its one form (core/ip.ts). */
export const ipRules = sqliteTable(
  "ip_rules",
  {
    id: text("id").primaryKey(),
    list: text("list", { enum: ["allow", "deny"] }).notNull(),
    block: text("block").notNull().unique(),
    reason: text("reason").notNull(),
    createdBy: text("created_by").notNull(),
    createdAt: integer("created_at").notNull(),
  },
  (table) => [check("ip_rules_list", sql`${table.list} IN ('allow', 'deny')`)],
);

/**
 * One row an idempotency key of one caller on one route. Without an answer it is in flight until `leaseUntil`; with one it is
 * answered again. `bodyHash` is keyed: a body may hold a password.
 */
export const idempotencyKeys = sqliteTable(
  "idempotency_keys",
  {
    scope: text("scope").notNull(),
    key: text("key").notNull(),
    bodyHash: text("body_hash").notNull(),
    requestId: text("request_id").notNull(),
    leaseUntil: integer("lease_until").notNull(),
    createdAt: integer("created_at").notNull(),
    status: integer("status"),
    contentType: text("content_type"),
    body: text("body"),
  },
  (table) => [
    primaryKey({ columns: [table.scope, table.key] }),
    index("idempotency_keys_created").on(table.createdAt),
    check("idempotency_keys_whole", sql`(${table.status} IS NULL) = (${table.body} IS NULL)`),
  ],
);
