// What is known in D1 of backups. The backups themselves do without it: all that one consists of is in its bucket.

import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** One row a backup. While it is made, `state` is what it has come to, and `version` counts its slices. */
export const backups = sqliteTable(
  "backups",
  {
    id: text("id").primaryKey(),
    phase: text("phase", { enum: ["markets", "accounts", "again", "tables", "done", "given_up"] }).notNull(),
    version: integer("version").notNull(),
    /** As JSON. */
    state: text("state").notNull(),
    startedAt: integer("started_at").notNull(),
    finishedAt: integer("finished_at"),
    complete: integer("complete", { mode: "boolean" }).notNull(),
    accounts: integer("accounts").notNull(),
    markets: integer("markets").notNull(),
    events: integer("events").notNull(),
    rows: integer("rows").notNull(),
    parts: integer("parts").notNull(),
    bytes: integer("bytes").notNull(),
    /** Objects that did not answer. */
    missing: text("missing", { mode: "json" }).$type<string[]>().notNull(),
    /** Who wanted it, by user id; null: the cron. */
    askedBy: text("asked_by"),
    /** When what it consists of was taken away. */
    forgottenAt: integer("forgotten_at"),
  },
  (table) => [index("backups_started").on(table.startedAt)],
);

/** One row for each part of an archive: events that an object has cut, or was about to cut when something failed. */
export const archives = sqliteTable(
  "archives",
  {
    key: text("key").primaryKey(),
    object: text("object", { enum: ["account", "market"] }).notNull(),
    name: text("name").notNull(),
    epoch: integer("epoch").notNull(),
    fromSeq: integer("from_seq").notNull(),
    toSeq: integer("to_seq").notNull(),
    /** All of it was at or before this time, in ms. */
    before: integer("before").notNull(),
    sha256: text("sha256").notNull(),
    bytes: integer("bytes").notNull(),
    archivedAt: integer("archived_at").notNull(),
  },
  (table) => [index("archives_object").on(table.object, table.name, table.epoch, table.fromSeq)],
);
