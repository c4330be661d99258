// The drill of docs/operations.md: an exchange that was traded on comes back from its backup as it was.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

const SCRIPTS = join(import.meta.dirname, "..", "..", "scripts");

it("an exchange is backed up, lost, and restored with the same state hashes and balances", () => {
  const run = spawnSync(process.execPath, [join(SCRIPTS, "drill.ts")], { encoding: "utf8", timeout: 280_000 });
  expect(`${run.stdout}${run.stderr}`).toContain("ok     every balance is what it was");
  expect(run.status).toBe(0);
}, 290_000);

// After the drill, whose exchange has made the local secrets.
it("a restore says in one line why it restores nothing, and leaves no folder behind", () => {
  const ground = mkdtempSync(join(tmpdir(), "tradepost-restore-test-"));
  try {
    const [none, spoiled, to] = [join(ground, "none"), join(ground, "spoiled"), join(ground, "to")];
    mkdirSync(join(spoiled, "backups", "bck_1"), { recursive: true });
    writeFileSync(join(spoiled, "backups", "bck_1", "manifest"), "not sealed");
    for (const [from, why] of [
      [none, `WRONG  ${none} is not there`],
      [spoiled, "WRONG  backups/bck_1/manifest is no part of a backup"],
    ] as const) {
      const args = [join(SCRIPTS, "restore.ts"), "--from", from, "--to", to];
      const run = spawnSync(process.execPath, args, { encoding: "utf8", timeout: 60_000 });
      expect([run.status, run.stderr.trim()]).toEqual([1, why]);
    }
    expect([existsSync(none), existsSync(to)]).toEqual([false, false]);
  } finally {
    rmSync(ground, { recursive: true });
  }
}, 130_000);
