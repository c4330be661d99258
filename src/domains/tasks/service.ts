// What a user does with their tasks. Somebody else's are not found. While the database is away writes wait in the user's buffer.
import { canonical } from "../../core/codec.ts";
import { derivedId, typeId } from "../../core/ids.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { comparePlaces, isWanted, sortKey, type TaskFilter, type TaskOrder } from "../../core/task-lists.ts";
import { isThere, newTask, type Task, type TaskChange, type TaskMove, type TaskWish } from "../../core/tasks.ts";
import { wireTime } from "../../core/wire.ts";
import {
  foreseenFields,
  foreseenTask,
  type Kept,
  taskIdOf,
  type Write,
  type WriteAct,
} from "../../core/write-buffer.ts";
import { type DatabaseBinding, database } from "../../db/client.ts";
import { type PageWish, type Place, pageBy, placeCursor, placeText, type WirePage } from "../../http/page.ts";
import { problemOf } from "../../http/problem.ts";
import { type OwnBuffer, writeOrKeep, writeOrKeepAll } from "../../http/write-buffer.ts";
import { readTask as readRow, readWithMarks, type SortedTask, selectTasks } from "./store.ts";
import { insertTask, writeTasks } from "./writes.ts";

/** Whose tasks, where they are, where their writes wait, and the time. */
export interface TasksContext {
  env: DatabaseBinding;
  buffer: OwnBuffer;
  userId: string;
  nowMs: number;
}

/** What a write has come to: the task as it is, or what is known of it while the write waits. */
export type TaskAnswer = { kind: "done"; task: Task } | { kind: "buffered"; known: Partial<Task> & { id: string } };

const NOT_FOUND: Refusal = { code: "not_found", detail: "There is no such task." };
const encoder = new TextEncoder();

/**
 * Makes a task; of one wish by an idempotency key always the same one, also while nobody can look the key up. Refuses a due date
 * years away, another wish by the key of one that waits (`idempotency_key_reused`), `too_many_tasks`, and `unavailable`.
 */
export async function createTask(
  { env, buffer, userId, nowMs }: TasksContext,
  wish: TaskWish,
  key: string | undefined,
): Promise<Result<TaskAnswer>> {
  // By the key alone, another wish would be taken for one that is done already while the key cannot be looked up, and lost.
  const made = newTask({ id: await idOf("tsk", nowMs, userId, key, canonical(wish)), userId }, wish, nowMs);
  if (!made.ok) return made;
  const { id } = made.value;
  const act: WriteAct = { kind: "task.create", taskId: id, wish };
  const write = { id: await idOf("wrt", nowMs, userId, key), userId, at: nowMs, act };
  const written = await writeOrKeep(buffer, write, () => insertTask(database(env), made.value));
  if (!written.ok) return written;
  if ("done" in written.value) return ok({ kind: "done", task: written.value.done });
  return ok({ kind: "buffered", known: foreseenFields(id, written.value.waiting) });
}

async function idOf(
  prefix: string,
  nowMs: number,
  userId: string,
  key: string | undefined,
  said = "",
): Promise<string> {
  if (key === undefined) return typeId(prefix, nowMs, crypto.getRandomValues(new Uint8Array(10)));
  const digest = await crypto.subtle.digest("SHA-256", encoder.encode(`${userId} POST /v1/tasks ${key} ${said}`));
  return derivedId(prefix, new Uint8Array(digest));
}

/** One of the user's tasks, with what waits. Refuses `not_found`, and `unavailable` where too little is known without the database. */
export async function readTask({ env, buffer, userId }: TasksContext, id: string): Promise<Result<Task>> {
  const waiting = await buffer.waiting();
  if (!waiting.ok) return waiting;
  const own = waiting.value.filter((write) => taskIdOf(write) === id);
  if (own.length === 0) {
    const found = await readRow(database(env), userId, id);
    return found.ok ? shown(found.value) : found;
  }
  const found = await readWithMarks(database(env), own);
  if (found.ok) return shown(foreseenTask(found.value.rows.get(id), notMarked(own, found.value.marks)));
  // What was made meanwhile is known whole.
  const isMade = own.some(({ act }) => act.kind === "task.create");
  return isMade ? shown(foreseenTask(undefined, own)) : found;
}

function shown(task: Task | undefined): Result<Task> {
  return isThere(task) ? ok(task) : refuse(NOT_FOUND);
}

function notMarked(writes: readonly Write[], marks: ReadonlySet<string>): Write[] {
  return writes.filter(({ id }) => !marks.has(id));
}

/** How a list is asked for: which tasks, in which order, from where on. */
export interface TaskListWish extends PageWish {
  filter: TaskFilter;
  sort: TaskOrder;
}

/** The user's tasks, with what waits. Refuses a wrong cursor, also one of another order, and `unavailable`. */
export async function listTasks(
  { env, buffer, userId }: TasksContext,
  wish: TaskListWish,
): Promise<Result<WirePage<ReturnType<typeof wireTask>>>> {
  const { filter, sort, limit } = wish;
  const after = placeCursor(sort, "tsk", wish.cursor);
  if (!after.ok) return after;
  const waiting = await buffer.waiting();
  if (!waiting.ok) return waiting;
  const db = database(env);
  const writes = waiting.value.filter((write) => taskIdOf(write) !== null);
  const without = [...new Set(writes.flatMap((write) => taskIdOf(write) ?? []))];
  const found = await selectTasks(db, userId, { filter, sort, after: after.value, limit: limit + 1, without });
  if (!found.ok) return found;
  const foreseen = writes.length === 0 ? ok([]) : await foreseenTasks(db, writes, without);
  if (!foreseen.ok) return foreseen;
  const changed = foreseen.value.flatMap((task) => placed(task, wish, after.value));
  const rows = [...found.value, ...changed].sort((one, other) => comparePlaces(sort, placeOf(one), placeOf(other)));
  return ok(
    pageBy(
      rows,
      limit,
      (row) => placeText(sort, placeOf(row)),
      ({ task }) => wireTask(task),
    ),
  );
}

/** The tasks that writes are about, as they will be. */
async function foreseenTasks(
  db: ReturnType<typeof database>,
  writes: readonly Write[],
  ids: readonly string[],
): Promise<Result<Task[]>> {
  const found = await readWithMarks(db, writes);
  if (!found.ok) return found;
  const left = notMarked(writes, found.value.marks);
  const tasks = ids.map((id) =>
    foreseenTask(
      found.value.rows.get(id),
      left.filter((write) => taskIdOf(write) === id),
    ),
  );
  return ok(tasks.filter(isThere));
}

/** A task in its place in a list; nowhere when it does not belong there, or comes before the page. */
function placed(task: Task, { filter, sort }: TaskListWish, after: Place | null): SortedTask[] {
  const row = { task, key: sortKey(task, sort) };
  const isBefore = after !== null && comparePlaces(sort, placeOf(row), after) <= 0;
  return isBefore || !isWanted(task, filter) ? [] : [row];
}

function placeOf({ task: { id }, key }: SortedTask): Place {
  return { key, id };
}

/** Changes a task from its `expected` version to the next. Refuses as core does, and `unavailable`. */
export async function changeTask(
  ctx: TasksContext,
  id: string,
  expected: Result<number>,
  change: TaskChange,
): Promise<Result<TaskAnswer>> {
  if (!expected.ok) return expected;
  return only(await doWrites(ctx, [{ kind: "task.change", taskId: id, expected: expected.value, change }]));
}

/** Completes, reopens or deletes a task; one that is there already stays as it is. Refuses `not_found`, and `unavailable`. */
export async function moveTask(ctx: TasksContext, id: string, to: TaskMove): Promise<Result<TaskAnswer>> {
  return only(await moveTasks(ctx, [id], to));
}

/** As {@link moveTask}, many at once; what became of each, in the order given. Refuses `unavailable`, when some may have been moved. */
export function moveTasks(ctx: TasksContext, ids: readonly string[], to: TaskMove): Promise<Result<TaskOutcome[]>> {
  return doWrites(
    ctx,
    ids.map((taskId) => ({ kind: "task.move", taskId, to })),
  );
}

/** What became of one of many tasks. */
export interface TaskOutcome {
  id: string;
  result: Result<TaskAnswer>;
}

function only(outcomes: Result<TaskOutcome[]>): Result<TaskAnswer> {
  return outcomes.ok ? (outcomes.value[0]?.result ?? refuse(NOT_FOUND)) : outcomes;
}

type TaskAct = Exclude<WriteAct, { kind: "profile.change" | "task.create" }>;

async function doWrites(ctx: TasksContext, acts: readonly TaskAct[]): Promise<Result<TaskOutcome[]>> {
  const { env, buffer, userId, nowMs } = ctx;
  const newId = () => typeId("wrt", nowMs, crypto.getRandomValues(new Uint8Array(10)));
  const writes = acts.map((act) => ({ id: newId(), userId, at: nowMs, act }));
  const written = await writeOrKeepAll(buffer, writes, () => writeTasks(database(env), writes, nowMs));
  if (!written.ok) return written;
  const { value } = written;
  return ok(
    writes.map(({ id, act: { taskId } }) => {
      if ("waiting" in value) return { id: taskId, result: keptAs(value, id, taskId) };
      const result = value.done.get(id) ?? refuse(NOT_FOUND);
      return { id: taskId, result: result.ok ? ok({ kind: "done", task: result.value }) : result };
    }),
  );
}

function keptAs({ waiting, refused }: Kept, writeId: string, taskId: string): Result<TaskAnswer> {
  const without = refused.find(({ id }) => id === writeId);
  if (without !== undefined) return refuse(without.refusal);
  return ok({ kind: "buffered", known: foreseenFields(taskId, waiting) });
}

/** A task as answers show it. */
export function wireTask({ id, title, notes, status, dueAt, version, createdAt, updatedAt }: Task) {
  const times = { created_at: wireTime(createdAt), updated_at: wireTime(updatedAt) };
  return { id, title, notes, status, due_at: dueAt === null ? null : wireTime(dueAt), version, ...times };
}

/** What is known of a task while a write of it waits: what is not known is left out. */
export function wireKnown({
  id,
  title,
  notes,
  status,
  dueAt,
  version,
  createdAt,
  updatedAt,
}: Partial<Task> & { id: string }) {
  return {
    id,
    ...(title === undefined ? {} : { title }),
    ...(notes === undefined ? {} : { notes }),
    ...(status === undefined ? {} : { status }),
    ...(dueAt === undefined ? {} : { due_at: dueAt === null ? null : wireTime(dueAt) }),
    ...(version === undefined ? {} : { version }),
    ...(createdAt === undefined ? {} : { created_at: wireTime(createdAt) }),
    ...(updatedAt === undefined ? {} : { updated_at: wireTime(updatedAt) }),
    buffered: true as const,
  };
}

/** One task's answer in a bulk's: what the call for it alone would have answered. */
export function bulkAnswer({ id, result }: TaskOutcome, request: { path: string; id: string }) {
  if (!result.ok) {
    const problem = problemOf(result.refusal, request.path, request.id);
    return { id, status_code: problem.status, problem };
  }
  const { value } = result;
  if (value.kind === "buffered") return { id, status_code: 202, task: wireKnown(value.known) };
  if (!isThere(value.task)) return { id, status_code: 204 };
  return { id, status_code: 200, task: wireTask(value.task) };
}
