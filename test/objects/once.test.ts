// What an account answers to a key when the object died while the first to use it was still waiting.
import { describe, expect, it } from "vitest";
import type { Order } from "../../src/core/order.ts";
import type { Answered } from "../../src/objects/protocol.ts";
import {
  accountOf,
  callerOf,
  checkEachTest,
  crash,
  eventually,
  evict,
  faraway,
  journalLength,
  limit,
  marketsAway,
  openAccount,
  orderBy,
  passTime,
  placeUnanswered,
  ring,
  sql,
  unwrap,
  watch,
} from "../support/objects.ts";

const SYMBOL = "SOL-USD";

checkEachTest();

type Request = ReturnType<typeof limit>;

/** Places an order under the key `k`, in a request of this id. */
async function ask(id: string, request: Request, requestId: string): Promise<Answered<Order>> {
  return await accountOf(id).placeOrder(callerOf(id), request, { key: "k", requestId });
}

async function customer(): Promise<string> {
  const id = await openAccount();
  watch(id, SYMBOL);
  return id;
}

/** Markets answer again, and the account hears of its orders. */
async function marketsBack(id: string, away: { mockRestore: () => void }): Promise<void> {
  away.mockRestore();
  passTime(31_000);
  await ring(accountOf(id));
}

const IN_FLIGHT = { result: { ok: false, refusal: { code: "idempotency_in_flight" } }, replay: null };
const replayOf = (requestId: string) => ({ by: "idempotency_key", requestId });

describe("an idempotency key whose first call died with the object", () => {
  it("gets the order as it is when asked again, and these very bytes from then on", async () => {
    const id = await customer();
    const away = marketsAway();
    const request = limit(SYMBOL, "buy", { limitPrice: faraway(SYMBOL, "buy") });
    const before = await journalLength(accountOf(id));
    const first = ask(id, request, "req_1").then(
      () => "answered",
      () => "died",
    );
    await eventually(async () => expect(await journalLength(accountOf(id))).toBe(before + 1));
    expect(await ask(id, request, "req_2")).toEqual(IN_FLIGHT);
    await crash(accountOf(id));
    expect(await first).toBe("died");
    const copies = await Promise.all([ask(id, request, "req_3"), ask(id, request, "req_4"), ask(id, request, "req_5")]);
    const [answered, ...others] = copies.filter(({ result }) => result.ok);
    expect(others).toEqual([]);
    expect(copies.filter(({ result }) => !result.ok)).toEqual([IN_FLIGHT, IN_FLIGHT]);
    expect(answered).toMatchObject({ result: { value: { status: "pending_new" } }, replay: replayOf("req_1") });
    await marketsBack(id, away);
    expect(await orderBy(id, request)).toMatchObject({ status: "new" });
    expect(await ask(id, request, "req_6")).toEqual(answered);
    await evict(accountOf(id));
    expect(await ask(id, request, "req_7")).toEqual(answered);
    expect(await sql(accountOf(id), "SELECT id FROM orders")).toHaveLength(1);
  });

  it("is as good as its client_order_id, when that had placed the order before", async () => {
    const id = await customer();
    const away = marketsAway();
    const request = limit(SYMBOL, "buy", { limitPrice: faraway(SYMBOL, "buy") });
    await placeUnanswered(id, request);
    const before = await journalLength(accountOf(id));
    const dying = ask(id, request, "req_1").catch(() => null);
    await eventually(async () => expect(await journalLength(accountOf(id))).toBe(before + 1));
    expect(await ask(id, request, "req_2")).toEqual(IN_FLIGHT);
    await crash(accountOf(id));
    expect(await dying).toBeNull();
    await marketsBack(id, away);
    const answered = await ask(id, request, "req_3");
    const order = unwrap(answered.result);
    expect(answered).toMatchObject({ result: { value: { status: "new" } } });
    expect(answered.replay).toEqual({ ...replayOf("req_1"), repeated: true });
    unwrap(await accountOf(id).cancelOrder(callerOf(id), order.id));
    expect(await ask(id, request, "req_4")).toEqual(answered);
    expect(await ask(id, { ...request, side: "sell" }, "req_5")).toMatchObject({
      result: { refusal: { code: "idempotency_key_reused" } },
    });
  });
});

describe("the journal", () => {
  it("has every key that was ever used, once", async () => {
    const id = await customer();
    const request = limit(SYMBOL, "buy", { limitPrice: faraway(SYMBOL, "buy") });
    unwrap((await accountOf(id).placeOrder(callerOf(id), request, null)).result);
    const body = "what could not be read";
    const refusal = { code: "off_lot" } as const;
    for (const key of ["k1", "k1", "k2"]) {
      const idempotency = { key, requestId: "r" };
      await accountOf(id).placeOrder(callerOf(id), request, idempotency);
      await accountOf(id).refuseOrder(
        callerOf(id),
        { clientOrderId: "u", body, refusal },
        { ...idempotency, key: `u${key}` },
      );
    }
    const rows = await sql<{ kind: string; keys: string }>(
      accountOf(id),
      `SELECT kind, (SELECT group_concat(value ->> 'key', ' ') FROM json_each(body, '$.once')) AS keys
        FROM journal WHERE body ->> '$.once' IS NOT NULL AND kind <> 'transfer' ORDER BY seq`,
    );
    expect(rows).toEqual([
      { kind: "order_accepted", keys: request.clientOrderId },
      { kind: "repeated", keys: "k1" },
      { kind: "refused", keys: "uk1 u" },
      { kind: "repeated", keys: "k2" },
      { kind: "refused", keys: "uk2" },
    ]);
    const kept = await sql<{ key: string }>(accountOf(id), "SELECT key FROM once WHERE scope = 'orders' ORDER BY key");
    expect(kept.map(({ key }) => key)).toEqual(["k1", "k2", "uk1", "uk2"]);
  });
});
