// What an account has traded is counted in its tables as in its memory, also from a journal of the version before.
import { describe, expect, it } from "vitest";
import { VOLUMES_SCHEMA } from "../../src/objects/account/volumes.ts";
import {
  accountOf,
  accountTables,
  atMarket,
  callerOf,
  checkEachTest,
  evict,
  openAccount,
  passTime,
  place,
  sql,
  unwrap,
} from "../support/objects.ts";

const DAY_MS = 86_400_000;

checkEachTest();

const volumeOf = async (id: string) => unwrap(await accountOf(id).volume(callerOf(id)));

describe("a volume", () => {
  it("is what was bought and sold, outlives the memory, and ends after thirty days", async () => {
    const id = await openAccount();
    const bought = await place(id, atMarket("SOL-USD", "buy"));
    const sold = await place(id, atMarket("SOL-USD", "sell"));
    const traded = bought.filledNotional + sold.filledNotional;
    expect(traded).toBeGreaterThan(0n);
    expect(await volumeOf(id)).toBe(traded);
    await evict(accountOf(id));
    expect(await volumeOf(id)).toBe(traded);
    passTime(29 * DAY_MS);
    expect(await volumeOf(id)).toBe(traded);
    passTime(DAY_MS);
    expect(await volumeOf(id)).toBe(0n);
    const later = await place(id, atMarket("SOL-USD", "buy"));
    expect(await volumeOf(id)).toBe(later.filledNotional);
    expect(await sql(accountOf(id), "SELECT day FROM volumes")).toHaveLength(1);
    const { storedHash, replayedHash } = await accountTables(id);
    expect(storedHash).toBe(replayedHash);
  });

  it("of an account stored by the version before is counted from its journal as it opens", async () => {
    const id = await openAccount();
    await place(id, atMarket("LINK-USD", "buy"));
    passTime(40 * DAY_MS);
    const bought = await place(id, atMarket("LINK-USD", "buy"));
    passTime(DAY_MS);
    const sold = await place(id, atMarket("LINK-USD", "sell"));
    for (const statement of ["DROP TRIGGER journal_volumes", "DROP TABLE volumes", ...VOLUMES_SCHEMA])
      await sql(accountOf(id), statement);
    await evict(accountOf(id));
    expect(await volumeOf(id)).toBe(bought.filledNotional + sold.filledNotional);
    expect(await sql(accountOf(id), "SELECT day FROM volumes")).toHaveLength(2);
  });
});
