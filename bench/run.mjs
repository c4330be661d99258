// Measures the built Worker on this machine: see README.md. `npm run bench -- --storage=tmpfs --seconds=4 --only=resting`

import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build, WorkerdServer } from "../scripts/workerd.ts";
import { parseConfig } from "../src/config.ts";
import { NO_LIMITS } from "./limits.mjs";
import { closedLoop, openLoop, request, sleep } from "./load.mjs";
import { BATCH_ORDERS, newToken, orders } from "./orders.mjs";
import { profiled } from "./profile.mjs";
import { TASK_KINDS, whileD1TakesNoWrites } from "./tasks.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FOLDERS = { tmpfs: `/dev/shm/tradepost-bench-${process.pid}`, disk: join(ROOT, ".bench", "disk") };
const CONNECTIONS = 32;
const INSPECTOR = 9339;
const OUTPUT_CHARS_MAX = 3_000;
const WARM_UP_SECONDS = 1;
const ALONE_SECONDS = 2;
/** After saturation the read model catches up; what it still does then is no part of the next measurement. */
const IDLE_SHARE = 0.15;
const IDLE_LIMIT_MS = 20_000;
const GOALS = {
  resting: { ratio: 0.12 },
  filling: { ratio: 0.08 },
  batchTimes: 3,
  p50Ms: 5,
  p99Ms: 25,
  tokenMicroseconds: 200,
};

/** The kinds of requests, and in which status each leaves its order, where that is not `new`. */
const NAMES = {
  resting: "POST /v1/orders resting",
  filling: "POST /v1/orders filling",
  cancel: "DELETE /v1/orders/{id}",
  replace: "PATCH /v1/orders/{id}",
  batch: `POST /v1/orders/batch of ${BATCH_ORDERS}`,
};
const STATUSES = { filling: "filled", cancel: "canceled" };

const { values: options } = parseArgs({
  options: {
    storage: { type: "string", default: "tmpfs,disk" },
    seconds: { type: "string", default: "5" },
    only: { type: "string", default: "resting,filling,cancel,replace,batch" },
    accounts: { type: "string", default: "1,32" },
    tasks: { type: "string", default: "create,list,buffered" },
    profile: { type: "boolean", default: false },
    "no-read-model": { type: "boolean", default: false },
  },
});
const seconds = Number(options.seconds);
let bad = false;
const said = [];
/** A line a request, and what is said of the D1 that takes no writes while buffered ones are measured. */
const expectedLines = ['"event":"request"', "SQLITE_BUSY"];
let rest = "";

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
mkdirSync(join(ROOT, ".bench"), { recursive: true });
const built = build("bench/worker.ts", { BENCH: "BenchObject" }, { RATE_LIMITS: NO_LIMITS });
const config = parseConfig(built.vars);
for (const storage of options.storage.split(",")) {
  const folder = FOLDERS[storage];
  if (folder === undefined || !existsSync(dirname(folder))) throw new Error(`no place for state: ${storage}`);
  const inspector = options.profile ? INSPECTOR : null;
  const server = new WorkerdServer(built, folder, { inspector, readModel: !options["no-read-model"], heard });
  try {
    await server.start();
    await measureAll(server, storage);
    await measureTasks(server, storage);
  } finally {
    await server.end();
  }
  const written = said.splice(0).join("\n");
  if (written !== "") console.log(`\nThe server wrote:\n${written.slice(0, OUTPUT_CHARS_MAX)}`);
  // A warning of a busy sweeper is no fault; an alert, a stopped object or a throw makes the figures worthless.
  if (/"level":"error"|uncaught|exception/i.test(written)) bad = true;
}
process.exit(bad ? 1 : 0);

/** Keeps what the server writes, but for what is part of what is measured, and says nothing here. */
function heard(text) {
  const lines = (rest + text).split("\n");
  rest = lines.pop() ?? "";
  said.push(...lines.filter((line) => line !== "" && !expectedLines.some((part) => line.includes(part))));
}

/** One table: the two yardsticks, then each kind of order over each number of accounts, the object call again at the end. */
async function measureAll(server, storage) {
  const rows = [];
  const plain = async (name, path, token) => {
    const next = constant(request("GET", path, { token }));
    const { row } = await measure(server, { name, accounts: "", next: () => next, expected: "HTTP/1.1 200" });
    rows.push(row);
    return row;
  };
  await plain("no-op Worker route", "/bench/route");
  await plain("no-op route with a token", "/bench/token", await newToken(config));
  const objectRows = [await plain("no-op object call", "/bench/object")];
  for (const accounts of options.accounts.split(",").map(Number)) {
    for (const kind of listed(options.only)) {
      const { row } = await measure(server, {
        name: NAMES[kind],
        kind,
        accounts,
        next: () => orders(server.port, config, kind, accounts),
        expected: `"status":"${STATUSES[kind] ?? "new"}"`,
      });
      rows.push(row);
    }
    objectRows.push(await plain("no-op object call, again", "/bench/object"));
  }
  // Other work on the machine comes and goes: one yardstick at the start would measure that.
  const mean = (of) => objectRows.reduce((sum, row) => sum + of(row), 0) / objectRows.length;
  const noOp = mean((row) => row.rate);
  const noOpCpu = mean((row) => row.cpu);
  print(storage, rows, noOp, noOpCpu);
  const [open, signedIn] = rows;
  const added = signedIn.cpu - open.cpu;
  const ratio = signedIn.cpu / open.cpu;
  console.log(
    `a token costs ${added.toFixed(0)} µs of CPU a request, ${ratio.toFixed(2)} times the open route: goal < ${GOALS.tokenMicroseconds} µs: ${added < GOALS.tokenMicroseconds ? "met" : "missed"}`,
  );
}

/** The table of tasks, each kind beside a D1 read of nothing. */
async function measureTasks(server, storage) {
  const kinds = listed(options.tasks);
  if (kinds.length === 0) return;
  const read = constant(request("GET", "/bench/d1"));
  const { row: noOp } = await measure(server, { name: "no-op D1 read", next: () => read, expected: "HTTP/1.1 200" });
  const rows = [noOp];
  for (const kind of kinds) {
    const { name, expected, users, next, withoutWrites } = TASK_KINDS[kind];
    const work = () =>
      measure(server, { name, kind, accounts: users, next: () => next(server.port, config, users), expected });
    rows.push((await (withoutWrites ? whileD1TakesNoWrites(server.databaseFile, work) : work())).row);
  }
  print(storage, rows, noOp.rate, noOp.cpu);
}

/**
 * Warm-up, closed loop for the rate, a pause until the server is idle, open loop at half of that rate for the latency, and what a
 * request takes when there is no other.
 */
async function measure(server, { name, kind, accounts = "", next, expected }) {
  const { port } = server;
  const load = await next();
  await untilIdle(server);
  await closedLoop({ port, connections: CONNECTIONS, seconds: WARM_UP_SECONDS, next: load, expected });
  await untilIdle(server);
  const before = server.cpuMs();
  const closed = await profiledIf(kind, accounts, () =>
    closedLoop({ port, connections: CONNECTIONS, seconds, next: load, expected }),
  );
  const behindMs = await untilIdle(server);
  const cpu = ((server.cpuMs() - before) * 1_000) / closed.count;
  const other = await next();
  await untilIdle(server);
  const open = await openLoop({ port, rate: closed.rate / 2, seconds, next: other, expected });
  await untilIdle(server);
  const alone = await closedLoop({ port, connections: 1, seconds: ALONE_SECONDS, next: other, expected });
  await untilIdle(server);
  for (const { unexpected } of [closed, open, alone]) {
    for (const [what, count] of unexpected) {
      bad = true;
      console.log(`${name}, ${accounts} accounts: ${count} answers were not ${expected} but ${what}`);
    }
  }
  return { row: { name, kind, accounts, rate: closed.rate, cpu, behindMs, closed, open, alone } };
}

function profiledIf(kind, accounts, work) {
  if (!options.profile || kind === undefined) return work();
  return profiled(INSPECTOR, built.config.name, join(ROOT, ".bench", `${kind}-${accounts}`), work);
}

/** Waits until the server hardly uses its processor, and answers how long that took in ms. */
async function untilIdle(server) {
  const started = performance.now();
  const step = 200;
  while (performance.now() - started < IDLE_LIMIT_MS) {
    const before = server.cpuMs();
    await sleep(step);
    if (server.cpuMs() - before <= step * IDLE_SHARE) break;
  }
  return Math.max(0, performance.now() - started - step);
}

function listed(names) {
  return names.split(",").filter((name) => name !== "");
}

function constant(bytes) {
  return () => bytes;
}

function print(storage, rows, noOp, noOpCpu) {
  const figure = (value, digits = 1) => (Number.isFinite(value) ? value.toFixed(digits) : "–");
  const lines = rows.map(({ name, accounts, rate, cpu, behindMs, closed, open, alone }) => [
    name,
    String(accounts),
    figure(rate, 0),
    figure(rate / noOp, 2),
    `${figure(closed.p50)} / ${figure(closed.p99)}`,
    `${figure(open.p50)} / ${figure(open.p99)}`,
    `${figure(alone.p50)} / ${figure(alone.p99)}`,
    figure(cpu, 0),
    figure(noOpCpu / cpu, 2),
    figure(behindMs / 1_000),
  ]);
  const head = [
    `state on ${storage}`,
    "accounts",
    "requests/s",
    "ratio",
    "p50/p99 ms full",
    "p50/p99 ms half",
    "p50/p99 ms alone",
    "CPU µs",
    "CPU ratio",
    "behind s",
  ];
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map((line) => line[column].length)));
  const text = (line) =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join("  ");
  console.log(`\n${[head, ...lines].map(text).join("\n")}`);
  if (storage !== "tmpfs") return;
  for (const { kind, accounts, rate, open } of rows) {
    if (kind === "batch") printBatch(rows, accounts, rate * BATCH_ORDERS);
    if (GOALS[kind] === undefined || accounts !== 1) continue;
    const goal = GOALS[kind].ratio;
    const met = rate / noOp >= goal && open.p50 < GOALS.p50Ms && open.p99 < GOALS.p99Ms;
    console.log(
      `${kind}, one account: goal ratio ≥ ${goal}, half load p50 < ${GOALS.p50Ms} and p99 < ${GOALS.p99Ms} ms: ${met ? "met" : "missed"}`,
    );
  }
}

/** How many times the orders a second of single ones batches have brought, in the same run. */
function printBatch(rows, accounts, ordersPerSecond) {
  const single = rows.find((row) => row.kind === "resting" && row.accounts === accounts);
  if (single === undefined) return;
  const times = ordersPerSecond / single.rate;
  console.log(
    `batch of ${BATCH_ORDERS}, ${accounts} accounts: ${ordersPerSecond.toFixed(0)} orders/s, ${times.toFixed(1)} times single ones: goal ≥ ${GOALS.batchTimes}: ${times >= GOALS.batchTimes ? "met" : "missed"}`,
  );
}
