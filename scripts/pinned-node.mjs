// The Node that package.json pins: npm scripts run on it, and a script that is started directly goes over to it.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that package.json is in. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Resolves on Node ≥ 22.18; on an older one starts this script again on the pinned one, and never resolves. */
export function usePinnedNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 22 || (major === 22 && minor >= 18)) return Promise.resolve();
  const pinned = join(ROOT, "node_modules", "node", "bin", "node");
  if (!existsSync(pinned)) {
    console.error("Run `npm ci` first.");
    process.exit(1);
  }
  const child = spawn(pinned, process.argv.slice(1), { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code) => process.exit(code ?? 1));
  return new Promise(() => {});
}
