// A pair of which one end calls the other's words a bug, or does not know the life that speaks: it is parked, on disk, and
// only that pair, in that direction; until an operator resumes it.
import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { ACCOUNT_VERSIONS } from "../../src/objects/account/tables.ts";
import type { ExchangeCall, ReportAnswer } from "../../src/objects/calls.ts";
import { AccountObject, MarketObject } from "../../src/worker.ts";
import {
  accountOf,
  accountTables,
  alarmAt,
  asked,
  atMarket,
  callerOf,
  checkEachTest,
  crash,
  eventually,
  evict,
  faraway,
  journalLength,
  limit,
  marketOf,
  middle,
  openAccount,
  orderBy,
  passTime,
  place,
  placePending,
  ring,
  sql,
  stopClock,
  watch,
} from "../support/objects.ts";
import { olderAccount, oldestMarket } from "../support/older.ts";
import { expectProblem, type Trader, trader, type WirePage } from "../support/session.ts";

const BUG = { outcome: "bug", detail: "not understood" } as const;
const ACT = { by: "usr_test", reason: "the other end is repaired" };
const FIRST_PAGE = { limit: 10, cursor: null };

checkEachTest();

/** Has markets call everything a bug, until the mock is restored. */
function marketsCallItABug() {
  return vi.spyOn(MarketObject.prototype, "exchange").mockImplementation(async () => BUG);
}

async function parkedAtAccount(id: string) {
  return (await accountOf(id).parked(FIRST_PAGE)).data;
}

async function parkedAtMarket(symbol: string) {
  return (await marketOf(symbol).parked(FIRST_PAGE)).data;
}

/** An account with one pending order in a market that has called it a bug. */
async function parkedAccount(symbol: string) {
  const id = await openAccount();
  const exchange = marketsCallItABug();
  const order = limit(symbol, "buy", { limitPrice: faraway(symbol, "buy") });
  await placePending(id, order);
  await eventually(async () => expect(await parkedAtAccount(id)).toHaveLength(1));
  return { id, exchange, order };
}

/** A maker's filled order of which its market cannot tell it, since it called the report a bug. */
async function parkedMaker(symbol: string, base: string) {
  const maker = await openAccount({ [base]: 10_000_000_000n });
  const request = limit(symbol, "sell");
  await place(maker, request);
  const resting = await orderBy(maker, request);
  const calls: number[] = [];
  const really = AccountObject.prototype.report;
  const report = vi.spyOn(AccountObject.prototype, "report").mockImplementation(async function (
    this: AccountObject,
    call,
  ) {
    if (!call.reports.some(({ orderId }) => orderId === resting.id)) return really.call(this, call);
    calls.push(Date.now());
    return BUG;
  });
  await place(await openAccount(), atMarket(symbol, "buy"));
  await eventually(async () => expect(await parkedAtMarket(symbol)).toMatchObject([{ peer: maker }]));
  return { maker, request, resting, report, calls };
}

describe("a market that an account has parked", () => {
  it("is sent nothing more, not by a new life either, and keeps what is held for its orders", async () => {
    const { id, exchange, order } = await parkedAccount("LINK-USD");
    const parked = [{ peer: "LINK-USD", reason: BUG.detail, since: Date.now(), waiting: 1 }];
    expect(await accountOf(id).parked(FIRST_PAGE)).toEqual({ stopped: null, data: parked, nextCursor: null });
    exchange.mockClear();
    for (let rings = 0; rings < 3; rings += 1) {
      passTime(60_000);
      await ring(accountOf(id));
    }
    await crash(accountOf(id));
    passTime(60_000);
    await ring(accountOf(id));
    expect(exchange).not.toHaveBeenCalled();
    expect(await alarmAt(accountOf(id))).toBeNull();
    expect(await parkedAtAccount(id)).toEqual(parked);
    const pending = await orderBy(id, order);
    expect(pending).toMatchObject({ status: "pending_new" });
    expect(pending.hold).toBeGreaterThan(0n);
    exchange.mockRestore();
    expect(await accountOf(id).unpark("LINK-USD", ACT)).toEqual({ ok: true, value: null });
  });

  it("takes no new order: 503 before anything is held, and nothing is recorded; the others do", async () => {
    const { id, exchange } = await parkedAccount("LINK-USD");
    exchange.mockRestore();
    const events = await journalLength(accountOf(id));
    const fresh = limit("LINK-USD", "buy", { limitPrice: faraway("LINK-USD", "buy") });
    const refused = { code: "unavailable", detail: expect.stringContaining("parked") };
    expect((await asked(id, fresh)).result).toEqual({ ok: false, refusal: refused });
    expect(await journalLength(accountOf(id))).toBe(events);
    expect(await place(id, atMarket("DOGE-USD", "buy"))).toMatchObject({ status: "filled" });
    await accountOf(id).unpark("LINK-USD", ACT);
    expect(await place(id, fresh)).toMatchObject({ status: "new" });
  });

  it("answers an order that it has already as it is, at once", async () => {
    const { id, exchange, order } = await parkedAccount("LINK-USD");
    const startedAt = performance.now();
    expect(await asked(id, order)).toMatchObject({ result: { value: { status: "pending_new" } } });
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    exchange.mockRestore();
    await accountOf(id).unpark("LINK-USD", ACT);
  });

  it("has cancels recorded and answered at once; they go, in their turn, when it is resumed", async () => {
    const { id, exchange, order } = await parkedAccount("LINK-USD");
    const { id: orderId } = await orderBy(id, order);
    const startedAt = performance.now();
    const canceling = await accountOf(id).cancelOrder(callerOf(id), orderId);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(canceling).toMatchObject({ ok: true, value: { status: "pending_new", cancelRequested: true } });
    expect(await parkedAtAccount(id)).toMatchObject([{ waiting: 2 }]);
    exchange.mockRestore();
    await accountOf(id).unpark("LINK-USD", ACT);
    await eventually(async () => expect(await orderBy(id, order)).toMatchObject({ status: "canceled", hold: 0n }));
  });

  it("is sent what waits as soon as it is resumed, after a restart too, without an alarm", async () => {
    const { id, exchange, order } = await parkedAccount("LINK-USD");
    exchange.mockRestore();
    await evict(accountOf(id));
    expect(await accountOf(id).unpark("LINK-USD", ACT)).toEqual({ ok: true, value: null });
    await eventually(async () => expect(await orderBy(id, order)).toMatchObject({ status: "new" }));
    expect(await parkedAtAccount(id)).toEqual([]);
    expect((await accountTables(id)).stored.peers.get("LINK-USD")).toMatchObject({ cseq: 1, acknowledged: 1 });
    expect(await accountOf(id).unpark("LINK-USD", ACT)).toMatchObject({ refusal: { code: "not_found" } });
    const kept = await sql(accountOf(id), "SELECT reason, resumed_by, resumed_reason FROM parkings");
    expect(kept).toEqual([{ reason: BUG.detail, resumed_by: ACT.by, resumed_reason: ACT.reason }]);
  });

  it("is parked again when it still calls it a bug; resumed for a moment in which it dies, it is asked by alarm", async () => {
    const { id, exchange, order } = await parkedAccount("LINK-USD");
    await accountOf(id).unpark("LINK-USD", ACT);
    await eventually(async () => expect(await parkedAtAccount(id)).toHaveLength(1));
    exchange.mockImplementation(async () => ({ outcome: "later" }));
    await accountOf(id).unpark("LINK-USD", ACT);
    await crash(accountOf(id));
    exchange.mockRestore();
    passTime(5_000);
    expect(await ring(accountOf(id))).toBe(true);
    expect(await orderBy(id, order)).toMatchObject({ status: "new" });
  });
});

describe("an account that a market has parked", () => {
  it("is pushed nothing more, not by a new life either, until it is resumed; its own calls bring its reports", async () => {
    const { maker, request, report, calls } = await parkedMaker("XRP-USD", "XRP");
    for (let rings = 0; rings < 3; rings += 1) {
      passTime(31_000);
      await ring(marketOf("XRP-USD"));
    }
    await evict(marketOf("XRP-USD"));
    passTime(31_000);
    await ring(marketOf("XRP-USD"));
    expect(calls).toHaveLength(1);
    expect(await parkedAtMarket("XRP-USD")).toMatchObject([{ peer: maker, reason: BUG.detail, waiting: 2 }]);
    report.mockRestore();
    expect(await orderBy(maker, request)).toMatchObject({ status: "new" });
    expect(await marketOf("XRP-USD").unpark(maker, ACT)).toEqual({ ok: true, value: null });
    await eventually(async () => expect(await orderBy(maker, request)).toMatchObject({ status: "filled" }));
    expect(await parkedAtMarket("XRP-USD")).toEqual([]);
    expect(await marketOf("XRP-USD").unpark(maker, ACT)).toMatchObject({ refusal: { code: "not_found" } });
  });

  it("hears of its fill when it asks: an exchange is another direction", async () => {
    const { maker, request, resting, report } = await parkedMaker("ADA-USD", "ADA");
    report.mockRestore();
    const canceling = await accountOf(maker).cancelOrder(callerOf(maker), resting.id);
    expect(canceling).toMatchObject({ ok: true, value: { status: "filled", filledQty: request.qty } });
    await marketOf("ADA-USD").unpark(maker, ACT);
  });

  it("is told by the alarm when the market dies right after it was resumed", async () => {
    const { maker, request, report } = await parkedMaker("DOGE-USD", "DOGE");
    report.mockImplementation(async (): Promise<ReportAnswer> => ({ outcome: "later" }));
    await marketOf("DOGE-USD").unpark(maker, ACT);
    await crash(marketOf("DOGE-USD"));
    report.mockRestore();
    passTime(5_000);
    expect(await ring(marketOf("DOGE-USD"))).toBe(true);
    await eventually(async () => expect(await orderBy(maker, request)).toMatchObject({ status: "filled" }));
  });
});

describe("another epoch", () => {
  /** Has every answer of a market come from another of its lives. */
  function restoredMarket(epoch: number) {
    const really = MarketObject.prototype.exchange;
    return vi.spyOn(MarketObject.prototype, "exchange").mockImplementation(async function (
      this: MarketObject,
      call: ExchangeCall,
    ) {
      return { ...(await really.call(this, { ...call, to: null })), epoch };
    });
  }

  it("of a market is not known before the first contact, and is from then on", async () => {
    const id = await openAccount();
    const restored = restoredMarket(7);
    await place(id, atMarket("SOL-USD", "buy"));
    await evict(accountOf(id));
    expect((await accountTables(id)).stored.peers.get("SOL-USD")).toMatchObject({ epoch: 7, cseq: 1, acknowledged: 1 });
    await place(id, atMarket("SOL-USD", "buy"));
    restored.mockRestore();
    const strange = await accountOf(id).report({ v: 1, symbol: "SOL-USD", epoch: 1, reports: [] });
    expect(strange).toEqual({ outcome: "bug", detail: "market epoch 1, known as 7", epoch: 1 });
    await sql(accountOf(id), "UPDATE peers SET epoch = 1");
    await evict(accountOf(id));
  });

  /** Has an account know a market by a later life than the one that speaks; or the other way round. */
  async function knowAs(stub: ReturnType<typeof accountOf> | ReturnType<typeof marketOf>, epoch: number) {
    await sql(stub, "UPDATE peers SET epoch = ?", epoch);
    await evict(stub);
  }

  it("that has ended, in a market's answer, parks it: what it says is not applied", async () => {
    const id = await openAccount();
    await place(id, atMarket("SOL-USD", "buy"));
    await knowAs(accountOf(id), 2);
    const request = atMarket("SOL-USD", "buy");
    await placePending(id, request);
    const parked = [{ peer: "SOL-USD", reason: "market epoch 1, known as 2", waiting: 1 }];
    await eventually(async () => expect(await parkedAtAccount(id)).toMatchObject(parked));
    expect(await orderBy(id, request)).toMatchObject({ status: "pending_new" });
    await knowAs(accountOf(id), 1);
    await accountOf(id).unpark("SOL-USD", ACT);
    await eventually(async () => expect(await orderBy(id, request)).toMatchObject({ status: "filled" }));
  });

  it("that has ended, in a market's push, is called a bug, and nothing of it is applied", async () => {
    const id = await openAccount();
    await place(id, atMarket("SOL-USD", "buy"));
    await knowAs(accountOf(id), 3);
    const call = { v: 1 as const, symbol: "SOL-USD", reports: [] };
    const { storedHash } = await accountTables(id);
    const strange = { outcome: "bug", detail: "market epoch 2, known as 3", epoch: 1 };
    expect(await accountOf(id).report({ ...call, epoch: 2 })).toEqual(strange);
    await evict(accountOf(id));
    expect(await accountOf(id).report({ ...call, epoch: 2 })).toEqual(strange);
    expect(await accountOf(id).report({ ...call, epoch: 3 })).toMatchObject({ outcome: "applied", rseq: 2 });
    expect((await accountTables(id)).storedHash).toBe(storedHash);
    await knowAs(accountOf(id), 1);
  });

  it("that has ended, in an account's answer to a push, parks it at the market", async () => {
    const maker = await openAccount({ ETH: 100_000_000_000n });
    const request = limit("ETH-USD", "sell", { limitPrice: middle("ETH-USD") });
    await place(maker, request);
    const taker = await openAccount();
    await sql(marketOf("ETH-USD"), "UPDATE peers SET epoch = 2 WHERE account = ?", maker);
    await evict(marketOf("ETH-USD"));
    await place(taker, atMarket("ETH-USD", "buy"));
    const parked = [{ peer: maker, reason: "account epoch 1, known as 2", waiting: 2 }];
    await eventually(async () => expect(await parkedAtMarket("ETH-USD")).toMatchObject(parked));
    await knowAs(marketOf("ETH-USD"), 1);
    await marketOf("ETH-USD").unpark(maker, ACT);
    await eventually(async () => expect(await orderBy(maker, request)).toMatchObject({ status: "filled" }));
  });

  it("is not read into the answers of the version before, which have none", async () => {
    const id = await openAccount();
    const really = MarketObject.prototype.exchange;
    vi.spyOn(MarketObject.prototype, "exchange").mockImplementation(async function (this: MarketObject, call) {
      const { epoch: _, ...older } = await really.call(this, call);
      return older as Awaited<ReturnType<MarketObject["exchange"]>>;
    });
    expect(await place(id, atMarket("SOL-USD", "buy"))).toMatchObject({ status: "filled" });
    expect(await parkedAtAccount(id)).toEqual([]);
  });
});

describe("an object stored by the version before", () => {
  it("opens: its market's epoch is learned at the next contact, and what it had parked is still parked", async () => {
    const id = await openAccount();
    const request = limit("MSFT-USD", "buy", { limitPrice: faraway("MSFT-USD", "buy") });
    await place(id, request);
    await place(id, atMarket("TSLA-USD", "buy"));
    await olderAccount(id, 1);
    await sql(accountOf(id), "UPDATE peers SET parked = 'an old reason' WHERE symbol = 'MSFT-USD'");
    await oldestMarket("MSFT-USD");
    const before = await accountOf(id).head();
    await evict(accountOf(id));
    await evict(marketOf("MSFT-USD"));
    expect(await accountOf(id).head()).toEqual(before);
    expect(await marketOf("MSFT-USD").parked(FIRST_PAGE)).toMatchObject({ data: [] });
    expect(await parkedAtAccount(id)).toMatchObject([{ peer: "MSFT-USD", reason: "an old reason" }]);
    const versions = await sql(accountOf(id), "SELECT version FROM schema_version ORDER BY version");
    expect(versions).toEqual(ACCOUNT_VERSIONS.map((_, at) => ({ version: at + 1 })));
    await accountOf(id).unpark("MSFT-USD", ACT);
    await place(id, atMarket("TSLA-USD", "buy"));
    await accountOf(id).cancelOrder(callerOf(id), (await orderBy(id, request)).id);
    const epochs = await sql(accountOf(id), "SELECT symbol, epoch, parked FROM peers ORDER BY symbol");
    expect(epochs).toEqual([
      { symbol: "MSFT-USD", epoch: 1, parked: null },
      { symbol: "TSLA-USD", epoch: 1, parked: null },
    ]);
  });
});

describe("over HTTP", () => {
  interface Pair {
    peer: string;
    reason: string;
    since: string;
    waiting: number;
  }
  type Parked = WirePage<Pair> & { stopped: string | null };
  let operator: Trader;
  let customer: Trader;

  beforeAll(() => {
    stopClock();
  });

  beforeEach(async () => {
    operator = await trader({ roles: ["customer", "operator"] });
    customer = await trader({ usd: "1000" });
  });

  const why = { json: { reason: "repaired" } };

  it("a customer's order is 503 with Retry-After, and an operator lists and resumes the pair", async () => {
    const price = limit("AAPL-USD", "buy", { limitPrice: faraway("AAPL-USD", "buy") });
    watch(customer.accountId, "AAPL-USD");
    const exchange = marketsCallItABug();
    await placePending(customer.accountId, price);
    const path = `/v1/admin/accounts/${customer.accountId}/parked`;
    const list = async () => (await operator.get<Parked>(path)).body;
    await eventually(async () => {
      expect(await list()).toEqual({
        stopped: null,
        data: [{ peer: "AAPL-USD", reason: BUG.detail, since: new Date().toISOString(), waiting: 1 }],
        next_cursor: null,
      });
    });
    const posted = await customer.place({ symbol: "AAPL-USD", side: "buy", type: "market", notional: "100" });
    expectProblem(posted, 503, "unavailable");
    expect(posted.body.detail).toContain("parked");
    expect(posted.headers.get("Retry-After")).toBe("1");
    exchange.mockRestore();
    const resume = `${path}/AAPL-USD/resume`;
    expectProblem(await customer.call("POST", resume, why), 403, "forbidden");
    expectProblem(await operator.call("POST", resume, { json: {} }), 422, "validation_failed");
    expectProblem(await operator.call("POST", resume, { json: { reason: " " } }), 422, "validation_failed");
    expect((await operator.call("POST", resume, why)).status).toBe(204);
    expect((await list()).data).toEqual([]);
    await eventually(async () => expect(await orderBy(customer.accountId, price)).toMatchObject({ status: "new" }));
    expectProblem(await operator.call("POST", resume, why), 404, "not_found");
    const kept = await sql(accountOf(customer.accountId), "SELECT resumed_by, resumed_reason FROM parkings");
    expect(kept).toEqual([{ resumed_by: operator.userId, resumed_reason: "repaired" }]);
  });

  it("a market's parked accounts come in pages, the last one first, and each is resumed by itself", async () => {
    const symbol = "NVDA-USD";
    const makers = [await openAccount({ NVDA: 10n ** 10n }), await openAccount({ NVDA: 10n ** 10n })];
    const requests = makers.map(() => limit(symbol, "sell"));
    const report = vi.spyOn(AccountObject.prototype, "report").mockImplementation(async () => BUG);
    for (const [index, maker] of makers.entries()) {
      await place(maker, requests[index] ?? limit(symbol, "sell"));
      await place(await openAccount(), atMarket(symbol, "buy"));
      await eventually(async () => expect(await parkedAtMarket(symbol)).toHaveLength(index + 1));
      passTime(1_000);
    }
    report.mockRestore();
    const path = `/v1/admin/markets/${symbol}/parked`;
    const listed = await operator.all<Pair>(path, 1);
    expect(listed.rows.map(({ peer }) => peer)).toEqual([...makers].reverse());
    const [first, second] = makers;
    const resume = `${path}/${first}/resume`;
    expectProblem(await customer.get(path), 403, "forbidden");
    expectProblem(await customer.call("POST", resume, why), 403, "forbidden");
    expect((await operator.call("POST", resume, why)).status).toBe(204);
    const left = await operator.get<Parked>(path);
    expect(left.body.data.map(({ peer }) => peer)).toEqual([second]);
    expect((await operator.call("POST", `${path}/${second}/resume`, why)).status).toBe(204);
    for (const [index, maker] of makers.entries()) {
      const request = requests[index] ?? limit(symbol, "sell");
      await eventually(async () => expect(await orderBy(maker, request)).toMatchObject({ status: "filled" }));
    }
  });

  it("what cannot be an account and what is not listed is 404, and a wrong cursor 422", async () => {
    const account = customer.accountId;
    for (const path of ["accounts/nope", "accounts/acc_1", `accounts/${customer.userId}`, "markets/NOPE-USD"]) {
      expectProblem(await operator.get(`/v1/admin/${path}/parked`), 404, "not_found");
    }
    for (const path of [`accounts/${account}/parked/NOPE-USD`, "markets/BTC-USD/parked/nope"]) {
      expectProblem(await operator.call("POST", `/v1/admin/${path}/resume`, why), 404, "not_found");
    }
    const path = `/v1/admin/accounts/${account}/parked`;
    expectProblem(await operator.get(`${path}?cursor=garbage`), 422, "validation_failed");
    expectProblem(await customer.get(path), 403, "forbidden");
  });
});
