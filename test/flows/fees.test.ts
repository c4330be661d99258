// What one pays by what one has traded: said by GET /v1/account/fees, shown by orders and previews, charged by fills.
import { beforeAll, describe, expect, it } from "vitest";
import { feeOn, stopClock, type Trader, trader, usd, type WireOrder } from "../support/session.ts";

interface WireFees {
  volume_30d: string;
  tier: { tier: number; volume: string; discount_percent: number };
  next_tier: { tier: number; volume: string; discount_percent: number } | null;
  markets: { symbol: string; maker_fee_bps: number; taker_fee_bps: number }[];
}

let passTime: (ms: number) => void;

beforeAll(() => {
  passTime = stopClock();
});

const fees = async (who: Trader) => (await who.get<WireFees>("/v1/account/fees")).body;
const buy = (notional: string) => ({ symbol: "BTC-USD", side: "buy" as const, type: "market", notional });

describe("GET /v1/account/fees", () => {
  it("says where an account stands from its first fill on, and what it pays at each market", async () => {
    const ada = await trader({ usd: "500000" });
    const before = await fees(ada);
    expect(before).toMatchObject({
      volume_30d: "0",
      tier: { tier: 0, volume: "0", discount_percent: 0 },
      next_tier: { tier: 1, volume: "100000", discount_percent: 10 },
    });
    expect(before.markets).toHaveLength(11);
    expect(before.markets).toContainEqual({ symbol: "BTC-USD", maker_fee_bps: 10, taker_fee_bps: 20 });
    let volume = 0n;
    for (let times = 0; times < 2; times += 1) {
      const bought = await ada.place(buy("60000"));
      expect(bought.body).toMatchObject({ status: "filled", maker_fee_bps: 10, taker_fee_bps: 20 });
      volume += usd(bought.body.filled_notional);
      passTime(1_000);
    }
    const after = await fees(ada);
    expect(usd(after.volume_30d)).toBe(volume);
    expect(after.tier).toEqual({ tier: 1, volume: "100000", discount_percent: 10 });
    expect(after.markets).toContainEqual({ symbol: "BTC-USD", maker_fee_bps: 9, taker_fee_bps: 18 });
  });

  it("is what the next order is charged, as its preview says, to the unit", async () => {
    const ada = await trader({ usd: "500000" });
    for (let times = 0; times < 2; times += 1) {
      await ada.place(buy("60000"));
      passTime(1_000);
    }
    const wish = { symbol: "BTC-USD", side: "sell" as const, type: "market", qty: "0.1" };
    const said = await ada.call<Record<string, unknown>>("POST", "/v1/orders/preview", { json: wish });
    const sold = await ada.place(wish);
    const fee = feeOn(usd(sold.body.filled_notional), 18);
    expect(usd(sold.body.fee)).toBe(fee);
    expect(said.body).toMatchObject({ taker_fee_bps: 18, maker_fee_bps: 9, fee: sold.body.fee });
    const read = await ada.get<WireOrder>(`/v1/orders/${sold.body.id}`);
    expect(read.body).toMatchObject({ taker_fee_bps: 18, maker_fee_bps: 9 });
  });

  it("goes by what operators have made of a market's fees", async () => {
    const olivia = await trader({ roles: ["customer", "operator"] });
    const ada = await trader({ usd: "1000" });
    await olivia.call("PATCH", "/v1/admin/markets/XRP-USD", { json: { taker_fee_bps: 7, reason: "a drill" } });
    passTime(1_000);
    expect((await fees(ada)).markets).toContainEqual({ symbol: "XRP-USD", maker_fee_bps: 10, taker_fee_bps: 7 });
    const bought = await ada.place({ symbol: "XRP-USD", side: "buy", type: "market", notional: "500" });
    expect(bought.body.taker_fee_bps).toBe(7);
    expect(usd(bought.body.fee)).toBe(feeOn(usd(bought.body.filled_notional), 7));
  });
});
