// Operations over HTTP: for operators alone.
import type { Context } from "hono";
import { send, sendNothing } from "../../http/answer.ts";
import type { AppEnv } from "../../http/context.ts";
import { answer, body, createRouter, operation, pageOf, pageQuery, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { actOf, reasonBody } from "../../http/operator-act.ts";
import { withCursor } from "../../http/page.ts";
import { marketsAdminRouter } from "./markets-routes.ts";
import { outsideRouter } from "./outside-routes.ts";
import { listParked, type Parker, resume, wireParked } from "./parked.ts";
import { rebuildReadModel, replayDeadLetter, replayJournal } from "./repair.ts";
import { restorationRouter } from "./restoration-routes.ts";
import { reviewRouter } from "./review-routes.ts";
import {
  ACTING_CODES,
  accountPath,
  adminOrderOut,
  adminOrderQuery,
  deadLetterOut,
  deadLetterPath,
  marketPath,
  pairPath,
  parkedOut,
  projectionOut,
  projectionQuery,
  rebuildOut,
  replayedOut,
  replayIn,
  replayOut,
} from "./schema.ts";
import { listDeadLetters, listOrders, listProjections } from "./service.ts";

const tags = ["Operations"];
const refusals = problems(...TOKEN_CODES);

const ordersRoute = operation({
  method: "get",
  path: "/v1/admin/orders",
  access: "ops:read",
  tags,
  summary: "Orders of all users, newest first",
  description: "From the read model: as late as its queue is.",
  request: { query: adminOrderQuery },
  responses: { 200: answer(pageOf(adminOrderOut), "Orders"), ...refusals },
});

const deadLettersRoute = operation({
  method: "get",
  path: "/v1/admin/dead-letters",
  access: "ops:read",
  tags,
  summary: "What the read model could not apply, newest first",
  request: { query: pageQuery },
  responses: { 200: answer(pageOf(deadLetterOut), "Dead letters"), ...refusals },
});

const projectionsRoute = operation({
  method: "get",
  path: "/v1/admin/projections",
  access: "ops:read",
  tags,
  summary: "How far each object's journal has been applied",
  request: { query: projectionQuery },
  responses: { 200: answer(pageOf(projectionOut), "Heads, the object heard of last first"), ...refusals },
});

const replayLetterRoute = operation({
  method: "post",
  path: "/v1/admin/dead-letters/{id}/replay",
  access: "ops:act",
  audit: "dead_letter.replay",
  tags,
  summary: "Put a dead letter into its queue once more",
  description: "It stays listed. Applying it twice changes nothing; if it dies again, its count goes up.",
  request: { params: deadLetterPath, body: body(reasonBody) },
  responses: { 202: answer(replayedOut, "Sent"), ...problems(...ACTING_CODES, "not_found") },
});

const replayJournalRoute = operation({
  method: "post",
  path: "/v1/admin/projections/replay",
  access: "ops:act",
  audit: "journal.replay",
  tags,
  summary: "Fetch into the read model what it lacks of an object's journal",
  description: "From the first event after `applied_seq`. Markets are named `<venue>/<symbol>`.",
  request: { body: body(replayIn) },
  responses: { 202: answer(replayOut, "Asked"), ...problems(...ACTING_CODES, "not_found") },
});

const rebuildRoute = operation({
  method: "post",
  path: "/v1/admin/projections/rebuild",
  access: "ops:act",
  audit: "read_model.rebuild",
  tags,
  summary: "Empty the read model and fill it again from all journals",
  description:
    "`replayed` journals are fetched at once; the cron's sweeper comes to the others. Lists are short until then; orders, money and streams do not notice.",
  request: { body: body(reasonBody) },
  responses: { 202: answer(rebuildOut, "Begun"), ...problems(...ACTING_CODES) },
});

const listParkedBy = <P extends string, S extends typeof accountPath | typeof marketPath>(
  path: P,
  params: S,
  summary: string,
) =>
  operation({
    method: "get",
    path,
    access: "ops:read",
    tags,
    summary,
    description: "From the object itself. `stopped` says why it takes no commands; `waiting` counts unsent messages.",
    request: { params, query: pageQuery },
    responses: {
      200: answer(parkedOut, "Pairs, the last one parked first"),
      ...problems(...TOKEN_CODES, "not_found"),
    },
  });
const parkedByAccount = listParkedBy(
  "/v1/admin/accounts/{account_id}/parked",
  accountPath,
  "Markets that an account sends nothing to",
);
const parkedByMarket = listParkedBy(
  "/v1/admin/markets/{symbol}/parked",
  marketPath,
  "Accounts that a market pushes nothing to",
);

const resumeBy = <P extends string>(path: P, summary: string) =>
  operation({
    method: "post",
    path,
    access: "ops:act",
    audit: "parked.resume",
    tags,
    summary,
    description: "What waits is sent at once. Who resumed, when and why is kept with the object.",
    request: { params: pairPath, body: body(reasonBody) },
    responses: {
      204: { description: "Resumed" },
      ...problems(...ACTING_CODES, "not_found"),
    },
  });
const resumeAtAccount = resumeBy(
  "/v1/admin/accounts/{account_id}/parked/{symbol}/resume",
  "Let an account send to a parked market again",
);
const resumeAtMarket = resumeBy(
  "/v1/admin/markets/{symbol}/parked/{account_id}/resume",
  "Let a market push to a parked account again",
);

/** A page of what one object has parked. */
function parkedPage(c: Context<AppEnv>, parker: Parker, query: { limit: number; cursor?: string | undefined }) {
  return withCursor(query.cursor, (cursor) => listParked(c.env, parker, { limit: query.limit, cursor }));
}

const asItIs = <T>(page: T): T => page;

export const opsRouter = createRouter()
  .openapi(ordersRoute, async (c) => send(c, await listOrders(c.env, c.req.valid("query")), asItIs, 200))
  .openapi(deadLettersRoute, async (c) => {
    return send(c, await listDeadLetters(c.env, c.req.valid("query")), asItIs, 200);
  })
  .openapi(projectionsRoute, async (c) => {
    return send(c, await listProjections(c.env, c.req.valid("query")), asItIs, 200);
  })
  .openapi(replayLetterRoute, async (c) => {
    const act = actOf(c, c.req.valid("json").reason);
    return send(c, await replayDeadLetter(c.env, c.req.valid("param").id, act, Date.now()), asItIs, 202);
  })
  .openapi(replayJournalRoute, async (c) => {
    const { object, name, reason } = c.req.valid("json");
    return send(c, await replayJournal(c.env, { object, name }, actOf(c, reason)), asItIs, 202);
  })
  .openapi(rebuildRoute, async (c) => {
    const act = actOf(c, c.req.valid("json").reason);
    return send(c, await rebuildReadModel(c.env, act, Date.now()), asItIs, 202);
  })
  .openapi(parkedByAccount, async (c) => {
    const parker = { account: c.req.valid("param").account_id };
    return send(c, await parkedPage(c, parker, c.req.valid("query")), wireParked, 200);
  })
  .openapi(parkedByMarket, async (c) => {
    const parker = { market: c.req.valid("param").symbol };
    return send(c, await parkedPage(c, parker, c.req.valid("query")), wireParked, 200);
  })
  .openapi(resumeAtAccount, async (c) => {
    const { account_id: account, symbol } = c.req.valid("param");
    const act = actOf(c, c.req.valid("json").reason);
    return sendNothing(c, await resume(c.env, { account }, symbol, act));
  })
  .openapi(resumeAtMarket, async (c) => {
    const { account_id: account, symbol: market } = c.req.valid("param");
    const act = actOf(c, c.req.valid("json").reason);
    return sendNothing(c, await resume(c.env, { market }, account, act));
  })
  .route("/", restorationRouter)
  .route("/", reviewRouter)
  .route("/", outsideRouter)
  .route("/", marketsAdminRouter);
