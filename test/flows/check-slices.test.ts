// A check goes round in slices: it may end after any of them and go on later, two may go at once, D1 may be away in between,
// and of large objects each has its turn.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import {
  CHECK_ACCOUNTS_MAX,
  CHECK_EVERY_MS,
  CHECK_GIVEN_UP_MS,
  CHECK_MS_MAX,
  CHECK_ROWS_MAX,
} from "../../src/core/limits.ts";
import { database } from "../../src/db/client.ts";
import { knownAccountsQuery } from "../../src/db/walks.ts";
import type { CheckRow } from "../../src/domains/books/checks.ts";
import { checkBooks } from "../../src/domains/books/scheduled.ts";
import { faultyD1 } from "../projections/queue.ts";
import { applied, breaksBy, invariants, wholeCheck } from "../support/books.ts";
import { enroll } from "../support/readmodel.ts";
import { priceAt, qtyWorth, type Trader, trader } from "../support/session.ts";

const SYMBOL = "ETH-USD";
const PEOPLE = CHECK_ACCOUNTS_MAX + 5;
const people: Trader[] = [];
let operator: Trader;

const d1 = (query: string, ...values: (string | number)[]) =>
  env.DB.prepare(query)
    .bind(...values)
    .all();
const fresh = () => d1("DELETE FROM checks");

/** A clock on which every slice takes all the time that there is. */
function slow(): () => number {
  let at = Date.now();
  return () => {
    at += CHECK_MS_MAX / 2;
    return at;
  };
}

beforeAll(async () => {
  operator = await trader({ roles: ["customer", "operator"] });
  for (let n = 0; n < PEOPLE; n += 1) {
    const who = await trader({ usd: "1000" });
    await enroll(who);
    people.push(who);
  }
  await applied(people.map(({ accountId }) => accountId));
});

describe("a check", () => {
  it("ends when its time is over, and goes on where it was", async () => {
    await fresh();
    const seen: (CheckRow | null)[] = [];
    for (let tries = 0; tries < 20 && seen.at(-1)?.phase !== "done"; tries += 1)
      seen.push(await checkBooks(env, slow()));
    expect(seen.length).toBeGreaterThan(2);
    expect(new Set(seen.map((row) => row?.id)).size).toBe(1);
    expect((await invariants()).counts).toMatchObject({ accounts: PEOPLE, entries: PEOPLE });
    expect((await invariants()).sums).toMatchObject([{ asset: "USD", customers: String(PEOPLE * 1_000), total: "0" }]);
  });

  it("counts everybody once when two runs of the cron do it at once", async () => {
    await fresh();
    await Promise.all([checkBooks(env), checkBooks(env), checkBooks(env)]);
    await checkBooks(env);
    expect((await d1("SELECT id FROM checks")).results).toHaveLength(1);
    expect((await invariants()).counts).toMatchObject({ accounts: PEOPLE, markets: 11 });
  });

  it("begins again after a while, not before, and leaves one that does not come to an end", async () => {
    await fresh();
    const at = Date.now();
    const first = await checkBooks(env, () => at);
    expect(first?.phase).toBe("done");
    expect(await checkBooks(env, () => at + CHECK_EVERY_MS - 1)).toBeNull();
    const second = await checkBooks(env, () => at + CHECK_EVERY_MS);
    expect(second?.id).not.toBe(first?.id);
    await d1("UPDATE checks SET phase = 'accounts', finished_at = NULL, state = '{' WHERE id = ?", second?.id ?? "");
    const silent = vi.spyOn(console, "error").mockImplementation(() => undefined);
    expect(await checkBooks(env, () => at + CHECK_EVERY_MS)).toBeNull();
    silent.mockRestore();
    const third = await checkBooks(env, () => at + CHECK_EVERY_MS + CHECK_GIVEN_UP_MS);
    expect(third?.phase).toBe("done");
    expect((await d1("SELECT phase FROM checks WHERE id = ?", second?.id ?? "")).results).toEqual([
      { phase: "given_up" },
    ]);
  });

  it("finds nothing while D1 fails, whichever call it is, and comes to the same in the end", async () => {
    const silent = vi.spyOn(console, "error").mockImplementation(() => undefined);
    for (let failing = 1; failing <= 8; failing += 1) {
      await fresh();
      let calls = 0;
      const db = faultyD1(() => {
        calls += 1;
        return calls === failing;
      });
      await checkBooks({ ...env, DB: db });
      await checkBooks(env);
      expect([failing, (await invariants()).counts]).toMatchObject([failing, { accounts: PEOPLE }]);
    }
    silent.mockRestore();
    expect((await invariants()).breaks).toEqual({ total: 0, by_kind: {} });
  });

  it("says who could not be asked, judges no market then, and is told when they can", async () => {
    const silent = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const nobody = () => {
      throw new Error("no route to object");
    };
    await fresh();
    await checkBooks({ ...env, MARKET: { getByName: nobody } as never });
    const said = await invariants();
    expect(said.counts?.markets).toBe(0);
    expect(said.unjudged).toHaveLength(11);
    expect(said.breaks?.by_kind).toEqual({ unreachable: 11 });
    expect((await wholeCheck()).breaks).toEqual({ total: 0, by_kind: {} });
    silent.mockRestore();
  });
});

describe("whom a check comes to", () => {
  it("is found by index, whoever D1 knows by either way", async () => {
    const { sql, params } = database(env).all(knownAccountsQuery("acc_0", 20)).getQuery();
    const plan = (await d1(`EXPLAIN QUERY PLAN ${sql}`, ...(params as string[]))).results.map((row) =>
      String(row["detail"]),
    );
    expect(plan.filter((line) => line.startsWith("SCAN"))).toEqual([]);
    expect(plan.join()).not.toContain("TEMP B-TREE");
  });
});

describe("an account with more orders than one check looks at", () => {
  const who = () => people[0] as Trader;

  beforeAll(async () => {
    const price = await priceAt(SYMBOL, -500);
    const one = { symbol: SYMBOL, side: "buy", type: "limit", limit_price: price, qty: qtyWorth(SYMBOL, 2, price) };
    for (let n = 0; n < 3; n += 1) {
      const orders = Array.from({ length: 90 }, () => one);
      await who().call("POST", "/v1/orders/batch", { json: { orders, atomic: false } });
    }
    await applied([who().accountId, `main/${SYMBOL}`]);
  });

  it("is looked at in parts, each in its turn, and what is broken each time", async () => {
    const orders = (await d1("SELECT id FROM orders WHERE account_id = ? ORDER BY id", who().accountId)).results;
    expect(orders).toHaveLength(270);
    const last = String(orders.at(-1)?.["id"]);
    await d1("UPDATE orders SET hold = hold + 1 WHERE id = ?", last);
    const found: number[] = [];
    for (let n = 0; n < Math.ceil(270 / CHECK_ROWS_MAX) + 2; n += 1) {
      await wholeCheck();
      found.push((await breaksBy(operator)).length);
    }
    expect(found).toEqual([0, 0, 1, 1, 1]);
    await d1("UPDATE orders SET hold = hold - 1 WHERE id = ?", last);
    expect((await wholeCheck()).breaks?.total).toBe(0);
  });

  it("is found to lack rows at once, wherever they were: they are counted", async () => {
    const [first] = (await d1("SELECT id FROM orders WHERE account_id = ? ORDER BY id", who().accountId)).results;
    await d1("CREATE TABLE kept AS SELECT * FROM orders WHERE id = ?", String(first?.["id"]));
    await d1("DELETE FROM orders WHERE id = ?", String(first?.["id"]));
    await d1("UPDATE check_marks SET orders_after = 'ord_7' WHERE name = ?", who().accountId);
    await wholeCheck();
    expect((await breaksBy(operator)).map(({ kind, detail }) => [kind, detail])).toEqual([
      ["order_count", { expected: "270", found: "269" }],
    ]);
    await d1("INSERT INTO orders SELECT * FROM kept");
    expect((await wholeCheck()).breaks?.total).toBe(0);
  });
});
