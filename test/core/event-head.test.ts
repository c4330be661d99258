import { describe, expect, it } from "vitest";
import { isEventHead } from "../../src/core/event-head.ts";

const HEAD = { v: 1, kind: "report", first: 6, seq: 7, at: 1_800_000_000_000 };

describe("an event", () => {
  it.each([
    ["with a first number", HEAD],
    ["without one", { ...HEAD, first: undefined }],
    ["of another version, with more than its head", { ...HEAD, v: 2, order: null }],
  ])("is one %s", (_, decoded) => {
    expect(isEventHead(decoded)).toBe(true);
  });

  it.each([null, 5, "{}", {}, { ...HEAD, v: "1" }, { ...HEAD, kind: 1 }, { ...HEAD, first: 0 }, { ...HEAD, seq: 0 }])(
    "is not %o",
    (decoded) => {
      expect(isEventHead(decoded)).toBe(false);
    },
  );

  it.each([1.5, null, "7", 2 ** 53])("has no number or time %o", (value) => {
    expect(isEventHead({ ...HEAD, seq: value })).toBe(false);
    expect(isEventHead({ ...HEAD, at: value })).toBe(false);
  });
});
