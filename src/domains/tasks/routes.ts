// Tasks over HTTP.
import { z } from "@hono/zod-openapi";
import type { Result } from "../../core/result.ts";
import type { Task } from "../../core/tasks.ts";
import { send, sendNothing } from "../../http/answer.ts";
import { callerOf, type RequestContext } from "../../http/context.ts";
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
import {
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
  type TasksContext,
  wireTask,
} from "./service.ts";

const tags = ["Tasks"];
const reading = { access: "tasks:read", tags } as const;
const managing = { access: "tasks:manage", tags } as const;
const ONE = [...TOKEN_CODES, "not_found"] as const;

const create = operation({
  method: "post",
  path: "/v1/tasks",
  ...managing,
  once: "kept",
  summary: "Make a task",
  description:
    "Its owner gets an e-mail an hour before `due_at`, once, if the task is still open and the address verified.",
  request: { headers: idempotencyHeaders, body: body(taskIn) },
  responses: {
    201: answer(taskOut, "The task"),
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
    ...problems(...ONE, ...BODY_CODES, "precondition_required", "precondition_failed"),
  },
});
const complete = operation({
  method: "post",
  path: "/v1/tasks/{id}/complete",
  ...managing,
  summary: "Complete a task; one that is done stays so",
  request: { params: taskPath },
  responses: { 200: answer(taskOut, "The task"), ...problems(...ONE) },
});
const reopen = operation({
  method: "post",
  path: "/v1/tasks/{id}/reopen",
  ...managing,
  summary: "Reopen a task; one that is open stays so",
  request: { params: taskPath },
  responses: { 200: answer(taskOut, "The task"), ...problems(...ONE) },
});
const remove = operation({
  method: "delete",
  path: "/v1/tasks/{id}",
  ...managing,
  summary: "Delete a task",
  request: { params: taskPath },
  responses: { 204: { description: "It is deleted" }, ...problems(...ONE) },
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
  .openapi(create, async (c) => sendTask(c, await createTask(tasksOf(c), wishOf(c.req.valid("json"))), 201))
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
    return sendTask(c, await changeTask(tasksOf(c), c.req.valid("param").id, expected, wish), 200);
  })
  .openapi(complete, async (c) => sendTask(c, await moveTask(tasksOf(c), c.req.valid("param").id, "done"), 200))
  .openapi(reopen, async (c) => sendTask(c, await moveTask(tasksOf(c), c.req.valid("param").id, "open"), 200))
  .openapi(remove, async (c) => sendNothing(c, await moveTask(tasksOf(c), c.req.valid("param").id, "deleted")));

function tasksOf(c: RequestContext): TasksContext {
  return { env: c.env, userId: callerOf(c).userId, nowMs: Date.now() };
}

function sendTask<S extends 200 | 201>(c: RequestContext, result: Result<Task>, status: S) {
  if (result.ok) c.header("ETag", etagOf(result.value.version));
  return send(c, result, wireTask, status);
}
