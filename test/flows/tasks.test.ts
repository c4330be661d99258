// Tasks through the whole Worker: made, read, changed by version, moved, listed, and all of that for their owner alone.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { TASKS_PER_USER_MAX } from "../../src/core/limits.ts";
import type { FieldError } from "../../src/core/result.ts";
import { makeId } from "../../src/objects/platform.ts";
import { person } from "../support/people.ts";
import { expectProblem, stopClock, type Trader, type WirePage } from "../support/session.ts";

interface WireTask {
  id: string;
  title: string;
  notes: string;
  status: string;
  due_at: string | null;
  version: number;
  created_at: string;
  updated_at: string;
}

let ada: Trader;
let bob: Trader;
let pass: (ms: number) => void;
beforeAll(async () => {
  pass = stopClock();
  [ada, bob] = await Promise.all([person(), person()]);
});

const make = (who: Trader, json: object, headers: Record<string, string> = {}) =>
  who.call<WireTask>("POST", "/v1/tasks", { json, headers });
const patch = (who: Trader, id: string, json: object, version: string | null) =>
  who.call<WireTask>("PATCH", `/v1/tasks/${id}`, { json, headers: version === null ? {} : { "If-Match": version } });
const act = (who: Trader, id: string, what: string) => who.call<WireTask>("POST", `/v1/tasks/${id}/${what}`);
const remove = (who: Trader, id: string) => who.call("DELETE", `/v1/tasks/${id}`);
const read = (who: Trader, id: string) => who.get<WireTask>(`/v1/tasks/${id}`);
const at = (ms: number) => new Date(Date.now() + ms).toISOString();

describe("a task", () => {
  it("is made, read, changed, completed, reopened and deleted, each change a version", async () => {
    const due_at = at(86_400_000);
    const made = await make(ada, { title: "  Buy milk ", due_at });
    expect([made.status, made.headers.get("ETag"), made.headers.get("Cache-Control")]).toEqual([
      201,
      '"1"',
      "no-store",
    ]);
    const { id } = made.body;
    expect(made.body).toEqual({
      ...{ id: expect.stringMatching(/^tsk_/), title: "Buy milk", notes: "", status: "open", due_at, version: 1 },
      ...{ created_at: at(0), updated_at: at(0) },
    });
    pass(1_000);
    const changed = await patch(ada, id, { notes: "two litres", due_at: null }, '"1"');
    expect([changed.status, changed.headers.get("ETag")]).toEqual([200, '"2"']);
    expect(changed.body).toEqual({ ...made.body, notes: "two litres", due_at: null, version: 2, updated_at: at(0) });
    const got = await read(ada, id);
    expect([got.text, got.headers.get("ETag")]).toEqual([changed.text, '"2"']);
    expect((await act(ada, id, "complete")).body).toMatchObject({ status: "done", version: 3 });
    expect((await act(ada, id, "complete")).body).toMatchObject({ status: "done", version: 3 });
    expect((await act(ada, id, "reopen")).body).toMatchObject({ status: "open", version: 4 });
    expect((await remove(ada, id)).status).toBe(204);
    expectProblem(await read(ada, id), 404, "not_found");
    expectProblem(await remove(ada, id), 404, "not_found");
    for (const what of ["complete", "reopen"]) expectProblem(await act(ada, id, what), 404, "not_found");
    expectProblem(await patch(ada, id, { title: "again" }, '"5"'), 404, "not_found");
    // Kept for nobody to see.
    expect((await env.DB.prepare("SELECT version FROM tasks WHERE id = ?").bind(id).first())?.version).toBe(5);
  });

  it("is made once by its Idempotency-Key", async () => {
    const [first, again] = [await make(bob, { title: "once" }, KEY), await make(bob, { title: "once" }, KEY)];
    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    expectProblem(await make(bob, { title: "twice" }, KEY), 422, "idempotency_key_reused");
    expect((await bob.all<WireTask>("/v1/tasks", 10)).rows).toHaveLength(1);
  });

  it("of somebody else is not found, and stays as it is", async () => {
    const { body: task, text } = await make(ada, { title: "ada's own" });
    expectProblem(await read(bob, task.id), 404, "not_found");
    expectProblem(await patch(bob, task.id, { title: "bob's" }, '"1"'), 404, "not_found");
    for (const what of ["complete", "reopen"]) expectProblem(await act(bob, task.id, what), 404, "not_found");
    expectProblem(await remove(bob, task.id), 404, "not_found");
    const { data } = (await bulk(bob, "delete", [task.id])).body;
    expect(data).toMatchObject([{ id: task.id, status_code: 404, problem: { code: "not_found" } }]);
    expect((await bob.all<WireTask>("/v1/tasks", 50)).rows.map(({ id }) => id)).not.toContain(task.id);
    expect((await read(ada, task.id)).text).toBe(text);
  });

  it("is one too many after five thousand, and not once one is deleted", async () => {
    const carl = await person();
    const { body: first } = await make(carl, { title: "the first" });
    await env.DB.prepare(
      "INSERT INTO tasks (id, user_id, title, notes, status, version, created_at, updated_at, searched) SELECT 'tsk_' || value, user_id, '', '', 'done', 1, 0, 0, '' FROM tasks, json_each(?) WHERE tasks.id = ?",
    )
      .bind(JSON.stringify(Array.from({ length: TASKS_PER_USER_MAX - 1 }, (_, n) => n)), first.id)
      .run();
    expectProblem(await make(carl, { title: "one more" }), 409, "too_many_tasks");
    await remove(carl, first.id);
    expect((await make(carl, { title: "one more" })).status).toBe(201);
  });
});

const KEY = { "Idempotency-Key": "a-key-of-bobs" };

describe("a version", () => {
  it("must be named to change a task: 428 without, 412 for another, which says the one in force", async () => {
    const { id } = (await make(ada, { title: "versioned" })).body;
    for (const none of [null, "*"])
      expectProblem(await patch(ada, id, { title: "x" }, none), 428, "precondition_required");
    for (const other of ['"2"', '"0"', '"01"', "1", 'W/"1"', '"1", "2"', '"one"', '""']) {
      const refused = await patch(ada, id, { title: "x" }, other);
      expectProblem(refused, 412, "precondition_failed");
      expect(refused.body, other).toMatchObject({ version: 1 });
    }
    // What is wrong with the body is said first, who has no such task comes last.
    expectProblem(await patch(ada, id, { title: "" }, null), 422, "validation_failed");
    expectProblem(await patch(ada, makeId("tsk", 0), { title: "x" }, null), 428, "precondition_required");
    expectProblem(await patch(ada, makeId("tsk", 0), { title: "x" }, '"1"'), 404, "not_found");
    expect((await read(ada, id)).body.version).toBe(1);
  });

  it("is given to one of ten changes at once; all of ten moves are done", async () => {
    const { id } = (await make(ada, { title: "wanted" })).body;
    const ten = Array.from({ length: 10 }, (_, n) => n);
    const all = await Promise.all(ten.map((n) => patch(ada, id, { title: `by ${n}` }, '"1"')));
    expect(all.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(412)]);
    const moves = await Promise.all(ten.map((n) => act(ada, id, n % 2 === 0 ? "complete" : "reopen")));
    expect(moves.every(({ status }) => status === 200 || status === 503)).toBe(true);
    expect(moves.filter(({ status }) => status === 200).length).toBeGreaterThan(4);
  });
});

describe("a body", () => {
  it.each([
    ["no title", {}, "/title required"],
    ["an empty title", { title: "  " }, "/title too_short"],
    ["a long title", { title: "x".repeat(201) }, "/title too_long"],
    ["a title of two lines", { title: "a\nb" }, "/title invalid_format"],
    ["a title that is none", { title: 1 }, "/title not_a_string"],
    ["long notes", { title: "x", notes: "x".repeat(10_001) }, "/notes too_long"],
    ["notes with NUL", { title: "x", notes: "a\0b" }, "/notes invalid_format"],
    ["a lone surrogate, which storage would change", { title: "a\ud800" }, "/title invalid_format"],
    ["notes with half of a character", { title: "x", notes: "\udc00" }, "/notes invalid_format"],
    ["a due date that is none", { title: "x", due_at: "tomorrow" }, "/due_at invalid_format"],
    ["a due date that does not exist", { title: "x", due_at: "2026-02-30T00:00:00Z" }, "/due_at invalid_format"],
    ["a due date of long ago", { title: "x", due_at: "1999-01-01T00:00:00Z" }, "/due_at too_small"],
    ["a due date of our grandchildren", { title: "x", due_at: "2199-01-01T00:00:00Z" }, "/due_at too_big"],
    ["a status", { title: "x", status: "done" }, "/status unknown_field"],
    ["a version", { title: "x", version: 7 }, "/version unknown_field"],
    ["an owner", { title: "x", user_id: "usr_1" }, "/user_id unknown_field"],
  ])("with %s is refused", async (_, json, expected) => {
    const refused = await make(ada, json);
    expectProblem(refused, 422, "validation_failed");
    const errors = (refused.body.errors ?? []) as FieldError[];
    expect(errors.map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([expected]);
  });

  it("that changes nothing is refused", async () => {
    const { id } = (await make(ada, { title: "x" })).body;
    expectProblem(await patch(ada, id, {}, '"1"'), 422, "validation_failed");
  });
});

type Item = { id: string; status_code: number; task?: WireTask; problem?: { code: string } };
const bulk = (who: Trader, action: string, ids: string[]) =>
  who.call<{ data: Item[] }>("POST", "/v1/tasks/bulk", { json: { action, ids } });

describe("many at once", () => {
  it("are completed or deleted each for itself, and answered in the order given", async () => {
    const dora = await person();
    const [one, two, three] = (await Promise.all(["1", "2", "3"].map((title) => make(dora, { title })))).map(
      ({ body }) => body.id,
    ) as [string, string, string];
    const none = makeId("tsk", 0);
    const completed = await bulk(dora, "complete", [three, none, one]);
    expect(completed.status).toBe(207);
    expect(completed.body.data).toMatchObject([
      { id: three, status_code: 200, task: { status: "done", version: 2 } },
      { id: none, status_code: 404, problem: { code: "not_found", instance: "/v1/tasks/bulk" } },
      { id: one, status_code: 200, task: { status: "done", version: 2 } },
    ]);
    const deleted = await bulk(dora, "delete", [two, one]);
    expect(deleted.body.data).toEqual([
      { id: two, status_code: 204 },
      { id: one, status_code: 204 },
    ]);
    const left = await dora.get<WirePage<WireTask>>("/v1/tasks");
    expect(left.body.data.map(({ id }) => id)).toEqual([three]);
  });

  it("are a hundred at most, at least one, and none twice", async () => {
    const ids = Array.from({ length: 101 }, (_, n) => makeId("tsk", n));
    for (const wrong of [ids, [], ["tsk_1", "tsk_1"]]) {
      expectProblem(await bulk(ada, "delete", wrong), 422, "validation_failed");
    }
    expectProblem(await bulk(ada, "archive", ["tsk_1"]), 422, "validation_failed");
    const hundred = (await bulk(ada, "delete", ids.slice(1))).body.data;
    expect(hundred.map(({ id }) => id)).toEqual(ids.slice(1));
  });
});

describe("a list", () => {
  let eve: Trader;
  const titles = async (query: string) => {
    const { rows } = await eve.all<WireTask>(`/v1/tasks?${query}`, 2);
    return rows.map(({ title }) => title).join(" ");
  };

  beforeAll(async () => {
    eve = await person();
    const wishes = [
      { title: "a", due_at: at(3 * 60_000) },
      { title: "b" },
      { title: "c", due_at: at(60_000), notes: "Übung macht den MEISTER" },
      { title: "d", due_at: at(2 * 60_000) },
      { title: "e", notes: "100 % _sure_" },
    ];
    const made: WireTask[] = [];
    for (const wish of wishes) {
      made.push((await make(eve, wish)).body);
      pass(1_000);
    }
    await act(eve, made[1]?.id ?? "", "complete");
    pass(1_000);
    await patch(eve, made[0]?.id ?? "", { notes: "changed last" }, '"1"');
    const { id } = (await make(eve, { title: "deleted", due_at: at(60_000) })).body;
    await remove(eve, id);
  });

  it.each([
    ["", "e d c b a"],
    ["sort=created_at", "a b c d e"],
    ["sort=-updated_at", "a b e d c"],
    ["sort=updated_at", "c d e b a"],
    ["sort=due_at", "c d a b e"],
    ["sort=-due_at", "a d c e b"],
    ["status=open&sort=created_at", "a c d e"],
    ["status=done", "b"],
    ["q=MEISTER", "c"],
    ["q=%C3%BCbung", "c"],
    ["q=%25", "e"],
    ["q=_", "e"],
    ["q=nowhere", ""],
    ["q=d&status=open&sort=created_at", "a c d"],
  ])("of %s is %s, page by page", async (query, expected) => {
    expect(await titles(query)).toBe(expected);
  });

  it("is of due dates from one, included, to another, not included", async () => {
    const { rows } = await eve.all<WireTask>("/v1/tasks?sort=due_at", 50);
    const due = (n: number) => encodeURIComponent(rows[n]?.due_at ?? "");
    expect(await titles(`sort=due_at&due_after=${due(1)}`)).toBe("d a");
    expect(await titles(`sort=due_at&due_before=${due(1)}`)).toBe("c");
    expect(await titles(`sort=due_at&due_after=${due(0)}&due_before=${due(2)}`)).toBe("c d");
  });

  it("takes no cursor of another order, and no parameter that it does not know", async () => {
    const { next_cursor } = (await eve.get<WirePage<WireTask>>("/v1/tasks?limit=1&sort=due_at")).body;
    expect((await eve.get(`/v1/tasks?sort=due_at&cursor=${next_cursor}`)).status).toBe(200);
    const wrong = [`cursor=${next_cursor}`, "cursor=c1", "sort=title", "status=deleted", "q=", "limit=201", "due=1"];
    for (const query of wrong) expectProblem(await eve.get(`/v1/tasks?${query}`), 422, "validation_failed");
  });

  it("is 503 while it cannot be read, never empty", async () => {
    await env.DB.exec("ALTER TABLE tasks RENAME TO elsewhere");
    for (const path of ["/v1/tasks", "/v1/tasks/tsk_1"]) expectProblem(await eve.get(path), 503, "unavailable");
    await env.DB.exec("ALTER TABLE elsewhere RENAME TO tasks");
    expect(await titles("")).toBe("e d c b a");
  });
});
