// One request for each route that fits its schema, and what it gets from who may send it: for the matrix of permissions.
import { env } from "cloudflare:workers";
import { z } from "@hono/zod-openapi";
import type { DeclaredRoute } from "../../src/http/declared.ts";
import { makeId } from "../../src/objects/platform.ts";
import { newKey } from "./keys.ts";
import { person } from "./people.ts";
import { priceAt, qtyWorth, secondSession, type Trader } from "./session.ts";

/** What a sample needs to know of the people of the matrix: whose things its ids name. */
export interface Things {
  owner: Trader;
  order: string;
  clientOrderId: string;
  session: string;
  key: string;
  user: string;
  account: string;
  task: string;
}

/** A request, and what it is answered. `others`: what somebody else gets who may call the route; the same, unless it says so. */
export interface Sample {
  params?: (things: Things) => Record<string, string>;
  query?: Record<string, string>;
  body?: (things: Things) => unknown;
  headers?: Record<string, string>;
  answers: number | readonly number[];
  others?: number;
  /** What somebody gets whose session has ended: 401, unless it is this that the route tells. */
  ended?: number;
  /** It ends sessions: whoever sends it sends nothing more. */
  ends?: true;
}

const CODE = "0".repeat(40);
const REASON = { reason: "the matrix" };
const because = () => REASON;
const symbol = () => ({ symbol: "BTC-USD" });
const github = () => ({ provider: "github" });
const account = ({ account }: Things) => ({ account_id: account });
const pair = ({ account }: Things) => ({ account_id: account, symbol: "BTC-USD" });
/** A market of its own: it is restored here. */
const restored = () => ({ symbol: "XRP-USD" });
/** Another one, which operators govern here: nobody trades in it. */
const governed = () => ({ symbol: "DOGE-USD" });
const task = ({ task }: Things) => ({ id: task });
const nobody = (prefix: string) => () => ({ id: makeId(prefix, 0) });
const restoration = () => ({ epoch: 2, ...REASON });
const handedIn = () => ({ epoch: 2, journal: ["{}"], ...REASON });
const usd = () => ({ asset: "USD", amount: "1" });

/** By method and path as the document writes them. What has neither parameters nor a body is asked for as it is: 200. */
export const SAMPLES: Readonly<Record<string, Sample>> = {
  "get /docs/errors/{code}": { params: () => ({ code: "forbidden" }), answers: 200 },
  "get /v1/stream/account": { answers: 401 },
  // All money is paper in these tests.
  "post /v1/webhooks/payments": { answers: 404 },
  "get /v1/assets/{symbol}": { params: () => ({ symbol: "BTC" }), answers: 200 },
  "get /v1/markets/{symbol}": { params: symbol, answers: 200 },
  "get /v1/markets/{symbol}/book": { params: symbol, answers: 200 },

  "post /v1/auth/register": {
    body: () => ({ email: "matrix@example.com", username: "matrix", password: "a-long-password-of-mine" }),
    answers: 201,
  },
  "post /v1/auth/login": { body: () => ({ login: "nobody", password: "a-long-password" }), answers: 401 },
  "post /v1/auth/refresh": { body: () => ({ refresh_token: "rt_none" }), answers: 401 },
  "post /v1/auth/email/verify": { body: () => ({ token: CODE }), answers: 401 },
  "post /v1/auth/email/resend": { answers: 202 },
  "post /v1/auth/password/forgot": { body: () => ({ email: "nobody@example.com" }), answers: 202 },
  "post /v1/auth/password/reset": { body: () => ({ token: CODE, password: "a-long-password-of-mine" }), answers: 401 },
  "put /v1/auth/password": {
    body: () => ({ current_password: "wrong", new_password: "password123" }),
    answers: 422,
  },
  "get /v1/auth/token": { answers: 200, ended: 200 },
  "post /v1/auth/logout": { answers: 204, ends: true },
  "post /v1/auth/logout-all": { answers: 204, ends: true },
  "post /v1/auth/mfa/verify": { body: () => ({ mfa_token: CODE, code: "123456" }), answers: 401 },
  "post /v1/auth/mfa/totp": { body: () => ({ password: "wrong" }), answers: 422 },
  "post /v1/auth/mfa/totp/confirm": { body: () => ({ code: "123456" }), answers: 404 },
  "delete /v1/auth/mfa/totp": { body: () => ({ code: "123456" }), answers: 404 },
  "post /v1/auth/step-up": { body: () => ({ password: "wrong" }), answers: 422 },
  "get /v1/auth/oauth/{provider}/start": { params: github, answers: 302 },
  "get /v1/auth/oauth/{provider}/callback": { params: github, answers: 302 },
  // None of them has verified their address.
  "post /v1/auth/oauth/{provider}/link": { params: github, answers: 403 },
  "delete /v1/auth/oauth/identities/{id}": { params: nobody("idn"), answers: 404 },
  "patch /v1/me": { body: () => ({ locale: "de" }), answers: 200 },
  "delete /v1/me": { body: () => ({ password: "wrong" }), answers: 422 },
  "delete /v1/auth/sessions/{id}": { params: ({ session }) => ({ id: session }), answers: 204, others: 404 },

  "post /v1/orders": { body: () => ({ symbol: "BTC-USD", side: "buy", type: "market", notional: "20" }), answers: 201 },
  "post /v1/orders/batch": {
    body: () => ({ orders: [{ symbol: "BTC-USD", side: "buy", type: "market", notional: "20" }], atomic: true }),
    answers: 207,
  },
  "post /v1/orders/cancel-all-after": { body: () => ({ timeout_ms: 0 }), answers: 200 },
  "post /v1/orders/preview": {
    body: () => ({ symbol: "BTC-USD", side: "buy", type: "market", notional: "10" }),
    answers: 200,
  },
  "get /v1/orders/{id}": { params: ({ order }) => ({ id: order }), answers: 200, others: 404 },
  "patch /v1/orders/{id}": {
    params: ({ order }) => ({ id: order }),
    body: () => ({ trail_percent: "1" }),
    answers: 422,
    others: 404,
  },
  "delete /v1/orders/{id}": { params: ({ order }) => ({ id: order }), answers: 200, others: 404 },
  "delete /v1/orders": { answers: 207 },
  "get /v1/orders/by-client-id/{client_order_id}": {
    params: ({ clientOrderId }) => ({ client_order_id: clientOrderId }),
    answers: 200,
    others: 404,
  },
  "patch /v1/account": { body: () => ({ self_trade_prevention: "cancel_newest" }), answers: 200 },
  "post /v1/account/deposits": { body: usd, answers: 201 },
  "post /v1/account/withdrawals": { body: usd, answers: 201 },
  "get /v1/account/deposits/{id}": { params: nobody("dep"), answers: 404 },
  "get /v1/account/withdrawals/{id}": { params: nobody("wdr"), answers: 404 },
  "delete /v1/account/withdrawals/{id}": { params: nobody("wdr"), answers: 404 },
  "post /v1/stream/tickets": { answers: 201 },
  "get /v1/positions/{symbol}": { params: symbol, answers: 200 },
  // Whoever has bought before has something to sell.
  "delete /v1/positions/{symbol}": { params: symbol, answers: [201, 404] },
  "get /v1/positions/{symbol}/explain": { params: symbol, answers: 200 },
  "get /v1/positions/{symbol}/lots": { params: symbol, answers: 200 },
  "get /v1/account/balances/{asset}/explain": { params: () => ({ asset: "USD" }), answers: 200 },

  "post /v1/tasks": { body: () => ({ title: "another" }), answers: 201 },
  "get /v1/tasks/{id}": { params: task, answers: 200, others: 404 },
  // It is changed once; every answer says that it is there.
  "patch /v1/tasks/{id}": {
    params: task,
    headers: { "If-Match": '"1"' },
    body: () => ({ title: "changed" }),
    answers: [200, 412],
    others: 404,
  },
  "post /v1/tasks/{id}/complete": { params: task, answers: 200, others: 404 },
  "post /v1/tasks/{id}/reopen": { params: task, answers: 200, others: 404 },
  "delete /v1/tasks/{id}": { params: nobody("tsk"), answers: 404 },
  "post /v1/tasks/bulk": { body: ({ task }) => ({ action: "complete", ids: [task] }), answers: 207 },

  "delete /v1/writes/conflicts/{id}": { params: nobody("wrt"), answers: 404 },

  "post /v1/api-keys": { body: () => ({ name: "another", scopes: ["read"] }), answers: 201 },
  "delete /v1/api-keys/{id}": { params: ({ key }) => ({ id: key }), answers: 204, others: 404 },

  "get /v1/admin/sessions/{id}": { params: ({ session }) => ({ id: session }), answers: 200 },
  "post /v1/admin/sessions/{id}/revoke": { params: ({ session }) => ({ id: session }), body: because, answers: 204 },
  "put /v1/admin/users/{id}/roles": {
    params: ({ user }) => ({ id: user }),
    body: () => ({ roles: ["customer", "support"], ...REASON }),
    answers: [200, 409],
  },
  "post /v1/admin/ip-rules": {
    body: () => ({ list: "deny", block: "198.51.100.0/24", ...REASON }),
    answers: 201,
  },
  "delete /v1/admin/ip-rules/{id}": { params: nobody("ipr"), query: REASON, answers: 404 },
  "post /v1/admin/withdrawals/{id}/approve": { params: nobody("wdr"), body: because, answers: 404 },
  "post /v1/admin/withdrawals/{id}/reject": { params: nobody("wdr"), body: because, answers: 404 },
  "post /v1/admin/transfers/{id}/reverse": { params: nobody("dep"), body: because, answers: 404 },
  "post /v1/admin/dead-letters/{id}/replay": { params: nobody("dlt"), body: because, answers: 404 },
  "post /v1/admin/projections/replay": {
    body: ({ owner }) => ({ object: "account", name: owner.accountId, ...REASON }),
    answers: 202,
  },
  "post /v1/admin/backups": { body: because, answers: 202 },
  "post /v1/admin/projections/rebuild": { body: because, answers: 202 },
  "post /v1/admin/breaks/{id}/acknowledge": { params: nobody("brk"), body: because, answers: 404 },
  "get /v1/account/liabilities/{round}": { params: () => ({ round: "2026-11-21T19Z" }), answers: 404 },
  "get /v1/admin/accounts/{account_id}/parked": { params: account, answers: 200 },
  "get /v1/admin/markets/{symbol}/parked": { params: symbol, answers: 200 },
  "post /v1/admin/accounts/{account_id}/parked/{symbol}/resume": { params: pair, body: because, answers: 404 },
  "post /v1/admin/markets/{symbol}/parked/{account_id}/resume": { params: pair, body: because, answers: 404 },
  "post /v1/admin/markets/{symbol}/status": {
    params: governed,
    body: () => ({ status: "cancel_only", ...REASON }),
    answers: 200,
  },
  "patch /v1/admin/markets/{symbol}": {
    params: governed,
    body: () => ({ maker_fee_bps: 9, ...REASON }),
    answers: 200,
  },
  "post /v1/admin/accounts/{account_id}/freeze": { params: account, body: because, answers: 204 },
  "post /v1/admin/accounts/{account_id}/unfreeze": { params: account, body: because, answers: 204 },
  "get /v1/admin/kill-switch": { answers: 200 },
  "post /v1/admin/kill-switch": {
    body: () => ({ scope: "market", symbol: "ADA-USD", cancel_orders: true, ...REASON }),
    answers: 200,
  },
  "post /v1/admin/kill-switch/release": {
    body: () => ({ scope: "market", symbol: "ADA-USD", ...REASON }),
    answers: 200,
  },
  "get /v1/admin/accounts/{account_id}/journal": { params: account, answers: 200 },
  "get /v1/admin/markets/{symbol}/journal": { params: symbol, answers: 200 },
  "get /v1/admin/accounts/{account_id}/restoration": { params: account, answers: 200 },
  "get /v1/admin/markets/{symbol}/restoration": { params: restored, answers: 200 },
  // Who comes second finds the epoch taken.
  "post /v1/admin/accounts/{account_id}/restoration": { params: account, body: restoration, answers: [204, 422] },
  "post /v1/admin/markets/{symbol}/restoration": { params: restored, body: restoration, answers: [204, 422] },
  "post /v1/admin/accounts/{account_id}/restoration/journal": { params: account, body: handedIn, answers: 200 },
  "post /v1/admin/markets/{symbol}/restoration/journal": { params: restored, body: handedIn, answers: 200 },
  "post /v1/admin/accounts/{account_id}/restoration/open": { params: account, body: because, answers: [204, 404] },
  "post /v1/admin/markets/{symbol}/restoration/open": { params: restored, body: because, answers: [204, 404] },
};

/** Somebody with paper money, a resting order and a second session; and a user and an account that are nobody's here. */
export async function makeThings(): Promise<Things> {
  const owner = await person();
  await owner.deposit("1000");
  const limit_price = await priceAt("BTC-USD", -500);
  const qty = qtyWorth("BTC-USD", 100, limit_price);
  const clientOrderId = crypto.randomUUID();
  const wish = { symbol: "BTC-USD", side: "buy", type: "limit", qty, limit_price } as const;
  const placed = await owner.place({ ...wish, client_order_id: clientOrderId });
  if (placed.status !== 201) throw new Error(placed.text);
  const { sessionId: session } = await secondSession(owner);
  const at = Date.now();
  await env.DB.prepare(
    "INSERT INTO sessions (id, user_id, account_id, generation, device, ip, created_at, rotated_at, expires_at) VALUES (?, ?, ?, 1, '', '', ?, ?4, ?5)",
  )
    .bind(session, owner.userId, owner.accountId, at, at + 1_000_000)
    .run();
  const key = (await newKey(owner)).id;
  const { userId: user, accountId: account } = await person();
  const task = (await owner.call<{ id: string }>("POST", "/v1/tasks", { json: { title: "of the matrix" } })).body.id;
  return { owner, order: placed.body.id, clientOrderId, session, key, user, account, task };
}

/** The request of a route; throws for a route that has no sample, or one that no longer fits its schema. */
export function requestOf(route: DeclaredRoute, things: Things) {
  const name = `${route.method} ${route.path}`;
  const sample: Sample = SAMPLES[name] ?? { answers: 200 };
  const params = sample.params?.(things) ?? {};
  const body = sample.body?.(things);
  fits(`${name}: path`, route.request?.params, params);
  fits(`${name}: query`, route.request?.query, sample.query ?? {});
  if (route.request?.body !== undefined) fits(`${name}: body`, schemaOf(route), body);
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, key: string) => {
    const value = params[key];
    if (value === undefined) throw new Error(`${name}: samples.ts says nothing of ${key}`);
    return encodeURIComponent(value);
  });
  const query = sample.query === undefined ? "" : `?${new URLSearchParams(sample.query)}`;
  const options = { ...(body === undefined ? {} : { json: body }), headers: sample.headers ?? {} };
  return { method: route.method.toUpperCase(), path: path + query, options, sample };
}

function schemaOf(route: DeclaredRoute): unknown {
  const json = route.request?.body?.content["application/json"];
  return json !== undefined && "schema" in json ? json.schema : undefined;
}

function fits(what: string, schema: unknown, value: unknown): void {
  if (!(schema instanceof z.ZodType)) return;
  const { error } = schema.safeParse(value);
  if (error !== undefined) throw new Error(`${what} does not fit, see samples.ts: ${error.message}`);
}
