import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { derivedId, isTypeId, timeOfId, typeId } from "../../src/core/ids.ts";

const MS_MAX = 2 ** 48 - 1;
const times = fc.integer({ min: 0, max: MS_MAX });
const randoms = fc.uint8Array({ minLength: 10, maxLength: 10 });

/** The same bits the slow way: a UUIDv7 (RFC 9562) as one number, five bits at a time. */
function oracle(atMs: number, random: Uint8Array): string {
  const bits = [...random].reduce((sum, byte) => (sum << 8n) | BigInt(byte), BigInt(atMs));
  const version = (bits & ~(0xfn << 76n)) | (7n << 76n);
  let uuid = (version & ~(3n << 62n)) | (2n << 62n);
  let text = "";
  for (let i = 0; i < 26; i += 1) {
    text = "0123456789abcdefghjkmnpqrstvwxyz".charAt(Number(uuid & 31n)) + text;
    uuid >>= 5n;
  }
  return text;
}

describe("an id", () => {
  it("is the specification's own example", () => {
    // 01890a5d-ac96-774b-bcce-b302099a8057
    const random = Uint8Array.of(0x77, 0x4b, 0xbc, 0xce, 0xb3, 0x02, 0x09, 0x9a, 0x80, 0x57);
    expect(typeId("prefix", 0x01890a5dac96, random)).toBe("prefix_01h455vb4pex5vsknk084sn02q");
  });

  it.each([
    [0, 0x00, "ord_0000000000e008000000000000"],
    [0, 0xff, "ord_0000000000fzzvzzzzzzzzzzzz"],
    [MS_MAX, 0xff, "ord_7zzzzzzzzzfzzvzzzzzzzzzzzz"],
  ])("at %d ms with bytes of %d is %s", (atMs, byte, id) => {
    expect(typeId("ord", atMs, new Uint8Array(10).fill(byte))).toBe(id);
  });

  it("is a UUIDv7 in base 32", () => {
    fc.assert(
      fc.property(times, randoms, (atMs, random) => {
        const id = typeId("ord", atMs, random);
        expect(id).toBe(`ord_${oracle(atMs, random)}`);
        expect(isTypeId("ord", id)).toBe(true);
      }),
    );
  });

  it("sorts by its time", () => {
    fc.assert(
      fc.property(times, times, randoms, randoms, (a, b, one, other) => {
        fc.pre(a < b);
        expect(typeId("ord", a, one) < typeId("ord", b, other)).toBe(true);
      }),
    );
  });

  it.each(["", "Ord", "1rd", "_ord", "ord_", "or-d", "ö", "a".repeat(64)])("has no prefix %j", (prefix) => {
    expect(() => typeId(prefix, 0, new Uint8Array(10))).toThrow(RangeError);
  });

  it.each([-1, 0.5, MS_MAX + 1, Number.NaN])("is not made at %d ms", (atMs) => {
    expect(() => typeId("ord", atMs, new Uint8Array(10))).toThrow(RangeError);
  });

  it.each([0, 9, 11])("is not made of %d random bytes", (length) => {
    expect(() => typeId("ord", 0, new Uint8Array(length))).toThrow(RangeError);
  });
});

describe("a text is known as an id with prefix ord", () => {
  it.each([
    ["ord_01h455vb4pex5vsknk084sn02q", true],
    ["ord_7zzzzzzzzzzzzzzzzzzzzzzzzz", true],
    ["ord_8zzzzzzzzzzzzzzzzzzzzzzzzz", false],
    ["acc_01h455vb4pex5vsknk084sn02q", false],
    ["ord01h455vb4pex5vsknk084sn02q", false],
    ["ord_01h455vb4pex5vsknk084sn02", false],
    ["ord_01h455vb4pex5vsknk084sn02qq", false],
    ["ord_01H455VB4PEX5VSKNK084SN02Q", false],
    ["ord_01h455vb4pex5vsknk084sn02i", false],
    ["ord_01h455vb4pex5vsknk084sn02l", false],
    ["ord_01h455vb4pex5vsknk084sn02o", false],
    ["ord_01h455vb4pex5vsknk084sn02u", false],
    ["ord_01h455vb4pex5vsknk084sn02q\n", false],
    [" ord_01h455vb4pex5vsknk084sn02q", false],
    ["", false],
  ])("%j: %s", (text, known) => {
    expect(isTypeId("ord", text)).toBe(known);
  });
});

describe("an id that is made of a digest", () => {
  it("is the same for the same digest, another for another, and has no time", () => {
    const digest = Uint8Array.from({ length: 32 }, (_, at) => at);
    const id = derivedId("tsk", digest);
    expect(isTypeId("tsk", id)).toBe(true);
    expect(id).toBe(typeId("tsk", 0, digest.subarray(0, 10)));
    expect(derivedId("tsk", digest.slice(1))).not.toBe(id);
  });
});

describe("the time of an id", () => {
  it.each([0, 1, 0x01890a5dac96, 2 ** 48 - 1])("%d ms is what it was made of", (at) => {
    expect(timeOfId(typeId("ord", at, new Uint8Array(10).fill(255)))).toBe(at);
  });

  it.each(["", "ord_", "ord_01h455vb4pex5vsknk084sn02", "ord_81h455vb4pex5vsknk084sn02q"])("%j has none", (text) => {
    expect(timeOfId(text)).toBeNull();
  });
});
