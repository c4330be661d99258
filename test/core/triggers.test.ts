// Orders that wait for the reference price. With this seed SOL-USD is at 179.97 at noon.
import { describe, expect, it } from "vitest";
import { decode, encode } from "../../src/core/codec.ts";
import { formatDecimal } from "../../src/core/decimal.ts";
import { applyMarketEvent, emptyMarket, type MarketEvent, marketStateHash } from "../../src/core/market/state.ts";
import { widen } from "../../src/core/market/triggers.ts";
import { trailFrom } from "../../src/core/order.ts";
import { pricePath, STEP_MS } from "../../src/core/prices.ts";
import { Desk, deskWith, expectBook, listed, NOON, SEED, sha256 } from "../support/book.ts";
import { randomOf } from "../support/random.ts";

const RULES = listed("SOL-USD");
const text = (units: bigint) => formatDecimal(units, RULES.quoteScale);
const path = pricePath(RULES, SEED);
/** The reference price `seconds` after noon. */
const referenceIn = (seconds: number) => BigInt(path(NOON / STEP_MS + seconds)) * RULES.tickSize;

/** A market in which the house quotes. */
function quoting(): Desk {
  const desk = new Desk();
  desk.advance();
  return desk;
}

/** How many seconds after noon the price is first there. */
function secondsUntil(isThere: (reference: bigint) => boolean): number {
  for (let seconds = 1; seconds < 50_000; seconds += 1) if (isThere(referenceIn(seconds))) return seconds;
  throw new Error("the path never gets there; choose another seed");
}

const short = (sentences: string[]) => sentences.map((sentence) => sentence.split(",")[0] ?? "");

function expectReplays(desk: Desk): void {
  const again = emptyMarket(RULES, 1);
  for (const event of desk.journal) applyMarketEvent(again, decode<MarketEvent>(encode(event)));
  expect(marketStateHash(again, sha256)).toBe(marketStateHash(desk.state, sha256));
}

describe("an order with a trigger", () => {
  it("waits outside of the book, whatever its limit would meet there", () => {
    const desk = deskWith("| 180.1 | c1:1");
    expect(desk.send("x1 buy 1 @ 185 rises:184")).toEqual(["x1 new"]);
    expectBook(desk, "| 180.1 | c1:1");
    expect(desk.state.waiting.has("x1")).toBe(true);
  });

  it.each(["rises:179.97", "falls:179.97", "rises:150", "falls:200"])(
    "is triggered at once where the price is there: %s",
    (when) => {
      const desk = quoting();
      const [first, second, third] = short(desk.send(`x1 buy 1 market ${when}`));
      expect([first, second]).toEqual(["x1 new", `x1 triggered at ${when.split(":")[1]}`]);
      expect(third).toMatch(/^x1 filled 1 @ 18/);
      expectReplays(desk);
    },
  );

  it("is triggered in the very second in which the price gets there, though nobody looks for an hour", () => {
    const target = referenceIn(0) - 20n * RULES.tickSize;
    const seconds = secondsUntil((reference) => reference <= target);
    const desk = quoting();
    desk.send(`x1 sell 1 market falls:${text(target)}`);
    desk.now = NOON + (seconds + 3_600) * STEP_MS;
    const [triggered, filled] = short(desk.advance());
    expect(triggered).toBe(`x1 triggered at ${text(target)}`);
    const price = Number(filled?.split("@ ")[1]);
    expect(price).toBeLessThan(Number(text(referenceIn(seconds))));
    expect(price).toBeGreaterThan(Number(text(referenceIn(seconds))) * 0.998);
    const steps = desk.journal.flatMap((event) => (event.kind === "requote" ? [event.step] : []));
    expect(steps).toContain(NOON / STEP_MS + seconds);
    expectReplays(desk);
  });

  it("is not triggered a second before", () => {
    const target = referenceIn(0) - 20n * RULES.tickSize;
    const seconds = secondsUntil((reference) => reference <= target);
    const desk = quoting();
    desk.send(`x1 sell 1 market falls:${text(target)}`);
    desk.now = NOON + seconds * STEP_MS - 1;
    expect(desk.advance()).toEqual([]);
    desk.now += 1;
    expect(short(desk.advance())[0]).toBe(`x1 triggered at ${text(target)}`);
  });

  it("with a limit rests when it is triggered and meets nobody, last of its level", () => {
    const desk = deskWith("| 185 | c1:1");
    desk.send("x1 sell 2 @ 185 falls:179.99");
    expectBook(desk, "| 185 | c1:1 x1:2");
    expect(desk.state.waiting.size).toBe(0);
    expectReplays(desk);
  });

  it("with a limit trades when it is triggered and meets somebody, and rests with what is left", () => {
    const desk = deskWith("c1:1 | 179.9 |");
    expect(short(desk.send("x1 sell 2 @ 179 falls:179.99"))).toEqual([
      "x1 new",
      "x1 triggered at 179.99",
      "x1 fill 1 @ 179.9",
      "c1 filled 1 @ 179.9",
    ]);
    expectBook(desk, "| 179 | x1:1");
  });

  it("without a limit ends with what it gets when it is triggered", () => {
    const desk = deskWith("c1:1 | 179.9 |");
    expect(short(desk.send("x1 sell 2 market falls:179.99")).at(-1)).toBe("x1 canceled: no_liquidity");
    expect(desk.state.orders.size).toBe(0);
  });

  it("can be canceled while it waits", () => {
    const desk = quoting();
    desk.send("x1 sell 1 market falls:170");
    expect(desk.send("cancel x1")).toEqual(["x1 canceled: user"]);
    expect([desk.state.orders.size, desk.state.waiting.size]).toEqual([0, 0]);
  });

  it("expires while it waits", () => {
    const desk = quoting();
    desk.send(`x1 sell 1 market falls:150 gtd until:${NOON + 5_500}`);
    desk.now = NOON + 5_500;
    expect(desk.advance()).toEqual(["x1 expired: gtd"]);
    expect(desk.state.waiting.size).toBe(0);
    expectReplays(desk);
  });

  it("comes up in the order in which it came, whatever its price", () => {
    const desk = quoting();
    const target = referenceIn(0) - 20n * RULES.tickSize;
    const seconds = secondsUntil((reference) => reference <= target - 10n * RULES.tickSize);
    desk.sendAll([
      `a1 sell 1 market falls:${text(referenceIn(seconds))}`,
      `b1 sell 1 market falls:${text(referenceIn(seconds) + RULES.tickSize)}`,
    ]);
    // The house alone looks at each second: here the market sees only the last.
    desk.state.step = NOON / STEP_MS + seconds - 1;
    desk.now = NOON + seconds * STEP_MS;
    expect(short(desk.advance()).filter((sentence) => sentence.includes("triggered"))).toEqual([
      `a1 triggered at ${text(referenceIn(seconds))}`,
      `b1 triggered at ${text(referenceIn(seconds) + RULES.tickSize)}`,
    ]);
  });

  it.each([
    ["less of the same keeps", "-0.5", ["a1", "b1"]],
    ["more of it loses", "+0.5", ["b1", "a1"]],
    ["another price loses", "+0 falls:179.6", ["b1", "a1"]],
  ])("that is changed to %s its place among those that wait", (_, terms, wanted) => {
    const desk = quoting();
    const seconds = secondsUntil((reference) => reference <= desk.price("179.5"));
    desk.sendAll(["a1 sell 1 market falls:179.5", "b1 sell 1 market falls:179.5"]);
    expect(desk.send(`replace a1 ${terms}`)).toEqual(["a1 replaced"]);
    // Only the last second is looked at: both are due in it.
    desk.state.step = NOON / STEP_MS + seconds - 1;
    desk.now = NOON + seconds * STEP_MS;
    const triggered = short(desk.advance()).filter((sentence) => sentence.includes("triggered"));
    expect(triggered.map((sentence) => sentence.slice(0, 2))).toEqual(wanted);
    expectReplays(desk);
  });

  it("waits while its market is not open", () => {
    const desk = quoting();
    desk.send("x1 sell 1 market falls:179.5");
    desk.state.rules = { ...desk.rules, status: "halted" };
    desk.now = NOON + 20_000 * STEP_MS;
    expect(desk.advance()).toEqual([]);
  });
});

describe("what a market must be woken for", () => {
  it("is other once another order would be the first one due, and each step once a trigger trails", () => {
    const desk = quoting();
    const { waiting } = desk.state;
    const keys = [waiting.key];
    const sendOne = (sentence: string) => {
      desk.send(sentence);
      keys.push(waiting.key);
    };
    sendOne("a1 sell 1 market falls:170");
    sendOne("a2 sell 1 market falls:171");
    sendOne("b1 buy 1 market rises:190");
    expect(new Set(keys).size).toBe(4);
    sendOne("a3 sell 1 market falls:169");
    expect(keys.at(-1)).toBe(keys.at(-2));
    expect(waiting.trails).toBe(false);
    sendOne("a4 sell 1 market falls:160 trail:20");
    expect([waiting.trails, keys.at(-1) === keys.at(-2)]).toEqual([true, false]);
  });
});

describe("a trigger that trails", () => {
  it.each([
    ["falls", { amount: 500_000n }, 180_000_000n, 179_500_000n],
    ["rises", { amount: 500_000n }, 180_000_000n, 180_500_000n],
    ["falls", { bps: 100 }, 180_000_000n, 178_200_000n],
    ["rises", { bps: 100 }, 180_000_000n, 181_800_000n],
    ["falls", { bps: 1 }, 180_000_000n, 179_980_000n],
    ["falls", { bps: 3 }, 180_010_000n, 179_950_000n],
    ["rises", { bps: 3 }, 180_010_000n, 180_070_000n],
  ] as const)("that %s by %o from %d stands at %d, never nearer than asked", (when, trail, reference, price) => {
    expect(trailFrom(when, trail, reference, RULES.tickSize)).toBe(price);
  });

  it("follows the price up and stays when it falls, until it is met", () => {
    const trail = 30n * RULES.tickSize;
    let high = referenceIn(0);
    let seconds = 0;
    do {
      seconds += 1;
      if (referenceIn(seconds) > high) high = referenceIn(seconds);
    } while (referenceIn(seconds) > high - trail);
    expect(high).toBeGreaterThan(referenceIn(0));
    for (const every of [1, 7, 100_000]) {
      const desk = quoting();
      desk.send(`x1 sell 1 market falls:${text(referenceIn(0) - trail)} trail:${text(trail)}`);
      let said: string[] = [];
      for (let now = 0; now < seconds && said.length === 0; ) {
        now = Math.min(now + every, seconds);
        desk.now = NOON + now * STEP_MS;
        said = short(desk.advance());
      }
      expect(said[0]).toBe(`x1 triggered at ${text(high - trail)}`);
      expectReplays(desk);
    }
  });
});

interface Naive {
  id: string;
  when: "rises" | "falls";
  price: bigint;
  trail: { bps: number } | { amount: bigint } | null;
}

/** Looks at every second for every order. */
function naiveStep(orders: Naive[], reference: bigint): string[] {
  return orders.flatMap((order) => {
    if (order.trail !== null) {
      const next = trailFrom(order.when, order.trail, reference, RULES.tickSize);
      if (order.when === "rises" ? next < order.price : next > order.price) order.price = next;
    }
    const due = order.when === "rises" ? reference >= order.price : reference <= order.price;
    return due ? [`${order.id} triggered at ${text(order.price)}`] : [];
  });
}

describe("a range of prices", () => {
  it.each<[bigint, boolean, [bigint, bigint]]>([
    [9n, true, [9n, 20n]],
    [10n, false, [10n, 20n]],
    [15n, false, [10n, 20n]],
    [20n, false, [10n, 20n]],
    [21n, true, [10n, 21n]],
  ])("of 10 to 20 is widened by %d: %s", (reference, widened, [low, high]) => {
    const range = { low: 10n, high: 20n };
    expect(widen(range, reference)).toBe(widened);
    expect(range).toEqual({ low, high });
  });

  it("moves the triggers that trail and have come closer, and no others", () => {
    const desk = new Desk();
    desk.advance();
    desk.sendAll(["a1 sell 1 market falls:150 trail:2", "b1 buy 1 market rises:220 trail:40"]);
    desk.send("c1 sell 1 market falls:150");
    const { waiting, rules } = desk.state;
    const moved = (low: string, high: string) =>
      waiting.trailed({ low: desk.price(low), high: desk.price(high) }, rules.tickSize);
    expect(moved("180", "180").map(({ orderId, price }) => `${orderId} ${text(price)}`)).toEqual(["a1 178"]);
    expect(moved("170", "180").map(({ orderId, price }) => `${orderId} ${text(price)}`)).toEqual(["a1 178", "b1 210"]);
  });
});

describe("whatever waits comes up when a watcher of every second would see it", () => {
  it.each([1, 2, 3, 4])("seed %d", (seed) => {
    const random = randomOf(seed);
    const desk = quoting();
    let orders: Naive[] = [];
    let seen = 0;
    let triggered = 0;
    for (let turn = 0; turn < 400; turn += 1) {
      const second = seen + (random.once(10) ? random.int(900) : random.int(6));
      const wanted: string[] = [];
      for (; seen < second; ) {
        seen += 1;
        const said = naiveStep(orders, referenceIn(seen));
        wanted.push(...said);
        orders = orders.filter(({ id }) => !said.some((one) => one.startsWith(`${id} `)));
      }
      desk.now = NOON + second * STEP_MS + random.int(STEP_MS);
      expect(desk.advance().filter((one) => one.includes("triggered"))).toEqual(wanted);
      triggered += wanted.length;
      if (random.once(40)) expectReplays(desk);
      if (orders.length > 0 && random.once(5)) {
        const { id } = random.pick(orders);
        expect(desk.send(`cancel ${id}`)).toEqual([`${id} canceled: user`]);
        orders = orders.filter((order) => order.id !== id);
      }
      const when = random.pick(["rises", "falls"] as const);
      const distance = BigInt(1 + random.int(60)) * RULES.tickSize;
      const trail = random.once(2) ? null : random.once(2) ? { amount: distance } : { bps: 1 + random.int(40) };
      const reference = referenceIn(second);
      const price =
        trail === null
          ? reference + (when === "rises" ? distance : -distance)
          : trailFrom(when, trail, reference, RULES.tickSize);
      const order = { id: `${random.pick(["a", "b", "c"])}${turn}`, when, price, trail };
      const words =
        trail === null ? "" : "bps" in trail ? ` trail:${trail.bps / 100}%` : ` trail:${text(trail.amount)}`;
      const side = random.pick(["buy", "sell"]);
      expect(desk.send(`${order.id} ${side} 0.01 market ${when}:${text(price)}${words}`)).toEqual([`${order.id} new`]);
      orders.push(order);
    }
    expect(triggered).toBeGreaterThan(100);
    expectReplays(desk);
  });
});
