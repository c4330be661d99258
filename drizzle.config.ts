import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "sqlite",
  schema: [
    "./src/db/tables.ts",
    "./src/db/edge-tables.ts",
    "./src/db/ops-tables.ts",
    "./src/db/portfolio-tables.ts",
    "./src/db/read-model.ts",
    "./src/db/books-tables.ts",
    "./src/db/backup-tables.ts",
    "./src/db/tasks-tables.ts",
    "./src/db/write-tables.ts",
  ],
  out: "./migrations",
});
