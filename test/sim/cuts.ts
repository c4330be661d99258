// Journals are cut while everything goes on and fails: what is old enough, applied to D1 and archived. In some seeds, drawn by
// themselves; never in those where an object is lost: what is cut is older than any copy that an object may be restored from.
import { randomOf } from "../support/random.ts";
import { Crash } from "./timeline.ts";
import { ACCOUNT_IDS, SYMBOLS } from "./workload.ts";
import type { World } from "./world.ts";

/** One seed in so many has its journals cut. */
const SEEDS_PER_CUTTING = 3;
const CUTS = 24;
/** How old an event is, at most, when it is cut. */
const AGE_MS_MAX = 8_000;
/** What has the random numbers of cuts be others than the run's own. */
const SALT = 0x6375;

/** Has journals cut within `spanMs`. Answers whether this is such a seed. */
export function scheduleCuts(world: World, seed: number, spanMs: number): boolean {
  const random = randomOf(seed ^ SALT);
  if (!random.once(SEEDS_PER_CUTTING)) return false;
  for (let count = 0; count < CUTS; count += 1) {
    const isMarket = random.once(3);
    const key = random.pick(isMarket ? SYMBOLS : ACCOUNT_IDS);
    const age = random.unit() * AGE_MS_MAX;
    world.later(random.unit() * spanMs, () => cut(world, isMarket ? "market" : "account", key, age));
  }
  return true;
}

/** Cuts all that may be cut of every object. */
export function cutAll(world: World): void {
  for (const [id] of world.accounts()) cut(world, "account", id, 0);
  for (const [symbol] of world.markets()) cut(world, "market", symbol, 0);
}

function cut(world: World, object: "account" | "market", key: string, ageMs: number): void {
  try {
    const { cutting } = object === "account" ? world.account(key).operations : world.market(key);
    const wanted = cutting.cuttable(Math.floor(world.clock() - ageMs));
    if (wanted === null) {
      world.count("cut_nothing");
      return;
    }
    const name = object === "account" ? key : `main/${key}`;
    const heads = world.d1.rows(
      `SELECT applied_seq FROM projection_heads WHERE name = '${name}' AND epoch = ${wanted.epoch}`,
    );
    if (Number(heads[0]?.["applied_seq"] ?? 0) < wanted.through) {
      world.count("cut_not_applied");
      return;
    }
    world.archive(object, key);
    const done = cutting.cut(wanted);
    if (done.ok) world.count(`cut_${object}`);
    else if (done.refusal.code !== "not_found") world.alerts.push(`${key} is not cut: ${done.refusal.code}`);
    else world.count("cut_too_small");
  } catch (error) {
    // It died on the way: what it has not cut is cut another time.
    if (!(error instanceof Crash)) throw error;
  }
}
