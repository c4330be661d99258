// The account over HTTP: balances, ledger, and the door to its stream.
import type { Context } from "hono";
import { mayByRole, PERMISSIONS } from "../../core/permissions.ts";
import { type Result, refuse } from "../../core/result.ts";
import { wireEntry, wireTime } from "../../core/wire.ts";
import { send } from "../../http/answer.ts";
import { API_KEY_HEADER, presentKey } from "../../http/api-keys.ts";
import { asOfQuery } from "../../http/as-of.ts";
import { bearerToken } from "../../http/auth.ts";
import { clientIpText } from "../../http/client-ip.ts";
import { type AppEnv, accessOf, keyedCaller } from "../../http/context.ts";
import {
  answer,
  BODY_CODES,
  body,
  createRouter,
  operation,
  pageOf,
  problems,
  TOKEN_CODES,
} from "../../http/openapi.ts";
import { renderPage, withCursor } from "../../http/page.ts";
import { problemResponse } from "../../http/problem.ts";
import { verifyAccessToken } from "../../http/tokens.ts";
import type { StreamCaller } from "../../objects/protocol.ts";
import { feeRoutes } from "./fee-routes.ts";
import { historyRoutes } from "./history-routes.ts";
import { keyRoutes } from "./key-routes.ts";
import { accountOut, entryOut, ledgerQuery, settingsIn, streamQuery, ticketOut } from "./schema.ts";
import { chooseSettings, issueTicket, listLedger, readAccount, wireAccount } from "./service.ts";
import { openStream, redeemTicket } from "./stream.ts";
import { transferRoutes } from "./transfer-routes.ts";
import { webhookRoutes } from "./webhook-routes.ts";

const tags = ["Account"];
const reading = { access: "account:read", asksAccount: true } as const;
const account = operation({
  method: "get",
  path: "/v1/account",
  ...reading,
  tags,
  summary: "Balances and equity, now or as they were",
  description:
    "With `as_of` everything is as it was then, equity at the prices of then; `status`, `seq` and `ledger` too. `self_trade_prevention` is told of now alone.",
  request: { query: asOfQuery },
  responses: { 200: answer(accountOut, "The account"), ...problems(...TOKEN_CODES, "period_archived") },
});
const settings = operation({
  method: "patch",
  path: "/v1/account",
  access: "orders:trade",
  asksAccount: true,
  tags,
  summary: "Choose what orders have that do not say otherwise",
  description: "Counts from the next order on; those that are open keep what they came in with.",
  request: { body: body(settingsIn) },
  responses: { 200: answer(accountOut, "The account"), ...problems(...TOKEN_CODES, ...BODY_CODES, "storage_full") },
});
const ledger = operation({
  method: "get",
  path: "/v1/account/ledger",
  ...reading,
  tags,
  summary: "Every movement of your money, oldest first",
  request: { query: ledgerQuery },
  responses: { 200: answer(pageOf(entryOut), "Entries"), ...problems(...TOKEN_CODES, "period_archived") },
});
const ticket = operation({
  method: "post",
  path: "/v1/stream/tickets",
  access: "stream:open",
  asksAccount: true,
  tags,
  summary: "A ticket that opens one stream",
  responses: { 201: answer(ticketOut, "Good once, for 30 s"), ...problems(...TOKEN_CODES, "rate_limited") },
});
const stream = operation({
  method: "get",
  path: "/v1/stream/account",
  access: "public",
  tags,
  summary: "Orders, fills and balances as they happen",
  description:
    "A WebSocket. Authenticate with the Authorization or X-Api-Key header, or with a ticket. It is closed with 4001 when the access " +
    'token (a ticket: the one it was made with) expires, unless {"op":"auth","token":"…"} has renewed it with a newer one.',
  request: { query: streamQuery },
  responses: { 101: { description: "The stream" }, ...problems(...TOKEN_CODES, "rate_limited", "validation_failed") },
});

function contextOf(c: Context<AppEnv>) {
  const prices = { priceSeed: c.get("config").priceSeed, nowMs: Date.now() };
  return { ...accessOf(c), prices };
}

/** Whose stream is asked for: a stranger learns nothing but that he is one. */
async function streamCaller(c: Context<AppEnv>, presented: string | undefined): Promise<Result<StreamCaller>> {
  if (presented !== undefined) return ticketCaller(c, presented);
  const text = c.req.header(API_KEY_HEADER);
  if (text !== undefined) {
    const key = await presentKey(c, text, PERMISSIONS["stream:open"].scope);
    if (!key.ok) return key;
    c.set("apiKey", key.value);
    return { ok: true, value: keyedCaller(key.value) };
  }
  const token = bearerToken(c.req.header("authorization"));
  if (token === undefined) return refuse({ code: "unauthenticated" });
  const verified = await verifyAccessToken(c.get("config"), token, Date.now());
  if (!verified.ok) return verified;
  const { accountId, sessionId, issuedAtMs, expiresAtMs, roles } = verified.value;
  // What an object is told of its caller: not who he is to us.
  if (mayByRole("stream:open", roles)) return { ok: true, value: { accountId, sessionId, issuedAtMs, expiresAtMs } };
  return refuse({ code: "forbidden", detail: "This needs the permission stream:open." });
}

/** Whom a ticket is of. A key that made one may be bound to addresses, which this call must be from too. */
async function ticketCaller(c: Context<AppEnv>, ticket: string): Promise<Result<StreamCaller>> {
  const redeemed = await redeemTicket(c.env, ticket, c.get("config").refreshSecret);
  if (!redeemed.ok || redeemed.value.key === undefined) return redeemed;
  return { ok: true, value: { ...redeemed.value, key: { ...redeemed.value.key, ip: clientIpText(c) } } };
}

export const accountRouter = createRouter()
  .route("/", keyRoutes)
  .route("/", historyRoutes)
  .route("/", transferRoutes)
  .route("/", webhookRoutes)
  .route("/", feeRoutes)
  .openapi(account, async (c) => {
    const asOf = c.req.valid("query").as_of ?? null;
    const { priceSeed, nowMs } = contextOf(c).prices;
    const found = await readAccount(contextOf(c), asOf);
    return send(c, found, (view) => wireAccount(view, { priceSeed, nowMs: asOf === null ? nowMs : view.asOf }), 200);
  })
  .openapi(settings, async (c) => {
    const chosen = await chooseSettings(contextOf(c), c.req.valid("json").self_trade_prevention);
    return send(c, chosen, (view) => wireAccount(view, contextOf(c).prices), 200);
  })
  .openapi(ledger, async (c) => {
    const { cursor: text, asset = null, kind = null, from = null, to = null, limit } = c.req.valid("query");
    const page = await withCursor(text, (cursor) => listLedger(contextOf(c), { limit, cursor, asset, kind, from, to }));
    return send(c, page, (found) => renderPage(found, wireEntry), 200);
  })
  .openapi(ticket, async (c) => {
    const render = (made: { ticket: string; expiresAt: number }) => ({
      ticket: made.ticket,
      expires_at: wireTime(made.expiresAt),
    });
    return send(c, await issueTicket(contextOf(c), c.get("config").refreshSecret), render, 201);
  })
  .openapi(stream, async (c) => {
    const caller = await streamCaller(c, c.req.valid("query").ticket);
    if (!caller.ok) return problemResponse(c, caller.refusal);
    if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
      const errors = [{ pointer: "", code: "upgrade_required", detail: "This is a WebSocket." }];
      return problemResponse(c, { code: "validation_failed", errors });
    }
    const answered = await openStream(c.env, caller.value, c.req.raw);
    return answered instanceof Response ? answered : problemResponse(c, answered);
  });
