// Tasks over HTTP.
import { z } from "@hono/zod-openapi";
import { ok, type Result } from "../../core/result.ts";
import type { Task } from "../../core/tasks.ts";
import { send, sendNothing } from "../../http/answer.ts";
import { callerOf, type RequestContext } from "../../http/context.ts";
import { idempotencyOf } from "../../http/once.ts";
import {
  answer,
  BODY_CODES,
  body,
  createRouter,
  idempotencyHeaders,
  KEY_CODES,
  operation,
  pageOf,
  problems,
  TOKEN_CODES,
} from "../../http/openapi.ts";
import { etagOf, expectedVersion } from "../../http/precondition.ts";
import { ownBuffer } from "../../http/write-buffer.ts";
import {
  bufferedOut,
  bulkIn,
  bulkItemOut,
  changeOf,
  ifMatchHeader,
  taskChange,
  taskIn,
  taskOut,
  taskPath,
  taskQuery,
  wishOf,
} from "./schema.ts";
import {
  bulkAnswer,
  changeTask,
  createTask,
  listTasks,
  moveTask,
  moveTasks,
  readTask,
  type TaskAnswer,
  type TasksContext,
  wireKnown,
  wireTask,
} from "./service.ts";

const tags = ["Tasks"];
const reading = { access: "tasks:read", buffers: true, tags } as const;
const managing = { access: "tasks:manage", buffers: true, tags } as const;
const ONE = [...TOKEN_CODES, "not_found"] as const;
const waits = answer(bufferedOut, "Accepted while the database is away: what is known of the task");

const create = operation({
  method: "post",
  path: "/v1/tasks",
  ...managing,
  once: "buffered",
  summary: "Make a task",
  description:
    "Its owner gets an e-mail an hour before `due_at`, once, if the task is still open and the address verified.",
  request: { headers: idempotencyHeaders, body: body(taskIn) },
  responses: {
    201: answer(taskOut, "The task"),
    202: waits,
    ...problems(...TOKEN_CODES, ...BODY_CODES, ...KEY_CODES, "too_many_tasks"),
  },
});
const list = operation({
  method: "get",
  path: "/v1/tasks",
  ...reading,
  summary: "Your tasks, newest first unless sorted otherwise",
  request: { query: taskQuery },
  responses: { 200: answer(pageOf(taskOut), "Tasks"), ...problems(...TOKEN_CODES) },
});
const read = operation({
  method: "get",
  path: "/v1/tasks/{id}",
  ...reading,
  summary: "One task",
  description: "`ETag` is its version, as `If-Match` takes it.",
  request: { params: taskPath },
  responses: { 200: answer(taskOut, "The task"), ...problems(...ONE) },
});
const change = operation({
  method: "patch",
  path: "/v1/tasks/{id}",
  ...managing,
  summary: "Change a task that is still as you have read it",
  description: "What is left out stays. `If-Match` names the version that the change was made from.",
  request: { params: taskPath, headers: ifMatchHeader, body: body(taskChange) },
  responses: {
    200: answer(taskOut, "The task under its next version"),
    202: waits,
    ...problems(...ONE, ...BODY_CODES, "precondition_required", "precondition_failed"),
  },
});
const complete = operation({
  method: "post",
  path: "/v1/tasks/{id}/complete",
  ...managing,
  summary: "Complete a task; one that is done stays so",
  request: { params: taskPath },
  responses: { 200: answer(taskOut, "The task"), 202: waits, ...problems(...ONE) },
});
const reopen = operation({
  method: "post",
  path: "/v1/tasks/{id}/reopen",
  ...managing,
  summary: "Reopen a task; one that is open stays so",
  request: { params: taskPath },
  responses: { 200: answer(taskOut, "The task"), 202: waits, ...problems(...ONE) },
});
const remove = operation({
  method: "delete",
  path: "/v1/tasks/{id}",
  ...managing,
  summary: "Delete a task",
  request: { params: taskPath },
  responses: { 204: { description: "It is deleted" }, 202: waits, ...problems(...ONE) },
});
const bulk = operation({
  method: "post",
  path: "/v1/tasks/bulk",
  ...managing,
  summary: "Complete or delete up to 100 tasks in one call, each for itself",
  request: { body: body(bulkIn) },
  responses: {
    207: answer(z.object({ data: z.array(bulkItemOut) }), "What became of each, in the order given"),
    ...problems(...TOKEN_CODES, ...BODY_CODES),
  },
});

export const tasksRouter = createRouter()
  .openapi(create, async (c) => {
    const key = idempotencyOf(c)?.key;
    return sendWritten(c, await createTask(tasksOf(c), wishOf(c.req.valid("json")), key), 201);
  })
  .openapi(list, async (c) => {
    const { limit, cursor, sort, status, due_after: dueAfter, due_before: dueBefore, q } = c.req.valid("query");
    const filter = { status, dueAfter, dueBefore, q };
    return send(c, await listTasks(tasksOf(c), { limit, cursor, sort, filter }), (page) => page, 200);
  })
  .openapi(bulk, async (c) => {
    const { action, ids } = c.req.valid("json");
    const moved = await moveTasks(tasksOf(c), ids, action === "complete" ? "done" : "deleted");
    const request = { path: c.req.path, id: c.get("requestId") };
    return send(c, moved, (outcomes) => ({ data: outcomes.map((one) => bulkAnswer(one, request)) }), 207);
  })
  .openapi(read, async (c) => sendTask(c, await readTask(tasksOf(c), c.req.valid("param").id), 200))
  .openapi(change, async (c) => {
    const expected = expectedVersion(c.req.valid("header")["if-match"]);
    const wish = changeOf(c.req.valid("json"));
    return sendWritten(c, await changeTask(tasksOf(c), c.req.valid("param").id, expected, wish), 200);
  })
  .openapi(complete, async (c) => sendWritten(c, await moveTask(tasksOf(c), c.req.valid("param").id, "done"), 200))
  .openapi(reopen, async (c) => sendWritten(c, await moveTask(tasksOf(c), c.req.valid("param").id, "open"), 200))
  .openapi(remove, async (c) => {
    const removed = await moveTask(tasksOf(c), c.req.valid("param").id, "deleted");
    if (!removed.ok || removed.value.kind === "done") return sendNothing(c, removed);
    return send(c, ok(removed.value.known), wireKnown, 202);
  });

function tasksOf(c: RequestContext): TasksContext {
  return { env: c.env, buffer: ownBuffer(c), userId: callerOf(c).userId, nowMs: Date.now() };
}

function sendTask<S extends 200 | 201>(c: RequestContext, result: Result<Task>, status: S) {
  if (result.ok) c.header("ETag", etagOf(result.value.version));
  return send(c, result, wireTask, status);
}

/** A write that is done, or 202 for one that waits. */
function sendWritten<S extends 200 | 201>(c: RequestContext, written: Result<TaskAnswer>, status: S) {
  if (!written.ok) return sendTask(c, written, status);
  const { value } = written;
  return value.kind === "done" ? sendTask(c, ok(value.task), status) : send(c, ok(value.known), wireKnown, 202);
}
