// The cron's walk through what is to be archived: everybody has a turn each day, and nothing is archived for nothing.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, expect, it, vi } from "vitest";
import { DAY_MS } from "../../src/core/limits.ts";
import { archives } from "../../src/db/backup-tables.ts";
import { database } from "../../src/db/client.ts";
import { archiveJournals } from "../../src/domains/backups/scheduled.ts";
import { applied } from "../support/books.ts";
import { person } from "../support/people.ts";
import { TEST_SECRETS } from "../support/secrets.ts";
import { priceAt, stopClock, type Trader } from "../support/session.ts";

const RETENTION = { retentionDays: 90, backupKey: TEST_SECRETS.BACKUP_KEY };
/** A day on which all that has happened here is older than is kept, and others after it. */
const later = (days: number) => Date.now() + (100 + days) * DAY_MS;
const archivedOf = async ({ accountId }: Trader) =>
  (await database(env).select().from(archives)).filter(({ name }) => name === accountId);

let pass: (ms: number) => void;

beforeEach(() => {
  for (const level of ["log", "warn", "error"] as const) vi.spyOn(console, level).mockImplementation(() => {});
  pass = stopClock();
});

async function someoneWith(deposits: number): Promise<Trader> {
  const who = await person();
  for (let count = 0; count < deposits; count += 1) {
    await who.call("POST", "/v1/account/deposits", {
      json: { asset: "USD", amount: "50" },
      headers: { "Idempotency-Key": `deposit-${count}` },
    });
    pass(1_000);
  }
  await applied([who.accountId]);
  return who;
}

it("archives what is not worth a cut once, not again on every day; and again when the archive has lost it", async () => {
  // One deposit cannot make room for a key and a base.
  const who = await someoneWith(1);
  for (const day of [1, 2, 3]) expect(await archiveJournals(env, RETENTION, later(day))).toEqual({ cut: 0, left: 0 });
  const parts = await archivedOf(who);
  expect(parts).toHaveLength(1);
  await env.BACKUPS.delete(parts.map(({ key }) => key));
  await archiveJournals(env, RETENTION, later(4));
  expect(await archivedOf(who)).toHaveLength(2);
});

it("goes on in the next run where time was up, up to the last market", async () => {
  const people = [await someoneWith(4), await someoneWith(4), await someoneWith(4)];
  for (let count = 0; count < 4; count += 1) {
    await people[0]?.place({ symbol: "SOL-USD", side: "buy", type: "market", notional: "20" });
    pass(2_000);
  }
  await applied([...people.map(({ accountId }) => accountId), "main/SOL-USD"]);
  let elapsed = 0;
  const clock = () => {
    elapsed += 3_000;
    return elapsed;
  };
  for (let run = 0; run < 30; run += 1) await archiveJournals(env, RETENTION, later(10), clock);
  for (const who of people) expect((await archivedOf(who)).length).toBeGreaterThan(0);
  expect((await database(env).select().from(archives)).map(({ name }) => name)).toContain("main/SOL-USD");
});

it("tells a read model that is made anew meanwhile which orders are open: what closed them has been cut", async () => {
  const who = await someoneWith(3);
  const far = { limit_price: await priceAt("SOL-USD", -500), qty: "0.1" };
  const open = { symbol: "SOL-USD", side: "buy" as const, type: "limit", ...far };
  const [gone, stays] = [(await who.place(open)).body.id, (await who.place(open)).body.id];
  await applied([who.accountId]);
  const here = "account_id = ?1 AND id = ?2";
  const column = (query: string) => env.DB.prepare(query).bind(who.accountId, gone);
  const row = await column(`SELECT * FROM orders WHERE ${here}`).first<Record<string, string | number | null>>();
  const head = await env.DB.prepare("SELECT applied_seq FROM projection_heads WHERE name = ?").bind(who.accountId);
  const { applied_seq: then } = (await head.first<{ applied_seq: number }>()) ?? {};
  if (row === null || then === undefined) throw new Error("the read model is behind");
  pass(1_000);
  await who.cancel(gone);
  pass(1_000);
  for (let count = 0; count < 2; count += 1) {
    await who.deposit("1");
    pass(1_000);
  }
  await applied([who.accountId]);
  // While the part is written, the read model is emptied and has come to where it was before the cancel.
  const BACKUPS = {
    put: async (key: string, value: ArrayBuffer) => {
      if (!key.includes(who.accountId)) return env.BACKUPS.put(key, value);
      await column(`DELETE FROM orders WHERE ${here}`).run();
      const names = Object.keys(row);
      await env.DB.prepare(`INSERT INTO orders (${names.join()}) VALUES (${names.map(() => "?").join()})`)
        .bind(...Object.values(row))
        .run();
      await env.DB.prepare("UPDATE projection_heads SET applied_seq = ? WHERE name = ?")
        .bind(then, who.accountId)
        .run();
      return env.BACKUPS.put(key, value);
    },
    get: (key: string) => env.BACKUPS.get(key),
  } as unknown as R2Bucket;
  expect(await archiveJournals({ ...env, BACKUPS }, RETENTION, later(30))).toMatchObject({ left: 0 });
  expect(await archivedOf(who)).toHaveLength(1);
  const operator = await person(["operator"]);
  const replayed = await operator.call("POST", "/v1/admin/projections/replay", {
    json: { object: "account", name: who.accountId, reason: "a test" },
  });
  expect(replayed.status, replayed.text).toBeLessThan(300);
  await applied([who.accountId]);
  const left = await env.DB.prepare("SELECT id FROM orders WHERE account_id = ?").bind(who.accountId).all();
  expect(left.results).toEqual([{ id: stays }]);
});

it("begins at nothing in a market that nobody has traded in, once its cut quotes have made room for a whole journal", async () => {
  const market = env.MARKET.getByName("main/ADA-USD");
  const operator = await person(["operator"]);
  const quote = async (times: number) => {
    for (let count = 0; count < times; count += 1) {
      await operator.get("/v1/markets/ADA-USD/book");
      pass(1_000);
    }
    await applied(["main/ADA-USD"]);
  };
  await quote(4);
  const { data: journal } = await market.journal({ limit: 100, cursor: null });
  const wanted = await market.cuttable(Date.now());
  if (wanted === null) throw new Error("there is nothing to cut");
  expect(await market.cut(wanted)).toMatchObject({ ok: true });
  const restored = { epoch: 2, journal, reason: "it was wiped" };
  const begun = await operator.call("POST", "/v1/admin/markets/ADA-USD/restoration", { json: restored });
  expect(begun.status, begun.text).toBe(204);
  await evictDurableObject(market as never);
  expect(await market.journalFrom(1, 1_000)).toMatchObject({ epoch: 2, base: 0 });
});

it("reads nothing of what is kept for ever, to look at the past or to cut again: millions of keys would not fit into an object", async () => {
  const who = await someoneWith(5);
  expect(await archiveJournals(env, RETENTION, later(40))).toMatchObject({ left: 0 });
  expect(await archivedOf(who)).toHaveLength(1);
  const stub = env.ACCOUNT.getByName(who.accountId);
  await runInDurableObject(stub as never, (_: unknown, { storage }: DurableObjectState) =>
    storage.sql.exec("UPDATE journal SET body = 'not to be read' WHERE kind = 'kept'"),
  );
  await evictDurableObject(stub as never);
  const { body } = await who.get<{ seq: number; archived_before: string }>("/v1/account");
  expect((await who.get(`/v1/account?as_of=seq:${body.seq - 1}`)).status).toBe(200);
  expect((await who.get(`/v1/account/statements?from=${body.archived_before}`)).status).toBe(200);
  for (let count = 0; count < 3; count += 1) {
    await who.deposit("1");
    pass(1_000);
  }
  await applied([who.accountId]);
  expect(await archiveJournals(env, RETENTION, later(41))).toMatchObject({ left: 0 });
  expect(await archivedOf(who)).toHaveLength(2);
  // Nothing has happened since but that it was cut.
  await applied([who.accountId]);
  pass(1_000);
  await archiveJournals(env, RETENTION, later(42));
  expect(await archivedOf(who)).toHaveLength(2);
});
