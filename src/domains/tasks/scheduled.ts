// What tasks do each minute: their owners are reminded of what is due within the hour.
import { and, eq, gte, isNull, lte, sql } from "drizzle-orm";
import { type MailBinding, type MailWish, mailQueue, mailWishOf } from "../../bindings/mail.ts";
import { typeId } from "../../core/ids.ts";
import { TASK_REMIND_AHEAD_MS, TASK_REMIND_LATE_MAX_MS, TASK_REMINDERS_PER_RUN } from "../../core/limits.ts";
import { type DatabaseBinding, database, guardD1 } from "../../db/client.ts";
import { tasks } from "../../db/tasks-tables.ts";
import { log } from "../../log.ts";

/** The queue takes no more messages in one call. */
const MESSAGES_PER_CALL = 100;
const encoder = new TextEncoder();

/**
 * Asks for a reminder of each open task that is due within {@link TASK_REMIND_AHEAD_MS}, once for each due date, and answers for how
 * many. The e-mail's id is made of task and due date, so that one that is asked for again, because D1 could not note it or two
 * runs met, is sent once. Never throws: what failed is asked for by the next run.
 */
export async function remindOfTasks(env: DatabaseBinding & MailBinding, nowMs: number): Promise<number> {
  const found = await guardD1(dueTasks(env, nowMs));
  if (!found.ok) return 0;
  let reminded = 0;
  for (let at = 0; at < found.value.length; at += MESSAGES_PER_CALL) {
    if (!(await remind(env, found.value.slice(at, at + MESSAGES_PER_CALL)))) break;
    reminded += Math.min(MESSAGES_PER_CALL, found.value.length - at);
  }
  return reminded;
}

type DueTask = Awaited<ReturnType<typeof dueTasks>>[number];

/** The conditions are those of the index `tasks_to_remind`, word for word, or it would not be used. */
function dueTasks(env: DatabaseBinding, nowMs: number) {
  const { id, userId, title, dueAt } = tasks;
  return database(env)
    .select({ id, userId, title, dueAt: sql<number>`${dueAt}` })
    .from(tasks)
    .where(
      and(
        eq(tasks.status, sql`'open'`),
        isNull(tasks.deletedAt),
        sql`${dueAt} IS NOT ${tasks.remindedOf}`,
        gte(dueAt, nowMs - TASK_REMIND_LATE_MAX_MS),
        lte(dueAt, nowMs + TASK_REMIND_AHEAD_MS),
      ),
    )
    .orderBy(dueAt)
    .limit(TASK_REMINDERS_PER_RUN);
}

/** Asks first and notes it then: the other way round a run that dies between would leave somebody without. */
async function remind(env: DatabaseBinding & MailBinding, due: readonly DueTask[]): Promise<boolean> {
  try {
    const wishes = await Promise.all(due.map(wishFor));
    await mailQueue(env).sendBatch(wishes.map((body) => ({ body })));
  } catch (error) {
    log("error", "queue_failed", { message: String(error) });
    return false;
  }
  const dates = JSON.stringify(Object.fromEntries(due.map(({ id, dueAt }) => [id, dueAt])));
  const noted = await guardD1(
    database(env).run(
      sql`UPDATE ${tasks} SET reminded_of = date.value FROM json_each(${dates}) AS date WHERE ${tasks.id} = date.key`,
    ),
  );
  return noted.ok;
}

async function wishFor({ id, userId, title, dueAt }: DueTask): Promise<MailWish> {
  const digest = await crypto.subtle.digest("SHA-256", encoder.encode(id));
  const mailId = typeId("mal", dueAt, new Uint8Array(digest, 0, 10));
  return mailWishOf(mailId, { kind: "task_due", userId, title, dueAt });
}
