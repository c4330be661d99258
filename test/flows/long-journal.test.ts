// A journal that no request is long enough for: handed in in parts, brought back whole, and backed up in parts.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { assembled, replay, snapshotParts } from "../../scripts/restore-journals.ts";
import { backupBucket } from "../../src/bindings/backups.ts";
import type { AccountTurn } from "../../src/core/account/decide.ts";
import { emptyAccount } from "../../src/core/account/state.ts";
import { transfer } from "../../src/core/account/transfers.ts";
import type { BackupPart } from "../../src/core/backups.ts";
import { encode } from "../../src/core/codec.ts";
import { SNAPSHOT_BYTES_MAX, SNAPSHOT_READ_ROWS } from "../../src/core/limits.ts";
import { PAPER_POLICY } from "../../src/core/transfer-policy.ts";
import { readManifest, readParts } from "../../src/domains/backups/parts.ts";
import { takeBackups } from "../../src/domains/backups/scheduled.ts";
import { backupKeyOf } from "../../src/domains/backups/sealing.ts";
import { makeId, sha256 } from "../../src/objects/platform.ts";
import { accountOf, atMarket, marketOf, openAccount, passTime, place, ringUntil, sql } from "../support/objects.ts";
import { person } from "../support/people.ts";
import { TEST_SECRETS } from "../support/secrets.ts";
import { expectProblem, type Trader } from "../support/session.ts";

const LONG_CHARS = 20 * 1_048_576;
const WHY = { reason: "its disk is gone" };
const WAIT_MS = 120_000;

/** A journal of deposits, which is as long as it is said to be. */
function longJournal(account: string, chars: number): string[] {
  const journal: string[] = [];
  const state = emptyAccount(account, 1);
  const now = Date.now();
  for (let length = 0; length < chars; ) {
    const turn: AccountTurn = { state, ctx: { now, makeId, sha256, priceSeed: 1 }, events: [] };
    const key = `${journal.length}-${"k".repeat(200)}`;
    const once = [{ scope: "deposits" as const, key, bodyHash: "", requestId: null }];
    transfer(turn, { kind: "deposit", asset: "USD", amount: 1_000_000n }, once, PAPER_POLICY);
    for (const event of turn.events) journal.push(encode(event));
    length += journal.at(-1)?.length ?? chars;
  }
  return journal;
}

let operator: Trader;
beforeAll(async () => {
  operator = await person(["operator"]);
});

const restoration = (account: string) => `/v1/admin/accounts/${account}/restoration`;
const handIn = (path: string, json: object) => operator.call("POST", `${path}/journal`, { json: { ...json, ...WHY } });
const restore = (path: string, json: object) => operator.call("POST", path, { json: { ...json, ...WHY } });

describe("a snapshot in parts", () => {
  it("of 20 MiB is brought back as it was, and is in a backup in parts, though a call for it fails", {
    timeout: WAIT_MS,
  }, async () => {
    vi.spyOn(console, "log").mockImplementation(() => {});
    const who = await person();
    const path = restoration(who.accountId);
    const journal = longJournal(who.accountId, LONG_CHARS);
    const parts = [...snapshotParts(journal, SNAPSHOT_BYTES_MAX - 1_000)];
    expect(parts.length).toBeGreaterThan(2);
    for (const part of parts.slice(0, -1)) {
      const kept = { events: part.after + part.journal.length };
      expect(await handIn(path, { epoch: 2, ...part })).toMatchObject({ status: 200, body: kept });
    }
    expect((await restore(path, { epoch: 2, ...parts.at(-1) })).status).toBe(204);
    const was = replay({ object: "account", name: who.accountId }, journal);
    await ringUntil(accountOf(who.accountId), async () => {
      expect(await accountOf(who.accountId).restoration()).toMatchObject({ restoring: false, unmet: [], breaks: [] });
    });
    const { journals } = assembled(await backedUp(who.accountId));
    const [mine] = journals.filter(({ name }) => name === who.accountId);
    expect(mine?.events.slice(0, journal.length)).toEqual(journal);
    const is = replay({ object: "account", name: who.accountId }, mine?.events ?? []);
    expect(is).toMatchObject({ hash: mine?.of.hash, balances: was.balances });
  });

  it("begins with the first part, has each part once, and is of one epoch", async () => {
    const { accountId } = await person();
    const path = restoration(accountId);
    const [first = "", second = "", third = ""] = longJournal(accountId, 5_000);
    expect((await handIn(path, { epoch: 3, journal: [first, second] })).body).toEqual({ events: 2 });
    const gap = await handIn(path, { epoch: 3, after: 3, journal: [third] });
    expectProblem(gap, 422, "validation_failed");
    expect(gap.body.errors).toMatchObject([{ pointer: "/after", detail: "2 events are kept for epoch 3" }]);
    expectProblem(await restore(path, { epoch: 2, after: 2, journal: [third] }), 422, "validation_failed");
    // The answer to it was lost, and it comes again.
    expect((await handIn(path, { epoch: 3, after: 1, journal: [second] })).body).toEqual({ events: 2 });
    expect((await restore(path, { epoch: 3, after: 2, journal: [third] })).status).toBe(204);
    const stored = await sql<{ body: string }>(accountOf(accountId), "SELECT body FROM journal ORDER BY seq LIMIT 3");
    expect(stored.map(({ body }) => body)).toEqual([first, second, third]);
    expectProblem(await restore(path, { epoch: 4, after: 1, replace: true }), 422, "validation_failed");
    expectProblem(
      await (await person()).call("POST", `${path}/journal`, { json: { epoch: 5, ...WHY } }),
      403,
      "forbidden",
    );
  });

  it("that is no journal changes nothing, says where it is wrong, and may be handed in rightly then", async () => {
    const { accountId } = await person();
    const path = restoration(accountId);
    const journal = longJournal(accountId, 200_000);
    expect(journal.length).toBeGreaterThan(SNAPSHOT_READ_ROWS);
    const last = journal.at(-1) ?? "";
    const forged = last.replace(/"at":/, '"at":1');
    await handIn(path, { epoch: 2, journal: journal.slice(0, -1) });
    const answer = await restore(path, { epoch: 2, after: journal.length - 1, journal: [last.slice(1)] });
    expect(answer.body.errors).toMatchObject([{ pointer: `/journal/${journal.length - 1}` }]);
    expectProblem(
      await restore(path, { epoch: 2, after: journal.length - 1, journal: [forged] }),
      422,
      "validation_failed",
    );
    expect(await accountOf(accountId).head()).toMatchObject({ epoch: 1, seq: 0 });
    expect((await restore(path, { epoch: 2, after: journal.length - 1, journal: [last] })).status).toBe(204);
    expect(await accountOf(accountId).fingerprint()).toMatchObject({ epoch: 2 });
  });

  it("takes the place of what a market has stored", async () => {
    const id = await openAccount();
    for (let n = 0; n < 3; n += 1) await place(id, atMarket("LINK-USD", "buy"));
    const market = marketOf("LINK-USD");
    const rows = await sql<{ body: string }>(market, "SELECT body FROM journal ORDER BY seq");
    const journal = rows.map(({ body }) => body);
    const path = "/v1/admin/markets/LINK-USD/restoration";
    for (const [after, body] of journal.slice(0, -1).entries())
      expect((await handIn(path, { epoch: 2, after, journal: [body] })).body).toEqual({ events: after + 1 });
    const whole = { epoch: 2, after: journal.length - 1, journal: journal.slice(-1), replace: true };
    expect((await restore(path, whole)).status).toBe(204);
    const now = await sql<{ body: string }>(market, "SELECT body FROM journal ORDER BY seq");
    expect(now.slice(0, journal.length).map(({ body }) => body)).toEqual(journal);
    expect(await sql(market, "SELECT 1 FROM sqlite_master WHERE name = 'snapshot_parts'")).toEqual([]);
    await ringUntil(market, async () => {
      expect(await market.restoration()).toMatchObject({ restoring: false, unmet: [], breaks: [] });
    });
    // The house quotes again from the next second on.
    passTime(1_000);
    expect(await place(id, atMarket("LINK-USD", "buy"))).toMatchObject({ status: "filled" });
  });
});

/** Calls before the one that fails: a part has about seventeen pages, and the first is stored by then. */
const CALLS_BEFORE = 30;

/** What a backup has in which this account is more than one part, and does not answer once, in the middle of it. */
async function backedUp(accountId: string): Promise<BackupPart[]> {
  const bucket = backupBucket(env);
  let calls = 0;
  const ACCOUNT = {
    getByName: (name: string) => {
      if (name === accountId) calls += 1;
      if (name === accountId && calls === CALLS_BEFORE) throw new Error("away for a moment");
      return env.ACCOUNT.getByName(name);
    },
  } as unknown as typeof env.ACCOUNT;
  const made = await takeBackups({ ...env, ACCOUNT }, TEST_SECRETS.BACKUP_KEY);
  expect(calls).toBeGreaterThan(CALLS_BEFORE);
  const reader = { get: bucket?.get ?? (async () => null), keys: [await backupKeyOf(TEST_SECRETS.BACKUP_KEY)] };
  const manifest = await readManifest(reader, made?.id ?? "");
  if (manifest === null) throw new Error("no backup");
  const parts: BackupPart[] = [];
  for await (const part of readParts(reader, manifest)) parts.unshift(part);
  expect(parts.filter(({ journals }) => journals.some(({ whole }) => !whole)).length).toBeGreaterThan(2);
  return parts;
}
