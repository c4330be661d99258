// What makes a balance, and statements, over HTTP.
import { z } from "@hono/zod-openapi";
import type { BalanceExplained } from "../../core/account/history.ts";
import { STATEMENT_ENTRIES_MAX } from "../../core/limits.ts";
import { STATEMENT_WRITERS } from "../../core/statement.ts";
import { wireBalanceExplained } from "../../core/wire-history.ts";
import { send } from "../../http/answer.ts";
import { accessOf } from "../../http/context.ts";
import { answer, createRouter, operation, pageQuery, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { cursorText, withCursor } from "../../http/page.ts";
import { problemResponse } from "../../http/problem.ts";
import { assetPath, balanceExplained, statementOut, statementQuery } from "./schema.ts";
import { explainBalance } from "./service.ts";
import { openStatement, statementStream } from "./statement.ts";

const tags = ["Account"];
const reading = { access: "account:read", asksAccount: true } as const;

const explanation = operation({
  method: "get",
  path: "/v1/account/balances/{asset}/explain",
  ...reading,
  tags,
  summary: "What makes a balance: every entry that moved it, oldest first, and what open orders hold",
  description:
    "Each entry says what you had of the asset after it; after the last that is `value`. `holds` name the orders that the held " +
    "part is for, the oldest first; what further ones hold is in `other_holds`. What was " +
    "before the account's `archived_before` is left out.",
  request: { params: assetPath, query: pageQuery },
  responses: {
    200: answer(balanceExplained, "The balance and its entries"),
    ...problems(...TOKEN_CODES, "not_found", "period_archived"),
  },
});

const statement = operation({
  method: "get",
  path: "/v1/account/statements",
  ...reading,
  tags,
  summary: "A statement of any period: opening balances, every entry, closing balances",
  description:
    "The file alone can be verified (`npm run verify-ledger FILE`, docs/ledger.md): it begins with the ledger's hash before the " +
    `period and ends with the one after it. At most ${STATEMENT_ENTRIES_MAX} entries, else 422 period_too_long; statements of ` +
    "periods that follow each other fit together. One that breaks off has no end: ask again. Of a time before the account's " +
    "`archived_before` there is none: 410.",
  request: { query: statementQuery },
  responses: {
    200: {
      description: "The statement, as a file",
      content: { "application/json": { schema: statementOut }, "text/csv": { schema: z.string() } },
    },
    ...problems(...TOKEN_CODES, "period_archived"),
  },
});

export const historyRoutes = createRouter()
  .openapi(explanation, async (c) => {
    const { asset } = c.req.valid("param");
    const { limit, cursor: from } = c.req.valid("query");
    const found = await withCursor(from, (cursor) => explainBalance(accessOf(c), { asset, limit, cursor }));
    const render = (one: BalanceExplained) => ({
      ...wireBalanceExplained(one),
      next_cursor: cursorText(one.nextCursor),
    });
    return send(c, found, render, 200);
  })
  .openapi(statement, async (c) => {
    const { from = null, to = null, format } = c.req.valid("query");
    const frame = await openStatement(accessOf(c), { from, to });
    if (!frame.ok) return problemResponse(c, frame.refusal);
    const writer = STATEMENT_WRITERS[format];
    const name = `statement-${frame.value.account}-${frame.value.head.seq}.${format}`;
    const headers = { "Content-Type": writer.type, "Content-Disposition": `attachment; filename="${name}"` };
    return c.body(statementStream(accessOf(c), frame.value, writer), 200, headers);
  });
