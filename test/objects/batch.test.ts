// Batches on the real runtime: one transaction, one call to the market, and an answer that outlives the object.
import { describe, expect, it, vi } from "vitest";
import type { OrderRequest } from "../../src/core/account/admission.ts";
import type { BatchItem } from "../../src/core/account/batch.ts";
import { MarketObject } from "../../src/worker.ts";
import {
  accountOf,
  callerOf,
  checkEachTest,
  crash,
  eventually,
  faraway,
  journalLength,
  limit,
  marketsAway,
  openAccount,
  passTime,
  ring,
  sql,
  unwrap,
  watch,
} from "../support/objects.ts";

const SYMBOL = "SOL-USD";

checkEachTest();

async function customer(): Promise<string> {
  const id = await openAccount();
  watch(id, SYMBOL);
  return id;
}

const items = (count: number, wish: Partial<OrderRequest> = {}): BatchItem[] =>
  Array.from({ length: count }, () => {
    const request = limit(SYMBOL, "buy", { limitPrice: faraway(SYMBOL, "buy"), ...wish });
    return { kind: "order", request };
  });

async function ask(id: string, orders: BatchItem[], atomic: boolean, key: string | null = null) {
  const idempotency = key === null ? null : { key, requestId: "req_1" };
  return await accountOf(id).placeBatch(callerOf(id), { items: orders, atomic }, idempotency);
}

async function statuses(id: string): Promise<string[]> {
  const rows = await sql<{ status: string }>(accountOf(id), "SELECT body ->> '$.status' AS status FROM orders");
  return rows.map(({ status }) => status);
}

describe("a batch", () => {
  it.each([
    [false, 100],
    [true, 1],
  ])("goes to its market in one call; atomic: %s", async (atomic, commands) => {
    const id = await customer();
    const heard = vi.spyOn(MarketObject.prototype, "exchange");
    const outcomes = unwrap((await ask(id, items(100), atomic)).result);
    expect(outcomes.map(({ result }) => unwrap(result).status)).toEqual(Array.from({ length: 100 }, () => "new"));
    expect(heard.mock.calls.map(([call]) => call.commands.length)).toEqual([commands]);
  });

  it.each([false, true])(
    "killed with its object before it was answered is answered as it is then; atomic: %s",
    async (atomic) => {
      const id = await customer();
      const away = marketsAway();
      const orders = [
        ...items(2),
        ...(atomic ? [] : [{ kind: "invalid", body: "1", refusal: { code: "internal" } } as const]),
      ];
      const before = await journalLength(accountOf(id));
      const dying = ask(id, orders, atomic, "k").catch(() => null);
      await eventually(async () => expect(await journalLength(accountOf(id))).toBe(before + 3));
      expect(await ask(id, orders, atomic, "k")).toMatchObject({
        result: { refusal: { code: "idempotency_in_flight" } },
      });
      await crash(accountOf(id));
      expect(await dying).toBeNull();
      away.mockRestore();
      passTime(31_000);
      await ring(accountOf(id));
      const again = await ask(id, orders, atomic, "k");
      expect(again.replay).toEqual({ by: "idempotency_key", requestId: "req_1" });
      expect(unwrap(again.result).slice(0, 2)).toMatchObject([
        { result: { value: { status: "new" } } },
        { result: { value: { status: "new" } } },
      ]);
      expect(unwrap(again.result)).toHaveLength(orders.length);
      unwrap(await accountOf(id).cancelAll(callerOf(id), { symbol: null, side: null }));
      expect(await ask(id, orders, atomic, "k")).toEqual(again);
      expect(await statuses(id)).toEqual(["canceled", "canceled"]);
    },
  );

  it("that is atomic and refused is one row of the journal", async () => {
    const id = await customer();
    const before = await journalLength(accountOf(id));
    const { result } = await ask(id, items(3, { qty: 1n }), true);
    expect(unwrap(result).map((one) => (one.result.ok ? "ok" : one.result.refusal.code))).toEqual([
      "off_lot",
      "batch_aborted",
      "batch_aborted",
    ]);
    expect(await journalLength(accountOf(id))).toBe(before + 1);
    expect(await statuses(id)).toEqual([]);
  });

  it("that is atomic reaches a market that has been away whole", async () => {
    const id = await customer();
    const away = marketsAway();
    const pending = ask(id, items(3), true);
    await eventually(async () => expect(await statuses(id)).toHaveLength(3));
    const outcomes = unwrap((await pending).result);
    expect(outcomes.map(({ result }) => unwrap(result).status)).toEqual(["pending_new", "pending_new", "pending_new"]);
    await crash(accountOf(id));
    away.mockRestore();
    const heard = vi.spyOn(MarketObject.prototype, "exchange");
    passTime(31_000);
    await ring(accountOf(id));
    await eventually(async () => expect(await statuses(id)).toEqual(["new", "new", "new"]));
    expect(heard.mock.calls[0]?.[0].commands).toMatchObject([{ kind: "submit_all", orders: [{}, {}, {}] }]);
  });
});
