// Everything is lost at once, and brought back from a backup: each object as it was at a moment of its own, and nothing of D1. What
// must hold then is what must hold after any other fault; and whoever was told of something that no copy has, has been told so.
import { dealers } from "../../scripts/restore-journals.ts";
import { scheduleBatches } from "./batches.ts";
import { type FaultRates, faultsOf } from "./faults.ts";
import { scheduleGroups } from "./groups.ts";
import { forget, lookAfter, restoreWith, undisturbed } from "./restore.ts";
import { allBreaks, HEAL_MS, type RunReport, SPAN_MS, throughFaults } from "./run.ts";
import { scheduleReviews } from "./transfers.ts";
import { ACCOUNT_IDS, type Clients, SYMBOLS, schedule } from "./workload.ts";
import { World } from "./world.ts";

const COMMANDS = 60;
const ACTS = 12;
/** Everything of this run's D1 that journals or checks have made. */
const FORGOTTEN_TABLES = [
  ...["projection_heads", "projection_slices", "dead_letters", "sweep_cursors", "checks", "breaks", "check_marks"],
  ...["orders", "executions", "ledger_entries", "balances", "transfers", "trades"],
];

interface Copy {
  object: "account" | "market";
  key: string;
  journal: string[];
}

/** Faults of a seed, without those that are told apart elsewhere: one object alone, rows of other versions. */
function faults(seed: number): FaultRates {
  return { ...faultsOf(seed), restored: 0, corrupted: 0, versions: 0, bug: 0 };
}

/** Runs one seed: clients act, each object is copied at its own moment, all of them are lost, and brought back. `waits` is false for a bug. */
export async function runLossOfAll(seed: number, waits = true): Promise<RunReport> {
  const world = new World(seed, faults(seed));
  world.d1.enroll(ACCOUNT_IDS);
  const clients = schedule(world, COMMANDS, SPAN_MS);
  scheduleBatches(world, ACTS, SPAN_MS, clients);
  scheduleGroups(world, ACTS, SPAN_MS, clients);
  scheduleReviews(world, ACTS, SPAN_MS, clients);
  scheduleLossOfAll(world, clients, waits);
  lookAfter(world, clients, SPAN_MS + HEAL_MS / 2);
  await throughFaults(world);
  const breaks = await allBreaks(world, clients);
  const { counts } = world;
  world.close();
  return { seed, breaks, counts };
}

/** Copies every object at a moment of its own, within a span that may be short or all of the run, and loses all after that. */
function scheduleLossOfAll(world: World, clients: Clients, waits: boolean): void {
  const objects = [
    ...SYMBOLS.map((key) => ({ object: "market" as const, key })),
    ...ACCOUNT_IDS.map((key) => ({ object: "account" as const, key })),
  ];
  const copies: Copy[] = [];
  // Often so early that a copied market has not heard of everybody yet who has dealt there by their own copies.
  const begins = world.random.unit() * (world.random.once(2) ? 1_000 : SPAN_MS);
  const span = world.random.unit() * (SPAN_MS - begins);
  for (const one of objects) {
    const at = begins + world.random.unit() * span;
    world.later(at, () => void copies.push({ ...one, journal: world.journalOf(one.object, one.key) }));
  }
  const lost = begins + span + world.random.unit() * (SPAN_MS - begins - span);
  world.later(lost, () => undisturbed(world, () => loseAll(world, clients, copies, waits)));
}

function loseAll(world: World, clients: Clients, copies: readonly Copy[], waits: boolean): void {
  const lives = copies.map((copy) => ({ ...copy, ...lost(world, copy) }));
  const of = { epoch: 1, seq: 0, hash: "", head: "" };
  const expected = dealers(copies.map(({ object, key: name, journal: events }) => ({ object, name, of, events })));
  for (const table of FORGOTTEN_TABLES) world.d1.rows(`DELETE FROM ${table}`);
  for (const { object, key, journal, epoch, after } of lives) {
    restoreWith(world, object, key, { epoch: epoch + 1, journal }, (waits && expected.get(key)) || []);
    if (object === "account") forget(key, after, clients);
    if (after.length > 0) world.count(`all_restored_${object}_behind`);
  }
  world.count("all_restored");
}

function lost(world: World, { object, key, journal }: Copy): { epoch: number; after: string[] } {
  const { journal: whole, epoch } = world.lose(object, key);
  return { epoch, after: whole.slice(journal.length) };
}
