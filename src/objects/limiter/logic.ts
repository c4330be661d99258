// What one key has done of late: buckets in memory, failures in the object's own SQLite.
import { judgeFailures, type Rate, recentFailures, type Taken, takeUnits } from "../../core/rate.ts";
import type { Sql } from "../ports.ts";

/** What a limiter needs of the world. `forget` has {@link LimiterLogic.forget} called at a moment, in ms. */
export interface LimiterPorts {
  sql: Sql;
  now: () => number;
  forget: { at: (ms: number) => void; all: () => void };
}

/** The limits of one key. */
export class LimiterLogic {
  readonly #ports: LimiterPorts;
  /** By policy: when its bucket is full again. Lost with the object, which then forgives. */
  readonly #fullAt = new Map<string, number>();

  constructor(ports: LimiterPorts) {
    this.#ports = ports;
  }

  /** Takes units out of a policy's bucket. */
  take(policy: string, rate: Rate, count: number): Taken {
    const { fullAt, ...taken } = takeUnits(rate, this.#fullAt.get(policy) ?? 0, count, this.#ports.now());
    this.#fullAt.set(policy, fullAt);
    return taken;
  }

  /** What is left of a policy's failures. */
  failures(policy: string, rate: Rate): Taken {
    return judgeFailures(rate, this.#failedAt(policy), this.#ports.now());
  }

  /**
   * Ends a try that began while {@link failures} allowed it. When as many as may have failed since, it is not allowed,
   * whatever its outcome: or of fifty guesses at once the right one would be told. Else a failure is stored.
   */
  settle(policy: string, rate: Rate, failed: boolean): Taken {
    const now = this.#ports.now();
    const at = recentFailures(rate, this.#failedAt(policy), now);
    const before = judgeFailures(rate, at, now);
    if (!before.allowed || !failed) return before;
    this.#ports.sql("DELETE FROM failures WHERE policy = ? AND at <= ?", policy, now - rate.windowMs);
    this.#ports.sql("INSERT INTO failures (policy, at, until) VALUES (?, ?, ?)", policy, now, now + rate.windowMs);
    this.#ports.forget.at(now + rate.windowMs);
    return { ...judgeFailures(rate, [...at, now], now), allowed: true };
  }

  /** Forgets failures that have been kept long enough; all of itself when none is left. */
  forget(): void {
    const { sql, now, forget } = this.#ports;
    this.#makeTable();
    sql("DELETE FROM failures WHERE until <= ?", now());
    const [last] = sql<{ until: number | null }>("SELECT max(until) AS until FROM failures");
    if (last === undefined || last.until === null) forget.all();
    else forget.at(last.until);
  }

  #failedAt(policy: string): number[] {
    this.#makeTable();
    const rows = this.#ports.sql<{ at: number }>("SELECT at FROM failures WHERE policy = ? ORDER BY at", policy);
    return rows.map(({ at }) => at);
  }

  /** Not in the constructor: most limiters only have buckets, and need no file. */
  #makeTable(): void {
    this.#ports.sql(
      "CREATE TABLE IF NOT EXISTS failures (policy TEXT NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL) STRICT",
    );
  }
}
