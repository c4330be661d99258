// One simulated run: faults on while clients act, then healed; then everything must have come to rest and add up.
import { atomicBreaks, scheduleBatches } from "./batches.ts";
import { bookBreaks, scheduleChecks } from "./books.ts";
import { CANARIES, type Canary } from "./canaries.ts";
import { acknowledgedBreaks, isUnderWay, journalBreaks, pastBreaks, projectionBreaks, restBreaks } from "./checks.ts";
import { scheduleCorruption } from "./corrupt.ts";
import { cutAll, scheduleCuts } from "./cuts.ts";
import { faultsOf } from "./faults.ts";
import { groupBreaks, scheduleGroups } from "./groups.ts";
import { haltBreaks, scheduleOperators } from "./operators.ts";
import { parkedBreaks, scheduleParking } from "./parking.ts";
import { countReached } from "./reached.ts";
import { lookAfter, restoreBreaks, scheduleRestore } from "./restore.ts";
import { scheduleReviews } from "./transfers.ts";
import { ACCOUNT_IDS, type Clients, schedule } from "./workload.ts";
import { World } from "./world.ts";

/** How long clients act under faults, and how long everything has then to come to rest. */
export const SPAN_MS = 20_000;
export const HEAL_MS = 120_000;
const SETTLE_SECONDS_MAX = 120;
const COMMANDS = 60;
const BATCHES = 12;
const GROUPS = 12;
const REVIEWS = 16;

/** What came of a seed: every broken promise, and how often each fault struck and each point was reached. */
export interface RunReport {
  seed: number;
  breaks: string[];
  counts: Record<string, number>;
}

/**
 * Runs one seed: clients act under its faults (safety), all faults end and time goes on (liveness), then every copy of the
 * truth is compared with every other. With a canary a known bug is built in, which must be found.
 */
export async function runSeed(seed: number, canary: Canary | null = null): Promise<RunReport> {
  const world = new World(seed, faultsOf(seed), canary === null ? undefined : CANARIES[canary]);
  world.d1.enroll(ACCOUNT_IDS);
  const clients = schedule(world, COMMANDS, SPAN_MS);
  scheduleBatches(world, BATCHES, SPAN_MS, clients);
  scheduleGroups(world, GROUPS, SPAN_MS, clients);
  scheduleReviews(world, REVIEWS, SPAN_MS, clients);
  scheduleOperators(world, seed, SPAN_MS);
  const { bug } = world.faults;
  const found: string[] = [];
  const isLost = scheduleLoss(world, clients);
  if (!isLost) scheduleChecks(world, seed, SPAN_MS, found);
  const isCut = !isLost && scheduleCuts(world, seed, SPAN_MS);
  if (bug > 0) scheduleParking(world, SPAN_MS, SPAN_MS + HEAL_MS / 2);
  await throughFaults(world);
  if (isCut) {
    cutAll(world);
    await atRest(world);
  }
  const breaks = [...(await allBreaks(world, clients)), ...found];
  countReached(world);
  const { counts } = world;
  world.close();
  return { seed, breaks, counts };
}

/** Lets a run's faults last for {@link SPAN_MS}, ends them all, and lets time go on until everything must have come to rest. */
export async function throughFaults(world: World): Promise<void> {
  const { clockJumpMsMax } = world.faults;
  const stopped = world.clock();
  await world.run(world.now + SPAN_MS + 2_000);
  world.heal();
  // What was timed by a clock that had jumped ahead must still come due.
  await world.run(stopped + SPAN_MS + HEAL_MS + clockJumpMsMax);
  await atRest(world);
}

/** The house goes on trading with what rests: what it did in this very moment is still on its way. */
async function atRest(world: World): Promise<void> {
  for (let second = 0; second < SETTLE_SECONDS_MAX && isUnderWay(world); second += 1)
    await world.run(world.now + 1_000);
}

/** Every broken promise of a world that must have come to rest: each copy of the truth beside every other. */
export async function allBreaks(world: World, clients: Clients): Promise<string[]> {
  return [
    ...restBreaks(world),
    ...parkedBreaks(world),
    ...restoreBreaks(world),
    ...atomicBreaks(world),
    ...groupBreaks(world),
    ...haltBreaks(world),
    ...journalBreaks(world),
    ...pastBreaks(world),
    ...world.streamBreaks(),
    ...world.provider.breaks(),
    ...(await projectionBreaks(world)),
    ...(await bookBreaks(world)),
    ...acknowledgedBreaks(world, clients),
    ...world.alerts,
  ];
}

/** One object is lost, or has a row spoiled, or neither: false. The version before has known the first life of an object alone. */
function scheduleLoss(world: World, clients: Clients): boolean {
  const { restored, corrupted } = world.faults;
  const lost = world.chance(restored);
  if (lost) scheduleRestore(world, clients, SPAN_MS);
  else if (world.chance(corrupted)) scheduleCorruption(world, clients, SPAN_MS);
  else return false;
  lookAfter(world, clients, SPAN_MS + HEAL_MS / 2);
  world.faults = { ...world.faults, versions: 0 };
  return true;
}

/** Adds one run's counts to another's. */
export function addCounts(total: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [what, times] of Object.entries(counts)) total[what] = (total[what] ?? 0) + times;
}
