// What operators, and only they, see of the read model; and that an absent D1 is never an empty list.

import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { wireOrder } from "../../src/core/wire.ts";
import { opsRouter } from "../../src/domains/ops/routes.ts";
import { configuration, requestContext } from "../../src/http/context.ts";
import { onError } from "../../src/http/fallback.ts";
import { createRouter } from "../../src/http/openapi.ts";
import { signAccessToken } from "../../src/http/tokens.ts";
import { consumeDeadLetters } from "../../src/projections/dead-letters.ts";
import { call, NO_PORTS } from "../support/client.ts";
import { play, slicesOf } from "./history.ts";
import { batchOf, deliver, faultyD1, rows } from "./queue.ts";

const history = play(31, 50);
const orders = [...history.orders.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
const isOpen = (status: string) => ["pending_new", "held", "new", "partially_filled"].includes(status);

function opsApp() {
  const app = createRouter();
  app.use(requestContext(NO_PORTS), configuration);
  app.onError(onError);
  app.route("/", opsRouter);
  return app;
}

const app = opsApp();
const subject = { userId: "usr_1", accountId: "acc_1", sessionId: "ses_1", emailVerified: true };
let operator = "";
let customer = "";

async function get(path: string, token = operator, bindings: object = {}) {
  const answered = await call(app, "GET", path, { token, env: bindings });
  return { ...answered, data: (answered.body.data ?? []) as Record<string, unknown>[] };
}

beforeAll(async () => {
  await deliver(history.journals.flatMap((journal) => slicesOf(journal, 20)));
  operator = await signAccessToken(loadConfig(env), { ...subject, roles: ["customer", "operator"] }, Date.now());
  customer = await signAccessToken(loadConfig(env), { ...subject, roles: ["customer"] }, Date.now());
});

describe.each(["/v1/admin/orders", "/v1/admin/dead-letters", "/v1/admin/projections"])("%s", (path) => {
  it("is for operators", async () => {
    expect((await call(app, "GET", path)).status).toBe(401);
    expect((await get(path, customer)).status).toBe(403);
    expect((await get(path)).status).toBe(200);
  });

  it("answers 503 while D1 is away, never an empty list", async () => {
    const answered = await get(path, operator, { DB: faultyD1(() => true) });
    expect(answered.status).toBe(503);
    expect(answered.body.code).toBe("unavailable");
    expect(answered.headers.get("retry-after")).not.toBeNull();
  });

  it("refuses wrong cursors and limits", async () => {
    for (const query of ["cursor=x1", "cursor=c5", "limit=0", "limit=201", "limit=x"]) {
      const answered = await get(`${path}?${query}`);
      expect([query, answered.status, answered.body.code]).toEqual([query, 422, "validation_failed"]);
    }
  });
});

describe("orders", () => {
  it("are everybody's, newest first, as the contract shows an order, with the account", async () => {
    const { data, body } = await get("/v1/admin/orders?symbol=BTC-USD&limit=200");
    expect(body.next_cursor).toBeNull();
    expect(data.map(({ account_id: _, ...order }) => order)).toEqual(orders.map(wireOrder));
    expect(new Set(data.map(({ account_id }) => account_id)).size).toBe(2);
  });

  it("come in pages that neither repeat nor lose one", async () => {
    const seen: unknown[] = [];
    let cursor: unknown = null;
    do {
      const { data, body } = await get(`/v1/admin/orders?limit=7${cursor === null ? "" : `&cursor=${cursor}`}`);
      seen.push(...data.map(({ id }) => id));
      cursor = body.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual(orders.map(({ id }) => id));
  });

  it("can be asked for by market, account and whether they are open", async () => {
    const [account] = history.accounts;
    const mine = await get(`/v1/admin/orders?account_id=${account?.id}&limit=200`);
    expect(mine.data.length).toBeGreaterThan(0);
    expect(new Set(mine.data.map(({ account_id }) => account_id))).toEqual(new Set([account?.id]));
    const open = await get("/v1/admin/orders?status=open&symbol=BTC-USD&limit=200");
    const closed = await get("/v1/admin/orders?status=closed&limit=200");
    expect(open.data.map(({ id }) => id)).toEqual(orders.filter(({ status }) => isOpen(status)).map(({ id }) => id));
    expect(open.data.length).toBeGreaterThan(0);
    expect(closed.data.length + open.data.length).toBe(orders.length);
    expect((await get("/v1/admin/orders?symbol=ETH-USD")).data).toEqual([]);
    expect((await get("/v1/admin/orders?status=odd")).status).toBe(422);
  });

  it("are found by index: no query sorts or scans the table", async () => {
    const open = "status IN ('pending_new', 'held', 'new', 'partially_filled')";
    const plans: [string, string][] = [
      ["SELECT * FROM orders WHERE symbol = 'BTC-USD' AND id < 'x' ORDER BY id DESC LIMIT 51", "orders_symbol"],
      ["SELECT * FROM orders WHERE account_id = 'a' ORDER BY id DESC LIMIT 51", "orders_account"],
      [`SELECT * FROM orders WHERE symbol = 'BTC-USD' AND ${open} ORDER BY id DESC LIMIT 51`, "orders_open"],
    ];
    for (const [query, index] of plans) {
      const plan = (await rows(`EXPLAIN QUERY PLAN ${query}`)).map(({ detail }) => String(detail)).join("; ");
      expect(plan).toContain(`SEARCH orders USING INDEX ${index}`);
      expect(plan).not.toContain("TEMP B-TREE");
    }
  });
});

describe("what the queue did", () => {
  it("shows dead letters", async () => {
    const { batch } = batchOf([{ junk: 1 }, { junk: 2 }, { junk: 3 }], "tradepost-journal-dlq");
    await consumeDeadLetters(batch, env);
    const first = await get("/v1/admin/dead-letters?limit=2");
    const second = await get(`/v1/admin/dead-letters?limit=2&cursor=${first.body.next_cursor}`);
    expect([...first.data, ...second.data].map(({ body }) => body).sort()).toEqual([
      '{"junk":1}',
      '{"junk":2}',
      '{"junk":3}',
    ]);
    expect(first.data[0]).toMatchObject({
      queue: "tradepost-journal-dlq",
      reason: "not a journal slice",
      count: 1,
      replayed_at: null,
    });
    expect(second.body.next_cursor).toBeNull();
  });

  it("shows how far each journal has been applied", async () => {
    const { data } = await get("/v1/admin/projections");
    expect(data.map(({ name }) => name).sort()).toEqual(history.journals.map(({ name }) => name).sort());
    const one = await get("/v1/admin/projections?name=main/BTC-USD");
    expect(one.data).toMatchObject([{ object: "market", epoch: 1, applied_seq: history.market.seq }]);
    const page = await get("/v1/admin/projections?limit=2");
    const rest = await get(`/v1/admin/projections?limit=2&cursor=${page.body.next_cursor}`);
    expect(page.data.length + rest.data.length).toBe(3);
  });
});
