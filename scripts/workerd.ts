// The Worker as `wrangler deploy` would send it, on `workerd serve`: built once, then run as a child process on a folder
// that keeps its state, to be killed, stalled and started again there. Traffic is loopback only.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash, createHmac, generateKeyPairSync, randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Readable } from "node:stream";
import { unstable_readConfig as readConfig } from "wrangler";

const ROOT = dirname(import.meta.dirname);
const WORKERD = join(ROOT, "node_modules", "@cloudflare", "workerd-linux-64", "bin", "workerd");
const WRANGLER = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
const START_LIMIT_MS = 20_000;
/** Open sockets keep a server that was asked to end alive: then it is ended anyway. */
const TERM_LIMIT_MS = 1_000;
/** `process.cpuUsage` knows only this process; Linux counts the server's time in hundredths of a second. */
const CLOCK_TICK_MS = 10;
/** Of what the server writes: a program that repeats itself must not fill the memory. */
const OUTPUT_PIECES_MAX = 100;
const OUTPUT_PIECE_CHARS_MAX = 2_000;

/** What is read of wrangler.toml. */
interface Toml {
  name: string;
  compatibility_date: string;
  compatibility_flags: string[];
  keep_names?: boolean;
  minify?: boolean;
  vars: Record<string, unknown>;
  durable_objects: { bindings: { name: string; class_name: string }[] };
  migrations: { tag: string; new_sqlite_classes?: string[] }[];
  d1_databases: { binding: string; database_name: string; database_id: string }[];
  kv_namespaces: { binding: string; id?: string }[];
  queues: { producers: object[]; consumers: object[] };
  triggers: object;
}

/** A build: the folder of the bundle, the config that `workerd serve` reads, and the vars with this run's own secrets. */
export interface Built {
  dist: string;
  /** Removes the bundle; servers have copies of their own. */
  remove: () => void;
  config: ReturnType<typeof configFor>;
  vars: Record<string, unknown>;
}

/**
 * What may be different from a plain start. Without `readModel` nobody consumes the queue; `inspector` is a port; `heard`
 * gets everything that the server writes.
 */
export interface ServeOptions {
  inspector?: number | null;
  readModel?: boolean;
  heard?: (text: string) => void;
}

/** Whether this machine can run `workerd serve`: Linux on x64, with the optional dependency installed. */
export function canServe(): boolean {
  return existsSync(WORKERD);
}

/**
 * Bundles `main` (from the root of the repository) as for a deployment, under wrangler.toml with fresh secrets; `objects`
 * are classes that it exports beside the Worker's own, by binding; `vars` stand in place of the file's. The bundle goes with
 * `remove`, or with this process.
 */
export function build(
  main: string,
  objects: Readonly<Record<string, string>> = {},
  vars: Readonly<Record<string, string>> = {},
): Built {
  if (!canServe()) {
    throw new Error("This needs Linux on x64 and the optional dependency @cloudflare/workerd-linux-64.");
  }
  const cache = join(ROOT, "node_modules", ".cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "workerd-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  const config = configFor(objects, vars);
  const file = join(folder, "wrangler.json");
  const { keep_names, minify } = toml();
  writeFileSync(file, JSON.stringify({ ...config, keep_names, minify, main: join(ROOT, main) }), { mode: 0o600 });
  const dist = join(folder, "dist");
  const run = spawnSync(process.execPath, [WRANGLER, "deploy", "--dry-run", "-c", file, "--outdir", dist], {
    cwd: ROOT,
    env: { ...process.env, CI: "1", WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" },
    encoding: "utf8",
  });
  if (run.status !== 0) throw new Error(`the Worker does not build:\n${run.stdout}${run.stderr}`);
  return { dist, remove, config, vars: config.vars };
}

function toml(): Toml {
  return readConfig({ config: join(ROOT, "wrangler.toml") }, { hideWarnings: true });
}

/** The keys of wrangler.toml that `workerd serve` reads (it refuses others), with secrets and further objects. */
function configFor(objects: Readonly<Record<string, string>>, changed: Readonly<Record<string, string>>) {
  const { name, compatibility_date, compatibility_flags, vars, durable_objects, migrations, ...more } = toml();
  const further = Object.entries(objects).map(([binding, className]) => ({ name: binding, class_name: className }));
  const classes = further.map(({ class_name }) => class_name);
  return {
    name,
    compatibility_date,
    compatibility_flags,
    vars: { ...vars, ...makeSecrets(), ...changed },
    durable_objects: { bindings: [...durable_objects.bindings, ...further] },
    migrations: classes.length === 0 ? migrations : [...migrations, { tag: "further", new_sqlite_classes: classes }],
    d1_databases: more.d1_databases.map(({ binding, database_name, database_id }) => ({
      binding,
      database_name,
      database_id,
    })),
    kv_namespaces: more.kv_namespaces.map(({ binding, id }) => ({ binding, id })),
    queues: more.queues,
    triggers: more.triggers,
  };
}

function makeSecrets() {
  const { kty, crv, x, d } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const names = ["REFRESH_SECRET", "API_KEY_SECRET", "MFA_SECRET", "BACKUP_KEY", "PASSWORD_PEPPER"];
  const secrets = names.map((name) => [name, randomBytes(32).toString("base64url")]);
  return { JWT_PRIVATE_JWK: JSON.stringify({ kty, crv, kid: "local", x, d }), ...Object.fromEntries(secrets) };
}

/**
 * A server and its state in one folder. Killed or stopped it can be started again, on the same port and state; the folder
 * goes with {@link end}, or with this process.
 */
export class WorkerdServer {
  /** The first pieces of what it has written, over all its lives. */
  readonly output: string[] = [];
  readonly folder: string;
  readonly #built: Built;
  readonly #options: ServeOptions;
  readonly #endWithUs = () => this.abandon();
  #child: ChildProcess | null = null;
  #ended = false;
  #port = 0;

  /** Takes over `folder`, which is emptied, and lays out the bundle and a D1 database with all migrations in it. */
  constructor(built: Built, folder: string, options: ServeOptions = {}) {
    this.folder = folder;
    this.#built = built;
    this.#options = options;
    process.once("exit", this.#endWithUs);
    // What is in it, not itself: it may be a place that something is mounted on.
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
    cpSync(built.dist, join(folder, "dist"), { recursive: true });
    const { config } = built;
    const queues = options.readModel === false ? { producers: config.queues.producers } : config.queues;
    const served = { ...config, queues, main: "dist/worker.js", no_bundle: true };
    writeFileSync(join(folder, "wrangler.json"), JSON.stringify(served), { mode: 0o600 });
    makeTables(this.databaseFile);
  }

  /** The port that it listens on, the same in all its lives; 0 before the first. */
  get port(): number {
    return this.#port;
  }

  /** Whether its process is there; a stalled one is. */
  get running(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The SQLite file of D1. */
  get databaseFile(): string {
    const [database] = this.#built.config.d1_databases;
    return this.#stateFile(join("d1", "D1Database"), "D1Database", database?.database_id ?? "");
  }

  /** The SQLite file of an object; it is there once the object has been used. */
  objectFile(className: string, name: string): string {
    const folder = `${this.#built.config.name}-${className}`;
    return this.#stateFile(folder, folder, name);
  }

  #stateFile(folder: string, uniqueKey: string, name: string): string {
    return join(this.folder, ".wrangler", "state", "workerd", folder, `${objectId(uniqueKey, name)}.sqlite`);
  }

  /** Starts it on what is in its folder; resolves when it listens. Throws when it does not within {@link START_LIMIT_MS}. */
  async start(): Promise<void> {
    if (this.running || this.#ended) throw new Error("the server is running, or has ended for good");
    const { inspector = null } = this.#options;
    const address = `--socket-addr=http=127.0.0.1:${this.#port}`;
    const args = ["serve", "--experimental", "--control-fd=3", address, join(this.folder, "wrangler.json")];
    if (inspector !== null) args.push(`--inspector-addr=127.0.0.1:${inspector}`);
    const child = spawn(WORKERD, args, { cwd: this.folder, stdio: ["ignore", "pipe", "pipe", "pipe"] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8");
      stream?.on("data", (text: string) => {
        this.#options.heard?.(text);
        if (this.output.length < OUTPUT_PIECES_MAX) this.output.push(text.slice(0, OUTPUT_PIECE_CHARS_MAX));
      });
    }
    try {
      this.#port = await portOf(child, this.output);
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  /** Ends its process, at once with SIGKILL, in its own time with SIGTERM; resolves when it is gone. */
  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === null || !this.running) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), TERM_LIMIT_MS);
    await ended;
    clearTimeout(late);
  }

  /** Stops its process in the middle of whatever it does (SIGSTOP); its sockets stay open, and nobody answers on them. */
  stall(): void {
    this.#child?.kill("SIGSTOP");
  }

  /** Lets a stalled process go on. */
  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** The processor time that this life has had, in ms. */
  cpuMs(): number {
    // The name in brackets may hold spaces: fields are counted after it.
    const fields = readFileSync(`/proc/${this.#child?.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
  }

  /** Ends it for good, and removes its state. */
  async end(): Promise<void> {
    await this.kill();
    this.abandon();
  }

  /** As {@link end} for who cannot wait: when this call returns, it is ended and its state is gone. */
  abandon(): void {
    process.off("exit", this.#endWithUs);
    this.#ended = true;
    if (this.running) this.#child?.kill("SIGKILL");
    // A process may still write while it dies.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  }
}

/** The port that the server says it listens on. */
function portOf(child: ChildProcess, output: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`no server after ${START_LIMIT_MS} ms`)), START_LIMIT_MS);
    child.once("error", reject);
    child.once("exit", () => {
      clearTimeout(limit);
      reject(new Error(`workerd ended:\n${output.join("")}`));
    });
    let text = "";
    const control = child.stdio[3] as Readable;
    control.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      for (const line of text.split("\n").slice(0, -1)) {
        const message = JSON.parse(line) as { event: string; socket: string; port: number };
        if (message.event !== "listen" || message.socket !== "http") continue;
        clearTimeout(limit);
        resolve(message.port);
      }
    });
  });
}

/** The id that workerd gives an object by its name: file names are made of it. */
function objectId(uniqueKey: string, name: string): string {
  const key = createHash("sha256").update(uniqueKey).digest();
  const mac = (data: string | Buffer) => createHmac("sha256", key).update(data).digest().subarray(0, 16);
  const first = mac(name);
  return Buffer.concat([first, mac(first)]).toString("hex");
}

/** `workerd serve` applies no D1 migrations, and without tables no journal slice would ever be projected. */
function makeTables(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const migrations = join(ROOT, "migrations");
  const names = readdirSync(migrations).filter((name) => name.endsWith(".sql"));
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL");
  for (const name of names.sort()) database.exec(readFileSync(join(migrations, name), "utf8"));
  database.close();
}
