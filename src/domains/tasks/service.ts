// What a user does with their tasks. Somebody else's are not found.
import { typeId } from "../../core/ids.ts";
import { TASK_WRITE_TRIES } from "../../core/limits.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import type { TaskFilter, TaskOrder } from "../../core/task-lists.ts";
import {
  changeTask as changed,
  isThere,
  moveTask as moved,
  newTask,
  type Task,
  type TaskChange,
  type TaskMove,
  type TaskWish,
} from "../../core/tasks.ts";
import { wireTime } from "../../core/wire.ts";
import { type DatabaseBinding, database } from "../../db/client.ts";
import { type PageWish, pageBy, placeCursor, placeText, type WirePage } from "../../http/page.ts";
import { problemOf } from "../../http/problem.ts";
import { insertTask, readTasks, selectTasks, writeVersions } from "./store.ts";

/** Whose tasks, where they are, and the time. */
export interface TasksContext {
  env: DatabaseBinding;
  userId: string;
  nowMs: number;
}

const BUSY: Refusal = { code: "unavailable", detail: "Others keep changing this task." };

/** Makes a task. Refuses a due date years away, `too_many_tasks`, and `unavailable`. */
export async function createTask({ env, userId, nowMs }: TasksContext, wish: TaskWish): Promise<Result<Task>> {
  const id = typeId("tsk", nowMs, crypto.getRandomValues(new Uint8Array(10)));
  const made = newTask({ id, userId }, wish, nowMs);
  return made.ok ? insertTask(database(env), made.value) : made;
}

/** One of the user's tasks. Refuses `not_found`, and `unavailable`. */
export async function readTask({ env, userId }: TasksContext, id: string): Promise<Result<Task>> {
  const found = await readTasks(database(env), userId, [id]);
  if (!found.ok) return found;
  const task = found.value.get(id);
  return isThere(task) ? ok(task) : refuse({ code: "not_found", detail: "There is no such task." });
}

/** How a list is asked for: which tasks, in which order, from where on. */
export interface TaskListWish extends PageWish {
  filter: TaskFilter;
  sort: TaskOrder;
}

/** The user's tasks. Refuses a wrong cursor, also one of another order, and `unavailable`. */
export async function listTasks(
  { env, userId }: TasksContext,
  { filter, sort, limit, cursor }: TaskListWish,
): Promise<Result<WirePage<ReturnType<typeof wireTask>>>> {
  const after = placeCursor(sort, "tsk", cursor);
  if (!after.ok) return after;
  const found = await selectTasks(database(env), userId, { filter, sort, after: after.value, limit: limit + 1 });
  if (!found.ok) return found;
  const place = ({ task: { id }, key }: (typeof found.value)[number]) => placeText(sort, { key, id });
  return ok(pageBy(found.value, limit, place, ({ task }) => wireTask(task)));
}

/** Changes a task from its `expected` version to the next. Refuses as {@link changed} does, and `unavailable`. */
export async function changeTask(
  ctx: TasksContext,
  id: string,
  expected: Result<number>,
  change: TaskChange,
): Promise<Result<Task>> {
  if (!expected.ok) return expected;
  const version = expected.value;
  return only(await writeTasks(ctx, [id], (task) => changed(task, version, change, ctx.nowMs)));
}

/** Completes, reopens or deletes a task; one that is there already stays as it is. Refuses `not_found`, and `unavailable`. */
export async function moveTask(ctx: TasksContext, id: string, to: TaskMove): Promise<Result<Task>> {
  return only(await moveTasks(ctx, [id], to));
}

/** As {@link moveTask}, many at once; what became of each, in the order given. Refuses `unavailable`, when some may have been moved. */
export function moveTasks(ctx: TasksContext, ids: readonly string[], to: TaskMove): Promise<Result<TaskOutcome[]>> {
  return writeTasks(ctx, ids, (task) => moved(task, to, ctx.nowMs));
}

/** What became of one of many tasks. */
export interface TaskOutcome {
  id: string;
  result: Result<Task>;
}

function only(outcomes: Result<TaskOutcome[]>): Result<Task> {
  if (!outcomes.ok) return outcomes;
  const [outcome] = outcomes.value;
  return outcome === undefined ? refuse({ code: "not_found" }) : outcome.result;
}

/**
 * Reads tasks, has `decide` make the next version of each, and writes those over the versions read. Where another change came
 * between, it is decided again: who asked for a version is refused then, who did not gets theirs on top.
 */
async function writeTasks(
  { env, userId }: TasksContext,
  ids: readonly string[],
  decide: (task: Task | undefined) => Result<Task>,
): Promise<Result<TaskOutcome[]>> {
  const db = database(env);
  const results = new Map<string, Result<Task>>();
  for (let tries = 0; tries < TASK_WRITE_TRIES; tries += 1) {
    const open = ids.filter((id) => !results.has(id));
    if (open.length === 0) break;
    const found = await readTasks(db, userId, open);
    if (!found.ok) return found;
    const decided = open.map((id) => ({ id, before: found.value.get(id), result: decide(found.value.get(id)) }));
    const next = decided.flatMap(({ before, result }) => (result.ok && result.value !== before ? [result.value] : []));
    const written = await writeVersions(db, next);
    if (!written.ok) return written;
    for (const { id, before, result } of decided)
      if (!result.ok || result.value === before || written.value.has(id)) results.set(id, result);
  }
  return ok(ids.map((id) => ({ id, result: results.get(id) ?? refuse(BUSY) })));
}

/** A task as answers show it. */
export function wireTask({ id, title, notes, status, dueAt, version, createdAt, updatedAt }: Task) {
  const times = { created_at: wireTime(createdAt), updated_at: wireTime(updatedAt) };
  return { id, title, notes, status, due_at: dueAt === null ? null : wireTime(dueAt), version, ...times };
}

/** One task's answer in a bulk's: what the call for it alone would have answered. */
export function bulkAnswer({ id, result }: TaskOutcome, request: { path: string; id: string }) {
  if (!result.ok) {
    const problem = problemOf(result.refusal, request.path, request.id);
    return { id, status_code: problem.status, problem };
  }
  if (!isThere(result.value)) return { id, status_code: 204 };
  return { id, status_code: 200, task: wireTask(result.value) };
}
