// A stored row that cannot be what was written: its object answers nobody with a figure, says why to operators, and is
// brought back in place of what is stored.
import { runInDurableObject } from "cloudflare:test";
import { beforeEach, describe, expect, it, vi } from "vitest";
import {
  accountOf,
  alarmAt,
  asked,
  atMarket,
  bookOf,
  callerOf,
  checkEachTest,
  eventually,
  evict,
  faraway,
  limit,
  marketOf,
  moneyOf,
  openAccount,
  orderBy,
  passTime,
  place,
  ring,
  sql,
  watch,
} from "../support/objects.ts";
import { expectProblem, type Trader, trader } from "../support/session.ts";

const ACT = { by: "usr_test", reason: "a row is spoiled" };
const FIRST_PAGE = { limit: 10, cursor: null };
const UNAVAILABLE = { ok: false, refusal: { code: "unavailable" } };

checkEachTest();

type Stub = ReturnType<typeof accountOf> | ReturnType<typeof marketOf>;

async function journalOf(stub: Stub): Promise<string[]> {
  const rows = await sql<{ body: string }>(stub, "SELECT body FROM journal ORDER BY seq");
  return rows.map(({ body }) => body);
}

/** Changes what is stored under the object's feet, and ends its life; answers the alerts of its next life as they come. */
async function spoil(stub: Stub, statement: string): Promise<string[]> {
  const alerts: string[] = [];
  vi.spyOn(console, "error").mockImplementation((line) => {
    if (String(line).includes("object_alert")) alerts.push(String(line));
  });
  await sql(stub, statement);
  await evict(stub);
  await stub.parked(FIRST_PAGE);
  return alerts;
}

async function reasonOf(stub: Stub): Promise<string | null> {
  return (await stub.parked(FIRST_PAGE)).stopped;
}

/** Everything stored, but for what a look at it may arm. */
function everythingIn(stub: Stub) {
  return runInDurableObject(stub as DurableObjectStub, (_, { storage }) =>
    ["journal", "orders", "ledger_accounts", "peers", "meta", "timers", "outbox", "parkings"].map((table) =>
      storage.sql.exec(`SELECT * FROM ${table}`).toArray(),
    ),
  );
}

const LAST_ENTRY = "SELECT max(seq) FROM journal WHERE entry_kind IS NOT NULL";
const SPOILS: [what: string, statement: string, reason: string][] = [
  [
    "a body that is cut",
    `UPDATE journal SET body = substr(body, 1, 90) WHERE seq = (${LAST_ENTRY})`,
    "does not decode",
  ],
  [
    "an amount in the ledger",
    `UPDATE journal SET body = json_replace(body, '$.entry.postings[0].amount', '$7') WHERE seq = (${LAST_ENTRY})`,
    "is another's",
  ],
  [
    "a balance",
    "UPDATE ledger_accounts SET balance = balance + 1 WHERE account = 'available' AND asset = 'USD'",
    "available|USD is",
  ],
  ["an order", "UPDATE orders SET body = substr(body, 1, 40) WHERE open = 1", "does not decode"],
  [
    "the newest row, which is of another event",
    "UPDATE journal SET at = at + 1 WHERE seq = (SELECT max(seq) FROM journal)",
    "has another event",
  ],
  ["the journal's end, which is gone", "DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)", ""],
  ["the epoch", "UPDATE meta SET value = 'x' WHERE key = 'epoch'", "the epoch is no number"],
];

describe("an account with a spoiled row", () => {
  it.each(SPOILS)("halts, says so once in its life, and writes nothing: %s", async (_, statement, reason) => {
    const id = await openAccount();
    await place(id, limit("SOL-USD", "buy", { limitPrice: faraway("SOL-USD", "buy") }));
    const journal = await journalOf(accountOf(id));
    await eventually(async () => {
      const [row] = await sql<{ sent_seq: number }>(accountOf(id), "SELECT sent_seq FROM outbox");
      expect(row?.sent_seq).toBe((await accountOf(id).head()).seq);
    });
    const alerts = await spoil(accountOf(id), statement);
    expect(alerts).toEqual([expect.stringContaining(`account ${id} is unreadable: `)]);
    expect(await reasonOf(accountOf(id))).toContain(reason);
    const before = await everythingIn(accountOf(id));
    const caller = callerOf(id);
    expect(await asked(id, atMarket("SOL-USD", "buy"))).toMatchObject({ result: UNAVAILABLE });
    const wish = { kind: "deposit" as const, asset: "USD", amount: 1n };
    expect(await accountOf(id).transfer(caller, wish, null)).toMatchObject({ result: UNAVAILABLE });
    expect(await accountOf(id).cancelOrder(caller, "ord_1")).toMatchObject(UNAVAILABLE);
    const everything = { ...FIRST_PAGE, asset: null, kind: null, from: null, to: null };
    expect(await accountOf(id).account(caller)).toMatchObject(UNAVAILABLE);
    expect(await accountOf(id).order(caller, { id: "ord_1" })).toMatchObject(UNAVAILABLE);
    expect(await accountOf(id).ledger(caller, everything)).toMatchObject(UNAVAILABLE);
    expect(await accountOf(id).positions(caller)).toMatchObject(UNAVAILABLE);
    expect(await accountOf(id).streamTicket({ ...caller, expiresAtMs: Date.now() + 1_000 })).toMatchObject(UNAVAILABLE);
    expect(await accountOf(id).revokeSession("ses_test", 1)).toMatchObject(UNAVAILABLE);
    expect(await accountOf(id).setStatus("frozen", "looked at")).toMatchObject(UNAVAILABLE);
    expect(await accountOf(id).unpark("SOL-USD", ACT)).toMatchObject(UNAVAILABLE);
    expect(await accountOf(id).reopen(ACT)).toMatchObject(UNAVAILABLE);
    expect(await accountOf(id).restore({ epoch: 2, journal: [] }, ACT)).toMatchObject(UNAVAILABLE);
    expect(await accountOf(id).report({ v: 1, symbol: "SOL-USD", epoch: 1, reports: [] })).toEqual({
      outcome: "later",
    });
    await ring(accountOf(id));
    expect(await alarmAt(accountOf(id))).toBeNull();
    expect(await everythingIn(accountOf(id))).toEqual(before);
    expect(await accountOf(id).restoration()).toMatchObject({ breaks: [expect.stringContaining("unreadable")] });
    expect((await accountOf(id).journal(FIRST_PAGE)).data[0]).toBe(journal[0]);
    expect(alerts).toHaveLength(1);
    expect(await accountOf(id).restore({ epoch: 2, journal, replace: true }, ACT)).toEqual({ ok: true, value: null });
    await eventually(async () =>
      expect(await accountOf(id).restoration()).toMatchObject({ restoring: false, breaks: [] }),
    );
    expect(await reasonOf(accountOf(id))).toBeNull();
  });

  it("opens as it was when what was spoiled lies behind the end of its ledger: nobody looks at all of it", async () => {
    const id = await openAccount();
    for (let count = 0; count < 60; count += 1) {
      await accountOf(id).transfer(callerOf(id), { kind: "deposit", asset: "USD", amount: 1n }, null);
    }
    const changed = "json_replace(body, '$.entry.postings[0].amount', '$7')";
    expect(await spoil(accountOf(id), `UPDATE journal SET body = ${changed} WHERE seq = 1`)).toEqual([]);
    expect(await reasonOf(accountOf(id))).toBeNull();
    expect(await accountOf(id).account(callerOf(id))).toMatchObject({ ok: true });
    const snapshot = { epoch: 2, journal: await journalOf(accountOf(id)), replace: true };
    expect(await accountOf(id).restore(snapshot, ACT)).toMatchObject({
      refusal: {
        code: "validation_failed",
        errors: [{ pointer: "/journal", detail: expect.stringContaining("is another's") }],
      },
    });
  });
});

describe("a market with a spoiled row", () => {
  it("shows no book and takes no command; restored in place of it, it is told what it has forgotten", async () => {
    const id = await openAccount({ DOGE: 10n ** 12n });
    const sell = limit("DOGE-USD", "sell", { limitPrice: faraway("DOGE-USD", "sell") });
    await place(id, atMarket("DOGE-USD", "buy"));
    await place(id, sell);
    const journal = await journalOf(marketOf("DOGE-USD"));
    const alerts = await spoil(marketOf("DOGE-USD"), "UPDATE orders SET body = substr(body, 1, 40)");
    expect(alerts).toEqual([expect.stringContaining("market DOGE-USD is unreadable: order ")]);
    expect(await marketOf("DOGE-USD").book(5)).toBeNull();
    const call = { v: 1 as const, account: id, epoch: 1, to: 1, rseq: 0, commands: [] };
    expect(await marketOf("DOGE-USD").exchange(call)).toEqual({ outcome: "later" });
    const hand = { ...call, cseq: 0, last: null, told: [] };
    expect(await marketOf("DOGE-USD").shake(hand)).toEqual({ outcome: "later" });
    expect(await marketOf("DOGE-USD").unpark(id, ACT)).toMatchObject(UNAVAILABLE);
    await ring(marketOf("DOGE-USD"));
    expect(await alarmAt(marketOf("DOGE-USD"))).toBeNull();
    const snapshot = { epoch: 2, journal: journal.slice(0, 2), replace: true };
    expect(await marketOf("DOGE-USD").restore(snapshot, [id], ACT)).toEqual({ ok: true, value: null });
    await ring(marketOf("DOGE-USD"));
    await eventually(async () => expect(await marketOf("DOGE-USD").restoration()).toMatchObject({ restoring: false }));
    expect(await orderBy(id, sell)).toMatchObject({ status: "new" });
    const { asks } = await bookOf("DOGE-USD", 500);
    expect(asks.find(({ price }) => price === sell.limitPrice)).toEqual({ price: sell.limitPrice, qty: sell.qty });
    passTime(1_000);
    expect(await place(id, atMarket("DOGE-USD", "buy"))).toMatchObject({ status: "filled" });
  });
});

describe("over HTTP", () => {
  let operator: Trader;
  let customer: Trader;

  beforeEach(async () => {
    operator = await trader({ roles: ["customer", "operator"] });
    customer = await trader({ usd: "1000" });
    watch(customer.accountId, "ADA-USD");
  });

  it("everything is 503 with Retry-After, operators see why, and replacing what is stored brings the money back", async () => {
    const id = customer.accountId;
    const path = `/v1/admin/accounts/${id}`;
    await place(id, limit("ADA-USD", "buy", { limitPrice: faraway("ADA-USD", "buy") }));
    const money = await moneyOf(id, "USD");
    const journal = await journalOf(accountOf(id));
    await spoil(accountOf(id), `UPDATE journal SET body = substr(body, 1, 90) WHERE seq = (${LAST_ENTRY})`);
    for (const read of ["/v1/account", "/v1/orders", "/v1/account/ledger", "/v1/positions"]) {
      const answer = await customer.get(read);
      expectProblem(answer, 503, "unavailable");
      expect(answer.headers.get("Retry-After")).toBe("1");
    }
    const order = { symbol: "ADA-USD", side: "buy", type: "market", notional: "100" } as const;
    expectProblem(await customer.place(order), 503, "unavailable");
    expect((await operator.get(`${path}/parked`)).body).toMatchObject({
      stopped: expect.stringMatching(/^unreadable: journal row \d+ does not decode$/),
    });
    const { body } = await operator.get<{ data: string[] }>(`${path}/journal?limit=200`);
    const before = body.data.findIndex((text, index) => text !== journal[index]);
    const wish = { epoch: 2, journal: body.data.slice(0, before), reason: "a row is spoiled" };
    const restore = (json: object) => operator.call("POST", `${path}/restoration`, { json });
    expectProblem(await restore(wish), 503, "unavailable");
    expectProblem(await restore({ ...wish, journal: body.data, replace: true }), 422, "validation_failed");
    expectProblem(await restore({ ...wish, epoch: 2, journal: ["{}"], replace: true }), 422, "validation_failed");
    expect((await restore({ ...wish, replace: true })).status).toBe(204);
    await eventually(async () => {
      expect((await operator.get(`${path}/restoration`)).body).toEqual({
        epoch: 2,
        restoring: false,
        unmet: [],
        breaks: [],
      });
    });
    expect(await moneyOf(id, "USD")).toEqual(money);
    expect((await customer.place(order)).status).toBe(201);
  });

  it("a market's book is 503 too", async () => {
    await spoil(marketOf("XRP-USD"), "UPDATE meta SET value = 'x' WHERE key = 'epoch'");
    expectProblem(await customer.get("/v1/markets/XRP-USD/book"), 503, "unavailable");
    expect(await marketOf("XRP-USD").restore({ epoch: 2, journal: [], replace: true }, [], ACT)).toMatchObject({
      ok: true,
    });
    await marketOf("XRP-USD").reopen(ACT);
    expect((await customer.get("/v1/markets/XRP-USD/book")).status).toBe(200);
  });
});
