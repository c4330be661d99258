// Markets, accounts and the kill switch in the hands of operators, over HTTP.
import type { Context } from "hono";
import { send, sendNothing } from "../../http/answer.ts";
import { type AppEnv, callerOf, later } from "../../http/context.ts";
import { answer, body, createRouter, operation, problems } from "../../http/openapi.ts";
import { actOf, reasonBody } from "../../http/operator-act.ts";
import { freezeAccount, thawAccount } from "./accounts.ts";
import { type KillOrder, type KillScope, listKillOrders, throwSwitch } from "./kill-switch.ts";
import { changeMarketRules, setMarketStatus, wireAdminMarket } from "./markets.ts";
import { adminMarketOut, killIn, killOrders, killOut, releaseIn, rulesIn, statusIn } from "./markets-schema.ts";
import { ACTING_CODES, accountPath, marketPath } from "./schema.ts";

const tags = ["Operations"];
const acting = problems(...ACTING_CODES, "not_found");

const status = operation({
  method: "post",
  path: "/v1/admin/markets/{symbol}/status",
  access: "markets:manage",
  audit: "market.status",
  tags,
  summary: "Open a market, or have it take post-only orders, cancels alone, or nothing",
  description:
    "Counts from its answer on. A halt by the breaker has no end of its own any more once this has been called.",
  request: { params: marketPath, body: body(statusIn) },
  responses: { 200: answer(adminMarketOut, "The market"), ...acting },
});
const rules = operation({
  method: "patch",
  path: "/v1/admin/markets/{symbol}",
  access: "markets:manage",
  audit: "market.rules",
  tags,
  summary: "Change a market's rules: a new version of them",
  description:
    "Open orders stay, with the fees that they were admitted under. Tick and lot change only while none is open.",
  request: { params: marketPath, body: body(rulesIn) },
  responses: {
    200: answer(adminMarketOut, "The market"),
    ...problems(...ACTING_CODES, "not_found", "market_not_empty"),
  },
});
const frozen = <P extends string>(path: P, audit: string, summary: string) =>
  operation({
    method: "post",
    path,
    access: "trading:stop",
    audit,
    tags,
    summary,
    request: { params: accountPath, body: body(reasonBody) },
    responses: { 204: { description: "Done, also when it was so before" }, ...acting },
  });
const freeze = frozen(
  "/v1/admin/accounts/{account_id}/freeze",
  "account.freeze",
  "Freeze an account: no new orders and no withdrawals; what is open stays",
);
const unfreeze = frozen("/v1/admin/accounts/{account_id}/unfreeze", "account.unfreeze", "Thaw an account");
const list = operation({
  method: "get",
  path: "/v1/admin/kill-switch",
  access: "ops:read",
  tags,
  summary: "What the kill switch last said to each market, and whether it has been heard",
  responses: { 200: answer(killOrders, "By symbol; none for a market that it was never pulled for"), ...acting },
});
const kill = operation({
  method: "post",
  path: "/v1/admin/kill-switch",
  access: "trading:stop",
  audit: "kill_switch.pull",
  tags,
  summary: "Stop an account, a market, or everything, at once",
  description:
    "An account is frozen and its open orders are canceled. A market is halted until the switch is released, and with `cancel_orders` its open orders are canceled, 1,000 in a turn. Those in `untold` cannot be reached, and are told again until they are.",
  request: { body: body(killIn) },
  responses: { 200: answer(killOut, "Stopped"), ...acting },
});
const release = operation({
  method: "post",
  path: "/v1/admin/kill-switch/release",
  access: "trading:stop",
  audit: "kill_switch.release",
  tags,
  summary: "Release the kill switch: what it has stopped is as it was before",
  description:
    "A market has one switch: releasing `everything` releases also what was killed by itself. What somebody has halted or frozen apart " +
    "from the switch stays so.",
  request: { body: body(releaseIn) },
  responses: { 200: answer(killOut, "Released"), ...acting },
});

function momentOf(c: Context<AppEnv>) {
  return { priceSeed: c.get("config").priceSeed, nowMs: Date.now() };
}

type Sent = { scope: KillScope["scope"]; account_id?: string | undefined; symbol?: string | undefined; reason: string };

async function answerSwitch(c: Context<AppEnv>, sent: Sent, order: KillOrder) {
  const { scope, account_id: accountId = "", symbol = "", reason } = sent;
  const whom: KillScope =
    scope === "account" ? { scope, accountId } : scope === "market" ? { scope, symbol } : { scope };
  const act = actOf(c, reason);
  const { accountId: ownAccountId } = callerOf(c);
  const ctx = { act, ownAccountId, nowMs: Date.now(), later: (work: Promise<void>) => later(c, work) };
  return send(c, await throwSwitch(c.env, whom, order, ctx), (outcome) => outcome, 200);
}

export const marketsAdminRouter = createRouter()
  .openapi(status, async (c) => {
    const { status: wanted, reason } = c.req.valid("json");
    const changed = await setMarketStatus(c.env, c.req.valid("param").symbol, wanted, actOf(c, reason));
    return send(c, changed, (view) => wireAdminMarket(view, momentOf(c)), 200);
  })
  .openapi(rules, async (c) => {
    const { reason, ...wish } = c.req.valid("json");
    const changed = await changeMarketRules(c.env, c.req.valid("param").symbol, wish, actOf(c, reason));
    return send(c, changed, (view) => wireAdminMarket(view, momentOf(c)), 200);
  })
  .openapi(freeze, async (c) => {
    const act = actOf(c, c.req.valid("json").reason);
    return sendNothing(c, await freezeAccount(c.env, c.req.valid("param").account_id, act));
  })
  .openapi(unfreeze, async (c) => {
    const act = actOf(c, c.req.valid("json").reason);
    const { accountId } = callerOf(c);
    return sendNothing(c, await thawAccount(c.env, c.req.valid("param").account_id, act, accountId));
  })
  .openapi(list, async (c) => {
    return send(c, await listKillOrders(c.env), (data) => ({ data, next_cursor: null }), 200);
  })
  .openapi(kill, async (c) => {
    const { cancel_orders: cancelOrders, ...sent } = c.req.valid("json");
    return answerSwitch(c, sent, { act: "kill", cancelOrders });
  })
  .openapi(release, async (c) => answerSwitch(c, c.req.valid("json"), { act: "release", cancelOrders: false }));
