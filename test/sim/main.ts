// `npm run sim`: fresh seeds for SIM_SECONDS (60), or SIM_SEEDS of them, or the one that SIM_SEED names. Exit status 1 on a
// broken promise; its seed goes into seeds.json, which `npm test` always runs.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SOMETIMES } from "./reached.ts";
import { addCounts, type RunReport, runSeed } from "./run.ts";

const FILE = join(import.meta.dirname, "seeds.json");
/** Fewer runs cannot be expected to have reached every point. */
const RUNS_TO_REACH_ALL = 1_000;

const { SIM_SEED, SIM_SEEDS, SIM_SECONDS } = process.env;
// Mistyped, they would have nothing run, and that looks like success.
for (const [name, text] of Object.entries({ SIM_SEED, SIM_SEEDS, SIM_SECONDS })) {
  if (text === undefined || (/^\d+$/.test(text) && (name === "SIM_SEED" || Number(text) > 0))) continue;
  console.error(`${name} is no number, or has nothing run: ${text}`);
  process.exit(2);
}
for (const level of ["error", "warn"] as const) console[level] = () => undefined;

if (SIM_SEED === undefined) await runFresh(Number(SIM_SEEDS ?? Number.POSITIVE_INFINITY), Number(SIM_SECONDS ?? 60));
else show(await reportOf(Number(SIM_SEED)));

/** A run that throws has broken a promise too: its seed must not be lost with it. */
async function reportOf(seed: number): Promise<RunReport> {
  try {
    return await runSeed(seed);
  } catch (error) {
    return { seed, breaks: [`threw ${error instanceof Error ? error.stack : String(error)}`], counts: {} };
  }
}

async function runFresh(seedsMax: number, seconds: number): Promise<void> {
  const started = performance.now();
  const first = Date.now() % 1_000_000_000;
  const total: Record<string, number> = {};
  let runs = 0;
  const goesOn = () => (SIM_SEEDS === undefined ? performance.now() - started < seconds * 1_000 : runs < seedsMax);
  while (goesOn() && process.exitCode !== 1) {
    const report = await reportOf(first + runs);
    addCounts(total, report.counts);
    runs += 1;
    if (report.breaks.length === 0) continue;
    show(report);
    keep(report.seed);
  }
  const took = (performance.now() - started) / 1_000;
  console.log(JSON.stringify(total));
  console.log(`${runs} seeds from ${first} in ${took.toFixed(0)} s`);
  const unreached = SOMETIMES.filter((point) => total[point] === undefined);
  if (unreached.length > 0) console.log(`not reached: ${unreached.join(", ")}`);
  if (unreached.length > 0 && runs >= RUNS_TO_REACH_ALL) process.exitCode = 1;
}

function show({ seed, breaks, counts }: RunReport): void {
  console.log(`seed ${seed}: ${breaks.length === 0 ? "clean" : breaks.join("\n  ")}`);
  console.log(JSON.stringify(counts));
  if (breaks.length > 0) process.exitCode = 1;
}

function keep(seed: number): void {
  const { seeds } = JSON.parse(readFileSync(FILE, "utf8")) as { seeds: number[] };
  writeFileSync(FILE, `${JSON.stringify({ seeds: [...new Set([...seeds, seed])] })}\n`);
}
