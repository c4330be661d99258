// The drill of docs/operations.md: an exchange that was traded on comes back from its backup as it was.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

it("an exchange is backed up, lost, and restored with the same state hashes and balances", () => {
  const script = join(import.meta.dirname, "..", "..", "scripts", "drill.ts");
  const run = spawnSync(process.execPath, [script], { encoding: "utf8", timeout: 280_000 });
  expect(`${run.stdout}${run.stderr}`).toContain("ok     every balance is what it was");
  expect(run.status).toBe(0);
}, 290_000);
