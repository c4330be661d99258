// Hundreds of seeded runs of the real objects, consumer and sweeper under every fault that we can think of; and proof that
// such runs would find a bug.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { CANARIES, type Canary } from "./canaries.ts";
import { SOMETIMES } from "./reached.ts";
import { addCounts, runSeed } from "./run.ts";

const SEEDS = 100;
const CANARY_SEEDS = 200;

// What the product logs of each fault would bury the one line that matters.
beforeAll(() => {
  for (const level of ["error", "warn"] as const) vi.spyOn(console, level).mockImplementation(() => undefined);
});

async function expectClean(seed: number): Promise<Record<string, number>> {
  const { breaks, counts } = await runSeed(seed);
  expect(breaks, `seed ${seed}; replay it with SIM_SEED=${seed} npm run sim`).toEqual([]);
  return counts;
}

describe("the money path under faults", () => {
  it("keeps what once found a bug", async () => {
    const { seeds } = JSON.parse(readFileSync(join(import.meta.dirname, "seeds.json"), "utf8")) as { seeds: number[] };
    for (const seed of seeds) await expectClean(seed);
  });

  it(`loses nothing, doubles nothing and comes to rest in ${SEEDS} seeds, and no point stays unreached`, async () => {
    const counts: Record<string, number> = {};
    for (let seed = 1; seed <= SEEDS; seed += 1) addCounts(counts, await expectClean(seed));
    console.log(JSON.stringify(counts));
    expect(SOMETIMES.filter((point) => counts[point] === undefined)).toEqual([]);
  });

  it.each(Object.keys(CANARIES) as Canary[])(`would be found broken in ${CANARY_SEEDS} seeds: %s`, async (canary) => {
    for (let seed = 1; seed <= CANARY_SEEDS; seed += 1) {
      const found = await runSeed(seed, canary).catch((error: unknown) => ({ breaks: [String(error)] }));
      if (found.breaks.length > 0) return;
    }
    expect.fail("no seed has found it");
  });
});
