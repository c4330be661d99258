// The sweeper repairs what the queue has lost, leaves alone what is on its way, and comes to everybody.

import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { typeId } from "../../src/core/ids.ts";
import { SWEEP_OBJECTS_MAX } from "../../src/core/limits.ts";
import { MARKETS } from "../../src/core/listings.ts";
import { sweep } from "../../src/domains/ops/scheduled.ts";
import { accountStub } from "../../src/objects/stubs.ts";
import { type Journal, play, sliceOf, slicesOf, spanOf } from "./history.ts";
import { deliver, dump, faultyD1, keepersOf, rows, wipe } from "./queue.ts";

const NOW = 1_800_000_000_000;
const [alice, bob] = play(5, 30).journals as [Journal, Journal];
const lastSeq = (journal: Journal) => spanOf(journal.events.at(-1) as Journal["events"][0]).seq;

async function addAccounts(ids: string[]): Promise<void> {
  await env.DB.batch([
    env.DB.prepare(
      "INSERT OR IGNORE INTO users (id, email, email_canonical, username, password_hash, created_at, updated_at) VALUES ('usr_1', 'a', 'a', 'a', 'x', 0, 0)",
    ),
    env.DB.prepare(
      "INSERT OR IGNORE INTO accounts (id, user_id, created_at) SELECT value, 'usr_1', 0 FROM json_each(?)",
    ).bind(JSON.stringify(ids)),
  ]);
}

/** The message that has an account's journal fetched. */
const pullOf = ({ name }: Journal) => ({ v: 2, kind: "pull", object: "account", name, epoch: 1 });

beforeEach(async () => {
  await wipe();
  await env.DB.prepare("DELETE FROM accounts").run();
});

describe("repair", () => {
  it("has fetched from an object what was lost, from the first number that D1 lacks", async () => {
    await addAccounts([alice.name, bob.name]);
    const slices = slicesOf(alice, 6);
    await deliver([...slices.filter((_, index) => index !== 1), ...slicesOf(bob, 50)]);
    const objects = keepersOf([alice, bob]);
    const report = await sweep(objects.env, NOW, 1);
    expect(objects.queued).toEqual([pullOf(alice)]);
    await objects.settle();
    expect(objects.pages[0]?.from).toBe((slices[0]?.to ?? 0) + 1);
    expect(report).toEqual({ looked: MARKETS.length + 2, unreachable: 0, behind: 1, replayed: 1 });
    const repaired = await dump();
    await wipe();
    await deliver([...slicesOf(alice, 6), ...slicesOf(bob, 50)]);
    expect(repaired).toEqual(await dump());
  });

  it("fetches nothing from an object whose slices are on their way, or that D1 has whole", async () => {
    await addAccounts([alice.name, bob.name]);
    await deliver([...slicesOf(alice, 6).slice(0, 1), ...slicesOf(bob, 50)]);
    const objects = keepersOf([alice, bob]);
    const sweeping = sweep(objects.env, NOW, 400);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await deliver(slicesOf(alice, 6).slice(0, 2));
    expect(await sweeping).toMatchObject({ behind: 1, replayed: 0 });
    expect(objects.queued).toEqual([]);
  });

  it("forgets kept slices that came in another way", async () => {
    const slices = slicesOf(alice, 6);
    await deliver(slices.slice(1, 3));
    await deliver([sliceOf(alice, 0, alice.events.length)]);
    expect((await rows("SELECT * FROM projection_slices")).length).toBeGreaterThan(0);
    await sweep(keepersOf([]).env, NOW, 1);
    expect(await rows("SELECT * FROM projection_slices")).toEqual([]);
  });

  it("fetches nothing while the queue takes nothing, and says so", async () => {
    await addAccounts([alice.name]);
    const { env: bindings } = keepersOf([alice]);
    const sendBatch = async () => {
      throw new Error("Queue is overloaded. Please back off.");
    };
    const away = { ...bindings, JOURNAL: { sendBatch } as never };
    expect(await sweep(away, NOW, 1)).toMatchObject({ behind: 1, replayed: 0 });
  });

  it("goes on when an object cannot be reached, and ends when D1 cannot", async () => {
    await addAccounts([alice.name, bob.name]);
    const objects = keepersOf([alice, bob], { unreachable: [bob.name, `main/${MARKETS[0]?.symbol}`] });
    expect(await sweep(objects.env, NOW, 1)).toMatchObject({ unreachable: 2, behind: 1, replayed: 1 });
    const away = { ...objects.env, DB: faultyD1(() => true) };
    expect(await sweep(away, NOW, 1)).toMatchObject({ looked: 0 });
  });
});

describe("turns", () => {
  it("comes to every account, from the first again after the last", async () => {
    const ids = Array.from({ length: 450 }, (_, index) => typeId("acc", NOW + index, new Uint8Array(10)));
    await addAccounts(ids);
    const objects = keepersOf([]);
    for (let round = 0; round < 3; round += 1) {
      const report = await sweep(objects.env, NOW + round, 1);
      expect(report.looked).toBeLessThanOrEqual(SWEEP_OBJECTS_MAX);
    }
    const accounts = objects.asked.filter((name) => name.startsWith("acc_"));
    expect(accounts).toEqual(ids);
    await sweep(objects.env, NOW + 3, 1);
    expect(objects.asked).toContain(ids[0]);
    expect(objects.asked.filter((name) => name === ids[0]).length).toBe(2);
  });

  it("takes an account with a gap out of turn", async () => {
    const ids = Array.from({ length: 300 }, (_, index) => typeId("acc", index, new Uint8Array(10)));
    await addAccounts([...ids, alice.name]);
    await deliver(slicesOf(alice, 6).slice(1));
    const objects = keepersOf([alice]);
    expect(await sweep(objects.env, NOW, 1)).toMatchObject({ replayed: 1 });
    await objects.settle();
    expect((await dump()).projection_heads).toMatchObject([{ name: alice.name, applied_seq: lastSeq(alice) }]);
  });
});

describe("the real objects", () => {
  it("are asked for what D1 has lost", async () => {
    const id = typeId("acc", Date.now(), crypto.getRandomValues(new Uint8Array(10)));
    const caller = { accountId: id, sessionId: "ses_1", issuedAtMs: Date.now() };
    const wish = { kind: "deposit" as const, asset: "USD", amount: 5_000_000n };
    await addAccounts([id]);
    for (let n = 0; n < 3; n += 1) await accountStub(env, id).transfer(caller, wish, null);
    await accountStub(env, id).transfer(caller, { ...wish, kind: "withdrawal", amount: 1_000_000n }, null);
    const arrived = () => untilBalance(id, 14_000_000);
    await arrived();
    await wipe();
    expect((await sweep(env, Date.now(), 50)).replayed).toBeGreaterThanOrEqual(1);
    await arrived();
    expect((await rows("SELECT id FROM transfers WHERE account_id = ?", id)).length).toBe(4);
    expect((await sweep(env, Date.now(), 50)).replayed).toBe(0);
  });
});

async function untilBalance(accountId: string, units: number): Promise<void> {
  await expect
    .poll(() => rows("SELECT available FROM balances WHERE account_id = ?", accountId), { timeout: 15_000 })
    .toEqual([{ available: units }]);
}
