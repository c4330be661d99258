// Restoring one object, over HTTP: its journal out, a snapshot of it in, and how far it has come. For operators alone.
import type { Context } from "hono";
import { SNAPSHOT_BYTES_MAX } from "../../core/limits.ts";
import { send, sendNothing } from "../../http/answer.ts";
import type { AppEnv } from "../../http/context.ts";
import { answer, body, createRouter, operation, pageOf, pageQuery, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { actOf, reasonBody } from "../../http/operator-act.ts";
import { type PageWish, renderPage, withCursor } from "../../http/page.ts";
import type { SnapshotPart } from "../../objects/protocol.ts";
import { keepPart, listJournal, type Restored, type RestoreWish, reopen, restoration, restore } from "./restoration.ts";
import {
  ACTING_CODES,
  accountPath,
  journalEventOut,
  marketPath,
  restorationOut,
  restoreIn,
  restoreMarketIn,
  snapshotPartIn,
  snapshotPartOut,
} from "./schema.ts";

const tags = ["Operations"];
const ofAccount = "/v1/admin/accounts/{account_id}";
const ofMarket = "/v1/admin/markets/{symbol}";
type Params = typeof accountPath | typeof marketPath;

const journalOf = <P extends string, S extends Params>(path: P, params: S) =>
  operation({
    method: "get",
    path: `${path}/journal` as const,
    access: "ops:read",
    audit: "journal.export",
    tags,
    summary: "An object's journal, oldest first",
    description: "Each event is text, to be kept as it is: a restore begins from the first events of a journal.",
    request: { params, query: pageQuery },
    responses: { 200: answer(pageOf(journalEventOut), "Events"), ...problems(...TOKEN_CODES, "not_found") },
  });
const restorationOf = <P extends string, S extends Params>(path: P, params: S) =>
  operation({
    method: "get",
    path: `${path}/restoration` as const,
    access: "ops:read",
    tags,
    summary: "How far a restore has come",
    description: "From the object itself: whom it waits for, and what keeps it from opening.",
    request: { params },
    responses: { 200: answer(restorationOut, "Restoration"), ...problems(...TOKEN_CODES, "not_found") },
  });
const restoreOf = <P extends string, S extends Params, B extends typeof restoreIn>(path: P, params: S, wish: B) =>
  operation({
    method: "post",
    path: `${path}/restoration` as const,
    access: "ops:act",
    audit: "object.restore",
    tags,
    summary: "Begin an object's next life from a snapshot of its journal",
    description: `Cancel-only until hands are shaken. An object that has a journal keeps it: then leave \`journal\` out; or, with \`replace\`, all that it has stored is thrown away for the snapshot (\`[]\`: for nothing but what the other side knows), also when it cannot be read any more. At most ${SNAPSHOT_BYTES_MAX} bytes: what is longer is handed in before, at \`restoration/journal\`, and \`after\` says how many events that were.`,
    request: { params, body: body(wish) },
    responses: { 204: { description: "Begun" }, ...problems(...ACTING_CODES, "not_found") },
  });
const partOf = <P extends string, S extends Params>(path: P, params: S) =>
  operation({
    method: "post",
    path: `${path}/restoration/journal` as const,
    access: "ops:act",
    audit: "journal.hand_in",
    tags,
    summary: "Hand in a part of a snapshot that is too long for one request",
    description:
      "The object keeps it, and goes on as it is, until its restore names how many were handed in. Parts come in their order, for one epoch; one that is handed in again is there once, and what was behind it is forgotten.",
    request: { params, body: body(snapshotPartIn) },
    responses: { 200: answer(snapshotPartOut, "What is kept"), ...problems(...ACTING_CODES, "not_found") },
  });
const reopenOf = <P extends string, S extends Params>(path: P, params: S) =>
  operation({
    method: "post",
    path: `${path}/restoration/open` as const,
    access: "ops:act",
    audit: "object.open",
    tags,
    summary: "Open a restored object though it still waits",
    description: "What it has not been told by then may become a conflict.",
    request: { params, body: body(reasonBody) },
    responses: { 204: { description: "Opened" }, ...problems(...ACTING_CODES, "not_found") },
  });

/** A page of an object's journal. */
async function journalPage(c: Context<AppEnv>, which: Restored, query: PageWish) {
  const { limit } = query;
  return withCursor(query.cursor, (cursor) => listJournal(c.env, which, { limit, cursor }));
}

/** Keeps a part of a snapshot; the object is told no reason, the audit trail is. */
function handIn(c: Context<AppEnv>, which: Restored, { reason, ...part }: SnapshotPart & { reason: string }) {
  actOf(c, reason);
  return keepPart(c.env, which, part);
}

function begin(c: Context<AppEnv>, which: Restored, { reason, ...wish }: RestoreWish & { reason: string }) {
  return restore(c.env, which, wish, actOf(c, reason));
}

const asItIs = <T>(value: T): T => value;
const rendered = (page: Parameters<typeof renderPage<string, string>>[0]) => renderPage(page, asItIs);

export const restorationRouter = createRouter()
  .openapi(journalOf(ofAccount, accountPath), async (c) => {
    const which = { account: c.req.valid("param").account_id };
    return send(c, await journalPage(c, which, c.req.valid("query")), rendered, 200);
  })
  .openapi(journalOf(ofMarket, marketPath), async (c) => {
    const which = { market: c.req.valid("param").symbol };
    return send(c, await journalPage(c, which, c.req.valid("query")), rendered, 200);
  })
  .openapi(restorationOf(ofAccount, accountPath), async (c) => {
    return send(c, await restoration(c.env, { account: c.req.valid("param").account_id }), asItIs, 200);
  })
  .openapi(restorationOf(ofMarket, marketPath), async (c) => {
    return send(c, await restoration(c.env, { market: c.req.valid("param").symbol }), asItIs, 200);
  })
  .openapi(restoreOf(ofAccount, accountPath, restoreIn), async (c) => {
    const which = { account: c.req.valid("param").account_id };
    return sendNothing(c, await begin(c, which, c.req.valid("json")));
  })
  .openapi(restoreOf(ofMarket, marketPath, restoreMarketIn), async (c) => {
    const which = { market: c.req.valid("param").symbol };
    return sendNothing(c, await begin(c, which, c.req.valid("json")));
  })
  .openapi(partOf(ofAccount, accountPath), async (c) => {
    const which = { account: c.req.valid("param").account_id };
    return send(c, await handIn(c, which, c.req.valid("json")), asItIs, 200);
  })
  .openapi(partOf(ofMarket, marketPath), async (c) => {
    const which = { market: c.req.valid("param").symbol };
    return send(c, await handIn(c, which, c.req.valid("json")), asItIs, 200);
  })
  .openapi(reopenOf(ofAccount, accountPath), async (c) => {
    const which = { account: c.req.valid("param").account_id };
    return sendNothing(c, await reopen(c.env, which, actOf(c, c.req.valid("json").reason)));
  })
  .openapi(reopenOf(ofMarket, marketPath), async (c) => {
    const which = { market: c.req.valid("param").symbol };
    return sendNothing(c, await reopen(c.env, which, actOf(c, c.req.valid("json").reason)));
  });
