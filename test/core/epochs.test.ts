import { describe, expect, it } from "vitest";
import { strangeEpoch } from "../../src/core/epochs.ts";
import { type InvariantError, invariant, onBreak } from "../../src/core/result.ts";

describe("what is said in an epoch", () => {
  it.each([
    ["the known one", 3, 3],
    ["any, before the first contact", null, 3],
    ["none, by the version before", 3, undefined],
  ])("is of a known life: %s", (_, known, said) => {
    expect(strangeEpoch("market", known, said)).toBeNull();
  });

  it.each([
    [1, 2],
    [2, 1],
    [1, 0],
  ])("is a stranger's when it is another: known as %d, said in %d", (known, said) => {
    expect(strangeEpoch("account", known, said)).toBe(`account epoch ${said}, known as ${known}`);
  });
});

describe("an act that breaks an invariant", () => {
  it("is answered by the caller's word for it; every other throw goes on", () => {
    const broken = (error: InvariantError) => `broken: ${error.message}`;
    expect(onBreak(() => "done", broken)).toBe("done");
    expect(
      onBreak<string>(() => {
        invariant(false, "held USD out of range");
        return "done";
      }, broken),
    ).toBe("broken: held USD out of range");
    expect(() =>
      onBreak<string>(() => {
        throw new TypeError("a bug");
      }, broken),
    ).toThrow(TypeError);
  });
});
