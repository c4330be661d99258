// The write buffer under every fault of D1 that we can think of: nothing acknowledged is lost, nothing is done twice, nothing
// overtakes; and proof that such runs would find a bug.
import { beforeAll, describe, expect, it, vi } from "vitest";
import { type BufferCanary, runBufferSeed } from "./buffer.ts";
import { addCounts } from "./run.ts";

const SEEDS = 150;
const CANARY_SEEDS = 200;
const CANARIES: BufferCanary[] = ["forgets_marks", "forgets_a_write", "overtakes", "forgets_conflicts"];
const SOMETIMES = [
  ...["create_done", "create_buffered", "create_unavailable", "change_done", "change_buffered", "change_unavailable"],
  ...["change_precondition_failed", "move_done", "move_buffered", "chosen", "two_at_once"],
  ...["read", "read_unavailable", "listed", "list_unavailable", "drained_done", "drained_away", "drained_refused"],
  ...["conflict", "d1_outage", "d1_failed", "d1_answer_lost", "d1_late", "evicted", "crash_before_commit"],
  ...["crash_after_commit", "alarm", "alarm_twice", "alarm_late", "alarm_dropped", "disk_full", "request_lost"],
];

beforeAll(() => {
  for (const level of ["error", "warn"] as const) vi.spyOn(console, level).mockImplementation(() => undefined);
});

describe("writes while the database fails", () => {
  it(`are each done once and in order, or shown as a conflict, in ${SEEDS} seeds, and no point stays unreached`, async () => {
    const counts: Record<string, number> = {};
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const report = await runBufferSeed(seed);
      expect(report.breaks, `seed ${seed}`).toEqual([]);
      addCounts(counts, report.counts);
    }
    console.log(JSON.stringify(counts));
    expect(SOMETIMES.filter((point) => counts[point] === undefined)).toEqual([]);
  });

  it.each(CANARIES)(`would be found broken in ${CANARY_SEEDS} seeds: %s`, async (canary) => {
    for (let seed = 1; seed <= CANARY_SEEDS; seed += 1) {
      if ((await runBufferSeed(seed, canary)).breaks.length > 0) return;
    }
    expect.fail("no seed has found it");
  });
});
