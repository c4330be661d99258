// npm run restore -- --from FOLDER --to STATE [--backup ID]: brings a backup back into an empty local instance, and holds what
// is there then against what was backed up: every event, every object's state hash, every balance. Exits with 1 on any
// difference. FOLDER is a state folder of a local instance, or a copy of a bucket; docs/operations.md has the whole procedure.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { BackupManifest, BackupPart } from "../src/core/backups.ts";
import { typeId } from "../src/core/ids.ts";
import { SNAPSHOT_BYTES_MAX } from "../src/core/limits.ts";
import { type Reader, readManifest, readParts } from "../src/domains/backups/parts.ts";
import { hashPassword } from "../src/domains/identity/password.ts";
import { bindings, placeOf, readerOf } from "./backup-place.ts";
import { type LocalServer, localSecrets, makeTables, serve } from "./local-server.ts";
import {
  assembled,
  balanceDifferences,
  dealers,
  type Journal,
  replay,
  snapshotParts,
  symbolOf,
} from "./restore-journals.ts";

const OPEN_LIMIT_MS = 120_000;
const PAGE_ROWS = 200;
const BATCH_ROWS = 50;
/** Leaves room for what else is in such a request. */
const PART_BYTES = SNAPSHOT_BYTES_MAX / 2;
const REASON = "restored from a backup";

const { values } = parseArgs({
  options: { from: { type: "string" }, to: { type: "string" }, backup: { type: "string" } },
});
if (values.from === undefined || values.to === undefined) {
  console.error("Usage: npm run restore -- --from FOLDER --to STATE [--backup ID]");
  process.exit(2);
}
process.exit(await main(values.from, values.to, values.backup).catch((error: unknown) => told([reasonOf(error)])));

async function main(from: string, to: string, wanted: string | undefined): Promise<0 | 1> {
  const began = performance.now();
  const secrets = localSecrets();
  const { manifest, parts } = await readBackup(from, wanted, secrets);
  const { journals, tables } = assembled(parts);
  const wrong = journals.flatMap((one) => badJournal(one));
  if (!manifest.complete) wrong.push(`the backup is incomplete: ${manifest.missing.join(", ")} did not answer`);
  console.log(
    `${manifest.id}: ${journals.length} objects, ${manifest.counts.events} events, ${manifest.counts.rows} rows`,
  );
  if (wrong.length > 0) return told(wrong);
  const step = (what: string) => console.log(`       ${((performance.now() - began) / 1_000).toFixed(1)} s: ${what}`);
  step("the backup is read, opened and replayed");
  mkdirSync(to, { recursive: true });
  if (isUsed(to)) return told([`${to} is not empty: an instance has been there`]);
  makeTables(to);
  const operator = await fillTables(to, tables, secrets);
  await withServer(to, { OBJECTS_APART: "1" }, async (server) => {
    const call = await signedIn(server, operator);
    const expected = dealers(journals);
    for (const one of journals) await restoreObject(call, one, expected.get(symbolOf(one.name)) ?? []);
  });
  step("D1 is filled, and every object has its journal");
  await withServer(to, {}, async (server) => {
    const call = await signedIn(server, operator);
    wrong.push(...(await untilOpen(call, journals)));
    step("all have met, and are open: the exchange could trade");
    for (const one of journals) wrong.push(...(await differences(call, one)));
  });
  await forgetOperator(to, operator);
  if (wrong.length > 0) return told(wrong);
  console.log(`ok     all ${journals.length} objects replay to the state hashes of the backup`);
  console.log("ok     every balance is what it was");
  console.log(`ok     restored in ${((performance.now() - began) / 1_000).toFixed(1)} s`);
  return 0;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function told(wrong: readonly string[]): 1 {
  for (const line of wrong) console.error(`WRONG  ${line}`);
  return 1;
}

/** What has been stored, verified as a whole. */
async function readBackup(from: string, wanted: string | undefined, secrets: Record<string, string>) {
  const place = await placeOf(from);
  const { ids, dispose } = place;
  try {
    const reader = await readerOf(place, secrets);
    const candidates = wanted === undefined ? (await ids()).sort().reverse() : [wanted];
    for (const id of candidates) {
      const manifest = await readManifest(reader, id);
      // The newest that is whole, unless one is asked for by name.
      if (manifest === null || (wanted === undefined && !manifest.complete)) continue;
      return { manifest, parts: await allParts(reader, manifest) };
    }
    throw new Error(`${from} has no backup${wanted === undefined ? " that is complete" : ` ${wanted}`}`);
  } finally {
    await dispose();
  }
}

async function allParts(reader: Reader, manifest: BackupManifest): Promise<BackupPart[]> {
  const parts: BackupPart[] = [];
  for await (const part of readParts(reader, manifest)) parts.unshift(part);
  return parts;
}

function badJournal({ events, of, ...one }: Journal): string[] {
  const { hash, seq } = replay(one, events);
  return hash === of.hash && seq === of.seq ? [] : [`${one.name} does not replay to what it was when it was backed up`];
}

/** Whether anything has ever run there: objects or a database. */
function isUsed(state: string): boolean {
  return existsSync(join(state, "v3")) && readdirSync(join(state, "v3")).length > 0;
}

interface Operator {
  id: string;
  accountId: string;
  login: string;
  password: string;
}

/** Writes the rows, those that others refer to first, and somebody who may restore objects. */
async function fillTables(
  state: string,
  tables: { table: string; rows: Record<string, string | number | null>[] }[],
  { PASSWORD_PEPPER = "" }: Record<string, string>,
): Promise<Operator> {
  const { env, dispose } = await bindings(state);
  try {
    for (const { table, rows } of [...tables].reverse()) {
      const inserts = rows.map((row) => insert(env.DB, table, row));
      for (let at = 0; at < inserts.length; at += BATCH_ROWS) await env.DB.batch(inserts.slice(at, at + BATCH_ROWS));
    }
    const now = Date.now();
    const operator: Operator = {
      id: typeId("usr", now, randomBytes(10)),
      accountId: typeId("acc", now, randomBytes(10)),
      login: `restore-${randomBytes(4).toString("hex")}`,
      password: randomBytes(24).toString("base64url"),
    };
    const { id, login } = operator;
    await env.DB.batch([
      insert(env.DB, "users", {
        ...{ id, username: login, email: `${login}@localhost`, email_canonical: `${login}@localhost` },
        ...{
          password_hash: hashPassword(operator.password, PASSWORD_PEPPER),
          roles: '["operator"]',
          email_verified: 1,
        },
        ...{ created_at: now, updated_at: now },
      }),
      insert(env.DB, "accounts", { id: operator.accountId, user_id: id, created_at: now }),
    ]);
    return operator;
  } finally {
    await dispose();
  }
}

function insert(db: D1Database, table: string, row: Record<string, string | number | null>): D1PreparedStatement {
  const names = Object.keys(row);
  const places = names.map(() => "?").join(", ");
  const columns = names.map((name) => `"${name}"`).join(", ");
  return db.prepare(`INSERT INTO "${table}" (${columns}) VALUES (${places})`).bind(...Object.values(row));
}

async function forgetOperator(state: string, { id, accountId }: Operator): Promise<void> {
  const { env, dispose } = await bindings(state);
  const gone = ["sessions", "mail_tokens"].map((table) =>
    env.DB.prepare(`DELETE FROM ${table} WHERE user_id = ?`).bind(id),
  );
  const last = env.DB.prepare("DELETE FROM accounts WHERE id = ?").bind(accountId);
  await env.DB.batch([...gone, last, env.DB.prepare("DELETE FROM users WHERE id = ?").bind(id)]);
  await dispose();
}

async function withServer(
  state: string,
  vars: Record<string, string>,
  work: (server: LocalServer) => Promise<void>,
): Promise<void> {
  const server = await serve(state, vars);
  try {
    await work(server);
  } finally {
    await server.end();
  }
}

type Call = <T>(method: "GET" | "POST", path: string, json?: object) => Promise<T>;

async function signedIn({ url }: LocalServer, { login, password }: Operator): Promise<Call> {
  const call = async <T>(method: string, path: string, json?: object, token?: string): Promise<T> => {
    const answer = await fetch(url + path, {
      method,
      headers: {
        "Content-Type": "application/json",
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} is answered ${answer.status}: ${text.slice(0, 500)}`);
    return (text === "" ? null : JSON.parse(text)) as T;
  };
  const { access_token } = await call<{ access_token: string }>("POST", "/v1/auth/login", { login, password });
  return (method, path, json) => call(method, path, json, access_token);
}

function pathOf({ object, name }: Journal): string {
  return object === "account" ? `/v1/admin/accounts/${name}` : `/v1/admin/markets/${symbolOf(name)}`;
}

async function restoreObject(call: Call, one: Journal, expected: readonly string[]): Promise<void> {
  const path = `${pathOf(one)}/restoration`;
  const snapshot = { epoch: one.of.epoch + 1, reason: REASON };
  const parts = [...snapshotParts(one.events, PART_BYTES)];
  for (const part of parts.slice(0, -1)) await call("POST", `${path}/journal`, { ...snapshot, ...part });
  const market = one.object === "market" ? { expected } : {};
  await call("POST", path, { ...snapshot, ...market, ...parts.at(-1) });
}

interface Restoration {
  restoring: boolean;
  unmet: string[];
  breaks: string[];
}

/** Waits until everybody has met everybody. */
async function untilOpen(call: Call, journals: readonly Journal[]): Promise<string[]> {
  const limit = Date.now() + OPEN_LIMIT_MS;
  const wrong: string[] = [];
  for (const one of journals) {
    for (;;) {
      const { restoring, unmet, breaks } = await call<Restoration>("GET", `${pathOf(one)}/restoration`);
      if (breaks.length > 0) wrong.push(...breaks.map((text) => `${one.name}: ${text}`));
      if (breaks.length > 0 || (!restoring && unmet.length === 0)) break;
      if (Date.now() > limit) return [...wrong, `${one.name} still waits for ${unmet.join(", ")}`];
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  return wrong;
}

/** What the restored object has journalled, held against the backup: its events are the same, and so is what they lead to. */
async function differences(call: Call, one: Journal): Promise<string[]> {
  const events: string[] = [];
  for (let query = ""; ; ) {
    type Page = { data: string[]; next_cursor: string | null };
    const page = await call<Page>("GET", `${pathOf(one)}/journal?limit=${PAGE_ROWS}${query}`);
    events.push(...page.data);
    if (page.next_cursor === null) break;
    query = `&cursor=${page.next_cursor}`;
  }
  const first = events.slice(0, one.events.length);
  if (first.some((body, at) => body !== one.events[at])) return [`${one.name} has other events than the backup`];
  const was = replay(one, first);
  if (was.hash !== one.of.hash) return [`${one.name} replays to another state`];
  return balanceDifferences(one.name, was.balances, replay(one, events).balances);
}
