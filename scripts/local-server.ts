// A local exchange as a child process, on a folder that keeps its state: for scripts that start one, speak with it and end it.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { parseEnv } from "node:util";

const ROOT = join(import.meta.dirname, "..");
const SECRETS = join(ROOT, ".dev.vars");
const HOST = "127.0.0.1";
const START_LIMIT_MS = 60_000;
const END_LIMIT_MS = 5_000;

/** wrangler's program. */
export const WRANGLER = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
/** The arguments that name this product's configuration. */
const CONFIG = ["-c", join(ROOT, "wrangler.toml")];

/** The environment in which nothing leaves the machine, nothing is asked, nothing is advertised. */
export const QUIET_ENV = {
  ...process.env,
  CI: "1",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  X_LOCAL_EXPLORER: "false",
  X_LOCAL_OBSERVABILITY: "false",
};

/** A port of this machine that nobody has just now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, HOST, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Secrets of local runs, as `npm start` has made them. Throws when there are none yet. */
export function localSecrets(): Record<string, string> {
  if (!existsSync(SECRETS)) throw new Error("There is no .dev.vars: put the secrets of the backup's instance into it.");
  return savedSecrets();
}

/** What .dev.vars says; nothing where it is not there. */
export function savedSecrets(): Record<string, string> {
  return { ...parseEnv(secretsText()) } as Record<string, string>;
}

/** Adds secrets to .dev.vars, which only its owner may read. What is there stays as it is. */
export function saveSecrets(made: Readonly<Record<string, string>>): void {
  const text = secretsText();
  const head =
    text === "" ? "# Secrets of this machine's local runs, made by `npm start`.\n" : text.replace(/\n*$/, "\n");
  const lines = Object.entries(made).map(([name, value]) => `${name}='${value}'\n`);
  writeFileSync(SECRETS, head + lines.join(""), { mode: 0o600 });
}

function secretsText(): string {
  return existsSync(SECRETS) ? readFileSync(SECRETS, "utf8") : "";
}

/** Runs wrangler to its end. Throws with all that it has said when it fails. */
export function runWrangler(args: readonly string[]): void {
  const run = spawnSync(process.execPath, [WRANGLER, ...args, ...CONFIG], {
    cwd: ROOT,
    env: QUIET_ENV,
    encoding: "utf8",
  });
  if (run.status !== 0) throw new Error(`wrangler ${args.slice(0, 3).join(" ")} failed:\n${run.stdout}${run.stderr}`);
}

/** Makes the tables of D1 in a state folder. */
export function makeTables(state: string): void {
  runWrangler(["d1", "migrations", "apply", "DB", "--local", "--persist-to", state]);
}

/** What wrangler is told to run the Worker on a port of this machine and a state folder, with further vars. */
export function devArguments(port: number, state: string, vars: Readonly<Record<string, string>>): string[] {
  const place = ["--ip", HOST, "--port", String(port), "--persist-to", state, "--show-interactive-dev-session=false"];
  const settings = Object.entries({ PUBLIC_URL: urlOf(port), ...vars });
  return ["dev", ...CONFIG, ...place, ...settings.flatMap(([name, value]) => ["--var", `${name}:${value}`])];
}

/** Where a server answers that listens on a port of this machine. */
function urlOf(port: number): string {
  return `http://${HOST}:${port}`;
}

/** A server that answers; `end` resolves when its process is gone. */
export interface LocalServer {
  url: string;
  end: () => Promise<void>;
}

/** Starts the Worker on a state folder; resolves when it answers. */
export async function serve(state: string, vars: Readonly<Record<string, string>> = {}): Promise<LocalServer> {
  const port = await freePort();
  const url = urlOf(port);
  const child = spawn(process.execPath, [WRANGLER, ...devArguments(port, state, vars)], {
    cwd: ROOT,
    env: { ...QUIET_ENV, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-20_000);
    });
  }
  process.once("exit", () => child.kill("SIGKILL"));
  const end = () => ended(child);
  const limit = Date.now() + START_LIMIT_MS;
  while (Date.now() < limit && child.exitCode === null) {
    const answers = await fetch(`${url}/healthz`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (answers) return { url, end };
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await end();
  throw new Error(`the server does not answer:\n${said}`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), END_LIMIT_MS);
  await gone;
  clearTimeout(late);
}
