// What a market promises to those who ask it twice, ask it nonsense, or cannot be reached; and how it sleeps and wakes.
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { nextCrossingStep } from "../../src/core/house.ts";
import { SAFETY_NET_MS } from "../../src/core/limits.ts";
import type { Command } from "../../src/core/messages.ts";
import { STEP_MS } from "../../src/core/prices.ts";
import type { ExchangeCall, ReportAnswer } from "../../src/objects/calls.ts";
import { AccountObject, MarketObject } from "../../src/worker.ts";
import {
  accountOf,
  alarmAt,
  atMarket,
  bookOf,
  callerOf,
  checkEachTest,
  crash,
  eventually,
  evict,
  faraway,
  journalLength,
  limit,
  marketOf,
  marketTables,
  middle,
  moneyOf,
  newAccountId,
  openAccount,
  orderBy,
  passTime,
  place,
  placeUnanswered,
  ring,
  rulesFor,
  sql,
  stopObject,
} from "../support/objects.ts";

checkEachTest();

const HANG_MS = 1_500;

/** An account that takes its time, and then does not take the report. */
async function hang(): Promise<ReportAnswer> {
  await scheduler.wait(HANG_MS);
  return { outcome: "later" };
}

/** A command as an account would send it: a limit buy of 1,000 lots at the middle. */
function submit(symbol: string, cseq: number): Command {
  const { lotSize, baseScale, makerFeeBps, takerFeeBps } = rulesFor(symbol);
  const qty = lotSize * 1_000n;
  const limitPrice = middle(symbol);
  const worst = (limitPrice * qty) / 10n ** BigInt(baseScale);
  const budget = worst + (worst * BigInt(takerFeeBps) + 9_999n) / 10_000n;
  const terms = { side: "buy", timeInForce: "gtc", postOnly: false, selfTradePrevention: "cancel_newest" } as const;
  const order = { id: `ord_${cseq}`, limitPrice, qty, ...terms, makerFeeBps, takerFeeBps, budget, expiresAt: null };
  return { kind: "submit", cseq, rulesVersion: 1, notAfter: null, order };
}

describe("an exchange", () => {
  const account = newAccountId();
  const call = (cseqs: number[], wish: Partial<ExchangeCall> = {}): ExchangeCall => ({
    v: 1,
    account,
    epoch: 1,
    rseq: 0,
    commands: cseqs.map((cseq) => submit("NVDA-USD", cseq)),
    ...wish,
  });
  const market = () => marketOf("NVDA-USD");

  it("asked again gives the same answer and does nothing, also after an eviction", async () => {
    const first = await market().exchange(call([1, 2]));
    expect(first).toMatchObject({ outcome: "applied", epoch: 1, cseq: 2, reports: [{ rseq: 1 }, { rseq: 2 }] });
    const events = await journalLength(market());
    expect(await market().exchange(call([1, 2]))).toEqual(first);
    await evict(market());
    expect(await market().exchange(call([1, 2]))).toEqual(first);
    expect(await journalLength(market())).toBe(events);
  });

  it("with older commands is answered from the record, what is acknowledged left out", async () => {
    const before = await journalLength(market());
    const older = await market().exchange(call([1], { rseq: 1 }));
    expect(older).toMatchObject({ outcome: "applied", cseq: 2, reports: [{ rseq: 2 }] });
    expect(await market().exchange(call([], { rseq: 2 }))).toMatchObject({ outcome: "applied", cseq: 2, reports: [] });
    expect(await journalLength(market())).toBe(before + 1);
    expect((await sql(market(), "SELECT 1 FROM journal WHERE kind = 'report'")).length).toBe(2);
  });

  it("with known commands before new ones applies the new ones alone", async () => {
    const answer = await market().exchange(call([1, 2, 3], { rseq: 2 }));
    expect(answer).toMatchObject({ outcome: "applied", cseq: 3, reports: [{ rseq: 3, orderId: "ord_3" }] });
    expect((await marketTables("NVDA-USD")).stored.resting.size).toBe(3);
  });

  it("after a lost command says which it expects, of a stranger too, and applies nothing", async () => {
    const events = await journalLength(market());
    expect(await market().exchange(call([5, 6], { rseq: 3 }))).toEqual({ outcome: "gap", epoch: 1, expected: 4 });
    expect(await market().exchange(call([2], { account: newAccountId() }))).toEqual({
      outcome: "gap",
      epoch: 1,
      expected: 1,
    });
    expect(await journalLength(market())).toBe(events);
  });

  it("in words of a newer version is for later, as a whole", async () => {
    const strange = { kind: "amend", cseq: 5 } as unknown as Command;
    const events = await journalLength(market());
    const mixed = call([], { commands: [submit("NVDA-USD", 4), strange] });
    expect(await market().exchange(mixed)).toEqual({ outcome: "later", epoch: 1 });
    expect(await market().exchange(call([4], { v: 2 as 1 }))).toEqual({ outcome: "later", epoch: 1 });
    expect(await journalLength(market())).toBe(events);
  });

  it("with fields that only a newer version knows is taken without them", async () => {
    const [command] = call([4]).commands;
    const answer = await market().exchange(
      call([], { rseq: 3, commands: [{ ...command, colour: "red" } as unknown as Command] }),
    );
    expect(answer).toMatchObject({ outcome: "applied", cseq: 4 });
  });

  it("of an account in another epoch, before it has shaken hands, is a bug, also after an eviction", async () => {
    const events = await journalLength(market());
    const restored = call([5], { epoch: 2 });
    expect(await market().exchange(restored)).toEqual({
      outcome: "bug",
      epoch: 1,
      detail: "account epoch 2, known as 1",
    });
    await evict(market());
    expect(await market().exchange(restored)).toMatchObject({ outcome: "bug" });
    expect(await journalLength(market())).toBe(events);
  });
});

describe("evicted with a resting book", () => {
  it("it comes back with the same book and the same hash", async () => {
    const maker = await openAccount({ MSFT: 1_000_000_000n });
    const { tickSize } = rulesFor("MSFT-USD");
    for (const ticks of [0n, 1n, 1n, 2n]) {
      await place(maker, limit("MSFT-USD", "buy", { limitPrice: middle("MSFT-USD") - ticks * tickSize }));
    }
    await place(maker, limit("MSFT-USD", "sell", { limitPrice: middle("MSFT-USD") + tickSize }));
    await place(await openAccount(), atMarket("MSFT-USD", "buy", { qty: rulesFor("MSFT-USD").lotSize * 300n }));
    const book = await bookOf("MSFT-USD", 500);
    const { storedHash } = await marketTables("MSFT-USD");
    await evict(marketOf("MSFT-USD"));
    expect(await bookOf("MSFT-USD", 500)).toEqual(book);
    expect((await marketTables("MSFT-USD")).storedHash).toBe(storedHash);
  });

  it("a customer behind the house's quote at a price stays behind it", async () => {
    const maker = await openAccount();
    const [best] = (await bookOf("ETH-USD", 1)).bids;
    const behind = limit("ETH-USD", "buy", { limitPrice: best?.price ?? 0n });
    await place(maker, behind);
    await evict(marketOf("ETH-USD"));
    const taker = await openAccount({ ETH: 100_000_000_000n });
    await place(taker, atMarket("ETH-USD", "sell"));
    expect(await orderBy(maker, behind)).toMatchObject({ status: "new" });
  });

  it("what was taken from the house's quotes stays taken", async () => {
    const [before] = (await bookOf("AAPL-USD", 1)).asks;
    const taker = await openAccount();
    const { filledQty } = await place(taker, atMarket("AAPL-USD", "buy"));
    await evict(marketOf("AAPL-USD"));
    const [after] = (await bookOf("AAPL-USD", 1)).asks;
    expect(after).toEqual({ price: before?.price, qty: (before?.qty ?? 0n) - filledQty });
  });
});

describe("the house", () => {
  it("quotes once in a second that somebody looks at, and an idle market sleeps and writes nothing", async () => {
    const market = marketOf("TSLA-USD");
    const first = await bookOf("TSLA-USD", 10);
    expect(first.bids).toHaveLength(10);
    expect(first.asks).toHaveLength(10);
    expect(await bookOf("TSLA-USD", 10)).toEqual(first);
    passTime(899);
    expect(await bookOf("TSLA-USD", 10)).toEqual(first);
    passTime(1);
    expect((await bookOf("TSLA-USD", 10)).seq).toBe(first.seq + 1);
    expect(await sql(market, "SELECT kind FROM journal WHERE seq > ?", first.seq)).toEqual([{ kind: "requote" }]);
    expect(await alarmAt(market)).toBeNull();
    passTime(3_600_000);
    await evict(market);
    expect((await market.head()).seq).toBe(first.seq + 1);
    expect(await alarmAt(market)).toBeNull();
    expect((await bookOf("TSLA-USD", 10)).seq).toBe(first.seq + 2);
  });

  it("wakes for a resting order when its price comes by, and trades at the resting price", async () => {
    const symbol = "BTC-USD";
    const rules = rulesFor(symbol);
    const maker = await openAccount();
    const [best] = (await bookOf(symbol, 1)).bids;
    const request = limit(symbol, "buy", { limitPrice: (best?.price ?? 0n) + rules.tickSize });
    await place(maker, request);
    const placedIn = Math.floor(Date.now() / STEP_MS);
    expect(await alarmAt(marketOf(symbol))).toBe(Date.now() + STEP_MS);
    passTime(STEP_MS);
    await ring(marketOf(symbol));
    const crossing = nextCrossingStep(rules, Number(env.PRICE_SEED), placedIn + 1, request.limitPrice, null);
    expect(crossing).toBeLessThan(placedIn + 3_600);
    // The market looks for what it owes first: that is acknowledged long before the price is there.
    for (let rings = 0; rings < 20 && Date.now() < crossing * STEP_MS; rings += 1) {
      expect(await orderBy(maker, request)).toMatchObject({ status: "new" });
      passTime(((await alarmAt(marketOf(symbol))) ?? Number.NaN) - Date.now());
      await ring(marketOf(symbol));
    }
    expect(Math.floor(Date.now() / STEP_MS)).toBe(crossing);
    await eventually(async () => expect(await orderBy(maker, request)).toMatchObject({ status: "filled" }));
    const fills = await accountOf(maker).fills(callerOf(maker), {
      limit: 9,
      cursor: null,
      symbol: null,
      orderId: null,
    });
    expect(fills).toMatchObject({
      value: { data: [{ price: request.limitPrice, qty: request.qty, liquidity: "maker" }] },
    });
    passTime(60_000);
    await ring(marketOf(symbol));
    await ring(marketOf(symbol));
    expect(await alarmAt(marketOf(symbol))).toBeNull();
  });

  it("of a stopped market stays asleep, and the market answers `later` and its old book", async () => {
    const market = marketOf("BTC-USD");
    const maker = await openAccount();
    const resting = await place(maker, limit("BTC-USD", "buy", { limitPrice: faraway("BTC-USD", "buy") }));
    const book = await bookOf("BTC-USD", 5);
    await stopObject(market, "broken by a test");
    passTime(6_000);
    expect(await bookOf("BTC-USD", 5)).toEqual(book);
    const call = { v: 1 as const, account: maker, epoch: 1, rseq: 1, commands: [] };
    expect(await market.exchange(call)).toEqual({ outcome: "later", epoch: 1 });
    await ring(market);
    await eventually(async () => expect(await sql(market, "SELECT 1 FROM timers WHERE kind = 'push'")).toEqual([]));
    passTime(1_000);
    await ring(market);
    // Rings every quarter of a second until a person comes would only cost.
    expect(((await alarmAt(market)) ?? Number.POSITIVE_INFINITY) - Date.now()).toBeGreaterThanOrEqual(5_000);
    await stopObject(market, null);
    passTime(30_000);
    await ring(market);
    expect((await bookOf("BTC-USD", 5)).seq).toBeGreaterThan(book.seq);
    expect((await orderBy(maker, limit("BTC-USD", "buy", { clientOrderId: resting.clientOrderId }))).id).toBe(
      resting.id,
    );
  });
});

describe("a broken invariant", () => {
  /** A resting sell that, as stored, may bring its owner into debt: whoever fills it breaks an invariant. */
  async function corruptMaker(symbol: string) {
    const maker = await openAccount({ [rulesFor(symbol).base]: 10_000_000_000n });
    const request = limit(symbol, "sell");
    await place(maker, request);
    const [row] = await sql<{ id: string; body: string }>(marketOf(symbol), "SELECT id, body FROM orders");
    await sql(marketOf(symbol), "UPDATE orders SET body = json_set(body, '$.budget', '$0')");
    await evict(marketOf(symbol));
    const repair = async () => {
      await sql(marketOf(symbol), "UPDATE orders SET body = ? WHERE id = ?", row?.body ?? "", row?.id ?? "");
      await stopObject(marketOf(symbol), null);
    };
    return { maker, request, repair };
  }

  async function stoppedBy(symbol: string) {
    return (await marketOf(symbol).parked({ limit: 1, cursor: null })).stopped;
  }

  it("met by a command stops the market: that call too is answered `later`, and its order waits", async () => {
    const { maker, request, repair } = await corruptMaker("TSLA-USD");
    const events = await journalLength(marketOf("TSLA-USD"));
    const taker = await openAccount();
    const wish = limit("TSLA-USD", "buy");
    const answers: string[] = [];
    const really = MarketObject.prototype.exchange;
    const heard = vi.spyOn(MarketObject.prototype, "exchange").mockImplementation(async function (
      this: MarketObject,
      call,
    ) {
      const answer = await really.call(this, call);
      answers.push(answer.outcome);
      return answer;
    });
    await placeUnanswered(taker, wish);
    expect(answers).toEqual(["later"]);
    expect(await stoppedBy("TSLA-USD")).toContain("past its budget");
    expect(await journalLength(marketOf("TSLA-USD"))).toBe(events);
    expect((await bookOf("TSLA-USD", 1)).asks).toMatchObject([{ qty: request.qty }]);
    heard.mockRestore();
    await repair();
    passTime(1_000);
    await ring(accountOf(taker));
    expect(await orderBy(taker, wish)).toMatchObject({ status: "filled" });
    await eventually(async () => expect(await orderBy(maker, request)).toMatchObject({ status: "filled" }));
  });

  it("met by a look at the book stops the market, and the look still gets the book as it stood", async () => {
    const { maker, request, repair } = await corruptMaker("AAPL-USD");
    const before = await bookOf("AAPL-USD", 500);
    const step = Math.floor(Date.now() / STEP_MS);
    const rules = rulesFor("AAPL-USD");
    const crossing = nextCrossingStep(rules, Number(env.PRICE_SEED), step, null, request.limitPrice, 86_400);
    passTime(crossing * STEP_MS - Date.now());
    expect(await bookOf("AAPL-USD", 500)).toEqual(before);
    expect(await stoppedBy("AAPL-USD")).toContain("past its budget");
    await repair();
    expect((await bookOf("AAPL-USD", 1)).seq).toBeGreaterThan(before.seq);
    await eventually(async () => expect(await orderBy(maker, request)).toMatchObject({ status: "filled" }));
  });

  it("is not every bug: what else a call throws stays a throw, and the market goes on", async () => {
    const broken = { ...submit("MSFT-USD", 1), order: null } as unknown as Command;
    const call = { v: 1 as const, account: newAccountId(), epoch: 1, rseq: 0, commands: [broken] };
    const throwing = async () => await marketOf("MSFT-USD").exchange(call);
    await expect(throwing()).rejects.toThrow(TypeError);
    expect(await stoppedBy("MSFT-USD")).toBeNull();
    expect((await bookOf("MSFT-USD", 1)).bids).toHaveLength(1);
  });
});

describe("reports to makers", () => {
  /** A resting sell, and who takes it. */
  async function makerAndTaker(symbol: string) {
    const maker = await openAccount({ [rulesFor(symbol).base]: 10_000_000_000n });
    const taker = await openAccount();
    const request = limit(symbol, "sell");
    await place(maker, request);
    return { maker, taker, request };
  }

  it("are pushed at once, with no alarm", async () => {
    const { maker, taker, request } = await makerAndTaker("SOL-USD");
    await place(taker, atMarket("SOL-USD", "buy"));
    await eventually(async () => expect(await orderBy(maker, request)).toMatchObject({ status: "filled" }));
    expect((await moneyOf(maker, "SOL")).held).toBe(0n);
  });

  it("do not keep the taker waiting while the maker hangs, and reach it later though the market dies", async () => {
    const { maker, taker, request } = await makerAndTaker("SOL-USD");
    const report = vi.spyOn(AccountObject.prototype, "report").mockImplementation(hang);
    expect(await place(taker, atMarket("SOL-USD", "buy"))).toMatchObject({ status: "filled" });
    await eventually(() => expect(report).toHaveBeenCalled());
    await crash(marketOf("SOL-USD"));
    report.mockRestore();
    passTime(5_000);
    await ring(marketOf("SOL-USD"));
    const filled = { status: "filled", filledQty: request.qty };
    await eventually(async () => expect(await orderBy(maker, request)).toMatchObject(filled));
  });

  it("are tried again with growing pauses, half a minute at most, until they are taken", async () => {
    const market = marketOf("LINK-USD");
    const { maker, taker, request } = await makerAndTaker("LINK-USD");
    const resting = await orderBy(maker, request);
    const tries: number[] = [];
    const report = vi.spyOn(AccountObject.prototype, "report").mockImplementation(async ({ reports }) => {
      if (reports.some(({ orderId }) => orderId === resting.id)) tries.push(Date.now());
      return { outcome: "later" };
    });
    await place(taker, atMarket("LINK-USD", "buy"));
    // The taker's answer does not wait for it, and the clock must not move before it.
    await eventually(() => expect(tries).toHaveLength(1));
    for (let rings = 0; rings < 60 && tries.length < 10; rings += 1) {
      passTime(((await alarmAt(market)) ?? Number.NaN) - Date.now());
      await ring(market);
      // The ring sets the timer for a flight that lasts, and sets it anew once the answer is there.
      const inFlight = [{ due: Date.now() + SAFETY_NET_MS }];
      const due = () => sql(market, "SELECT due FROM timers WHERE kind = 'push'");
      await eventually(async () => expect(await due()).not.toEqual(inFlight));
    }
    // The first try is with the fill itself; the safety net's alarm, 5 s later, takes it from there.
    const expected = [5_000, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
    const pauses = tries.slice(1).map((at, index) => at - (tries[index] ?? 0));
    expect(
      pauses.map((pause, index) => pause - (expected[index] ?? 0)).filter((late) => late < 0 || late > 250),
    ).toEqual([]);
    expect(pauses).toHaveLength(expected.length);
    report.mockRestore();
    passTime(31_000);
    await ring(market);
    await eventually(async () => expect(await orderBy(maker, request)).toMatchObject({ status: "filled" }));
  });

  it("of a sweep come whole at once: no fill of an order that meets 250 others waits for an alarm", async () => {
    const maker = await openAccount({ XRP: 100_000_000_000n });
    const small = rulesFor("XRP-USD").lotSize * 100n;
    const requests = Array.from({ length: 250 }, () => limit("XRP-USD", "sell", { qty: small }));
    for (let from = 0; from < requests.length; from += 50) {
      await Promise.all(requests.slice(from, from + 50).map((request) => place(maker, request)));
    }
    const taker = await openAccount();
    const order = await place(taker, atMarket("XRP-USD", "buy", { qty: small * 250n }));
    const sweep = { filledQty: small * 250n, status: "filled" };
    await eventually(async () => {
      expect(await accountOf(taker).order(callerOf(taker), { id: order.id })).toMatchObject({ value: sweep });
    });
    await eventually(async () => expect(await moneyOf(maker, "XRP")).toMatchObject({ held: 0n }));
  });
});

describe("expiry", () => {
  it("happens by the market's alarm, at its time, though nobody asks", async () => {
    const maker = await openAccount();
    const expiresAt = Date.now() + 5_000;
    const request = limit("ADA-USD", "buy", { limitPrice: faraway("ADA-USD", "buy"), timeInForce: "gtd", expiresAt });
    await place(maker, request);
    for (let rings = 0; rings < 20 && Date.now() < expiresAt; rings += 1) {
      expect(await orderBy(maker, request)).toMatchObject({ status: "new" });
      passTime(((await alarmAt(marketOf("ADA-USD"))) ?? Number.NaN) - Date.now());
      await ring(marketOf("ADA-USD"));
    }
    expect(Date.now()).toBe(expiresAt);
    await eventually(async () =>
      expect(await orderBy(maker, request)).toMatchObject({ status: "expired", reason: "gtd" }),
    );
    expect((await moneyOf(maker, "USD")).held).toBe(0n);
  });

  it("waits for nobody: the alarm does not stay with an account that hangs", async () => {
    const hanging = await openAccount({ DOGE: 100_000_000_000n });
    await place(hanging, limit("DOGE-USD", "sell"));
    const report = vi.spyOn(AccountObject.prototype, "report").mockResolvedValue({ outcome: "later" });
    await place(await openAccount(), atMarket("DOGE-USD", "buy"));
    await eventually(() => expect(report).toHaveBeenCalledTimes(1));
    const patient = { limitPrice: faraway("DOGE-USD", "buy"), timeInForce: "gtd" } as const;
    const request = limit("DOGE-USD", "buy", { ...patient, expiresAt: Date.now() + 60_000 });
    const maker = await openAccount();
    await place(maker, request);
    report.mockImplementation(hang);
    passTime(59_000);
    const startedAt = performance.now();
    await ring(marketOf("DOGE-USD"));
    expect(performance.now() - startedAt).toBeLessThan(HANG_MS / 2);
    expect(await alarmAt(marketOf("DOGE-USD"))).toBeLessThanOrEqual(request.expiresAt ?? 0);
    passTime(1_000);
    await ring(marketOf("DOGE-USD"));
    expect((await marketTables("DOGE-USD")).stored.orders.size).toBe(0);
    await scheduler.wait(HANG_MS);
  });
});
