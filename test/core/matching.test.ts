import { describe, expect, it } from "vitest";
import type { BookOrder } from "../../src/core/book.ts";
import { formatDecimal } from "../../src/core/decimal.ts";
import { FILLS_PER_COMMAND_MAX } from "../../src/core/limits.ts";
import { isFill, planMatch } from "../../src/core/matching.ts";
import { InvariantError } from "../../src/core/result.ts";
import { Desk, deskWith, expectBook, listed, marketBalance, NOON } from "../support/book.ts";

// SOL-USD: a tick is 0.01 USD, a lot 0.0001 SOL, maker 10 bps, taker 20 bps. The band is 10 % around about 180.
const TWO_SIDES = `
  bids       | price | asks
             | 180.2 | d1:1
             | 180.1 | c1:3 e1:2
  a1:2 b1:1  | 179.9 |
  a2:5       | 179.8 |
`;

describe("price, then time, at the maker's price", () => {
  it("orders of a level wait in the order in which they came", () => {
    const desk = deskWith(TWO_SIDES);
    expectBook(desk, TWO_SIDES);
    desk.send("f1 buy 1 @ 179.9");
    expectBook(
      desk,
      `
                        | 180.2 | d1:1
                        | 180.1 | c1:3 e1:2
        a1:2 b1:1 f1:1  | 179.9 |
        a2:5            | 179.8 |
      `,
    );
  });

  it("a buy meets the lowest ask, there the first to come, and pays that ask's price, not its own", () => {
    const desk = deskWith(TWO_SIDES);
    expect(desk.send("x1 buy 3 @ 180.2")).toEqual([
      "x1 new",
      "x1 filled 3 @ 180.1, taker, fee 1.0806",
      "c1 filled 3 @ 180.1, maker, fee 0.5403",
    ]);
    expectBook(
      desk,
      `
                   | 180.2 | d1:1
                   | 180.1 | e1:2
        a1:2 b1:1  | 179.9 |
        a2:5       | 179.8 |
      `,
    );
  });

  it("a sell meets the highest bid first and gets that bid's price", () => {
    const desk = deskWith(TWO_SIDES);
    expect(desk.send("x1 sell 2 @ 179")).toEqual([
      "x1 new",
      "x1 filled 2 @ 179.9, taker, fee 0.7196",
      "a1 filled 2 @ 179.9, maker, fee 0.3598",
    ]);
  });

  it("an order that takes part of a maker leaves the rest where it was in the queue", () => {
    const desk = deskWith(TWO_SIDES);
    expect(desk.send("x1 buy 1 @ 180.1")).toEqual([
      "x1 new",
      "x1 filled 1 @ 180.1, taker, fee 0.3602",
      "c1 fill 1 @ 180.1, maker, fee 0.1801",
    ]);
    expectBook(
      desk,
      `
                   | 180.2 | d1:1
                   | 180.1 | c1:2 e1:2
        a1:2 b1:1  | 179.9 |
        a2:5       | 179.8 |
      `,
    );
  });

  it.each(["x1 buy 1 @ 190", "x1 buy 1 market"])(
    "(%s) an order takes what it asked for, however much more its hold would buy",
    (sentence) => {
      const desk = deskWith(TWO_SIDES);
      expect(desk.send(sentence)).toEqual([
        "x1 new",
        "x1 filled 1 @ 180.1, taker, fee 0.3602",
        "c1 fill 1 @ 180.1, maker, fee 0.1801",
      ]);
    },
  );

  it("a sweep goes level by level, and what no price accepts rests at the order's own", () => {
    const desk = deskWith(TWO_SIDES);
    expect(desk.send("x1 buy 7 @ 180.2")).toEqual([
      "x1 new",
      "x1 fill 3 @ 180.1, taker, fee 1.0806",
      "c1 filled 3 @ 180.1, maker, fee 0.5403",
      "x1 fill 2 @ 180.1, taker, fee 0.7204",
      "e1 filled 2 @ 180.1, maker, fee 0.3602",
      "x1 fill 1 @ 180.2, taker, fee 0.3604",
      "d1 filled 1 @ 180.2, maker, fee 0.1802",
    ]);
    expectBook(
      desk,
      `
        x1:1       | 180.2 |
        a1:2 b1:1  | 179.9 |
        a2:5       | 179.8 |
      `,
    );
  });

  it("a limit that nobody accepts trades nothing", () => {
    const desk = deskWith(TWO_SIDES);
    expect(desk.send("x1 buy 1 @ 180.09")).toEqual(["x1 new"]);
    expect(desk.send("y1 sell 1 @ 180.1")).toEqual(["y1 new"]);
  });

  it("a canceled order is gone at once; the one behind it moves up", () => {
    const desk = deskWith(TWO_SIDES);
    expect(desk.send("cancel c1")).toEqual(["c1 canceled: user"]);
    expect(desk.send("x1 buy 1 @ 180.1")[1]).toBe("x1 filled 1 @ 180.1, taker, fee 0.3602");
    expectBook(
      desk,
      `
                   | 180.2 | d1:1
                   | 180.1 | e1:1
        a1:2 b1:1  | 179.9 |
        a2:5       | 179.8 |
      `,
    );
  });

  it("nobody cancels another's order, nor one that is gone", () => {
    const desk = deskWith(TWO_SIDES);
    desk.send("x1 buy 3 @ 180.1");
    expect(desk.send("cancel c1")).toEqual(["c1 cancel_rejected: order_not_open"]);
    expect(desk.send("cancel z9")).toEqual(["z9 cancel_rejected: order_not_open"]);
  });
});

describe("how long an order may wait", () => {
  it.each([
    ["post-only that would not trade rests", "x1 buy 1 @ 180.09 post_only", ["x1 new"]],
    [
      "post-only that would trade is refused, also at the very price",
      "x1 buy 1 @ 180.1 post_only",
      ["x1 rejected: post_only_would_cross"],
    ],
    ["post-only on the sell side likewise", "x1 sell 1 @ 179.9 post_only", ["x1 rejected: post_only_would_cross"]],
    [
      "ioc takes what there is and loses the rest",
      "x1 buy 6 @ 180.1 ioc",
      [
        "x1 new",
        "x1 fill 3 @ 180.1, taker, fee 1.0806",
        "c1 filled 3 @ 180.1, maker, fee 0.5403",
        "x1 fill 2 @ 180.1, taker, fee 0.7204",
        "e1 filled 2 @ 180.1, maker, fee 0.3602",
        "x1 canceled: ioc",
      ],
    ],
    ["ioc with nothing to take is canceled, not refused", "x1 buy 6 @ 180 ioc", ["x1 new", "x1 canceled: ioc"]],
    ["fok that fails by one lot trades nothing", "x1 buy 5.0001 @ 180.1 fok", ["x1 rejected: fok_not_fillable"]],
    [
      "fok that just fits is filled whole",
      "x1 buy 6 @ 180.2 fok",
      [
        "x1 new",
        "x1 fill 3 @ 180.1, taker, fee 1.0806",
        "c1 filled 3 @ 180.1, maker, fee 0.5403",
        "x1 fill 2 @ 180.1, taker, fee 0.7204",
        "e1 filled 2 @ 180.1, maker, fee 0.3602",
        "x1 filled 1 @ 180.2, taker, fee 0.3604",
        "d1 filled 1 @ 180.2, maker, fee 0.1802",
      ],
    ],
  ])("%s", (_rule, sentence, reports) => {
    expect(deskWith(TWO_SIDES).send(sentence)).toEqual(reports);
  });

  it("a refused order leaves the book as it was", () => {
    const desk = deskWith(TWO_SIDES);
    desk.send("x1 buy 1 @ 180.2 post_only");
    desk.send("x2 sell 9 @ 179.8 fok");
    expectBook(desk, TWO_SIDES);
  });
});

describe("an order never meets its owner's", () => {
  it("cancel_newest: the incoming order keeps what it got before and loses the rest", () => {
    const desk = deskWith(TWO_SIDES);
    expect(desk.send("e2 buy 4 @ 180.2")).toEqual([
      "e2 new",
      "e2 fill 3 @ 180.1, taker, fee 1.0806",
      "c1 filled 3 @ 180.1, maker, fee 0.5403",
      "e2 canceled: self_trade_prevention",
    ]);
    expectBook(
      desk,
      `
                   | 180.2 | d1:1
                   | 180.1 | e1:2
        a1:2 b1:1  | 179.9 |
        a2:5       | 179.8 |
      `,
    );
  });

  it("cancel_newest does not matter when others fill the order first", () => {
    expect(deskWith(TWO_SIDES).send("e2 buy 3 @ 180.2")[1]).toBe("e2 filled 3 @ 180.1, taker, fee 1.0806");
  });

  it("a fok that would meet its owner's order is not fillable", () => {
    expect(deskWith(TWO_SIDES).send("e2 buy 4 @ 180.1 fok")).toEqual(["e2 rejected: fok_not_fillable"]);
  });

  it("cancel_oldest: those that rest make room, and it goes on to the others", () => {
    const desk = deskWith(TWO_SIDES);
    expect(desk.send("e2 buy 6 @ 180.2 stp:cancel_oldest")).toEqual([
      "e2 new",
      "e2 fill 3 @ 180.1, taker, fee 1.0806",
      "c1 filled 3 @ 180.1, maker, fee 0.5403",
      "e1 canceled: self_trade_prevention",
      "e2 fill 1 @ 180.2, taker, fee 0.3604",
      "d1 filled 1 @ 180.2, maker, fee 0.1802",
    ]);
    expectBook(desk, "e2:2 | 180.2 |\na1:2 b1:1 | 179.9 |\na2:5 | 179.8 |");
  });

  it("cancel_both: neither is left", () => {
    const desk = deskWith(TWO_SIDES);
    expect(desk.send("e2 buy 6 @ 180.2 stp:cancel_both").slice(-2)).toEqual([
      "e1 canceled: self_trade_prevention",
      "e2 canceled: self_trade_prevention",
    ]);
    expectBook(desk, "| 180.2 | d1:1\na1:2 b1:1 | 179.9 |\na2:5 | 179.8 |");
  });

  it.each([
    [
      "more",
      "e2 buy 6 @ 180.2",
      [
        "e1 canceled: self_trade_prevention",
        "e2 replaced: self_trade_prevention",
        "e2 filled 1 @ 180.2",
        "d1 filled 1 @ 180.2",
      ],
    ],
    ["as much", "e2 buy 5 @ 180.2", ["e1 canceled: self_trade_prevention", "e2 canceled: self_trade_prevention"]],
    ["less", "e2 buy 4 @ 180.2", ["e1 replaced: self_trade_prevention", "e2 canceled: self_trade_prevention"]],
  ])("decrement: both lose what they would have traded, the one with nothing left ends: %s", (_, sentence, said) => {
    const desk = deskWith(TWO_SIDES);
    const all = desk.send(`${sentence} stp:decrement`).map((one) => one.split(",")[0]);
    expect(all.slice(3)).toEqual(said);
  });

  it.each([
    ["cancel_newest", "6", [["e2", "canceled", "2"]]],
    ["cancel_oldest", "6", [["e1", "canceled", "2"]]],
    ["cancel_both", "6", [["e1", "canceled", "2"]]],
    ["cancel_both", "4", [["e1", "canceled", "1"]]],
    ["decrement", "6", [["e1", "canceled", "2"]]],
    ["decrement", "4", [["e1", "replaced", "1"]]],
    ["none", "6", []],
  ] as const)("%s: with %s wanted, what would have traded is recorded once: %j", (mode, qty, recorded) => {
    const desk = deskWith(TWO_SIDES);
    desk.send(`e2 buy ${qty} @ 180.2 stp:${mode}`);
    const reports = desk.journal.flatMap((event) => (event.kind === "report" ? [event.report] : []));
    const found = reports.filter(({ prevented }) => prevented !== undefined);
    expect(found.map(({ orderId, execType, prevented }) => [orderId, execType, prevented])).toEqual(
      recorded.map(([orderId, execType, lost]) => [
        orderId,
        execType,
        {
          ...{ id: expect.stringMatching(/^pvm_/), takerOrderId: "e2", makerOrderId: "e1", side: "buy" },
          ...{ price: desk.price("180.1"), qty: desk.qty(lost), selfTradePrevention: mode },
        },
      ]),
    );
  });

  it("decrement: an order by notional has no quantity to lose, and is canceled", () => {
    const desk = deskWith(TWO_SIDES);
    expect(desk.send("e2 buy $2000 market stp:decrement").at(-1)).toBe("e2 canceled: self_trade_prevention");
    expect(desk.state.orders.has("e1")).toBe(true);
  });

  it("decrement: what is left of the one that rests keeps its place and its exact budget", () => {
    const desk = deskWith("e1:5 b1:1 | 179.9 |");
    expect(desk.send("e2 sell 2 @ 179.9 stp:decrement")).toEqual([
      "e2 new",
      "e1 replaced: self_trade_prevention",
      "e2 canceled: self_trade_prevention",
    ]);
    expectBook(desk, "e1:3 b1:1 | 179.9 |");
  });

  it("with none it trades with itself, and pays both fees", () => {
    expect(deskWith(TWO_SIDES).send("c2 buy 1 @ 180.1 stp:none")).toEqual([
      "c2 new",
      "c2 filled 1 @ 180.1, taker, fee 0.3602",
      "c1 fill 1 @ 180.1, maker, fee 0.1801",
    ]);
  });
});

describe("a market order", () => {
  it("by quantity takes the best prices and never rests", () => {
    const desk = deskWith(TWO_SIDES);
    expect(desk.send("x1 sell 9 market")).toEqual([
      "x1 new",
      "x1 fill 2 @ 179.9, taker, fee 0.7196",
      "a1 filled 2 @ 179.9, maker, fee 0.3598",
      "x1 fill 1 @ 179.9, taker, fee 0.3598",
      "b1 filled 1 @ 179.9, maker, fee 0.1799",
      "x1 fill 5 @ 179.8, taker, fee 1.798",
      "a2 filled 5 @ 179.8, maker, fee 0.899",
      "x1 canceled: no_liquidity",
    ]);
    expect(desk.state.orders.has("x1")).toBe(false);
  });

  it.each(["gtc", "gtd", "day"])("never rests, even if it says %s", (timeInForce) => {
    const desk = deskWith("| 180.1 | c1:1");
    expect(desk.send(`x1 buy 2 market ${timeInForce}`).at(-1)).toBe("x1 canceled: no_liquidity");
    expectBook(desk, "");
    expect(desk.state.orders.size).toBe(0);
  });

  it("in an empty market is canceled, not refused", () => {
    expect(new Desk().send("x1 buy 1 market")).toEqual(["x1 new", "x1 canceled: no_liquidity"]);
  });

  it("trades at the band's edge and not a tick beyond", () => {
    const desk = new Desk();
    const { high, low } = bandEdges(desk);
    desk.send(`a1 sell 1 @ ${high.edge}`);
    desk.send(`a2 sell 1 @ ${high.beyond}`);
    desk.send(`b1 buy 1 @ ${low.edge}`);
    desk.send(`b2 buy 1 @ ${low.beyond}`);
    expect(desk.send("x1 buy 2 market")).toMatchObject(
      ["x1 new", /fill 1 @/, /filled 1/, "x1 canceled: price_band"].map(match),
    );
    expect(desk.send("x2 sell 2 market")).toMatchObject(
      ["x2 new", /fill 1 @/, /filled 1/, "x2 canceled: price_band"].map(match),
    );
    expect(desk.send("x3 buy 1 market fok")).toEqual(["x3 rejected: fok_not_fillable"]);
  });

  it("by notional spends fee included, floors to the lot, and is done when it buys no further lot", () => {
    // 3 SOL cost 540.3 and a fee of 1.0806. What is left of 541.39 is less than a cent, and a lot costs almost two.
    expect(deskWith(TWO_SIDES).send("x1 buy $541.39 market")).toEqual([
      "x1 new",
      "x1 filled 3 @ 180.1, taker, fee 1.0806",
      "c1 filled 3 @ 180.1, maker, fee 0.5403",
    ]);
  });

  it("by notional pays the last unit that it may, and not one more", () => {
    expect(deskWith(TWO_SIDES).send("x1 buy $541.3806 market")[1]).toBe("x1 filled 3 @ 180.1, taker, fee 1.0806");
    expect(deskWith(TWO_SIDES).send("x1 buy $541.380599 market")[1]).toBe(
      "x1 filled 2.9999 @ 180.1, taker, fee 1.080564",
    );
  });

  it("by notional with money left and no more orders is canceled for the rest", () => {
    const desk = deskWith("| 180.1 | c1:1");
    expect(desk.send("x1 buy $500 market")).toEqual([
      "x1 new",
      "x1 fill 1 @ 180.1, taker, fee 0.3602",
      "c1 filled 1 @ 180.1, maker, fee 0.1801",
      "x1 canceled: no_liquidity",
    ]);
  });

  it("by notional that buys not even one lot is canceled", () => {
    expect(deskWith(TWO_SIDES).send("x1 buy $0.018 market")).toEqual(["x1 new", "x1 canceled: hold_exhausted"]);
  });

  it("by quantity is never filled past what is held for it", () => {
    expect(deskWith(TWO_SIDES).send("x1 buy 3 market budget:360")).toEqual([
      "x1 new",
      "x1 fill 1.9948 @ 180.1, taker, fee 0.718527",
      "c1 fill 1.9948 @ 180.1, maker, fee 0.359264",
      "x1 canceled: hold_exhausted",
    ]);
  });

  it("whose hold ends exactly with a level is exhausted at the next", () => {
    expect(deskWith(TWO_SIDES).send("x1 buy 6 market budget:902.301")).toEqual([
      "x1 new",
      "x1 fill 3 @ 180.1, taker, fee 1.0806",
      "c1 filled 3 @ 180.1, maker, fee 0.5403",
      "x1 fill 2 @ 180.1, taker, fee 0.7204",
      "e1 filled 2 @ 180.1, maker, fee 0.3602",
      "x1 canceled: hold_exhausted",
    ]);
  });
});

describe("a plan", () => {
  const desk = deskWith(TWO_SIDES);
  const [ask] = desk.state.book.sell.levels.get(desk.price("180.2"))?.orders.values() ?? [];
  if (ask === undefined) throw new Error("d1 does not rest");
  const plan = (qty: string, budget: string) => {
    const taker: BookOrder = {
      ...ask,
      id: "x1",
      account: "x",
      side: "buy",
      leaves: desk.qty(qty),
      budget: desk.price(budget),
    };
    const { meetings, ...outcome } = planMatch(desk.state.book, taker, desk.price("180.2"), desk.rules);
    return { makers: meetings.filter(isFill).map(({ maker }) => maker.id), ...outcome };
  };

  it.each([
    ["the order has got all that it may get", "5", "1000", { makers: ["c1", "e1"], complete: true, end: null }],
    ["no price is left that it accepts", "7", "2000", { makers: ["c1", "e1", "d1"], complete: false, end: null }],
    ["its hold buys no more", "5", "600", { makers: ["c1", "e1"], complete: false, end: "hold_exhausted" }],
  ])("says how it ends: %s", (_how, qty, budget, outcome) => {
    expect(plan(qty, budget)).toEqual(outcome);
    expectBook(desk, TWO_SIDES);
  });
});

describe("what bounds one command", () => {
  it("an order that meets more makers than a command may fill loses its rest, and the book stays whole", () => {
    const desk = new Desk();
    desk.sendAll(Array.from({ length: FILLS_PER_COMMAND_MAX + 1 }, (_, i) => `a${i} sell 0.01 @ 180.1`));
    const reports = desk.send(`x1 buy ${(FILLS_PER_COMMAND_MAX + 1) / 100} @ 180.1`);
    expect(reports).toHaveLength(2 + 2 * FILLS_PER_COMMAND_MAX);
    expect(reports.at(-1)).toBe("x1 canceled: too_many_fills");
    expectBook(desk, `| 180.1 | a${FILLS_PER_COMMAND_MAX}:0.01`);
  });
});

describe("an order of nothing", () => {
  it.each(["x1 buy 0 @ 180.1", "x1 sell 0 market"])(
    "(%s) is a bug of its account: no event is made of it",
    (sentence) => {
      const desk = deskWith(TWO_SIDES);
      const { length } = desk.journal;
      expect(() => desk.send(sentence)).toThrow(new InvariantError("order x1 is for nothing"));
      expect(desk.state.seq).toBe(length);
      expectBook(desk, TWO_SIDES);
    },
  );
});

describe("fees and the market's ledger", () => {
  it("many small fills cost what one fill costs: the fee is rounded up once, over all of them", () => {
    const desk = deskWith("| 180.17 | a1:0.0001 a2:0.0001 a3:0.0001 a4:0.0001 a5:0.0001");
    const rounded = desk.send("x1 buy 0.0005 @ 180.17").filter((sentence) => sentence.startsWith("x1 fill"));
    // One lot is worth 18,017 units; 20 bps are 36.034. Rounded each time it would be 5 × 37 = 185, in one it is 181.
    expect(rounded.map((sentence) => sentence.slice(-3))).toEqual(["037", "036", "036", "036", "036"]);
  });

  it("a trade is posted once, by its first report, at the market's time, which never goes back", () => {
    const desk = deskWith("| 180.1 | c1:3");
    desk.now = NOON - 60_000;
    desk.send("x1 buy 2 @ 180.1");
    const reports = desk.journal.flatMap((event) => (event.kind === "report" ? [event] : []));
    expect(reports.map(({ report, trade, entry }) => [report.orderId, trade !== null, entry !== null])).toEqual([
      ["c1", false, false],
      ["x1", false, false],
      ["x1", true, true],
      ["c1", false, false],
    ]);
    expect(reports.map(({ at, report }) => [at, report.at])).toEqual(reports.map(() => [NOON, NOON]));
    const taken = reports[2];
    expect(taken?.trade).toMatchObject({ id: expect.stringMatching(/^trd_/), at: NOON, side: "buy" });
    expect(taken?.entry).toMatchObject({
      ...{ id: expect.stringMatching(/^ent_/), seq: taken?.seq, at: NOON, kind: "trade", ref: taken?.trade?.id },
    });
    const executions = reports.slice(2).map(({ report }) => report.fill);
    for (const fill of executions) {
      expect(fill).toMatchObject({ executionId: expect.stringMatching(/^exe_/), tradeId: taken?.trade?.id });
    }
  });

  it.each([
    ["x1 buy $500 market", ["319.5398", "139.0796"]],
    ["x1 sell 3 market", ["2", "1"]],
  ])("what stays held after each fill of %s is what it has not spent", (sentence, budgets) => {
    const desk = deskWith("c2:1 c3:1 | 180 |\n| 180.1 | c1:1 d1:1");
    const before = desk.journal.length;
    desk.send(sentence);
    const mine = desk.journal.slice(before).flatMap((event) => (event.kind === "report" ? [event] : []));
    const scale = sentence.includes("buy") ? 6 : 8;
    const left = mine.flatMap(({ report, budget }) => (report.orderId === "x1" && budget !== null ? [budget] : []));
    expect(left.map((units) => formatDecimal(units, scale))).toEqual(budgets);
  });

  it("a trade of two customers leaves the market with the fees alone", () => {
    const desk = deskWith(TWO_SIDES);
    desk.send("x1 buy 3 @ 180.1");
    expect(marketBalance(desk.state, "fees", "USD")).toBe(1_620_900n);
    expect(marketBalance(desk.state, "clearing", "USD")).toBe(-1_620_900n);
    expect(marketBalance(desk.state, "clearing", "SOL")).toBe(0n);
    expect(desk.state.lastPrice).toBe(desk.price("180.1"));
  });

  it("a market without fees has no entry for such a trade, and its chain stays where it was", () => {
    const desk = deskWith("| 180.1 | a1:1", { ...listed("SOL-USD"), makerFeeBps: 0, takerFeeBps: 0 });
    const { ledgerHead } = desk.state;
    expect(desk.send("x1 buy 1 @ 180.1")[1]).toBe("x1 filled 1 @ 180.1, taker, fee 0");
    expect(desk.state.ledgerHead).toBe(ledgerHead);
  });
});

function match(wanted: string | RegExp) {
  return typeof wanted === "string" ? wanted : expect.stringMatching(wanted);
}

function bandEdges(desk: Desk) {
  const { reference } = desk;
  const cents = (amount: bigint) => `${amount / 100n}.${String(amount % 100n).padStart(2, "0")}`;
  const high = (reference * 11n) / 10n / 10_000n;
  const low = (reference * 9n + 99_999n) / 10n / 10_000n;
  return {
    high: { edge: cents(high), beyond: cents(high + 1n) },
    low: { edge: cents(low), beyond: cents(low - 1n) },
  };
}
