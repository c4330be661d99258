// Lists of tasks: which belong in one, and in which order. The database has the same sentences in SQL.
import type { Task, TaskStatus } from "./tasks.ts";

/** How a list may be sorted; with `-` the greatest first. Tasks without a due date come last, either way. */
export const TASK_ORDERS = ["-created_at", "created_at", "-updated_at", "updated_at", "due_at", "-due_at"] as const;
/** One of {@link TASK_ORDERS}. */
export type TaskOrder = (typeof TASK_ORDERS)[number];

/** Which tasks are wanted: `dueAfter` (included) and `dueBefore` (not) in ms, and what title or notes contain. */
export interface TaskFilter {
  status: TaskStatus | "all";
  dueAfter?: number | undefined;
  dueBefore?: number | undefined;
  q?: string | undefined;
}

/** Text as it is searched: upper and lower case, and forms of a character that look alike, are the same. */
export function folded(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

/** What of a task is searched. */
export function searchedText({ title, notes }: Pick<Task, "title" | "notes">): string {
  return folded(`${title}\n${notes}`);
}
