import { describe, expect, it } from "vitest";
import type { FillRecord, PreventedRecord } from "../../src/core/account/state.ts";
import type { StreamData } from "../../src/core/account/stream.ts";
import type { Order } from "../../src/core/order.ts";
import {
  wireAverage,
  wireBalance,
  wireEntry,
  wireFill,
  wireOrder,
  wirePosition,
  wirePrevented,
  wirePrice,
  wireStreamData,
  wireTime,
  wireTransfer,
} from "../../src/core/wire.ts";
import { listed, NOON, units } from "../support/book.ts";

const SOL = listed("SOL-USD");
const usd = (text: string) => units(text, 6);
const sol = (text: string) => units(text, 8);

/** A limit buy that has got a half of what it wants, in two fills. */
const LIMIT_BUY: Order = {
  id: "ord_1",
  clientOrderId: "mine-1",
  symbol: "SOL-USD",
  side: "buy",
  type: "limit",
  timeInForce: "gtd",
  postOnly: true,
  qty: sol("3"),
  notional: null,
  limitPrice: usd("180.5"),
  expiresAt: NOON + 60_000,
  selfTradePrevention: "cancel_newest",
  makerFeeBps: 10,
  takerFeeBps: 20,
  bodyHash: "secret",
  status: "partially_filled",
  reason: null,
  cancelRequested: false,
  filledQty: sol("1.5"),
  filledNotional: usd("270.1"),
  feeNumerator: usd("2701"),
  fee: usd("0.2701"),
  hold: usd("271"),
  credit: sol("3"),
  createdAt: NOON,
  updatedAt: NOON + 1,
  seq: 7,
};

const FILL: FillRecord = {
  id: "exe_1",
  tradeId: "trd_1",
  orderId: "ord_1",
  symbol: "SOL-USD",
  side: "buy",
  qty: sol("1.5"),
  price: usd("180.07"),
  fee: usd("0.270105"),
  liquidity: "maker",
  at: NOON,
};

const PREVENTED: PreventedRecord = {
  id: "pvm_1",
  symbol: "SOL-USD",
  takerOrderId: "ord_1",
  makerOrderId: "ord_2",
  side: "buy",
  price: usd("180.07"),
  qty: sol("1.5"),
  selfTradePrevention: "cancel_both",
  at: NOON,
};

describe("an order on the wire", () => {
  it("has the contract's fields and no others: what is held for it, and how a repeat is known, stay inside", () => {
    expect(wireOrder(LIMIT_BUY)).toEqual({
      id: "ord_1",
      client_order_id: "mine-1",
      symbol: "SOL-USD",
      side: "buy",
      type: "limit",
      time_in_force: "gtd",
      qty: "3",
      notional: null,
      limit_price: "180.5",
      stop_price: null,
      trail_percent: null,
      trail_amount: null,
      post_only: true,
      display_qty: null,
      expires_at: "2026-11-21T12:01:00.000Z",
      self_trade_prevention: "cancel_newest",
      status: "partially_filled",
      reason: null,
      cancel_requested: false,
      replace_requested: false,
      leaves_qty: "1.5",
      filled_qty: "1.5",
      filled_avg_price: "180.0666666667",
      filled_notional: "270.1",
      fee: "0.2701",
      fee_asset: "USD",
      maker_fee_bps: 10,
      taker_fee_bps: 20,
      order_class: "simple",
      parent_id: null,
      legs: null,
      created_at: "2026-11-21T12:00:00.000Z",
      updated_at: "2026-11-21T12:00:00.001Z",
      seq: 7,
    });
  });

  it("by notional says null for what it does not have: a quantity, a limit, an end, an average of nothing", () => {
    const order: Order = {
      ...LIMIT_BUY,
      type: "market",
      timeInForce: "ioc",
      qty: null,
      notional: usd("100"),
      limitPrice: null,
      expiresAt: null,
      filledQty: 0n,
      filledNotional: 0n,
      fee: 0n,
    };
    expect(wireOrder(order)).toMatchObject({
      qty: null,
      notional: "100",
      limit_price: null,
      expires_at: null,
      leaves_qty: "0",
      filled_qty: "0",
      filled_avg_price: null,
      filled_notional: "0",
      fee: "0",
    });
  });

  it.each([
    [{ when: "falls", price: usd("170.5"), trail: null }, ["170.5", null, null]],
    [{ when: "falls", price: usd("171"), trail: { bps: 150 } }, ["171", "1.5", null]],
    [{ when: "rises", price: usd("190"), trail: { amount: usd("2.5") } }, ["190", null, "2.5"]],
  ] as const)("that waits says for what: %o", (trigger, [stop_price, trail_percent, trail_amount]) => {
    expect(wireOrder({ ...LIMIT_BUY, trigger })).toMatchObject({ stop_price, trail_percent, trail_amount });
  });

  it("that is closed has nothing left, whatever it did not get", () => {
    expect(wireOrder({ ...LIMIT_BUY, status: "canceled", reason: "user" })).toMatchObject({
      reason: "user",
      leaves_qty: "0",
      filled_qty: "1.5",
    });
  });

  it("of a market that is not listed is a bug: nobody can say how many digits it has", () => {
    expect(() => wireOrder({ ...LIMIT_BUY, symbol: "GOLD-USD" })).toThrow("market GOLD-USD is not listed");
  });
});

describe("an average price", () => {
  it.each([
    ["of one price is that price", "360.2", "2", "180.1"],
    ["has ten digits, rounded half to even", "0.000001", "3.2", "0.0000003125"],
    ["rounds a half down to an even digit", "0.000001", "64", "0.0000000156"],
    ["rounds a half up to an even digit", "0.000003", "64", "0.0000000469"],
  ])("%s", (_rule, notional, qty, average) => {
    expect(wireAverage(usd(notional), sol(qty), SOL)).toBe(average);
  });

  it("of nothing is null, and not a division by zero", () => {
    expect(wireAverage(0n, 0n, SOL)).toBeNull();
  });
});

describe("money on the wire", () => {
  it("is a decimal in shortest form, in the digits of its own asset", () => {
    expect(wirePrice(usd("180.10"), SOL)).toBe("180.1");
    expect(wireBalance({ asset: "SOL", available: sol("1.5"), held: 1n })).toEqual({
      asset: "SOL",
      available: "1.5",
      held: "0.00000001",
      total: "1.50000001",
    });
  });

  it("of a transfer says what has come of it once something has", () => {
    const one = { id: "wdr_1", kind: "withdrawal", asset: "USD", amount: usd("5"), status: "failed" } as const;
    const shown = wireTransfer({ ...one, createdAt: NOON, updatedAt: NOON + 1_000, failure: "no_account" });
    expect(shown).toMatchObject({ status: "failed", updated_at: "2026-11-21T12:00:01.000Z", failure: "no_account" });
  });

  it("of a transfer comes with when it was made", () => {
    const transfer = { id: "dep_1", kind: "deposit", asset: "USD", amount: usd("5.5"), status: "settled" } as const;
    expect(wireTransfer({ ...transfer, createdAt: NOON })).toEqual({
      id: "dep_1",
      status: "settled",
      asset: "USD",
      amount: "5.5",
      created_at: "2026-11-21T12:00:00.000Z",
    });
  });

  it("of a ledger entry is signed, and running balances stay inside", () => {
    const postings = [
      { account: "available", asset: "USD", amount: -usd("1.5"), balance: 7n },
      { account: "held", asset: "USD", amount: usd("1.5"), balance: usd("1.5") },
    ];
    const entry = { id: "ent_1", seq: 3, at: NOON, kind: "hold", ref: "ord_1", hash: "ab" };
    expect(wireEntry({ ...entry, postings })).toEqual({
      ...entry,
      at: wireTime(NOON),
      postings: [
        { account: "available", asset: "USD", amount: "-1.5" },
        { account: "held", asset: "USD", amount: "1.5" },
      ],
    });
  });
});

describe("a position on the wire", () => {
  const position = { symbol: "SOL-USD", qty: sol("2"), costBasis: usd("361"), realizedPnl: -usd("3.25") };

  it("is valued at the market's price; a loss is negative", () => {
    expect(wirePosition(position, usd("180.1"))).toEqual({
      symbol: "SOL-USD",
      asset: "SOL",
      qty: "2",
      avg_entry_price: "180.5",
      cost_basis: "361",
      market_price: "180.1",
      market_value: "360.2",
      unrealized_pnl: "-0.8",
      realized_pnl: "-3.25",
    });
  });

  it("that is flat has no entry price, and keeps what it has brought in", () => {
    expect(wirePosition({ ...position, qty: 0n, costBasis: 0n }, usd("180.1"))).toMatchObject({
      qty: "0",
      avg_entry_price: null,
      market_value: "0",
      unrealized_pnl: "0",
      realized_pnl: "-3.25",
    });
  });
});

describe("a stream message says the same as a GET does", () => {
  const balance = { asset: "USD", available: usd("1"), held: 0n };

  it.each<[StreamData["channel"], StreamData, object]>([
    [
      "orders",
      { channel: "orders", execType: "fill", order: LIMIT_BUY },
      { exec_type: "fill", ...wireOrder(LIMIT_BUY) },
    ],
    [
      "orders",
      { channel: "orders", execType: "canceled", order: LIMIT_BUY, prevented: PREVENTED },
      { exec_type: "canceled", ...wireOrder(LIMIT_BUY), prevented_match: wirePrevented(PREVENTED) },
    ],
    ["fills", { channel: "fills", fill: FILL }, wireFill(FILL)],
    ["balances", { channel: "balances", balance }, wireBalance(balance)],
  ])("on %s", (_channel, message, face) => {
    expect(wireStreamData(message)).toEqual(face);
  });

  it("and a prevented match names both orders, the price and quantity at which they met, and why they did not trade", () => {
    expect(wirePrevented(PREVENTED)).toEqual({
      id: "pvm_1",
      symbol: "SOL-USD",
      taker_order_id: "ord_1",
      maker_order_id: "ord_2",
      side: "buy",
      price: "180.07",
      qty: "1.5",
      self_trade_prevention: "cancel_both",
      at: "2026-11-21T12:00:00.000Z",
    });
  });

  it("and a fill is the owner's own side of a trade: the trade's number stays inside", () => {
    expect(wireFill(FILL)).toEqual({
      id: "exe_1",
      order_id: "ord_1",
      symbol: "SOL-USD",
      side: "buy",
      qty: "1.5",
      price: "180.07",
      fee: "0.270105",
      fee_asset: "USD",
      liquidity: "maker",
      at: "2026-11-21T12:00:00.000Z",
    });
  });
});
