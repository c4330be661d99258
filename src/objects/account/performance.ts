// What an account had at the points of a period, and around each flow of money in between, from its journal.
import type { AccountThen, AsOf } from "../../core/account/history.ts";
import { FLOW_KINDS } from "../../core/ledger.ts";
import { PERFORMANCE_FLOWS_MAX } from "../../core/limits.ts";
import {
  type Flow,
  type Holdings,
  looksOf,
  type PerformanceRecord,
  type PerformanceWish,
  type Sample,
} from "../../core/performance.ts";
import { invariant, ok, type Result } from "../../core/result.ts";
import type { Sql } from "../ports.ts";
import { invalid } from "../stored.ts";

/** Says what the account was at a moment; refuses `validation_failed` for one that has not come. */
type StateAt = (asOf: AsOf) => Result<AccountThen>;

/**
 * What a performance is reckoned from, up to `now` in ms where the wish has no end. Refuses `validation_failed` for an end that
 * has not come, for more looks than are wished for, and for more than {@link PERFORMANCE_FLOWS_MAX} flows. It only reads.
 */
export function recordPerformance(
  sql: Sql,
  stateAt: StateAt,
  now: number,
  { from, to, steps, looks }: PerformanceWish,
): Result<PerformanceRecord> {
  const [first] = sql<{ at: number }>("SELECT at FROM journal ORDER BY seq LIMIT 1");
  const [begin, end] = [from ?? (first?.at ?? now) - 1, to ?? now];
  const taken = steps.flatMap((stepMs) => {
    const times = looksOf(begin, end, stepMs, looks);
    return times === null ? [] : [{ stepMs, times }];
  })[0];
  if (taken === undefined)
    return invalid("/interval", `more than ${looks} points: ask for a longer one`, "too_many_points");
  const samples: Sample[] = [];
  for (const at of taken.times) {
    const then = stateAt({ at });
    if (!then.ok) return then;
    samples.push({ at, seq: then.value.seq, holdings: holdingsOf(then.value) });
  }
  const rows = flowsBetween(sql, samples[0]?.seq ?? 0, samples.at(-1)?.seq ?? 0);
  if (rows.length > PERFORMANCE_FLOWS_MAX) {
    const detail = `more than ${PERFORMANCE_FLOWS_MAX} transfers: ask for a shorter period`;
    return invalid("/period", detail, "period_too_long");
  }
  const holdingsAt = (seq: number): Holdings => {
    const then = stateAt({ seq });
    invariant(then.ok, `event ${seq} is in the journal and has not been`);
    return holdingsOf(then.value);
  };
  const flows = rows.map(
    ({ first, seq, at }): Flow => ({ at, seq, before: holdingsAt(first - 1), after: holdingsAt(seq) }),
  );
  return ok({ stepMs: taken.stepMs, samples, flows });
}

/** The events by which money came in or went out after one and up to another, one more than a performance may have. */
function flowsBetween(sql: Sql, after: number, last: number): { first: number; seq: number; at: number }[] {
  const rows = FLOW_KINDS.flatMap((kind) =>
    sql<{ first: number; seq: number; at: number }>(
      "SELECT first, seq, at FROM journal WHERE entry_kind = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
      kind,
      after,
      last,
      PERFORMANCE_FLOWS_MAX + 1,
    ),
  );
  return rows.sort((a, b) => a.seq - b.seq).slice(0, PERFORMANCE_FLOWS_MAX + 1);
}

function holdingsOf({ balances, positions }: AccountThen): Holdings {
  const usd = balances.find(({ asset }) => asset === "USD");
  return {
    cash: usd === undefined ? 0n : usd.available + usd.held,
    positions: positions.flatMap(({ symbol, qty }) => (qty > 0n ? [{ symbol, qty }] : [])),
  };
}
