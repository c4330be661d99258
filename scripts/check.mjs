// Everything about the tree that can be judged without running it. One line each; exits with 1 when any is wrong.

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { ROOT, usePinnedNode } from "./pinned-node.mjs";

const WRANGLER = "wrangler/bin/wrangler.js";
/** Named, since a wrangler.jsonc in a parent folder would win. */
const CONFIG = ["-c", join(ROOT, "wrangler.toml")];
/** The tools ask nothing, send nothing and advertise nothing. */
const ENV = {
  ...process.env,
  CI: "1",
  NO_COLOR: "1",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_HIDE_BANNER: "true",
};

await usePinnedNode();
mkdirSync(join(ROOT, "node_modules", ".cache"), { recursive: true });
const scratch = mkdtempSync(join(ROOT, "node_modules", ".cache", "check-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

const CHECKS = [
  [
    "bindings have the types of wrangler.toml",
    () => tool(WRANGLER, "types", ...CONFIG, "worker-configuration.d.ts", "--check"),
  ],
  ["types", () => tool("typescript/bin/tsc", "-p", ".")],
  [
    "lint and format",
    () => tool("@biomejs/biome/bin/biome", "check", ".", "--error-on-warnings", "--diagnostic-level=warn"),
  ],
  ["docs/openapi.json is what the routes say", () => node(join("scripts", "openapi.mjs"), "--check")],
  ["docs/permissions.md is what the table says", () => node(join("scripts", "permissions.mjs"), "--check")],
  ["the pages of errors are what docs/errors.md says", () => node(join("scripts", "errors.mjs"), "--check")],
  ["migrations fit each other", () => tool("drizzle-kit/bin.cjs", "check")],
  ["migrations are what src/db says", pendingMigration],
  ["the Worker builds for deployment", build],
];

let wrong = 0;
for (const [name, check] of CHECKS) {
  const started = performance.now();
  const complaint = check();
  const seconds = `${((performance.now() - started) / 1_000).toFixed(1)} s`;
  console.log(`${complaint === null ? "ok    " : "WRONG "} ${name} (${seconds})`);
  if (complaint === null) continue;
  wrong += 1;
  console.log(complaint.trim().replace(/^/gm, "       "));
}
console.log(wrong === 0 ? "\nAll checks passed." : `\n${wrong} of ${CHECKS.length} checks failed.`);
process.exit(wrong === 0 ? 0 : 1);

/** Runs one of the dependencies' programs. Null when it succeeds, else what it printed. */
function tool(program, ...args) {
  return node(join("node_modules", program), ...args);
}

function node(...args) {
  const { status, output } = run(...args);
  return status === 0 ? null : output;
}

function run(...args) {
  const ended = spawnSync(process.execPath, args, {
    cwd: ROOT,
    env: ENV,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { status: ended.status, output: `${ended.stdout ?? ""}${ended.stderr ?? ""}${ended.error?.message ?? ""}` };
}

/**
 * Generates a migration beside a copy of the committed ones: a new file means that somebody forgot to. Only the words
 * count, since drizzle-kit exits with 0 when it fails too; and its `out` must be relative, or it finds no snapshots.
 */
function pendingMigration() {
  const out = join(scratch, "migrations");
  cpSync(join(ROOT, "migrations"), out, { recursive: true });
  const config = join(scratch, "drizzle.config.ts");
  const changed = { from: join(ROOT, "drizzle.config.ts"), out: relative(ROOT, out) };
  writeFileSync(
    config,
    `import real from ${JSON.stringify(changed.from)};\nexport default { ...real, out: ${JSON.stringify(changed.out)} };\n`,
  );
  const { output } = run(join("node_modules", "drizzle-kit", "bin.cjs"), "generate", "--config", config);
  if (output.includes("No schema changes")) return null;
  return `src/db has changes without a migration. Run \`npm run migration\` and commit the result.\n${output}`;
}

/** A build with warnings is a failed one: nobody reads those of a deployment. */
function build() {
  const out = join(scratch, "build");
  const { status, output } = run(join("node_modules", WRANGLER), "deploy", ...CONFIG, "--dry-run", "--outdir", out);
  return status === 0 && !output.includes("WARNING") ? null : output;
}
