import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { POLICIES, POLICY_NAMES, ratesOf } from "../../src/core/policies.ts";
import { judgeFailures, type Rate, recentFailures, takeUnits } from "../../src/core/rate.ts";

const NOW = 1_800_000_000_000;
const ORDERS: Rate = { units: 300, windowMs: 3_000 };

/** Takes one unit at each of the times; which of them passed. */
function passed(rate: Rate, times: readonly number[]): number[] {
  let fullAt = 0;
  return times.filter((at) => {
    const taken = takeUnits(rate, fullAt, 1, at);
    fullAt = taken.fullAt;
    return taken.allowed;
  });
}

describe("a bucket", () => {
  it("gives all it has at once, then says when the next unit comes", () => {
    expect(
      passed(
        ORDERS,
        Array.from({ length: 301 }, () => NOW),
      ),
    ).toHaveLength(300);
    let fullAt = 0;
    for (let count = 1; count <= 300; count += 1) {
      const taken = takeUnits(ORDERS, fullAt, 1, NOW);
      expect([taken.allowed, taken.remaining]).toEqual([true, 300 - count]);
      fullAt = taken.fullAt;
    }
    expect(takeUnits(ORDERS, fullAt, 1, NOW)).toEqual({ allowed: false, remaining: 0, resetMs: 10, fullAt });
    expect(takeUnits(ORDERS, fullAt, 1, NOW + 9).allowed).toBe(false);
    expect(takeUnits(ORDERS, fullAt, 1, NOW + 10).allowed).toBe(true);
    expect(takeUnits(ORDERS, fullAt, 1, NOW + 3_000)).toMatchObject({ allowed: true, remaining: 299 });
  });

  it("counts many at once, all or none, and lets a count above itself pass when it is full", () => {
    const first = takeUnits(ORDERS, 0, 200, NOW);
    expect(first).toMatchObject({ allowed: true, remaining: 100, resetMs: 2_000 });
    expect(takeUnits(ORDERS, first.fullAt, 101, NOW)).toMatchObject({ allowed: false, remaining: 100, resetMs: 10 });
    expect(takeUnits(ORDERS, first.fullAt, 100, NOW)).toMatchObject({ allowed: true, remaining: 0 });
    expect(takeUnits(ORDERS, 0, 500, NOW)).toMatchObject({ allowed: true, remaining: 0, resetMs: 3_000 });
    expect(takeUnits(ORDERS, first.fullAt, 500, NOW)).toMatchObject({ allowed: false, resetMs: 2_000 });
  });

  const rates = fc.record({
    units: fc.integer({ min: 1, max: 1_000 }),
    windowMs: fc.integer({ min: 1_000, max: 900_000 }),
  });
  const times = fc.array(fc.integer({ min: 0, max: 2_000 }), { maxLength: 200 });

  it("never gives more than what it holds and what has come since", () => {
    fc.assert(
      fc.property(rates, times, (rate, gaps) => {
        let at = NOW;
        const given = passed(
          rate,
          gaps.map((gap) => (at += gap)),
        );
        for (const [from, start] of given.entries()) {
          for (const [to, end] of given.entries()) {
            if (to < from) continue;
            const most = rate.units + ((end - start) * rate.units) / rate.windowMs;
            expect(to - from + 1).toBeLessThanOrEqual(Math.floor(most + 0.01));
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it("gives whoever waits as long as it said", () => {
    fc.assert(
      fc.property(rates, times, (rate, gaps) => {
        let [at, fullAt] = [NOW, 0];
        for (const gap of gaps) {
          at += gap;
          const taken = takeUnits(rate, fullAt, 1, at);
          fullAt = taken.fullAt;
          if (!taken.allowed) expect(takeUnits(rate, fullAt, 1, at + Math.ceil(taken.resetMs)).allowed).toBe(true);
          expect(taken.remaining).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  it("is full again when the clock has gone back, not locked until it has caught up", () => {
    const { fullAt } = takeUnits(ORDERS, 0, 300, NOW);
    expect(takeUnits(ORDERS, fullAt, 1, NOW - 3_600_000)).toMatchObject({ allowed: true, remaining: 299 });
    expect(takeUnits(ORDERS, fullAt, 1, NOW - 10)).toMatchObject({ allowed: false, remaining: 0 });
  });
});

describe("failures in a window", () => {
  const TEN: Rate = { units: 10, windowMs: 900_000 };
  const ten = Array.from({ length: 10 }, (_, index) => NOW + index * 1_000);

  it("stop the eleventh try until the first is old", () => {
    expect(judgeFailures(TEN, ten.slice(0, 9), NOW + 10_000)).toMatchObject({ allowed: true, remaining: 1 });
    expect(judgeFailures(TEN, ten, NOW + 10_000)).toEqual({ allowed: false, remaining: 0, resetMs: 890_000 });
    expect(judgeFailures(TEN, ten, NOW + 899_999)).toMatchObject({ allowed: false });
    expect(judgeFailures(TEN, ten, NOW + 900_000)).toMatchObject({ allowed: true, remaining: 1 });
    expect(judgeFailures(TEN, [], NOW)).toEqual({ allowed: true, remaining: 10, resetMs: 0 });
  });

  it("wait for the last that matters once the limit is lower than it was", () => {
    expect(judgeFailures({ ...TEN, units: 2 }, ten, NOW + 10_000)).toMatchObject({ resetMs: 898_000 });
  });

  it("of a clock that was ahead are forgotten", () => {
    expect(recentFailures(TEN, [NOW - 900_000, NOW - 899_999, NOW, NOW + 1], NOW)).toEqual([NOW - 899_999, NOW]);
  });
});

describe("the table of limits", () => {
  const local = ratesOf(true, {});
  const deployed = ratesOf(false, {});

  it("has the contract's figures in a local run", () => {
    expect(local.orders).toEqual({ units: 300, windowMs: 3_000 });
    for (const name of ["calls", "public"] as const) expect(local[name]).toEqual({ units: 500, windowMs: 5_000 });
    expect(local.register).toEqual({ units: 120, windowMs: 60_000 });
    expect(local.login).toEqual({ units: 240, windowMs: 60_000 });
    expect(local.login_failures).toEqual({ units: 10, windowMs: 900_000 });
  });

  it.each(POLICY_NAMES)("is nowhere looser when deployed: %s", (name) => {
    const perMs = (rate: Rate) => rate.units / rate.windowMs;
    expect(deployed[name].units).toBeLessThanOrEqual(local[name].units);
    expect(perMs(deployed[name])).toBeLessThanOrEqual(perMs(local[name]));
    // A batch of a hundred orders must be able to pass.
    expect(deployed.orders.units).toBeGreaterThanOrEqual(100);
  });

  it("lets nobody guess while nobody counts, and takes changed figures", () => {
    for (const name of ["register", "login", "login_failures", "mfa", "mfa_failures", "mail_to"] as const)
      expect(POLICIES[name].away).toBe("closed");
    for (const name of ["orders", "calls", "public"] as const) expect(POLICIES[name].away).toBe("open");
    const changed = ratesOf(true, { login: { units: 5, windowMs: 1_000 } });
    expect([changed.login.units, changed.register.units]).toEqual([5, 120]);
  });
});
