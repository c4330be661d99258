import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { checkEverything, limit, marketOf, middle, openAccount, place, rulesFor, stopClock, evict, atMarket, orderBy } from "../support/objects.ts";

beforeEach(() => {
  stopClock();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await checkEverything();
  vi.useRealTimers();
});

it("a customer behind the house's quote at a price stays behind it when the market has been evicted", async () => {
  const maker = await openAccount();
  const taker = await openAccount({ ETH: 1_000_000_000_000n });
  const { bids } = await marketOf("ETH-USD").book(1);
  const [best] = bids;
  if (best === undefined) throw new Error("the house does not quote");
  const behind = limit("ETH-USD", "buy", { limitPrice: best.price });
  await place(maker, behind);
  await evict(marketOf("ETH-USD"));
  await place(taker, atMarket("ETH-USD", "sell"));
  expect(await orderBy(maker, behind)).toMatchObject({ status: "new" });
  void middle; void rulesFor;
});
