// Tasks as they are read from D1.
import { and, asc, desc, eq, gte, isNull, lt, not, type SQL, sql } from "drizzle-orm";
import { BUFFER_D1_WAIT_MS } from "../../core/limits.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { folded, NO_DUE_DATE, type TaskFilter, type TaskOrder } from "../../core/task-lists.ts";
import type { Task } from "../../core/tasks.ts";
import { taskIdOf, type Write } from "../../core/write-buffer.ts";
import { among, type Database, guardD1 } from "../../db/client.ts";
import { tasks } from "../../db/tasks-tables.ts";
import { appliedWrites } from "../../db/write-tables.ts";
import type { Place } from "../../http/page.ts";

/** What a list may be sorted by, as a number that is never negative; no due date comes last. */
const KEYS: Readonly<Record<TaskOrder, SQL<number>>> = {
  "-created_at": sql<number>`${tasks.createdAt}`,
  created_at: sql<number>`${tasks.createdAt}`,
  "-updated_at": sql<number>`${tasks.updatedAt}`,
  updated_at: sql<number>`${tasks.updatedAt}`,
  due_at: sql<number>`coalesce(${tasks.dueAt}, ${NO_DUE_DATE.due_at})`,
  "-due_at": sql<number>`coalesce(${tasks.dueAt}, ${NO_DUE_DATE["-due_at"]})`,
};

/** A task with the number that its list is sorted by. */
export interface SortedTask {
  task: Task;
  key: number;
}

/** Tasks of a user that are wanted, but for some, in an order, after a place in it. Refuses `unavailable`. */
export async function selectTasks(
  db: Database,
  userId: string,
  wish: { filter: TaskFilter; sort: TaskOrder; after: Place | null; limit: number; without: readonly string[] },
): Promise<Result<SortedTask[]>> {
  const { filter, sort, after, limit, without } = wish;
  const key = KEYS[sort];
  const [direction, beyond] = sort.startsWith("-") ? [desc, sql`<`] : [asc, sql`>`];
  const rest = after === null ? undefined : sql`(${key}, ${tasks.id}) ${beyond} (${after.key}, ${after.id})`;
  const others = without.length === 0 ? undefined : not(among(tasks.id, without));
  const found = await guardD1(
    db
      .select({ task: tasks, key })
      .from(tasks)
      .where(and(eq(tasks.userId, userId), isNull(tasks.deletedAt), fits(filter), rest, others))
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

/** A task of a user by its id, also a deleted one; undefined for none. Refuses `unavailable`. */
export async function readTask(db: Database, userId: string, id: string): Promise<Result<Task | undefined>> {
  const own = and(eq(tasks.userId, userId), eq(tasks.id, id));
  const found = await guardD1(db.select().from(tasks).where(own), BUFFER_D1_WAIT_MS);
  if (!found.ok) return refuse(found.refusal);
  const [row] = found.value;
  return ok(row === undefined ? undefined : taskOf(row));
}

/**
 * The tasks that writes of one user are about, by their ids, deleted ones too; and which of those writes have left their mark. As
 * of one moment. Refuses `unavailable`.
 */
export async function readWithMarks(
  db: Database,
  writes: readonly Write[],
): Promise<Result<{ rows: Map<string, Task>; marks: Set<string> }>> {
  const own = eq(tasks.userId, writes[0]?.userId ?? "");
  const found = await guardD1(
    db.batch([
      db
        .select()
        .from(tasks)
        .where(
          and(
            own,
            among(
              tasks.id,
              writes.flatMap((write) => taskIdOf(write) ?? []),
            ),
          ),
        ),
      db
        .select({ id: appliedWrites.id })
        .from(appliedWrites)
        .where(
          among(
            appliedWrites.id,
            writes.map(({ id }) => id),
          ),
        ),
    ]),
    BUFFER_D1_WAIT_MS,
  );
  if (!found.ok) return refuse(found.refusal);
  const [rows, marks] = found.value;
  return ok({
    rows: new Map(rows.map((row) => [row.id, taskOf(row)])),
    marks: new Set(marks.map(({ id }) => id)),
  });
}

function taskOf({ searched: _, remindedOf: __, ...task }: typeof tasks.$inferSelect): Task {
  return task;
}
