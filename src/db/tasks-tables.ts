// Tasks in D1.

import { sql } from "drizzle-orm";
import { check, index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { TASK_STATUSES } from "../core/tasks.ts";

/** One row a task, deleted ones too. Times in ms; `version` is compared by whoever writes. */
export const tasks = sqliteTable(
  "tasks",
  {
    id: text("id").primaryKey(),
    userId: text("user_id").notNull(),
    title: text("title").notNull(),
    notes: text("notes").notNull(),
    status: text("status", { enum: TASK_STATUSES }).notNull(),
    dueAt: integer("due_at"),
    version: integer("version").notNull(),
    createdAt: integer("created_at").notNull(),
    updatedAt: integer("updated_at").notNull(),
    deletedAt: integer("deleted_at"),
    /** Title and notes as core/task-lists.ts folds them: SQLite knows the case of ASCII alone. */
    searched: text("searched").notNull(),
    /** The due date of which its owner has been reminded last. */
    remindedOf: integer("reminded_of"),
  },
  (table) => [
    index("tasks_created").on(table.userId, table.createdAt, table.id).where(sql`${table.deletedAt} IS NULL`),
    // Only what waits for its reminder: the cron looks each minute.
    index("tasks_to_remind")
      .on(table.dueAt)
      .where(
        sql`${table.status} = 'open' AND ${table.deletedAt} IS NULL AND ${table.dueAt} IS NOT ${table.remindedOf}`,
      ),
    check("tasks_status", sql`${table.status} IN ('open', 'done')`),
    check("tasks_version", sql`${table.version} >= 1`),
  ],
);
