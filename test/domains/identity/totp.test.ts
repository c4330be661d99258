// Codes of authenticator apps against the vectors of RFC 6238, and what a second factor has at rest.
import { describe, expect, it } from "vitest";
import {
  newRecoveryCodes,
  newSeed,
  openSeed,
  recoveryHash,
  sealSeed,
} from "../../../src/domains/identity/mfa-secrets.ts";
import { otpauthUri, seedText, stepOf, totpCode } from "../../../src/domains/identity/totp.ts";

const SEED = Uint8Array.from(Buffer.from("12345678901234567890"));
const SECRET = "nQ8m1Zr0Xl5mVYb7cT2sJk4hUe9wGa3oPd6fRi1xKtE";
const OTHER = "tlunnppMTSH31OJ5qm39_chdmmgR7fncbmw_LDWvQ4w";

describe("a code", () => {
  // Appendix B of RFC 6238, SHA-1; the last six of its eight digits.
  it.each([
    [59, "287082"],
    [1_111_111_109, "081804"],
    [1_111_111_111, "050471"],
    [1_234_567_890, "005924"],
    [2_000_000_000, "279037"],
    [20_000_000_000, "353130"],
  ])("at %i s is %s", (seconds, code) => {
    expect(totpCode(SEED, seconds * 1_000)).toBe(code);
    expect(stepOf(SEED, code, seconds * 1_000)).toBe(Math.floor(seconds / 30));
  });

  it("T3 is good one step before and after its own, and no further", () => {
    const at = 1_111_111_111_000;
    const own = Math.floor(at / 30_000);
    const code = totpCode(SEED, at);
    const judged = [-2, -1, 0, 1, 2].map((steps) => stepOf(SEED, code, at + steps * 30_000));
    expect(judged).toEqual([null, own, own, own, null]);
  });

  it.each(["", "28708", "2870820", "28708a", " 287082", "２８７０８２"])(
    "is six digits and nothing else: %j",
    (text) => {
      expect(stepOf(SEED, text, 59_000)).toBeNull();
    },
  );
});

describe("a seed", () => {
  it("T5 has 160 random bits, and is shown as base32 and as the address that apps read", () => {
    expect(newSeed()).toHaveLength(20);
    expect(newSeed()).not.toEqual(newSeed());
    expect(seedText(SEED)).toBe("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    const uri = new URL(otpauthUri(SEED, "ada"));
    expect(uri.protocol).toBe("otpauth:");
    expect(Object.fromEntries(uri.searchParams)).toEqual({
      issuer: "Tradepost",
      secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
      algorithm: "SHA1",
      digits: "6",
      period: "30",
    });
  });

  it("T5 opens for its user under its secret, and for nobody else", async () => {
    const sealed = await sealSeed(SECRET, "usr_a", SEED);
    expect(sealed).not.toContain(Buffer.from(SEED).toString("base64url"));
    expect(await sealSeed(SECRET, "usr_a", SEED)).not.toBe(sealed);
    expect(await openSeed(SECRET, "usr_a", sealed)).toEqual(SEED);
    const flipped = sealed.slice(0, -2) + (sealed.at(-2) === "A" ? "B" : "A") + sealed.slice(-1);
    const wrong = [
      openSeed(SECRET, "usr_b", sealed),
      openSeed(OTHER, "usr_a", sealed),
      openSeed(SECRET, "usr_a", flipped),
      openSeed(SECRET, "usr_a", sealed.replace("v1", "v2")),
      openSeed(SECRET, "usr_a", "v1"),
    ];
    expect(await Promise.all(wrong)).toEqual([null, null, null, null, null]);
  });
});

describe("recovery codes", () => {
  it("T7 are ten of 120 bits, all different", () => {
    const codes = newRecoveryCodes();
    expect(new Set(codes)).toHaveLength(10);
    for (const code of codes) expect(code).toMatch(/^[a-z2-7]{6}(-[a-z2-7]{6}){3}$/);
  });

  it("T7 are known again however they are typed", () => {
    const [code = ""] = newRecoveryCodes();
    for (const typed of [code.toUpperCase(), code.replaceAll("-", ""), code.replaceAll("-", " ")])
      expect(recoveryHash(typed)).toBe(recoveryHash(code));
    expect(recoveryHash(code)).toMatch(/^[0-9a-f]{64}$/);
  });
});
