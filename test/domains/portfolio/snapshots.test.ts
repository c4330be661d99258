// What the cron keeps of every portfolio after 00:00 UTC, and what its owner reads of it.
import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { snapshotPortfolios } from "../../../src/domains/portfolio/scheduled.ts";
import { AccountObject } from "../../../src/worker.ts";
import { person } from "../../support/people.ts";
import { expectProblem, secondSession, stopClock, type Trader, usd, type WirePage } from "../../support/session.ts";

interface Snapshot {
  at: string;
  seq: number;
  equity: string;
  cash: string;
  positions_value: string;
  deposits: string;
  withdrawals: string;
  time_weighted_return: string;
}

const DAY_MS = 86_400_000;
let pass: (ms: number) => void;

beforeAll(() => {
  pass = stopClock();
});

afterEach(() => {
  vi.restoreAllMocks();
});

const run = () => snapshotPortfolios(env, Date.now(), loadConfig(env).priceSeed);

/** Goes on to a minute after the next 00:00 UTC; answers who speaks from then on. */
async function nextDay(who: Trader): Promise<Trader> {
  pass(DAY_MS - (Date.now() % DAY_MS) + 60_000);
  return secondSession(who);
}

async function snapshotsOf(who: Trader): Promise<Snapshot[]> {
  const { body, status, text } = await who.get<WirePage<Snapshot>>("/v1/portfolio/snapshots");
  expect(status, text).toBe(200);
  return body.data;
}

async function trade(who: Trader, notional: string): Promise<void> {
  const placed = await who.place({ symbol: "SOL-USD", side: "buy", type: "market", notional });
  expect(placed.body.status, placed.text).toBe("filled");
}

describe("after 00:00 UTC", () => {
  it("every portfolio is written down as it was then, once, and what happened after that counts for the next day", async () => {
    let ada = await person();
    await ada.deposit("10000");
    await trade(ada, "4000");
    ada = await nextDay(ada);
    await ada.deposit("500");
    expect((await run()).taken).toBeGreaterThan(0);
    expect(await run()).toEqual({ taken: 0, missed: 0 });
    const [first] = await snapshotsOf(ada);
    const midnight = new Date(Date.now() - (Date.now() % DAY_MS)).toISOString();
    const then = await ada.get<Record<string, unknown>>(`/v1/portfolio?as_of=${midnight}`);
    const { equity, cash, positions_value, seq } = then.body;
    expect(first).toMatchObject({
      at: midnight,
      equity,
      cash,
      positions_value,
      seq,
      deposits: "10000",
      withdrawals: "0",
    });
    ada = await nextDay(ada);
    await run();
    const [second, ...older] = await snapshotsOf(ada);
    expect(older).toEqual([first]);
    expect(second).toMatchObject({ deposits: "500", withdrawals: "0" });
    const { body: all } = await ada.get<{ data: { at: string; time_weighted_return: string }[] }>(
      "/v1/portfolio/history?period=all&interval=1d",
    );
    const grown = [first, second].reduce((growth, one) => growth * (1 + Number(one?.time_weighted_return)), 1);
    const whole = all.data.find(({ at }) => at === second?.at);
    expect(Number(whole?.time_weighted_return)).toBeCloseTo(grown - 1, 8);
  });

  it("an account that cannot be reached has none for that day, and its next one covers both", async () => {
    let ada = await person();
    await ada.deposit("100");
    ada = await nextDay(ada);
    const away = vi.spyOn(AccountObject.prototype, "recordedPerformance").mockRejectedValue(new Error("away"));
    expect(await run()).toMatchObject({ taken: 0 });
    away.mockRestore();
    expect(await snapshotsOf(ada)).toEqual([]);
    ada = await nextDay(ada);
    await ada.deposit("7");
    await run();
    expect(await snapshotsOf(ada)).toMatchObject([{ equity: "100", deposits: "100" }]);
  });

  it("nothing is written of an account in which nothing has happened, nor of one that is younger", async () => {
    const idle = await person();
    await nextDay(idle);
    const young = await person();
    await young.deposit("5");
    await run();
    expect(await snapshotsOf(await secondSession(idle))).toEqual([]);
    expect(await snapshotsOf(young)).toEqual([]);
  });

  it("a database that is away ends the run, and the next one takes them", async () => {
    let ada = await person();
    await ada.deposit("9");
    ada = await nextDay(ada);
    const away = vi.spyOn(env.DB, "prepare").mockImplementation(() => {
      throw new Error("D1_ERROR: away");
    });
    expect(await run()).toEqual({ taken: 0, missed: 0 });
    away.mockRestore();
    await run();
    expect(await snapshotsOf(ada)).toMatchObject([{ equity: "9" }]);
  });

  it("a day of too many transfers is worth what it is worth, without its flows", async () => {
    let ada = await person();
    await ada.deposit("3");
    ada = await nextDay(ada);
    const real = AccountObject.prototype.recordedPerformance;
    vi.spyOn(AccountObject.prototype, "recordedPerformance").mockImplementation(function (this: AccountObject, wish) {
      if (wish.from === wish.to) return real.call(this, wish);
      const errors = [{ pointer: "/period", code: "period_too_long", detail: "Too many." }];
      return Promise.resolve({ ok: false, refusal: { code: "validation_failed", errors } });
    });
    await run();
    expect(await snapshotsOf(ada)).toMatchObject([
      { equity: "3", deposits: null, withdrawals: null, time_weighted_return: null },
    ]);
  });
});

describe("GET /v1/portfolio/snapshots", () => {
  it("gives them in pages, newest first, and refuses a cursor that is none of its", async () => {
    let ada = await person();
    await ada.deposit("1");
    for (let day = 0; day < 3; day += 1) {
      ada = await nextDay(ada);
      await run();
    }
    const { rows, pages } = await ada.all<Snapshot>("/v1/portfolio/snapshots", 2);
    expect(pages).toBe(2);
    expect(rows.map(({ at }) => Date.parse(at))).toEqual(
      [0, 1, 2].map((ago) => Date.now() - (Date.now() % DAY_MS) - ago * DAY_MS),
    );
    expect(usd(rows[0]?.equity ?? "")).toBe(usd("1"));
    expectProblem(await ada.get("/v1/portfolio/snapshots?cursor=x"), 422, "validation_failed");
  });
});
