import { describe, expect, it } from "vitest";
import { anotherEpoch, isRestored, strangeEpoch } from "../../src/core/epochs.ts";
import { ConflictError, type InvariantError, invariant, onBreak, orConflict } from "../../src/core/result.ts";

describe("what is said in an epoch", () => {
  it.each([
    ["the known one", 3, 3],
    ["any, before the first contact", null, 3],
    ["none, by the version before", 3, undefined],
    ["a later one: that of a restored object", 3, 4],
  ])("is of a known life: %s", (_, known, said) => {
    expect(strangeEpoch("market", known, said)).toBeNull();
  });

  it.each([
    [2, 1],
    [1, 0],
  ])("is a stranger's when that life has ended: known as %d, said in %d", (known, said) => {
    expect(strangeEpoch("account", known, said)).toBe(`account epoch ${said}, known as ${known}`);
  });
});

describe("a restored object", () => {
  it("may not act before it has shaken hands", () => {
    expect(anotherEpoch("account", 1, 2)).toBe("account epoch 2, known as 1");
    expect(anotherEpoch("account", 2, 2)).toBeNull();
  });

  it.each([
    [1, 2, true],
    [1, 1, false],
    [2, 1, false],
    [null, 2, false],
    [1, undefined, false],
  ])("is known by its later epoch: known as %s, said in %s", (known, said, restored) => {
    expect(isRestored(known, said)).toBe(restored);
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

describe("what another object tells", () => {
  it("and cannot be true is a conflict, which is no bug of whoever hears it; every other throw is one", () => {
    const told = (work: () => string) => () => orConflict(work);
    expect(told(() => "done")()).toBe("done");
    const untrue = told(() => {
      invariant(false, "order ord_1 is open already");
      return "done";
    });
    expect(untrue).toThrow(new ConflictError("conflict: order ord_1 is open already"));
    const bug = told(() => {
      throw new TypeError("a bug");
    });
    expect(bug).toThrow(new TypeError("a bug"));
  });
});
