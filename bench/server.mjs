// The Worker as `wrangler deploy` would send it, on `workerd serve`: built once, started for each place to keep state.

import { spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { unstable_readConfig as readConfig } from "wrangler";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const WORKERD = join(ROOT, "node_modules", "@cloudflare", "workerd-linux-64", "bin", "workerd");
const WRANGLER = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
const BUILD = join(ROOT, ".bench", "build");
const START_LIMIT_MS = 20_000;
/** `process.cpuUsage` knows only this process; Linux counts the server's time in hundredths of a second. */
const CLOCK_TICK_MS = 10;

/** Bundles bench/worker.ts and answers what a server needs: the folder of the bundle, its config and its secrets. */
export function build() {
  if (!existsSync(WORKERD)) {
    throw new Error("The bench needs Linux on x64 and the optional dependency @cloudflare/workerd-linux-64.");
  }
  rmSync(BUILD, { recursive: true, force: true });
  mkdirSync(BUILD, { recursive: true });
  const secrets = makeSecrets();
  const config = configFor(secrets);
  const file = join(BUILD, "wrangler.json");
  const { keep_names, minify } = toml();
  writeFileSync(file, JSON.stringify({ ...config, keep_names, minify, main: join(ROOT, "bench", "worker.ts") }), {
    mode: 0o600,
  });
  const dist = join(BUILD, "dist");
  const run = spawnSync(process.execPath, [WRANGLER, "deploy", "--dry-run", "-c", file, "--outdir", dist], {
    cwd: ROOT,
    env: { ...process.env, CI: "1", WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" },
    encoding: "utf8",
  });
  if (run.status !== 0) throw new Error(`the Worker does not build:\n${run.stdout}${run.stderr}`);
  return { dist, config, vars: config.vars };
}

/** The keys of wrangler.toml that `workerd serve` reads (it refuses others), with the bench's object and secrets. */
function configFor(secrets) {
  const { name, compatibility_date, compatibility_flags, vars, durable_objects, migrations, ...more } = toml();
  const bench = { name: "BENCH", class_name: "BenchObject" };
  return {
    name,
    compatibility_date,
    compatibility_flags,
    vars: { ...vars, ...secrets },
    durable_objects: { bindings: [...durable_objects.bindings, bench] },
    migrations: [...migrations, { tag: "bench", new_sqlite_classes: [bench.class_name] }],
    d1_databases: more.d1_databases.map(({ binding, database_name, database_id }) => ({
      binding,
      database_name,
      database_id,
    })),
    queues: more.queues,
    triggers: more.triggers,
  };
}

function toml() {
  return readConfig({ config: join(ROOT, "wrangler.toml") }, { hideWarnings: true });
}

function makeSecrets() {
  const { kty, crv, x, d } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  return {
    JWT_PRIVATE_JWK: JSON.stringify({ kty, crv, kid: "bench", x, d }),
    REFRESH_SECRET: randomBytes(32).toString("base64url"),
    PASSWORD_PEPPER: randomBytes(32).toString("base64url"),
  };
}

/**
 * Starts the built Worker with its state in `folder`, which is emptied before and removed by `stop`. Answers its port;
 * `cpuMs` is the processor time that it has had, `output` what it has written. Without `readModel` nobody consumes the
 * queue: what is left is what an object's machine does, when queue and D1 are others.
 */
export async function start({ dist, config }, folder, { inspector = null, readModel = true } = {}) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(dist, join(folder, "dist"), { recursive: true });
  const file = join(folder, "wrangler.json");
  const queues = readModel ? config.queues : { producers: config.queues.producers };
  const served = { ...config, queues, main: "dist/worker.js", no_bundle: true };
  writeFileSync(file, JSON.stringify(served), { mode: 0o600 });
  const args = ["serve", "--experimental", "--control-fd=3", "--socket-addr=http=127.0.0.1:0", file];
  if (inspector !== null) args.push(`--inspector-addr=127.0.0.1:${inspector}`);
  const child = spawn(WORKERD, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe", "pipe"] });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text) => output.length < 100 && output.push(text.slice(0, 2_000)));
  }
  const end = () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", end);
  const stop = async () => {
    process.off("exit", end);
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const port = await portOf(child, output);
    await makeTables(port);
    return { port, stop, output, cpuMs: () => cpuMsOf(child.pid) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The port that the server says it listens on. */
function portOf(child, output) {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`no server after ${START_LIMIT_MS} ms`)), START_LIMIT_MS);
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`workerd ended:\n${output.join("")}`)));
    let text = "";
    child.stdio[3].setEncoding("utf8").on("data", (piece) => {
      text += piece;
      for (const line of text.split("\n").slice(0, -1)) {
        const message = JSON.parse(line);
        if (message.event !== "listen" || message.socket !== "http") continue;
        clearTimeout(limit);
        resolve(message.port);
      }
    });
  });
}

/** `workerd serve` applies no D1 migrations, and without tables no journal slice would ever be projected. */
async function makeTables(port) {
  const folder = join(ROOT, "migrations");
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .sort();
  const statements = files.flatMap((name) =>
    readFileSync(join(folder, name), "utf8").split("--> statement-breakpoint"),
  );
  const answer = await fetch(`http://127.0.0.1:${port}/bench/sql`, {
    method: "POST",
    body: JSON.stringify(statements),
  });
  if (!answer.ok) throw new Error(`migrations: ${answer.status} ${await answer.text()}`);
}

function cpuMsOf(pid) {
  // The name in brackets may hold spaces: fields are counted after it.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
}
