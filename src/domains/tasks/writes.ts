// Writes of tasks in D1, each once however often it is tried: the transaction that does one leaves its mark.
import { and, eq, type SQL, sql } from "drizzle-orm";
import { BUFFER_D1_WAIT_MS, TASK_WRITE_TRIES, TASKS_PER_USER_MAX } from "../../core/limits.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { searchedText } from "../../core/task-lists.ts";
import type { Task } from "../../core/tasks.ts";
import { type Outcome, taskIdOf, type Write, writtenTask } from "../../core/write-buffer.ts";
import { type Database, type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { users } from "../../db/tables.ts";
import { tasks } from "../../db/tasks-tables.ts";
import { appliedWrites } from "../../db/write-tables.ts";
import { readTask, readWithMarks } from "./store.ts";

const BUSY: Refusal = { code: "unavailable", detail: "Others keep changing this task." };
const NO_MORE: Refusal = { code: "not_found", detail: "There is no such task." };

/**
 * Makes a task, unless it is there: then answers it as it is. Refuses `too_many_tasks`, and `unavailable`, after which it may be there all
 * the same. Its mark is its own row.
 */
export async function insertTask(db: Database, task: Task): Promise<Result<Task>> {
  const { id, userId, title, notes, status, dueAt, version, createdAt, updatedAt } = task;
  const values = sql`${id}, ${userId}, ${title}, ${notes}, ${status}, ${dueAt}, ${version}, ${createdAt}, ${updatedAt}, ${searchedText(task)}`;
  const columns = sql`id, user_id, title, notes, status, due_at, version, created_at, updated_at, searched`;
  const isNew = sql`NOT EXISTS (SELECT 1 FROM ${tasks} WHERE ${tasks.id} = ${id})`;
  // One statement: of two at once only one gets the last place.
  const mine = sql`${tasks.userId} = ${userId} AND ${tasks.deletedAt} IS NULL`;
  const hasRoom = sql`(SELECT count(*) FROM ${tasks} WHERE ${mine}) < ${TASKS_PER_USER_MAX}`;
  // What has waited must not come back to a user who has been forgotten meanwhile.
  const isClosed = sql`EXISTS (SELECT 1 FROM ${users} WHERE ${users.id} = ${userId} AND ${users.closedAt} IS NOT NULL)`;
  const insert = sql`INSERT INTO ${tasks} (${columns}) SELECT ${values} WHERE ${isNew} AND ${hasRoom} AND NOT ${isClosed} RETURNING id`;
  const written = await guardD1(db.all<{ id: string }>(insert), BUFFER_D1_WAIT_MS);
  if (!written.ok) return refuse(written.refusal);
  if (written.value.length > 0) return ok(task);
  const found = await readTask(db, userId, id);
  if (!found.ok) return found;
  if (found.value !== undefined) return ok(found.value);
  return refuse({ code: "too_many_tasks", detail: `There are ${TASKS_PER_USER_MAX} tasks already.` });
}

/**
 * Changes and moves tasks of one user, each write of another task: reads them, has core make the next version of each, and writes
 * those over the versions read, with a mark each, all in one transaction. Where another write came between, it is decided again.
 * One that was done before changes nothing. Answers by write what it was refused with, or the task as it is then; refuses
 * `unavailable`, after which they may be done all the same.
 */
export async function writeTasks(
  db: Database,
  writes: readonly Write[],
  nowMs: number,
): Promise<Result<Map<string, Result<Task>>>> {
  const results = new Map<string, Result<Task>>();
  for (let tries = 0; tries < TASK_WRITE_TRIES && results.size < writes.length; tries += 1) {
    const open = writes.filter(({ id }) => !results.has(id));
    const known = await readWithMarks(db, open);
    if (!known.ok) return known;
    const { rows, marks } = known.value;
    const turns = open.map((write) => {
      const before = rows.get(taskIdOf(write) ?? "");
      const isDone = marks.has(write.id);
      return { write, before, isDone, result: isDone ? asItIs(before) : writtenTask(before, write) };
    });
    const written = await writeVersions(db, turns.flatMap(nextOf), nowMs);
    if (!written.ok) return written;
    for (const { write, isDone, result } of turns)
      if (isDone || !result.ok || written.value.has(write.id)) results.set(write.id, result);
  }
  for (const { id } of writes) if (!results.has(id)) results.set(id, refuse(BUSY));
  return ok(results);
}

function asItIs(task: Task | undefined): Result<Task> {
  return task === undefined ? refuse(NO_MORE) : ok(task);
}

interface Next {
  writeId: string;
  before: Task;
  after: Task;
}

interface Turn {
  write: Write;
  before: Task | undefined;
  isDone: boolean;
  result: Result<Task>;
}

function nextOf({ write, before, isDone, result }: Turn): Next[] {
  if (isDone || !result.ok || before === undefined) return [];
  return [{ writeId: write.id, before, after: result.value }];
}

/** Answers the writes that were done: over another version than the one before none is. */
async function writeVersions(db: Database, nexts: readonly Next[], nowMs: number): Promise<Result<Set<string>>> {
  const mark = (writeId: string, isDue: SQL) =>
    db
      .insert(appliedWrites)
      .select(sql`SELECT ${writeId}, ${nowMs} WHERE ${isDue}`)
      .returning({ id: appliedWrites.id });
  const statements = nexts.flatMap(({ writeId, before, after }) => {
    const isNew = sql`NOT EXISTS (SELECT 1 FROM ${appliedWrites} WHERE ${appliedWrites.id} = ${writeId})`;
    const isBefore = and(
      eq(tasks.id, before.id),
      eq(tasks.userId, before.userId),
      eq(tasks.version, before.version),
      isNew,
    );
    // What changes nothing has its mark too: tried late, after others, it would change something.
    if (after === before) return [mark(writeId, sql`EXISTS (SELECT 1 FROM ${tasks} WHERE ${isBefore})`)];
    const { id: _, userId: __, createdAt: ___, ...columns } = after;
    const update = db
      .update(tasks)
      .set({ ...columns, searched: searchedText(after) })
      .where(isBefore);
    return [update, mark(writeId, sql`changes() = 1`)];
  });
  const [first, ...others] = statements;
  if (first === undefined) return ok(new Set());
  const written = await guardD1(db.batch([first, ...others]), BUFFER_D1_WAIT_MS);
  if (!written.ok) return refuse(written.refusal);
  return ok(new Set(written.value.flatMap((rows) => (Array.isArray(rows) ? rows.map(({ id }) => id) : []))));
}

/** Does a write that has waited in its user's buffer. */
export async function applyTaskWrite(env: DatabaseBinding, write: Write): Promise<Outcome> {
  const result = await applied(database(env), write);
  if (result.ok) return { kind: "done" };
  return result.refusal.code === "unavailable" ? { kind: "away" } : { kind: "refused", refusal: result.refusal };
}

async function applied(db: Database, write: Write): Promise<Result<Task>> {
  if (write.act.kind === "task.create") {
    const made = writtenTask(undefined, write);
    return made.ok ? insertTask(db, made.value) : made;
  }
  const written = await writeTasks(db, [write], Date.now());
  return written.ok ? (written.value.get(write.id) ?? refuse(BUSY)) : written;
}
