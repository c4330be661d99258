// After everything a trader can do, D1 says what the objects say: row by row, both ways, through the real queue.

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { sweep } from "../../src/domains/ops/scheduled.ts";
import { Outbox } from "../../src/objects/outbox.ts";
import { enroll, expectReadModelEqual, headsOf } from "../support/readmodel.ts";
import { priceAt, qtyWorth, stopClock, type Trader, trader, type WireOrder } from "../support/session.ts";

const SWEEP_PAUSE_MS = 300;
/** Long enough for what is on its way to arrive. */
const LONG_PAUSE_MS = 1_500;
const people: Trader[] = [];
let pass: (ms: number) => void;

beforeAll(() => {
  pass = stopClock();
});

async function newcomer(usd: string): Promise<Trader> {
  const who = await trader({ usd });
  await enroll(who);
  people.push(who);
  return who;
}

async function limit(symbol: string, side: "buy" | "sell", bps: number, worth: number, more: object = {}) {
  const price = await priceAt(symbol, bps);
  return { symbol, side, type: "limit", limit_price: price, qty: qtyWorth(symbol, worth, price), ...more };
}

/** A life with an order of every fate, in two markets: what the two people have done. */
async function live(ada: Trader, bob: Trader): Promise<void> {
  await bob.deposit(qtyWorth("ETH-USD", 3_000, await priceAt("ETH-USD", 0)), "ETH");
  await ada.place({ symbol: "BTC-USD", side: "buy", type: "market", notional: "250" });
  const resting = await ada.place(await limit("ETH-USD", "buy", 0, 900, { client_order_id: "rests" }));
  await bob.place({
    symbol: "ETH-USD",
    side: "sell",
    type: "market",
    qty: qtyWorth("ETH-USD", 300, await priceAt("ETH-USD", 0)),
  });
  await ada.cancel(resting.body.id);
  await ada.place(await limit("ETH-USD", "buy", 100, 100, { post_only: true }));
  await ada.place(await limit("ETH-USD", "buy", 0, 5_000_000));
  await ada.place(await limit("BTC-USD", "sell", 200, 100));
  await ada.place(await limit("BTC-USD", "buy", 6, 30_000, { time_in_force: "ioc" }));
  const expires_at = new Date(Date.now() + 1_500).toISOString();
  await bob.place(await limit("ETH-USD", "sell", 200, 100, { time_in_force: "gtd", expires_at }));
  await bob.place(await limit("ETH-USD", "sell", 300, 100, { time_in_force: "day" }));
  await bob.call("POST", "/v1/account/withdrawals", { json: { asset: "USD", amount: "12.34" } });
  pass(2_000);
  await runDurableObjectAlarm(env.MARKET.getByName("main/ETH-USD"));
  await bob.call("POST", "/v1/auth/logout");
}

/** Has the queue take what an object journals while `acts` are done, and lose it. */
async function losing(stub: DurableObjectStub, acts: () => Promise<unknown>): Promise<void> {
  const flush = vi.spyOn(Outbox.prototype, "flush").mockResolvedValue();
  await acts();
  await runInDurableObject(
    stub,
    (_, { storage }) =>
      storage.sql.exec("INSERT OR REPLACE INTO outbox (id, sent_seq) SELECT 1, max(seq) FROM journal").rowsWritten,
  );
  await evictDurableObject(stub);
  flush.mockRestore();
}

describe("the read model", () => {
  it("is what the objects are, of orders, executions, ledger entries, balances, transfers and trades", async () => {
    const [ada, bob] = [await newcomer("50000"), await newcomer("1000")];
    await live(ada, bob);
    await expectReadModelEqual(people);
    const { results } = await env.DB.prepare("SELECT DISTINCT status FROM orders").all<{ status: string }>();
    const fates = ["canceled", "expired", "filled", "new", "rejected"];
    expect(results.map((row) => row.status).sort()).toEqual(fates);
  });

  it("sums to zero: each object's ledger, and what accounts and markets owe each other", async () => {
    await expectReadModelEqual(people);
    const sums = (where: string, group: string) =>
      env.DB.prepare(
        `SELECT ${group}, CAST(sum(amount) AS TEXT) AS total FROM ledger_postings WHERE ${where} GROUP BY ${group}`,
      ).all();
    const ledgers = (await sums("true", "object, name, asset")).results;
    expect(ledgers.length).toBeGreaterThan(5);
    expect(ledgers.filter((row) => row.total !== "0")).toEqual([]);
    const between = "account = 'clearing' OR account LIKE 'clearing:%' OR account LIKE 'fees:%'";
    const clearing = (await sums(between, "asset")).results;
    expect(clearing.map((row) => row.asset).sort()).toEqual(["BTC", "ETH", "USD"]);
    expect(clearing.filter((row) => row.total !== "0")).toEqual([]);
  });

  it("shows an operator the orders of a market across users, as their owners see them", async () => {
    const [ada, bob] = [await newcomer("1000"), await newcomer("1000")];
    const symbol = "LINK-USD";
    const mine = [
      await ada.place(await limit(symbol, "buy", -300, 50)),
      await ada.place(await limit(symbol, "buy", -400, 50)),
    ];
    pass(1);
    const theirs = await bob.place({ symbol, side: "buy", type: "market", notional: "50" });
    await bob.place({ symbol: "BTC-USD", side: "buy", type: "market", notional: "50" });
    await ada.cancel(mine[1]?.body.id ?? "");
    await expectReadModelEqual(people);
    const operator = await trader({ roles: ["operator"] });
    const { rows } = await operator.all<WireOrder & { account_id: string }>(`/v1/admin/orders?symbol=${symbol}`, 2);
    const byOwner = async (who: Trader) =>
      (await who.all<WireOrder>(`/v1/orders?symbol=${symbol}`, 50)).rows.map((order) => ({
        account_id: who.accountId,
        ...order,
      }));
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? 1 : -1);
    expect(rows).toEqual([...(await byOwner(ada)), ...(await byOwner(bob))].sort(byId));
    expect(rows[0]?.id).toBe(theirs.body.id);
    const open = await operator.all<WireOrder>(`/v1/admin/orders?symbol=${symbol}&status=open`, 50);
    expect(open.rows.map((order) => order.id)).toEqual([mine[0]?.body.id]);
  });
});

describe("a slice that the queue has lost", () => {
  it("is asked for again by the sweeper, and what came after it is applied with it", async () => {
    const ada = await newcomer("1000");
    await expectReadModelEqual(people);
    const before = Number((await headsOf())[ada.accountId]);
    await losing(env.ACCOUNT.getByName(ada.accountId), async () => {
      for (const amount of ["1", "2"]) await ada.deposit(amount);
    });
    await ada.deposit("4");
    const kept = () =>
      env.DB.prepare("SELECT from_seq FROM projection_slices WHERE name = ?").bind(ada.accountId).first("from_seq");
    await expect.poll(kept, { timeout: 10_000 }).toBe(before + 3);
    expect((await headsOf())[ada.accountId]).toBe(before);
    expect(await sweep(env, Date.now(), SWEEP_PAUSE_MS)).toMatchObject({ unreachable: 0, behind: 1, replayed: 1 });
    await expectReadModelEqual(people);
    expect(await sweep(env, Date.now(), SWEEP_PAUSE_MS)).toMatchObject({ unreachable: 0, behind: 0, replayed: 0 });
    expect(await kept()).toBeNull();
  });

  it("of a market, with nothing after it, is found too", async () => {
    const ada = await newcomer("1000");
    const market = env.MARKET.getByName("main/SOL-USD");
    await market.book(1);
    await expectReadModelEqual(people);
    await losing(market, () => ada.place({ symbol: "SOL-USD", side: "buy", type: "market", notional: "100" }));
    await sweep(env, Date.now(), LONG_PAUSE_MS);
    await expectReadModelEqual(people);
  });
});

describe("an operator", () => {
  const because = { reason: "a drill" };
  const operators = () => trader({ roles: ["operator"] });

  it("empties the read model and has it made again from the journals: it is what it was", async () => {
    const [ada, bob] = [await newcomer("60000"), await newcomer("60000")];
    await live(ada, bob);
    await expectReadModelEqual(people);
    const before = await headsOf();
    const answered = await (await operators()).call<{ replayed: number }>("POST", "/v1/admin/projections/rebuild", {
      json: because,
    });
    expect(answered.status).toBe(202);
    expect(answered.body.replayed).toBe(Object.keys(before).length);
    await expectReadModelEqual(people);
    expect(await headsOf()).toEqual(before);
  });

  it("has fetched what the queue has lost of one object, from where D1 is", async () => {
    const ada = await newcomer("1000");
    await expectReadModelEqual(people);
    const before = Number((await headsOf())[ada.accountId]);
    await losing(env.ACCOUNT.getByName(ada.accountId), async () => {
      for (const amount of ["1", "2"]) await ada.deposit(amount);
    });
    const wish = { object: "account", name: ada.accountId, ...because };
    const answered = await (await operators()).call("POST", "/v1/admin/projections/replay", { json: wish });
    expect(answered.status).toBe(202);
    expect(answered.body).toMatchObject({ epoch: 1, seq: before + 2, applied_seq: before });
    await expectReadModelEqual(people);
  });

  it("puts a dead letter into the queue again; it stays listed with the time", async () => {
    const ada = await newcomer("1000");
    await expectReadModelEqual(people);
    const from = Number((await headsOf())[ada.accountId]) + 1;
    await losing(env.ACCOUNT.getByName(ada.accountId), () => ada.deposit("1"));
    const { body, seq } = await runInDurableObject(env.ACCOUNT.getByName(ada.accountId), (_, { storage }) =>
      storage.sql.exec<{ body: string; seq: number }>("SELECT body, seq FROM journal ORDER BY seq DESC LIMIT 1").one(),
    );
    const slice = { v: 1, object: "account", name: ada.accountId, epoch: 1, from, to: seq, events: [body] };
    const id = "dlt_01k00000000000000000000000";
    await env.DB.prepare(
      "INSERT INTO dead_letters (id, queue, subject, reason, body, count, at, last_at) VALUES (?, 'q', 's', 'r', ?, 1, 1, 1)",
    )
      .bind(id, JSON.stringify(slice))
      .run();
    const operator = await operators();
    const replay = (letter: string) =>
      operator.call("POST", `/v1/admin/dead-letters/${letter}/replay`, { json: because });
    expect((await replay(id)).status).toBe(202);
    await expectReadModelEqual(people);
    const listed = await operator.get<{ data: { id: string; replayed_at: string | null }[] }>("/v1/admin/dead-letters");
    expect(listed.body.data.find((letter) => letter.id === id)?.replayed_at).not.toBeNull();
    expect((await replay("dlt_01k00000000000000000000001")).status).toBe(404);
  });

  it.each([
    ["an account that never was", 404, { object: "account", name: "acc_01k00000000000000000000000", ...because }],
    ["no account's id", 404, { object: "account", name: "somebody", ...because }],
    ["a market that is not listed", 404, { object: "market", name: "main/NOPE-USD", ...because }],
    ["another venue's market", 404, { object: "market", name: "moon/BTC-USD", ...because }],
    ["no reason", 422, { object: "market", name: "main/BTC-USD" }],
    ["what keeps no journal", 422, { object: "vault", name: "main/BTC-USD", ...because }],
  ])("has nothing replayed of %s: %i", async (_, status, json) => {
    const answered = await (await operators()).call("POST", "/v1/admin/projections/replay", { json });
    expect(answered.status).toBe(status);
  });

  it("alone may do so", async () => {
    const ada = await newcomer("1");
    for (const path of ["projections/rebuild", "projections/replay", "dead-letters/dlt_1/replay"]) {
      expect((await ada.call("POST", `/v1/admin/${path}`, { json: because })).status).toBe(403);
    }
  });
});
