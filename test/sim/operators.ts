// Operators in a simulated run: markets change their status and rules, the kill switch is pulled and released, the breaker is set so
// that it trips, and accounts are stopped and thawed; all under every other fault. In some seeds, drawn by themselves: the others are
// as they would be without.
import { decode } from "../../src/core/codec.ts";
import type { RulesChange } from "../../src/core/market/rules.ts";
import type { MarketEvent } from "../../src/core/market/state.ts";
import { type Random, randomOf } from "../support/random.ts";
import { Crash } from "./timeline.ts";
import { ACCOUNT_IDS, again, randomOrder, SYMBOLS, untilDone } from "./workload.ts";
import type { World } from "./world.ts";

const ACT = { by: "usr_operator", reason: "a drill" };
/** One seed in so many has operators at work. */
const SEEDS_PER_DRILL = 4;
const ACTS = 10;
/** What has operators' random numbers be others than the run's own. */
const SALT = 0x6f70;

const CHANGES: readonly RulesChange[] = [
  { makerFeeBps: 0, takerFeeBps: 30 },
  { priceBandBps: 20, breakerBps: 1, breakerHaltMs: 2_000 },
  { breakerBps: 2, breakerWindowMs: 5_000, breakerHaltMs: 1_500 },
  { priceBandBps: 1_000, breakerBps: 500, breakerWindowMs: 60_000 },
  { minNotional: 2_000_000_000n, maxOpenOrders: 3 },
  { minNotional: 1_000_000n, maxOpenOrders: 10_000 },
];

/** Has operators act within `spanMs`; by its end all is open and everybody may trade again. */
export function scheduleOperators(world: World, seed: number, spanMs: number): void {
  const random = randomOf(seed ^ SALT);
  if (!random.once(SEEDS_PER_DRILL)) return;
  for (let count = 0; count < ACTS; count += 1) {
    const act = actOf(world, random);
    untilDone(world, random.unit() * spanMs, act);
  }
  untilDone(world, spanMs, () => {
    for (const symbol of SYMBOLS) if (!open(world, symbol)) return again(world, "refused_unavailable");
    for (const id of ACCOUNT_IDS)
      if (!world.account(id).operations.setStatus("active", "it is over").ok) return "again";
    return undefined;
  });
}

function open(world: World, symbol: string): boolean {
  const { governance } = world.market(symbol);
  return governance.changeRules({ breakerBps: 500 }, ACT).ok && governance.setStatus("open", ACT).ok;
}

function actOf(world: World, random: Random): () => "again" | undefined {
  const symbol = random.pick(SYMBOLS);
  const account = random.pick(ACCOUNT_IDS);
  const change = random.pick(CHANGES);
  const status = random.pick(["open", "open", "post_only", "cancel_only", "halted"] as const);
  const what = random.int(6);
  const cancels = random.once(2);
  return () => {
    const { governance } = world.market(symbol);
    if (what === 0) return done(world, "operator_status", governance.setStatus(status, ACT).ok);
    if (what === 1) return done(world, "operator_rules", governance.changeRules(change, ACT).ok);
    if (what === 2) return done(world, "operator_kill", governance.kill(cancels, ACT).ok);
    if (what === 3) return done(world, "operator_release", governance.release(ACT).ok);
    const { operations } = world.account(account);
    if (what === 4) return done(world, "operator_stop", operations.stopTrading(ACT).ok);
    // An owner is about to order: what is known of the rules is looked after as before each order.
    // Its object may die of what it learns, and then nobody is there to hear of it.
    const looked = world.account(account).rules.before([randomOrder(world, "looked")]);
    looked.catch((error) => {
      if (!(error instanceof Crash)) world.alerts.push(String(error));
    });
    return done(
      world,
      "operator_thaw",
      operations.resumeTrading(ACT).ok && operations.setStatus("active", "a drill").ok,
    );
  };
}

function done(world: World, what: string, ok: boolean): "again" | undefined {
  if (!ok) return again(world, "refused_unavailable");
  world.count(what);
  return undefined;
}

/** Trades beyond what the breaker allows at the rules of their time, and reports of trades while nothing may trade. */
export function haltBreaks(world: World): string[] {
  return world.journals().flatMap(({ object, name, bodies }) => {
    if (object !== "market") return [];
    let status = "open";
    return bodies.flatMap((body) => {
      const event = decode<MarketEvent>(body);
      if (event.kind === "rules") {
        const { halt, version } = event.rules;
        if (halt?.reason === "circuit_breaker" && status === "open") world.count("breaker_tripped");
        if (event.by === null && event.rules.status === "open") world.count("breaker_resumed");
        if (halt?.reason === "kill_switch") world.count("killed");
        status = event.rules.status;
        return version > 1 ? [] : [`${name} has rules of version ${version}`];
      }
      if (event.kind !== "report") return [];
      if (event.report.reason === "kill_switch" && event.cseq === null) world.count("mass_canceled");
      const traded = event.report.execType === "fill" && event.retold !== true && status !== "open";
      return traded ? [`${name} has traded at ${event.seq} while ${status}`] : [];
    });
  });
}
