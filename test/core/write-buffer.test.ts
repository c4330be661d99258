// Writes that wait: what they may follow, what tasks look like meanwhile, and what becomes of one that comes too late.
import { describe, expect, it } from "vitest";
import { BUFFER_BYTES_MAX, BUFFER_WRITES_MAX } from "../../src/core/limits.ts";
import type { Result } from "../../src/core/result.ts";
import { comparePlaces, isWanted, sortKey, TASK_ORDERS } from "../../src/core/task-lists.ts";
import type { Task } from "../../src/core/tasks.ts";
import {
  afterTry,
  foreseenFields,
  foreseenProfile,
  foreseenTask,
  judgeWrite,
  taskIdOf,
  type Write,
  type WriteAct,
  writtenTask,
} from "../../src/core/write-buffer.ts";

const NOW = 1_800_000_000_000;
const ROOM = { bytes: 0, conflicts: 0 };
const wish = { title: "Buy milk", notes: "", dueAt: null };
let writes = 0;
const write = (act: WriteAct): Write => {
  writes += 1;
  return { id: `wrt_${writes}`, userId: "usr_1", at: NOW + writes, act };
};
const create = (taskId = "tsk_1") => write({ kind: "task.create", taskId, wish });
const change = (expected: number, title: string, taskId = "tsk_1") =>
  write({ kind: "task.change", taskId, expected, change: { title } });
const move = (to: "open" | "done" | "deleted", taskId = "tsk_1") => write({ kind: "task.move", taskId, to });
const profile = (locale?: string, notifications = {}) =>
  write({ kind: "profile.change", change: { locale, notifications } });
const code = (result: Result<unknown>) => (result.ok ? "ok" : result.refusal.code);
const stored: Task = {
  ...{ id: "tsk_1", userId: "usr_1", ...wish, status: "open", version: 4 },
  ...{ createdAt: NOW - 9, updatedAt: NOW - 5, deletedAt: null },
};

describe("a task with what waits", () => {
  it("is made, changed, moved and deleted in that order", () => {
    const made = foreseenTask(undefined, [create(), change(1, "Buy oats"), move("done")]);
    expect(made).toMatchObject({ id: "tsk_1", userId: "usr_1", title: "Buy oats", status: "done", version: 3 });
    expect(foreseenTask(stored, [move("deleted")])?.deletedAt).toBeGreaterThan(NOW);
  });

  it("is not made again, nor changed by what will be refused", () => {
    expect(foreseenTask(stored, [create(), change(3, "late"), profile("de")])).toBe(stored);
    expect(foreseenTask(undefined, [change(1, "of none"), move("done")])).toBeUndefined();
    expect(code(writtenTask(stored, profile("de")))).toBe("not_found");
  });

  it("is known whole where its creation waits, else as far as the writes say", () => {
    expect(foreseenFields("tsk_1", [create(), create("tsk_2"), move("done")])).toMatchObject({
      version: 2,
      status: "done",
    });
    const due = write({ kind: "task.change", taskId: "tsk_1", expected: 4, change: { notes: "n", dueAt: NOW } });
    expect(foreseenFields("tsk_1", [change(3, "new"), due, profile("de")])).toEqual({
      ...{ id: "tsk_1", title: "new", notes: "n", dueAt: NOW, version: 5 },
    });
    // What a move makes of a version, only the database knows.
    expect(foreseenFields("tsk_1", [change(3, "new"), move("done")])).toEqual({
      id: "tsk_1",
      title: "new",
      status: "done",
    });
    expect(foreseenFields("tsk_1", [move("deleted")])).toEqual({ id: "tsk_1", deletedAt: expect.any(Number) });
  });
});

describe("a profile with what waits", () => {
  it("has what was chosen last", () => {
    const before = { locale: "en", notifications: { new_device: true, orders: true, news: false }, id: "usr_1" };
    const waiting = [profile("de"), move("done"), profile(undefined, { news: true }), profile("fr", { orders: false })];
    expect(foreseenProfile(before, waiting)).toEqual({
      ...{ id: "usr_1", locale: "fr" },
      notifications: { new_device: true, orders: false, news: true },
    });
    expect(foreseenProfile(before, [write({ kind: "profile.change", change: {} })])).toEqual(before);
  });
});

describe("a write that is to wait", () => {
  it.each([
    ["behind nothing", [], change(7, "x"), "ok"],
    ["behind another task's", [move("deleted", "tsk_2")], change(7, "x"), "ok"],
    ["of a profile, behind others", [profile("de"), move("done")], profile("fr"), "ok"],
    ["of a task, behind a profile's", [profile("de")], move("done"), "ok"],
    ["of the version that waits", [change(7, "x")], change(8, "y"), "ok"],
    ["of the version before", [change(7, "x")], change(7, "y"), "precondition_failed"],
    ["of whatever version a move has made", [change(7, "x"), move("done")], change(7, "y"), "ok"],
    ["that moves what was changed", [change(7, "x")], move("done"), "ok"],
    ["of what is deleted", [move("deleted")], move("done"), "not_found"],
    ["that changes what is deleted", [change(7, "x"), move("deleted")], change(8, "y"), "not_found"],
    ["of what is made, in its version", [create()], change(1, "x"), "ok"],
    ["of what is made, in another", [create()], change(2, "x"), "precondition_failed"],
    ["of what is made and deleted", [create(), move("deleted")], move("done"), "not_found"],
  ])("%s", (_, waiting, next, expected) => {
    expect(code(judgeWrite(waiting, ROOM, next))).toBe(expected);
  });

  it("is told the version that it is too late for", () => {
    const refused = judgeWrite([change(7, "x")], ROOM, change(7, "y"));
    expect(refused).toEqual({ ok: false, refusal: { code: "precondition_failed", version: 8 } });
  });

  it("waits once, and its id stands for nothing else", () => {
    const first = create();
    expect(judgeWrite([], ROOM, first)).toEqual({ ok: true, value: true });
    expect(judgeWrite([first], ROOM, { ...first, at: NOW + 99 })).toEqual({ ok: true, value: false });
    const other = { ...first, act: { ...first.act, wish: { ...wish, title: "Buy oats" } } as WriteAct };
    expect(code(judgeWrite([first], ROOM, other))).toBe("idempotency_key_reused");
  });

  it("needs room: for so many with the conflicts, and so many bytes", () => {
    const waiting = Array.from({ length: BUFFER_WRITES_MAX - 1 }, () => profile("de"));
    expect(code(judgeWrite(waiting, ROOM, profile("fr")))).toBe("ok");
    expect(code(judgeWrite(waiting, { bytes: 0, conflicts: 1 }, profile("fr")))).toBe("unavailable");
    expect(code(judgeWrite([], { bytes: BUFFER_BYTES_MAX, conflicts: 0 }, profile("fr")))).toBe("ok");
    expect(code(judgeWrite([], { bytes: BUFFER_BYTES_MAX + 1, conflicts: 0 }, profile("fr")))).toBe("unavailable");
  });
});

describe("after the first write was tried", () => {
  const first = change(1, "x");
  const [same, moved, other, who] = [change(2, "y"), move("done"), change(1, "z", "tsk_2"), profile("de")];
  const waiting = [first, same, moved, other, who];
  const late = { code: "precondition_failed", version: 5 } as const;

  it("nothing is taken off while nobody knows, or when it is not there any more", () => {
    expect(afterTry(waiting, first, { kind: "away" })).toEqual({ done: [], conflicts: [] });
    expect(afterTry([other], first, { kind: "done" })).toEqual({ done: [], conflicts: [] });
  });

  it("it is taken off when it is done", () => {
    expect(afterTry(waiting, first, { kind: "done" })).toEqual({ done: [first], conflicts: [] });
  });

  it("it is in conflict when it is refused, and with it what was made on it; not moves, and not other tasks'", () => {
    const { done, conflicts } = afterTry(waiting, first, { kind: "refused", refusal: late });
    expect(done).toEqual([]);
    expect(conflicts).toEqual([first, same].map((write) => ({ write, refusal: late })));
  });

  it("a profile's takes nothing with it", () => {
    const gone = { code: "not_found" } as const;
    expect(afterTry([who, same], who, { kind: "refused", refusal: gone }).conflicts).toEqual([
      { write: who, refusal: gone },
    ]);
    expect(taskIdOf(who)).toBeNull();
  });
});

describe("a list", () => {
  const task = (id: string, dueAt: number | null): Task => ({
    ...stored,
    id,
    dueAt,
    createdAt: NOW,
    updatedAt: NOW + 1,
  });

  it.each([
    [{ status: "all" }, true],
    [{ status: "open" }, true],
    [{ status: "done" }, false],
    [{ status: "all", dueAfter: NOW }, true],
    [{ status: "all", dueAfter: NOW + 1 }, false],
    [{ status: "all", dueBefore: NOW + 1 }, true],
    [{ status: "all", dueBefore: NOW }, false],
    [{ status: "all", q: "MILK" }, true],
    [{ status: "all", q: "oats" }, false],
  ] as const)("of %j wants it: %s", (filter, expected) => {
    expect(isWanted(task("tsk_1", NOW), filter)).toBe(expected);
  });

  it("of due dates wants none without one", () => {
    expect(isWanted(task("tsk_1", null), { status: "all", dueAfter: 0 })).toBe(false);
    expect(isWanted(task("tsk_1", null), { status: "all", dueBefore: NOW })).toBe(false);
  });

  it("is sorted by its key, then by id, and what has no due date comes last", () => {
    const rows = [task("b", null), task("c", 5), task("a", 5), task("d", 7)];
    const sorted = TASK_ORDERS.map((order) => {
      const places = rows.map((row) => ({ id: row.id, key: sortKey(row, order) }));
      return `${order} ${places
        .sort((one, other) => comparePlaces(order, one, other))
        .map(({ id }) => id)
        .join("")}`;
    });
    expect(sorted).toEqual([
      "-created_at dcba",
      "created_at abcd",
      "-updated_at dcba",
      "updated_at abcd",
      "due_at acdb",
      "-due_at dcab",
    ]);
    expect(comparePlaces("due_at", { key: 1, id: "a" }, { key: 1, id: "a" })).toBe(0);
  });
});
