// What the state of an account or a market is made of: its hash tells any part of it from another, and no event is applied
// that does not follow.
import { describe, expect, it } from "vitest";
import {
  type AccountEvent,
  type AccountState,
  accountPeer,
  applyAccountEvent,
  emptyAccount,
  rulesOf,
} from "../../src/core/account/state.ts";
import { accountStateHash } from "../../src/core/account/state-hash.ts";
import {
  applyMarketEvent,
  emptyMarket,
  type MarketEvent,
  type MarketState,
  marketStateHash,
  peerOf,
  type ReportEvent,
} from "../../src/core/market/state.ts";
import { listed, NOON, sha256 } from "../support/book.ts";
import type { CoreWorld } from "../support/core-world.ts";
import { pair, placed, sol, usd } from "../support/pair.ts";

const SYMBOL = "SOL-USD";

/** Ann and bob have traded a part of their orders, at a market under its second rules. */
function busy(): CoreWorld {
  const world = pair();
  world.changeRules(SYMBOL, { takerFeeBps: 30 });
  placed(world, "ann", { qty: sol("3") });
  placed(world, "ann", { side: "sell", qty: sol("1"), limitPrice: usd("190") });
  placed(world, "bob", { side: "sell", qty: sol("1") });
  placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("191") });
  world.happen("ann", { kind: "session_revoked", sessionId: "phone", until: NOON + 600_000 });
  world.happen("ann", { kind: "session_revoked", sessionId: "laptop", until: NOON + 600_000 });
  const { positions, peers, rules } = world.customer("ann").state;
  const doge = listed("DOGE-USD");
  rules.set(doge.symbol, doge);
  positions.set(doge.symbol, { symbol: doge.symbol, qty: 0n, costBasis: 0n, realizedPnl: 1n });
  peers.set(doge.symbol, { epoch: 1, cseq: 4, acknowledged: 4, rseq: 5, pending: [] });
  return world;
}

function first<T>(values: Iterable<T>): T {
  for (const value of values) return value;
  throw new Error("there is none");
}

/** The same map, its entries the other way round. */
function turnRound<K, V>(map: Map<K, V>): void {
  const entries = [...map].reverse();
  map.clear();
  for (const [key, value] of entries) map.set(key, value);
}

describe("the hash of an account's state", () => {
  const hash = (state: AccountState) => accountStateHash(state, sha256);

  it.each<[string, (state: AccountState) => void]>([
    ["whose it is", (state) => (state.id = "bob")],
    ["its status", (state) => (state.status = "frozen")],
    ["its epoch", (state) => (state.epoch += 1)],
    ["whether it takes orders", (state) => (state.restoring = true)],
    ["its place in the stream", (state) => (state.seq += 1)],
    ["its time", (state) => (state.at += 1)],
    ["its ledger's last entry", (state) => (state.ledgerHead = "0".repeat(64))],
    ["since when its tokens count", (state) => (state.tokensValidFrom += 1)],
    ["commands to a market", (state) => (accountPeer(state, SYMBOL).cseq += 1)],
    ["reports of a market", (state) => (accountPeer(state, SYMBOL).rseq += 1)],
    ["a market that it deals with", (state) => state.peers.delete("DOGE-USD")],
    ["a balance", (state) => state.balances.set("held|USD", 1n)],
    ["an order", (state) => (first(state.orders.values()).hold += 1n)],
    ["a position", (state) => (first(state.positions.values()).costBasis += 1n)],
    ["the rules of a market", (state) => (first(state.rules.values()).version += 1)],
    ["a session that has ended", (state) => state.revokedSessions.delete("phone")],
    ["what its orders may bring in", (state) => state.credits.set("SOL", 1n)],
    ["what it has chosen for its own orders that meet", (state) => (state.selfTradePrevention = "decrement")],
  ])("tells apart %s", (_part, change) => {
    const { state } = busy().customer("ann");
    const before = hash(state);
    // Rules and orders are shared with what was said: they are changed here alone.
    const own = structuredClone(state);
    change(own);
    expect(hash(own)).not.toBe(before);
    expect(hash(state)).toBe(before);
  });

  it.each(["balances", "orders", "positions", "rules", "revokedSessions", "credits", "peers"] as const)(
    "does not tell in which order its %s came",
    (part) => {
      const { state } = busy().customer("ann");
      const before = hash(state);
      expect(state[part].size).toBeGreaterThan(1);
      turnRound<string, unknown>(state[part] as Map<string, unknown>);
      expect(hash(state)).toBe(before);
    },
  );

  it("does not tell an asset of which no order brings anything in from one of which none ever did", () => {
    const { state } = busy().customer("ann");
    const before = hash(state);
    state.credits.set("BTC", 0n);
    expect(hash(state)).toBe(before);
  });
});

describe("the hash of a market's state", () => {
  const hash = (state: MarketState) => marketStateHash(state, sha256);

  it.each<[string, (state: MarketState) => void]>([
    ["its place in the journal", (state) => (state.seq += 1)],
    ["its time", (state) => (state.at += 1)],
    ["its epoch", (state) => (state.epoch += 1)],
    ["whether it takes orders", (state) => (state.restoring = true)],
    ["its rules", (state) => (state.rules = { ...state.rules, version: 9 })],
    ["the second that it quotes for", (state) => (state.step -= 1)],
    ["its ledger's last entry", (state) => (state.ledgerHead = "0".repeat(64))],
    ["the price of its last trade", (state) => (state.lastPrice = 1n)],
    ["commands of an account", (state) => (peerOf(state, "ann").cseq += 1)],
    ["reports to an account", (state) => (peerOf(state, "ann").rseq += 1)],
    ["an account that deals there", (state) => state.peers.delete("bob")],
    ["an order", (state) => (first(state.orders.values()).budget += 1n)],
    ["an order that is open and does not rest", (state) => state.orders.delete(first(state.orders.keys()))],
    ["a balance", (state) => state.balances.set("fees|USD", 1n)],
    ["what stands in the book to buy", (state) => state.book.buy.prices.pop()],
    ["what stands in the book to sell", (state) => state.book.sell.prices.pop()],
  ])("tells apart %s", (_part, change) => {
    const { state } = busy().venue(SYMBOL);
    const before = hash(state);
    change(state);
    expect(hash(state)).not.toBe(before);
  });

  it.each(["orders", "peers", "balances"] as const)("does not tell in which order its %s came", (part) => {
    const { state } = busy().venue(SYMBOL);
    const before = hash(state);
    expect(state[part].size).toBeGreaterThan(1);
    turnRound<string, unknown>(state[part] as Map<string, unknown>);
    expect(hash(state)).toBe(before);
  });
});

describe("an account does not apply", () => {
  type Reported = AccountEvent & { kind: "report" };
  /** Place and time of the event that would be next. */
  type Head = Pick<AccountEvent, "first" | "seq" | "at">;
  const found = <K extends AccountEvent["kind"]>(world: CoreWorld, kind: K) =>
    first(world.accountEvents("ann").filter((event) => event.kind === kind)) as AccountEvent & { kind: K };
  const fill = (world: CoreWorld): Reported =>
    first(world.accountEvents("ann").flatMap((event) => (event.kind === "report" && event.fill ? [event] : [])));

  it.each<[string, (world: CoreWorld, head: Head) => AccountEvent, RegExp]>([
    [
      "an event that ends before it begins",
      (world, head) => ({ ...found(world, "session_revoked"), ...head, seq: head.first - 1 }),
      /account event \d+ after \d+/,
    ],
    [
      "an order that is open",
      (world, head) => ({ ...found(world, "order_accepted"), ...head }),
      /order ord_\d+ exists/,
    ],
    ["a report that it has applied", (world, head) => ({ ...fill(world), ...head }), /report 4 after 4 of SOL-USD/],
    [
      "a report of an order that has ended",
      (world, head) => ({ ...fill(world), ...head, rseq: 5, order: { ...fill(world).order, id: "ord_x" } }),
      /a report for ord_x, which is not open/,
    ],
    [
      "a fill that leaves an order as it was",
      (world, head) => {
        const { order } = fill(world);
        const other = first([...world.customer("ann").state.orders.values()].filter(({ id }) => id !== order.id));
        return { ...fill(world), ...head, rseq: 5, order: other };
      },
      /new to new/,
    ],
    [
      "a command that is not the next",
      (world, head) => ({
        ...found(world, "session_revoked"),
        ...{ kind: "cancel_requested", ...head, order: fill(world).order },
        command: { kind: "cancel", cseq: 9, orderId: "ord_x" },
      }),
      /command 9 after 3 for SOL-USD/,
    ],
  ])("%s", (_what, forge, message) => {
    const world = busy();
    const { state } = world.customer("ann");
    const event = forge(world, { first: state.seq + 1, seq: state.seq + 1, at: state.at });
    expect(() => applyAccountEvent(state, event)).toThrow(message);
  });

  it("anything about a market that is not listed", () => {
    expect(() => rulesOf(emptyAccount("ann", 1), "NIL-USD")).toThrow("market NIL-USD is not listed");
  });

  it("and begins active, in the epoch that it is given, with nothing", () => {
    expect(emptyAccount("ann", 3)).toMatchObject({ id: "ann", status: "active", epoch: 3, restoring: false, seq: 0 });
  });
});

describe("a market does not apply", () => {
  const reports = (world: CoreWorld): ReportEvent[] =>
    world.marketEvents(SYMBOL).flatMap((event) => (event.kind === "report" ? [event] : []));
  /** Ann's first order, as new; and her fill of it, numbered as the next report. */
  const opened = (world: CoreWorld) =>
    first(reports(world).filter(({ account, report }) => account === "ann" && report.execType === "new"));
  const filled = (world: CoreWorld): ReportEvent => {
    const event = first(reports(world).filter(({ account, report }) => account === "ann" && report.fill));
    return { ...event, entry: null, report: { ...event.report, rseq: 5 } };
  };
  const given = (event: ReportEvent, facts: Partial<ReportEvent["report"]>): ReportEvent => ({
    ...event,
    report: { ...event.report, ...facts },
  });

  it.each<[string, (world: CoreWorld) => MarketEvent, RegExp]>([
    ["a report that it has made", (world) => opened(world), /report 2 after 4 for ann/],
    ["an order that is open", (world) => given(opened(world), { rseq: 5 }), /order ord_\d+ is open already/],
    [
      "a new order without its terms",
      (world) => ({ ...given(opened(world), { rseq: 5 }), order: null }),
      /a new order comes with its terms/,
    ],
    [
      "an order that rests without a price",
      (world) => {
        const { order } = opened(world);
        return { ...given(opened(world), { rseq: 5 }), order: order && { ...order, id: "ord_x", price: null } };
      },
      /an order that rests has a price and a quantity/,
    ],
    [
      "an order that rests without a quantity",
      (world) => {
        const { order } = opened(world);
        return { ...given(opened(world), { rseq: 5 }), order: order && { ...order, id: "ord_x", leaves: null } };
      },
      /an order that rests has a price and a quantity/,
    ],
    [
      "a fill without a fill",
      (world) => given(filled(world), { fill: null }),
      /a fill of ord_\d+ without what it does/,
    ],
    ["a fill without its fee", (world) => ({ ...filled(world), feeNumerator: null }), /a fill of ord_\d+ without what/],
    ["a fill past the hold", (world) => ({ ...filled(world), budget: -1n }), /was filled past its budget/],
    [
      "a fill of a quote that the house does not have",
      (world) => ({ ...filled(world), house: { side: "sell", price: 1n } }),
      /the house's quote is gone/,
    ],
    [
      "quotes of a second for which it has quotes",
      (world) => {
        const { step } = world.venue(SYMBOL).state;
        return { ...opened(world), kind: "requote", step, reference: 1n, quotes: [] };
      },
      /step (\d+) after \1/,
    ],
  ])("%s", (_what, forge, message) => {
    const world = busy();
    const { state } = world.venue(SYMBOL);
    expect(() => applyMarketEvent(state, { ...forge(world), seq: state.seq + 1, at: state.at })).toThrow(message);
  });

  it("a fill of more than an order that does not rest has left", () => {
    const world = busy();
    const { state } = world.venue(SYMBOL);
    const order = state.orders.get(filled(world).report.orderId);
    if (order === undefined) throw new Error("ann's order is not open");
    state.resting.delete(order.id);
    const event = { ...filled(world), seq: state.seq + 1, at: state.at };
    const { fill } = event.report;
    const much = given(event, { fill: fill && { ...fill, qty: sol("2.0001") } });
    expect(() => applyMarketEvent(state, { ...much, seq: state.seq + 1 })).toThrow(/was overfilled/);
  });

  it("and begins with nothing, in the epoch that it is given", () => {
    const rules = listed(SYMBOL);
    expect(emptyMarket(rules, 3)).toMatchObject({ symbol: SYMBOL, rules, epoch: 3, restoring: false, seq: 0, step: 0 });
  });
});
