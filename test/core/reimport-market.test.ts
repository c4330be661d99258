// The rules of a market that was restored, one by one. What it gets back is in reimport.test.ts.
import { describe, expect, it } from "vitest";
import { applyReports } from "../../src/core/account/reports.ts";
import { marketBreaks } from "../../src/core/invariants.ts";
import { advance } from "../../src/core/market/advance.ts";
import { meetAccount, openMarket, reimport, wholeTrades } from "../../src/core/market/reimport.ts";
import {
  applyMarketEvent,
  type MarketEvent,
  type MarketState,
  marketStateHash,
  peerOf,
} from "../../src/core/market/state.ts";
import { emit } from "../../src/core/market/turn.ts";
import type { Told } from "../../src/core/messages.ts";
import { STEP_MS } from "../../src/core/prices.ts";
import { marketBalance, NOON, printBook, sha256 } from "../support/book.ts";
import { CoreWorld } from "../support/core-world.ts";
import { AT_MARKET, now, pair, placed, sol, usd, value } from "../support/pair.ts";
import { open, recover, restoreMarket, shake, toldByAccount } from "../support/restore.ts";

const SYMBOL = "SOL-USD";

function market(world: CoreWorld): MarketState {
  return world.venue(SYMBOL).state;
}

function stateHash(world: CoreWorld): string {
  return marketStateHash(market(world), sha256);
}

/** The book as a picture's rows, each order by its account. */
function book(world: CoreWorld): string[] {
  const { book: shown, rules, orders } = market(world);
  const names = [...orders.values()].map(({ id, account }): [string, string] => [id, account]);
  return printBook(shown, rules).map((row) =>
    names.reduce((text, [id, account]) => text.replace(`${id}:`, `${account}:`), row),
  );
}

/** Tells a market what an account knows; answers the events that it made of it. */
function tell(world: CoreWorld, id: string, told: readonly Told[]): MarketEvent[] {
  const before = world.marketEvents(SYMBOL).length;
  world.atMarket(SYMBOL, (turn) => reimport(turn, id, told));
  return world.marketEvents(SYMBOL).slice(before);
}

/** Gives an account some of what waits for it. */
function deliver(world: CoreWorld, id: string, count: number): void {
  const { unacknowledged } = peerOf(market(world), id);
  world.atAccount(id, (turn) => applyReports(turn, SYMBOL, unacknowledged.slice(0, count), () => undefined));
}

/** Bob bids 2 at 180; ann sells him one, at 180. */
function traded(): CoreWorld {
  const world = pair();
  placed(world, "bob", { qty: sol("2") });
  placed(world, "ann", { side: "sell", qty: sol("1") });
  return world;
}

describe("the next life of a market", () => {
  it("begins with a higher epoch, without the house, and owes nobody a report: the accounts say what they have", () => {
    const world = new CoreWorld(["ann"], [pair().venue(SYMBOL).opening]);
    world.transfer("ann", "deposit", "USD", usd("1000"));
    value(world.place("ann", { qty: sol("1"), limitPrice: usd("175") }));
    world.sendCommands("ann", SYMBOL);
    expect(book(world)).toHaveLength(21);
    restoreMarket(world, SYMBOL, world.marketEvents(SYMBOL).length);
    expect(market(world)).toMatchObject({ epoch: 2, restoring: true });
    expect(book(world)).toEqual(["ann:1 | 175 |"]);
    expect(peerOf(market(world), "ann")).toEqual({ cseq: 1, rseq: 1, unacknowledged: [] });
  });

  it.each([1, 0])("never with one that has been: %d after 1", (epoch) => {
    const world = pair();
    const begin = () =>
      world.atMarket(SYMBOL, (turn) => emit(turn, { kind: "restored", epoch, by: "usr_1", reason: "" }));
    expect(begin).toThrow(`epoch ${epoch} after 1`);
  });

  it("takes no order, ends none and quotes nothing until it opens; cancels it takes", () => {
    const world = new CoreWorld(["ann"], [pair().venue(SYMBOL).opening]);
    world.transfer("ann", "deposit", "USD", usd("1000"));
    const ending = placed(world, "ann", {
      qty: sol("1"),
      limitPrice: usd("175"),
      timeInForce: "gtd",
      expiresAt: NOON + 2_000,
    });
    const other = placed(world, "ann", { qty: sol("1"), limitPrice: usd("175") });
    restoreMarket(world, SYMBOL, world.marketEvents(SYMBOL).length);
    shake(world, "ann", SYMBOL);
    world.now = NOON + 5_000;
    world.atMarket(SYMBOL, advance);
    expect(book(world)).toEqual(["ann:1 ann:1 | 175 |"]);
    world.cancel("ann", now(world, "ann", other));
    const refused = placed(world, "ann", { qty: sol("1") });
    expect(now(world, "ann", refused)).toMatchObject({ status: "rejected", reason: "market_not_open" });
    expect(now(world, "ann", other)).toMatchObject({ status: "canceled", reason: "user" });
    expect(now(world, "ann", ending)).toMatchObject({ status: "new" });
    open(world);
    world.wakeAt(NOON + 5_000);
    world.settle();
    expect(now(world, "ann", ending)).toMatchObject({ status: "expired" });
  });

  it("is told apart by its hash: by its epoch, and by whether it takes orders", () => {
    const world = pair();
    const before = stateHash(world);
    market(world).epoch = 2;
    const other = stateHash(world);
    market(world).restoring = true;
    expect(new Set([before, other, stateHash(world)]).size).toBe(3);
  });

  it("is in the journal: replayed, it gives the same state", () => {
    const world = traded();
    restoreMarket(world, SYMBOL, 2);
    recover(world);
    const again = world.replayedMarket(SYMBOL);
    // The house was kept away by hand.
    again.step = market(world).step;
    expect(marketStateHash(again, sha256)).toBe(stateHash(world));
    expect(again).toMatchObject({ epoch: 2, restoring: false });
  });
});

describe("a snapshot is taken up to its last whole trade:", () => {
  const world = traded();
  const events = world.marketEvents(SYMBOL);

  it("a trade's first half, which posts both sides, is left out", () => {
    expect(events.map((event) => (event.kind === "report" ? event.report.execType : event.kind))).toEqual([
      ...["new", "new", "fill", "fill"],
    ]);
    const kept = [0, 1, 2, 3, 4].map((count) => wholeTrades(events.slice(0, count)).length);
    expect(kept).toEqual([0, 1, 2, 2, 4]);
    expect(wholeTrades(events.slice(0, 2))).toEqual(events.slice(0, 2));
    expect(wholeTrades(events.slice(0, 3))).toEqual(events.slice(0, 2));
  });

  it("a trade with the house is whole by itself, and so is what an account has told after another restore", () => {
    const half = events[2];
    if (half?.kind !== "report") throw new Error("nothing was filled");
    expect(wholeTrades([{ ...half, house: { side: "buy", price: 1n } }])).toHaveLength(1);
    expect(wholeTrades([{ ...half, retold: true }])).toHaveLength(1);
    expect(wholeTrades([{ seq: 1, v: 1, at: NOON, kind: "opened", step: 1, by: null, reason: "" }])).toHaveLength(1);
  });
});

describe("what an account tells again", () => {
  it("is a fact: nothing is matched, nobody is told, and the counter goes on from it", () => {
    const world = traded();
    restoreMarket(world, SYMBOL, 0);
    const events = tell(world, "bob", toldByAccount(world, "bob", SYMBOL));
    expect(events).toMatchObject([
      { kind: "report", retold: true, cseq: null, rests: true, report: { rseq: 1, execType: "new" } },
      { kind: "report", retold: true, house: null, rests: false, report: { rseq: 2, execType: "fill" } },
    ]);
    expect(book(world)).toEqual(["bob:1 | 180 |"]);
    expect(peerOf(market(world), "bob")).toEqual({ cseq: 0, rseq: 2, unacknowledged: [] });
    expect(marketBreaks(market(world))).toEqual([]);
  });

  it("keeps what its account alone knew, should that one be restored next", () => {
    const world = pair();
    placed(world, "ann", { qty: sol("1"), clientOrderId: "mine", postOnly: true });
    restoreMarket(world, SYMBOL, 0);
    const [event] = tell(world, "ann", toldByAccount(world, "ann", SYMBOL));
    const origin = { clientOrderId: "mine", bodyHash: "body", type: "limit", postOnly: true, createdAt: NOON };
    expect(event).toMatchObject({ origin: { ...origin, notional: null, credit: sol("1") } });
  });

  it("says of an order what its market knew, and of a trade when it was, whenever its account has heard of it", () => {
    const world = pair();
    const bid = value(world.place("bob", { qty: sol("2"), limitPrice: usd("180") }));
    world.sendCommands("bob", SYMBOL);
    world.now = NOON + 1_000;
    value(world.place("ann", { side: "sell", qty: sol("0.5"), limitPrice: usd("180") }));
    world.sendCommands("ann", SYMBOL);
    world.now = NOON + 7_000;
    world.settle();
    const [placedThen, filled] = toldByAccount(world, "bob", SYMBOL);
    expect(placedThen?.report).toMatchObject({ execType: "new", orderId: bid.id, reason: null, fill: null });
    // What an account keeps of a report without a fill is when it was applied.
    expect([placedThen?.report.at, filled?.report.at]).toEqual([NOON + 7_000, NOON + 1_000]);
    expect(filled?.order).toEqual({ ...market(world).orders.get(bid.id), seq: 0 });
    expect(filled?.order?.leaves).toBe(sol("1.5"));
    const asItWas = world.marketEvents(SYMBOL).flatMap((event) => (event.kind === "report" ? [event.report] : []));
    expect(filled?.report).toEqual(asItWas.find(({ fill, orderId }) => fill && orderId === bid.id));
  });

  it("is a trade against the house until the other side tells its own; then the house is even again", () => {
    const world = traded();
    const [trade] = world
      .marketEvents(SYMBOL)
      .flatMap((event) => ("trade" in event && event.trade ? [event.trade] : []));
    restoreMarket(world, SYMBOL, 0);
    const balances = () =>
      ["clearing", "house", "fees"].map((account) =>
        ["USD", "SOL"].map((asset) => marketBalance(market(world), account, asset)),
      );
    const [, first] = tell(world, "bob", toldByAccount(world, "bob", SYMBOL));
    expect(first).toMatchObject({ trade, entry: { kind: "trade", ref: trade?.id } });
    // He bought one at 180, at 10 bps as the maker.
    expect(balances()).toEqual([
      [-usd("180.18"), sol("1")],
      [usd("180"), -sol("1")],
      [usd("0.18"), 0n],
    ]);
    const events = tell(world, "ann", toldByAccount(world, "ann", SYMBOL));
    expect(balances()).toEqual([
      [-usd("0.54"), 0n],
      [0n, 0n],
      [usd("0.54"), 0n],
    ]);
    expect(events.at(-1)).toMatchObject({ trade, entry: { kind: "trade", ref: trade?.id } });
    expect(trade).toMatchObject({ side: "sell", price: usd("180"), qty: sol("1"), at: NOON });
    expect(market(world).lastPrice).toBe(usd("180"));
  });

  it("stays the house's when the other side never heard of it", () => {
    const world = pair();
    placed(world, "bob", { qty: sol("2") });
    value(world.place("ann", { side: "sell", qty: sol("1"), limitPrice: usd("180") }));
    world.sendCommands("ann", SYMBOL);
    world.sendReports("ann", SYMBOL);
    restoreMarket(world, SYMBOL, 1);
    recover(world);
    expect(marketBalance(market(world), "house", "SOL")).toBe(sol("1"));
    expect(marketBalance(market(world), "house", "USD")).toBe(-usd("180"));
    expect(book(world)).toEqual(["bob:2 | 180 |"]);
    expect(world.breaks(true)).toEqual([]);
  });

  it("is taken once: what is told again, and what comes after a gap, changes nothing", () => {
    const world = traded();
    restoreMarket(world, SYMBOL, 0);
    const told = toldByAccount(world, "bob", SYMBOL);
    expect(tell(world, "bob", told.slice(1))).toEqual([]);
    expect(tell(world, "bob", told.slice(0, 1))).toHaveLength(1);
    expect(tell(world, "bob", told)).toHaveLength(1);
    const hash = stateHash(world);
    expect(tell(world, "bob", told)).toEqual([]);
    expect(stateHash(world)).toBe(hash);
  });

  it("stands in the book in the order of handshakes", () => {
    const world = pair();
    placed(world, "ann", { qty: sol("1") });
    placed(world, "bob", { qty: sol("2") });
    expect(book(world)).toEqual(["ann:1 bob:2 | 180 |"]);
    restoreMarket(world, SYMBOL, 0);
    for (const id of ["bob", "ann"]) shake(world, id, SYMBOL);
    open(world);
    expect(book(world)).toEqual(["bob:2 ann:1 | 180 |"]);
  });

  it.each<[string, (told: Told) => Told, RegExp]>([
    [
      "an order of somebody else",
      (told) => ({ ...told, order: told.order && { ...told.order, account: "eve" } }),
      /order ord_\d+ is of eve, not of bob/,
    ],
    ["a new order without its terms", (told) => ({ ...told, order: null }), /a new order comes with its terms/],
    [
      "a fill that does not say what was filled",
      (told) => ({ ...told, report: { ...told.report, execType: "fill" } }),
      /a fill report comes with its fill/,
    ],
    [
      "the end of an order of which nobody has heard",
      (told) => ({ ...told, order: null, report: { ...told.report, execType: "canceled" } }),
      /order ord_\d+ is not open/,
    ],
  ])("cannot be %s: nothing is kept", (_what, forge, message) => {
    const world = traded();
    const told = toldByAccount(world, "bob", SYMBOL).slice(0, 1).map(forge);
    restoreMarket(world, SYMBOL, 0);
    expect(() => tell(world, "bob", told)).toThrow(message);
    expect(world.marketEvents(SYMBOL).at(-1)).toMatchObject({ kind: "restored" });
  });
});

describe("when hands are shaken", () => {
  it.each([
    ["what the account has asked for", 5, 5],
    ["what the market has applied", 1, 2],
  ])("commands up to the higher count are done with: %s", (_whose, cseq, done) => {
    const world = pair();
    placed(world, "ann", { qty: sol("1") });
    placed(world, "ann", { qty: sol("1") });
    world.atMarket(SYMBOL, (turn) => meetAccount(turn, "ann", 3, cseq));
    expect(peerOf(market(world), "ann").cseq).toBe(done);
    expect(world.marketEvents(SYMBOL).at(-1)).toMatchObject({ kind: "met", account: "ann", epoch: 3, cseq: done });
  });
});

describe("a market that opens again", () => {
  /** A bid of bob and an ask of ann, which crossed; the trade is known to nobody. */
  function crossed(bobFirst: boolean, ask = "180"): CoreWorld {
    const world = pair();
    const bid = () => world.place("bob", { qty: sol("2"), limitPrice: usd("180") });
    const sell = () => world.place("ann", { side: "sell", qty: sol("1"), limitPrice: usd(ask) });
    const [first, second] = bobFirst ? (["bob", "ann"] as const) : (["ann", "bob"] as const);
    for (const id of [first, second]) {
      value(id === "bob" ? bid() : sell());
      world.sendCommands(id, SYMBOL);
      deliver(world, id, 1);
    }
    restoreMarket(world, SYMBOL, 0);
    for (const id of [first, second]) shake(world, id, SYMBOL);
    return world;
  }

  it.each([
    ["the ask, when the bid came first", true, "180", ["bob:2 | 180 |"], "ann"],
    ["the ask, when it is below a bid that came first", true, "179", ["bob:2 | 180 |"], "ann"],
    ["the bid, when the ask came first", false, "180", ["| 180 | ann:1"], "bob"],
  ])("cancels the later of two orders that cross: %s", (_which, bobFirst, ask, left, loser) => {
    const world = crossed(bobFirst, ask);
    open(world);
    expect(book(world)).toEqual(left);
    world.settle();
    const [order] = world.customer(loser).orders.values();
    expect(order).toMatchObject({ status: "canceled", reason: "market_restored", hold: 0n, filledQty: 0n });
    expect(world.breaks(true)).toEqual([]);
  });

  it("cancels all that crosses and nothing else", () => {
    const world = pair();
    const bids = ["180", "179.9", "179.8"].map((price) =>
      placed(world, "bob", { qty: sol("1"), limitPrice: usd(price) }),
    );
    value(world.place("ann", { side: "sell", qty: sol("3"), limitPrice: usd("179.85") }));
    world.sendCommands("ann", SYMBOL);
    deliver(world, "ann", 1);
    restoreMarket(world, SYMBOL, 0);
    // Ann's comes first this time: two of his cross it, and are later.
    for (const id of ["ann", "bob"]) shake(world, id, SYMBOL);
    open(world);
    world.settle();
    expect(bids.map((order) => now(world, "bob", order).status)).toEqual(["canceled", "canceled", "new"]);
    expect(book(world)).toEqual(["| 179.85 | ann:3", "bob:1 | 179.8 |"]);
  });

  it.each(["ioc", "fok"] as const)(
    "ends an order that was never to rest, of whose end nobody knows: %s",
    (timeInForce) => {
      const world = pair();
      placed(world, "bob", { qty: sol("2") });
      const order = value(world.place("ann", { side: "sell", qty: sol("1"), limitPrice: usd("180"), timeInForce }));
      world.sendCommands("ann", SYMBOL);
      deliver(world, "ann", 1);
      restoreMarket(world, SYMBOL, 1);
      shake(world, "ann", SYMBOL);
      shake(world, "bob", SYMBOL);
      // It is not in the book, where somebody else could meet it.
      expect(book(world)).toEqual(["bob:2 | 180 |"]);
      open(world);
      world.settle();
      expect(now(world, "ann", order)).toMatchObject({ status: "canceled", reason: "market_restored" });
      expect(book(world)).toEqual(["bob:2 | 180 |"]);
      expect(world.breaks(true)).toEqual([]);
    },
  );

  it("ends a market order likewise", () => {
    const world = pair();
    placed(world, "bob", { qty: sol("2") });
    const order = value(world.place("ann", { ...AT_MARKET, side: "sell", qty: sol("1") }));
    world.sendCommands("ann", SYMBOL);
    restoreMarket(world, SYMBOL, 2);
    recover(world);
    expect(now(world, "ann", order)).toMatchObject({ status: "canceled", reason: "market_restored" });
    expect(world.breaks(true)).toEqual([]);
  });

  it("says who opened it and why", () => {
    const world = traded();
    restoreMarket(world, SYMBOL, 0);
    world.atMarket(SYMBOL, (turn) => openMarket(turn, "usr_operator", "they cannot wait"));
    expect(world.marketEvents(SYMBOL).at(-1)).toMatchObject({
      kind: "opened",
      by: "usr_operator",
      reason: "they cannot wait",
    });
    expect(market(world).restoring).toBe(false);
  });

  it("has the house go on from the second after: it does not trade for the time in which nobody could cancel", () => {
    const world = new CoreWorld(["ann"], [pair().venue(SYMBOL).opening]);
    world.transfer("ann", "deposit", "USD", usd("1000"));
    placed(world, "ann", { qty: sol("1"), limitPrice: usd("179.5") });
    const { length } = world.marketEvents(SYMBOL);
    restoreMarket(world, SYMBOL, length);
    world.now = NOON + 3_600 * STEP_MS + 1;
    recover(world);
    expect(market(world).step).toBe(NOON / STEP_MS + 3_600);
    world.wake(SYMBOL);
    expect(world.marketEvents(SYMBOL).some((event) => event.kind === "requote" && event.step > NOON / STEP_MS)).toBe(
      false,
    );
    world.wakeAt(world.now + STEP_MS);
    expect(world.marketEvents(SYMBOL).at(-1)).toMatchObject({ kind: "requote", step: NOON / STEP_MS + 3_601 });
  });

  it("never goes back: not behind the quotes of its snapshot, nor behind its own time", () => {
    const world = new CoreWorld(["ann"], [pair().venue(SYMBOL).opening]);
    world.wake(SYMBOL);
    restoreMarket(world, SYMBOL, 1);
    world.now = NOON - 60_000;
    recover(world);
    expect(market(world)).toMatchObject({ step: NOON / STEP_MS, at: NOON });
    const unquoted = traded();
    restoreMarket(unquoted, SYMBOL, 4);
    market(unquoted).step = 0;
    unquoted.now = NOON - 60_000;
    open(unquoted);
    expect(market(unquoted).step).toBe(NOON / STEP_MS);
  });
});

describe("an event of a restore that does not follow is refused:", () => {
  it("an order, told as new, that is open", () => {
    const world = traded();
    const [told] = toldByAccount(world, "bob", SYMBOL);
    const { rseq } = peerOf(market(world), "bob");
    if (told === undefined) throw new Error("bob has nothing to tell");
    const again = { ...told, report: { ...told.report, rseq: rseq + 1 } };
    expect(() => tell(world, "bob", [again])).toThrow(/order ord_\d+ is open already/);
  });

  it("the end of an order that has ended", () => {
    const world = traded();
    const event = world.marketEvents(SYMBOL).find((one) => one.kind === "report" && one.account === "ann");
    if (event?.kind !== "report") throw new Error("ann was told nothing");
    const { seq, at, peers } = market(world);
    const rseq = (peers.get("ann")?.rseq ?? 0) + 1;
    const ended = { ...event, seq: seq + 1, at, report: { ...event.report, rseq, execType: "canceled" as const } };
    expect(() => applyMarketEvent(market(world), ended)).toThrow(/order ord_\d+ is not open/);
  });
});
