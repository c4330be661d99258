// Who may not, and where nothing is: callers without a good token, addresses, methods, parameters and names that are none.
import { beforeAll, describe, expect, it } from "vitest";
import type { FieldError } from "../../src/core/result.ts";
import {
  type Answer,
  type CallOptions,
  call,
  expectProblem,
  type OrderWish,
  priceAt,
  qtyWorth,
  secondSession,
  stopClock,
  type Trader,
  trader,
} from "../support/session.ts";
import { AccountStream, upgrade } from "../support/stream.ts";

const SYMBOL = "BTC-USD";
let ada: Trader;
let order: OrderWish;
let openOrder = "";
let pass: (ms: number) => void;

beforeAll(async () => {
  pass = stopClock();
  const price = await priceAt(SYMBOL, -500);
  order = { symbol: SYMBOL, side: "buy", type: "limit", limit_price: price, qty: qtyWorth(SYMBOL, 100, price) };
  ada = await trader({ usd: "1000" });
  openOrder = (await ada.place({ ...order, client_order_id: "mine" })).body.id;
});

/** Checks that whatever was done in between has left ada's account as it was. */
async function untouched(act: () => Promise<void>): Promise<void> {
  const before = await ada.account();
  await act();
  const { seq, balances } = await ada.account();
  expect({ seq, balances }).toEqual({ seq: before.seq, balances: before.balances });
}

/** Every route behind a token, with a body that would be good. */
const signedIn = (): [method: string, path: string, json?: unknown][] => [
  ["POST", "/v1/orders", order],
  ["GET", "/v1/orders"],
  ["GET", `/v1/orders/${openOrder}`],
  ["GET", "/v1/orders/by-client-id/mine"],
  ["DELETE", `/v1/orders/${openOrder}`],
  ["DELETE", "/v1/orders"],
  ["GET", "/v1/fills"],
  ["GET", "/v1/prevented-matches"],
  ["GET", "/v1/account"],
  ["POST", "/v1/account/deposits", { asset: "USD", amount: "1" }],
  ["GET", "/v1/account/deposits"],
  ["POST", "/v1/account/withdrawals", { asset: "USD", amount: "1" }],
  ["GET", "/v1/account/withdrawals"],
  ["GET", "/v1/account/ledger"],
  ["GET", "/v1/positions"],
  ["GET", "/v1/positions/BTC-USD"],
  ["GET", "/v1/portfolio"],
  ["POST", "/v1/stream/tickets"],
];

async function refused(options: CallOptions, code: string): Promise<void> {
  for (const [method, path, json] of signedIn()) {
    const got = await call(method, path, { ...options, ...(json === undefined ? {} : { json }) });
    expectProblem(got, 401, code);
    expect(got.body.instance).toBe(path);
  }
  const answer = await upgrade(options.token === undefined ? {} : { token: options.token });
  const { status, code: said } = (await answer.json()) as Record<string, unknown>;
  expect([answer.status, status, said]).toEqual([401, 401, code]);
}

describe("a caller", () => {
  it("without a token is unauthenticated everywhere", () => untouched(() => refused({}, "unauthenticated")));

  it("with garbage for a token is unauthenticated everywhere", () =>
    untouched(() => refused({ token: "garbage" }, "unauthenticated")));

  it("with a token that somebody changed is unauthenticated everywhere", () =>
    untouched(() => refused({ token: `${ada.token.slice(0, -8)}AAAAAAAA` }, "unauthenticated")));

  it("with another scheme is unauthenticated everywhere", () =>
    untouched(() => refused({ headers: { Authorization: `Basic ${ada.token}` } }, "unauthenticated")));

  it("with an old token is told that it has expired", async () => {
    const { token } = await trader({ tokenAgeMs: 600_000 });
    await untouched(() => refused({ token }, "token_expired"));
  });

  it("whose session has ended is told so from the next call on, and their socket is closed", async () => {
    const bob = await trader({ usd: "1000" });
    const resting = await bob.place(order);
    const stream = await AccountStream.open(bob);
    expect((await bob.call("POST", "/v1/auth/logout")).status).toBe(204);
    expect(await stream.closed).toMatchObject({ code: 4001 });
    await refused({ token: bob.token }, "session_revoked");
    expectProblem(await bob.cancel(resting.body.id), 401, "session_revoked");
  });

  it("who ended all sessions is out with each token from before, and in with a new one", async () => {
    const bob = await trader({ usd: "1000" });
    const phone = await secondSession(bob);
    expect((await bob.call("POST", "/v1/auth/logout-all")).status).toBe(204);
    for (const { token } of [bob, phone]) await refused({ token }, "session_revoked");
    pass(1);
    expect((await (await secondSession(bob)).place(order)).status).toBe(201);
  });

  it("without a token learns nothing else: 401 stands before type, form, fields and names", async () => {
    const headers = { "Content-Type": "text/plain" };
    for (const path of ["/v1/orders", "/v1/account/deposits", "/v1/account/withdrawals"]) {
      expectProblem(await call("POST", path, { raw: "{", headers }), 401, "unauthenticated");
      expectProblem(await call("POST", path, { raw: "{" }), 401, "unauthenticated");
      expectProblem(await call("POST", path, { json: { x: 1 } }), 401, "unauthenticated");
      const headersOfNone = { "Content-Type": "application/json", "Idempotency-Key": "" };
      expectProblem(await call("POST", path, { raw: "{}", headers: headersOfNone }), 401, "unauthenticated");
      expectProblem(await call("POST", path, { raw: "x".repeat(65_537), headers }), 413, "payload_too_large");
    }
    for (const path of [
      "/v1/orders/nope",
      "/v1/positions/NOPE-USD",
      "/v1/orders?limit=0",
      "/v1/account/ledger?from=x",
    ]) {
      expectProblem(await call("GET", path), 401, "unauthenticated");
    }
    for (const query of ["?limit=0", "?ticket=", `?ticket=${"x".repeat(300)}`]) {
      expect((await upgrade({ query })).status).toBe(401);
    }
  });

  it("with a token finds type before form, form before fields", async () => {
    const post = (raw: string, type: string) =>
      ada.call("POST", "/v1/orders?x=1", { raw, headers: { "Content-Type": type } });
    await untouched(async () => {
      expectProblem(await post("{", "text/plain"), 415, "unsupported_media_type");
      expectProblem(await post("{", "application/json"), 400, "malformed_json");
      expectProblem(await post("{}", "application/json"), 422, "validation_failed");
    });
  });

  it("is not an operator by being signed in", async () => {
    const parked = [`/v1/admin/accounts/${ada.accountId}/parked`, "/v1/admin/markets/BTC-USD/parked"];
    for (const path of ["/v1/admin/orders", "/v1/admin/dead-letters", "/v1/admin/projections", ...parked]) {
      expectProblem(await call("GET", path), 401, "unauthenticated");
      expectProblem(await ada.get(path), 403, "forbidden");
    }
    for (const path of [`${parked[0]}/BTC-USD/resume`, `${parked[1]}/${ada.accountId}/resume`]) {
      expectProblem(await call("POST", path, { json: {} }), 401, "unauthenticated");
      expectProblem(await ada.call("POST", path, { json: {} }), 403, "forbidden");
    }
  });
});

describe("an address", () => {
  it.each([
    ["POST", "/v1/nope"],
    ["GET", "/"],
    ["GET", "/v1/orders/"],
    ["GET", "/v2/orders"],
    ["DELETE", "/v1/orders/a/b"],
    ["GET", "/V1/orders"],
  ])("that is none is 404: %s %s", async (method, path) => {
    expectProblem(await ada.call(method, path), 404, "not_found");
    expectProblem(await call(method, path), 404, "not_found");
  });

  it.each([
    ["PUT", "/v1/orders", "DELETE, GET, HEAD, POST"],
    ["POST", "/v1/orders/ord_1", "DELETE, GET, HEAD, PATCH"],
    ["DELETE", "/v1/account", "GET, HEAD, PATCH"],
    ["PATCH", "/v1/account/deposits", "GET, HEAD, POST"],
    ["POST", "/v1/markets", "GET, HEAD"],
    ["POST", "/v1/portfolio", "GET, HEAD"],
    ["GET", "/v1/stream/tickets", "POST"],
    ["GET", "/v1/auth/login", "POST"],
  ])("under another method is 405 with what it takes: %s %s", async (method, path, allow) => {
    const got = await ada.call(method, path);
    expectProblem(got, 405, "method_not_allowed");
    expect(got.headers.get("Allow")).toBe(allow);
  });

  it.each([
    "/v1/markets/NOPE-USD",
    "/v1/markets/btc-usd",
    "/v1/markets/NOPE-USD/book",
    "/v1/markets/__proto__/book",
    "/v1/assets/NOPE",
    "/v1/assets/constructor",
    "/v1/positions/NOPE-USD",
    "/v1/orders/ord_00000000000000000000000000",
    "/v1/orders/nope",
    "/v1/orders/%00",
    "/v1/orders/%E0%A4%A",
    `/v1/orders/${"x".repeat(1_000)}`,
    "/v1/orders/' OR 1=1 --",
    "/v1/orders/by-client-id/nobodys",
    "/v1/orders/by-client-id/a%20b",
    `/v1/orders/by-client-id/${"x".repeat(129)}`,
  ])("that names nothing is 404: %s", async (path) => {
    await untouched(async () => expectProblem(await ada.get(path), 404, "not_found"));
  });

  it("that names nothing has nothing to cancel", async () => {
    await untouched(async () => {
      for (const id of ["nope", "ord_00000000000000000000000000", "%00"])
        expectProblem(await ada.cancel(id), 404, "not_found");
    });
  });
});

describe("a parameter", () => {
  const LISTS = [
    "/v1/orders",
    "/v1/fills",
    "/v1/prevented-matches",
    "/v1/account/ledger",
    "/v1/account/deposits",
    "/v1/account/withdrawals",
  ];
  const wrong: [string, string[]][] = [
    ["limit=0", LISTS],
    ["limit=201", LISTS],
    ["limit=abc", LISTS],
    ["limit=-1", LISTS],
    ["limit=1.5", LISTS],
    ["limit=1e2", LISTS],
    ["limit=", LISTS],
    ["limit=+1", LISTS],
    ["limit=1&limit=2", LISTS],
    ["cursor=", LISTS],
    ["cursor=garbage", LISTS],
    ["cursor=c!", LISTS],
    ["cursor=c-1", LISTS],
    ["cursor=czzzzzzzzzzz", LISTS],
    ["cursor=c1&cursor=c2", LISTS],
    [`cursor=${"c".repeat(300)}`, LISTS],
    ["status=done", ["/v1/orders"]],
    ["side=BUY", ["/v1/orders"]],
    ["symbol=BTC-USD&symbol=ETH-USD", ["/v1/orders", "/v1/fills", "/v1/prevented-matches"]],
    [`symbol=${"x".repeat(33)}`, ["/v1/orders", "/v1/fills", "/v1/prevented-matches"]],
    ["symbol=NOPE-USD", ["/v1/orders", "/v1/fills", "/v1/prevented-matches"]],
    ["symbol=btc-usd", ["/v1/orders", "/v1/fills", "/v1/prevented-matches"]],
    ["symbol=__proto__", ["/v1/orders", "/v1/fills", "/v1/prevented-matches"]],
    ["symbol=", ["/v1/orders", "/v1/fills", "/v1/prevented-matches"]],
    ["asset=NOPE", ["/v1/account/ledger"]],
    ["asset=usd", ["/v1/account/ledger"]],
    ["asset=", ["/v1/account/ledger"]],
    ["from=yesterday", ["/v1/account/ledger"]],
    ["to=2027-02-30T00:00:00Z", ["/v1/account/ledger"]],
    ["kind=gift", ["/v1/account/ledger"]],
    ["depth=0", ["/v1/markets/BTC-USD/book"]],
    ["depth=501", ["/v1/markets/BTC-USD/book"]],
  ];
  it.each(wrong)("%s is refused, by its name", async (query, paths) => {
    const name = query.slice(0, query.indexOf("="));
    for (const path of paths) {
      const got: Answer<unknown> = await ada.get(`${path}?${query}`);
      expectProblem(got, 422, "validation_failed");
      expect(
        (got.body.errors as FieldError[]).map((error) => error.pointer),
        path,
      ).toContain(`/${name}`);
      expect(got.body.instance).toBe(path);
    }
  });

  const unknown: [string, string[]][] = [
    ["limit=1", ["/v1/assets", "/v1/markets", "/v1/positions", "/v1/markets/BTC-USD/book"]],
    ["as_of=2026-01-01T00:00:00Z", ["/v1/account/ledger", "/v1/fills", "/v1/orders", "/v1/me"]],
    ["symbl=BTC-USD", LISTS],
    ["x", ["/healthz", "/openapi.json", "/docs/errors/internal", "/.well-known/jwks.json", "/v1/assets/BTC"]],
    ["toString=1", ["/v1/account", "/v1/orders"]],
  ];
  it.each(unknown)("%s is refused where there is no such parameter", async (query, paths) => {
    const name = query.split("=")[0];
    for (const path of paths) {
      const got: Answer<unknown> = await ada.get(`${path}?${query}`);
      expectProblem(got, 422, "validation_failed");
      expect(got.body.errors, path).toEqual([
        { pointer: `/${name}`, code: "unknown_field", detail: "There is no such field." },
      ]);
    }
    const posted = await ada.call("POST", `/v1/account/deposits?${query}`, { json: { asset: "USD", amount: "1" } });
    expectProblem(posted, 422, "validation_failed");
  });

  it.each([
    ["symbol=NOPE-USD", "/symbol unknown_symbol"],
    ["symbol=btc-usd", "/symbol unknown_symbol"],
    ["symbol=", "/symbol unknown_symbol"],
  ])("%s cancels nothing and does not look as if it had", async (query, field) => {
    await untouched(async () => {
      const got: Answer<unknown> = await ada.call("DELETE", `/v1/orders?${query}`);
      expectProblem(got, 422, "validation_failed");
      expect((got.body.errors as FieldError[]).map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([field]);
    });
  });

  it.each(["symbl=ETH-USD", "side=BUY", "symbol=ETH-USD&symbol=SOL-USD", "status=closed"])(
    "%s does not cancel all orders",
    async (query) => {
      await untouched(async () =>
        expectProblem(await ada.call("DELETE", `/v1/orders?${query}`), 422, "validation_failed"),
      );
    },
  );

  it.each(["limit=1", "limit=200"])("%s is good", async (query) => {
    for (const path of LISTS) expect((await ada.get(`${path}?${query}`)).status, path).toBe(200);
  });
});
