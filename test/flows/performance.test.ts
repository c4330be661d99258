// How a portfolio has done, over HTTP: every point is the portfolio as it was then, and money paid in is no profit.
import { beforeAll, describe, expect, it } from "vitest";
import { expectProblem, secondSession, stopClock, type Trader, trader, usd } from "../support/session.ts";

interface Point {
  at: string;
  equity: string;
  cash: string;
  positions_value: string;
  deposits: string;
  withdrawals: string;
  profit: string;
  time_weighted_return: string;
}
interface Performance extends Omit<Point, "at" | "equity" | "cash" | "positions_value"> {
  period: string;
  interval: string;
  from: string;
  to: string;
  opening_equity: string;
  closing_equity: string;
  data: Point[];
}

const MINUTE = 60_000;
let pass: (ms: number) => void;

beforeAll(() => {
  pass = stopClock();
});

const historyOf = (who: Trader, query: string) => who.get<Performance>(`/v1/portfolio/history?${query}`);
const equityOf = async (who: Trader, query = "") =>
  (await who.get<{ equity: string }>(`/v1/portfolio${query}`)).body.equity;

/** A day in parts: pays in, buys, pays in more, gives SOL away and comes to rest. Answers the equity around each flow. */
async function someDay(): Promise<{ ada: Trader; parts: [from: string, to: string][] }> {
  let ada = await trader({ usd: "10000" });
  const parts: [string, string][] = [];
  let from = await equityOf(ada);
  // A token lives for ten minutes.
  const later = async () => {
    pass(40 * MINUTE);
    ada = await secondSession(ada);
  };
  const flow = async (work: () => Promise<unknown>) => {
    await later();
    parts.push([from, await equityOf(ada)]);
    await work();
    from = await equityOf(ada);
  };
  await ada.place({ symbol: "SOL-USD", side: "buy", type: "market", notional: "8000" });
  await flow(() => ada.deposit("5000"));
  await ada.place({ symbol: "ETH-USD", side: "buy", type: "market", notional: "4000" });
  await flow(() => ada.deposit("2", "SOL"));
  await flow(() => ada.deposit("1"));
  await later();
  parts.push([from, await equityOf(ada)]);
  return { ada, parts };
}

describe("GET /v1/portfolio/history", () => {
  it("says at every point what the portfolio was worth then, and what of that was paid in", async () => {
    const { ada, parts } = await someDay();
    const { status, body } = await historyOf(ada, "period=all&interval=15m");
    expect(status).toBe(200);
    expect(body).toMatchObject({ period: "all", interval: "15m", withdrawals: "0" });
    expect(body.data.length).toBeGreaterThan(8);
    for (const { at, equity, cash, positions_value, deposits, profit } of body.data) {
      expect(usd(equity)).toBe(usd(cash) + usd(positions_value));
      expect(usd(equity)).toBe(usd(body.opening_equity) + usd(deposits) + usd(profit));
      expect(equity).toBe(await equityOf(ada, `?as_of=${at}`));
    }
    expect(body.closing_equity).toBe(await equityOf(ada));
    expect(body.opening_equity).toBe("0");
    const product = parts.reduce((growth, [from, to]) => (growth * Number(usd(to))) / Number(usd(from)), 1);
    expect(Number(body.time_weighted_return)).toBeCloseTo(product - 1, 8);
  });

  it("chooses an interval that fits the period, where none is asked for", async () => {
    const { ada } = await someDay();
    expect((await historyOf(ada, "period=all")).body).toMatchObject({ interval: "5m" });
    expect((await historyOf(ada, "period=1d")).body).toMatchObject({ interval: "15m", opening_equity: "0" });
    const month = await historyOf(ada, "");
    expect(month.body).toMatchObject({ period: "1m", interval: "1d", opening_equity: "0" });
    expect(usd(month.body.deposits)).toBeGreaterThan(15_001_000_000n);
  });

  it("of an account without an event is nothing", async () => {
    const ada = await trader({});
    const { status, body } = await historyOf(ada, "period=all");
    expect(status).toBe(200);
    expect(body).toMatchObject({ opening_equity: "0", closing_equity: "0", profit: "0", time_weighted_return: "0" });
  });

  it("takes what leaves as no loss", async () => {
    const ada = await trader({ usd: "1000" });
    await ada.place({ symbol: "SOL-USD", side: "buy", type: "market", notional: "500" });
    const { body } = await historyOf(ada, "period=1d&interval=1h");
    pass(MINUTE);
    await withdraw(ada, "100");
    const after = (await historyOf(ada, "period=1d&interval=1h")).body;
    expect(after).toMatchObject({ withdrawals: "100", deposits: body.deposits });
    expect(usd(after.closing_equity)).toBe(usd(after.deposits) - usd("100") + usd(after.profit));
  });

  it.each([
    ["of too many points", "period=1y&interval=5m", "/interval", "too_many_points"],
    ["of an unknown period", "period=2d", "/period", "not_allowed"],
    ["of an unknown interval", "interval=1s", "/interval", "not_allowed"],
    ["with another parameter", "from=2026-01-01", "/from", "unknown_field"],
  ])("%s is refused", async (_, query, pointer, code) => {
    const ada = await trader({ usd: "1" });
    const got = await historyOf(ada, query);
    expectProblem(got, 422, "validation_failed");
    expect(got.body).toMatchObject({ errors: [{ pointer, code }] });
  });
});

async function withdraw(who: Trader, amount: string): Promise<void> {
  const made = await who.call("POST", "/v1/account/withdrawals", { json: { asset: "USD", amount } });
  expect(made.status, made.text).toBe(201);
}
