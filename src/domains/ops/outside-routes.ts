// How the providers outside look from here, over HTTP. For operators alone.
import { z } from "@hono/zod-openapi";
import { type OutsideState, outsideStates } from "../../adapters/outside.ts";
import { ok } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { send } from "../../http/answer.ts";
import { answer, createRouter, operation, pageOf, problems, TOKEN_CODES, timestampOut } from "../../http/openapi.ts";

/** One host of a provider as one isolate sees it; counts are since that began. */
const outsideOut = z
  .object({
    provider: z.string(),
    origin: z.string(),
    state: z.enum(["closed", "half_open", "open"]),
    in_flight: z.int(),
    lanes: z.int(),
    calls: z.int(),
    retries: z.int(),
    failures: z.int(),
    refused: z.int(),
    opened_at: timestampOut.nullable(),
    retry_at: timestampOut.nullable(),
  })
  .openapi("OutsideProvider");

const list = operation({
  method: "get",
  path: "/v1/admin/outside",
  access: "ops:read",
  tags: ["Operations"],
  summary: "Providers outside as the isolate sees them that answers",
  description:
    "One for each host that it has called. `open`: it is not asked until `retry_at`; who needs it hears 503, and queues come again. Isolates do not tell each other: ask more than once, and see the log for `outside_opened`.",
  responses: { 200: answer(pageOf(outsideOut), "Hosts of providers"), ...problems(...TOKEN_CODES) },
});

function wireState({ inFlight, openedAt, retryAt, ...state }: OutsideState) {
  const timeOf = (ms: number | null) => (ms === null ? null : wireTime(ms));
  return { ...state, in_flight: inFlight, opened_at: timeOf(openedAt), retry_at: timeOf(retryAt) };
}

export const outsideRouter = createRouter().openapi(list, (c) => {
  return send(c, ok({ data: outsideStates().map(wireState), next_cursor: null }), (page) => page, 200);
});
