// How fast the read model is made anew: fills accounts and a market with orders, empties D1 and times until it has caught
// up. `npm run bench:rebuild -- --orders=20000`

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
import { closedLoop, once, request, sleep } from "./load.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const ACCOUNTS = 4;
const CONNECTIONS = 32;
const BATCH_SECONDS = 5;
const LOOK_MS = 200;
const LIMIT_MS = 300_000;
const PASSWORD = "a long enough password";

const { values: options } = parseArgs({ options: { orders: { type: "string", default: "20000" } } });
const wanted = Number(options.orders);

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
mkdirSync(join(ROOT, ".bench"), { recursive: true });
const built = build("bench/worker.ts", { BENCH: "BenchObject" }, { RATE_LIMITS: NO_LIMITS, LOG_LEVEL: "error" });
const config = parseConfig(built.vars);
const server = new WorkerdServer(built, `/dev/shm/tradepost-rebuild-${process.pid}`);
try {
  await server.start();
  await measure();
} finally {
  await server.end();
}

async function measure() {
  const { port } = server;
  const tokens = [];
  for (let index = 0; index < ACCOUNTS; index += 1) tokens.push(await signUp(port, `bench-${index}`));
  const bodies = [
    { symbol: "BTC-USD", side: "buy", type: "market", notional: "5" },
    { symbol: "BTC-USD", side: "sell", type: "market", qty: "0.0001" },
  ];
  const requests = bodies.flatMap((body) => tokens.map((token) => request("POST", "/v1/orders", { token, body })));
  let sent = 0;
  const next = () => requests[sent++ % requests.length];
  while (sent < wanted) {
    await closedLoop({ port, connections: CONNECTIONS, seconds: BATCH_SECONDS, next, expected: '"status":"filled"' });
  }
  const operator = await operatorToken();
  const before = await settled();
  const rows = eventRows();
  const started = performance.now();
  await once(port, request("POST", "/v1/admin/projections/rebuild", { token: operator, body: { reason: "bench" } }));
  while (!same(heads(), before)) {
    if (performance.now() - started > LIMIT_MS) throw new Error("the read model has not caught up");
    await sleep(LOOK_MS);
  }
  const seconds = (performance.now() - started) / 1_000;
  const rate = rows.events / seconds;
  console.log(
    `${sent} orders, ${rows.events} events of ${(rows.bytes / rows.events).toFixed(0)} bytes: made anew in ${seconds.toFixed(1)} s, ` +
      `${rate.toFixed(0)} events a second; a million in ${(1_000_000 / rate).toFixed(0)} s`,
  );
}

/** A customer as everybody becomes one, with money: the sweeper knows only those who have signed up. */
async function signUp(port, username) {
  const email = `${username}@example.com`;
  await once(port, request("POST", "/v1/auth/register", { body: { email, username, password: PASSWORD } }));
  const { access_token: token } = await once(
    port,
    request("POST", "/v1/auth/login", { body: { login: username, password: PASSWORD } }),
  );
  for (const [asset, amount] of [
    ["USD", "5000000"],
    ["BTC", "100"],
  ]) {
    await once(port, request("POST", "/v1/account/deposits", { token, body: { asset, amount } }));
  }
  return token;
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
    if (same(now, last)) return now;
    last = now;
  }
}

/** How far D1 is, from its file: a server that is busy catching up answers late. */
function heads() {
  const database = new DatabaseSync(server.databaseFile, { readOnly: true });
  const rows = database.prepare("SELECT name, applied_seq FROM projection_heads").all();
  database.close();
  return Object.fromEntries(rows.map(({ name, applied_seq }) => [name, applied_seq]));
}

function same(some, others) {
  const names = Object.keys(others);
  return names.length > 0 && names.every((name) => some[name] === others[name]);
}

/** What the journals hold that the read model was made of, as D1's heads name them. */
function eventRows() {
  const database = new DatabaseSync(server.databaseFile, { readOnly: true });
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
