// Running balances on the real storage: exact up to the bound of a money column, and past it.
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { UNITS_MAX } from "../../src/core/money.ts";
import { loadBalances, writeBalances } from "../../src/objects/balances.ts";
import type { SqlValue } from "../../src/objects/ports.ts";
import { accountOf, newAccountId } from "../support/objects.ts";

function withBalances(act: (sql: Parameters<typeof loadBalances>[0]) => void): Promise<void> {
  return runInDurableObject(accountOf(newAccountId()) as DurableObjectStub, (_, { storage }) => {
    act(<Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]) =>
      storage.sql.exec<Row>(query, ...bindings).toArray(),
    );
  });
}

describe("a balance", () => {
  it.each([0n, 1n, -1n, UNITS_MAX, -UNITS_MAX, UNITS_MAX + 1n, -UNITS_MAX - 1n, 10n ** 30n, -(10n ** 30n)])(
    "of %s units is read as it was written",
    (units) =>
      withBalances((sql) => {
        writeBalances(sql, new Map([["external|USD", units]]));
        expect(loadBalances(sql)).toEqual(new Map([["external|USD", units]]));
      }),
  );

  it("comes back from beyond the bound as any other", () =>
    withBalances((sql) => {
      for (const units of [2n * UNITS_MAX, 5n]) writeBalances(sql, new Map([["external|USD", units]]));
      expect(loadBalances(sql)).toEqual(new Map([["external|USD", 5n]]));
      expect(sql("SELECT beyond FROM ledger_accounts")).toEqual([{ beyond: null }]);
    }));

  it("of customers' money is never negative and never beyond", () =>
    withBalances((sql) => {
      expect(() => writeBalances(sql, new Map([["available|USD", -1n]]))).toThrow(/CHECK/);
    }));
});
