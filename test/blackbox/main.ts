// The black box by hand: `npm run blackbox -- --kills=300 --stalls=100 --outages=50 --acts=500000`. Prints a page and, with
// --json, the whole report; exits with 1 on any break.
import { parseArgs } from "node:util";
import { figuresOf } from "./figures.ts";
import { runBlackbox } from "./run.ts";

const { values } = parseArgs({
  options: {
    acts: { type: "string", default: "5000" },
    kills: { type: "string", default: "20" },
    restarts: { type: "string", default: "2" },
    stalls: { type: "string", default: "5" },
    outages: { type: "string", default: "4" },
    full: { type: "string", default: "0" },
    storage: { type: "string", default: "tmpfs" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    json: { type: "boolean", default: false },
  },
});

// Mistyped, they would have nothing run, and that looks like success.
const { acts, kills, restarts, stalls, outages, full, seed } = values;
for (const [name, text] of Object.entries({ acts, kills, restarts, stalls, outages, full, seed })) {
  if (/^\d+$/.test(text) && (name !== "acts" || Number(text) > 0)) continue;
  console.error(`--${name} is no number: ${text}`);
  process.exit(2);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const report = await runBlackbox(
  {
    acts: Number(values.acts),
    faults: {
      kill: Number(values.kills),
      restart: Number(values.restarts),
      stall: Number(values.stalls),
      outage: Number(values.outages),
      full_disk: Number(values.full),
    },
    storage: values.storage === "disk" ? "disk" : "tmpfs",
    seed: Number(values.seed),
  },
  (line) => console.error(line),
);
console.log(values.json ? JSON.stringify(report, null, 2) : figuresOf(report));
process.exit(report.breaks.length === 0 ? 0 : 1);
