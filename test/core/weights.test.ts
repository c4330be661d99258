import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UNITS_MAX } from "../../src/core/money.ts";
import { weightsBps } from "../../src/core/weights.ts";

describe("weights in basis points", () => {
  it.each<[string, bigint[], number[]]>([
    ["nothing at all", [], []],
    ["values of nothing", [0n, 0n], [0, 0]],
    ["one value", [7n], [10_000]],
    ["thirds: the first gets what is over", [1n, 1n, 1n], [3_334, 3_333, 3_333]],
    ["the greatest remainder gets it, wherever it stands", [1n, 1n, 4n], [1_667, 1_667, 6_666]],
    ["sevenths", [1n, 2n, 4n], [1_429, 2_857, 5_714]],
    ["a speck beside a fortune", [1n, UNITS_MAX], [0, 10_000]],
    ["nothing among others stays nothing", [0n, 1n, 2n], [0, 3_333, 6_667]],
  ])("%s", (_, values, weights) => {
    expect(weightsBps(values)).toEqual(weights);
  });

  it("add up to 10,000, each less than one off", () => {
    const amounts = fc.array(fc.bigInt({ min: 0n, max: UNITS_MAX }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(amounts, (values) => {
        const total = values.reduce((sum, value) => sum + value, 0n);
        fc.pre(total > 0n);
        const weights = weightsBps(values);
        expect(weights.reduce((sum, weight) => sum + weight, 0)).toBe(10_000);
        values.forEach((value, index) => {
          const off = BigInt(weights[index] ?? 0) * total - value * 10_000n;
          expect(off < total && off > -total).toBe(true);
        });
      }),
    );
  });
});
