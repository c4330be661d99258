// Tasks on the wire.
import { z } from "@hono/zod-openapi";
import { TASK_BULK_MAX, TASK_NOTES_CHARS_MAX, TASK_SEARCH_CHARS_MAX, TASK_TITLE_CHARS_MAX } from "../../core/limits.ts";
import { TASK_ORDERS } from "../../core/task-lists.ts";
import { TASK_STATUSES, type TaskChange, type TaskWish } from "../../core/tasks.ts";
import { pageQuery, problemSchema, timestampIn, timestampOut } from "../../http/openapi.ts";

// Storage would make something else of a lone surrogate.
const ONE_LINE = /^[^\p{Cc}\p{Cs}]*$/u;
const TEXT = /^[^\0\p{Cs}]*$/u;

// The document's patterns have no flags: it would get them as a part of the expression.
const title = z
  .string()
  .trim()
  .min(1)
  .max(TASK_TITLE_CHARS_MAX)
  .regex(ONE_LINE, "must be one line without control characters")
  .openapi({ pattern: ONE_LINE.source, example: "Renew the API keys" });
const notes = z
  .string()
  .max(TASK_NOTES_CHARS_MAX)
  .regex(TEXT, "must not contain NUL or half of a character")
  .openapi({ pattern: TEXT.source });
const dueAt = timestampIn.nullable();

/** A new task. */
export const taskIn = z
  .strictObject({ title, notes: notes.default(""), due_at: dueAt.default(null) })
  .openapi("NewTask");

/** What of a task is to be changed: something. */
export const taskChange = z
  .strictObject({ title: title.optional(), notes: notes.optional(), due_at: dueAt.optional() })
  .refine((change) => Object.keys(change).length > 0, "must change something")
  .openapi("TaskChange");

/** What is said of a new task. */
export function wishOf({ title, notes, due_at }: z.infer<typeof taskIn>): TaskWish {
  return { title, notes, dueAt: due_at };
}

/** What is to be changed of one. */
export function changeOf({ title, notes, due_at }: z.infer<typeof taskChange>): TaskChange {
  return { title, notes, dueAt: due_at };
}

/** A task as answers show it. */
export const taskOut = z
  .object({
    id: z.string().openapi({ example: "tsk_01k9w2c3d4e5f6g7h8j9k0m1n2" }),
    title: z.string(),
    notes: z.string(),
    status: z.enum(TASK_STATUSES),
    due_at: timestampOut.nullable(),
    version: z.int(),
    created_at: timestampOut,
    updated_at: timestampOut,
  })
  .openapi("Task");

/** What is known of a task while a write of it waits for the database. */
export const bufferedOut = taskOut
  .partial()
  .extend({ id: z.string(), buffered: z.literal(true) })
  .openapi("BufferedTask");

const id = z.string().min(1).max(64);

export const taskPath = z.object({ id });

/** The version that a change was made from. Its absence is the verb's to refuse: 428, after what is wrong with the body. */
export const ifMatchHeader = z.object({
  "if-match": z
    .string()
    .optional()
    .openapi({ description: "Required: the `version` that you have read, in quotes, as in `ETag`.", example: '"3"' }),
});

/** Which tasks are listed, and how; of `due_after` and `due_before` only `due_after` is included. */
export const taskQuery = pageQuery.extend({
  status: z.enum([...TASK_STATUSES, "all"]).default("all"),
  due_after: timestampIn.optional(),
  due_before: timestampIn.optional(),
  q: z
    .string()
    .trim()
    .min(1)
    .max(TASK_SEARCH_CHARS_MAX)
    .optional()
    .openapi({ description: "What title or notes contain, in upper or lower case." }),
  sort: z
    .enum(TASK_ORDERS)
    .default("-created_at")
    .openapi({ description: "With `-` the last first. Tasks without a due date come last." }),
});

/** What is done to many tasks at once. */
export const bulkIn = z
  .strictObject({
    action: z.enum(["complete", "delete"]),
    ids: z
      .array(id)
      .min(1)
      .max(TASK_BULK_MAX)
      .refine((ids) => new Set(ids).size === ids.length, "must name each task once"),
  })
  .openapi("TaskBulk");

/** What became of one of them, as the call for it alone would have answered. */
export const bulkItemOut = z.object({
  id: z.string(),
  status_code: z.int(),
  task: z.union([taskOut, bufferedOut]).optional(),
  problem: problemSchema.optional(),
});
