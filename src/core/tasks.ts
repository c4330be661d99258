// Tasks: what one is and how it may change. Each change is a new version of the whole task; who stores it stores it only over
// the version that it was made from, so that of two changes at once one is told to look again.
import { TASK_DUE_AHEAD_MAX_MS, TASK_DUE_BEHIND_MAX_MS } from "./limits.ts";
import { type FieldError, ok, type Refusal, type Result, refuse } from "./result.ts";

/** What a task can be. */
export const TASK_STATUSES = ["open", "done"] as const;
/** One of {@link TASK_STATUSES}. */
export type TaskStatus = (typeof TASK_STATUSES)[number];

/** What its owner says of a task. `dueAt` in ms; null: at no time. */
export interface TaskWish {
  title: string;
  notes: string;
  dueAt: number | null;
}

/** What of it is to be changed; what is left out stays. */
export type TaskChange = { [K in keyof TaskWish]?: TaskWish[K] | undefined };

/** A task. `version` counts its changes from 1, times are in ms, and a deleted one is kept, for nobody to see. */
export interface Task extends TaskWish {
  id: string;
  userId: string;
  status: TaskStatus;
  version: number;
  createdAt: number;
  updatedAt: number;
  deletedAt: number | null;
}

/** Where a task can be moved: to another status, or away. */
export type TaskMove = TaskStatus | "deleted";

const NOT_FOUND: Refusal = { code: "not_found", detail: "There is no such task." };

/** A new, open task. Refuses a due date that {@link dueErrors} finds fault with. */
export function newTask(ids: { id: string; userId: string }, wish: TaskWish, nowMs: number): Result<Task> {
  const errors = dueErrors(wish.dueAt, nowMs);
  if (errors.length > 0) return refuse({ code: "validation_failed", errors });
  return ok({ ...ids, ...wish, status: "open", version: 1, createdAt: nowMs, updatedAt: nowMs, deletedAt: null });
}

/**
 * The next version of a task, with what the change names. Refuses `not_found` for none or a deleted one, `precondition_failed`
 * when it is not at the `expected` version, and a wrong due date; one that stays as it is is not judged again.
 */
export function changeTask(task: Task | undefined, expected: number, change: TaskChange, nowMs: number): Result<Task> {
  if (!isThere(task)) return refuse(NOT_FOUND);
  if (task.version !== expected) return refuse({ code: "precondition_failed", version: task.version });
  const { title = task.title, notes = task.notes, dueAt = task.dueAt } = change;
  const errors = dueAt === task.dueAt ? [] : dueErrors(dueAt, nowMs);
  if (errors.length > 0) return refuse({ code: "validation_failed", errors });
  return ok(nextVersion(task, { title, notes, dueAt }, nowMs));
}

/** A task moved; as it is, when it is there already. Refuses `not_found` for none or a deleted one. */
export function moveTask(task: Task | undefined, to: TaskMove, nowMs: number): Result<Task> {
  if (!isThere(task)) return refuse(NOT_FOUND);
  if (to === "deleted") return ok(nextVersion(task, { deletedAt: nowMs }, nowMs));
  return ok(task.status === to ? task : nextVersion(task, { status: to }, nowMs));
}

/** Whether there is a task for anybody to see. */
export function isThere(task: Task | undefined): task is Task {
  return task !== undefined && task.deletedAt === null;
}

function nextVersion(task: Task, changed: Partial<Task>, nowMs: number): Task {
  // Clocks differ: what is changed later must not look older.
  return { ...task, ...changed, version: task.version + 1, updatedAt: Math.max(nowMs, task.updatedAt) };
}

/** What is wrong with a due date: the year is most likely mistyped. */
function dueErrors(dueAt: number | null, nowMs: number): FieldError[] {
  if (dueAt === null) return [];
  if (dueAt < nowMs - TASK_DUE_BEHIND_MAX_MS)
    return [{ pointer: "/due_at", code: "too_small", detail: "This is more than a year ago." }];
  if (dueAt > nowMs + TASK_DUE_AHEAD_MAX_MS)
    return [{ pointer: "/due_at", code: "too_big", detail: "This is more than ten years ahead." }];
  return [];
}
