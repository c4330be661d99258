// `npm run sim`, as it is called.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

it.each(["SIM_SEED", "SIM_SEEDS", "SIM_SECONDS"])(
  "says so when %s is no number: nothing run is nothing shown",
  (name) => {
    const env = { ...process.env, SIM_SECONDS: "0", [name]: "1O" };
    const run = spawnSync(process.execPath, [join(import.meta.dirname, "main.ts")], { encoding: "utf8", env });
    expect([run.status, run.stderr.trim()]).toEqual([2, `${name} is no number: 1O`]);
  },
);
