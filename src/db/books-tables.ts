// What checks of the books leave in D1: each check, what it found broken, and what customers were owed at each full hour.

import { sql } from "drizzle-orm";
import { check, index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import type { BreakKind } from "../core/reconcile.ts";
import type { ObjectKind } from "./read-model.ts";

/** One row a check of all objects. While it goes on, `state` is what it has added up so far, and `version` counts its slices. */
export const checks = sqliteTable(
  "checks",
  {
    id: text("id").primaryKey(),
    phase: text("phase", { enum: ["markets", "accounts", "again", "done", "given_up"] }).notNull(),
    /** The last account that has been looked at. */
    position: text("position").notNull(),
    version: integer("version").notNull(),
    /** As core/codec.ts writes it. */
    state: text("state").notNull(),
    startedAt: integer("started_at").notNull(),
    finishedAt: integer("finished_at"),
    accounts: integer("accounts").notNull(),
    markets: integer("markets").notNull(),
    orders: integer("orders").notNull(),
    entries: integer("entries").notNull(),
    /** What it said when it was finished: sums, open breaks by kind, what could not be judged; as the wire shows it. */
    result: text("result"),
  },
  (table) => [index("checks_finished").on(table.finishedAt)],
);

/** One row something broken, from the check that found it to the one that found it mended. */
export const breaks = sqliteTable(
  "breaks",
  {
    id: text("id").primaryKey(),
    kind: text("kind").$type<BreakKind>().notNull(),
    object: text("object").$type<ObjectKind | "exchange">().notNull(),
    name: text("name").notNull(),
    subject: text("subject").notNull(),
    expected: text("expected").notNull(),
    found: text("found").notNull(),
    openedAt: integer("opened_at").notNull(),
    lastSeenAt: integer("last_seen_at").notNull(),
    closedAt: integer("closed_at"),
    acknowledgedAt: integer("acknowledged_at"),
    acknowledgedBy: text("acknowledged_by"),
    acknowledgedReason: text("acknowledged_reason"),
  },
  (table) => [
    uniqueIndex("breaks_open").on(table.object, table.name, table.kind, table.subject).where(sql`closed_at IS NULL`),
    check("breaks_acknowledged_whole", sql`(${table.acknowledgedAt} IS NULL) = (${table.acknowledgedBy} IS NULL)`),
  ],
);

/** Where checks go on in objects with more rows than one looks at; without a row they begin at the first. */
export const checkMarks = sqliteTable(
  "check_marks",
  {
    object: text("object").$type<ObjectKind>().notNull(),
    name: text("name").notNull(),
    ordersAfter: text("orders_after").notNull(),
    entriesAfter: integer("entries_after").notNull(),
  },
  (table) => [primaryKey({ columns: [table.object, table.name] })],
);

/** One row a full hour: what all customers were owed then. `round` in ms. While it is made, `version` counts its slices. */
export const liabilityRounds = sqliteTable("liability_rounds", {
  round: integer("round").primaryKey(),
  phase: text("phase", { enum: ["leaves", "tree", "done"] }).notNull(),
  /** The last account asked, or the last node folded. */
  position: text("position").notNull(),
  storey: integer("storey").notNull(),
  version: integer("version").notNull(),
  accounts: integer("accounts").notNull(),
  /** Accounts that have not answered; a closed round is without them. */
  missing: text("missing", { mode: "json" }).$type<string[]>().notNull(),
  root: text("root"),
  totals: text("totals", { mode: "json" }).$type<[asset: string, units: string][]>(),
  startedAt: integer("started_at").notNull(),
  finishedAt: integer("finished_at"),
});

/** Nodes of the trees: leaves are storey 0, and only every eighth level above is kept. `first` is the least leaf under a node. */
export const liabilityNodes = sqliteTable(
  "liability_nodes",
  {
    round: integer("round").notNull(),
    storey: integer("storey").notNull(),
    first: text("first").notNull(),
    hash: text("hash").notNull(),
    /** Units as text: a sum over all customers may pass what a number holds. */
    sums: text("sums", { mode: "json" }).$type<[asset: string, units: string][]>().notNull(),
    accountId: text("account_id"),
    salt: text("salt"),
  },
  (table) => [
    primaryKey({ columns: [table.round, table.storey, table.first] }),
    uniqueIndex("liability_nodes_account").on(table.round, table.accountId).where(sql`account_id IS NOT NULL`),
    check("liability_nodes_leaf", sql`(${table.storey} = 0) = (${table.accountId} IS NOT NULL)`),
  ],
);
