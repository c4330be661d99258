// While D1 is away a user's changes of tasks and profile wait in their buffer: accepted, seen by their own reads, done in order and
// once when it is back, and shown where they could not be done.
import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { APPLIED_WRITES_KEPT_MS } from "../../src/core/limits.ts";
import { applyTaskWrite } from "../../src/domains/tasks/writes.ts";
import { forgetApplied } from "../../src/domains/writes/scheduled.ts";
import { call as callApp } from "../support/client.ts";
import { person } from "../support/people.ts";
import { expectProblem, stopClock, type Trader, type WirePage } from "../support/session.ts";

interface WireTask {
  id: string;
  title: string;
  status: string;
  version: number;
  buffered?: true;
}

const app = createApp();
let pass: (ms: number) => void;
let ada: Trader;

beforeAll(() => {
  pass = stopClock();
  vi.spyOn(console, "error").mockImplementation(() => undefined);
});
beforeEach(async () => {
  ada = await person();
});
afterEach(async () => {
  await writable();
});

/** D1 can be read, and takes no write: as while somebody else has its one place for a writer. */
async function unwritable(): Promise<void> {
  const guards = ["INSERT ON tasks", "UPDATE ON tasks", "INSERT ON applied_writes", "UPDATE ON users"];
  await env.DB.batch(
    guards.map((on, at) =>
      env.DB.prepare(`CREATE TRIGGER IF NOT EXISTS down_${at} BEFORE ${on} BEGIN SELECT RAISE(ABORT, 'down'); END`),
    ),
  );
}

async function writable(): Promise<void> {
  await env.DB.batch([0, 1, 2, 3].map((at) => env.DB.prepare(`DROP TRIGGER IF EXISTS down_${at}`)));
}

/** Some tables can neither be read nor written while this is done. */
async function without(tables: readonly string[], work: () => Promise<void>): Promise<void> {
  for (const table of tables) await env.DB.exec(`ALTER TABLE ${table} RENAME TO ${table}_away`);
  try {
    await work();
  } finally {
    for (const table of tables) await env.DB.exec(`ALTER TABLE ${table}_away RENAME TO ${table}`);
  }
}
const withoutTasks = (work: () => Promise<void>) => without(["tasks", "idempotency_keys"], work);

const bufferOf = ({ userId }: Trader) => env.WRITE_BUFFER.getByName(userId);
/** Has the alarm of somebody's buffer ring, which does what waits. */
async function drained(who: Trader): Promise<void> {
  pass(60_000);
  await runDurableObjectAlarm(bufferOf(who) as DurableObjectStub);
}
const make = (who: Trader, title: string, headers: Record<string, string> = {}) =>
  who.call<WireTask>("POST", "/v1/tasks", { json: { title }, headers });
const patch = (who: Trader, id: string, title: string, version: number) =>
  who.call<WireTask>("PATCH", `/v1/tasks/${id}`, { json: { title }, headers: { "If-Match": `"${version}"` } });
const act = (who: Trader, id: string, what: string) => who.call<WireTask>("POST", `/v1/tasks/${id}/${what}`);
const read = (who: Trader, id: string) => who.get<WireTask>(`/v1/tasks/${id}`);
const list = async (who: Trader, query = "") => (await who.get<WirePage<WireTask>>(`/v1/tasks?${query}`)).body.data;
const stored = (id: string) => env.DB.prepare("SELECT title, status, version FROM tasks WHERE id = ?").bind(id).first();
const conflicts = async (who: Trader) =>
  (await who.get<WirePage<Record<string, unknown>>>("/v1/writes/conflicts")).body.data;

describe("while D1 takes no writes", () => {
  it("every write is accepted, seen by its owner's reads, and done in order when it does again", async () => {
    const old = (await make(ada, "old")).body;
    pass(1_000);
    await unwritable();
    const made = await make(ada, "new");
    expect([made.status, made.body]).toMatchObject([202, { title: "new", status: "open", version: 1, buffered: true }]);
    const { id } = made.body;
    expect((await read(ada, id)).body).toMatchObject({ title: "new", version: 1 });
    const changed = await patch(ada, id, "newer", 1);
    expect([changed.status, changed.body]).toMatchObject([202, { title: "newer", version: 2, buffered: true }]);
    expectProblem(await patch(ada, id, "late", 1), 412, "precondition_failed");
    expect([(await act(ada, old.id, "complete")).status, (await read(ada, old.id)).body]).toMatchObject([
      202,
      { title: "old", status: "done", version: 2 },
    ]);
    const bulk = { action: "complete", ids: [id, old.id] };
    const both = await ada.call<{ data: { id: string; status_code: number }[] }>("POST", "/v1/tasks/bulk", {
      json: bulk,
    });
    expect(both.body.data).toMatchObject(
      [id, old.id].map((one) => ({ id: one, status_code: 202, task: { buffered: true } })),
    );
    expect((await list(ada)).map(({ title, status }) => [title, status])).toEqual([
      ["newer", "done"],
      ["old", "done"],
    ]);
    expect(await list(ada, "status=open")).toEqual([]);
    expect((await list(ada, "q=NEWER")).map(({ version }) => version)).toEqual([3]);
    const [first] = await list(ada, "limit=1&sort=created_at");
    expect(first?.title).toBe("old");
    expect([await stored(id), (await stored(old.id))?.["version"]]).toEqual([null, 1]);
    await writable();
    await drained(ada);
    expect(await stored(id)).toEqual({ title: "newer", status: "done", version: 3 });
    expect(await stored(old.id)).toEqual({ title: "old", status: "done", version: 2 });
    expect(await conflicts(ada)).toEqual([]);
    expect((await patch(ada, id, "direct again", 3)).status).toBe(200);
  });

  it("a deleted task is gone at once, and nothing is done to it any more", async () => {
    const { id } = (await make(ada, "short")).body;
    await unwritable();
    const removed = await ada.call<WireTask>("DELETE", `/v1/tasks/${id}`);
    expect([removed.status, removed.body]).toEqual([202, { id, buffered: true }]);
    expectProblem(await read(ada, id), 404, "not_found");
    expectProblem(await act(ada, id, "reopen"), 404, "not_found");
    expect(await list(ada)).toEqual([]);
    await writable();
    await drained(ada);
    expectProblem(await read(ada, id), 404, "not_found");
  });

  it("of many tasks moved at once each is for itself, also where some are deleted already", async () => {
    const [gone, left] = [(await make(ada, "gone")).body, (await make(ada, "left")).body];
    await unwritable();
    expect((await ada.call("DELETE", `/v1/tasks/${gone.id}`)).status).toBe(202);
    const bulk = { action: "complete", ids: [gone.id, left.id] };
    const moved = await ada.call<{ data: object[] }>("POST", "/v1/tasks/bulk", { json: bulk });
    expect([moved.status, moved.body.data]).toMatchObject([
      207,
      [
        { id: gone.id, status_code: 404, problem: { code: "not_found" } },
        { id: left.id, status_code: 202, task: { status: "done", buffered: true } },
      ],
    ]);
    await writable();
    await drained(ada);
    expect(await stored(left.id)).toMatchObject({ status: "done" });
    expect(await conflicts(ada)).toEqual([]);
  });

  it("what waits is done at the next request, before that", async () => {
    const { id } = (await make(ada, "first")).body;
    await unwritable();
    expect((await patch(ada, id, "second", 1)).status).toBe(202);
    await writable();
    pass(60_000);
    const third = await patch(ada, id, "third", 2);
    expect([200, 202]).toContain(third.status);
    await drained(ada);
    expect(await stored(id)).toMatchObject({ title: "third", version: 3 });
  });

  it("a profile is changed all the same; but for an e-mail address, which cannot wait", async () => {
    const change = (json: object) => ada.call<Record<string, unknown>>("PATCH", "/v1/me", { json });
    expect((await change({ locale: "en" })).status).toBe(200);
    await unwritable();
    expect(await change({ locale: "de", notifications: { news: true } })).toMatchObject({
      status: 202,
      body: { buffered: true },
    });
    expect(await change({ locale: "fr" })).toMatchObject({ status: 202, body: { buffered: true } });
    expectProblem(await change({ email: "other@example.com" }), 503, "unavailable");
    const wanted = { locale: "fr", notifications: { new_device: true, orders: true, news: true } };
    expect((await ada.get<{ user: object }>("/v1/me")).body.user).toMatchObject(wanted);
    await writable();
    await drained(ada);
    expect((await ada.get<{ user: object }>("/v1/me")).body.user).toMatchObject(wanted);
    // The next outage shows what the last one has accepted.
    await without(["users"], async () => {
      expect((await ada.get<{ user: object }>("/v1/me")).body.user).toMatchObject(wanted);
    });
    const row = await env.DB.prepare("SELECT locale FROM users WHERE id = ?").bind(ada.userId).first();
    expect(row?.["locale"]).toBe("fr");
    expect(await change({ locale: "it" })).toMatchObject({ status: 200, body: { user: { locale: "it" } } });
  });
});

describe("while D1 cannot be read either", () => {
  it("what is not known says so, never an empty list; what was made meanwhile is known", async () => {
    const { id: old } = (await make(ada, "old")).body;
    let made = "";
    await withoutTasks(async () => {
      made = (await make(ada, "made meanwhile")).body.id;
      expect((await read(ada, made)).body).toMatchObject({ title: "made meanwhile", version: 1 });
      const changed = await patch(ada, old, "changed meanwhile", 1);
      expect([changed.status, changed.body]).toEqual([
        202,
        { id: old, title: "changed meanwhile", version: 2, buffered: true },
      ]);
      for (const path of ["/v1/tasks", `/v1/tasks/${old}`]) expectProblem(await ada.get(path), 503, "unavailable");
      await drained(ada);
    });
    await drained(ada);
    expect((await list(ada)).map(({ title }) => title).sort()).toEqual(["changed meanwhile", "made meanwhile"]);
  });

  it("an Idempotency-Key of another body, which nobody can see, makes a task of its own: neither is lost", async () => {
    const key = { "Idempotency-Key": "k2" };
    const first = (await make(ada, "first", key)).body;
    let second: Partial<WireTask> = {};
    await withoutTasks(async () => {
      const made = await make(ada, "second", key);
      expect([made.status, made.body.title]).toEqual([202, "second"]);
      second = made.body;
      expectProblem(await read(ada, first.id), 503, "unavailable");
    });
    await drained(ada);
    expect(second.id).not.toBe(first.id);
    expect((await list(ada)).map(({ title }) => title).sort()).toEqual(["first", "second"]);
    expect(await conflicts(ada)).toEqual([]);
  });

  it("an Idempotency-Key makes one task, whether it was used before, meanwhile or after", async () => {
    const key = { "Idempotency-Key": "k1" };
    const before = (await make(ada, "before", { "Idempotency-Key": "k0" })).body;
    let first = "";
    await withoutTasks(async () => {
      expect((await make(ada, "before", { "Idempotency-Key": "k0" })).body.id).toBe(before.id);
      const made = await make(ada, "meanwhile", key);
      pass(1_000);
      const again = await make(ada, "meanwhile", key);
      expect([made.status, again.status, again.text]).toEqual([202, 202, made.text]);
      expectProblem(await make(ada, "another", key), 422, "idempotency_key_reused");
      first = made.body.id;
    });
    await drained(ada);
    expect((await make(ada, "meanwhile", key)).body).toMatchObject({ id: first, version: 1 });
    expect((await list(ada)).map(({ title }) => title).sort()).toEqual(["before", "meanwhile"]);
    expect((await make(await person(), "meanwhile", key)).body.id).not.toBe(first);
  });
});

/** Changes a task over a D1 of which `fate` decides what becomes of the write; its reading comes before that. */
function changeOver(who: Trader, id: string, title: string, fate: (work: () => Promise<unknown>) => Promise<unknown>) {
  let batches = 0;
  const batch = (statements: D1PreparedStatement[]) => {
    batches += 1;
    return batches === 2 ? fate(() => env.DB.batch(statements)) : env.DB.batch(statements);
  };
  const DB = { prepare: (query: string) => env.DB.prepare(query), batch };
  const headers = { "If-Match": '"1"' };
  return callApp(app, "PATCH", `/v1/tasks/${id}`, { env: { DB }, json: { title }, token: who.token, headers });
}

describe("a write that D1 has taken", () => {
  it("though it said that it has not, is done once", async () => {
    const { id } = (await make(ada, "before")).body;
    const changed = await changeOver(ada, id, "after", async (work) => {
      await work();
      throw new Error("D1_ERROR: Network connection lost.");
    });
    expect(changed).toMatchObject({ status: 202, body: { title: "after", version: 2, buffered: true } });
    expect(await stored(id)).toMatchObject({ title: "after", version: 2 });
    expect((await read(ada, id)).body).toMatchObject({ title: "after", version: 2 });
    await drained(ada);
    expect(await stored(id)).toMatchObject({ title: "after", version: 2 });
    expect(await conflicts(ada)).toEqual([]);
  });

  it("later than anybody waits, is done once, also when others came between", async () => {
    const { id } = (await make(ada, "before")).body;
    let land = () => {};
    const landing = new Promise<void>((resolve) => {
      land = resolve;
    });
    let landed: Promise<unknown> = Promise.resolve();
    const slow = await changeOver(ada, id, "slow", (work) => {
      landed = landing.then(work);
      return landed;
    });
    expect(slow).toMatchObject({ status: 202, body: { title: "slow", version: 2 } });
    await drained(ada);
    expect((await patch(ada, id, "next", 2)).status).toBe(200);
    land();
    await landed;
    expect(await stored(id)).toMatchObject({ title: "next", version: 3 });
    expect(await conflicts(ada)).toEqual([]);
  });

  it("before its buffer died, is done once by the next life", async () => {
    const { id } = (await make(ada, "before")).body;
    await unwritable();
    await patch(ada, id, "after", 1);
    await act(ada, id, "complete");
    const [first] = await bufferOf(ada).look();
    await writable();
    if (first === undefined) throw new Error("nothing waits");
    expect(await applyTaskWrite(env, first)).toEqual({ kind: "done" });
    await evictDurableObject(bufferOf(ada) as DurableObjectStub);
    await drained(ada);
    expect(await stored(id)).toEqual({ title: "after", status: "done", version: 3 });
    expect(await conflicts(ada)).toEqual([]);
  });
});

describe("a write that cannot be done any more", () => {
  it("is kept with what was made on it, shown to its owner alone, and forgotten when they say so", async () => {
    const { id } = (await make(ada, "mine")).body;
    await unwritable();
    await patch(ada, id, "first", 1);
    await patch(ada, id, "second", 2);
    await act(ada, id, "complete");
    await writable();
    // A request that was under way when D1 failed.
    await env.DB.prepare("UPDATE tasks SET title = 'other', version = 2 WHERE id = ?").bind(id).run();
    await drained(ada);
    expect(await stored(id)).toEqual({ title: "other", status: "done", version: 3 });
    const shown = await conflicts(ada);
    expect(shown).toMatchObject([
      { kind: "task.change", task_id: id, wanted: { title: "second" }, code: "precondition_failed", version: 2 },
      { kind: "task.change", task_id: id, wanted: { title: "first" }, code: "precondition_failed", version: 2 },
    ]);
    const bob = await person();
    expect(await conflicts(bob)).toEqual([]);
    const dismiss = (who: Trader) => who.call("DELETE", `/v1/writes/conflicts/${String(shown[0]?.["id"])}`);
    expectProblem(await dismiss(bob), 404, "not_found");
    expect((await dismiss(ada)).status).toBe(204);
    expectProblem(await dismiss(ada), 404, "not_found");
    const page = (await ada.get<WirePage<object>>("/v1/writes/conflicts?limit=1")).body;
    expect([page.data.length, page.next_cursor]).toEqual([1, null]);
  });
});

describe("the marks of writes", () => {
  it("are forgotten after thirty days", async () => {
    const { id } = (await make(ada, "marked")).body;
    await env.DB.exec("DELETE FROM applied_writes");
    await patch(ada, id, "again", 1);
    const marks = async () => (await env.DB.prepare("SELECT id FROM applied_writes").all()).results.length;
    await forgetApplied(env, Date.now() + APPLIED_WRITES_KEPT_MS);
    expect(await marks()).toBe(1);
    await forgetApplied(env, Date.now() + APPLIED_WRITES_KEPT_MS + 1);
    expect(await marks()).toBe(0);
  });
});

describe("a buffer", () => {
  it("that cannot be reached lets nobody write or read: nobody could say what is true", async () => {
    const WRITE_BUFFER = {
      getByName: () => ({ look: () => Promise.reject(new Error("no route")) }),
    };
    const calls = [
      ["POST", "/v1/tasks", { title: "x" }],
      ["GET", "/v1/tasks", undefined],
      ["GET", "/v1/me", undefined],
      ["PATCH", "/v1/me", { locale: "de" }],
    ] as const;
    for (const [method, path, json] of calls) {
      const got = await callApp(app, method, path, {
        env: { WRITE_BUFFER },
        token: ada.token,
        ...(json ? { json } : {}),
      });
      expect(got, path).toMatchObject({ status: 503, body: { code: "unavailable" } });
    }
  });

  it("keeps what waits through its end, rests between tries, and rings again", async () => {
    await unwritable();
    const { id } = (await make(ada, "patient")).body;
    for (let tries = 0; tries < 3; tries += 1) {
      await drained(ada);
      await evictDurableObject(bufferOf(ada) as DurableObjectStub);
    }
    expect((await bufferOf(ada).look()).map(({ act: { kind } }) => kind)).toEqual(["task.create"]);
    await writable();
    await drained(ada);
    expect(await stored(id)).toMatchObject({ title: "patient" });
    expect(await bufferOf(ada).look()).toEqual([]);
  });

  it("takes two at once in some order, and loses none", async () => {
    await unwritable();
    const all = await Promise.all(Array.from({ length: 10 }, (_, n) => make(ada, `at once ${n}`)));
    expect(all.every(({ status }) => status === 202)).toBe(true);
    await writable();
    const [, more] = await Promise.all([drained(ada), make(ada, "while it empties")]);
    expect([201, 202]).toContain(more.status);
    await drained(ada);
    expect(await list(ada)).toHaveLength(11);
    expect(await conflicts(ada)).toEqual([]);
  });
});
