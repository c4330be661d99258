// One command from a clone to a running exchange: local secrets, database, demo users, server, paper money.
// A second start finds everything in place and changes nothing.

import { spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { ROOT, usePinnedNode } from "./pinned-node.mjs";
import { isLevel, listening, sayEarly, showLines } from "./server-lines.mjs";

const HOST = "127.0.0.1";
const PORT = Number(process.env.PORT ?? 8787);
const ADDRESS = `http://${HOST}:${PORT}`;
/** Where the local databases live; another folder makes another exchange. */
const STATE = process.env.STATE_DIR ?? join(ROOT, ".wrangler", "state");
/** Where the provider listens that one signs in with here. */
const PROVIDER_PORT = PORT + 1_000;
/** What this exchange is called there. The secret guards nothing: that provider believes whoever says a name. */
const PROVIDER_CLIENT = { clientId: "tradepost-local", clientSecret: "not-a-secret" };
const START_LIMIT_MS = 60_000;
/** The cron of wrangler.toml: a local server has no clock of its own for it. */
const CRON_EVERY_MS = 60_000;
const WATCH_EVERY_MS = 3_000;
const SILENCE_LIMIT_MS = 15_000;
const DEMO_PASSWORD = "paper-trading";
const DEMO_DEPOSIT = { asset: "USD", amount: "100000" };
const DEMO_USERS = [
  { number: 1, username: "alice", roles: ["customer"] },
  { number: 2, username: "bob", roles: ["customer"] },
  { number: 3, username: "olivia", roles: ["customer", "operator"] },
  { number: 4, username: "adam", roles: ["customer", "admin"] },
];

await usePinnedNode();
const { devArguments, makeTables, QUIET_ENV, runWrangler, savedSecrets, saveSecrets, WRANGLER } = await import(
  "./local-server.ts"
);
if (!existsSync(WRANGLER)) fail("Run `npm ci` first.");
await main();

async function main() {
  if (!isLevel()) fail("LOG_LEVEL must be info, warn or error.");
  if (!(await portIsFree())) {
    fail(`Port ${PORT} is taken. Stop what uses it, or choose another: PORT=8788 npm start`);
  }
  const secrets = localSecrets();
  console.log("Preparing the database …");
  try {
    makeTables(STATE);
    await seedDatabase(secrets.PASSWORD_PEPPER);
  } catch (error) {
    fail(error.message);
  }
  console.log("Starting the server …");
  const providers = await testProvider(secrets);
  const server = startServer(providers.vars);
  await untilHealthy(server);
  listening();
  for (const user of DEMO_USERS) if (user.roles.length === 1) await fund(user.username);
  watch(server);
  setInterval(() => fetch(`${ADDRESS}/cdn-cgi/local/scheduled`).catch(() => {}), CRON_EVERY_MS).unref();
  console.log(`\nTradepost listens on ${ADDRESS}\n\nDemo logins (password "${DEMO_PASSWORD}"):`);
  for (const user of DEMO_USERS) console.log(`  ${user.username.padEnd(8)} ${user.roles.join(", ")}`);
  console.log(`\nE-mails that it sends: ${ADDRESS}/v1/dev/mailbox`);
  for (const name of providers.names) {
    console.log(`Sign-in with a test ${name}: ${ADDRESS}/v1/auth/oauth/${name}/start?return_to=/v1/markets`);
  }
  console.log("\nBelow: e-mails, warnings and errors; LOG_LEVEL=info npm start shows every request.");
  console.log("Ctrl-C stops it; what it knows is kept.");
}

/** Refuses a taken port here, in one sentence, instead of somewhere inside the server. */
function portIsFree() {
  if (!Number.isInteger(PORT) || PORT < 1 || PORT > 65_535) fail("PORT must be a number from 1 to 65535.");
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(PORT, HOST, () => probe.close(() => resolve(true)));
  });
}

/** What .dev.vars says, and what it lacked. Secrets that exist are never replaced: they would orphan every password. */
function localSecrets() {
  const found = savedSecrets();
  const made = {};
  if (!found.JWT_PRIVATE_JWK) made.JWT_PRIVATE_JWK = signingKey();
  for (const name of ["REFRESH_SECRET", "API_KEY_SECRET", "MFA_SECRET", "BACKUP_KEY", "PASSWORD_PEPPER"])
    if (!found[name]) made[name] = randomBytes(32).toString("base64url");
  if (Object.keys(made).length > 0) {
    saveSecrets(made);
    console.log("Made local secrets in .dev.vars");
  }
  return { ...found, ...made };
}

function signingKey() {
  const { privateKey } = generateKeyPairSync("ed25519");
  const { kty, crv, x, d } = privateKey.export({ format: "jwk" });
  return JSON.stringify({ kty, crv, kid: `local-${randomBytes(4).toString("hex")}`, x, d });
}

/** Writes what a fresh exchange needs to know; running it again changes nothing that a user has changed. */
async function seedDatabase(pepper) {
  const { typeId } = await import("../src/core/ids.ts");
  const { hashPassword } = await import("../src/domains/identity/password.ts");
  const statements = DEMO_USERS.flatMap((user) => demoUserSql(user, typeId, hashPassword(DEMO_PASSWORD, pepper)));
  const file = join(STATE, "seed.sql");
  mkdirSync(STATE, { recursive: true });
  writeFileSync(file, `${statements.join("\n")}\n`, { mode: 0o600 });
  runWrangler(["d1", "execute", "DB", "--local", "--persist-to", STATE, "--yes", "--file", file]);
  rmSync(file);
}

/** A demo user always has the printed password, also after .dev.vars was made anew with another pepper. */
function demoUserSql({ number, username, roles }, typeId, passwordHash) {
  const at = Date.UTC(2026, 0, 1);
  const random = new Uint8Array(10).fill(number);
  const userId = typeId("usr", at, random);
  const email = `${username}@example.com`;
  return [
    `INSERT INTO users (id, email, email_canonical, username, password_hash, roles, email_verified, created_at, updated_at)
VALUES (${[userId, email, email, username, passwordHash, JSON.stringify(roles)].map(quoted).join(", ")}, 1, ${at}, ${at})
ON CONFLICT (id) DO UPDATE SET password_hash = excluded.password_hash;`,
    `INSERT INTO accounts (id, user_id, created_at)
VALUES (${quoted(typeId("acc", at, random))}, ${quoted(userId)}, ${at}) ON CONFLICT (id) DO NOTHING;`,
  ];
}

function quoted(text) {
  return `'${text.replaceAll("'", "''")}'`;
}

/**
 * Starts the provider that stands in for Google and GitHub, but for those that .dev.vars names a client of. An exchange
 * whose provider finds its port taken starts all the same: nobody signs in with one there.
 */
async function testProvider(secrets) {
  const names = ["google", "github"].filter((name) => !secrets[`OAUTH_${name.toUpperCase()}_CLIENT_ID`]);
  if (names.length === 0) return { names, vars: {} };
  const { startProvider } = await import("./oauth-provider.ts");
  const callback = (name) => `${ADDRESS}/v1/auth/oauth/${name}/callback`;
  const redirectUris = { google: callback("google"), github: callback("github") };
  try {
    const { url } = await startProvider({ ...PROVIDER_CLIENT, port: PROVIDER_PORT, redirectUris });
    const places = {
      google: { ISSUER: `${url}/google` },
      github: { URL: `${url}/github`, API_URL: `${url}/github/api` },
    };
    const { clientId: CLIENT_ID, clientSecret: CLIENT_SECRET } = PROVIDER_CLIENT;
    const vars = names.flatMap((name) => {
      const all = Object.entries({ CLIENT_ID, CLIENT_SECRET, ...places[name] });
      return all.map(([key, value]) => [`OAUTH_${name.toUpperCase()}_${key}`, value]);
    });
    return { names, vars: Object.fromEntries(vars) };
  } catch (error) {
    console.warn(`Warning: no sign-in with Google or GitHub: port ${PROVIDER_PORT} cannot be had (${error.code}).`);
    return { names: [], vars: {} };
  }
}

/** Starts the server and makes sure that it ends with us. */
function startServer(vars) {
  // Whoever sets WRANGLER_LOG wants to see what wrangler says, as it says it.
  const own = process.env.WRANGLER_LOG !== undefined;
  const server = spawn(process.execPath, [WRANGLER, ...devArguments(PORT, STATE, vars)], {
    cwd: ROOT,
    env: own ? QUIET_ENV : { ...QUIET_ENV, WRANGLER_LOG: "log", NO_COLOR: "1", FORCE_COLOR: "0" },
    stdio: ["ignore", own ? "inherit" : "pipe", own ? "inherit" : "pipe"],
  });
  if (!own) showLines(server);
  let stopping = false;
  const stop = (signal) => {
    if (stopping) return;
    stopping = true;
    server.kill(signal);
    setTimeout(() => server.kill("SIGKILL"), 5_000).unref();
  };
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stop(signal));
  process.on("exit", () => server.kill("SIGTERM"));
  server.on("exit", (code) => {
    if (!stopping) sayEarly();
    process.exit(stopping ? 0 : (code ?? 1));
  });
  return server;
}

async function untilHealthy(server) {
  const limit = Date.now() + START_LIMIT_MS;
  while (Date.now() < limit) {
    const healthy = await fetch(`${ADDRESS}/healthz`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (healthy) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  server.kill("SIGTERM");
  sayEarly();
  fail(`The server did not answer ${ADDRESS}/healthz within ${START_LIMIT_MS / 1_000} s.`);
}

/**
 * Ends with the server once it does not answer any more: when its runtime has died, wrangler starts another that listens
 * and never answers, and whoever waits for it would wait for ever.
 */
function watch(server) {
  let silentSince = null;
  setInterval(async () => {
    const answers = await fetch(`${ADDRESS}/healthz`, { signal: AbortSignal.timeout(WATCH_EVERY_MS) }).then(
      (answer) => answer.ok,
      () => false,
    );
    silentSince = answers ? null : (silentSince ?? Date.now());
    if (silentSince === null || Date.now() - silentSince < SILENCE_LIMIT_MS) return;
    server.kill("SIGTERM");
    fail(
      `The server has not answered for ${SILENCE_LIMIT_MS / 1_000} s. Start it again: what it has acknowledged is kept.`,
    );
  }, WATCH_EVERY_MS).unref();
}

/** Gives a demo user paper money, once for ever: the key is the same at every start. */
async function fund(login) {
  const session = await post("/v1/auth/login", { login, password: DEMO_PASSWORD });
  if (session.status !== 200) fail(`Demo login ${login} failed: ${JSON.stringify(session.body)}`);
  const headers = {
    Authorization: `Bearer ${session.body.access_token}`,
    "Idempotency-Key": `demo-deposit-${login}`,
  };
  const deposit = await post("/v1/account/deposits", DEMO_DEPOSIT, headers);
  if (deposit.status !== 201) console.warn(`Warning: ${login} got no paper money: ${JSON.stringify(deposit.body)}`);
}

async function post(path, json, headers = {}) {
  const answer = await fetch(ADDRESS + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(json),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? null : JSON.parse(text) };
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
