import { describe, expect, it } from "vitest";
import { decode, encode } from "../../src/core/codec.ts";
import { formatDecimal } from "../../src/core/decimal.ts";
import { houseQuotes } from "../../src/core/house.ts";
import { FILLS_PER_COMMAND_MAX } from "../../src/core/limits.ts";
import type { MarketStatus } from "../../src/core/listings.ts";
import { applyCommands } from "../../src/core/market/decide.ts";
import {
  applyMarketEvent,
  emptyMarket,
  type MarketEvent,
  type MarketState,
  marketStateHash,
} from "../../src/core/market/state.ts";
import type { Command } from "../../src/core/messages.ts";
import { referencePrice, STEP_MS } from "../../src/core/prices.ts";
import { Desk, deskWith, expectBook, listed, marketBalance, NOON, printBook, SEED, sha256 } from "../support/book.ts";

const RULES = listed("SOL-USD");

/** The house's best bid and ask at a moment, as text, `ticks` farther from the middle. */
function houseBest(atMs: number, ticks = 0): { bid: string; ask: string } {
  const quotes = houseQuotes(RULES, referencePrice(RULES, SEED, atMs));
  const price = (side: "buy" | "sell") => quotes.find((quote) => quote.side === side)?.price ?? 0n;
  const text = (units: bigint) => formatDecimal(units, RULES.quoteScale);
  const away = BigInt(ticks) * RULES.tickSize;
  return { bid: text(price("buy") - away), ask: text(price("sell") + away) };
}

/** The first moment after noon at which the house's best ask is at or below `ask`, and that best ask. */
function whenAskFallsTo(ask: number): number {
  for (let step = 1; step < 50_000; step += 1) {
    if (Number(houseBest(NOON + step * STEP_MS).ask) <= ask) return NOON + step * STEP_MS;
  }
  throw new Error("the path never gets there; choose another seed");
}

/** Likewise, at which the house's best bid is at or above `bid`. */
function whenBidRisesTo(bid: number): number {
  for (let step = 1; step < 50_000; step += 1) {
    if (Number(houseBest(NOON + step * STEP_MS).bid) >= bid) return NOON + step * STEP_MS;
  }
  throw new Error("the path never gets there; choose another seed");
}

function requotes(journal: readonly MarketEvent[]): number[] {
  return journal.flatMap((event) => (event.kind === "requote" ? [event.step] : []));
}

/** The market made again from its journal, as stored and read back. */
function replay(desk: Desk): MarketState {
  const replayed = emptyMarket(RULES, 1);
  for (const event of desk.journal) applyMarketEvent(replayed, decode<MarketEvent>(encode(event)));
  return replayed;
}

function withStatus(desk: Desk, status: MarketStatus): void {
  desk.turn((turn) => {
    const rules = { ...desk.rules, status, version: desk.rules.version + 1 };
    const event: MarketEvent = {
      kind: "rules",
      rules,
      seq: desk.state.seq + 1,
      v: 1,
      at: Math.max(desk.now, desk.state.at),
    };
    applyMarketEvent(desk.state, event);
    turn.events.push(event);
  });
}

describe("the house", () => {
  it("quotes ten levels a side at the first access", () => {
    const desk = new Desk();
    desk.advance();
    expect(printBook(desk.state.book, desk.rules)).toHaveLength(20);
    expect(requotes(desk.journal)).toEqual([NOON / STEP_MS]);
  });

  it("does not refill depth that was taken within the step, and does in the next", () => {
    const desk = new Desk();
    desk.advance();
    const { ask } = houseBest(NOON);
    const level = () =>
      formatDecimal(desk.state.book.sell.levels.get(desk.price(ask))?.total ?? 0n, desk.rules.baseScale);
    const whole = Number(level());
    expect(desk.send(`x1 buy 1 @ ${ask}`)[1]).toMatch(`x1 filled 1 @ ${ask}, taker`);
    desk.now += STEP_MS - 1;
    desk.advance();
    expect(Number(level())).toBeCloseTo(whole - 1, 6);
    expect(requotes(desk.journal)).toHaveLength(1);
    desk.now += 1;
    desk.advance();
    expect(requotes(desk.journal)).toHaveLength(2);
    const [quote] = houseQuotes(RULES, desk.reference).filter(({ side }) => side === "sell");
    expect(desk.state.book.sell.levels.get(quote?.price ?? 0n)?.total).toBe(quote?.qty);
  });

  it("trades in the market's own ledger: it gets what the customer pays less the fee, without a report", () => {
    const desk = new Desk();
    desk.advance();
    const { ask } = houseBest(NOON);
    const notional = desk.price(ask);
    const fee = (notional * 20n) / 10_000n;
    expect(desk.send(`x1 buy 1 @ ${ask}`)).toEqual([
      "x1 new",
      `x1 filled 1 @ ${ask}, taker, fee ${formatDecimal(fee, 6)}`,
    ]);
    expect(marketBalance(desk.state, "house", "USD")).toBe(notional);
    expect(marketBalance(desk.state, "house", "SOL")).toBe(-100_000_000n);
    expect(marketBalance(desk.state, "fees", "USD")).toBe(fee);
    expect(marketBalance(desk.state, "clearing", "USD")).toBe(-notional - fee);
    expect(marketBalance(desk.state, "clearing", "SOL")).toBe(100_000_000n);
    expect([...desk.state.peers.keys()]).toEqual(["x"]);
  });

  it("stands behind a customer's order at its price when that order was there before", () => {
    const desk = new Desk();
    const { ask } = houseBest(NOON);
    desk.send(`a1 sell 1 @ ${ask}`);
    desk.advance();
    expect(desk.send(`x1 buy 1 @ ${ask}`).at(-1)).toMatch(/^a1 filled 1/);
  });

  it("whose new quote meets a resting order trades with it at the resting price, as the taker", () => {
    const desk = new Desk();
    desk.advance();
    // Two customers' bids between the house's bid and ask; then the house's ask falls to the better one.
    const middle = (Number(houseBest(NOON).ask) - 0.05).toFixed(2);
    expect(desk.send(`a1 buy 2 @ ${middle}`)).toEqual(["a1 new"]);
    desk.now = whenAskFallsTo(Number(middle));
    const before = desk.journal.length;
    const notional = 2n * desk.price(middle);
    expect(desk.advance()).toEqual([`a1 filled 2 @ ${middle}, maker, fee ${formatDecimal(notional / 1_000n, 6)}`]);
    const [trade] = desk.journal.slice(before).flatMap((event) => (event.kind === "report" ? [event.trade] : []));
    expect(trade).toMatchObject({ side: "sell", price: desk.price(middle), qty: desk.qty("2") });
    expect(marketBalance(desk.state, "house", "SOL")).toBe(-desk.qty("2"));
    expect(marketBalance(desk.state, "house", "USD")).toBe(notional);
  });

  it.each([
    ["buy", houseBest(NOON).ask, "-2", "1"],
    ["sell", houseBest(NOON).bid, "2", "-1"],
  ] as const)("takes what rests at its price to %s, whole", (side, price, sol, sign) => {
    const desk = new Desk();
    desk.send(`a1 ${side} 2 @ ${price}`);
    expect(desk.advance()).toEqual([expect.stringContaining(`a1 filled 2 @ ${price}, maker`)]);
    expect(marketBalance(desk.state, "house", "SOL")).toBe(BigInt(sol) * desk.qty("1"));
    const worth = 2n * desk.price(price);
    const fee = worth / 1_000n;
    expect(marketBalance(desk.state, "house", "USD")).toBe(BigInt(sign) * worth);
    expect(marketBalance(desk.state, "clearing", "SOL")).toBe(-BigInt(sol) * desk.qty("1"));
    expect(marketBalance(desk.state, "clearing", "USD")).toBe(-BigInt(sign) * worth - fee);
    expect(marketBalance(desk.state, "fees", "USD")).toBe(fee);
  });

  it("fills the best resting order first, level by level, until its quotes no longer cross", () => {
    const { ask } = houseBest(NOON);
    const desk = new Desk();
    desk.sendAll([`a1 buy 1 @ ${ask}`, `b1 buy 2 @ ${houseBest(NOON, 4).ask}`, `c1 buy 5 @ ${houseBest(NOON, 2).ask}`]);
    expect(desk.advance().map((sentence) => sentence.split(",")[0])).toEqual([
      `b1 filled 2 @ ${houseBest(NOON, 4).ask}`,
      `c1 filled 5 @ ${houseBest(NOON, 2).ask}`,
      `a1 filled 1 @ ${ask}`,
    ]);
  });

  it("has a quote no longer when a resting order wants more than it has; the order keeps the rest", () => {
    const { ask } = houseBest(NOON);
    const desk = new Desk();
    desk.send(`a1 buy 500 @ ${ask}`);
    const [quote] = houseQuotes(RULES, desk.reference).filter(({ side }) => side === "sell");
    const size = quote?.qty ?? 0n;
    expect(desk.advance()[0]).toMatch(`a1 fill ${formatDecimal(size, RULES.baseScale)} @ ${ask}, maker`);
    expect(desk.state.book.sell.levels.has(desk.price(ask))).toBe(false);
    expect(desk.state.orders.get("a1")?.leaves).toBe(desk.qty("500") - size);
  });

  it("leaves no crossed book behind, however many orders it meets", () => {
    const { ask } = houseBest(NOON);
    const desk = new Desk();
    const count = FILLS_PER_COMMAND_MAX + 5;
    desk.sendAll(Array.from({ length: count }, (_, i) => `a${i} buy 0.01 @ ${ask}`));
    expect(desk.advance()).toHaveLength(count);
    expect(desk.state.orders.size).toBe(0);
  });

  it.each(["post_only", "cancel_only", "halted"] as const)(
    "withdraws its quotes and trades nothing while the market is %s",
    (status) => {
      const desk = new Desk();
      desk.advance();
      const middle = (Number(houseBest(NOON).ask) - 0.05).toFixed(2);
      desk.send(`a1 buy 2 @ ${middle}`);
      withStatus(desk, status);
      desk.now = whenAskFallsTo(Number(middle));
      expect(desk.advance()).toEqual([]);
      expectBook(desk, `a1:2 | ${middle} |`);
      expect(desk.send("x1 buy 1 @ 180")).toEqual([
        `x1 rejected: ${status === "post_only" ? "market_post_only" : "market_not_open"}`,
      ]);
      expect(desk.send("cancel a1")).toEqual(["a1 canceled: user"]);
    },
  );
});

describe("steps that passed while the market slept", () => {
  const desk = new Desk();
  desk.advance();
  const middle = (Number(houseBest(NOON).ask) - 0.05).toFixed(2);
  const crossing = whenAskFallsTo(Number(middle));

  it("are replayed in order: an order is filled at the step that met it, not at the price of now", () => {
    desk.send(`a1 buy 2 @ ${middle}`);
    desk.now = crossing + 40 * STEP_MS;
    expect(desk.advance().map((sentence) => sentence.split(",")[0])).toEqual([`a1 filled 2 @ ${middle}`]);
    expect(requotes(desk.journal)).toEqual([NOON / STEP_MS, crossing / STEP_MS, crossing / STEP_MS + 40]);
  });

  it("are replayed for what only asks, too", () => {
    const price = (Number(houseBest(NOON).bid) + 0.05).toFixed(2);
    const other = new Desk();
    other.advance();
    other.send(`a1 sell 2 @ ${price}`);
    const rising = whenBidRisesTo(Number(price));
    other.now = rising + 40 * STEP_MS;
    expect(other.advance().map((sentence) => sentence.split(",")[0])).toEqual([`a1 filled 2 @ ${price}`]);
    expect(requotes(other.journal)).toContain(rising / STEP_MS);
  });

  it("end for an order when it expires: before, it may be filled, after, it may not", () => {
    const expiringAt = (expiresAt: number) => {
      const other = new Desk();
      other.advance();
      other.send(`a1 buy 2 @ ${middle} gtd until:${expiresAt}`);
      other.now = crossing + 40 * STEP_MS;
      return other.advance().map((sentence) => sentence.split(",")[0]);
    };
    expect(expiringAt(crossing + 1)).toEqual([`a1 filled 2 @ ${middle}`]);
    expect(expiringAt(crossing)).toEqual(["a1 expired: gtd"]);
  });

  it("are all looked at, also the one at which another order expires", () => {
    const other = new Desk();
    other.advance();
    other.sendAll([`a1 buy 2 @ ${middle}`, `b1 buy 1 @ 170 gtd until:${crossing}`]);
    other.now = crossing + 40 * STEP_MS;
    expect(other.advance().map((sentence) => sentence.split(",")[0])).toEqual([
      "b1 expired: gtd",
      `a1 filled 2 @ ${middle}`,
    ]);
    expect(requotes(other.journal)).toContain(crossing / STEP_MS);
  });

  it("are skipped when nobody's order rests", () => {
    const other = new Desk();
    other.advance();
    // In eight hours the price moves across where the house quoted before; its own quotes are no reason to look.
    other.now += 28_800 * STEP_MS;
    other.advance();
    expect(requotes(other.journal)).toEqual([NOON / STEP_MS, NOON / STEP_MS + 28_800]);
  });
});

describe("expiry", () => {
  it("a gtd order lives until its time and not a millisecond longer, before anything is matched", () => {
    const desk = new Desk();
    desk.send(`a1 sell 1 @ 170 gtd until:${NOON + 500}`);
    desk.send("b1 sell 1 @ 190 day until:1");
    desk.state.step = Number.MAX_SAFE_INTEGER;
    expect(desk.advance()).toEqual(["b1 expired: day"]);
    desk.now = NOON + 499;
    expect(desk.advance()).toEqual([]);
    desk.now = NOON + 500;
    expect(desk.advance()).toEqual(["a1 expired: gtd"]);
    expect(desk.state.orders.size + desk.state.expiring.size).toBe(0);
  });
});

describe("a post-only order", () => {
  it.each(["buy", "sell"])("to %s rests where nobody else does: there is nothing that it could cross", (side) => {
    expect(new Desk().send(`x1 ${side} 1 @ 180 post_only`)).toEqual(["x1 new"]);
  });
});

describe("a submit is not judged, or is refused,", () => {
  it("when it was admitted under other rules: answered with those of now, and no order made", () => {
    const desk = deskWith("| 180.1 | c1:1");
    expect(desk.send("x1 buy 1 @ 180.1 rules:7")).toEqual(["x1 rules_changed"]);
    expect(desk.state.peers.get("x")?.unacknowledged[0]?.rules).toBe(desk.state.rules);
    expectBook(desk, "| 180.1 | c1:1");
  });

  it("when it comes after its time, by the market's clock, which never goes back", () => {
    const desk = deskWith("| 180.1 | c1:1");
    expect(desk.send(`x1 buy 1 @ 180.1 ioc not_after:${NOON - 1}`)).toEqual(["x1 rejected: submitted_too_late"]);
    expect(desk.send(`x2 buy 0.5 @ 180.1 ioc not_after:${NOON}`)[0]).toBe("x2 new");
    desk.now = NOON - 60_000;
    expect(desk.send(`x3 buy 0.5 @ 180.1 ioc not_after:${NOON - 1}`)).toEqual(["x3 rejected: submitted_too_late"]);
  });

  it.each([
    ["was applied before", 1],
    ["follows a gap", 3],
  ])("when it %s: it changes nothing", (_rule, cseq) => {
    const desk = deskWith("| 180.1 | c1:1");
    const hash = marketStateHash(desk.state, sha256);
    const cancel: Command = { kind: "cancel", cseq, orderId: "c1" };
    expect(desk.turn((turn) => applyCommands(turn, "c", [cancel]))).toEqual([]);
    expect(marketStateHash(desk.state, sha256)).toBe(hash);
    expect(desk.turn((turn) => applyCommands(turn, "c", [{ ...cancel, cseq: 2 }]))).toEqual(["c1 canceled: user"]);
  });
});

describe("the journal", () => {
  it("replayed into an empty market gives the same state, bit for bit, after a crossing, an expiry and a cancel", () => {
    const desk = new Desk();
    desk.advance();
    const { ask, bid } = houseBest(NOON);
    desk.sendAll([
      `a1 buy 2 @ ${(Number(ask) - 0.05).toFixed(2)}`,
      `b1 buy 3 @ ${ask}`,
      "c1 sell 1 market",
      `d1 buy 1 @ ${bid}`,
    ]);
    desk.send(`e1 sell 1 @ 195 gtd until:${NOON + 2_000}`);
    desk.send("cancel d1");
    desk.now = whenAskFallsTo(Number(ask) - 0.05) + 5_000;
    desk.advance();
    expect(marketStateHash(replay(desk), sha256)).toBe(marketStateHash(desk.state, sha256));
  });

  it("refuses an event that does not follow", () => {
    const desk = deskWith("| 180.1 | c1:1");
    const [event] = desk.journal;
    if (event === undefined) throw new Error("nothing was journalled");
    expect(() => applyMarketEvent(desk.state, event)).toThrow("market event 1 after 1");
    const skipping = { ...event, seq: 3 };
    expect(() => applyMarketEvent(desk.state, skipping)).toThrow("market event 3 after 1");
    expect(() => applyMarketEvent(desk.state, { ...event, seq: 2, at: NOON - 1 })).toThrow("market time went back");
  });

  it("refuses a fill that does not say what is left of the order's hold, or of an order that is not open", () => {
    const desk = deskWith("| 180.1 | c1:2");
    desk.send("x1 buy 1 @ 180.1");
    const fill = desk.journal.find(
      (event) => event.kind === "report" && event.report.orderId === "c1" && event.report.fill,
    );
    if (fill?.kind !== "report") throw new Error("c1 was not filled");
    const { seq, at, peers } = desk.state;
    const rseq = (peers.get("c")?.rseq ?? 0) + 1;
    const again = { ...fill, seq: seq + 1, at, report: { ...fill.report, rseq } };
    expect(() => applyMarketEvent(replay(desk), { ...again, budget: null })).toThrow(
      "a fill of c1 without what it does",
    );
    expect(() => applyMarketEvent(replay(desk), { ...again, report: { ...again.report, orderId: "x1" } })).toThrow(
      "a fill of x1, which is not open",
    );
  });

  it.each([
    ["| 180.1 | c1:1 e1:1", "| 180.1 | e1:1 c1:1"],
    ["c1:1 e1:1 | 180.1 |", "e1:1 c1:1 | 180.1 |"],
  ])("tells books apart that differ in nothing but who came first: %s, %s", (picture, other) => {
    const one = marketStateHash(deskWith(picture).state, sha256);
    expect(marketStateHash(deskWith(picture).state, sha256)).toBe(one);
    const swapped = deskWith(other).state;
    // All else is made equal, so that only the queue is left to tell.
    const reordered = deskWith(picture).state;
    for (const side of ["buy", "sell"] as const) {
      for (const level of reordered.book[side].levels.values()) level.orders = new Map([...level.orders].reverse());
    }
    expect(marketStateHash(reordered, sha256)).not.toBe(one);
    expect(marketStateHash(swapped, sha256)).not.toBe(one);
  });
});
