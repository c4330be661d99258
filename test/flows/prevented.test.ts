// What a customer sees of trades with themselves that self-trade prevention has kept from happening.
import { beforeAll, describe, expect, it } from "vitest";
import { priceAt, stopClock, type Trader, trader, type WirePage, type WirePrevented } from "../support/session.ts";
import { AccountStream } from "../support/stream.ts";

const SYMBOL = "LINK-USD";

beforeAll(() => {
  stopClock();
});

const listed = async (who: Trader, query = "") =>
  (await who.get<WirePage<WirePrevented>>(`/v1/prevented-matches${query}`)).body;

describe("GET /v1/prevented-matches", () => {
  it("lists what met what, newest first in pages, to its owner alone; the stream tells of each once", async () => {
    const [ada, bob] = [await trader({ usd: "10000" }), await trader()];
    await ada.deposit("50", "LINK");
    const stream = await AccountStream.open(ada);
    await stream.subscribe(["orders"]);
    const order = { symbol: SYMBOL, type: "limit", limit_price: await priceAt(SYMBOL, 0), qty: "5" };
    const matches: object[] = [];
    for (const mode of ["cancel_newest", "cancel_both", "cancel_oldest", "decrement", "none"]) {
      const maker = (await ada.place({ ...order, side: "buy" })).body;
      const wish = { ...order, side: "sell" as const, qty: "3", self_trade_prevention: mode };
      const taker = (await ada.place(wish)).body;
      await ada.call("DELETE", "/v1/orders");
      if (mode !== "none")
        matches.unshift({
          ...{ id: expect.stringMatching(/^pvm_/), symbol: SYMBOL, side: "sell", price: maker.limit_price, qty: "3" },
          ...{ taker_order_id: taker.id, maker_order_id: maker.id, self_trade_prevention: mode },
          at: expect.any(String),
        });
      expect((await listed(ada, `?order_id=${taker.id}`)).data).toEqual(mode === "none" ? [] : matches.slice(0, 1));
    }
    expect((await listed(ada)).data).toEqual(matches);
    const told = (await stream.drain()).flatMap(({ data }) => data.prevented_match ?? []);
    expect(told.reverse()).toEqual(matches);
    const first = await listed(ada, "?limit=3");
    expect(first.data).toEqual(matches.slice(0, 3));
    const second = await listed(ada, `?limit=3&cursor=${first.next_cursor}`);
    expect(second).toEqual({ data: matches.slice(3), next_cursor: null });
    expect((await listed(ada, "?symbol=BTC-USD")).data).toEqual([]);
    expect((await listed(bob)).data).toEqual([]);
  });
});
