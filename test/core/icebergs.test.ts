import { describe, expect, it } from "vitest";
import { depthOf } from "../../src/core/book.ts";
import { decode, encode } from "../../src/core/codec.ts";
import { applyMarketEvent, emptyMarket, type MarketEvent, marketStateHash } from "../../src/core/market/state.ts";
import { Desk, deskWith, expectBook, sha256 } from "../support/book.ts";

/** An iceberg of 10 that shows 3, then one that shows all of its 2. SOL-USD: maker 10 bps, taker 20 bps. */
function icebergDesk(): Desk {
  const desk = new Desk();
  expect(desk.sendAll(["a1 sell 10 @ 180 display:3", "b1 sell 2 @ 180"])).toEqual(["a1 new", "b1 new"]);
  return desk;
}

describe("an iceberg", () => {
  it("shows a part of itself: the public book has no more", () => {
    const desk = icebergDesk();
    expectBook(desk, "| 180 | a1:3/10 b1:2");
    expect(depthOf(desk.state.book, 5).asks).toEqual([[desk.price("180"), desk.qty("5")]]);
  });

  it("that has traded what it showed shows more, behind all others at its price", () => {
    const desk = icebergDesk();
    desk.send("x1 buy 3 @ 180");
    expectBook(desk, "| 180 | b1:2 a1:3/7");
    desk.send("x2 buy 1 @ 180");
    expectBook(desk, "| 180 | b1:1 a1:3/7");
  });

  it("that has traded a part of what it showed keeps its place, and shows no more for it", () => {
    const desk = icebergDesk();
    desk.send("x1 buy 1 @ 180");
    expectBook(desk, "| 180 | a1:2/9 b1:2");
  });

  it("meets one order again and again, others at its price in between", () => {
    const desk = icebergDesk();
    expect(desk.send("x1 buy 9 @ 180").filter((line) => line.includes("maker"))).toEqual([
      "a1 fill 3 @ 180, maker, fee 0.54",
      "b1 filled 2 @ 180, maker, fee 0.36",
      "a1 fill 3 @ 180, maker, fee 0.54",
      "a1 fill 1 @ 180, maker, fee 0.18",
    ]);
    expectBook(desk, "| 180 | a1:2/3");
  });

  it("takes turns with another, each by what it shows", () => {
    const desk = new Desk();
    desk.sendAll(["a1 sell 5 @ 180 display:2", "b1 sell 4 @ 180 display:3"]);
    expect(desk.send("x1 buy 9 @ 180").filter((line) => line.includes("maker"))).toEqual([
      "a1 fill 2 @ 180, maker, fee 0.36",
      "b1 fill 3 @ 180, maker, fee 0.54",
      "a1 fill 2 @ 180, maker, fee 0.36",
      "b1 filled 1 @ 180, maker, fee 0.18",
      "a1 filled 1 @ 180, maker, fee 0.18",
    ]);
    expectBook(desk, "");
  });

  it("counts whole for an order that must be filled whole", () => {
    const desk = icebergDesk();
    expect(desk.send("x1 buy 13 @ 180 fok")).toEqual(["x1 rejected: fok_not_fillable"]);
    expect(desk.send("x2 buy 12 @ 180 fok").at(-1)).toBe("a1 filled 1 @ 180, maker, fee 0.18");
  });

  it("takes with all that it has; what is left rests and shows a part", () => {
    const desk = deskWith("| 180 | c1:4");
    expect(desk.send("a1 buy 10 @ 180 display:2").slice(0, 2)).toEqual(["a1 new", "a1 fill 4 @ 180, taker, fee 1.44"]);
    expectBook(desk, "a1:2/6 | 180 |");
  });

  it("gives its place to nobody when it is for less: what it hides goes first", () => {
    const desk = icebergDesk();
    desk.send("replace a1 -6 @ 180");
    expectBook(desk, "| 180 | a1:3/4 b1:2");
    desk.send("replace a1 -2 @ 180");
    expectBook(desk, "| 180 | a1:2/2 b1:2");
  });

  it("that is for more, or at another price, shows its whole part again behind the others", () => {
    const desk = icebergDesk();
    desk.send("x1 buy 1 @ 180");
    desk.send("replace a1 +1 @ 180");
    expectBook(desk, "| 180 | b1:2 a1:3/10");
  });

  it("waits unseen for its trigger, and shows a part from then on", () => {
    const desk = new Desk();
    const below = desk.reference + desk.rules.tickSize * 4n;
    const at = `${below / 10n ** 6n}.${String(below % 10n ** 6n)
      .padStart(6, "0")
      .slice(0, 2)}`;
    expect(desk.send(`a1 sell 5 @ ${at} falls:${at} display:2`)).toEqual(["a1 new", `a1 triggered at ${trimmed(at)}`]);
    expectBook(desk, `| ${trimmed(at)} | a1:2/5`);
  });

  it("of the taker's own account loses what it hides, too", () => {
    const desk = icebergDesk();
    expect(desk.send("a2 buy 8 @ 180 stp:decrement")).toEqual([
      "a2 new",
      "a1 replaced: self_trade_prevention",
      "a2 canceled: self_trade_prevention",
    ]);
    expectBook(desk, "| 180 | a1:2/2 b1:2");
    expect(desk.send("a3 buy 4 @ 180 stp:cancel_oldest").filter((line) => !line.startsWith("b1"))).toEqual([
      "a3 new",
      "a1 canceled: self_trade_prevention",
      "a3 fill 2 @ 180, taker, fee 0.72",
    ]);
    expectBook(desk, "a3:2 | 180 |");
  });

  it("is canceled whole", () => {
    const desk = icebergDesk();
    expect(desk.sendAll(["cancel a1", "cancel b1"])).toEqual(["a1 canceled: user", "b1 canceled: user"]);
    expectBook(desk, "");
  });

  it("stands after a replay of the journal where it stood", () => {
    const desk = icebergDesk();
    desk.sendAll(["x1 buy 4 @ 180", "c1 sell 1 @ 180", "x2 buy 2 @ 180", "replace a1 -1 @ 180"]);
    const replayed = emptyMarket(desk.rules, 1);
    for (const event of desk.journal) applyMarketEvent(replayed, decode<MarketEvent>(encode(event)));
    expect(marketStateHash(replayed, sha256)).toBe(marketStateHash(desk.state, sha256));
  });
});

function trimmed(decimal: string): string {
  return decimal.replace(/\.?0+$/, "");
}
