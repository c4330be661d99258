// Timers for an owner who is not there, on accounts that are being restored, stopped, or cannot reach a market.
import { describe, expect, it, vi } from "vitest";
import { SAFETY_NET_MS } from "../../src/core/limits.ts";
import type { Order } from "../../src/core/order.ts";
import { MarketObject } from "../../src/worker.ts";
import {
  accountOf,
  callerOf,
  checkEachTest,
  eventually,
  evict,
  faraway,
  journalLength,
  limit,
  marketsAway,
  openAccount,
  orderBy,
  passTime,
  place,
  placeUnanswered,
  ring,
  sql,
  stopObject,
  unwrap,
  watch,
} from "../support/objects.ts";

const SYMBOL = "SOL-USD";
const ACT = { by: "usr_test", reason: "its disk is gone" };

checkEachTest();

const bid = () => limit(SYMBOL, "buy", { limitPrice: faraway(SYMBOL, "buy") });

async function armed(id: string, timeoutMs = 1_000): Promise<void> {
  unwrap(await accountOf(id).cancelAllAfter(callerOf(id), timeoutMs));
}

async function timers(id: string): Promise<unknown[]> {
  return sql(accountOf(id), "SELECT due FROM timers WHERE kind = 'cancel_all_after'");
}

async function canceled(id: string, request: ReturnType<typeof bid>): Promise<void> {
  const wanted: Partial<Order> = { status: "canceled", reason: "cancel_all_after" };
  await eventually(async () => expect(await orderBy(id, request)).toMatchObject(wanted));
}

describe("when the time is over", () => {
  it("the cancels and the timer's end are one transaction: nothing is asked for twice", async () => {
    const id = await openAccount();
    const requests = [bid(), bid()];
    for (const request of requests) await place(id, request);
    await armed(id);
    const before = await journalLength(accountOf(id));
    const away = marketsAway();
    passTime(1_000);
    for (let n = 0; n < 3; n += 1) {
      await ring(accountOf(id));
      await evict(accountOf(id));
    }
    expect(await timers(id)).toEqual([]);
    expect(await journalLength(accountOf(id))).toBe(before + requests.length);
    away.mockRestore();
    passTime(31_000);
    await ring(accountOf(id));
    for (const request of requests) await canceled(id, request);
  });

  it("an order that its market has not heard of yet is canceled behind it", async () => {
    const id = await openAccount();
    const request = bid();
    const away = marketsAway();
    watch(id, SYMBOL);
    await placeUnanswered(id, request);
    await armed(id);
    passTime(1_000);
    await ring(accountOf(id));
    expect(await orderBy(id, request)).toMatchObject({ status: "pending_new", cancelRequested: true });
    away.mockRestore();
    passTime(31_000);
    await ring(accountOf(id));
    await canceled(id, request);
  });

  it("a stopped account waits until it has been repaired", async () => {
    const id = await openAccount();
    const request = bid();
    await place(id, request);
    await armed(id);
    await stopObject(accountOf(id), "a test");
    passTime(1_000);
    await ring(accountOf(id));
    expect(await orderBy(id, request)).toMatchObject({ status: "new", cancelRequested: false });
    expect(await accountOf(id).cancelAllAfter(callerOf(id), 1_000)).toMatchObject({ refusal: { code: "unavailable" } });
    await stopObject(accountOf(id), null);
    passTime(30_000);
    await ring(accountOf(id));
    await canceled(id, request);
  });

  it("one that is being restored cancels what it knows, and what comes back as well", async () => {
    const id = await openAccount();
    const request = bid();
    const rows = await sql<{ body: string }>(accountOf(id), "SELECT body FROM journal ORDER BY seq");
    await place(id, request);
    const shake = vi.spyOn(MarketObject.prototype, "shake").mockImplementation(async () => ({ outcome: "later" }));
    const snapshot = { epoch: 2, journal: rows.map(({ body }) => body), replace: true };
    unwrap(await accountOf(id).restore(snapshot, ACT));
    await armed(id);
    passTime(1_000);
    await ring(accountOf(id));
    expect(await timers(id)).toEqual([{ due: Date.now() + SAFETY_NET_MS }]);
    shake.mockRestore();
    passTime(31_000);
    await ring(accountOf(id));
    await eventually(async () => expect(await accountOf(id).restoration()).toMatchObject({ restoring: false }));
    passTime(31_000);
    await ring(accountOf(id));
    await canceled(id, request);
    expect(await timers(id)).toEqual([]);
  });
});
