// How a market, an order with its legs, and a position by its lots look on the wire.
import { describe, expect, it } from "vitest";
import { isKnownCommand } from "../../src/core/messages.ts";
import { wireHold, wireOrder } from "../../src/core/wire.ts";
import { wirePositionLots } from "../../src/core/wire-history.ts";
import { wireMarket } from "../../src/core/wire-market.ts";
import { listed, NOON } from "../support/book.ts";
import { pair, placed, sol, usd, value } from "../support/pair.ts";

const SOL = listed("SOL-USD");

describe("a market", () => {
  it("that is open has its rules, and no halt", () => {
    expect(wireMarket({ rules: SOL, takes: "open", reference: usd("179.97") })).toMatchObject({
      ...{ symbol: "SOL-USD", status: "open", halt: null, tick_size: "0.01", lot_size: "0.0001", min_notional: "1" },
      ...{ max_qty: "20000", price_band_bps: 1_000, rules_version: 1, reference_price: "179.97" },
    });
  });

  it.each([
    ["until somebody says so", null, null],
    ["for a time", NOON, "2026-11-21T12:00:00.000Z"],
  ])("that is halted %s says why, until when, and what it was", (_, until, shown) => {
    const halt = { reason: "circuit_breaker", until, before: "open" } as const;
    const wire = wireMarket({ rules: { ...SOL, status: "halted", halt }, takes: "halted", reference: usd("180") });
    expect([wire.status, wire.halt]).toEqual(["halted", { ...halt, until: shown }]);
  });
});

describe("an order of a group", () => {
  it("shows its legs where it is given them, and each leg its parent", () => {
    const world = pair();
    const lead = { side: "buy", type: "limit", limitPrice: usd("179"), qty: sol("3") } as const;
    const profit = { limitPrice: usd("181") };
    const parent = value(world.placeGroup("ann", { kind: "oto", lead, takeProfit: profit, stopLoss: null }));
    const legs = [...world.customer("ann").orders.values()].filter(({ id }) => id !== parent.id);
    const wire = wireOrder({ ...parent, legs });
    expect([wire.order_class, wire.parent_id, wireOrder(parent).legs]).toEqual(["oto", null, null]);
    expect(wire.legs?.map((leg) => [leg.parent_id, leg.limit_price, leg.qty])).toEqual([[parent.id, "181", "0"]]);
  });

  it("holds what it would cost, in that asset", () => {
    const world = pair();
    const buy = placed(world, "ann", { side: "buy", qty: sol("1"), limitPrice: usd("170") });
    const sell = placed(world, "ann", { side: "sell", qty: sol("1.5"), limitPrice: usd("190") });
    expect([buy, sell].map(wireHold)).toEqual(["170.34", "1.5"]);
  });
});

describe("a position by its lots", () => {
  const entry = { seq: 3, id: "ent_1", at: NOON, kind: "trade", ref: "trd_1", postings: [], prev: "", hash: "" };
  const position = {
    value: { symbol: "SOL-USD", qty: sol("2"), costBasis: usd("340"), realizedPnl: 0n },
    lots: [{ entry, qty: sol("2"), cost: usd("350") }],
    olderQty: 0n,
  };

  it("has cost what its last lots have, where the oldest left first", () => {
    const fifo = { costBasis: usd("350"), realizedPnl: usd("10") };
    expect(wirePositionLots({ ...position, fifo }, usd("180"))).toEqual({
      fifo: { cost_basis: "350", avg_entry_price: "175", unrealized_pnl: "10", realized_pnl: "10" },
      lots: [{ seq: 3, ref: "trd_1", at: "2026-11-21T12:00:00.000Z", qty: "2", cost: "350" }],
      older_lots_qty: "0",
    });
  });

  it("has no such figures where its history is too long", () => {
    expect(wirePositionLots({ ...position, fifo: null }, usd("180")).fifo).toBeNull();
  });
});

describe("a command of a newer account", () => {
  it.each([
    ["submit_group", true],
    ["submit_on_a_whim", false],
  ])("%s is known: %s", (kind, known) => {
    expect(isKnownCommand({ kind })).toBe(known);
  });
});
