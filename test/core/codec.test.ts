import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonical, decode, encode, readEncoded, readInteger } from "../../src/core/codec.ts";

const leaf = fc.oneof(
  fc.bigInt(),
  fc.string({ unit: "binary" }),
  fc.string().map((text) => `$${text}`),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
  fc.boolean(),
  fc.constant(null),
);
const data = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, leaf, tie("list"), tie("fields")),
  list: fc.array(tie("value"), { maxLength: 5 }),
  fields: fc.dictionary(fc.string({ unit: "binary" }), tie("value"), { maxKeys: 5, noNullPrototype: true }),
})).value;

describe("data is written as JSON", () => {
  it.each([
    [null, "null"],
    [true, "true"],
    [-1.5, "-1.5"],
    [-0, "0"],
    [1e21, "1e+21"],
    ["text", '"text"'],
    ['"\\\n\u0000', '"\\"\\\\\\n\\u0000"'],
    ["é€😀", '"é€😀"'],
    ["\ud800", '"\\ud800"'],
    [123n, '"$123"'],
    [-1n, '"$-1"'],
    [0n, '"$0"'],
    [2n ** 80n, '"$1208925819614629174706176"'],
    ["$123", '"$$123"'],
    ["$", '"$$"'],
    ["$$", '"$$$"'],
    ["a$1", '"a$1"'],
    [{}, "{}"],
    [[], "[]"],
    [{ b: 1n, a: ["$", null] }, '{"b":"$1","a":["$$",null]}'],
    [{ $: "", 'a"b': 1 }, '{"$":"","a\\"b":1}'],
    [{ a: undefined, b: 1, c: undefined }, '{"b":1}'],
    [{ a: undefined }, "{}"],
    [[undefined, 1], "[null,1]"],
  ])("%o as %s", (value, text) => {
    expect(encode(value)).toBe(text);
  });

  const NOT_PLAIN = "only plain data can be encoded";

  it.each([
    ["undefined", undefined, "a undefined cannot be encoded"],
    ["NaN", Number.NaN, "NaN cannot be encoded"],
    ["Infinity", { a: Number.POSITIVE_INFINITY }, "Infinity cannot be encoded"],
    ["a function", [() => 1], "a function cannot be encoded"],
    ["a symbol", Symbol("s"), "a symbol cannot be encoded"],
    ["a Map", new Map([["a", 1]]), NOT_PLAIN],
    ["a Set", { a: new Set([1]) }, NOT_PLAIN],
    ["a Date", new Date(0), NOT_PLAIN],
    ["bytes", new Uint8Array(2), NOT_PLAIN],
  ])("but %s is a bug", (_, value, message) => {
    expect(() => encode(value)).toThrow(new TypeError(message));
    expect(() => canonical(value)).toThrow(new TypeError(message));
  });
});

describe("what was written is read back", () => {
  it("whatever it was", () => {
    fc.assert(
      fc.property(data, (value) => {
        expect(decode(encode(value))).toEqual(value);
        expect(decode(canonical(value))).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  it.each(['"$1', 'a"$b', { 'k"$': 1n }, [null, true, 7, '"$']])(
    "also %o, in which a dollar only looks like a mark",
    (value) => {
      expect(decode(encode(value))).toEqual(value);
    },
  );

  it.each([9n, 10n ** 14n, 10n ** 15n - 1n, 10n ** 15n, 2n ** 53n - 1n, 2n ** 53n + 1n, 10n ** 17n + 1n])(
    "to the last digit: %s",
    (value) => {
      expect(decode(encode([value, -value]))).toEqual([value, -value]);
    },
  );

  it("as JSON itself would, where there is no bigint and no dollar", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        fc.pre(!JSON.stringify(value).includes("$"));
        expect(encode(value)).toBe(JSON.stringify(value));
      }),
    );
  });

  it("a field called __proto__ is a field", () => {
    const text = '{"__proto__":"$1"}';
    const value = decode<object>(text);
    expect(Object.entries(value)).toEqual([["__proto__", 1n]]);
    expect(encode(value)).toBe(text);
  });

  it.each(["", "{", "nul", '"$"', '"$x"', '["$1.5"]', '{"a":"$0x10"}', '{"a":"$ 1"}', '"$-"', '"$01"'])(
    "and %s was never written",
    (text) => {
      expect(() => decode(text)).toThrow(SyntaxError);
    },
  );

  it("and an integer that was never written is named", () => {
    expect(() => decode('{"a":"$0x10"}')).toThrow('"$0x10" is not an encoded integer');
  });
});

describe("what was written is read with its bigints as they are written", () => {
  /** The same data with each bigint as it is written. */
  function encodedOf(value: unknown): unknown {
    if (typeof value === "bigint") return `$${value}`;
    if (Array.isArray(value)) return value.map(encodedOf);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, encodedOf(field)]));
  }

  it("whatever it was", () => {
    fc.assert(
      fc.property(data, (value) => {
        expect(readEncoded(encode(value))).toEqual(encodedOf(value));
      }),
      { numRuns: 500 },
    );
  });

  it("and texts as they were", () => {
    expect(readEncoded(encode({ a: 5n, text: "$5", more: ["$$", "a$$b", -7n] }))).toEqual({
      a: "$5",
      text: "$5",
      more: ["$$", "a$$b", "$-7"],
    });
  });

  it.each([0n, 9n, -9n, 10n ** 15n - 1n, 1n - 10n ** 15n])("an integer of a few digits is a number: %s", (value) => {
    expect(readInteger(`$${value}`)).toBe(Number(value));
  });

  it.each([10n ** 15n, -(10n ** 15n), 2n ** 53n + 1n])("and one of more is a bigint: %s", (value) => {
    expect(readInteger(`$${value}`)).toBe(value);
  });

  it.each(["", "5", "57", "$", "$-", "$01", "$1.5", "x5", "$$5"])("and %s is none", (text) => {
    expect(() => readInteger(text)).toThrow(new SyntaxError(`"${text}" is not an encoded integer`));
  });
});

describe("the canonical form", () => {
  it("sorts the keys of every object and leaves the order of lists", () => {
    expect(canonical({ b: [{ d: 1n, c: "$" }, 2], a: undefined, A: null })).toBe(
      '{"A":null,"b":[{"c":"$$","d":"$1"},2]}',
    );
  });

  it("sorts by UTF-16 code unit", () => {
    expect(canonical({ "😀": 1, "\uff5e": 2, é: 3, z: 4, "10": 5, "9": 6 })).toBe(
      '{"10":5,"9":6,"z":4,"é":3,"😀":1,"\uff5e":2}',
    );
  });

  it("is the same for fields in any order", () => {
    const shuffled = fc
      .uniqueArray(fc.tuple(fc.string(), leaf), { selector: ([key]) => key, maxLength: 8 })
      .chain((entries) => fc.tuple(fc.constant(entries), fc.shuffledSubarray(entries, { minLength: entries.length })));
    fc.assert(
      fc.property(shuffled, ([one, other]) => {
        expect(canonical(Object.fromEntries(one))).toBe(canonical(Object.fromEntries(other)));
      }),
    );
  });

  it("tells apart a bigint, a number and a text of the same digits", () => {
    expect(new Set([canonical(1n), canonical(1), canonical("1"), canonical("$1")]).size).toBe(4);
  });

  it("and a key is written the same after thousands of others", () => {
    const before = encode({ first_key: 1 });
    for (let i = 0; i < 3_000; i += 1) expect(encode({ [`key"${i}`]: i })).toBe(`{"key\\"${i}":${i}}`);
    expect(encode({ first_key: 1 })).toBe(before);
  });
});
