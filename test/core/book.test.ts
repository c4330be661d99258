import { describe, expect, it } from "vitest";
import {
  addToBook,
  assertUncrossed,
  bestPrice,
  depthOf,
  findInBook,
  HOUSE,
  type RestingOrder,
  reduceInBook,
} from "../../src/core/book.ts";
import { formatDecimal } from "../../src/core/decimal.ts";
import { marketStateHash } from "../../src/core/market/state.ts";
import { InvariantError } from "../../src/core/result.ts";
import { Desk, deskWith, expectBook, sha256 } from "../support/book.ts";

const TWO_SIDES = `
  bids       | price | asks
             | 180.2 | d1:1
             | 180.1 | c1:3 e1:2
  a1:2 b1:1  | 179.9 |
  a2:5       | 179.8 |
`;

/** The levels that a reader of the book sees, as `price: quantity`. */
function shown(desk: Desk, depth: number): { bids: string[]; asks: string[] } {
  const text = ([price, total]: [bigint, bigint]) =>
    `${formatDecimal(price, desk.rules.quoteScale)}: ${formatDecimal(total, desk.rules.baseScale)}`;
  const { bids, asks } = depthOf(desk.state.book, depth);
  return { bids: bids.map(text), asks: asks.map(text) };
}

describe("a book's depth", () => {
  it("is what rests at each price in sum, the best price first", () => {
    expect(shown(deskWith(TWO_SIDES), 10)).toEqual({
      bids: ["179.9: 3", "179.8: 5"],
      asks: ["180.1: 5", "180.2: 1"],
    });
  });

  it("has as many levels a side as were asked for, and none of an empty book", () => {
    expect(shown(deskWith(TWO_SIDES), 1)).toEqual({ bids: ["179.9: 3"], asks: ["180.1: 5"] });
    expect(shown(new Desk(), 10)).toEqual({ bids: [], asks: [] });
  });

  it("follows what is taken: a level that is gone is not a level of nothing", () => {
    const desk = deskWith(TWO_SIDES);
    desk.send("x1 buy 4 @ 180.1");
    expect(shown(desk, 10).asks).toEqual(["180.1: 1", "180.2: 1"]);
    desk.send("x2 buy 1 @ 180.1");
    expect(shown(desk, 10).asks).toEqual(["180.2: 1"]);
  });
});

describe("the best price", () => {
  it("of a side that is empty is none", () => {
    expect(bestPrice(new Desk().state.book.buy)).toBeNull();
    expect(bestPrice(new Desk().state.book.buy, true)).toBeNull();
  });

  it("of customers alone passes over the house's quotes, however good they are", () => {
    const desk = deskWith("b1:1 | 170 |");
    desk.advance();
    const { buy, sell } = desk.state.book;
    expect(
      buy.levels
        .get(bestPrice(buy) ?? 0n)
        ?.orders.values()
        .next().value?.account,
    ).toBe(HOUSE);
    expect(bestPrice(buy, true)).toBe(desk.price("170"));
    expect(bestPrice(sell, true)).toBeNull();
  });
});

describe("a resting order", () => {
  const orderAt = (desk: Desk, price: string, id: string): RestingOrder => {
    const order = findInBook(desk.state.book, "sell", desk.price(price), id);
    if (order === undefined) throw new Error(`${id} does not rest at ${price}`);
    return order;
  };

  it("is found at its own side, price and id, and nowhere else", () => {
    const desk = deskWith(TWO_SIDES);
    const { book } = desk.state;
    expect(orderAt(desk, "180.1", "c1").account).toBe("c");
    expect(findInBook(book, "sell", desk.price("180.1"), "d1")).toBeUndefined();
    expect(findInBook(book, "sell", desk.price("180.15"), "c1")).toBeUndefined();
    expect(findInBook(book, "buy", desk.price("180.1"), "c1")).toBeUndefined();
  });

  it("rests once: to put it there again is a bug", () => {
    const desk = deskWith(TWO_SIDES);
    const again = { ...orderAt(desk, "180.1", "c1") };
    expect(() => addToBook(desk.state.book, again)).toThrow(new InvariantError("order c1 rests already"));
  });

  it.each([
    ["nothing", 0n, "cannot take 0 of 300000000 from c1"],
    ["less than nothing", -1n, "cannot take -1 of 300000000 from c1"],
    ["one unit more than is left of it", 300_000_001n, "cannot take 300000001 of 300000000 from c1"],
  ])("never gives %s, and is then as it was", (_what, qty, message) => {
    const desk = deskWith(TWO_SIDES);
    expect(() => reduceInBook(desk.state.book, orderAt(desk, "180.1", "c1"), qty)).toThrow(new InvariantError(message));
    expectBook(desk, TWO_SIDES);
  });

  it.each<[string, Partial<RestingOrder>]>([
    ["a copy of it", {}],
    ["one at a price where none rests", { price: 180_150_000n }],
  ])("is that very order: nothing is taken from %s", (_what, change) => {
    const desk = deskWith(TWO_SIDES);
    const other = { ...orderAt(desk, "180.1", "c1"), ...change };
    expect(() => reduceInBook(desk.state.book, other, 1n)).toThrow(new InvariantError("order c1 does not rest"));
  });
});

describe("a market whose matching has failed", () => {
  it.each(["", "b1:1 | 180 |", "| 180 | c1:1", TWO_SIDES])("is not one with %j", (picture) => {
    expect(() => assertUncrossed(deskWith(picture).state.book)).not.toThrow();
  });

  it.each(["179.9", "179.89"])("is one that asks %s while 179.9 is bid", (ask) => {
    const desk = deskWith(TWO_SIDES);
    desk.state.book.sell.prices.unshift(desk.price(ask));
    expect(() => assertUncrossed(desk.state.book)).toThrow(/the book is crossed: 179900000 bid, 1798?9\d+ asked/);
  });

  it.each<[string, (desk: Desk) => unknown]>([
    ["shown", (desk) => depthOf(desk.state.book, 1)],
    ["asked for its customers' best price", (desk) => bestPrice(desk.state.book.sell, true)],
    ["matched", (desk) => desk.send("x1 buy 1 @ 180.1")],
    ["hashed", (desk) => marketStateHash(desk.state, sha256)],
  ])("is found when a price that has lost its level is %s, and nothing is taken for an empty level", (_what, act) => {
    const desk = deskWith(TWO_SIDES);
    desk.state.book.sell.levels.delete(desk.price("180.1"));
    expect(() => act(desk)).toThrow(new InvariantError("sell 180100000 has no level"));
  });
});
