// What an account promises whatever happens to it: killed, evicted, told twice, told too late, told nonsense.
import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { BACKOFF_FIRST_MS, SAFETY_NET_MS } from "../../src/core/limits.ts";
import type { ExchangeAnswer, ExchangeCall } from "../../src/objects/calls.ts";
import { Pushes } from "../../src/objects/market/pushes.ts";
import { Timers } from "../../src/objects/timers.ts";
import { MarketObject } from "../../src/worker.ts";
import {
  accountOf,
  accountTables,
  alarmAt,
  asked,
  atMarket,
  backedOff,
  callerOf,
  checkEachTest,
  crash,
  evict,
  faraway,
  journalLength,
  limit,
  marketOf,
  marketsAway,
  marketTables,
  middle,
  moneyOf,
  openAccount,
  orderBy,
  passTime,
  place,
  placePending,
  placeUnanswered,
  retryAt,
  ring,
  rulesFor,
  sql,
  stopObject,
  unwrap,
} from "../support/objects.ts";

const LATER: ExchangeAnswer = { outcome: "later" };

checkEachTest();

describe("the journal is the truth", () => {
  it("replays to the same state after every kind of act", async () => {
    const id = await openAccount({ ETH: 5_000_000_000n });
    await place(id, atMarket("ETH-USD", "buy", { qty: null, notional: 250_000_000n }));
    await place(id, atMarket("ETH-USD", "sell"));
    const resting = await place(id, limit("ETH-USD", "buy"));
    await place(id, limit("ETH-USD", "sell", { limitPrice: middle("ETH-USD") + rulesFor("ETH-USD").tickSize }));
    await asked(id, limit("ETH-USD", "buy", { qty: rulesFor("ETH-USD").lotSize * 90_000_000n }));
    unwrap(await accountOf(id).cancelOrder(callerOf(id), resting.id));
    await accountOf(id).transfer(callerOf(id), { kind: "withdrawal", asset: "ETH", amount: 1_000n }, null);
    await accountOf(id).revokeSession("ses_other", Date.now() + 600_000);
    await accountOf(id).revokeAllBefore(500);
    const kinds = await sql<{ kind: string }>(accountOf(id), "SELECT DISTINCT kind FROM journal");
    expect(kinds.map(({ kind }) => kind).sort()).toEqual([
      "cancel_requested",
      "order_accepted",
      "refused",
      "report",
      "session_revoked",
      "tokens_valid_from",
      "transfer",
    ]);
    const before = await accountTables(id);
    expect(before.replayedHash).toBe(before.storedHash);
    await evict(accountOf(id));
    await place(id, atMarket("ETH-USD", "buy"));
    const after = await accountTables(id);
    expect(after.replayedHash).toBe(after.storedHash);
    expect(after.storedHash).not.toBe(before.storedHash);
  });

  it("has the refusals too, and they are as final as orders", async () => {
    const id = await openAccount();
    const tooMuch = limit("ETH-USD", "sell");
    const first = await asked(id, tooMuch);
    expect(first.result).toMatchObject({ ok: false, refusal: { code: "insufficient_funds", asset: "ETH" } });
    const rows = await sql<{ kind: string }>(accountOf(id), "SELECT kind FROM journal ORDER BY seq DESC LIMIT 1");
    expect(rows).toEqual([{ kind: "refused" }]);
    expect(await sql(accountOf(id), "SELECT id FROM orders")).toEqual([]);
    await accountOf(id).transfer(callerOf(id), { kind: "deposit", asset: "ETH", amount: 5_000_000_000n }, null);
    await evict(accountOf(id));
    const again = await asked(id, tooMuch);
    expect(again).toEqual({ ...first, replay: { by: "client_order_id" } });
    const byId = await accountOf(id).order(callerOf(id), { clientOrderId: tooMuch.clientOrderId ?? "" });
    expect(byId).toEqual(first.result);
  });
});

describe("killed in the middle", () => {
  it("before the write is durable: nothing has happened, and the market has heard nothing", async () => {
    const id = await openAccount();
    const heard = vi.spyOn(MarketObject.prototype, "exchange");
    const request = limit("SOL-USD", "buy");
    marketOf("SOL-USD");
    const dying = runInDurableObject(accountOf(id), async (instance, state) => {
      void instance.placeOrder(callerOf(id), request, null).catch(() => undefined);
      state.abort("killed by a test");
    });
    await dying.catch(() => undefined);
    const by = { clientOrderId: request.clientOrderId ?? "" };
    expect(await accountOf(id).order(callerOf(id), by)).toMatchObject({ ok: false, refusal: { code: "not_found" } });
    expect(await moneyOf(id, "USD")).toEqual({ available: 1_000_000_000_000n, held: 0n });
    expect(heard).not.toHaveBeenCalled();
  });

  it("after the write, before the market has heard: the constructor's alarm sends it, and it rests", async () => {
    const id = await openAccount();
    const away = marketsAway();
    const request = limit("SOL-USD", "buy", { limitPrice: faraway("SOL-USD", "buy") });
    await placeUnanswered(id, request);
    await crash(accountOf(id));
    expect(await orderBy(id, request)).toMatchObject({ status: "pending_new" });
    away.mockRestore();
    passTime(5_000);
    expect(await ring(accountOf(id))).toBe(true);
    expect(await orderBy(id, request)).toMatchObject({ status: "new" });
    expect(await asked(id, request)).toMatchObject({ result: { ok: true, value: { status: "new" } } });
    expect(
      await accountOf(id).orders(callerOf(id), { status: "all", symbol: null, side: null, limit: 10, cursor: null }),
    ).toMatchObject({
      value: { data: [{ status: "new" }] },
    });
  });

  it("after the market has filled it, before its answer came: filled once", async () => {
    const id = await openAccount();
    const really = MarketObject.prototype.exchange;
    const lost = vi.spyOn(MarketObject.prototype, "exchange").mockImplementation(async function (
      this: MarketObject,
      call,
    ) {
      await really.call(this, call);
      return LATER;
    });
    const request = atMarket("SOL-USD", "buy");
    await placeUnanswered(id, request);
    await crash(accountOf(id));
    lost.mockRestore();
    passTime(5_000);
    await ring(accountOf(id));
    expect(await orderBy(id, request)).toMatchObject({ status: "filled", filledQty: request.qty, hold: 0n });
    expect((await moneyOf(id, "SOL")).available).toBe(request.qty);
  });

  it("with commands that wait: they go together, lowest first, and all resolve", async () => {
    const id = await openAccount();
    const away = marketsAway();
    const patient = () => limit("SOL-USD", "buy", { limitPrice: faraway("SOL-USD", "buy") });
    const requests = [patient(), patient(), atMarket("SOL-USD", "buy")];
    for (const request of requests) await placeUnanswered(id, request);
    const [first] = requests;
    if (first === undefined) throw new Error("no request");
    const { id: orderId } = await orderBy(id, first);
    const before = await retryAt(id, "SOL-USD");
    const canceling = accountOf(id)
      .cancelOrder(callerOf(id), orderId)
      .catch(() => null);
    await backedOff(id, "SOL-USD", before);
    expect(await orderBy(id, first)).toMatchObject({ cancelRequested: true });
    await crash(accountOf(id));
    await canceling;
    away.mockRestore();
    const calls: ExchangeCall[] = [];
    const really = MarketObject.prototype.exchange;
    vi.spyOn(MarketObject.prototype, "exchange").mockImplementation(function (this: MarketObject, call) {
      calls.push(call);
      return really.call(this, call);
    });
    passTime(4_000);
    await accountOf(id).head();
    passTime(1_000);
    await ring(accountOf(id));
    expect(calls.map((call) => call.commands.map(({ cseq, kind }) => `${cseq} ${kind}`))).toEqual([
      ["1 submit", "2 submit", "3 submit", "4 cancel"],
    ]);
    const statuses = await Promise.all(requests.map(async (request) => (await orderBy(id, request)).status));
    expect(statuses).toEqual(["canceled", "new", "filled"]);
  });
});

describe("the alarm", () => {
  it("rung twice does nothing twice", async () => {
    const id = await openAccount();
    const away = marketsAway();
    const request = atMarket("XRP-USD", "buy");
    await placeUnanswered(id, request);
    away.mockRestore();
    passTime(4_900);
    await Promise.all([ring(accountOf(id)), ring(accountOf(id))]);
    const settled = await accountTables(id);
    expect(settled.stored.orders.size).toBe(0);
    passTime(10_000);
    await ring(accountOf(id));
    expect((await accountTables(id)).storedHash).toBe(settled.storedHash);
    expect(await alarmAt(accountOf(id))).toBeNull();
  });

  it("lost with the object that had set it is set again by the constructor", async () => {
    const id = await openAccount();
    const away = marketsAway();
    await placeUnanswered(id, limit("XRP-USD", "buy"));
    await runInDurableObject(accountOf(id), (_, state) => state.storage.deleteAlarm());
    await crash(accountOf(id));
    expect(await alarmAt(accountOf(id))).not.toBeNull();
    away.mockRestore();
  });

  it.each(["due", "clear"] as const)("never throws, and is set again: %s", async (broken) => {
    const id = await openAccount();
    await place(id, limit("XRP-USD", "buy"));
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const fault = vi.spyOn(Timers.prototype, broken).mockImplementationOnce(() => {
      throw new Error("a disk that is full");
    });
    passTime(SAFETY_NET_MS);
    await ring(accountOf(id));
    expect(fault).toHaveBeenCalled();
    expect(log.mock.calls.map(String).join()).toContain(`alarm of ${id}: Error: a disk that is full`);
    expect(await alarmAt(accountOf(id))).toBe(Date.now() + BACKOFF_FIRST_MS);
    log.mockRestore();
    fault.mockRestore();
    passTime(BACKOFF_FIRST_MS);
    await ring(accountOf(id));
    expect(await alarmAt(accountOf(id))).toBeNull();
  });

  it("comes back for ever while the market is away, half a minute apart at most", async () => {
    const id = await openAccount();
    const away = marketsAway();
    await placeUnanswered(id, limit("XRP-USD", "buy"));
    expect(away).toHaveBeenCalledTimes(1);
    const pauses: number[] = [];
    for (let ringing = 0; ringing < 10; ringing += 1) {
      const due = (await alarmAt(accountOf(id))) ?? Number.NaN;
      pauses.push(due - Date.now());
      passTime(due - Date.now());
      await ring(accountOf(id));
    }
    expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    expect(away).toHaveBeenCalledTimes(11);
  });
});

describe("reports", () => {
  /** A maker whose order is filled in three parts that it is not told of: they come as `fills`. */
  async function untoldMaker(symbol: string) {
    const maker = await openAccount({ [rulesFor(symbol).base]: 1_000_000_000_000n });
    const taker = await openAccount();
    const request = limit(symbol, "sell");
    await place(maker, request);
    // A push that is out as the silence ends would tell the maker everything.
    const untold = vi.spyOn(Pushes.prototype, "push").mockResolvedValue();
    for (const lots of [200n, 300n, 500n]) {
      await place(taker, atMarket(symbol, "buy", { qty: rulesFor(symbol).lotSize * lots }));
      passTime(500);
    }
    const rows = await sql<{ body: string }>(
      marketOf(symbol),
      "SELECT body ->> '$.report.rseq' AS body FROM journal WHERE account = ?",
      maker,
    );
    expect(rows).toHaveLength(4);
    untold.mockRestore();
    const { stored } = await marketTables(symbol);
    return {
      maker,
      request,
      reports: stored.peers.get(maker)?.unacknowledged ?? [],
      call: { v: 1 as const, symbol, epoch: 1 },
    };
  }

  it("come in any order, any number of times: each is applied once, in its turn", async () => {
    const { maker, request, reports, call } = await untoldMaker("ADA-USD");
    const [fresh, one, two, three] = reports;
    if (fresh === undefined || one === undefined || two === undefined || three === undefined)
      throw new Error("too few");
    const tell = (...told: typeof reports) => accountOf(maker).report({ ...call, reports: told });
    const untouched = await accountTables(maker);
    expect(await tell(fresh)).toEqual({ outcome: "applied", epoch: 1, rseq: 1 });
    expect(await tell(three)).toEqual({ outcome: "applied", epoch: 1, rseq: 1 });
    expect(await tell(two, three)).toEqual({ outcome: "applied", epoch: 1, rseq: 1 });
    expect((await accountTables(maker)).storedHash).toBe(untouched.storedHash);
    expect(await tell(three, one, one)).toEqual({ outcome: "applied", epoch: 1, rseq: 2 });
    expect(await orderBy(maker, request)).toMatchObject({ status: "partially_filled" });
    await evict(accountOf(maker));
    expect(await tell(fresh, one, two, three)).toEqual({ outcome: "applied", epoch: 1, rseq: 4 });
    const told = await accountTables(maker);
    expect(await orderBy(maker, request)).toMatchObject({ status: "filled", filledQty: request.qty });
    expect(await tell(fresh, one, two, three)).toEqual({ outcome: "applied", epoch: 1, rseq: 4 });
    expect(await tell(three, two)).toEqual({ outcome: "applied", epoch: 1, rseq: 4 });
    expect((await accountTables(maker)).storedHash).toBe(told.storedHash);
  });

  it("that this version does not know are kept for later when they are pushed", async () => {
    const { maker, reports, call } = await untoldMaker("DOGE-USD");
    const before = await accountTables(maker);
    const [, one] = reports;
    if (one === undefined) throw new Error("no report");
    const strange = { ...one, execType: "restated" } as unknown as typeof one;
    expect(await accountOf(maker).report({ ...call, reports: [strange] })).toEqual({ outcome: "later", epoch: 1 });
    expect(await accountOf(maker).report({ ...call, v: 2 as 1, reports: [one] })).toEqual({
      outcome: "later",
      epoch: 1,
    });
    expect((await accountTables(maker)).storedHash).toBe(before.storedHash);
  });

  it("that this version does not know are asked for again when they are an answer", async () => {
    const id = await openAccount();
    const really = MarketObject.prototype.exchange;
    const newer = vi.spyOn(MarketObject.prototype, "exchange").mockImplementation(async function (
      this: MarketObject,
      call,
    ) {
      const answer = await really.call(this, call);
      if (answer.outcome !== "applied") return answer;
      const reports = answer.reports.map((report) => ({ ...report, execType: "restated" }) as unknown as typeof report);
      return { ...answer, reports };
    });
    const request = atMarket("DOGE-USD", "buy");
    await placeUnanswered(id, request);
    expect(await orderBy(id, request)).toMatchObject({ status: "pending_new" });
    newer.mockRestore();
    passTime(5_000);
    await ring(accountOf(id));
    expect(await orderBy(id, request)).toMatchObject({ status: "filled" });
  });
});

describe("sessions", () => {
  it("that are revoked can do and read nothing, also after an eviction", async () => {
    const id = await openAccount();
    await accountOf(id).revokeSession("ses_test", Date.now() + 600_000);
    await evict(accountOf(id));
    const refused = { ok: false, refusal: { code: "session_revoked" } };
    expect(await asked(id, limit("ADA-USD", "buy"))).toEqual({ result: refused, replay: null });
    expect(await accountOf(id).account(callerOf(id))).toEqual(refused);
    expect(await accountOf(id).cancelAll(callerOf(id), { symbol: null, side: null })).toEqual(refused);
    const other = { ...callerOf(id), sessionId: "ses_2" };
    expect(await accountOf(id).account(other)).toMatchObject({ ok: true });
  });

  it("opened before a moment end together; later ones go on; a moment never moves back", async () => {
    const id = await openAccount();
    await accountOf(id).revokeAllBefore(2_000);
    await accountOf(id).revokeAllBefore(1_500);
    await evict(accountOf(id));
    const at = (issuedAtMs: number) => accountOf(id).account({ ...callerOf(id), issuedAtMs });
    expect(await at(1_999)).toMatchObject({ ok: false, refusal: { code: "session_revoked" } });
    expect(await at(2_000)).toMatchObject({ ok: true });
  });
});

describe("a broken invariant", () => {
  /** An account whose stored money is wrong: more LINK is held than there can be. */
  async function corruptAccount(): Promise<string> {
    const id = await openAccount({ LINK: 1_000_000_000_000n });
    await sql(
      accountOf(id),
      "INSERT INTO ledger_accounts (account, asset, balance) VALUES ('held', 'LINK', 9007199254740991)",
    );
    await evict(accountOf(id));
    return id;
  }

  async function repair(id: string): Promise<void> {
    await sql(accountOf(id), "DELETE FROM ledger_accounts WHERE account = 'held' AND asset = 'LINK'");
    await stopObject(accountOf(id), null);
  }

  const refused = { ok: false, refusal: { code: "unavailable" } };

  /** The act that meets the wrong balance is answered like all that follow it. */
  async function breakingAct(id: string): Promise<void> {
    expect(await asked(id, limit("LINK-USD", "sell"))).toMatchObject({ result: refused, replay: null });
    const stopped = await sql<{ value: string }>(accountOf(id), "SELECT value FROM meta WHERE key = 'stopped'");
    expect(stopped).toEqual([{ value: expect.stringContaining("held LINK out of range") }]);
  }

  it("stops the object: no command, every read, reports kept by the market; a person can repair it", async () => {
    const id = await corruptAccount();
    const resting = await place(id, limit("ADA-USD", "buy"));
    const deposit = () => accountOf(id).transfer(callerOf(id), { kind: "deposit", asset: "USD", amount: 5n }, null);
    expect(await deposit()).toMatchObject({ result: { ok: true } });
    const events = await journalLength(accountOf(id));
    await breakingAct(id);
    expect(await deposit()).toMatchObject({ result: refused });
    expect(await asked(id, limit("ADA-USD", "buy"))).toMatchObject({ result: refused });
    await evict(accountOf(id));
    expect(await accountOf(id).cancelOrder(callerOf(id), resting.id)).toMatchObject(refused);
    expect(await accountOf(id).account(callerOf(id))).toMatchObject({ ok: true });
    const read = await accountOf(id).order(callerOf(id), { id: resting.id });
    expect(read).toMatchObject({ ok: true, value: { status: "new" } });
    const told = await accountOf(id).report({ v: 1, symbol: "ADA-USD", epoch: 1, reports: [] });
    expect(told).toEqual({ outcome: "later", epoch: 1 });
    expect(await accountOf(id).parked({ limit: 1, cursor: null })).toMatchObject({
      stopped: expect.stringContaining("held LINK"),
      data: [],
    });
    expect(await journalLength(accountOf(id))).toBe(events);
    await repair(id);
    expect(await deposit()).toMatchObject({ result: { ok: true } });
    expect(await place(id, limit("LINK-USD", "sell"))).toMatchObject({ status: "new" });
  });

  it("stops it while a call is out: the answer is not applied, and comes again once it is repaired", async () => {
    const id = await corruptAccount();
    const really = MarketObject.prototype.exchange;
    let stopped = false;
    vi.spyOn(MarketObject.prototype, "exchange").mockImplementation(async function (this: MarketObject, call) {
      const answer = await really.call(this, call);
      while (!stopped) await scheduler.wait(10);
      return answer;
    });
    const request = atMarket("XRP-USD", "buy");
    await placePending(id, request);
    const events = await journalLength(accountOf(id));
    await breakingAct(id);
    const before = await retryAt(id, "XRP-USD");
    stopped = true;
    await backedOff(id, "XRP-USD", before);
    expect(await journalLength(accountOf(id))).toBe(events);
    expect(await orderBy(id, request)).toMatchObject({ status: "pending_new" });
    await repair(id);
    passTime(5_000);
    await ring(accountOf(id));
    expect(await orderBy(id, request)).toMatchObject({ status: "filled" });
  });

  it("lets it sleep: with commands that wait it looks twice a minute whether it has been repaired", async () => {
    const id = await openAccount();
    const away = marketsAway();
    const request = limit("XRP-USD", "buy");
    await placeUnanswered(id, request);
    await stopObject(accountOf(id), "by a test");
    away.mockClear();
    passTime(5_000);
    for (let rings = 0; rings < 3; rings += 1) {
      await ring(accountOf(id));
      expect(await alarmAt(accountOf(id))).toBe(Date.now() + 30_000);
      passTime(30_000);
    }
    expect(away).not.toHaveBeenCalled();
    away.mockRestore();
    await stopObject(accountOf(id), null);
    await ring(accountOf(id));
    expect(await orderBy(id, request)).toMatchObject({ status: "new" });
  });

  it("met by a report is answered `later`, and the market keeps the report", async () => {
    const id = await corruptAccount();
    const order = await place(id, limit("ADA-USD", "buy"));
    const fee = 1n;
    const fill = {
      executionId: "exe_1",
      tradeId: "trd_1",
      price: 1n,
      qty: 1n,
      fee,
      liquidity: "maker",
      done: false,
    } as const;
    const report = { rseq: 2, orderId: order.id, execType: "fill", at: 1, reason: null, fill, rules: null } as const;
    const wrong = {
      v: 1,
      symbol: "ADA-USD",
      epoch: 1,
      reports: [{ ...report, fill: { ...fill, qty: 10n ** 15n } }],
    } as const;
    const before = await accountTables(id);
    expect(await accountOf(id).report({ ...wrong, reports: [...wrong.reports] })).toEqual({
      outcome: "later",
      epoch: 1,
    });
    expect((await accountTables(id)).storedHash).toBe(before.storedHash);
    expect(await accountOf(id).parked({ limit: 1, cursor: null })).toMatchObject({ stopped: expect.any(String) });
    await repair(id);
  });

  it("is not every bug: what else is thrown stays a throw, and the object goes on", async () => {
    const id = await openAccount();
    const broken = { ...limit("XRP-USD", "buy"), qty: "1" as unknown as bigint };
    await expect(asked(id, broken)).rejects.toThrow(TypeError);
    expect(await accountOf(id).parked({ limit: 1, cursor: null })).toMatchObject({ stopped: null });
    expect(await place(id, limit("XRP-USD", "buy"))).toMatchObject({ status: "new" });
  });

  it("does not keep a session alive: a logout works on a stopped account too", async () => {
    const id = await openAccount();
    await sql(accountOf(id), "INSERT INTO meta (key, value) VALUES ('stopped', 'by a test')");
    await evict(accountOf(id));
    expect(await accountOf(id).revokeSession("ses_test", Date.now() + 600_000)).toMatchObject({ ok: true });
    expect(await accountOf(id).account(callerOf(id))).toMatchObject({ refusal: { code: "session_revoked" } });
    await stopObject(accountOf(id), null);
  });
});

describe("once, for ever", () => {
  const deposit = { kind: "deposit" as const, asset: "USD", amount: 7_000_000n };

  it("a deposit with a key is made once, however often and however closely it is asked for", async () => {
    const id = await openAccount();
    const ask = (requestId: string) => accountOf(id).transfer(callerOf(id), deposit, { key: "k-1", requestId });
    const answers = await Promise.all([ask("req_1"), ask("req_2"), ask("req_3")]);
    await evict(accountOf(id));
    answers.push(await ask("req_4"));
    const [first] = answers;
    expect(first?.replay).toBeNull();
    expect(answers.slice(1).map(({ replay }) => replay)).toEqual(
      Array(3).fill({ by: "idempotency_key", requestId: "req_1" }),
    );
    expect(new Set(answers.map(({ result }) => JSON.stringify(unwrap(result).id))).size).toBe(1);
    expect((await moneyOf(id, "USD")).available).toBe(1_000_007_000_000n);
    const other = await accountOf(id).transfer(
      callerOf(id),
      { ...deposit, amount: 8n },
      { key: "k-1", requestId: "req_5" },
    );
    expect(other.result).toMatchObject({ ok: false, refusal: { code: "idempotency_key_reused" } });
    const withdrawal = await accountOf(id).transfer(
      callerOf(id),
      { ...deposit, kind: "withdrawal" },
      { key: "k-1", requestId: "req_6" },
    );
    expect(withdrawal).toMatchObject({ result: { ok: true }, replay: null });
  });

  it("copies of one order that arrive together are one order; another body under its id is refused", async () => {
    const id = await openAccount();
    const request = limit("LINK-USD", "buy");
    const copies = await Promise.all([asked(id, request), asked(id, request), asked(id, request)]);
    expect(new Set(copies.map(({ result }) => unwrap(result).id)).size).toBe(1);
    expect(copies.map(({ result }) => unwrap(result).status)).toEqual(["new", "new", "new"]);
    const other = await asked(id, { ...request, side: "sell" });
    expect(other.result).toMatchObject({ ok: false, refusal: { code: "client_order_id_reused" } });
  });
});
