// How often something may be done, as pure functions: a bucket that fills evenly, and a list of failures in a window.

/**
 * So many units at once, and that many again in `windowMs`, filled evenly. A day's worth may so be done twice in the first
 * day, once out of the full bucket and once as it fills.
 */
export interface Rate {
  units: number;
  windowMs: number;
}

/** What a bucket says to a request: whether it may pass, how much is left, and in how many ms it is full, or may pass. */
export interface Taken {
  allowed: boolean;
  remaining: number;
  resetMs: number;
}

/**
 * Takes `count` units out of a bucket at `nowMs`. `fullAt` is when it will be full again, in ms, 0 for one never used (the
 * generic cell rate algorithm); a refusal takes nothing and leaves it as it is. A count above the whole bucket costs all
 * of it, since it could otherwise never pass. One that is full later than it can be is of a clock that has gone back since:
 * it counts as full, or its owner would wait until the clock has caught up.
 */
export function takeUnits(rate: Rate, fullAt: number, count: number, nowMs: number): Taken & { fullAt: number } {
  const { units, windowMs } = rate;
  const unitMs = windowMs / units;
  const empty = nowMs + windowMs + unitMs;
  const after = Math.max(fullAt > empty ? 0 : fullAt, nowMs) + Math.min(count, units) * unitMs;
  const late = after - windowMs - nowMs;
  // A bucket is no clock: what rounding adds may not refuse the last unit of a full one.
  if (late > unitMs / 1_000) return { allowed: false, remaining: left(rate, fullAt, nowMs), resetMs: late, fullAt };
  return { allowed: true, remaining: left(rate, after, nowMs), resetMs: after - nowMs, fullAt: after };
}

function left({ units, windowMs }: Rate, fullAt: number, nowMs: number): number {
  const missing = Math.max(0, fullAt - nowMs) / (windowMs / units);
  return Math.max(0, Math.floor(units - missing + 0.001));
}

/**
 * What is said to the next try after failures at the times `at`, oldest first: it may pass while fewer than `units` of them
 * lie in the window. Exact where a bucket is not: never more than `units` failures in any window.
 */
export function judgeFailures(rate: Rate, at: readonly number[], nowMs: number): Taken {
  const recent = recentFailures(rate, at, nowMs);
  // The one whose end makes room: there may be more than the limit once it has been lowered.
  const first = recent[Math.max(0, recent.length - rate.units)];
  const resetMs = first === undefined ? 0 : first + rate.windowMs - nowMs;
  const remaining = Math.max(0, rate.units - recent.length);
  return { allowed: remaining > 0, remaining, resetMs };
}

/** The failures that still count, at most as many as are needed to refuse. */
export function recentFailures({ units, windowMs }: Rate, at: readonly number[], nowMs: number): number[] {
  // A clock that went back must not keep a failure longer than its window.
  return at.filter((time) => time > nowMs - windowMs && time <= nowMs).slice(-units);
}
