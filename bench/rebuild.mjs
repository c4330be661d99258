// How fast the read model is made anew, and what orders notice of it: fills accounts and a market with orders, empties D1
// and times until it has caught up; then once more while orders come in. `npm run bench:rebuild -- --orders=20000`

import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build, WorkerdServer } from "../scripts/workerd.ts";
import { parseConfig } from "../src/config.ts";
import { typeId } from "../src/core/ids.ts";
import { signAccessToken } from "../src/http/tokens.ts";
import { NO_LIMITS } from "./limits.mjs";
import { closedLoop, once, openLoop, request, sleep } from "./load.mjs";
import { fillingBodies, inTurn } from "./orders.mjs";
import { profiled } from "./profile.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const USERNAMES = ["bench-0", "bench-1", "bench-2", "bench-3"];
const CONNECTIONS = 32;
const BATCH_SECONDS = 5;
const LOOK_MS = 100;
/** Orders a second that come in beside a rebuild, and for how long without one. */
const ORDERS_BESIDE = 10;
const BESIDE_SECONDS = 10;
const INSPECTOR_PORT = 9_329;
const LIMIT_MS = 300_000;
/** D1 may hold its file when this process looks into it. */
const LOCKED_MS = 5_000;
const PASSWORD = "a long enough password";

const { values: options } = parseArgs({
  options: { orders: { type: "string", default: "20000" }, profile: { type: "boolean", default: false } },
});
const wanted = Number(options.orders);

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
mkdirSync(join(ROOT, ".bench"), { recursive: true });
const built = build("bench/worker.ts", { BENCH: "BenchObject" }, { RATE_LIMITS: NO_LIMITS, LOG_LEVEL: "error" });
const config = parseConfig(built.vars);
const inspector = options.profile ? INSPECTOR_PORT : null;
const server = new WorkerdServer(built, `/dev/shm/tradepost-rebuild-${process.pid}`, { inspector });
try {
  await server.start();
  await measure();
} finally {
  await server.end();
}

async function measure() {
  const { port } = server;
  for (const username of USERNAMES) await signUp(port, username);
  let sent = 0;
  while (sent < wanted) {
    const next = await ordersOf(port);
    const load = { port, connections: CONNECTIONS, seconds: BATCH_SECONDS, next, expected: '"status":"filled"' };
    sent += (await closedLoop(load)).count;
  }
  await settled();
  const alone = await timed(() => rebuilt(port));
  const rate = alone.events / alone.seconds;
  console.log(
    `${sent} orders, ${alone.events} events of ${alone.bytes.toFixed(0)} bytes: made anew in ${alone.seconds.toFixed(1)} s, ` +
      `${rate.toFixed(0)} events a second; a million in ${(1_000_000 / rate).toFixed(0)} s. ` +
      `${alone.cpuMicros.toFixed(0)} µs of processor time for each`,
  );
  if (options.profile) {
    await profiled(INSPECTOR_PORT, built.config.name, join(ROOT, ".bench", "rebuild"), () => rebuilt(port));
  }
  const load = async (seconds) => {
    const next = await ordersOf(port);
    return latencyText(await openLoop({ port, rate: ORDERS_BESIDE, seconds, next, expected: '"status":"filled"' }));
  };
  console.log(`${ORDERS_BESIDE} orders a second without it: ${await load(BESIDE_SECONDS)}`);
  await settled();
  // For about as long as the rebuild takes: what comes after it would make it look better.
  const [beside, busy] = await Promise.all([load(Math.max(1, alone.seconds)), timed(() => rebuilt(port))]);
  console.log(`beside it: ${beside}; it took ${busy.seconds.toFixed(1)} s`);
}

function latencyText({ count, p50, p99, unexpected }) {
  const wrong = [...unexpected].map(([what, times]) => `, ${times} × ${what}`).join("");
  return `${count}, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms${wrong}`;
}

/** How long a rebuild took, what it read, and the server's processor time for each event. */
async function timed(work) {
  const { events, bytes } = eventRows();
  const [cpu, started] = [server.cpuMs(), performance.now()];
  await work();
  const seconds = (performance.now() - started) / 1_000;
  return { events, bytes: bytes / events, seconds, cpuMicros: ((server.cpuMs() - cpu) * 1_000) / events };
}

/** Empties the read model and waits until it has caught up with what there was. */
async function rebuilt(port) {
  const before = heads();
  const token = await operatorToken();
  await once(port, request("POST", "/v1/admin/projections/rebuild", { token, body: { reason: "bench" } }));
  const started = performance.now();
  while (!reaches(heads(), before)) {
    if (performance.now() - started > LIMIT_MS) throw new Error("the read model has not caught up");
    await sleep(LOOK_MS);
  }
}

/** A customer as everybody becomes one, with money: the sweeper knows only those who have signed up. */
async function signUp(port, username) {
  const email = `${username}@example.com`;
  await once(port, request("POST", "/v1/auth/register", { body: { email, username, password: PASSWORD } }));
  const token = await logIn(port, username);
  for (const [asset, amount] of [
    ["USD", "5000000"],
    ["BTC", "100"],
  ]) {
    await once(port, request("POST", "/v1/account/deposits", { token, body: { asset, amount } }));
  }
}

async function logIn(port, username) {
  const body = { login: username, password: PASSWORD };
  return (await once(port, request("POST", "/v1/auth/login", { body }))).access_token;
}

/** Everybody's orders, a buy and a sell in turn, with tokens of now: to fill a state takes longer than a token is good for. */
async function ordersOf(port) {
  const tokens = await Promise.all(USERNAMES.map((username) => logIn(port, username)));
  const requests = fillingBodies().flatMap((body) =>
    tokens.map((token) => request("POST", "/v1/orders", { token, body })),
  );
  return inTurn(requests);
}

function operatorToken() {
  const now = Date.now();
  const id = (prefix) => typeId(prefix, now, crypto.getRandomValues(new Uint8Array(10)));
  const subject = { userId: id("usr"), accountId: id("acc"), sessionId: id("ses"), emailVerified: true };
  return signAccessToken(config, { ...subject, roles: ["operator"] }, now);
}

/** The applied heads once they move no more. */
async function settled() {
  for (let last = {}; ; ) {
    await sleep(3_000);
    const now = heads();
    if (reaches(last, now)) return;
    last = now;
  }
}

/** How far D1 is, from its file: a server that is busy catching up answers late. */
function heads() {
  const database = new DatabaseSync(server.databaseFile, { readOnly: true, timeout: LOCKED_MS });
  const rows = database.prepare("SELECT name, applied_seq FROM projection_heads").all();
  database.close();
  return Object.fromEntries(rows.map(({ name, applied_seq }) => [name, applied_seq]));
}

function reaches(some, others) {
  const names = Object.keys(others);
  return names.length > 0 && names.every((name) => some[name] >= others[name]);
}

/** What the journals hold that the read model was made of, as D1's heads name them. */
function eventRows() {
  const database = new DatabaseSync(server.databaseFile, { readOnly: true, timeout: LOCKED_MS });
  const found = database.prepare("SELECT object, name FROM projection_heads").all();
  database.close();
  const rows = { events: 0, bytes: 0 };
  for (const { object, name } of found) {
    const file = server.objectFile(object === "account" ? "AccountObject" : "MarketObject", name);
    const journal = new DatabaseSync(file, { readOnly: true });
    const { events, bytes } = journal
      .prepare("SELECT count(*) AS events, sum(length(body)) AS bytes FROM journal")
      .get();
    journal.close();
    rows.events += Number(events);
    rows.bytes += Number(bytes);
  }
  return rows;
}
