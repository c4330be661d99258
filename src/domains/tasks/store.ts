// Tasks in D1, row by row: what is read there, and how a version is written over the one before.
import { and, asc, desc, eq, gte, isNull, lt, type SQL, sql } from "drizzle-orm";
import { TASKS_PER_USER_MAX } from "../../core/limits.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { folded, searchedText, type TaskFilter, type TaskOrder } from "../../core/task-lists.ts";
import type { Task } from "../../core/tasks.ts";
import { type Database, guardD1 } from "../../db/client.ts";
import { tasks } from "../../db/tasks-tables.ts";
import type { Place } from "../../http/page.ts";

/** What a list may be sorted by, as a number that is never negative; no due date comes last. */
const KEYS: Readonly<Record<TaskOrder, SQL<number>>> = {
  "-created_at": sql<number>`${tasks.createdAt}`,
  created_at: sql<number>`${tasks.createdAt}`,
  "-updated_at": sql<number>`${tasks.updatedAt}`,
  updated_at: sql<number>`${tasks.updatedAt}`,
  due_at: sql<number>`coalesce(${tasks.dueAt}, 8640000000000000)`,
  "-due_at": sql<number>`coalesce(${tasks.dueAt}, 0)`,
};

/** A task with the number that its list is sorted by. */
export interface SortedTask {
  task: Task;
  key: number;
}

/** Tasks of a user that are wanted, in an order, after a place in it. Refuses `unavailable`. */
export async function selectTasks(
  db: Database,
  userId: string,
  wish: { filter: TaskFilter; sort: TaskOrder; after: Place | null; limit: number },
): Promise<Result<SortedTask[]>> {
  const { filter, sort, after, limit } = wish;
  const key = KEYS[sort];
  const [direction, beyond] = sort.startsWith("-") ? [desc, sql`<`] : [asc, sql`>`];
  const rest = after === null ? undefined : sql`(${key}, ${tasks.id}) ${beyond} (${after.key}, ${after.id})`;
  const found = await guardD1(
    db
      .select({ task: tasks, key })
      .from(tasks)
      .where(and(eq(tasks.userId, userId), isNull(tasks.deletedAt), fits(filter), rest))
      .orderBy(direction(key), direction(tasks.id))
      .limit(limit),
  );
  return found.ok ? ok(found.value.map((row) => ({ task: taskOf(row.task), key: row.key }))) : refuse(found.refusal);
}

function fits({ status, dueAfter, dueBefore, q }: TaskFilter): SQL | undefined {
  return and(
    status === "all" ? undefined : eq(tasks.status, status),
    dueAfter === undefined ? undefined : gte(tasks.dueAt, dueAfter),
    dueBefore === undefined ? undefined : lt(tasks.dueAt, dueBefore),
    // Not LIKE, of which D1 takes patterns up to 50 bytes, and whose wildcards would be the caller's.
    q === undefined ? undefined : sql`instr(${tasks.searched}, ${folded(q)}) > 0`,
  );
}

/** Tasks of a user by their ids, deleted ones too. Refuses `unavailable`. */
export async function readTasks(
  db: Database,
  userId: string,
  ids: readonly string[],
): Promise<Result<Map<string, Task>>> {
  // One JSON value: D1 takes 100 values in a statement.
  const named = sql`${tasks.id} IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`;
  const found = await guardD1(
    db
      .select()
      .from(tasks)
      .where(and(eq(tasks.userId, userId), named)),
  );
  return found.ok ? ok(new Map(found.value.map((row) => [row.id, taskOf(row)]))) : refuse(found.refusal);
}

/** Writes a new task. Refuses `too_many_tasks`, and `unavailable`. */
export async function insertTask(db: Database, task: Task): Promise<Result<Task>> {
  const mine = and(eq(tasks.userId, task.userId), isNull(tasks.deletedAt));
  const { id, userId, title, notes, status, dueAt, version, createdAt, updatedAt } = task;
  const values = sql`${id}, ${userId}, ${title}, ${notes}, ${status}, ${dueAt}, ${version}, ${createdAt}, ${updatedAt}, ${searchedText(task)}`;
  const columns = sql`id, user_id, title, notes, status, due_at, version, created_at, updated_at, searched`;
  const room = sql`(SELECT count(*) FROM ${tasks} WHERE ${mine}) < ${TASKS_PER_USER_MAX}`;
  // One statement: of two at once only one gets the last place.
  const insert = sql`INSERT INTO ${tasks} (${columns}) SELECT ${values} WHERE ${room} RETURNING id`;
  const written = await guardD1(db.all<{ id: string }>(insert));
  if (!written.ok) return refuse(written.refusal);
  if (written.value.length > 0) return ok(task);
  return refuse({ code: "too_many_tasks", detail: `There are ${TASKS_PER_USER_MAX} tasks already.` });
}

/**
 * Writes versions of tasks, each over the one before it, all in one transaction. Answers the ids of those that were written: over
 * another version nothing is. Refuses `unavailable`.
 */
export async function writeVersions(db: Database, versions: readonly Task[]): Promise<Result<Set<string>>> {
  const [first, ...others] = versions.map((task) => versionStatement(db, task));
  if (first === undefined) return ok(new Set());
  const written = await guardD1(db.batch([first, ...others]));
  return written.ok ? ok(new Set(written.value.flat().map(({ id }) => id))) : refuse(written.refusal);
}

function versionStatement(db: Database, { id, userId, version, createdAt: _, ...task }: Task) {
  return db
    .update(tasks)
    .set({ ...task, version, searched: searchedText(task) })
    .where(and(eq(tasks.id, id), eq(tasks.userId, userId), eq(tasks.version, version - 1)))
    .returning({ id: tasks.id });
}

function taskOf({ searched: _, remindedOf: __, ...task }: typeof tasks.$inferSelect): Task {
  return task;
}
