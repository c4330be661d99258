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
import { stopClock, type Trader } from "../support/session.ts";

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
  // Of two deposits the last stays, and the one before cannot make room for a key and a base.
  const who = await someoneWith(2);
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

it("reads nothing of what is kept for ever, to look at the past or to cut again: millions of keys would not fit into an object", async () => {
  const who = await someoneWith(5);
  expect(await archiveJournals(env, RETENTION, later(20))).toMatchObject({ cut: 1, left: 0 });
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
  expect(await archiveJournals(env, RETENTION, later(21))).toMatchObject({ cut: 1, left: 0 });
});
