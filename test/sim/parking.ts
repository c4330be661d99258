// Receivers that call everything a bug for a while, and the operator who resumes what was parked for it, now and then too early.
import type { ParkedView } from "../../src/objects/protocol.ts";
import { Crash } from "./timeline.ts";
import { ACCOUNT_IDS, SYMBOLS } from "./workload.ts";
import type { World } from "./world.ts";

const BUG_MS_MAX = 6_000;
const SWEEP_MS = 2_500;
const ACT = { by: "usr_operator", reason: "looked at" };
const EVERYTHING = { limit: 1_000, cursor: null };

/** Has some pairs fail, each direction by itself, within `spanMs`; an operator looks after them until `untilMs`. */
export function scheduleParking(world: World, spanMs: number, untilMs: number): void {
  for (const account of ACCOUNT_IDS) {
    for (const symbol of SYMBOLS) {
      for (const pair of [`${account}>${symbol}`, `${symbol}>${account}`]) {
        if (world.chance(world.faults.bug))
          failFor(world, pair, world.random.unit() * spanMs, world.random.unit() * BUG_MS_MAX);
      }
    }
  }
  for (let at = SWEEP_MS; at < untilMs; at += SWEEP_MS) world.later(at, () => sweep(world));
}

function failFor(world: World, pair: string, fromMs: number, ms: number): void {
  world.later(fromMs, () => void world.bugs.add(pair));
  world.later(fromMs + ms, () => void world.bugs.delete(pair));
}

/** The operator looks at every object's list and resumes most of what is parked. */
function sweep(world: World): void {
  for (const [, account] of world.accounts()) resume(world, account.operations);
  for (const [, market] of world.markets()) resume(world, market);
}

function resume(
  world: World,
  object: { parked: (query: typeof EVERYTHING) => ParkedView; unpark: (peer: string, act: typeof ACT) => unknown },
): void {
  try {
    for (const { peer } of object.parked(EVERYTHING).data) {
      if (world.chance(0.3)) continue;
      object.unpark(peer, ACT);
      world.count("resumed");
    }
  } catch (error) {
    // It died on the way: what it has not stored as resumed is still on its list next time.
    if (!(error instanceof Crash)) throw error;
  }
}

/** What is parked or stopped though all has been looked after. */
export function parkedBreaks(world: World): string[] {
  const views: [string, ParkedView][] = [
    ...world.accounts().map(([id, { operations }]): [string, ParkedView] => [id, operations.parked(EVERYTHING)]),
    ...world.markets().map(([symbol, market]): [string, ParkedView] => [symbol, market.parked(EVERYTHING)]),
  ];
  return views.flatMap(([name, { data, stopped }]) => [
    ...data.map(({ peer, reason }) => `${name} has ${peer} parked: ${reason}`),
    ...(stopped === null ? [] : [`${name} is stopped: ${stopped}`]),
  ]);
}
