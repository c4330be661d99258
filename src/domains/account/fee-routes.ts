// What the caller pays for trades, over HTTP.
import { send } from "../../http/answer.ts";
import { accessOf } from "../../http/context.ts";
import { answer, createRouter, operation, problems, TOKEN_CODES } from "../../http/openapi.ts";
import { readFees, wireFees } from "./fees.ts";
import { feesOut } from "./fees-schema.ts";

const fees = operation({
  method: "get",
  path: "/v1/account/fees",
  access: "account:read",
  asksAccount: true,
  tags: ["Account"],
  summary: "Your fees in every market, and the volume that they go by",
  description:
    "What you have traded in the last thirty days, today included, UTC, decides your tier; a tier takes so many percent off every market's fees, rounded up to a whole hundredth of a percent. An order keeps the fees that it came in with.",
  responses: { 200: answer(feesOut, "Fees"), ...problems(...TOKEN_CODES) },
});

export const feeRoutes = createRouter().openapi(fees, async (c) => {
  return send(c, await readFees(accessOf(c), Date.now()), wireFees, 200);
});
