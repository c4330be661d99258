// A market that cannot be reached: nobody waits long, nothing is forgotten, and only the market ever says how it ended.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { formatDecimal } from "../../src/core/decimal.ts";
import { SETTLE_WAIT_MS, SUBMIT_DEADLINE_MS } from "../../src/core/limits.ts";
import type { ExchangeAnswer } from "../../src/objects/calls.ts";
import { MarketObject } from "../../src/worker.ts";
import {
  accountOf,
  accountTables,
  asked,
  atMarket,
  backedOff,
  checkEverything,
  eventually,
  faraway,
  limit,
  marketOf,
  marketsAway,
  moneyOf,
  openAccount,
  orderBy,
  passTime,
  place,
  placeUnanswered,
  ring,
  stopClock,
  stopObject,
  watch,
} from "../support/objects.ts";
import { expectProblem, type Trader, trader } from "../support/session.ts";

const LATER: ExchangeAnswer = { outcome: "later" };

afterEach(async () => {
  vi.restoreAllMocks();
  await checkEverything();
  vi.useRealTimers();
});

describe("in real time", () => {
  it("an order is answered 202 within two seconds, and resolves by itself when the market is back", async () => {
    const symbol = "BTC-USD";
    const buyer = await trader({ usd: "100000" });
    watch(buyer.accountId, symbol);
    await marketOf(symbol).head();
    await stopObject(marketOf(symbol), "stopped by a test");
    const startedAt = performance.now();
    const limitPrice = formatDecimal(faraway(symbol, "buy"), 6);
    const posted = await buyer.place({ symbol, side: "buy", type: "limit", qty: "0.01", limit_price: limitPrice });
    const tookMs = performance.now() - startedAt;
    expect(posted).toMatchObject({ status: 202, body: { status: "pending_new" } });
    expect(tookMs).toBeGreaterThanOrEqual(SETTLE_WAIT_MS - 50);
    expect(tookMs).toBeLessThan(SETTLE_WAIT_MS + 1_000);
    expect((await buyer.balance("USD")).held).not.toBe("0");
    await stopObject(marketOf(symbol), null);
    await eventually(async () => expect(await buyer.order(posted.body.id)).toMatchObject({ status: "new" }));
    // Nothing may rest where the clock is about to jump by years: the house would replay them second by second.
    expect((await buyer.cancel(posted.body.id)).status).toBe(200);
  });
});

describe("with the clock stopped", () => {
  beforeEach(() => {
    stopClock();
  });

  const usdHeld = async (one: Trader) => (await one.balance("USD")).held;

  it("a market that hangs keeps nobody waiting: 202, then filled when it is back in time", async () => {
    const buyer = await trader({ usd: "1000" });
    watch(buyer.accountId, "SOL-USD");
    const exchange = vi.spyOn(MarketObject.prototype, "exchange").mockImplementation(async () => {
      await scheduler.wait(SETTLE_WAIT_MS + 500);
      return LATER;
    });
    const posted = await buyer.place({ symbol: "SOL-USD", side: "buy", type: "market", notional: "100" });
    expect(posted).toMatchObject({ status: 202, body: { status: "pending_new", filled_qty: "0" } });
    expect(await usdHeld(buyer)).toBe("100");
    await backedOff(buyer.accountId, "SOL-USD", null);
    exchange.mockRestore();
    passTime(SUBMIT_DEADLINE_MS);
    await ring(accountOf(buyer.accountId));
    expect(await buyer.order(posted.body.id)).toMatchObject({ status: "filled" });
    expect(await usdHeld(buyer)).toBe("0");
  });

  it("a market that fails is asked again, and fills in time", async () => {
    const id = await openAccount();
    const exchange = vi.spyOn(MarketObject.prototype, "exchange").mockImplementation(async () => {
      throw new Error("away");
    });
    const request = atMarket("SOL-USD", "buy");
    await placeUnanswered(id, request);
    exchange.mockRestore();
    passTime(250);
    await ring(accountOf(id));
    expect(await orderBy(id, request)).toMatchObject({ status: "filled" });
  });

  it("a market order that the market hears of after five seconds is refused, and its hold released", async () => {
    const buyer = await trader({ usd: "1000" });
    watch(buyer.accountId, "SOL-USD");
    const away = marketsAway();
    const wish = {
      symbol: "SOL-USD",
      side: "buy",
      type: "market",
      notional: "100",
      client_order_id: "late-1",
    } as const;
    const posted = await buyer.place(wish);
    expect(posted.status).toBe(202);
    // Five seconds or five minutes: the account alone never decides.
    passTime(300_000);
    await ring(accountOf(buyer.accountId));
    expect(await buyer.order(posted.body.id)).toMatchObject({ status: "pending_new" });
    expect(await usdHeld(buyer)).toBe("100");
    away.mockRestore();
    passTime(30_000);
    await ring(accountOf(buyer.accountId));
    const late = { status: "rejected", reason: "submitted_too_late", filled_qty: "0" };
    expect(await buyer.order(posted.body.id)).toMatchObject(late);
    expect(await buyer.balance("USD")).toMatchObject({ available: "1000", held: "0" });
    const again = await buyer.place(wish);
    expectProblem(again, 422, "submitted_too_late");
    expect(again.body).toMatchObject({ order_id: posted.body.id });
  });

  it("an order with an end of its own is refused after that end; one without rests however late it comes", async () => {
    const id = await openAccount();
    const away = marketsAway();
    const patient = limit("ETH-USD", "buy", { limitPrice: faraway("ETH-USD", "buy") });
    const ending = { ...patient, timeInForce: "gtd" as const, expiresAt: Date.now() + 60_000, clientOrderId: "ending" };
    await placeUnanswered(id, patient);
    await placeUnanswered(id, ending);
    passTime(60_001);
    await ring(accountOf(id));
    away.mockRestore();
    passTime(30_000);
    await ring(accountOf(id));
    expect(await orderBy(id, patient)).toMatchObject({ status: "new" });
    expect(await orderBy(id, ending)).toMatchObject({ status: "rejected", reason: "submitted_too_late", hold: 0n });
  });

  it("a cancel changes nothing until the market has answered: 202, still open, still held", async () => {
    const seller = await trader({ usd: "1000" });
    watch(seller.accountId, "ADA-USD");
    const price = formatDecimal(faraway("ADA-USD", "buy"), 6);
    const wish = { symbol: "ADA-USD", side: "buy", type: "limit", qty: "100", limit_price: price } as const;
    const { body } = await seller.place(wish);
    const held = await usdHeld(seller);
    const away = marketsAway();
    const canceling = await seller.cancel(body.id);
    expect(canceling).toMatchObject({ status: 202, body: { status: "new", cancel_requested: true } });
    expect(await usdHeld(seller)).toBe(held);
    away.mockRestore();
    passTime(5_000);
    await ring(accountOf(seller.accountId));
    expect(await seller.order(body.id)).toMatchObject({ status: "canceled", cancel_requested: false });
    expect(await usdHeld(seller)).toBe("0");
  });

  it("the same order asked for again while it waits is the same order, and nothing more is held", async () => {
    const id = await openAccount();
    const away = marketsAway();
    const request = limit("ETH-USD", "buy", { limitPrice: faraway("ETH-USD", "buy") });
    const first = await placeUnanswered(id, request);
    const { held } = await moneyOf(id, "USD");
    const again = asked(id, request);
    expect((await moneyOf(id, "USD")).held).toBe(held);
    away.mockRestore();
    passTime(5_000);
    await ring(accountOf(id));
    expect(await again).toMatchObject({ result: { ok: true, value: { id: first.id, status: "new" } } });
    expect((await accountTables(id)).stored.orders.size).toBe(1);
  });

  it("one market's absence is no other market's matter", async () => {
    const id = await openAccount();
    await marketOf("NVDA-USD").head();
    await stopObject(marketOf("NVDA-USD"), "stopped by a test");
    await placeUnanswered(id, atMarket("NVDA-USD", "buy"));
    expect(await place(id, atMarket("AAPL-USD", "buy"))).toMatchObject({ status: "filled" });
    await stopObject(marketOf("NVDA-USD"), null);
  });
});
