// A check of all books: it finds each kind of difference, says it, and says that it is gone; and finds none where there is none.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { AccountObject } from "../../src/worker.ts";
import { applied, breaksBy, invariants, judgedCheck, type SeenBreak, wholeCheck } from "../support/books.ts";
import { enroll } from "../support/readmodel.ts";
import { call, expectProblem, priceAt, qtyWorth, type Trader, trader } from "../support/session.ts";

const SYMBOL = "ETH-USD";
const MARKET = `main/${SYMBOL}`;
let ada: Trader;
let bob: Trader;
let operator: Trader;

async function newcomer(usd: string): Promise<Trader> {
  const who = await trader({ usd });
  await enroll(who);
  return who;
}

async function limit(side: "buy" | "sell", bps: number, worth: number) {
  const price = await priceAt(SYMBOL, bps);
  return { symbol: SYMBOL, side, type: "limit", limit_price: price, qty: qtyWorth(SYMBOL, worth, price) };
}

const settled = () => applied([ada.accountId, bob.accountId, MARKET]);
const told = ({ kind, name, subject, detail }: SeenBreak) => ({ kind, name, subject, ...detail });
const d1 = (query: string, ...values: (string | number)[]) =>
  env.DB.prepare(query)
    .bind(...values)
    .run();
const inObject = (name: string, query: string) => {
  const stub = name.startsWith("acc_") ? env.ACCOUNT.getByName(name) : env.MARKET.getByName(name);
  return runInDurableObject(stub as DurableObjectStub, (_, { storage }) => storage.sql.exec(query).rowsWritten);
};

/** Breaks something, sees that it is found as it should be and nothing else is; mends it, and sees that it is over. */
async function found(harm: () => Promise<unknown>, mend: () => Promise<unknown>): Promise<SeenBreak[]> {
  await harm();
  const said = await wholeCheck();
  const open = await breaksBy(operator);
  expect(said.breaks?.total).toBe(open.length);
  // Another look finds the same, once.
  await wholeCheck();
  expect(new Set((await breaksBy(operator)).map(({ id }) => id))).toEqual(new Set(open.map(({ id }) => id)));
  await mend();
  expect((await wholeCheck()).breaks).toEqual({ total: 0, by_kind: {} });
  const closed = await breaksBy(operator, "closed");
  expect(closed.map(({ id }) => id)).toEqual(expect.arrayContaining(open.map(({ id }) => id)));
  return open;
}

beforeAll(async () => {
  operator = await trader({ roles: ["customer", "operator"] });
  expect(await invariants()).toMatchObject({
    checked: false,
    at: null,
    stale: true,
    counts: null,
    sums: [],
    breaks: null,
  });
  [ada, bob] = [await newcomer("50000"), await newcomer("50000")];
  await bob.deposit(qtyWorth(SYMBOL, 20_000, await priceAt(SYMBOL, 0)), "ETH");
  await ada.place({ symbol: SYMBOL, side: "buy", type: "market", notional: "500" });
  await bob.place(await limit("sell", 0, 900));
  await ada.place({ symbol: SYMBOL, side: "buy", type: "market", notional: "300" });
  await ada.place(await limit("buy", -500, 100));
  await settled();
});

describe("a healthy exchange", () => {
  it("has no breaks, sums to zero, and says how much it has looked at", async () => {
    const said = await wholeCheck();
    expect(await breaksBy(operator)).toEqual([]);
    expect(said).toMatchObject({ checked: true, stale: false, breaks: { total: 0, by_kind: {} }, unjudged: [] });
    expect(said.counts).toMatchObject({ accounts: 2, accounts_unreached: 0, markets: 11, orders: 4 });
    expect(said.sums.map(({ asset }) => asset)).toEqual(["ETH", "USD"]);
    for (const { total, clearing, in_flight, rounding, other } of said.sums) {
      expect({ total, clearing, in_flight, rounding, other }).toEqual({
        ...{ total: "0", clearing: "0", in_flight: "0", rounding: "0", other: "0" },
      });
    }
    const [, usd] = said.sums;
    expect(Number(usd?.customers)).toBeGreaterThan(90_000);
    expect(usd?.external).toBe("-100000");
    expect(Number(usd?.fees)).toBeGreaterThan(0);
    expect(JSON.stringify(said)).not.toContain("acc_");
  });

  it("tells the public, with an ETag, and is stale when no check has ended for long", async () => {
    const answer = await call("GET", "/v1/system/invariants");
    expect(answer.headers.get("Cache-Control")).toBe("public, max-age=10");
    const tag = answer.headers.get("ETag") ?? "";
    expect((await call("GET", "/v1/system/invariants", { headers: { "If-None-Match": tag } })).status).toBe(304);
    await d1("UPDATE checks SET finished_at = finished_at - 2000000");
    expect(await invariants()).toMatchObject({ checked: true, stale: true });
  });
});

describe("the read model against the objects", () => {
  it("finds a balance that was changed", async () => {
    const change = (by: number) => () =>
      d1("UPDATE balances SET available = available + ? WHERE account_id = ? AND asset = 'USD'", by, ada.accountId);
    const open = await found(change(1), change(-1));
    expect(open.map(told)).toMatchObject([{ kind: "balance", name: ada.accountId, subject: "USD" }]);
    expect(open[0]?.detail.expected).not.toBe(open[0]?.detail.found);
  });

  it("finds an order that was changed, is missing, or is one too many", async () => {
    const [id] = (await ada.all<{ id: string }>("/v1/orders", 200)).rows.map((one) => one.id);
    const changed = await found(
      () => d1("UPDATE orders SET hold = hold + 7 WHERE id = ?", id ?? ""),
      () => d1("UPDATE orders SET hold = hold - 7 WHERE id = ?", id ?? ""),
    );
    expect(changed.map(told)).toMatchObject([{ kind: "order", name: ada.accountId, subject: id }]);
    expect(changed[0]?.detail.expected).toMatch(/^hold \d+$/);
    await d1("CREATE TABLE kept AS SELECT * FROM orders WHERE id = ?", id ?? "");
    const missing = await found(
      () => d1("DELETE FROM orders WHERE id = ?", id ?? ""),
      () => d1("INSERT INTO orders SELECT * FROM kept"),
    );
    expect(missing.map(({ kind, detail }) => [kind, detail.found]).sort()).toEqual(
      [
        ["order", "none"],
        ["order_count", "1"],
      ].map(([kind, said]) => [kind, kind === "order_count" ? expect.stringMatching(/^\d+$/) : said]),
    );
    const extra = await found(
      () =>
        d1("UPDATE kept SET id = 'ord_01hzzzzzzzzzzzzzzzzzzzzzzz'").then(() =>
          d1("INSERT INTO orders SELECT * FROM kept"),
        ),
      () => d1("DELETE FROM orders WHERE id = 'ord_01hzzzzzzzzzzzzzzzzzzzzzzz'"),
    );
    expect(extra.map(({ kind, detail }) => [kind, detail.expected]).sort()).toEqual([
      ["order", "none"],
      ["order_count", expect.stringMatching(/^\d+$/)],
    ]);
  });

  it("finds an entry whose content, whose hash, or which itself is not there, and the end of the chain", async () => {
    const where = `object = 'account' AND name = '${bob.accountId}' AND seq = (SELECT min(seq) FROM ledger_entries WHERE name = '${bob.accountId}')`;
    const content = await found(
      () => d1(`UPDATE ledger_entries SET ref = ref || 'x' WHERE ${where}`),
      () => d1(`UPDATE ledger_entries SET ref = substr(ref, 1, length(ref) - 1) WHERE ${where}`),
    );
    expect(content.map(({ kind, detail }) => [kind, detail.found])).toEqual([
      ["entry", expect.stringContaining("what it says has the hash")],
    ]);
    await d1(
      `CREATE TABLE kept_entry AS SELECT * FROM ledger_entries WHERE name = '${bob.accountId}' ORDER BY seq DESC LIMIT 1`,
    );
    const gone = await found(
      () => d1("DELETE FROM ledger_entries WHERE (name, seq) IN (SELECT name, seq FROM kept_entry)"),
      () => d1("INSERT INTO ledger_entries SELECT * FROM kept_entry"),
    );
    expect(gone.map(({ kind }) => kind).sort()).toEqual(["chain", "entry", "entry_count"]);
    const market = `object = 'market' AND name = '${MARKET}' AND seq = (SELECT max(seq) FROM ledger_entries WHERE name = '${MARKET}')`;
    const hash = await found(
      () => d1(`UPDATE ledger_entries SET hash = 'f' || hash WHERE ${market}`),
      () => d1(`UPDATE ledger_entries SET hash = substr(hash, 2) WHERE ${market}`),
    );
    expect(hash.map(({ kind, name }) => [kind, name]).sort()).toEqual([
      ["chain", MARKET],
      ["entry", MARKET],
    ]);
  });

  it("finds that D1 says more of an object than there is, and that it has lacked something for hours", async () => {
    const ahead = await found(
      () => d1("UPDATE projection_heads SET applied_seq = applied_seq + 5 WHERE name = ?", ada.accountId),
      () => d1("UPDATE projection_heads SET applied_seq = applied_seq - 5 WHERE name = ?", ada.accountId),
    );
    expect(ahead.map(({ kind }) => kind)).toEqual(["head"]);
    await d1("UPDATE projection_heads SET applied_seq = applied_seq - 1 WHERE name = ?", ada.accountId);
    // By this clock a quote that the market has made just now has been lacking for hours, too.
    const later = () => Date.now() + 4_000_000;
    const ofAda = async () => (await breaksBy(operator)).filter(({ name }) => name === ada.accountId);
    await wholeCheck(later);
    expect((await ofAda()).map(({ kind }) => kind)).toEqual(["not_applied"]);
    await d1("UPDATE projection_heads SET applied_seq = applied_seq + 1 WHERE name = ?", ada.accountId);
    await wholeCheck(later);
    expect(await ofAda()).toEqual([]);
  });
});

describe("an object against itself", () => {
  it("finds a hold that was changed in its table", async () => {
    const hold = (from: string, to: string) => () =>
      inObject(ada.accountId, `UPDATE orders SET body = replace(body, '${from}', '${to}') WHERE open = 1`);
    const open = await found(hold('"hold":"$', '"hold":"$9'), hold('"hold":"$9', '"hold":"$'));
    expect(open.map(({ kind }) => kind).sort()).toEqual(["order", "stored"]);
    const stored = open.find(({ kind }) => kind === "stored");
    expect(stored?.detail.found).toContain(`open orders ${SYMBOL} buy hold 9`);
  });

  it("finds a balance that was forged in its table", async () => {
    const forge = (by: number) => () =>
      inObject(
        bob.accountId,
        `UPDATE ledger_accounts SET balance = balance + ${by} WHERE account = 'available' AND asset = 'USD'`,
      );
    const open = await found(forge(1_000_000), forge(-1_000_000));
    expect(open.map(({ kind }) => kind)).toEqual(["stored"]);
    expect(open[0]?.detail.found).toMatch(/available\|USD is \d+ in the table and \d+ in memory/);
  });

  it("finds one that is stopped, and one that cannot be read any more; its markets are not judged then", async () => {
    const stop = (why: string | null) => async () => {
      const query =
        why === null ? "DELETE FROM meta WHERE key = 'stopped'" : `INSERT INTO meta VALUES ('stopped', '${why}')`;
      await inObject(ada.accountId, query);
      await evictDurableObject(env.ACCOUNT.getByName(ada.accountId) as DurableObjectStub);
    };
    const stopped = await found(stop("a test"), stop(null));
    expect(stopped.map(told)).toMatchObject([{ kind: "stopped", name: ada.accountId, found: "a test" }]);
    const spoil = (from: string, to: string) => async () => {
      await inObject(
        ada.accountId,
        `UPDATE orders SET body = '${to}' || substr(body, 2) WHERE open = 1 AND body LIKE '${from}%'`,
      );
      await evictDurableObject(env.ACCOUNT.getByName(ada.accountId) as DurableObjectStub);
    };
    const silent = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const spoiled = await found(
      async () => {
        await spoil("{", "#")();
        expect((await wholeCheck()).unjudged).toEqual([SYMBOL]);
      },
      spoil("#", "{"),
    );
    silent.mockRestore();
    expect(spoiled.map(({ kind, detail }) => [kind, detail.found])).toEqual([
      ["stopped", expect.stringContaining("unreadable: order ord_")],
    ]);
  });
});

describe("what accounts and markets owe each other", () => {
  it("finds an account that only its market knows: the others do not come to what the market has", async () => {
    const carl = await newcomer("10000");
    await carl.place({ symbol: SYMBOL, side: "buy", type: "market", notional: "1000" });
    await applied([carl.accountId, MARKET]);
    expect((await wholeCheck()).breaks?.total).toBe(0);
    await d1("CREATE TABLE kept_heads AS SELECT * FROM projection_heads WHERE name = ?", carl.accountId);
    const open = await found(
      async () => {
        await d1("DELETE FROM accounts WHERE id = ?", carl.accountId);
        await d1("DELETE FROM projection_heads WHERE name = ?", carl.accountId);
      },
      () => d1("INSERT INTO projection_heads SELECT * FROM kept_heads"),
    );
    expect(open.map(({ kind, subject }) => `${kind} ${subject}`).sort()).toEqual([
      ...["accounts ", "contra ETH", "contra USD", "fees USD"],
    ]);
    expect(new Set(open.map(({ name }) => name))).toEqual(new Set([MARKET]));
  });

  it("finds nothing while everybody trades, and says what is on its way", async () => {
    const crowd = await Promise.all([1, 2, 3, 4].map(() => newcomer("100000")));
    let going = true;
    const storm = crowd.map(async (who, index) => {
      for (let n = 0; going; n += 1) {
        const side = (n + index) % 2 === 0 ? "buy" : "sell";
        const placed = await who.place(
          n % 3 === 0 ? { symbol: SYMBOL, side: "buy", type: "market", notional: "50" } : await limit(side, 0, 20),
        );
        if (n % 4 === 0 && placed.status === 201) await who.cancel(placed.body.id);
      }
    });
    const sums = [];
    for (let round = 0; round < 8; round += 1) {
      const said = await judgedCheck();
      expect([await breaksBy(operator), said.unjudged]).toEqual([[], []]);
      for (const { total, clearing } of said.sums) expect({ total, clearing }).toEqual({ total: "0", clearing: "0" });
      sums.push(...said.sums.map(({ in_flight }) => in_flight));
    }
    going = false;
    await Promise.all(storm);
    expect(sums.some((units) => units !== "0")).toBe(true);
  });

  it("counts what an account has not been told as on its way", async () => {
    const [maker, taker] = [await newcomer("10000"), await newcomer("10000")];
    const resting = await maker.place(await limit("buy", 0, 500));
    await taker.deposit("1", "ETH");
    const report = vi.spyOn(AccountObject.prototype, "report").mockImplementation(async () => ({ outcome: "later" }));
    await taker.place({ symbol: SYMBOL, side: "sell", type: "market", qty: resting.body.qty ?? "0" });
    const said = await judgedCheck();
    expect([await breaksBy(operator), said.unjudged]).toEqual([[], []]);
    expect(said.sums.map(({ asset, in_flight }) => [asset, in_flight !== "0"])).toEqual([
      ["ETH", true],
      ["USD", true],
    ]);
    report.mockRestore();
    await maker.cancel(resting.body.id);
    const after = await judgedCheck();
    expect(after.sums.map(({ in_flight }) => in_flight)).toEqual(["0", "0"]);
  });
});

describe("operators", () => {
  it("list breaks by status, and acknowledge one with a reason, which the trail keeps", async () => {
    await d1("UPDATE balances SET held = held + 1 WHERE account_id = ? AND asset = 'USD'", ada.accountId);
    await wholeCheck();
    const [one] = await breaksBy(operator);
    const path = `/v1/admin/breaks/${one?.id}/acknowledge`;
    expectProblem(await operator.call("POST", path, { json: {} }), 422, "validation_failed");
    expectProblem(await ada.call("POST", path, { json: { reason: "mine" } }), 403, "forbidden");
    const done = await operator.call("POST", path, { json: { reason: "a drill" } });
    expect(done.body).toMatchObject({ status: "acknowledged", reason: "a drill", acknowledged_by: operator.userId });
    expect(await breaksBy(operator)).toEqual([]);
    await wholeCheck();
    expect(await breaksBy(operator, "acknowledged")).toMatchObject([{ id: one?.id, reason: "a drill" }]);
    await d1("UPDATE balances SET held = held - 1 WHERE account_id = ? AND asset = 'USD'", ada.accountId);
    await wholeCheck();
    expect(await breaksBy(operator, "acknowledged")).toEqual([]);
    expect((await breaksBy(operator, "closed")).map(({ id }) => id)).toContain(one?.id);
    expectProblem(await operator.call("POST", path, { json: { reason: "late" } }), 409, "break_closed");
    const trail = await operator.all<{ act: string; reason: string }>("/v1/admin/audit?act=break.acknowledge", 10);
    await vi.waitFor(async () => {
      const { rows } = await operator.all<{ act: string; reason: string }>("/v1/admin/audit?act=break.acknowledge", 10);
      expect(rows.map(({ reason }) => reason)).toContain("a drill");
    });
    expect(trail.rows.every(({ act }) => act === "break.acknowledge")).toBe(true);
  });
});
