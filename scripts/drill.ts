// npm run drill: an exchange is started and traded on, backed up, its bucket copied, all of it lost, and brought back from the copy
// into an empty one, which is held against the backup. Prints how long each step took; exits with 1 when anything is not what it was.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { bindings } from "./backup-place.ts";
import { freePort } from "./local-server.ts";

const ROOT = join(import.meta.dirname, "..");
const LIMIT_MS = 120_000;
const SYMBOL = "BTC-USD";
/** How often the demo is run: each time two more customers trade. */
const ROUNDS = Number(process.env["DRILL_ROUNDS"] ?? 1);
const ground = mkdtempSync(join(tmpdir(), "tradepost-drill-"));
process.once("exit", () => rmSync(ground, { recursive: true, force: true }));
const started = performance.now();

try {
  await main();
} catch (error) {
  console.error(`WRONG  ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
process.exit(0);

async function main(): Promise<void> {
  const [first, copy, second] = [join(ground, "first"), join(ground, "copy"), join(ground, "second")];
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = spawn(process.execPath, [join("scripts", "start.mjs")], {
    cwd: ROOT,
    env: { ...process.env, PORT: String(port), STATE_DIR: first },
    stdio: ["ignore", "ignore", "inherit"],
  });
  process.once("exit", () => server.kill("SIGTERM"));
  try {
    await until("the exchange answers", async () => (await fetch(`${url}/healthz`)).ok);
    tellTime("started");
    for (let round = 0; round < ROUNDS; round += 1) node("the demo", ["scripts/demo.mjs"], { BASE_URL: url });
    await leaveAnOrder(url);
    tellTime("traded");
    await backUp(url);
    tellTime("backed up");
  } finally {
    const gone = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    await gone;
  }
  await copyBucket(first, copy);
  rmSync(first, { recursive: true });
  tellTime("lost, but for a copy of the bucket");
  node("the restore", ["scripts/restore.ts", "--from", copy, "--to", second], {});
  tellTime("restored and compared");
  const again = spawnSync(process.execPath, ["scripts/restore.ts", "--from", copy, "--to", second], { cwd: ROOT });
  if (again.status !== 1) throw new Error("a second restore into the same instance was not refused");
  console.log("ok     a restore into an instance that is not empty is refused");
}

type Ask = (method: "GET" | "POST", path: string, json?: object) => Promise<Record<string, unknown>>;

async function signIn(url: string, login: string): Promise<Ask> {
  const ask = async (method: string, path: string, json: object | undefined, token = "") => {
    const headers = { "Content-Type": "application/json", Authorization: `Bearer ${token}` };
    const answer = await fetch(url + path, { method, headers, body: json === undefined ? null : JSON.stringify(json) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} is answered ${answer.status}: ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  };
  const { access_token } = await ask("POST", "/v1/auth/login", { login, password: "paper-trading" });
  return (method, path, json) => ask(method, path, json, String(access_token));
}

/** An order stays open over the loss, and money held for it. */
async function leaveAnOrder(url: string): Promise<void> {
  const ask = await signIn(url, "alice");
  const { bids } = (await ask("GET", `/v1/markets/${SYMBOL}/book`)) as { bids: [price: string, qty: string][] };
  const { tick_size } = await ask("GET", `/v1/markets/${SYMBOL}`);
  const tick = Number(tick_size);
  const limit_price = String(Math.floor((Number(bids[0]?.[0]) * 0.98) / tick) * tick);
  const order = { symbol: SYMBOL, side: "buy", type: "limit", qty: "0.01", limit_price };
  const { status } = await ask("POST", "/v1/orders", order);
  if (status !== "new") throw new Error(`the order that was to stay open is ${status}`);
}

async function backUp(url: string): Promise<void> {
  const ask = await signIn(url, "olivia");
  const { id } = await ask("POST", "/v1/admin/backups", { reason: "a drill" });
  await until("the backup is complete", async () => {
    await fetch(`${url}/cdn-cgi/local/scheduled`);
    const { data } = (await ask("GET", "/v1/admin/backups")) as { data: { id: string; status: string }[] };
    const one = data.find((backup) => backup.id === id);
    if (one?.status === "incomplete" || one?.status === "given_up") throw new Error(`the backup is ${one.status}`);
    return one?.status === "complete";
  });
}

/** What an S3 client makes of the bucket: a file for each object, by its key. */
async function copyBucket(state: string, folder: string): Promise<void> {
  const { env, dispose } = await bindings(state);
  const { objects, truncated } = await env.BACKUPS.list();
  if (truncated) throw new Error(`more than ${objects.length} objects: run the drill for fewer rounds`);
  for (const { key } of objects) {
    const found = await env.BACKUPS.get(key);
    if (found === null) throw new Error(`${key} has gone while the bucket was copied`);
    mkdirSync(dirname(join(folder, key)), { recursive: true });
    writeFileSync(join(folder, key), new Uint8Array(await found.arrayBuffer()));
  }
  await dispose();
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const limit = Date.now() + LIMIT_MS;
  let last: unknown = "not yet";
  while (Date.now() < limit) {
    try {
      if (await isSo()) return;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  throw new Error(`${what}: not within ${LIMIT_MS / 1_000} s (${String(last)})`);
}

function node(what: string, args: string[], env: Record<string, string>): void {
  const run = spawnSync(process.execPath, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: "inherit" });
  if (run.status !== 0) throw new Error(`${what} has failed`);
}

function tellTime(what: string): void {
  console.log(`${what}: ${((performance.now() - started) / 1_000).toFixed(1)} s after the beginning`);
}
