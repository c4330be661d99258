import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { FULL_LOOK_MS } from "../../src/core/limits.ts";
import {
  accountOf,
  asked,
  callerOf,
  checkEachTest,
  faraway,
  limit,
  marketOf,
  moneyOf,
  openAccount,
  passTime,
  place,
  sql,
  unwrap,
} from "../support/objects.ts";

const SYMBOL = "BTC-USD";

checkEachTest();

/** Has an object store more than it may, of which nothing is its own. */
async function fill(stub: Parameters<typeof sql>[0]): Promise<void> {
  await sql(stub, "CREATE TABLE ballast (bytes BLOB)");
  const megabytes = Math.ceil(Number(env.OBJECT_BYTES_MAX) / 1_000_000) + 1;
  for (let n = 0; n < megabytes; n += 1) await sql(stub, "INSERT INTO ballast VALUES (zeroblob(1000000))");
  passTime(FULL_LOOK_MS);
}

async function empty(stub: Parameters<typeof sql>[0]): Promise<void> {
  await sql(stub, "DROP TABLE ballast");
  passTime(FULL_LOOK_MS);
}

function resting() {
  return limit(SYMBOL, "buy", { limitPrice: faraway(SYMBOL, "buy") });
}

describe("an account that has stored as much as it may", () => {
  it("takes cancels, and neither orders, changes, deposits, withdrawals nor settings", async () => {
    const id = await openAccount();
    const account = accountOf(id);
    const caller = callerOf(id);
    const open = await place(id, resting());
    await fill(account);
    const full = { ok: false, refusal: { code: "storage_full" } };

    const request = resting();
    expect((await asked(id, request)).result).toMatchObject(full);
    expect(await account.replaceOrder(caller, open.id, { limitPrice: faraway(SYMBOL, "buy") })).toMatchObject(full);
    for (const kind of ["deposit", "withdrawal"] as const) {
      const moved = await account.transfer(caller, { kind, asset: "USD", amount: 1_000_000n }, null);
      expect(moved.result).toMatchObject(full);
    }
    expect(await account.choose(caller, { selfTradePrevention: "none" })).toMatchObject(full);
    expect(unwrap(await account.cancelOrder(caller, open.id)).status).toBe("canceled");
    expect((await moneyOf(id, "USD")).held).toBe(0n);

    await empty(account);
    // Not remembered: the same client_order_id works once there is room.
    expect((await place(id, request)).status).toBe("new");
  });

  it("answers what it has answered before", async () => {
    const id = await openAccount();
    const request = resting();
    const before = await place(id, request);
    await fill(accountOf(id));
    expect((await asked(id, request)).result).toMatchObject({ ok: true, value: { id: before.id } });
    await empty(accountOf(id));
  });
});

describe("a market that has stored as much as it may", () => {
  it("rejects orders and takes cancels", async () => {
    const id = await openAccount();
    const market = marketOf(SYMBOL);
    const open = await place(id, resting());
    await fill(market);
    expect((await market.rules())?.takes).toBe("cancel_only");
    expect(await place(id, resting())).toMatchObject({ status: "rejected", reason: "market_not_open" });
    expect(unwrap(await accountOf(id).cancelOrder(callerOf(id), open.id)).status).toBe("canceled");
    await empty(market);
    expect((await place(id, resting())).status).toBe("new");
  });
});
