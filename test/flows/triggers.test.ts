// Orders that wait for the reference price, from the request to the fill that nobody asked for in that second.
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { formatDecimal } from "../../src/core/decimal.ts";
import { referencePrice, STEP_MS } from "../../src/core/prices.ts";
import {
  anotherToken,
  qtyWorth,
  rulesOf,
  stopClock,
  Trader,
  trader,
  unitsOf,
  usd,
  type WireBalance,
  type WireOrder,
} from "../support/session.ts";
import { AccountStream } from "../support/stream.ts";

const PATIENCE = { timeout: 10_000 };
const SYMBOL = "SOL-USD";
const RULES = rulesOf(SYMBOL);
let pass: (ms: number) => void;

beforeAll(() => {
  pass = stopClock();
});

const text = (units: bigint) => formatDecimal(units, RULES.quoteScale);
const referenceIn = (seconds: number) => referencePrice(RULES, Number(env.PRICE_SEED), Date.now() + seconds * STEP_MS);
/** Some ticks below the price now. */
const below = (ticks: number) => referenceIn(0) - BigInt(ticks) * RULES.tickSize;

/** Goes on to a moment from which the price falls by so many ticks within five minutes: now may be just before a long rise. */
function passToFall(ticks: number): void {
  const falls = (from: number) => {
    const price = referenceIn(from) - BigInt(ticks) * RULES.tickSize;
    return Array.from({ length: 300 }, (_, index) => referenceIn(from + index + 1)).some((later) => later <= price);
  };
  let from = 0;
  while (!falls(from)) from += 30;
  pass(from * STEP_MS);
}

/** Goes on to a moment from which the price rises by so many ticks before it falls by as many: a trail has something to follow. */
function passToRise(ticks: number): void {
  const far = BigInt(ticks) * RULES.tickSize;
  const rises = (from: number) => {
    for (let after = from + 1; ; after += 1) {
      const moved = referenceIn(after) - referenceIn(from);
      if (moved >= far || moved <= -far) return moved > 0n;
    }
  };
  let from = 0;
  while (!rises(from)) from += 30;
  pass(from * STEP_MS);
}

/** In how many seconds the price is first at or below this one. */
function secondsUntilBelow(price: bigint): number {
  for (let seconds = 1; seconds < 100_000; seconds += 1) if (referenceIn(seconds) <= price) return seconds;
  throw new Error("the price never gets there");
}

/** Somebody with money and ten SOL. */
async function holder(): Promise<Trader> {
  const who = await trader({ usd: "10000" });
  await who.deposit("10", "SOL");
  return who;
}

const wish = (more: object) => ({ symbol: SYMBOL, side: "sell" as const, type: "stop", qty: "2", ...more });

/** The same person once the first token has run out. */
const later = async (who: Trader) => new Trader(who, await anotherToken(who));

/** Rings the market's alarm, as the platform does when its time has come. */
const ring = () => runDurableObjectAlarm(env.MARKET.getByName(`${env.VENUE}/${SYMBOL}`) as DurableObjectStub);

describe("a stop", () => {
  it("is held with its funds, and becomes a market order in the second in which the price is there", async () => {
    passToFall(15);
    const ada = await holder();
    const stream = await AccountStream.open(ada);
    stream.send({ op: "subscribe", channels: ["orders"] });
    await stream.nextText();
    const price = below(15);
    const placed = await ada.place(wish({ stop_price: text(price) }));
    expect(placed.status).toBe(201);
    expect(placed.body).toMatchObject({ status: "held", type: "stop", stop_price: text(price), time_in_force: "gtc" });
    expect(placed.body).toMatchObject({ limit_price: null, trail_percent: null, filled_qty: "0", leaves_qty: "2" });
    expect(await ada.balance("SOL")).toEqual({
      asset: "SOL",
      available: "8",
      held: "2",
      total: "10",
    } satisfies WireBalance);
    const open = await ada.get<{ data: WireOrder[] }>("/v1/orders?status=open");
    expect(open.body.data.map(({ id }) => id)).toEqual([placed.body.id]);

    const seconds = secondsUntilBelow(price);
    pass((seconds - 1) * STEP_MS);
    await ring();
    expect(await ada.order(placed.body.id)).toMatchObject({ status: "held" });
    pass(STEP_MS);
    await ring();
    await expect.poll(async () => (await ada.order(placed.body.id)).status, PATIENCE).toBe("filled");
    const filled = await ada.order(placed.body.id);
    expect(Number(filled.filled_avg_price)).toBeLessThan(Number(text(price)));
    expect(Number(filled.filled_avg_price)).toBeGreaterThan(Number(text(price)) * 0.99);
    expect((await ada.balance("SOL")).total).toBe("8");
    expect(usd((await ada.balance("USD")).available)).toBe(
      usd("10000") + usd(filled.filled_notional) - usd(filled.fee),
    );
    const said: string[] = [];
    while (!said.includes("fill")) {
      const message = JSON.parse(await stream.nextText()) as { data: { exec_type: string; status: string } };
      said.push(message.data.exec_type);
    }
    expect(said).toEqual(["new", "triggered", "fill"]);
  });

  it("to buy is held at the band around its price, and gets back what it does not use", async () => {
    const ada = await trader({ usd: "1000" });
    const price = referenceIn(0) + 200n * RULES.tickSize;
    const placed = await ada.place(wish({ side: "buy", stop_price: text(price), qty: "1" }));
    expect(placed.body.status).toBe("held");
    const held = usd((await ada.balance("USD")).held);
    expect(held).toBeGreaterThan((price * 109n) / 100n);
    expect(held).toBeLessThan((price * 111n) / 100n);
    expect((await ada.cancel(placed.body.id)).body).toMatchObject({ status: "canceled", reason: "user" });
    expect((await ada.balance("USD")).held).toBe("0");
  });

  it("whose price is there already is filled at once", async () => {
    const ada = await holder();
    const placed = await ada.place(wish({ stop_price: text(referenceIn(0)) }));
    expect(placed.status).toBe(201);
    expect(placed.body).toMatchObject({ status: "filled", filled_qty: "2" });
  });

  it("asked for again by its client_order_id is the same one", async () => {
    const ada = await holder();
    const one = wish({ stop_price: text(below(1_500)), client_order_id: "mine" });
    const [first, again] = [await ada.place(one), await ada.place(one)];
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body.id).toBe(first.body.id);
    const other = await ada.place({ ...one, stop_price: text(below(1_501)) });
    expect(other.body).toMatchObject({ code: "client_order_id_reused" });
  });

  it("ends with its time like any other", async () => {
    const ada = await holder();
    const expires_at = new Date(Date.now() + 2_000).toISOString();
    const placed = await ada.place(wish({ stop_price: text(below(1_500)), time_in_force: "gtd", expires_at }));
    expect(placed.body.status).toBe("held");
    pass(2_001);
    await ring();
    await expect.poll(async () => (await ada.order(placed.body.id)).status, PATIENCE).toBe("expired");
    expect((await ada.balance("SOL")).held).toBe("0");
  });
});

describe("a stop_limit", () => {
  it("rests at its limit once it is triggered", async () => {
    const ada = await holder();
    const limit = referenceIn(0) + 300n * RULES.tickSize;
    const one = wish({ type: "stop_limit", stop_price: text(referenceIn(0)), limit_price: text(limit) });
    const placed = await ada.place(one);
    expect(placed.body).toMatchObject({ status: "new", limit_price: text(limit), stop_price: text(referenceIn(0)) });
    const book = await ada.get<{ asks: [string, string][] }>(`/v1/markets/${SYMBOL}/book?depth=500`);
    expect(book.body.asks).toContainEqual([text(limit), "2"]);
    expect((await ada.cancel(placed.body.id)).body.status).toBe("canceled");
  });
});

describe("a take_profit", () => {
  it("to buy waits for the price to fall to it", async () => {
    passToFall(15);
    const ada = await trader({ usd: "10000" });
    const price = below(15);
    const placed = await ada.place(wish({ type: "take_profit", side: "buy", stop_price: text(price), qty: "3" }));
    expect(placed.body.status).toBe("held");
    pass(secondsUntilBelow(price) * STEP_MS);
    await ring();
    const then = await later(ada);
    await expect.poll(async () => (await then.order(placed.body.id)).status, PATIENCE).toBe("filled");
    expect(unitsOf("SOL", (await then.balance("SOL")).total)).toBe(unitsOf("SOL", "3"));
    expect((await then.balance("USD")).held).toBe("0");
  });
});

describe("a trailing_stop", () => {
  it.each([{ trail_percent: "0.25" }, { trail_amount: "0.5" }])(
    "of %o follows the price and says where it was triggered",
    async (trail) => {
      passToRise(12);
      const ada = await holder();
      const placed = await ada.place(wish({ type: "trailing_stop", ...trail }));
      expect(placed.body).toMatchObject({ status: "held", ...trail });
      const first = usd(placed.body.stop_price ?? "");
      const distance = referenceIn(0) - first;
      expect(distance).toBeGreaterThan(usd("0.4"));
      let high = referenceIn(0);
      let seconds = 0;
      while (
        referenceIn(seconds) > high - distance + 2n * RULES.tickSize ||
        high < referenceIn(0) + 10n * RULES.tickSize
      ) {
        seconds += 1;
        if (referenceIn(seconds) > high) high = referenceIn(seconds);
      }
      pass((seconds + 600) * STEP_MS);
      await ring();
      const then = await later(ada);
      await expect.poll(async () => (await then.order(placed.body.id)).status, PATIENCE).toBe("filled");
      expect(usd((await then.order(placed.body.id)).stop_price ?? "")).toBeGreaterThan(first);
    },
  );

  it("by notional sells what that buys at its first price", async () => {
    const ada = await holder();
    const one = { symbol: SYMBOL, side: "sell" as const, type: "trailing_stop", trail_percent: "2", notional: "180" };
    const placed = await ada.place(one);
    expect(placed.body.status).toBe("held");
    const expected = qtyWorth(SYMBOL, 180, placed.body.stop_price ?? "");
    expect(Math.abs(Number(placed.body.qty) - Number(expected))).toBeLessThan(0.01);
    await ada.cancel(placed.body.id);
  });
});
