// Routes that show a secret once, where an Idempotency-Key comes with them: what their declarations share.
import type { RefusalCode } from "../core/result.ts";
import { KEY_CODES, keyHeader } from "./openapi.ts";

/** Refusals of a route that takes an Idempotency-Key and shows a secret. */
export const SECRET_KEY_CODES = [...KEY_CODES, "idempotency_answer_not_kept"] as const satisfies RefusalCode[];

/** Its `Idempotency-Key` header. */
export const secretIdempotencyHeaders = keyHeader(
  "Same key and body: nothing is done again, and the answer, whose secret is shown once and not kept, is 409 " +
    "`idempotency_answer_not_kept`; a first try that was refused does not count.",
);
