// A market under its operators: what they say outlives its memory, its own alarm ends a halt, and a mass cancel goes on by turns.
import { describe, expect, it, vi } from "vitest";
import { BREAKER_HALT_MS, MASS_CANCEL_ORDERS_MAX } from "../../src/core/limits.ts";
import type { Command } from "../../src/core/messages.ts";
import type { ReportAnswer } from "../../src/objects/calls.ts";
import { AccountObject, MarketObject } from "../../src/worker.ts";
import {
  accountOf,
  alarmAt,
  bookOf,
  callerOf,
  checkEachTest,
  evict,
  faraway,
  limit,
  marketOf,
  newAccountId,
  openAccount,
  passTime,
  place,
  ring,
  rulesFor,
  sql,
  stopObject,
} from "../support/objects.ts";

const ACT = { by: "usr_operator", reason: "a drill" };

checkEachTest();

describe("a market's status", () => {
  it("outlives its memory, and so does that the house has withdrawn, within the second too", async () => {
    const market = () => marketOf("NVDA-USD");
    expect((await bookOf("NVDA-USD", 20)).bids).toHaveLength(10);
    await market().setStatus("halted", ACT);
    await evict(market());
    expect((await bookOf("NVDA-USD", 20)).bids).toEqual([]);
    expect(await market().rules()).toMatchObject({ takes: "halted", rules: { version: 2, status: "halted" } });
    await market().setStatus("open", ACT);
    await evict(market());
    expect((await bookOf("NVDA-USD", 20)).bids).toEqual([]);
    passTime(1_000);
    expect((await bookOf("NVDA-USD", 20)).bids).toHaveLength(10);
  });

  it("shows a market that is stopped as halted, and refuses to change it", async () => {
    const stub = marketOf("SOL-USD");
    await stub.rules();
    await stopObject(stub, "a test stopped it");
    expect(await marketOf("SOL-USD").rules()).toMatchObject({ takes: "halted", rules: { status: "open" } });
    const refused = { ok: false, refusal: { code: "unavailable" } };
    expect(await marketOf("SOL-USD").setStatus("open", ACT)).toMatchObject(refused);
    expect(await marketOf("SOL-USD").kill(true, ACT)).toMatchObject(refused);
    await sql(marketOf("SOL-USD"), "DELETE FROM meta WHERE key = 'stopped'");
    await evict(marketOf("SOL-USD"));
  });

  it("halted by its breaker ends by its own alarm, though nobody asks", async () => {
    const market = () => marketOf("LINK-USD");
    const narrow = { breakerBps: 1, breakerWindowMs: 60_000 };
    await market().changeRules(narrow, ACT);
    passTime(61_000);
    await bookOf("LINK-USD", 1);
    const tripped = await market().rules();
    expect(tripped?.rules.halt?.reason).toBe("circuit_breaker");
    const until = tripped?.rules.halt?.until ?? 0;
    expect(until).toBe(Date.now() + BREAKER_HALT_MS);
    await market().changeRules({ breakerBps: 500 }, ACT);
    await evict(market());
    expect(await alarmAt(market())).toBe(until);
    passTime(BREAKER_HALT_MS);
    await ring(market());
    const statuses = await sql<{ status: string }>(
      market(),
      "SELECT body ->> '$.rules.status' AS status FROM journal WHERE kind = 'rules' ORDER BY seq",
    );
    expect(statuses.map(({ status }) => status)).toEqual(["open", "halted", "halted", "open"]);
  });
});

describe("the kill switch", () => {
  it("of a market cancels what is open there, tells who it was, and lets nothing in before it is released", async () => {
    const [ann, bob] = [await openAccount(), await openAccount()];
    const far = (side: "buy") => limit("AAPL-USD", side, { limitPrice: faraway("AAPL-USD", side) });
    const orders = [await place(ann, far("buy")), await place(ann, far("buy")), await place(bob, far("buy"))];
    expect(await marketOf("AAPL-USD").kill(true, ACT)).toMatchObject({ ok: true, value: { takes: "halted" } });
    await vi.waitFor(async () => {
      const statuses = await Promise.all(orders.map((order, at) => orderOf(at < 2 ? ann : bob, order.id)));
      expect(statuses).toEqual(orders.map(() => ["canceled", "kill_switch"]));
    });
    const refused = await accountOf(ann).placeOrder(callerOf(ann), far("buy"), null);
    expect(refused.result).toMatchObject({ ok: true, value: { status: "rejected", reason: "market_not_open" } });
    expect(await marketOf("AAPL-USD").release(ACT)).toMatchObject({ value: { takes: "open", canceling: 0 } });
    passTime(1_000);
    expect(await place(ann, far("buy"))).toMatchObject({ status: "new" });
  });

  it("cancels some thousand orders a turn, and goes on after an eviction until none is left", async () => {
    const symbol = "TSLA-USD";
    vi.spyOn(AccountObject.prototype, "report").mockImplementation(async (): Promise<ReportAnswer> => {
      return { outcome: "later" };
    });
    const account = newAccountId();
    const { lotSize, makerFeeBps, takerFeeBps } = rulesFor(symbol);
    const terms = { side: "sell", timeInForce: "gtc", postOnly: false, selfTradePrevention: "none" } as const;
    const qty = lotSize * 100n;
    const submit = (cseq: number): Command => {
      const order = { id: `ord_${cseq}`, limitPrice: faraway(symbol, "sell"), qty, budget: qty, expiresAt: null };
      const fees = { makerFeeBps, takerFeeBps };
      return { kind: "submit", cseq, rulesVersion: 1, notAfter: null, order: { ...order, ...terms, ...fees } };
    };
    const count = MASS_CANCEL_ORDERS_MAX + 50;
    for (let from = 1; from <= count; from += 50) {
      const commands = Array.from({ length: 50 }, (_, at) => submit(from + at));
      const call = { v: 1 as const, account, epoch: 1, rseq: from - 1, commands };
      expect(await marketOf(symbol).exchange(call)).toMatchObject({ outcome: "applied", cseq: from + 49 });
    }
    expect(await marketOf(symbol).kill(true, ACT)).toMatchObject({ value: { canceling: 50 } });
    await evict(marketOf(symbol));
    expect(await marketOf(symbol).rules()).toMatchObject({ canceling: 50 });
    await ring(marketOf(symbol));
    passTime(1_000);
    await ring(marketOf(symbol));
    expect(await marketOf(symbol).rules()).toMatchObject({ canceling: 0 });
    const [left] = await sql<{ n: number }>(marketOf(symbol), "SELECT count(*) AS n FROM orders");
    expect(left?.n).toBe(0);
    expect(await sql(marketOf(symbol), "SELECT 1 FROM timers WHERE kind = 'mass_cancel'")).toEqual([]);
  });

  it("of an account freezes it and cancels all that it has open, in one act", async () => {
    const ann = await openAccount();
    const orders = await Promise.all(
      ["BTC-USD", "ETH-USD"].map((symbol) => place(ann, limit(symbol, "buy", { limitPrice: faraway(symbol, "buy") }))),
    );
    expect(await accountOf(ann).stopTrading(ACT)).toEqual({ ok: true, value: { canceling: 2 } });
    await vi.waitFor(async () => {
      const statuses = await Promise.all(orders.map((order) => orderOf(ann, order.id)));
      expect(statuses).toEqual(orders.map(() => ["canceled", "kill_switch"]));
    });
    const refused = await accountOf(ann).placeOrder(callerOf(ann), limit("BTC-USD", "buy"), null);
    expect(refused.result).toMatchObject({ ok: false, refusal: { code: "account_frozen" } });
    expect(await accountOf(ann).stopTrading(ACT)).toEqual({ ok: true, value: { canceling: 0 } });
  });
});

describe("an account's knowledge of rules", () => {
  it("is brought up to date before an order, at most each ten seconds, and where it would refuse each second", async () => {
    const asked = vi.spyOn(MarketObject.prototype, "rules");
    const ann = await openAccount();
    const far = () => limit("MSFT-USD", "buy", { limitPrice: faraway("MSFT-USD", "buy") });
    for (let times = 0; times < 3; times += 1) await place(ann, far());
    expect(asked).toHaveBeenCalledTimes(1);
    await marketOf("MSFT-USD").changeRules({ makerFeeBps: 1 }, ACT);
    const before = await place(ann, far());
    expect(before.makerFeeBps).toBe(10);
    passTime(10_000);
    expect((await place(ann, far())).makerFeeBps).toBe(1);
    expect(asked).toHaveBeenCalledTimes(2);
    for (let times = 0; times < 3; times += 1)
      await accountOf(ann).placeOrder(callerOf(ann), limit("MSFT-USD", "buy", { qty: 1n }), null);
    passTime(1_000);
    await accountOf(ann).placeOrder(callerOf(ann), limit("MSFT-USD", "buy", { qty: 1n }), null);
    expect(asked).toHaveBeenCalledTimes(3);
  });

  it("stays as it is while the market does not answer: the order waits for half a second at most", async () => {
    vi.spyOn(MarketObject.prototype, "rules").mockImplementation(() => new Promise(() => undefined));
    const ann = await openAccount();
    const started = performance.now();
    expect(await place(ann, limit("ETH-USD", "buy", { limitPrice: faraway("ETH-USD", "buy") }))).toMatchObject({
      status: "new",
    });
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

async function orderOf(account: string, id: string): Promise<[string, string | null]> {
  const found = await accountOf(account).order(callerOf(account), { id });
  return found.ok ? [found.value.status, found.value.reason] : ["gone", null];
}
