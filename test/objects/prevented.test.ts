// What an account's object keeps of trades with itself that were prevented: over its deaths, and from its version before on.
import { describe, expect, it } from "vitest";
import type { SelfTradePrevention } from "../../src/core/order.ts";
import {
  accountOf,
  callerOf,
  checkEachTest,
  evict,
  limit,
  openAccount,
  place,
  rulesFor,
  unwrap,
} from "../support/objects.ts";
import { olderAccount } from "../support/older.ts";

checkEachTest();

const SYMBOL = "SOL-USD";
const SOL = 100_000_000n;

/** Two orders of one account that meet, each of 1,000 lots. */
async function meeting(id: string, selfTradePrevention: SelfTradePrevention) {
  const maker = await place(id, limit(SYMBOL, "buy"));
  const taker = await place(id, limit(SYMBOL, "sell", { selfTradePrevention, limitPrice: maker.limitPrice }));
  return { maker, taker };
}

const listed = async (id: string, orderId: string | null = null, symbol: string | null = null) =>
  unwrap(await accountOf(id).prevented(callerOf(id), { limit: 10, cursor: null, symbol, orderId })).data;

describe("a prevented match", () => {
  it("is listed once, by either order and by its market, and outlives its object", async () => {
    const id = await openAccount({ SOL: 1_000n * SOL });
    const first = await meeting(id, "cancel_both");
    const second = await meeting(id, "decrement");
    const all = await listed(id);
    const match = ({ maker, taker }: typeof first) => ({
      ...{ symbol: SYMBOL, takerOrderId: taker.id, makerOrderId: maker.id, side: "sell" },
      ...{ price: maker.limitPrice, qty: rulesFor(SYMBOL).lotSize * 1_000n },
      selfTradePrevention: taker.selfTradePrevention,
    });
    expect(all).toMatchObject([match(second), match(first)]);
    expect(all).toHaveLength(2);
    for (const { id: orderId } of [first.maker, first.taker]) expect(await listed(id, orderId)).toEqual(all.slice(1));
    expect(await listed(id, null, SYMBOL)).toEqual(all);
    expect(await listed(id, null, "BTC-USD")).toEqual([]);
    await evict(accountOf(id));
    expect(await listed(id)).toEqual(all);
  });

  it("is kept by an object that the version before has left", async () => {
    const id = await openAccount({ SOL: 1_000n * SOL });
    await olderAccount(id, 11);
    await evict(accountOf(id));
    expect(await listed(id)).toEqual([]);
    const { maker, taker } = await meeting(id, "cancel_newest");
    expect(await listed(id)).toMatchObject([{ makerOrderId: maker.id, takerOrderId: taker.id }]);
  });
});
