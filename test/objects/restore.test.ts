// One object brought back from the first part of its journal: the other end still knows what it has forgotten, and tells it.
import { describe, expect, it, vi } from "vitest";
import { BODY_BYTES_MAX } from "../../src/core/limits.ts";
import {
  accountOf,
  asked,
  atMarket,
  bookOf,
  callerOf,
  checkEachTest,
  eventually,
  faraway,
  limit,
  marketOf,
  moneyOf,
  openAccount,
  orderBy,
  passTime,
  place,
  ring,
  ringUntil,
  rulesFor,
  sql,
  watch,
} from "../support/objects.ts";
import { expectProblem, trader } from "../support/session.ts";

const ACT = { by: "usr_test", reason: "its disk is gone" };

checkEachTest();

type Stub = ReturnType<typeof accountOf> | ReturnType<typeof marketOf>;

/** An object's journal as it is stored, oldest first. */
async function journalOf(stub: Stub): Promise<string[]> {
  const rows = await sql<{ body: string }>(stub, "SELECT body FROM journal ORDER BY seq");
  return rows.map(({ body }) => body);
}

async function restoreAccount(id: string, journal: string[]): Promise<void> {
  const snapshot = { epoch: 2, journal, replace: true };
  expect(await accountOf(id).restore(snapshot, ACT)).toEqual({ ok: true, value: null });
}

async function restoreMarket(symbol: string, journal: string[], expected: string[], epoch = 2): Promise<void> {
  const snapshot = { epoch, journal, replace: true };
  expect(await marketOf(symbol).restore(snapshot, expected, ACT)).toEqual({ ok: true, value: null });
}

async function opened(stub: Stub): Promise<void> {
  await ringUntil(stub, async () => {
    expect(await stub.restoration()).toEqual({ epoch: 2, restoring: false, unmet: [], breaks: [] });
  });
}

describe("an account behind its markets", () => {
  it("takes its orders, fills, money and client order ids back from them, and opens by itself", async () => {
    const id = await openAccount();
    const snapshot = await journalOf(accountOf(id));
    const bought = atMarket("SOL-USD", "buy");
    await place(id, bought);
    const resting = limit("SOL-USD", "buy", { limitPrice: faraway("SOL-USD", "buy") });
    await place(id, resting);
    const before = { usd: await moneyOf(id, "USD"), sol: await moneyOf(id, "SOL"), order: await orderBy(id, bought) };
    await restoreAccount(id, snapshot);
    await opened(accountOf(id));
    expect({ usd: await moneyOf(id, "USD"), sol: await moneyOf(id, "SOL") }).toEqual({
      usd: before.usd,
      sol: before.sol,
    });
    expect(await orderBy(id, bought)).toMatchObject({ id: before.order.id, status: "filled", fee: before.order.fee });
    expect(await place(id, resting)).toMatchObject({ status: "new" });
    expect((await asked(id, { ...bought, side: "sell" })).result).toMatchObject({
      refusal: { code: "client_order_id_reused" },
    });
    expect(await accountOf(id).head()).toMatchObject({ epoch: 2 });
  });

  it("takes no order, and records none, while a market is away", async () => {
    const id = await openAccount();
    const snapshot = await journalOf(accountOf(id));
    const { MarketObject } = await import("../../src/worker.ts");
    const shake = vi.spyOn(MarketObject.prototype, "shake").mockImplementation(async () => ({ outcome: "later" }));
    await restoreAccount(id, snapshot);
    expect(await asked(id, atMarket("SOL-USD", "buy"))).toMatchObject({ result: { refusal: { code: "unavailable" } } });
    expect(await accountOf(id).restoration()).toMatchObject({ restoring: true });
    shake.mockRestore();
    await opened(accountOf(id));
    expect(await place(id, atMarket("SOL-USD", "buy"))).toMatchObject({ status: "filled" });
  });

  it("lists money that no journal explains as a break, and opens when it has been booked again", async () => {
    const id = await openAccount({ DOGE: 10n ** 12n });
    const [usd = ""] = await journalOf(accountOf(id));
    const sold = atMarket("DOGE-USD", "sell");
    await place(id, sold);
    await restoreAccount(id, [usd]);
    await ringUntil(accountOf(id), async () => {
      expect(await accountOf(id).restoration()).toMatchObject({ unmet: [] });
    });
    const { restoring, breaks } = await accountOf(id).restoration();
    expect({ restoring, breaks }).toEqual({ restoring: true, breaks: [expect.stringContaining("DOGE in suspense")] });
    const amount = sold.qty ?? 0n;
    await accountOf(id).transfer(callerOf(id), { kind: "deposit", asset: "DOGE", amount }, null);
    await opened(accountOf(id));
    expect(await moneyOf(id, "DOGE")).toEqual({ available: 0n, held: 0n });
  });

  it("is not restored twice, nor over a journal, nor into an epoch that has been", async () => {
    const id = await openAccount();
    const snapshot = await journalOf(accountOf(id));
    const invalid = { ok: false, refusal: { code: "validation_failed" } };
    expect(await accountOf(id).restore({ epoch: 2, journal: snapshot }, ACT)).toMatchObject(invalid);
    expect(await accountOf(id).restore({ epoch: 1, journal: [] }, ACT)).toMatchObject(invalid);
    await restoreAccount(id, snapshot);
    expect(await accountOf(id).restore({ epoch: 1, journal: snapshot }, ACT)).toMatchObject(invalid);
    await opened(accountOf(id));
    expect((await accountOf(id).head()).seq).toBeGreaterThan(1_000_000_000);
  });
});

describe("a market behind its accounts", () => {
  it("takes their orders and trades back, quotes nothing until all have told, and goes on", async () => {
    const maker = await openAccount({ XRP: 10n ** 12n });
    const taker = await openAccount();
    const sell = limit("XRP-USD", "sell");
    await place(maker, sell);
    const snapshot = await journalOf(marketOf("XRP-USD"));
    await place(taker, atMarket("XRP-USD", "buy", { qty: rulesFor("XRP-USD").lotSize * 400n }));
    await eventually(async () => expect(await orderBy(maker, sell)).toMatchObject({ status: "partially_filled" }));
    const bid = limit("XRP-USD", "buy", { limitPrice: faraway("XRP-USD", "buy") });
    await place(taker, bid);
    await restoreMarket("XRP-USD", snapshot, [maker, taker]);
    expect(await bookOf("XRP-USD", 5)).toMatchObject({ bids: [], asks: [{ qty: sell.qty }] });
    await opened(marketOf("XRP-USD"));
    const { asks, bids } = await bookOf("XRP-USD", 1_000);
    const left = rulesFor("XRP-USD").lotSize * 600n;
    expect([...asks, ...bids].filter(({ price }) => price === sell.limitPrice || price === bid.limitPrice)).toEqual([
      { price: sell.limitPrice, qty: left },
      { price: bid.limitPrice, qty: bid.qty },
    ]);
    passTime(1_000);
    expect(await place(taker, atMarket("XRP-USD", "buy"))).toMatchObject({ status: "filled" });
  });

  it("that knows something else under a number is parked by that account, which lists the conflict", async () => {
    const id = await openAccount();
    await place(id, atMarket("ADA-USD", "buy"));
    const other = await openAccount();
    const snapshot = await journalOf(marketOf("ADA-USD"));
    await place(other, atMarket("ADA-USD", "buy"));
    const forged = snapshot.map((body) => body.replaceAll("exe_", "exe_0"));
    await restoreMarket("ADA-USD", forged, [id, other]);
    await ringUntil(marketOf("ADA-USD"), async () => {
      const { data } = await accountOf(id).parked({ limit: 10, cursor: null });
      expect(data).toMatchObject([{ peer: "ADA-USD", reason: expect.stringContaining("conflict: report 2") }]);
    });
    expect(await accountOf(id).restoration()).toMatchObject({ breaks: [expect.stringContaining("ADA-USD: conflict")] });
    expect(await marketOf("ADA-USD").restoration()).toMatchObject({ restoring: true, unmet: [id] });
    await restoreMarket("ADA-USD", snapshot, [id, other], 3);
    await ring(marketOf("ADA-USD"));
    await accountOf(id).unpark("ADA-USD", ACT);
    await ringUntil(marketOf("ADA-USD"), async () => {
      expect(await marketOf("ADA-USD").restoration()).toMatchObject({ restoring: false });
    });
  });
});

describe("over HTTP", () => {
  it("an operator restores an account and a market, looks on, and may open either before its time", async () => {
    const operator = await trader({ roles: ["customer", "operator"] });
    const customer = await trader({ usd: "1000" });
    const symbol = "LINK-USD";
    watch(customer.accountId, symbol);
    await place(customer.accountId, atMarket(symbol, "buy", { qty: null, notional: 100_000_000n }));
    for (let count = 0; count < 20; count += 1) {
      await place(customer.accountId, limit(symbol, "buy", { limitPrice: faraway(symbol, "buy") }));
    }
    const journal = await exported(operator, `/v1/admin/accounts/${customer.accountId}`);
    expect(journal).toEqual(await journalOf(accountOf(customer.accountId)));
    expect(JSON.stringify(journal).length).toBeGreaterThan(BODY_BYTES_MAX);
    const path = `/v1/admin/accounts/${customer.accountId}/restoration`;
    const wish = { json: { epoch: 2, journal: journal.slice(0, -1), replace: true, reason: "its disk is gone" } };
    expectProblem(
      await operator.call("POST", path, { json: { ...wish.json, replace: false } }),
      422,
      "validation_failed",
    );
    expectProblem(await customer.call("POST", path, wish), 403, "forbidden");
    expectProblem(await operator.call("POST", path, { json: { epoch: 2 } }), 422, "validation_failed");
    expect((await operator.call("POST", path, wish)).status).toBe(204);
    await opened(accountOf(customer.accountId));
    expect((await operator.get(path)).body).toEqual({ epoch: 2, restoring: false, unmet: [], breaks: [] });
    const why = { json: { reason: "nobody else will come" } };
    expectProblem(await operator.call("POST", `${path}/open`, why), 404, "not_found");
    expect(await exported(operator, `/v1/admin/markets/${symbol}`)).toEqual(await journalOf(marketOf(symbol)));
    const market = `/v1/admin/markets/${symbol}/restoration`;
    expect((await operator.call("POST", market, { json: { epoch: 2, reason: "brought back" } })).status).toBe(204);
    expect((await operator.get(market)).body).toMatchObject({
      epoch: 2,
      restoring: true,
      unmet: expect.arrayContaining([customer.accountId]),
    });
    expect((await operator.call("POST", `${market}/open`, why)).status).toBe(204);
    expect((await operator.get(market)).body).toMatchObject({ restoring: false });
    const kept = await sql<{ by: string }>(
      marketOf(symbol),
      "SELECT body ->> '$.by' AS by FROM journal WHERE kind = 'opened'",
    );
    expect(kept).toEqual([{ by: operator.userId }]);
    await ringUntil(marketOf(symbol), async () => {
      expect(await marketOf(symbol).restoration()).toMatchObject({ unmet: [] });
    });
  });
});

/** An object's journal as an operator reads it, page by page. */
async function exported(operator: Awaited<ReturnType<typeof trader>>, path: string): Promise<string[]> {
  const events: string[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const { body } = await operator.get(`${path}/journal?limit=20${cursor === "" ? "" : `&cursor=${cursor}`}`);
    const page = body as { data: string[]; next_cursor: string | null };
    events.push(...page.data);
    cursor = page.next_cursor;
  }
  return events;
}
