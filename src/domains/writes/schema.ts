// Conflicts on the wire: writes that were accepted while the database was away, and could not be done.
import { z } from "@hono/zod-openapi";
import { timestampOut } from "../../http/openapi.ts";

/** A write that could not be done. `wanted` is what it was to make of the task or profile, `code` why it could not. */
export const conflictOut = z
  .object({
    id: z.string(),
    kind: z.enum(["task.create", "task.change", "task.move", "profile.change"]),
    task_id: z.string().nullable(),
    wanted: z.looseObject({}),
    asked_at: timestampOut,
    found_at: timestampOut,
    code: z.string(),
    detail: z.string(),
    version: z.int().optional().openapi({ description: "Of `precondition_failed`: the version that is in force." }),
  })
  .openapi("WriteConflict");

export const conflictPath = z.object({ id: z.string().min(1).max(64) });
