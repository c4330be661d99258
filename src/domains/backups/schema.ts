// What operators see of backups.
import { z } from "@hono/zod-openapi";
import { timestampOut } from "../../http/openapi.ts";

/** One backup. `missing`: objects that did not answer, of which nothing is in it; such a backup is not complete. */
export const backupOut = z
  .object({
    id: z.string(),
    status: z.enum(["running", "complete", "incomplete", "given_up", "forgotten"]),
    started_at: timestampOut,
    finished_at: timestampOut.nullable(),
    asked_by: z.string().nullable(),
    missing: z.array(z.string()),
    counts: z.object({
      accounts: z.int(),
      markets: z.int(),
      events: z.int(),
      rows: z.int(),
      parts: z.int(),
      bytes: z.int(),
    }),
  })
  .openapi("Backup");

/** A backup as it is answered. */
export type WireBackup = z.input<typeof backupOut>;
