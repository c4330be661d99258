import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bandOf,
  canTransition,
  feeOf,
  feeOfFill,
  isOpen,
  leavesOf,
  limitBuyReserve,
  notionalOf,
  type OrderStatus,
  qtyWithinBudget,
} from "../../src/core/order.ts";
import { listed, units } from "../support/book.ts";

const SOL = listed("SOL-USD");
const NO_FEE_YET = { feeNumerator: 0n, fee: 0n };
const STATUSES = ["pending_new", "new", "partially_filled", "filled", "canceled", "expired", "rejected"] as const;

/** What a fee should be, said in another way: the least whole number of units that is not below the exact fee. */
function costsOf(notional: bigint, bps: number, charged: { feeNumerator: bigint; fee: bigint }): bigint {
  const exact = charged.feeNumerator + notional * BigInt(bps);
  let fee = exact / 10_000n;
  while (fee * 10_000n < exact) fee += 1n;
  return notional + fee - charged.fee;
}

describe("an order goes", () => {
  // Rows: from; a cross where it may go to, in the order of STATUSES.
  const TABLE: [OrderStatus, string][] = [
    ["pending_new", ". x . . . . x"],
    ["new", ". . x x x x ."],
    ["partially_filled", ". . x x x x ."],
    ["filled", ". . . . . . ."],
    ["canceled", ". . . . . . ."],
    ["expired", ". . . . . . ."],
    ["rejected", ". . . . . . ."],
  ];

  it.each(TABLE)("from %s to exactly: %s", (from, row) => {
    expect(STATUSES.map((to) => (canTransition(from, to) ? "x" : ".")).join(" ")).toBe(row);
  });

  it("nowhere once it is closed, and has then nothing left", () => {
    expect(STATUSES.filter(isOpen)).toEqual(["pending_new", "new", "partially_filled"]);
    const leaves = (status: OrderStatus, qty: bigint | null) => leavesOf({ status, qty, filledQty: 4n });
    expect(STATUSES.map((status) => leaves(status, 10n))).toEqual([6n, 6n, 6n, 0n, 0n, 0n, 0n]);
    expect(leaves("new", null)).toBe(0n);
  });
});

describe("a fee", () => {
  it.each([
    [0n, 0n],
    [1n, 1n],
    [9_999n, 1n],
    [10_000n, 1n],
    [10_001n, 2n],
  ])("for a numerator of %s is %s: rounded up to a whole unit", (numerator, fee) => {
    expect(feeOf(numerator)).toBe(fee);
  });

  it("of an order is rounded once, however it is filled and with whichever rates", () => {
    const part = fc.tuple(fc.bigInt({ min: 1n, max: 10n ** 12n }), fc.constantFrom(0, 1, 7, 10, 20));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 50 }), (parts) => {
        let charged = NO_FEE_YET;
        let exact = 0n;
        for (const [notional, bps] of parts) {
          const next = feeOfFill(charged, notional, bps);
          expect(next.fee >= 0n).toBe(true);
          charged = { feeNumerator: next.feeNumerator, fee: charged.fee + next.fee };
          exact += notional * BigInt(bps);
          const over = charged.fee * 10_000n - exact;
          expect(over >= 0n && over < 10_000n).toBe(true);
        }
      }),
    );
  });
});

describe("a notional", () => {
  it("is price times quantity in whole units, without a remainder on tick and lot, for every listed market", () => {
    const symbols = ["BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "ADA-USD", "DOGE-USD", "AAPL-USD", "TSLA-USD"];
    const sizes = fc.bigInt({ min: 1n, max: 10n ** 9n });
    fc.assert(
      fc.property(fc.constantFrom(...symbols), sizes, sizes, (symbol, ticks, lots) => {
        const { tickSize, lotSize, baseScale } = listed(symbol);
        const product = ticks * tickSize * lots * lotSize;
        expect(notionalOf(ticks * tickSize, lots * lotSize, baseScale) * 10n ** BigInt(baseScale)).toBe(product);
      }),
    );
  });
});

describe("what a budget buys", () => {
  it.each([
    ["fee and all, to the last unit", "541.3806", "3"],
    ["one lot less for one unit less", "541.380599", "2.9999"],
    ["not a lot for the price of a lot without its fee", "0.01801", "0"],
    ["one lot for the price of a lot and its fee, rounded up", "0.018047", "0.0001"],
    ["nothing for nothing", "0", "0"],
  ])("is %s", (_rule, budget, qty) => {
    expect(qtyWithinBudget(units(budget, 6), units("180.1", 6), 20, NO_FEE_YET, SOL)).toBe(units(qty, 8));
  });

  it("is affordable, and one lot more is not: at any price, rate, budget and fee before", () => {
    const symbols = fc.constantFrom("BTC-USD", "SOL-USD", "DOGE-USD", "AAPL-USD");
    const ticks = fc.bigInt({ min: 1n, max: 100_000n });
    const budgets = fc.oneof(fc.bigInt({ min: 0n, max: 50_000n }), fc.bigInt({ min: 0n, max: 10n ** 13n }));
    const numerators = fc.bigInt({ min: 0n, max: 10n ** 14n });
    fc.assert(
      fc.property(
        symbols,
        ticks,
        budgets,
        fc.integer({ min: 0, max: 500 }),
        numerators,
        (symbol, tick, budget, bps, numerator) => {
          const rules = listed(symbol);
          const price = tick * rules.tickSize;
          const charged = { feeNumerator: numerator, fee: feeOf(numerator) };
          const qty = qtyWithinBudget(budget, price, bps, charged, rules);
          const cost = (of: bigint) => costsOf(notionalOf(price, of, rules.baseScale), bps, charged);
          expect(qty % rules.lotSize).toBe(0n);
          expect(qty >= 0n && cost(qty) <= budget).toBe(true);
          expect(cost(qty + rules.lotSize) > budget).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe("the hold of a limit buy", () => {
  const LIMIT = units("180.1", 6);
  const order = { makerFeeBps: 10, takerFeeBps: 20, ...NO_FEE_YET };

  it("covers its quantity at its limit and the dearer of its two fees", () => {
    expect(limitBuyReserve(order, LIMIT, units("3", 8), 8)).toBe(units("541.3806", 6));
    expect(limitBuyReserve({ ...order, makerFeeBps: 30 }, LIMIT, units("3", 8), 8)).toBe(units("541.9209", 6));
    expect(limitBuyReserve(order, LIMIT, 0n, 8)).toBe(0n);
  });

  it("is enough for every way in which it can be filled: what was held covers each fill and the hold after it", () => {
    const fill = fc.record({
      lots: fc.bigInt({ min: 1n, max: 5_000n }),
      better: fc.bigInt({ min: 0n, max: 500n }),
      bps: fc.constantFrom(10, 20),
    });
    fc.assert(
      fc.property(fc.array(fill, { minLength: 1, maxLength: 30 }), (fills) => {
        let leaves = fills.reduce((sum, { lots }) => sum + lots, 0n) * SOL.lotSize;
        let charged = { ...NO_FEE_YET };
        let hold = limitBuyReserve(order, LIMIT, leaves, 8);
        for (const { lots, better, bps } of fills) {
          const notional = notionalOf(LIMIT - better * SOL.tickSize, lots * SOL.lotSize, 8);
          const next = feeOfFill(charged, notional, bps);
          charged = { feeNumerator: next.feeNumerator, fee: charged.fee + next.fee };
          leaves -= lots * SOL.lotSize;
          const rest = limitBuyReserve({ ...order, ...charged }, LIMIT, leaves, 8);
          expect(hold - notional - next.fee >= rest).toBe(true);
          hold = rest;
        }
        expect(hold).toBe(0n);
      }),
    );
  });
});

describe("the band", () => {
  it.each([
    ["ten percent to either side, the edges included", 100n, 1_000, 1n, 90n, 110n],
    ["on tick, and never wider than its percentage", 100n, 1_000, 7n, 91n, 105n],
    ["rounded inwards when the percentage is not whole", 99n, 1_000, 1n, 90n, 108n],
    ["nothing but the reference at zero", 100n, 0, 1n, 100n, 100n],
  ])("is %s", (_rule, reference, bps, tick, low, high) => {
    expect(bandOf(reference, bps, tick)).toEqual({ low, high });
  });
});
