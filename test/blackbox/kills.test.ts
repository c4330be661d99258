// Nothing that was acknowledged is lost or done twice, whatever happens to the process and to the files under it.
import { expect, it } from "vitest";
import { canServe } from "../../scripts/workerd.ts";
import { figuresOf, RECOVERY_GOAL_MS } from "./figures.ts";
import { canMount } from "./ground.ts";
import { type Plan, type Report, runBlackbox } from "./run.ts";

async function run(acts: number, faults: Partial<Plan["faults"]>, signal: AbortSignal): Promise<Report> {
  const all = { kill: 0, restart: 0, stall: 0, outage: 0, full_disk: 0, ...faults };
  const seed = Date.now() % 1_000_000;
  const report = await runBlackbox({ acts, faults: all, storage: "tmpfs", seed }, () => undefined, signal);
  console.log(figuresOf(report));
  return report;
}

it.skipIf(!canServe())(
  "Z6 20 kills, 2 restarts, 3 stalls and 2 outages of D1 lose nothing and double nothing",
  async ({ signal }) => {
    const report = await run(1_500, { kill: 20, restart: 2, stall: 3, outage: 2 }, signal);
    expect(report.breaks).toEqual([]);
    const { counts, recoveries, actsInOutages } = report.faults;
    expect(counts).toEqual({ kill: 20, restart: 2, stall: 3, outage: 2, full_disk: 0 });
    expect(report.acts).toBeGreaterThanOrEqual(1_500);
    // Otherwise no kill came between an act and its answer, and little was shown.
    expect(report.foundByKey).toBeGreaterThan(0);
    expect(actsInOutages).toBeGreaterThan(0);
    expect(recoveries.sort((a, b) => a - b)[10]).toBeLessThan(RECOVERY_GOAL_MS);
  },
);

it.skipIf(!canServe() || !canMount())(
  "a disk that is full for a while loses nothing and doubles nothing",
  async ({ signal }) => {
    const report = await run(300, { full_disk: 3, kill: 1 }, signal);
    expect(report.breaks).toEqual([]);
    expect(report.faults.counts.full_disk).toBe(3);
  },
);
