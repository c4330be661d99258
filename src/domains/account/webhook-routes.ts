// Where the payment provider says what has come of transfers: anybody can call it, and a signature is all that lets them in.
import { sendNothing } from "../../http/answer.ts";
import { bodyBytesOf } from "../../http/body.ts";
import { createRouter, operation, problems } from "../../http/openapi.ts";
import { problemResponse } from "../../http/problem.ts";
import { hearProvider } from "./deposits.ts";

const payments = operation({
  method: "post",
  path: "/v1/webhooks/payments",
  access: "public",
  tags: ["Account"],
  summary: "What the payment provider says of a transfer",
  description:
    "Signed by the provider (`Stripe-Signature`) over the body as it was sent. A message that comes twice, late or in another order " +
    "changes nothing twice. 404 where all money is paper.",
  responses: {
    204: { description: "Taken" },
    ...problems("unauthenticated", "malformed_json", "payload_too_large", "not_found", "unavailable"),
  },
});

export const webhookRoutes = createRouter().openapi(payments, async (c) => {
  const body = await bodyBytesOf(c);
  if (!body.ok) return problemResponse(c, body.refusal);
  const signature = c.req.header("stripe-signature");
  return sendNothing(c, await hearProvider(c.env, c.get("config").payments, body.value, signature));
});
