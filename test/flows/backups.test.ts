// Backups, from the journals and D1 into the bucket and out of it again: whole, sealed, verified, made in slices, and never
// silently smaller than they should be.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { backupBucket } from "../../src/bindings/backups.ts";
import { applyAccountEvent, emptyAccount } from "../../src/core/account/state.ts";
import { accountStateHash } from "../../src/core/account/state-hash.ts";
import { type BackupManifest, type BackupPart, manifestKey } from "../../src/core/backups.ts";
import { decode } from "../../src/core/codec.ts";
import { BACKUP_EVERY_MS } from "../../src/core/limits.ts";
import { findMarket, MARKETS } from "../../src/core/listings.ts";
import { applyMarketEvent, emptyMarket, marketStateHash } from "../../src/core/market/state.ts";
import { database } from "../../src/db/client.ts";
import { type Reader, readManifest, readParts } from "../../src/domains/backups/parts.ts";
import { takeBackups } from "../../src/domains/backups/scheduled.ts";
import { backupKeyOf, SealError, seal, unseal } from "../../src/domains/backups/sealing.ts";
import { LEFT_OUT, tablesOf } from "../../src/domains/backups/tables.ts";
import { sha256 } from "../../src/objects/platform.ts";
import { person } from "../support/people.ts";
import { TEST_SECRETS } from "../support/secrets.ts";
import type { Trader, WirePage } from "../support/session.ts";

const SECRET = TEST_SECRETS.BACKUP_KEY;
const OTHER = Buffer.alloc(32, 7).toString("base64url");
const bucket = backupBucket(env);
if (bucket === null) throw new Error("no bucket");

interface WireBackup {
  id: string;
  status: string;
  missing: string[];
  counts: Record<string, number>;
}

let operator: Trader;
let who: Trader;
beforeAll(async () => {
  // Each backup says that it is done, and who wanted it.
  for (const level of ["log", "warn"] as const) vi.spyOn(console, level).mockImplementation(() => {});
  operator = await person(["operator"]);
  who = await person();
  await who.deposit("10000");
  const order = { symbol: "BTC-USD", side: "buy", type: "market", notional: "100" };
  expect((await who.call("POST", "/v1/orders", { json: order })).status).toBe(201);
});

const reader = async (secret = SECRET): Promise<Reader> => ({ get: bucket.get, keys: [await backupKeyOf(secret)] });
const listed = async () => (await operator.get<WirePage<WireBackup>>("/v1/admin/backups")).body.data;
const ask = async () =>
  (await operator.call<WireBackup>("POST", "/v1/admin/backups", { json: { reason: "a test" } })).body;

async function read(id: string): Promise<{ manifest: BackupManifest; parts: BackupPart[] }> {
  const manifest = await readManifest(await reader(), id);
  if (manifest === null) throw new Error(`${id} has no manifest`);
  const parts: BackupPart[] = [];
  for await (const part of readParts(await reader(), manifest)) parts.unshift(part);
  return { manifest, parts };
}

/** By object, what it was and its events in their order. */
function journalsOf(parts: readonly BackupPart[]) {
  const journals = new Map<string, { hash: string; seq: number; events: string[] }>();
  for (const { name, of, events } of parts.flatMap((part) => part.journals)) {
    const known = journals.get(name) ?? { hash: of.hash, seq: of.seq, events: [] };
    known.events.push(...events);
    journals.set(name, known);
  }
  return journals;
}

describe("a backup", () => {
  it("has every object as it says it is, and everything of D1 that is nowhere else", async () => {
    const asked = await ask();
    expect(asked).toMatchObject({ status: "running", missing: [] });
    expect((await ask()).id).toBe(asked.id);
    expect(await takeBackups(env, SECRET)).toMatchObject({ id: asked.id, phase: "done" });
    const [shown] = await listed();
    expect(shown).toMatchObject({ id: asked.id, status: "complete", asked_by: operator.userId });
    const { manifest, parts } = await read(asked.id);
    expect(manifest).toMatchObject({ complete: true, missing: [], venue: "main", counts: shown?.counts });
    const journals = journalsOf(parts);
    expect([...journals.keys()]).toContain(who.accountId);
    for (const [name, { hash, seq, events }] of journals) {
      expect(replayed(name, events), name).toEqual({ hash, seq });
    }
    const rows = parts.flatMap(({ tables }) => tables);
    const users = rows.filter(({ table }) => table === "users").flatMap((one) => one.rows);
    expect(users.map(({ id }) => id)).toContain(who.userId);
    for (const table of ["sessions", "orders", "idempotency_keys"])
      expect(rows.map((one) => one.table)).not.toContain(table);
    expect(rows.reduce((sum, one) => sum + one.rows.length, 0)).toBe(manifest.counts.rows);
  });

  it("has each table of D1 but those that are named, and none is named that is not there", async () => {
    const { results } = await env.DB.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all<{
      name: string;
    }>();
    const copied = await tablesOf(database(env));
    if (!copied.ok) throw new Error("no tables");
    const ours = results.map(({ name }) => name).filter((name) => !/^(?:sqlite_|_cf_|d1_)/.test(name));
    expect([...copied.value, ...LEFT_OUT].sort()).toEqual(ours.sort());
    expect(copied.value).toEqual(expect.arrayContaining(["users", "tasks", "mfa_factors", "audit_events"]));
  });

  it("is nothing without its key, and nothing in another place", async () => {
    const [one] = await listed();
    const id = one?.id ?? "";
    const sealed = await bucket.get(manifestKey(id));
    if (sealed === null) throw new Error("no manifest");
    expect(new TextDecoder().decode(sealed)).not.toContain("main");
    await expect(readManifest(await reader(OTHER), id)).rejects.toThrow(SealError);
    const rotated: Reader = { get: bucket.get, keys: [await backupKeyOf(OTHER), await backupKeyOf(SECRET)] };
    expect(await readManifest(rotated, id)).toMatchObject({ id });
    await expect(unseal(sealed, manifestKey("bck_other"), rotated.keys)).rejects.toThrow(SealError);
    const flipped = sealed.slice();
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    await expect(unseal(flipped, manifestKey(id), rotated.keys)).rejects.toThrow(SealError);
    await expect(unseal(sealed.slice(0, 10), manifestKey(id), rotated.keys)).rejects.toThrow(SealError);
  });

  it("with a part that is missing, or another's, does not read as a whole one", async () => {
    const [one] = await listed();
    const { manifest } = await read(one?.id ?? "");
    const last = manifest.last?.key ?? "";
    const without: Reader = { ...(await reader()), get: async (key) => (key === last ? null : bucket.get(key)) };
    await expect(drained(readParts(without, manifest))).rejects.toThrow("is missing");
    const forged = await seal('{"v":1}', last, await backupKeyOf(SECRET));
    const other: Reader = { ...(await reader()), get: async (key) => (key === last ? forged : bucket.get(key)) };
    await expect(drained(readParts(other, manifest))).rejects.toThrow("not the part that belongs there");
  });

  it("goes on over runs of the cron where each has little time", async () => {
    const { id } = await ask();
    let now = Date.now();
    const hurried = () => {
      now += 15_000;
      return now;
    };
    let runs = 0;
    for (let phase = ""; phase !== "done" && runs < 30; runs += 1)
      phase = (await takeBackups(env, SECRET, hurried))?.phase ?? "";
    expect(runs).toBeGreaterThan(3);
    const { manifest, parts } = await read(id);
    expect(manifest.complete).toBe(true);
    expect([...journalsOf(parts).keys()]).toContain(who.accountId);
  });

  it("that an object does not answer to says so, and is incomplete", async () => {
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const ACCOUNT = {
      getByName: (name: string) => {
        if (name === who.accountId) throw new Error("away");
        return env.ACCOUNT.getByName(name);
      },
    } as unknown as typeof env.ACCOUNT;
    const { id } = await ask();
    expect(await takeBackups({ ...env, ACCOUNT }, SECRET)).toMatchObject({ phase: "done", complete: false });
    expect((await listed())[0]).toMatchObject({ id, status: "incomplete", missing: [who.accountId] });
    const { manifest, parts } = await read(id);
    expect(manifest).toMatchObject({ complete: false, missing: [who.accountId] });
    expect([...journalsOf(parts).keys()]).not.toContain(who.accountId);
    expect(errors.mock.calls.join()).toContain("backup_incomplete");
    errors.mockRestore();
  });

  it("is not done by a bucket that keeps something else than it was given", async () => {
    const errors = vi.spyOn(console, "error").mockImplementation(() => {});
    const { id } = await ask();
    const forgetful = {
      put: (key: string) => env.BACKUPS.put(key, "nothing"),
      get: (key: string) => env.BACKUPS.get(key),
    } as unknown as R2Bucket;
    expect(await takeBackups({ ...env, BACKUPS: forgetful }, SECRET)).toBeNull();
    expect(errors.mock.calls.join()).toContain("backup_failed");
    expect((await listed())[0]).toMatchObject({ id, status: "running" });
    expect(await takeBackups(env, SECRET)).toMatchObject({ id, phase: "done", complete: true });
    errors.mockRestore();
  });
});

describe("the cron", () => {
  it("begins one by itself when it is time, and takes away what is not kept", async () => {
    expect(await takeBackups(env, SECRET)).toBeNull();
    const later = Date.now() + BACKUP_EVERY_MS;
    for (let n = 1; n <= 7; n += 1) {
      const made = await takeBackups(env, SECRET, () => later + n * BACKUP_EVERY_MS);
      expect(made).toMatchObject({ phase: "done", askedBy: null });
    }
    for (let run = 0; run < 5; run += 1) await takeBackups(env, SECRET, () => later + 7 * BACKUP_EVERY_MS);
    const all = await listed();
    const gone = all.filter(({ status }) => status === "forgotten");
    expect(gone.length).toBeGreaterThanOrEqual(3);
    for (const { id } of gone) expect(await bucket.get(manifestKey(id))).toBeNull();
    for (const { id, status } of all)
      if (status === "complete") expect(await bucket.get(manifestKey(id))).not.toBeNull();
  });
});

async function drained(parts: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of parts);
}

function replayed(name: string, events: readonly string[]): { hash: string; seq: number } {
  const symbol = name.slice(name.indexOf("/") + 1);
  const rules = findMarket(symbol) ?? MARKETS[0];
  if (name.includes("/") && rules !== undefined) {
    const state = emptyMarket(rules, 1);
    for (const body of events) applyMarketEvent(state, decode(body));
    return { hash: marketStateHash(state, sha256), seq: state.seq };
  }
  const state = emptyAccount(name, 1);
  for (const body of events) applyAccountEvent(state, decode(body));
  return { hash: accountStateHash(state, sha256), seq: state.seq };
}
