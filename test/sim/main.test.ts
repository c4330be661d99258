// `npm run sim`, as it is called.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

it.each([
  ["SIM_SEED", "1O"],
  ["SIM_SEEDS", "1O"],
  ["SIM_SEEDS", "0"],
  ["SIM_SECONDS", "1O"],
  ["SIM_SECONDS", "0"],
])("says so when %s is %s: nothing run is nothing shown", (name, text) => {
  const env = { ...process.env, SIM_SECONDS: "1", [name]: text };
  const run = spawnSync(process.execPath, [join(import.meta.dirname, "main.ts")], { encoding: "utf8", env });
  expect([run.status, run.stderr.trim()]).toEqual([2, `${name} is no number, or has nothing run: ${text}`]);
});
