import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDecimal, formatRatio, parseDecimal, unitsOf } from "../../src/core/decimal.ts";
import { fromColumn, readColumn, toColumn, UNITS_MAX } from "../../src/core/money.ts";

const units = fc.bigInt({ min: 0n, max: UNITS_MAX });
const scales = fc.integer({ min: 0, max: 18 });

describe("a decimal string is read", () => {
  it.each([
    ["0", 6, 0n],
    ["1", 6, 1_000_000n],
    ["1", 0, 1n],
    ["0.000001", 6, 1n],
    ["0.0", 1, 0n],
    ["1.50", 2, 150n],
    ["12.34", 8, 1_234_000_000n],
    ["0.000000000000000001", 18, 1n],
    ["9007199254.740991", 6, UNITS_MAX],
    ["9007199254740991", 0, UNITS_MAX],
  ])("%s at scale %i is %s units", (text, scale, value) => {
    expect(parseDecimal(text, scale)).toEqual({ ok: true, value });
  });

  it.each([
    ["", "format"],
    [" ", "format"],
    ["1 ", "format"],
    [" 1", "format"],
    ["1\n", "format"],
    ["-1", "format"],
    ["-0", "format"],
    ["+1", "format"],
    ["01", "format"],
    ["00", "format"],
    ["1.", "format"],
    [".5", "format"],
    ["1.2.3", "format"],
    ["1,5", "format"],
    ["1_000", "format"],
    ["1e3", "format"],
    ["1e999", "format"],
    ["0x10", "format"],
    ["NaN", "format"],
    ["Infinity", "format"],
    ["$1", "format"],
    ["١", "format"],
    ["1234567890123456789", "format"],
    ["0.1234567890123456789", "format"],
    ["1.0000000", "precision"],
    ["0.0000001", "precision"],
    ["9007199254.7409911", "precision"],
  ] as const)("%j at scale 6 is refused for its %s", (text, reason) => {
    expect(parseDecimal(text, 6)).toEqual({ ok: false, reason });
  });

  it.each([
    ["9007199254.740992", UNITS_MAX + 1n],
    ["999999999999999999", 999_999_999_999_999_999_000_000n],
  ])("%j at scale 6 is refused for its range, and its %s units are told", (text, value) => {
    expect(parseDecimal(text, 6)).toEqual({ ok: false, reason: "range", value });
  });

  it("with no digit after the point at scale 0", () => {
    expect(parseDecimal("1.0", 0)).toEqual({ ok: false, reason: "precision" });
  });
});

describe("a decimal that the program itself wrote", () => {
  it("is its units", () => {
    expect(unitsOf("0.0001", 8)).toBe(10_000n);
  });

  it.each([
    ["1,5", "format"],
    ["0.0000001", "precision"],
    ["99999999999", "range"],
  ])("is a bug when it is %s: a listing is wrong as a whole, not by some digits", (text, reason) => {
    expect(() => unitsOf(text, 6)).toThrow(new RangeError(`"${text}" at scale 6: ${reason}`));
  });
});

describe("units are written in shortest form", () => {
  it.each([
    [0n, 6, "0"],
    [0n, 0, "0"],
    [1n, 0, "1"],
    [100n, 0, "100"],
    [1n, 6, "0.000001"],
    [1_000_000n, 6, "1"],
    [1_500_000n, 6, "1.5"],
    [10_000_000n, 6, "10"],
    [100_000n, 6, "0.1"],
    [-1n, 6, "-0.000001"],
    [-1_500_000n, 6, "-1.5"],
    [-20n, 0, "-20"],
    [123_456_789_012_345_678_901_234n, 6, "123456789012345678.901234"],
  ])("%s at scale %i is %s", (value, scale, text) => {
    expect(formatDecimal(value, scale)).toBe(text);
  });

  it("and read back they are the same units", () => {
    fc.assert(
      fc.property(units, scales, (value, scale) => {
        expect(parseDecimal(formatDecimal(value, scale), scale)).toEqual({ ok: true, value });
      }),
    );
  });

  it("and a negative amount is the positive one with a minus", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: UNITS_MAX }), scales, (value, scale) => {
        expect(formatDecimal(-value, scale)).toBe(`-${formatDecimal(value, scale)}`);
      }),
    );
  });
});

describe("a ratio is rounded half to even", () => {
  it.each([
    [1n, 3n, 10, "0.3333333333"],
    [2n, 3n, 10, "0.6666666667"],
    [10n, 5n, 10, "2"],
    [0n, 7n, 10, "0"],
    [1n, 2n, 0, "0"],
    [3n, 2n, 0, "2"],
    [5n, 2n, 0, "2"],
    [7n, 2n, 0, "4"],
    [51n, 20n, 0, "3"],
    [25n, 1000n, 2, "0.02"],
    [35n, 1000n, 2, "0.04"],
    [-1n, 2n, 0, "0"],
    [-3n, 2n, 0, "-2"],
    [-2n, 3n, 10, "-0.6666666667"],
    [999n, 1000n, 2, "1"],
  ])("%s / %s to %i digits is %s", (num, den, digits, text) => {
    expect(formatRatio(num, den, digits)).toBe(text);
  });

  it("to ten digits unless told otherwise", () => {
    expect(formatRatio(1n, 7n)).toBe("0.1428571429");
  });

  it.each([0n, -1n])("and a divisor of %s is a bug", (den) => {
    expect(() => formatRatio(1n, den)).toThrow(new RangeError(`cannot divide by ${den}`));
  });

  it("and never off by more than half of the last digit", () => {
    fc.assert(
      fc.property(units, fc.bigInt({ min: 1n, max: UNITS_MAX }), (num, den) => {
        const [whole = "", fraction = ""] = formatRatio(num, den).split(".");
        const written = BigInt(whole + fraction.padEnd(10, "0"));
        const off = written * den - num * 10n ** 10n;
        expect((off < 0n ? -off : off) * 2n <= den).toBe(true);
      }),
    );
  });
});

describe("a money column", () => {
  it.each([
    [0n, 0],
    [-1n, -1],
    [UNITS_MAX, Number.MAX_SAFE_INTEGER],
    [-UNITS_MAX, Number.MIN_SAFE_INTEGER],
  ])("N2 holds %s units", (value, stored) => {
    expect(toColumn(value)).toBe(stored);
    expect(readColumn(`$${value}`)).toBe(stored);
    expect(fromColumn(stored)).toBe(value);
  });

  it.each([UNITS_MAX + 1n, -UNITS_MAX - 1n, 2n ** 64n])("N2 does not take %s units", (value) => {
    expect(() => toColumn(value)).toThrow(RangeError);
    expect(() => readColumn(`$${value}`)).toThrow(RangeError);
  });

  it.each([0.5, 2 ** 53, -(2 ** 53), Number.NaN, Number.POSITIVE_INFINITY])("N2 cannot have held %s", (stored) => {
    expect(() => fromColumn(stored)).toThrow(RangeError);
  });
});
