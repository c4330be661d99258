// What an order would do is what it does, to the unit; and looking leaves no trace.
import { beforeAll, describe, expect, it, vi } from "vitest";
import { MarketObject } from "../../src/worker.ts";
import {
  expectProblem,
  priceAt,
  qtyWorth,
  stopClock,
  type Trader,
  trader,
  type WireBalance,
  type WireFill,
  type WireOrder,
  type WirePage,
  type WirePrevented,
} from "../support/session.ts";

const SYMBOL = "LINK-USD";

interface WirePreview {
  status: string;
  filled_qty: string;
  filled_notional: string;
  avg_price: string | null;
  leaves_qty: string;
  fee: string;
  hold: string;
  fills: Pick<WireFill, "qty" | "price" | "fee" | "liquidity">[];
  prevented_matches: Pick<WirePrevented, "maker_order_id" | "price" | "qty">[];
  balances_after: WireBalance[];
  book_seq: number;
}

beforeAll(() => {
  stopClock();
});

async function holder(): Promise<Trader> {
  const ada = await trader({ usd: "100000" });
  await ada.deposit("500", "LINK");
  return ada;
}

const preview = (who: Trader, json: object) => who.call<WirePreview>("POST", "/v1/orders/preview", { json });

describe("POST /v1/orders/preview", () => {
  it.each([
    ["a market buy by notional", async () => ({ side: "buy" as const, type: "market", notional: "250" })],
    ["a market buy over several levels", async () => ({ side: "buy" as const, type: "market", qty: "1500" })],
    ["a market sell", async () => ({ side: "sell" as const, type: "market", qty: "20" })],
    [
      "a limit buy that rests",
      async () => ({ side: "buy" as const, type: "limit", limit_price: await priceAt(SYMBOL, -50), qty: "10" }),
    ],
    [
      "a limit buy that fills and rests",
      async () => ({ side: "buy" as const, type: "limit", limit_price: await priceAt(SYMBOL, 11), qty: "900" }),
    ],
    [
      "an ioc",
      async () => ({
        side: "sell" as const,
        type: "limit",
        time_in_force: "ioc",
        limit_price: await priceAt(SYMBOL, -30),
        qty: "499",
      }),
    ],
    [
      "a stop that waits",
      async () => ({ side: "sell" as const, type: "stop", stop_price: await priceAt(SYMBOL, -900), qty: "3" }),
    ],
    [
      "a stop that is there already",
      async () => ({ side: "sell" as const, type: "stop", stop_price: await priceAt(SYMBOL, 900), qty: "3" }),
    ],
  ])("says of %s what then happens, to the unit", async (_, wish) => {
    const ada = await holder();
    const order = { symbol: SYMBOL, ...(await wish()) };
    const said = await preview(ada, order);
    expect(said.status).toBe(200);
    expect(said.headers.get("Cache-Control")).toBe("no-store");
    const placed = (await ada.place(order)).body;
    const { avg_price, hold, fills, prevented_matches, balances_after, book_seq, ...same } = said.body;
    expect(placed).toMatchObject(same);
    expect(avg_price).toBe(placed.filled_avg_price);
    const happened = (await ada.get<WirePage<WireFill>>(`/v1/fills?order_id=${placed.id}&limit=200`)).body.data;
    expect(fills).toEqual(happened.reverse().map(({ qty, price, fee, liquidity }) => ({ qty, price, fee, liquidity })));
    for (const balance of balances_after) expect(await ada.balance(balance.asset)).toEqual(balance);
    const open = ["new", "held", "partially_filled"].includes(placed.status);
    expect(Number(hold) > 0).toBe(open);
    expect(book_seq).toBeGreaterThan(0);
    const prevented = await ada.get<WirePage<WirePrevented>>("/v1/prevented-matches");
    const told = prevented.body.data.map(({ maker_order_id, price, qty }) => ({ maker_order_id, price, qty }));
    expect(prevented_matches).toEqual(told.reverse());
  });

  it("leaves no trace: no order, no hold, no number of the stream, no client_order_id", async () => {
    const ada = await holder();
    const before = await ada.account();
    const one = { symbol: SYMBOL, side: "buy" as const, type: "market", notional: "100", client_order_id: "mine" };
    for (let times = 0; times < 3; times += 1) expect((await preview(ada, one)).status).toBe(200);
    const { as_of: _, ...after } = await ada.account();
    expect(before).toMatchObject(after);
    expect((await ada.get<WirePage<WireOrder>>("/v1/orders")).body.data).toEqual([]);
    expectProblem(await ada.get("/v1/orders/by-client-id/mine"), 404, "not_found");
    expect((await ada.place({ ...one, notional: "200" })).status).toBe(201);
  });

  it("says of one's own resting order what self-trade prevention would do to it, and leaves it", async () => {
    const symbol = "SOL-USD";
    const ada = await holder();
    await ada.deposit("10", "SOL");
    const price = await priceAt(symbol, 1);
    const rests = await ada.place({ symbol, side: "sell", type: "limit", limit_price: price, qty: "5" });
    const buy = { symbol, side: "buy" as const, type: "limit", limit_price: price, qty: "5" };
    expect((await preview(ada, buy)).body).toMatchObject({
      ...{ status: "canceled", filled_qty: "0" },
      prevented_matches: [{ maker_order_id: rests.body.id, price: rests.body.limit_price, qty: "5" }],
    });
    expect((await preview(ada, { ...buy, self_trade_prevention: "cancel_oldest" })).body).toMatchObject({
      status: "new",
    });
    expect(await ada.order(rests.body.id)).toMatchObject({ status: "new", leaves_qty: "5" });
    await ada.cancel(rests.body.id);
  });

  it("is refused as the order would be, by the account and by the market", async () => {
    const ada = await trader({ usd: "100" });
    const buy = {
      symbol: SYMBOL,
      side: "buy" as const,
      type: "limit",
      limit_price: await priceAt(SYMBOL, 100),
      qty: "1",
    };
    expectProblem(
      await preview(ada, { ...buy, qty: qtyWorth(SYMBOL, 5_000, buy.limit_price) }),
      422,
      "insufficient_funds",
    );
    expectProblem(await preview(ada, { ...buy, limit_price: "1" }), 422, "price_outside_band");
    const crossing = await preview(ada, { ...buy, post_only: true });
    expectProblem(crossing, 422, "post_only_would_cross");
    expect(crossing.body).not.toHaveProperty("order_id");
    expectProblem(await preview(ada, { ...buy, qty: 1 }), 422, "validation_failed");
    expectProblem(await preview(ada, { ...buy, symbol: "NONE-USD" }), 422, "validation_failed");
    expect((await ada.balance("USD")).held).toBe("0");
  });

  it("is 503 while the market does not answer", async () => {
    const ada = await holder();
    const away = vi.spyOn(MarketObject.prototype, "preview").mockResolvedValue({ outcome: "later" });
    const got = await preview(ada, { symbol: SYMBOL, side: "buy", type: "market", notional: "100" });
    away.mockRestore();
    expectProblem(got, 503, "unavailable");
    expect(got.headers.get("Retry-After")).not.toBeNull();
  });
});
