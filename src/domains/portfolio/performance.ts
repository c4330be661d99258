// How a portfolio has done: what it was worth over a period, and what of that was paid in or out.

import { formatUnits } from "../../core/ledger.ts";
import { PERFORMANCE_POINTS_DEFAULT, PERFORMANCE_POINTS_MAX } from "../../core/limits.ts";
import { findMarket } from "../../core/listings.ts";
import { notionalOf } from "../../core/order.ts";
import {
  formatReturn,
  type PerformancePoint,
  type PerformanceRecord,
  performanceOf,
  type WorthOf,
} from "../../core/performance.ts";
import { referencePrice } from "../../core/prices.ts";
import { invariant, ok, type Result } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { askAccount } from "../../objects/stubs.ts";
import type { PortfolioContext } from "./service.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long each interval is, in ms, shortest first. */
const INTERVALS = { "5m": 5 * MINUTE, "15m": 15 * MINUTE, "1h": HOUR, "4h": 4 * HOUR, "1d": DAY, "1w": 7 * DAY };
/** How long each period is, in ms; `all` begins right before the account's first event. */
const PERIODS = { "1d": DAY, "1w": 7 * DAY, "1m": 30 * DAY, "3m": 90 * DAY, "1y": 365 * DAY, all: null };

export type IntervalName = keyof typeof INTERVALS;
export type PeriodName = keyof typeof PERIODS;

/** The names of {@link INTERVALS} and {@link PERIODS}. */
export const INTERVAL_NAMES = Object.keys(INTERVALS) as [IntervalName, ...IntervalName[]];
export const PERIOD_NAMES = Object.keys(PERIODS) as [PeriodName, ...PeriodName[]];

/** A period's points, and the interval between them. */
export interface Performance {
  interval: IntervalName;
  points: PerformancePoint[];
}

/**
 * How the caller's portfolio has done over a period up to now, at every interval; the shortest that the period is not too long
 * for where none is named. Refuses `validation_failed` for too many points or transfers.
 */
export async function readPerformance(
  ctx: PortfolioContext,
  { period, interval }: { period: PeriodName; interval?: IntervalName | undefined },
): Promise<Result<Performance>> {
  const length = PERIODS[period];
  const from = length === null ? null : ctx.nowMs - length;
  const grid =
    interval === undefined
      ? { steps: Object.values(INTERVALS), looks: PERFORMANCE_POINTS_DEFAULT }
      : { steps: [INTERVALS[interval]], looks: PERFORMANCE_POINTS_MAX };
  const found = await askAccount(ctx, async (account, caller) =>
    account.performance(caller, { from, to: null, ...grid }),
  );
  if (!found.ok) return found;
  const taken = INTERVAL_NAMES.find((name) => INTERVALS[name] === found.value.stepMs) ?? "1d";
  return ok({ interval: taken, points: pointsOf(found.value, ctx.priceSeed) });
}

/** The points of a record, valued at reference prices of their times. */
export function pointsOf(record: PerformanceRecord, priceSeed: number): PerformancePoint[] {
  return performanceOf(record, valuer(priceSeed));
}

/** Values at reference prices; each moment's are asked for several times. */
function valuer(priceSeed: number): WorthOf {
  const known = new Map<string, bigint>();
  return (symbol, qty, at) => {
    const rules = findMarket(symbol);
    if (rules === undefined) return 0n;
    const key = `${symbol} ${at}`;
    const price = known.get(key) ?? referencePrice(rules, priceSeed, at);
    known.set(key, price);
    return notionalOf(price, qty, rules.baseScale);
  };
}

const usd = (units: bigint) => formatUnits(units, "USD");

function wirePoint({ at, cash, positionsValue, deposits, withdrawals, profit, growth }: PerformancePoint) {
  return {
    at: wireTime(at),
    equity: usd(cash + positionsValue),
    cash: usd(cash),
    positions_value: usd(positionsValue),
    deposits: usd(deposits),
    withdrawals: usd(withdrawals),
    profit: usd(profit),
    time_weighted_return: formatReturn(growth),
  };
}

/** A performance on the wire: the whole period, then its points. */
export function wirePerformance(period: PeriodName, { interval, points }: Performance) {
  const data = points.map(wirePoint);
  const [opening, closing] = [data[0], data.at(-1)];
  invariant(opening !== undefined && closing !== undefined, "a period has a beginning and an end");
  const { equity: closing_equity, deposits, withdrawals, profit, time_weighted_return } = closing;
  return {
    ...{ period, interval, from: opening.at, to: closing.at, opening_equity: opening.equity, closing_equity },
    ...{ deposits, withdrawals, profit, time_weighted_return },
    data,
    next_cursor: null,
  };
}
