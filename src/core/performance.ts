// How an account has done over a period: what it was worth, what of that came in or went out, and what its owner has made of
// the rest. Money that comes in is no profit, so the return is time-weighted: it is judged between two transfers, and
// those parts are multiplied (GIPS 2020, glossary: time-weighted return).
import { formatRatio } from "./decimal.ts";

/** What an account has at a moment: cash in USD units, and base units by market. */
export interface Holdings {
  cash: bigint;
  positions: readonly { symbol: string; qty: bigint }[];
}

/** What an account had at a time in ms, after its event `seq`. */
export interface Sample {
  at: number;
  seq: number;
  holdings: Holdings;
}

/** Money that came in or went out with the event `seq`: what the account had right before and right after it. */
export interface Flow {
  at: number;
  seq: number;
  before: Holdings;
  after: Holdings;
}

/**
 * A period, times in ms: from `from` (null: right before the account's first event) to `to` (null: now), looked at every so many ms, at whole
 * multiples of that since the epoch. Of `steps`, shortest first, the first one counts that asks for at most `looks`.
 */
export interface PerformanceWish {
  from: number | null;
  to: number | null;
  steps: readonly number[];
  looks: number;
}

/** What an account answers of a period: where it stood at its beginning, at each look and at its end; and each flow in it. */
export interface PerformanceRecord {
  stepMs: number;
  samples: Sample[];
  flows: Flow[];
}

/** When a period is looked at, its beginning and its end included; null when that is more often than `most`. */
export function looksOf(from: number, to: number, stepMs: number, most: number): number[] | null {
  const first = Math.floor(from / stepMs) + 1;
  const within = Math.max(0, Math.ceil(to / stepMs) - first);
  if (within + 2 > most) return null;
  return [from, ...Array.from({ length: within }, (_, index) => (first + index) * stepMs), to];
}

/** What base units of a market are worth in USD units at a time in ms. */
export type WorthOf = (symbol: string, qty: bigint, at: number) => bigint;

/**
 * Where an account stood, in USD units. Since the first point: what came in less what went out, `profit`, which is all else, and
 * `growth` in parts of {@link GROWTH_ONE}.
 */
export interface PerformancePoint {
  at: number;
  seq: number;
  cash: bigint;
  positionsValue: bigint;
  deposits: bigint;
  withdrawals: bigint;
  profit: bigint;
  growth: bigint;
}

/** Growth that is none. Eighteen digits: what a thousand roundings lose is still not seen in the ten that are shown. */
export const GROWTH_ONE = 10n ** 18n;

/**
 * The points of a period. Equity is cash plus positions, and from one point to another it changes by what came in, what
 * went out and the profit, to the unit.
 */
export function performanceOf(
  { samples, flows }: Pick<PerformanceRecord, "samples" | "flows">,
  worthOf: WorthOf,
): PerformancePoint[] {
  const points: PerformancePoint[] = [];
  const worth = (holdings: Holdings, at: number) => holdings.cash + positionsWorth(holdings, at, worthOf);
  let [deposits, withdrawals, growth, next] = [0n, 0n, GROWTH_ONE, 0];
  let opening: bigint | null = null;
  let last = 0n;
  for (const { at, seq, holdings } of samples) {
    for (let flow = flows[next]; flow !== undefined && flow.seq <= seq; flow = flows[next]) {
      next += 1;
      // What came before the period is in its opening.
      if (opening === null) continue;
      const before = worth(flow.before, flow.at);
      growth = grown(growth, last, before);
      last = worth(flow.after, flow.at);
      if (last > before) deposits += last - before;
      else withdrawals += before - last;
    }
    const positionsValue = positionsWorth(holdings, at, worthOf);
    const equity = holdings.cash + positionsValue;
    if (opening === null) opening = equity;
    else growth = grown(growth, last, equity);
    last = equity;
    const profit = equity - opening - deposits + withdrawals;
    points.push({ at, seq, cash: holdings.cash, positionsValue, deposits, withdrawals, profit, growth });
  }
  return points;
}

/** An account without money has nothing that could grow. */
function grown(growth: bigint, from: bigint, to: bigint): bigint {
  return from > 0n ? (growth * to) / from : growth;
}

function positionsWorth({ positions }: Holdings, at: number, worthOf: WorthOf): bigint {
  return positions.reduce((sum, { symbol, qty }) => sum + worthOf(symbol, qty, at), 0n);
}

/** A growth as the return that it is: "0.0125" for one and a quarter percent; ten digits, half-even. */
export function formatReturn(growth: bigint): string {
  return formatRatio(growth - GROWTH_ONE, GROWTH_ONE);
}
