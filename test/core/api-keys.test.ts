// API keys as text: their form, what tells a mistyped one, and what a client signs.
import { createHash } from "node:crypto";
import { crc32 as zipCrc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isKeyId, keySaying, keyTag, keyText, readKeyText, sameDigest, signedText } from "../../src/core/api-keys.ts";
import { base62, crc32 } from "../../src/core/base62.ts";
import { typeId } from "../../src/core/ids.ts";
import { isPermission, isStaffs, mayByRole } from "../../src/core/permissions.ts";

const ACCOUNT = typeId("acc", 1, new Uint8Array(10).fill(1));
const KEY = typeId("key", 2, new Uint8Array(10).fill(2));
const made = (secret: Uint8Array) => keyText(keySaying(ACCOUNT, KEY, secret), keyTag(new Uint8Array(16).fill(255)));

describe("the text of a key", () => {
  it("K1 has a prefix, letters and digits with 160 random bits, and a checksum of six", () => {
    const text = made(new Uint8Array(20).fill(255));
    expect(text).toMatch(/^tp_live_[0-9A-Za-z]{101}_[0-9A-Za-z]{6}$/);
    expect(made(new Uint8Array(20))).not.toBe(text);
  });

  it("K1 says whose it is and which, and has all of that under its tag", () => {
    const text = made(new Uint8Array(20).fill(7));
    const said = keySaying(ACCOUNT, KEY, new Uint8Array(20).fill(7));
    expect(readKeyText(text)).toEqual({
      accountId: ACCOUNT,
      keyId: KEY,
      said,
      tag: keyTag(new Uint8Array(16).fill(255)),
    });
    expect([isKeyId(KEY), isKeyId("ses_1")]).toEqual([true, false]);
  });

  it("K1 is none when one character is wrong, or two are swapped", () => {
    const text = made(Uint8Array.from({ length: 20 }, (_, at) => at * 11));
    const other = (char: string) => (char === "x" ? "y" : "x");
    for (let at = 0; at < text.length; at += 1) {
      expect(readKeyText(text.slice(0, at) + other(text.charAt(at)) + text.slice(at + 1))).toBeUndefined();
      const swapped = text.slice(0, at) + text.charAt(at + 1) + text.charAt(at) + text.slice(at + 2);
      if (swapped !== text) expect(readKeyText(swapped)).toBeUndefined();
    }
    for (const wrong of ["", " ", `${text} `, `${text}x`, text.slice(1), text.toUpperCase()])
      expect(readKeyText(wrong)).toBeUndefined();
  });

  it("K1 names no account and no key but by ids as we make them", () => {
    const tag = keyTag(new Uint8Array(16));
    const secret = new Uint8Array(20);
    expect(readKeyText(keyText(keySaying("acc_zzzzzzzzzzzzzzzzzzzzzzzzzz", KEY, secret), tag))).toBeUndefined();
    expect(readKeyText(keyText(keySaying(ACCOUNT, "key_zzzzzzzzzzzzzzzzzzzzzzzzzz", secret), tag))).toBeUndefined();
  });
});

describe("base 62 and the checksum", () => {
  it("is the number that the bytes are", () => {
    expect(base62(Uint8Array.of(0), 2)).toBe("00");
    expect(base62(Uint8Array.of(61), 1)).toBe("z");
    expect(base62(Uint8Array.of(1, 0), 2)).toBe("48");
    expect(() => base62(Uint8Array.of(62), 1)).toThrow("1 bytes do not fit into 1 characters");
  });

  it("is zip's", () => {
    expect(crc32("123456789")).toBe(0xcbf43926);
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 127 }).map((code) => String.fromCharCode(code)) }),
        (text) => {
          expect(crc32(text)).toBe(zipCrc32(text));
        },
      ),
    );
  });
});

describe("what is signed", () => {
  const call = { method: "GET", path: "/v1/orders", query: "symbol=BTC-USD&limit=2", timestamp: "1700000000000" };
  const bodyHash = createHash("sha256").update("").digest("hex");
  const text = signedText({ ...call, nonce: "n-0123456789abcdef", bodyHash });

  it("K5 is a line for each part", () => {
    expect(text).toBe(
      `tradepost-v1\nGET\n/v1/orders\nlimit=2&symbol=BTC-USD\n1700000000000\nn-0123456789abcdef\n${bodyHash}`,
    );
  });

  it("K5 is the same in whatever order the query has its parameters, and another for any other part", () => {
    const sorted = { ...call, query: "limit=2&symbol=BTC-USD", nonce: "n-0123456789abcdef", bodyHash };
    expect(signedText(sorted)).toBe(text);
    for (const part of Object.keys(sorted)) expect(signedText({ ...sorted, [part]: "other" })).not.toBe(text);
  });
});

describe("two digests", () => {
  it("K8 are the same or not, of one length or not", () => {
    expect(["ab", "ac", "bb", "abc", ""].map((other) => sameDigest("ab", other))).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});

describe("permissions", () => {
  it("are a role's, and nobody's of a role that there is not", () => {
    expect(mayByRole("ops:act", ["customer", "operator"])).toBe(true);
    expect(mayByRole("ops:act", ["support"])).toBe(false);
    expect(mayByRole("profile:read", ["root"])).toBe(false);
    expect(mayByRole("profile:read", [])).toBe(false);
  });

  it("are known by name, and staff's where no customer has them", () => {
    expect(["orders:read", "toString", "public", undefined].map(isPermission)).toEqual([true, false, false, false]);
    expect([isStaffs("ops:read"), isStaffs("orders:read")]).toEqual([true, false]);
  });
});
