// What is old is archived and cut: what was done stays done, figures stay what they are, and what is gone is said to be gone.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { checkStatement } from "../../scripts/ledger-check.ts";
import { readStatement } from "../../scripts/ledger-file.ts";
import { backupBucket } from "../../src/bindings/backups.ts";
import { decode } from "../../src/core/codec.ts";
import { DAY_MS } from "../../src/core/limits.ts";
import { archives } from "../../src/db/backup-tables.ts";
import { database } from "../../src/db/client.ts";
import { readArchive } from "../../src/domains/backups/parts.ts";
import { archiveJournals } from "../../src/domains/backups/scheduled.ts";
import { backupKeyOf } from "../../src/domains/backups/sealing.ts";
import { applied, breaksBy, judgedCheck } from "../support/books.ts";
import { ringUntil } from "../support/objects.ts";
import { person } from "../support/people.ts";
import { TEST_SECRETS } from "../support/secrets.ts";
import {
  expectProblem,
  priceAt,
  qtyWorth,
  stopClock,
  type Trader,
  type WireAccount,
  type WirePage,
} from "../support/session.ts";

const SYMBOL = "SOL-USD";
const MARKET = `main/${SYMBOL}`;
const RETENTION = { retentionDays: 90, backupKey: TEST_SECRETS.BACKUP_KEY };
/** A day on which all that has happened here is older than is kept. */
const LATER_MS = 100 * DAY_MS;
const ACT = { reason: "its disk is gone" };

type AccountNow = WireAccount & { archived_before: string };
interface Statement {
  ledger_before: { hash: string };
  ledger: unknown;
  closing: unknown;
}

let ada: Trader;
let bob: Trader;
let operator: Trader;
let days = 0;
let pass: (ms: number) => void;

const account = (who: Trader) => env.ACCOUNT.getByName(who.accountId);
const market = () => env.MARKET.getByName(MARKET);
const settled = () => applied([ada.accountId, bob.accountId, MARKET]);
/** Each run is of another day: a day's walk is made once. */
const archive = (retention = RETENTION, from: Partial<Env> = {}) => {
  days += 1;
  return archiveJournals({ ...env, ...from }, retention, Date.now() + LATER_MS + days * DAY_MS);
};

async function journalOf(stub: {
  journal: (query: { limit: number; cursor: number | null }) => Promise<{ data: string[] }>;
}) {
  return (await stub.journal({ limit: 10_000, cursor: null })).data;
}

async function archivedOf(name: string) {
  const rows = await database(env).select().from(archives);
  const bucket = backupBucket(env);
  if (bucket === null) throw new Error("no bucket");
  const keys = [await backupKeyOf(TEST_SECRETS.BACKUP_KEY)];
  const mine = rows.filter((row) => row.name === name).sort((a, b) => a.fromSeq - b.fromSeq);
  return Promise.all(mine.map(async ({ key }) => ({ key, ...(await readArchive({ get: bucket.get, keys }, key)) })));
}

async function limit(side: "buy" | "sell", bps: number, worth: number) {
  const price = await priceAt(SYMBOL, bps);
  return { symbol: SYMBOL, side, type: "limit", limit_price: price, qty: qtyWorth(SYMBOL, worth, price) };
}

const old = { symbol: SYMBOL, side: "buy" as const, type: "market", notional: "500", client_order_id: "old-1" };
const refused = { symbol: SYMBOL, side: "buy" as const, type: "market", notional: "60000", client_order_id: "old-2" };
const payIn = () =>
  ada.call<{ id: string }>("POST", "/v1/account/deposits", {
    json: { asset: "USD", amount: "700" },
    headers: { "Idempotency-Key": "old-deposit" },
  });

let oldOrder: string;
let openOrder: string;
let deposit: string;
/** Pages that were begun before anything was cut, and go on from where they were. */
const BEGUN = ["/v1/account/ledger", "/v1/account/balances/USD/explain", `/v1/positions/${SYMBOL}/explain`];
let begun: string[];
let before: { account: unknown; positions: unknown; journal: string[]; market: string[]; print: unknown };

beforeEach(() => {
  for (const level of ["log", "warn", "error"] as const) vi.spyOn(console, level).mockImplementation(() => {});
});

beforeAll(async () => {
  // A market that has time quotes; and what happens in one millisecond is cut together.
  pass = stopClock();
  [ada, bob, operator] = [await person(), await person(), await person(["operator"])];
  await ada.deposit("50000");
  pass(1_000);
  await bob.deposit("50000");
  pass(1_000);
  await bob.deposit("100", "SOL");
  pass(1_000);
  deposit = (await payIn()).body.id;
  pass(1_000);
  oldOrder = (await ada.place(old)).body.id;
  pass(1_000);
  expectProblem(await ada.place(refused), 422, "insufficient_funds");
  pass(1_000);
  await bob.place(await limit("sell", 0, 900));
  pass(1_000);
  await ada.place({ symbol: SYMBOL, side: "buy", type: "market", notional: "300" });
  pass(1_000);
  openOrder = (await ada.place(await limit("buy", -500, 100))).body.id;
  pass(1_000);
  await bob.place(await limit("buy", -600, 100));
  pass(1_000);
  const gone = await ada.place(await limit("buy", -700, 100));
  pass(1_000);
  await ada.cancel(gone.body.id);
  pass(1_000);
  await settled();
  before = await seen();
  const first = (path: string) => ada.get<{ next_cursor: string }>(`${path}?limit=1`);
  begun = await Promise.all(BEGUN.map(async (path) => `${path}?cursor=${(await first(path)).body.next_cursor}`));
});

async function seen() {
  const { id, balances, ledger } = (await ada.get<Record<string, unknown>>("/v1/account")).body;
  const positions = (await ada.get<{ data: { qty: string; cost_basis: string }[] }>("/v1/positions")).body.data;
  return {
    account: { id, balances, ledger },
    positions: positions.map(({ qty, cost_basis }) => ({ qty, cost_basis })),
    journal: await journalOf(account(ada)),
    market: await journalOf(market()),
    print: await account(ada).fingerprint(),
  };
}

describe("what is not old, or not safe elsewhere, is not cut", () => {
  it("nothing that is younger than it is kept, and nothing at all where it is kept for ever", async () => {
    expect(await archiveJournals(env, RETENTION, Date.now() + 80 * DAY_MS)).toEqual({ cut: 0, left: 0 });
    expect(await archive({ ...RETENTION, retentionDays: 0 })).toEqual({ cut: 0, left: 0 });
    expect(await seen()).toEqual(before);
  });

  it("nothing that the read model does not have", async () => {
    await env.DB.prepare("UPDATE projection_heads SET applied_seq = 1").run();
    expect(await archive()).toMatchObject({ cut: 0 });
    expect(await seen()).toEqual(before);
    await operator.call("POST", "/v1/admin/projections/rebuild", { json: { reason: "a test" } });
    await settled();
  });

  it("nothing that is not read back from the archive as it was written", async () => {
    const BACKUPS = { put: async () => null, get: async () => null } as unknown as R2Bucket;
    expect(await archive(RETENTION, { BACKUPS })).toMatchObject({ cut: 0 });
    expect(await seen()).toEqual(before);
    expect(await archivedOf(ada.accountId)).toEqual([]);
  });
});

describe("a journal that is cut", () => {
  beforeAll(async () => {
    expect((await archive()).left).toBe(0);
  });

  it("begins with what the rest had led to; the rest is in the archive, sealed, word for word", async () => {
    for (const [name, was, is] of [
      [ada.accountId, before.journal, await journalOf(account(ada))],
      [MARKET, before.market, await journalOf(market())],
    ] as const) {
      const archived = (await archivedOf(name)).flatMap(({ part }) => part?.events ?? []);
      expect(archived.length).toBeGreaterThan(3);
      expect(was.slice(0, archived.length)).toEqual(archived);
      const kinds = is.map((body) => decode<{ kind: string }>(body).kind);
      const rest = kinds.lastIndexOf("base") + 1;
      expect(rest).toBeGreaterThan(0);
      expect(is.slice(rest, rest + was.length - archived.length)).toEqual(was.slice(archived.length));
      expect(kinds.at(-1)).toBe("cut");
    }
    const [{ key } = { key: "" }] = await archivedOf(ada.accountId);
    const sealed = await env.BACKUPS.get(key);
    expect(await sealed?.text()).not.toContain(oldOrder);
  });

  it("leaves every figure what it was, after its object has been started anew too", async () => {
    for (const stub of [account(ada), market()]) await evictDurableObject(stub as never);
    const { account: money, positions } = await seen();
    expect({ money, positions }).toEqual({ money: before.account, positions: before.positions });
    expect((await ada.order(openOrder)).status).toBe("new");
    const { rows } = await ada.all<{ id: string }>("/v1/orders?status=all", 50);
    expect(rows.map(({ id }) => id)).toContain(openOrder);
    expect(rows.map(({ id }) => id)).not.toContain(oldOrder);
  });

  it("says that what is gone is gone, and since when it can answer", async () => {
    const { archived_before: from } = (await ada.get<{ archived_before: string }>("/v1/account")).body;
    const placedAt = decode<{ at: number }>(before.journal.at(2) ?? "").at;
    expect(Date.parse(from)).toBeGreaterThan(placedAt);
    expect(Date.parse(from)).toBeLessThanOrEqual(Date.now());
    expectProblem(await ada.get(`/v1/orders/${oldOrder}`), 410, "order_archived");
    expectProblem(await ada.get("/v1/orders/by-client-id/old-1"), 410, "order_archived");
    expectProblem(await ada.get(`/v1/fills?order_id=${oldOrder}`), 410, "order_archived");
    expectProblem(await ada.cancel(oldOrder), 410, "order_archived");
    for (const path of [
      "/v1/account?as_of=seq:2",
      "/v1/portfolio?as_of=seq:2",
      "/v1/account/statements",
      "/v1/account/ledger?from=2026-01-01T00:00:00Z",
      ...begun,
    ])
      expectProblem(await ada.get(path), 410, "period_archived");
    const history = await ada.get<{ from: string }>("/v1/portfolio/history?period=1y&interval=1d");
    expect(history.status, history.text).toBe(200);
    expect(Date.parse(history.body.from)).toBeGreaterThanOrEqual(Date.parse(from));
    // Whoever never had it is told no more of it.
    expectProblem(await bob.get(`/v1/orders/${oldOrder}`), 410, "order_archived");
    expectProblem(await bob.get("/v1/orders/by-client-id/old-1"), 404, "not_found");
  });

  it("lets nothing happen a second time under a key of before", async () => {
    expectProblem(await ada.place(old), 410, "order_archived");
    expectProblem(await ada.place({ ...old, notional: "501" }), 422, "client_order_id_reused");
    expectProblem(await ada.place(refused), 422, "insufficient_funds");
    const again = await payIn();
    expect(again.body.id).toBe(deposit);
    expect(again.headers.get("Idempotency-Replayed")).toBe("true");
    // The first request's id is forgotten: this one has its own.
    expect(again.headers.get("X-Request-Id")).toMatch(/./);
    expect((await ada.get<WirePage<{ id: string }>>("/v1/account/deposits")).body.data).toHaveLength(2);
    expect((await seen()).account).toEqual(before.account);
  });

  it("keeps a hundred bytes of each key for ever", async () => {
    const rows = await runInDurableObject(account(ada) as never, (_: unknown, { storage }: DurableObjectState) =>
      storage.sql
        .exec<{ chars: number }>(
          "SELECT length(scope || key || body_hash || ref) AS chars FROM once WHERE scope = 'cut'",
        )
        .toArray(),
    );
    const chars = (rows as { chars: number | null }[]).flatMap((row) => row.chars ?? []);
    expect(chars.length).toBeGreaterThan(0);
    expect(Math.max(...chars)).toBeLessThanOrEqual(100);
  });

  it("goes on: an order is filled and explained, and a statement follows from what was there when it was cut", async () => {
    pass(1_000);
    const filled = await ada.place({ symbol: SYMBOL, side: "sell", type: "market", qty: "1" });
    expect(filled.body.status).toBe("filled");
    const { body: now } = await ada.get<AccountNow>("/v1/account");
    const explained = await ada.get<{ entries: { balance: unknown }[]; value: unknown }>(
      "/v1/account/balances/USD/explain",
    );
    expect(explained.body.entries.at(-1)?.balance).toEqual(explained.body.value);
    const then = await ada.get<AccountNow>(`/v1/account?as_of=seq:${now.seq}`);
    expect(then.body.balances).toEqual(now.balances);
    const { body: statement } = await ada.get<Statement>(`/v1/account/statements?from=${now.archived_before}`);
    const archived = (await archivedOf(ada.accountId)).flatMap(({ part }) => part?.events ?? []);
    const last = archived
      .map((body) => decode<{ entry?: { hash: string } | null }>(body))
      .findLast(({ entry }) => entry);
    expect(statement.ledger_before.hash).toBe(last?.entry?.hash);
    expect(statement.ledger).toEqual(now.ledger);
    expect(statement.closing).toEqual(now.balances);
    expect(checkStatement(readStatement(JSON.stringify(statement)), now.ledger.hash).wrong).toBeNull();
  });

  it("is what the read model has, made anew or not, and checks of the books find nothing", async () => {
    await settled();
    const was = await readModel();
    expect(was.orders).not.toContain(oldOrder);
    expect(was.orders).toContain(openOrder);
    const traded = env.DB.prepare("SELECT symbol FROM past_traders WHERE account_id = ?").bind(ada.accountId);
    expect((await traded.all()).results).toContainEqual({ symbol: SYMBOL });
    await judgedCheck();
    expect(await breaksBy(operator)).toEqual([]);
    await operator.call("POST", "/v1/admin/projections/rebuild", { json: { reason: "a test" } });
    await settled();
    expect(await readModel()).toEqual(was);
    await judgedCheck();
    expect(await breaksBy(operator)).toEqual([]);
  });

  it("is restored as any other, and its keys are used up there too", async () => {
    const journal = await journalOf(account(ada));
    const money = (await seen()).account;
    const path = `/v1/admin/accounts/${ada.accountId}/restoration`;
    expect((await operator.call("POST", path, { json: { epoch: 2, journal, replace: true, ...ACT } })).status).toBe(
      204,
    );
    await ringUntil(account(ada), async () => {
      expect(await account(ada).restoration()).toMatchObject({ restoring: false, unmet: [], breaks: [] });
    });
    expect(await journalOf(account(ada)).then((all) => all.slice(0, journal.length))).toEqual(journal);
    expect((await seen()).account).toEqual(money);
    expectProblem(await ada.place(old), 410, "order_archived");
    expect((await payIn()).body.id).toBe(deposit);
    expect((await ada.order(openOrder)).status).toBe("new");
    expect((await ada.cancel(openOrder)).body.status).toBe("canceled");
  });

  it("is not restored without the end of what stands for the rest: that would be an account without its money", async () => {
    const journal = await journalOf(account(ada));
    const base = journal.findIndex((body) => decode<{ kind: string }>(body).kind === "base");
    const opened = (journal[base] ?? "").replace(/^\{/, '{"more":true,');
    const path = `/v1/admin/accounts/${ada.accountId}/restoration`;
    for (const torn of [journal.slice(0, base), [...journal.slice(0, base), opened]]) {
      const restored = await operator.call("POST", path, { json: { epoch: 9, journal: torn, replace: true, ...ACT } });
      expectProblem(restored, 422, "validation_failed");
      expect(await journalOf(account(ada))).toEqual(journal);
    }
  });

  it("of a market is restored as any other", async () => {
    const journal = await journalOf(market());
    const path = `/v1/admin/markets/${SYMBOL}/restoration`;
    expect((await operator.call("POST", path, { json: { epoch: 2, journal, replace: true, ...ACT } })).status).toBe(
      204,
    );
    await ringUntil(market(), async () => {
      expect(await market().restoration()).toMatchObject({ restoring: false, unmet: [], breaks: [] });
    });
    // The house goes on quoting from the next step on.
    pass(2_000);
    const filled = await ada.place({ symbol: SYMBOL, side: "sell", type: "market", qty: "1" });
    expect(filled.body.status).toBe("filled");
  });

  it("tells a market that has lost everything that it cannot be told all again", async () => {
    const path = `/v1/admin/markets/${SYMBOL}/restoration`;
    expect((await operator.call("POST", path, { json: { epoch: 3, journal: [], replace: true, ...ACT } })).status).toBe(
      204,
    );
    await ringUntil(market(), async () => {
      const { breaks } = await account(ada).restoration();
      expect(breaks.join()).toContain("has been archived");
    });
  });
});

async function readModel() {
  const column = async (query: string) => (await env.DB.prepare(query).raw()).map((row) => JSON.stringify(row));
  return {
    orders: (await env.DB.prepare("SELECT id FROM orders ORDER BY id").all<{ id: string }>()).results.map(
      ({ id }) => id,
    ),
    rows: await column("SELECT * FROM orders ORDER BY id"),
    executions: await column("SELECT * FROM executions ORDER BY id"),
    entries: await column("SELECT * FROM ledger_entries ORDER BY object, name, epoch, seq"),
    balances: await column("SELECT * FROM balances ORDER BY account_id, asset"),
    transfers: await column("SELECT * FROM transfers ORDER BY id"),
    trades: await column("SELECT * FROM trades ORDER BY id"),
  };
}
