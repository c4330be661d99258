// All ledgers together: every line adds up to nothing, and what is under way is told apart from what is wrong.
import { describe, expect, it } from "vitest";
import {
  addBooked,
  addMoney,
  addNow,
  type Cut,
  contraFindings,
  cutOf,
  type Sums,
  settledSums,
  sumFindings,
  totalOf,
} from "../../src/core/contra.ts";
import type { Booked, Figures } from "../../src/core/exam.ts";

const NONE: Omit<Figures, "money"> = {
  ...{ epoch: 1, seq: 9, restoring: false, own: [], stored: [], orders: 0, entries: 0, asApplied: null },
  ...{ waitingSince: null, booked: [], peers: 1 },
};
const money = (entries: [string, string, bigint][]): Figures["money"] =>
  entries.map(([account, asset, units]) => ({ account, asset, units }));

/** A customer who has bought 2 BTC for 100 USD and a fee of 1. */
const MARKET = money([
  ["house", "USD", 100n],
  ["fees", "USD", 1n],
  ["clearing", "USD", -101n],
  ["house", "BTC", -2n],
  ["clearing", "BTC", 2n],
]);
const ACCOUNT = money([
  ["external", "USD", -500n],
  ["available", "USD", 390n],
  ["held", "USD", 9n],
  ["clearing:BTC-USD", "USD", 100n],
  ["fees:BTC-USD", "USD", 1n],
  ["available", "BTC", 2n],
  ["clearing:BTC-USD", "BTC", -2n],
]);
const BOOKED: Booked = {
  symbol: "BTC-USD",
  rseq: 2,
  clearing: [
    { asset: "BTC", units: -2n },
    { asset: "USD", units: 100n },
  ],
  fees: [
    { asset: "BTC", units: 0n },
    { asset: "USD", units: 1n },
  ],
  known: true,
};

function world(): { cut: Cut; sums: Sums } {
  const cut = cutOf("BTC-USD", { ...NONE, money: MARKET });
  const sums: Sums = {};
  addMoney(sums, "market", MARKET);
  addMoney(sums, "account", ACCOUNT);
  addNow(cut, ACCOUNT);
  return { cut, sums };
}

describe("a market and its accounts", () => {
  it("cancel, line by line", () => {
    const { cut, sums } = world();
    addBooked(cut, BOOKED, []);
    expect(contraFindings(cut)).toEqual([]);
    const settled = settledSums(sums, [cut]);
    expect(sumFindings(settled)).toEqual([]);
    expect(settled["USD"]).toEqual({
      ...{ customers: 399n, external: -500n, suspense: 0n, rounding: 0n, other: 0n },
      ...{ house: 100n, fees: 1n, clearing: 0n, in_flight: 0n },
    });
    expect(settled["BTC"]).toMatchObject({ customers: 2n, house: -2n, clearing: 0n, in_flight: 0n });
  });

  it("cancel with what an account has not been told: the market says what it is going to book", () => {
    const cut = cutOf("BTC-USD", { ...NONE, money: MARKET });
    const before = money([
      ["external", "USD", -500n],
      ["available", "USD", 399n],
      ["held", "USD", 101n],
    ]);
    const sums: Sums = {};
    addMoney(sums, "market", MARKET);
    addMoney(sums, "account", before);
    addNow(cut, before);
    addBooked(cut, { symbol: "BTC-USD", rseq: 1, clearing: [], fees: [], known: true }, [
      { asset: "BTC", units: 2n },
      { asset: "USD", units: -101n },
    ]);
    expect(contraFindings(cut)).toEqual([]);
    const settled = settledSums(sums, [cut]);
    expect(settled["USD"]).toMatchObject({ clearing: 0n, in_flight: -101n });
    expect(settled["BTC"]).toMatchObject({ clearing: 0n, in_flight: 2n });
    expect(sumFindings(settled)).toEqual([]);
  });

  it("are found to differ in what they owe, in fees, and in how many they are", () => {
    const { cut, sums } = world();
    addBooked(cut, { ...BOOKED, clearing: [{ asset: "USD", units: 103n }], fees: [] }, []);
    const found = contraFindings({ ...cut, peers: 2 });
    expect(found).toEqual([
      { kind: "accounts", subject: "", expected: "2", found: "1" },
      { kind: "contra", subject: "USD", expected: "101", found: "103" },
      { kind: "contra", subject: "BTC", expected: "-2", found: "0" },
      { kind: "fees", subject: "USD", expected: "1", found: "0" },
    ]);
    expect(settledSums(sums, [cut])["USD"]?.clearing).toBe(2n);
  });

  it("are not judged while one is being restored, or its past lies too far back; the sums hold all the same", () => {
    const { cut, sums } = world();
    addBooked(cut, { ...BOOKED, known: false }, []);
    expect(cut.unjudged).toContain("too far back");
    expect(contraFindings({ ...cut, peers: 7 })).toEqual([]);
    const settled = settledSums(sums, [cut]);
    expect(settled["USD"]).toMatchObject({ clearing: 0n, in_flight: 0n });
    expect(cutOf("BTC-USD", { ...NONE, restoring: true, money: MARKET }).unjudged).toContain("restored");
  });
});

describe("a market that is being restored from before any trade", () => {
  it("owes all that its accounts have booked: it is on its way", () => {
    const cut = cutOf("BTC-USD", { ...NONE, restoring: true, money: [] });
    const sums: Sums = {};
    addMoney(sums, "account", ACCOUNT);
    addNow(cut, ACCOUNT);
    addBooked(cut, BOOKED, []);
    const settled = settledSums(sums, [cut]);
    expect(settled["USD"]).toMatchObject({ clearing: 0n, in_flight: 101n });
    expect(settled["BTC"]).toMatchObject({ clearing: 0n, in_flight: -2n });
  });
});

describe("sums", () => {
  it("have a line for every ledger account, and tell when they are not nothing", () => {
    const sums: Sums = {};
    const odd = money([
      ["suspense", "USD", 3n],
      ["rounding", "USD", 4n],
      ["something", "USD", 5n],
    ]);
    addMoney(sums, "account", odd);
    expect(sums["USD"]).toMatchObject({ suspense: 3n, rounding: 4n, other: 5n });
    expect(sumFindings(sums)).toEqual([{ kind: "sum", subject: "USD", expected: "0", found: "12" }]);
    expect(totalOf(settledSums(sums, [])["USD"] ?? ({} as never))).toBe(12n);
  });

  it("have no line for an asset in which there were only orders", () => {
    const cut = cutOf("BTC-USD", { ...NONE, money: [] });
    addBooked(cut, { ...BOOKED, clearing: [{ asset: "BTC", units: 0n }], fees: [] }, []);
    expect(settledSums({}, [cut])).toEqual({});
  });

  it("pass what a number holds", () => {
    const sums: Sums = {};
    for (let n = 0; n < 3; n += 1) addMoney(sums, "account", money([["available", "USD", 2n ** 53n - 1n]]));
    expect(sums["USD"]?.customers).toBe(3n * (2n ** 53n - 1n));
  });
});
