// What makes a balance, over HTTP.
import { wireBalanceExplained } from "../../core/wire-history.ts";
import { send } from "../../http/answer.ts";
import { accessOf } from "../../http/context.ts";
import { answer, createRouter, operation, pageQuery, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { cursorText, withCursor } from "../../http/page.ts";
import { assetPath, balanceExplained } from "./schema.ts";
import { explainBalance } from "./service.ts";

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
    "part is for, the oldest first; what further ones hold is in `other_holds`.",
  request: { params: assetPath, query: pageQuery },
  responses: { 200: answer(balanceExplained, "The balance and its entries"), ...problems(...TOKEN_CODES, "not_found") },
});

export const historyRoutes = createRouter().openapi(explanation, async (c) => {
  const { asset } = c.req.valid("param");
  const { limit, cursor: from } = c.req.valid("query");
  const found = await withCursor(from, (cursor) => explainBalance(accessOf(c), { asset, limit, cursor }));
  return send(c, found, (one) => ({ ...wireBalanceExplained(one), next_cursor: cursorText(one.nextCursor) }), 200);
});
