// How tasks change: versions, statuses and due dates, as a table that reads as the specification.
import { describe, expect, it } from "vitest";
import type { Result } from "../../src/core/result.ts";
import { folded, isWanted, searchedText, sortKey, type TaskFilter, type TaskOrder } from "../../src/core/task-lists.ts";
import { changeTask, isThere, moveTask, newTask, type Task } from "../../src/core/tasks.ts";

const NOW = 1_800_000_000_000;
const DAY = 86_400_000;
const YEAR = 366 * DAY;
const TEN_YEARS = 3_653 * DAY;
const ids = { id: "tsk_1", userId: "usr_1" };
const wish = { title: "Buy milk", notes: "two litres", dueAt: null };

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.refusal.code);
  return result.value;
}
const refusal = (result: Result<unknown>) => (result.ok ? null : result.refusal);
const made = (): Task => value(newTask(ids, wish, NOW));

describe("a new task", () => {
  it("is open, and its first version", () => {
    expect(made()).toEqual({
      ...{ ...ids, ...wish, status: "open", version: 1 },
      ...{ createdAt: NOW, updatedAt: NOW, deletedAt: null },
    });
  });
});

describe("a due date", () => {
  it.each([
    ["now", NOW, null],
    ["a year ago", NOW - YEAR, null],
    ["more than that", NOW - YEAR - 1, "too_small"],
    ["ten years ahead", NOW + TEN_YEARS, null],
    ["more than that", NOW + TEN_YEARS + 1, "too_big"],
  ])("%s (%d) is refused with %s", (_, dueAt, code) => {
    const expected = code === null ? null : { code: "validation_failed", errors: [{ pointer: "/due_at", code }] };
    const change = changeTask(made(), 1, { dueAt }, NOW);
    for (const result of [newTask(ids, { ...wish, dueAt }, NOW), change]) {
      if (expected === null) expect(refusal(result)).toBeNull();
      else expect(refusal(result)).toMatchObject(expected);
    }
  });

  it("that stays is not judged again", () => {
    const task = value(newTask(ids, { ...wish, dueAt: NOW - YEAR }, NOW));
    expect(value(changeTask(task, 1, { title: "Buy oats" }, NOW + DAY)).dueAt).toBe(NOW - YEAR);
  });
});

describe("a change", () => {
  it("is the next version, with what it names and the rest as it was", () => {
    const task = made();
    const next = value(changeTask(task, 1, { title: "Buy oats", notes: undefined }, NOW + 5));
    expect(next).toEqual({ ...task, title: "Buy oats", version: 2, updatedAt: NOW + 5 });
    expect(value(changeTask(next, 2, { dueAt: NOW + DAY }, NOW + 6))).toMatchObject({ version: 3, dueAt: NOW + DAY });
  });

  it("never looks older than the one before, whatever the clock says", () => {
    expect(value(changeTask(made(), 1, { notes: "" }, NOW - 5)).updatedAt).toBe(NOW);
  });

  it.each([0, 2])("of version %d is refused with the version in force", (version) => {
    expect(refusal(changeTask(made(), version, { notes: "" }, NOW))).toEqual({
      code: "precondition_failed",
      version: 1,
    });
  });

  it("of none, or a deleted one, is refused", () => {
    const deleted = value(moveTask(made(), "deleted", NOW));
    for (const task of [undefined, deleted]) {
      expect(refusal(changeTask(task, 2, { notes: "" }, NOW))?.code).toBe("not_found");
    }
  });
});

describe("a move", () => {
  const open = made();
  const done = value(moveTask(open, "done", NOW + 1));
  const deleted = value(moveTask(open, "deleted", NOW + 1));

  it("to another status is the next version", () => {
    expect(done).toEqual({ ...open, status: "done", version: 2, updatedAt: NOW + 1 });
    expect(value(moveTask(done, "open", NOW + 2))).toEqual({ ...open, version: 3, updatedAt: NOW + 2 });
  });

  it("away leaves nothing to see", () => {
    expect(deleted).toEqual({ ...open, deletedAt: NOW + 1, version: 2, updatedAt: NOW + 1 });
    expect([undefined, open, done, deleted].map(isThere)).toEqual([false, true, true, false]);
  });

  it("to where it is already changes nothing, not even the version", () => {
    expect(value(moveTask(open, "open", NOW + 9))).toBe(open);
    expect(value(moveTask(done, "done", NOW + 9))).toBe(done);
  });

  it.each(["open", "done", "deleted"] as const)("of a deleted one to %s is refused", (to) => {
    expect(refusal(moveTask(deleted, to, NOW))?.code).toBe("not_found");
    expect(refusal(moveTask(undefined, to, NOW))?.code).toBe("not_found");
  });
});

describe("a list", () => {
  const task = { ...made(), createdAt: 1, updatedAt: 2, dueAt: 5 };
  const undated = { ...task, dueAt: null };

  it.each<[TaskOrder, number, number]>([
    ["created_at", 1, 1],
    ["-created_at", 1, 1],
    ["updated_at", 2, 2],
    ["-updated_at", 2, 2],
    ["due_at", 5, 8_640_000_000_000_000],
    ["-due_at", 5, 0],
  ])("by %s goes by %d, and without a due date by %d", (order, dated, without) => {
    expect([sortKey(task, order), sortKey(undated, order)]).toEqual([dated, without]);
  });

  it.each<[string, Omit<TaskFilter, "status">, boolean, boolean]>([
    ["whatever their due date", {}, true, true],
    ["due from then on", { dueAfter: 5 }, true, false],
    ["due later", { dueAfter: 6 }, false, false],
    ["due before", { dueBefore: 6 }, true, false],
    ["due earlier", { dueBefore: 5 }, false, false],
  ])("of tasks %s", (_, filter, dated, without) => {
    const wanted = [task, undated].map((one) => isWanted(one, { status: "all", ...filter }));
    expect(wanted).toEqual([dated, without]);
  });

  it("of one status has no other", () => {
    expect((["open", "done", "all"] as const).map((status) => isWanted(task, { status }))).toEqual([true, false, true]);
  });
});

describe("what is searched", () => {
  it("is title and notes, whatever their case and form", () => {
    expect(searchedText({ title: "Übung MACHT", notes: "den Meister" })).toBe("übung macht\nden meister");
    expect(folded("Ａ１ U\u0308")).toBe("a1 ü");
  });
});
