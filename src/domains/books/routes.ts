// The books over HTTP: in public what the last check says and what customers are owed, for operators what is broken.
import { send, sendPublic } from "../../http/answer.ts";
import { callerOf } from "../../http/context.ts";
import {
  answer,
  BODY_CODES,
  body,
  createRouter,
  operation,
  pageOf,
  pageQuery,
  problems,
  TOKEN_CODES,
} from "../../http/openapi.ts";
import { actOf, reasonBody } from "../../http/operator-act.ts";
import { acknowledge, listBreaks } from "./breaks.ts";
import { breakOut, breakPath, breakQuery, invariantsOut, proofOut, roundOut, roundPath } from "./schema.ts";
import { listRounds, readInvariants, readProof, wireProof } from "./service.ts";

const INVARIANTS_MAX_AGE_SECONDS = 10;
const ROUNDS_MAX_AGE_SECONDS = 60;

const invariants = operation({
  method: "get",
  path: "/v1/system/invariants",
  access: "public",
  tags: ["System"],
  summary: "What the last check of all books has found",
  description:
    "Every ledger account of every object counts in one of the lines of `sums`, so `total` is 0. `clearing` is what accounts and " +
    "markets owe each other as of one report for each pair, which is 0 as well; `in_flight` is what has been booked since then, or " +
    "not yet. `unjudged` names markets whose books could not be held against their accounts' this time. `stale`: the last check is " +
    "overdue. Before the first, `checked` is false.",
  responses: { 200: answer(invariantsOut, "The last finished check"), ...problems("unavailable") },
});
const breaks = operation({
  method: "get",
  path: "/v1/admin/breaks",
  access: "ops:read",
  tags: ["Operations"],
  summary: "What checks have found broken, newest first",
  description: "`open` are those that nobody has acknowledged; a break is closed by the check that finds it mended.",
  request: { query: breakQuery },
  responses: { 200: answer(pageOf(breakOut), "Breaks"), ...problems(...TOKEN_CODES) },
});
const acknowledgement = operation({
  method: "post",
  path: "/v1/admin/breaks/{id}/acknowledge",
  access: "ops:act",
  audit: "break.acknowledge",
  tags: ["Operations"],
  summary: "Say that a break is known, and why it may stand",
  description: "It stays until a check finds it mended.",
  request: { params: breakPath, body: body(reasonBody) },
  responses: {
    200: answer(breakOut, "The break"),
    ...problems(...TOKEN_CODES, ...BODY_CODES, "not_found", "break_closed"),
  },
});
const rounds = operation({
  method: "get",
  path: "/v1/system/liabilities",
  access: "public",
  tags: ["System"],
  summary: "What all customers were owed at each full hour, newest first",
  description: "`root` is over all accounts and says `totals`; `missing` accounts could not be asked in time.",
  request: { query: pageQuery },
  responses: { 200: answer(pageOf(roundOut), "Rounds"), ...problems("unavailable") },
});
const proof = operation({
  method: "get",
  path: "/v1/account/liabilities/{round}",
  access: "account:read",
  tags: ["Account"],
  summary: "The proof that you are in a round, and with how much",
  description: "`npm run verify-ledger FILE ROOT` checks it; docs/ledger.md says how anybody can.",
  request: { params: roundPath },
  responses: { 200: answer(proofOut, "The proof"), ...problems(...TOKEN_CODES, "not_found") },
});

const asItIs = <T>(value: T): T => value;

export const booksRouter = createRouter()
  .openapi(invariants, async (c) =>
    sendPublic(c, await readInvariants(c.env, Date.now()), asItIs, INVARIANTS_MAX_AGE_SECONDS),
  )
  .openapi(breaks, async (c) => send(c, await listBreaks(c.env, c.req.valid("query")), asItIs, 200))
  .openapi(acknowledgement, async (c) => {
    const act = actOf(c, c.req.valid("json").reason);
    return send(c, await acknowledge(c.env, c.req.valid("param").id, act, Date.now()), asItIs, 200);
  })
  .openapi(rounds, async (c) =>
    sendPublic(c, await listRounds(c.env, c.req.valid("query")), asItIs, ROUNDS_MAX_AGE_SECONDS),
  )
  .openapi(proof, async (c) => {
    const found = await readProof(c.env, callerOf(c).accountId, c.req.valid("param").round, Date.now());
    return send(c, found, wireProof, 200);
  });
