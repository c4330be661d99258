import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Flow,
  formatReturn,
  GROWTH_ONE,
  type Holdings,
  looksOf,
  performanceOf,
  type Sample,
} from "../../src/core/performance.ts";

/** Prices of one market in USD units by time; a base unit is worth that much. */
const at100 = () => 100n;

function sample(at: number, cash: bigint, qty = 0n): Sample {
  return { at, seq: at, holdings: { cash, positions: qty === 0n ? [] : [{ symbol: "SOL-USD", qty }] } };
}

function flow(at: number, before: Holdings, after: Holdings): Flow {
  return { at, seq: at, before, after };
}

const cash = (units: bigint): Holdings => ({ cash: units, positions: [] });

describe("a performance", () => {
  it("of money that lies there is none", () => {
    const [, last] = performanceOf({ samples: [sample(1, 500n), sample(9, 500n)], flows: [] }, () => 0n);
    expect(last).toMatchObject({ profit: 0n, growth: GROWTH_ONE, deposits: 0n, withdrawals: 0n });
  });

  it("is the change of prices where nothing is paid in or out", () => {
    const price = (_: string, qty: bigint, at: number) => qty * (at < 5 ? 100n : 110n);
    const [, last] = performanceOf({ samples: [sample(1, 0n, 10n), sample(9, 0n, 10n)], flows: [] }, price);
    expect(last).toMatchObject({ positionsValue: 1_100n, profit: 100n });
    expect(formatReturn(last?.growth ?? 0n)).toBe("0.1");
  });

  it("counts what is paid in as no profit, and its time as no return", () => {
    const price = (_: string, qty: bigint, at: number) => qty * (at < 5 ? 100n : 150n);
    const samples = [sample(1, 0n, 10n), sample(9, 1_000n, 10n)];
    const flows = [
      flow(7, { cash: 0n, positions: [{ symbol: "SOL-USD", qty: 10n }] }, samples[1]?.holdings ?? cash(0n)),
    ];
    const [, last] = performanceOf({ samples, flows }, price);
    expect(last).toMatchObject({ deposits: 1_000n, withdrawals: 0n, profit: 500n });
    expect(formatReturn(last?.growth ?? 0n)).toBe("0.5");
  });

  it("multiplies the returns between transfers: the half lost after the double won leaves nothing", () => {
    const price = (_: string, qty: bigint, at: number) => qty * (at < 3 ? 100n : at < 6 ? 200n : 100n);
    const samples = [sample(1, 0n, 10n), sample(9, 0n, 1_010n)];
    const flows = [
      flow(4, { cash: 0n, positions: [{ symbol: "SOL-USD", qty: 10n }] }, samples[1]?.holdings ?? cash(0n)),
    ];
    const [, last] = performanceOf({ samples, flows }, price);
    expect(formatReturn(last?.growth ?? 0n)).toBe("0");
    expect(last).toMatchObject({ deposits: 200_000n, profit: 101_000n - 1_000n - 200_000n });
  });

  it("goes on with the money that comes next where there was none", () => {
    const samples = [sample(1, 0n), sample(5, 300n), sample(9, 0n)];
    const flows = [flow(2, cash(0n), cash(300n)), flow(7, cash(300n), cash(0n))];
    const points = performanceOf({ samples, flows }, at100);
    expect(points.map(({ deposits, withdrawals, profit }) => [deposits, withdrawals, profit])).toEqual([
      [0n, 0n, 0n],
      [300n, 0n, 0n],
      [300n, 300n, 0n],
    ]);
    expect(points.at(-1)?.growth).toBe(GROWTH_ONE);
  });

  it("has what came before its beginning in its opening", () => {
    const samples = [sample(5, 300n), sample(9, 300n)];
    const [first, last] = performanceOf({ samples, flows: [flow(2, cash(0n), cash(300n))] }, at100);
    expect([first?.deposits, last?.deposits, last?.profit]).toEqual([0n, 0n, 0n]);
  });

  const amount = fc.bigInt(0n, 10n ** 12n);
  const act = fc.record({
    paidIn: fc.boolean(),
    cash: amount,
    qty: fc.bigInt(0n, 1_000n),
    price: fc.bigInt(1n, 10_000n),
  });

  it("explains every change of equity by what came in, what went out and profit, to the unit", () => {
    fc.assert(
      fc.property(fc.array(act, { minLength: 2, maxLength: 20 }), (acts) => {
        const price = (_: string, qty: bigint, at: number) => qty * (acts[at]?.price ?? 1n);
        const samples: Sample[] = [];
        const flows: Flow[] = [];
        acts.forEach((one, index) => {
          const before = samples.at(-1)?.holdings ?? cash(0n);
          const after = sample(index, one.cash, one.qty).holdings;
          if (one.paidIn) flows.push(flow(index, before, after));
          samples.push({ at: index, seq: index, holdings: after });
        });
        const points = performanceOf({ samples, flows }, price);
        const [first] = points;
        for (const { cash: money, positionsValue, deposits, withdrawals, profit } of points) {
          const opening = (first?.cash ?? 0n) + (first?.positionsValue ?? 0n);
          expect(money + positionsValue).toBe(opening + deposits - withdrawals + profit);
        }
      }),
    );
  });

  it("is the same whether it is looked at often or seldom", () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt(1n, 10_000n), { minLength: 3, maxLength: 30 }), (prices) => {
        const price = (_: string, qty: bigint, at: number) => qty * (prices[at] ?? 1n);
        const often = prices.map((_, index) => sample(index, 0n, 1_000_000n));
        const seldom = [often[0], often.at(-1)].flatMap((one) => one ?? []);
        const [growthOften, growthSeldom] = [often, seldom].map(
          (samples) => performanceOf({ samples, flows: [] }, price).at(-1)?.growth ?? 0n,
        );
        expect(formatReturn(growthOften ?? 0n)).toBe(formatReturn(growthSeldom ?? 0n));
      }),
    );
  });
});

describe("a period is looked at", () => {
  it.each([
    ["at whole intervals, and at both of its ends", 1_500, 4_500, [1_500, 2_000, 3_000, 4_000, 4_500]],
    ["at an end that is a whole interval once", 1_500, 4_000, [1_500, 2_000, 3_000, 4_000]],
    ["at a beginning that is one once", 2_000, 3_500, [2_000, 3_000, 3_500]],
    ["at both ends alone where it is shorter than an interval", 2_100, 2_900, [2_100, 2_900]],
    ["twice where it has no length", 2_000, 2_000, [2_000, 2_000]],
  ])("%s", (_, from, to, looks) => {
    expect(looksOf(from, to, 1_000, 5)).toEqual(looks);
  });

  it("not more often than it may be", () => {
    expect(looksOf(0, 4_000, 1_000, 5)).toHaveLength(5);
    expect(looksOf(0, 4_001, 1_000, 5)).toBeNull();
  });
});
