// All objects lost at once and brought back from copies of different moments, under every fault.
import { beforeAll, expect, it, vi } from "vitest";
import { runLossOfAll } from "./all-restored.ts";
import { addCounts } from "./run.ts";

const SEEDS = 12;

beforeAll(() => {
  for (const level of ["error", "warn"] as const) vi.spyOn(console, level).mockImplementation(() => undefined);
});

it(`invents nothing, and everybody meets and trades again, in ${SEEDS} seeds`, async () => {
  const counts: Record<string, number> = {};
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { breaks, counts: struck } = await runLossOfAll(seed);
    expect(breaks, `seed ${seed}`).toEqual([]);
    addCounts(counts, struck);
  }
  expect(counts["all_restored_account_behind"]).toBeGreaterThan(SEEDS);
  expect(counts["all_restored_market_behind"]).toBeGreaterThan(SEEDS);
});

it("would be found broken, were markets not to wait for those who know more than their copies", async () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) if ((await runLossOfAll(seed, false)).breaks.length > 0) return;
  expect.fail("no seed has found it");
});
