// The timers of an object, without the object: what the alarm is set for.
import { describe, expect, it } from "vitest";
import type { SqlValue } from "../../src/objects/ports.ts";
import { Timers } from "../../src/objects/timers.ts";

/** Timers over a table that has these rows; `alarms` gathers what the alarm is set for. */
function timersOver(rows: { kind: string; ref: string; due: number }[]) {
  const alarms: number[] = [];
  const sql = <Row extends Record<string, SqlValue>>(query: string) =>
    (query.startsWith("SELECT") ? rows : []) as unknown as Row[];
  const timers = new Timers({ sql, alarm: { set: (at) => void alarms.push(at) } });
  return { timers, alarms };
}

describe("the alarm", () => {
  it("is set for the earliest timer, however many there are", () => {
    const rows = Array.from({ length: 200_000 }, (_, index) => ({
      kind: "drain",
      ref: `m${index}`,
      due: 5_000 - (index % 999),
    }));
    const { timers, alarms } = timersOver(rows);
    expect(alarms).toEqual([4_002]);
    timers.rearm(4_500);
    expect(alarms).toEqual([4_002, 4_500]);
  });

  it("is not set when there is no timer", () => {
    expect(timersOver([]).alarms).toEqual([]);
  });
});
