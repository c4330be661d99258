import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contains, cut, formatBlock, type IpBlock, IpBlocks, parseBlock, parseIp } from "../../src/core/ip.ts";

function block(text: string): IpBlock {
  const found = parseBlock(text);
  if (found === undefined) throw new Error(`${text} is no block`);
  return found;
}

describe("an address", () => {
  it.each([
    ["1.2.3.4", "1.2.3.4"],
    ["255.255.255.255", "255.255.255.255"],
    ["0.0.0.0", "0.0.0.0"],
    ["::", "::"],
    ["::1", "::1"],
    ["2001:DB8::", "2001:db8::"],
    ["2001:0db8:0:0:0:0:0:0001", "2001:db8::1"],
    // RFC 5952, 4.2: a single zero stays, the longest run goes, and of equal ones the first.
    ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["::2:0:0:0", "::2:0:0:0"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["::ffff:102:304", "1.2.3.4"],
  ])("%s is %s", (text, same) => {
    expect(formatBlock(block(text))).toBe(same);
  });

  it.each([
    "",
    " ",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "1.2.3.04",
    "0x7f.0.0.1",
    "1.2.3.4 ",
    "1.2.3.-4",
    "１.2.3.4",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "12345::",
    "g::",
    "fe80::1%eth0",
    "[::1]",
    "1.2.3.4::",
    "1.2.3.4:5::6",
    "::1.2.3",
    `${"0".repeat(45)}:1`,
    "1.2.3.4, 5.6.7.8",
  ])("is not %j", (text) => {
    expect(parseIp(text)).toBeUndefined();
  });

  it("survives being written and read", () => {
    const any = fc.oneof(fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(any, (text) => {
        const ip = parseIp(text);
        expect(ip).toBeDefined();
        if (ip !== undefined) expect(parseIp(formatBlock(ip))).toEqual(ip);
      }),
    );
  });
});

describe("a block", () => {
  it.each([
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["10.1.2.3/32", "10.1.2.3"],
    ["2001:DB8::/32", "2001:db8::/32"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
  ])("%s is written %s", (text, same) => {
    expect(formatBlock(block(text))).toBe(same);
  });

  it.each([
    ["10.0.0.0/8", "10.255.255.255", "11.0.0.0"],
    ["192.168.1.0/24", "192.168.1.7", "192.168.2.7"],
    ["192.168.1.7", "192.168.1.7", "192.168.1.8"],
    ["0.0.0.0/0", "255.0.0.1", "::1"],
    ["::/0", "ffff::", "1.2.3.4"],
    ["2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"],
    ["::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"],
  ])("%s has %s and not %s", (text, inside, outside) => {
    expect(contains(block(text), block(inside))).toBe(true);
    expect(contains(block(text), block(outside))).toBe(false);
  });

  it.each([
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10.0.0.1/8",
    "x/8",
    "::ffff:10.0.0.0/95",
  ])("is not %j", (text) => {
    expect(parseBlock(text)).toBeUndefined();
  });

  it("has exactly the addresses that begin as it does", () => {
    const bytes = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
    fc.assert(
      fc.property(bytes, bytes, fc.integer({ min: 0, max: 128 }), (one, other, bits) => {
        const [a, b] = [one, other].map((value): IpBlock => ({ version: 6, value, bits: 128 }));
        const start = (value: bigint) => value.toString(2).padStart(128, "0").slice(0, bits);
        if (a !== undefined && b !== undefined) expect(contains(cut(a, bits), b)).toBe(start(one) === start(other));
        if (a !== undefined) expect(contains(cut(a, bits), a)).toBe(true);
      }),
    );
  });
});

describe("many blocks", () => {
  it("have what one of them has", () => {
    const blocks = new IpBlocks(["10.0.0.0/8", "11.0.0.0/8", "192.168.1.7", "2001:db8::/32"].map(block));
    for (const inside of ["10.1.1.1", "11.1.1.1", "192.168.1.7", "2001:db8::5"])
      expect(blocks.has(block(inside))).toBe(true);
    for (const outside of ["12.1.1.1", "192.168.1.8", "2001:db9::5", "::"])
      expect(blocks.has(block(outside))).toBe(false);
    expect(new IpBlocks([]).has(block("1.2.3.4"))).toBe(false);
  });
});
