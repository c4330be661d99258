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

/** What a task without a due date is sorted by, either way: last. */
export const NO_DUE_DATE = { due_at: 8_640_000_000_000_000, "-due_at": 0 } as const;

/** Whether a task belongs in a list. */
export function isWanted(task: Task, { status, dueAfter, dueBefore, q }: TaskFilter): boolean {
  const { dueAt } = task;
  if (status !== "all" && task.status !== status) return false;
  if (dueAfter !== undefined && (dueAt === null || dueAt < dueAfter)) return false;
  if (dueBefore !== undefined && (dueAt === null || dueAt >= dueBefore)) return false;
  return q === undefined || searchedText(task).includes(folded(q));
}

/** The number that a task is sorted by. */
export function sortKey({ createdAt, updatedAt, dueAt }: Task, order: TaskOrder): number {
  switch (order) {
    case "created_at":
    case "-created_at":
      return createdAt;
    case "updated_at":
    case "-updated_at":
      return updatedAt;
    case "due_at":
    case "-due_at":
      return dueAt ?? NO_DUE_DATE[order];
  }
}

/** Below 0 where one place comes before another in an order, 0 for the same. */
export function comparePlaces(
  order: TaskOrder,
  one: { key: number; id: string },
  other: { key: number; id: string },
): number {
  const upwards = one.key - other.key || (one.id < other.id ? -1 : Number(one.id > other.id));
  return order.startsWith("-") ? -upwards : upwards;
}

/** Text as it is searched: upper and lower case, and forms of a character that look alike, are the same. */
export function folded(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

/** What of a task is searched. */
export function searchedText({ title, notes }: Pick<Task, "title" | "notes">): string {
  return folded(`${title}\n${notes}`);
}
