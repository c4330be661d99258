// One run of the black box: the built Worker in a process of its own, customers who use it, faults that meet it, and at the
// end the judgement of everything that was seen. Rounds have customers of their own, so that a long run keeps its memory.
import { join } from "node:path";
import { build, WorkerdServer } from "../../scripts/workerd.ts";
import { type Random, randomOf } from "../support/random.ts";
import { moneySums } from "./books.ts";
import { breaksOf } from "./checker.ts";
import { Exchange, sleep } from "./exchange.ts";
import { type Fault, type FaultFigures, Faults } from "./faults.ts";
import { storedState } from "./final.ts";
import { Ground } from "./ground.ts";
import { type Attempt, type History, NOTHING_SEEN } from "./history.ts";
import { Round, type Tally } from "./round.ts";

/** What objects say of a full disk. A journal that could not be sent is sent later: D1 is compared with the objects. */
const EXPECTED_ALERT = /SQLITE_FULL|journal not sent/;

const ACTS_PER_ROUND_MAX = 20_000;
const COME_TO_REST_TRIES = 20;

/** How much of everything. `seed` draws what customers do and when faults strike; the machine decides the rest. */
export interface Plan {
  acts: number;
  faults: Record<Fault, number>;
  storage: "tmpfs" | "disk";
  seed: number;
}

/** What a run has shown. `actsPerSecond` counts the time in which customers acted, not that of the final reads. */
export interface Report {
  plan: Plan;
  skipped: string[];
  seconds: number;
  acts: number;
  /** Acts that were done though their first answer was lost: the answer was found by the key. */
  foundByKey: number;
  actsPerSecond: number;
  attempts: Record<Attempt["outcome"], number>;
  faults: FaultFigures;
  streams: Tally["streams"];
  events: Record<string, number>;
  sums: Record<string, string>;
  breaks: string[];
}

/**
 * Runs a plan and answers what it has shown; every process, folder and mount of it is gone afterwards, at once when
 * `signal` ends it before its time.
 */
export async function runBlackbox(plan: Plan, say: (line: string) => void, signal?: AbortSignal): Promise<Report> {
  const startedAt = performance.now();
  const ground = Ground.prepare(plan.storage, plan.faults.full_disk > 0, plan.acts);
  const events: Record<string, number> = {};
  const alerts: string[] = [];
  const heard = (text: string) => {
    for (const [line, event = ""] of text.matchAll(/^.*"event":"(\w+)".*$/gm)) {
      events[event] = (events[event] ?? 0) + 1;
      // With a full disk an alert is right; any other says that an object has stopped, parked a peer or met a bug.
      if (event === "object_alert" && !EXPECTED_ALERT.test(line)) alerts.push(`the server alerted: ${line}`);
    }
  };
  const built = build(join("src", "worker.ts"), {}, { LOG_LEVEL: "error" });
  const server = new WorkerdServer(built, ground.folder, { heard });
  const exchange = new Exchange(() => server.port);
  const random = randomOf(plan.seed);
  const faults = new Faults(server, random);
  const tally: Tally = {
    acts: 0,
    foundByKey: 0,
    actingMs: 0,
    attempts: { ok: 0, fail: 0, info: 0 },
    streams: { messages: 0, returns: 0, gaps: 0 },
    accountIds: [],
    breaks: [],
  };
  const leave = () => {
    exchange.close();
    server.abandon();
    built.remove();
    ground.leave();
  };
  signal?.addEventListener("abort", leave);
  try {
    await server.start();
    const wanted = ground.canFill ? plan.faults : { ...plan.faults, full_disk: 0 };
    const rounds = Math.ceil(plan.acts / ACTS_PER_ROUND_MAX);
    const shares = shareOut(shuffled(wanted, random), rounds);
    for (const [number, strikes] of shares.entries()) {
      const round = new Round(exchange, faults, built.vars, random);
      await round.play(`r${number}`, Math.ceil(plan.acts / rounds), strikes, tally);
      say(`round ${number + 1} of ${rounds}: ${tally.acts} acts, ${tally.breaks.length} breaks`);
    }
    const stored = await restingState(server, tally.accountIds);
    tally.breaks.push(...breaksOf({ ...NOTHING_SEEN, probes: faults.figures.probes, stored }), ...alerts);
    return {
      plan,
      skipped: ground.canFill || plan.faults.full_disk === 0 ? [] : ["full_disk: nothing may be mounted here"],
      seconds: (performance.now() - startedAt) / 1_000,
      acts: tally.acts,
      foundByKey: tally.foundByKey,
      actsPerSecond: tally.acts / (tally.actingMs / 1_000),
      attempts: tally.attempts,
      faults: faults.figures,
      streams: tally.streams,
      events,
      sums: Object.fromEntries([...moneySums(stored.holdings)].map(([asset, sum]) => [asset, sum.toString()])),
      breaks: tally.breaks,
    };
  } finally {
    await server.end();
    leave();
  }
}

function shuffled(faults: Plan["faults"], random: Random): Fault[] {
  const all = (Object.keys(faults) as Fault[]).flatMap((fault) => Array.from({ length: faults[fault] }, () => fault));
  return all
    .map((fault) => ({ fault, place: random.int(2 ** 30) }))
    .sort((a, b) => a.place - b.place)
    .map(({ fault }) => fault);
}

function shareOut(faults: readonly Fault[], rounds: number): Fault[][] {
  return Array.from({ length: rounds }, (_, round) => faults.filter((_fault, index) => index % rounds === round));
}

/** Kills the server and reads its files, again after a while as long as messages were under way. */
async function restingState(server: WorkerdServer, accountIds: readonly string[]): Promise<History["stored"]> {
  for (let tries = 0; tries < COME_TO_REST_TRIES; tries += 1) {
    await server.kill();
    const stored = storedState(server, accountIds);
    if (stored !== null) return stored;
    await server.start();
    await sleep(1_000);
  }
  return { holdings: [], breaks: ["messages between accounts and markets do not end"] };
}
