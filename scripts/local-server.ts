// A local exchange as a child process, on a folder that keeps its state: for scripts that start one, speak with it and end it.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const WRANGLER = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
const CONFIG = ["-c", join(ROOT, "wrangler.toml")];
const HOST = "127.0.0.1";
const START_LIMIT_MS = 60_000;
const END_LIMIT_MS = 5_000;
const QUIET_ENV = {
  ...process.env,
  CI: "1",
  NO_COLOR: "1",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
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
  const path = join(ROOT, ".dev.vars");
  if (!existsSync(path)) throw new Error("There is no .dev.vars: put the secrets of the backup's instance into it.");
  const lines = readFileSync(path, "utf8").matchAll(/^(\w+)=\s*(['"]?)(.*)\2\s*$/gm);
  return Object.fromEntries([...lines].map(([, name = "", , value = ""]) => [name, value]));
}

/** Makes the tables of D1 in a state folder. */
export function makeTables(state: string): void {
  const args = [WRANGLER, "d1", "migrations", "apply", "DB", "--local", "--persist-to", state, ...CONFIG];
  const run = spawnSync(process.execPath, args, { cwd: ROOT, env: QUIET_ENV, encoding: "utf8" });
  if (run.status !== 0) throw new Error(`the tables cannot be made:\n${run.stdout}${run.stderr}`);
}

/** A server that answers; `end` resolves when its process is gone. */
export interface LocalServer {
  url: string;
  end: () => Promise<void>;
}

/** Starts the Worker on a state folder; resolves when it answers. */
export async function serve(state: string, vars: Readonly<Record<string, string>> = {}): Promise<LocalServer> {
  const port = await freePort();
  const url = `http://${HOST}:${port}`;
  const place = ["--ip", HOST, "--port", String(port), "--persist-to", state, "--show-interactive-dev-session=false"];
  for (const [name, value] of Object.entries({ PUBLIC_URL: url, ...vars })) place.push("--var", `${name}:${value}`);
  const child = spawn(process.execPath, [WRANGLER, "dev", ...CONFIG, ...place], {
    cwd: ROOT,
    env: QUIET_ENV,
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
