// What operators have decided and objects are still to be told.
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/**
 * One row a market: what the kill switch last said to it. Without `toldAt` it has not been reached yet, and is told again. The
 * market's own rules are what counts; this is only what it must hear.
 */
export const killOrders = sqliteTable("kill_orders", {
  symbol: text("symbol").primaryKey(),
  act: text("act", { enum: ["kill", "release"] }).notNull(),
  cancelOrders: integer("cancel_orders", { mode: "boolean" }).notNull(),
  by: text("by").notNull(),
  reason: text("reason").notNull(),
  at: integer("at").notNull(),
  toldAt: integer("told_at"),
});
