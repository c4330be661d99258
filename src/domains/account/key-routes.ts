// API keys over HTTP: made, seen and revoked by their owner's sessions. The account object has them, so D1 may be away.
import { SIGNATURE_WINDOW_MS } from "../../core/limits.ts";
import { send, sendNothing } from "../../http/answer.ts";
import { audit } from "../../http/audit.ts";
import { requireVerified } from "../../http/auth.ts";
import { accessOf, callerOf, later, type RequestContext } from "../../http/context.ts";
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
import { renderPage, withCursor } from "../../http/page.ts";
import { SECRET_KEY_CODES, secretIdempotencyHeaders } from "../../http/secret-once.ts";
import { createKey, type KeyContext, listKeys, revokeKey, wireKey, wireMadeKey } from "./keys.ts";
import { keyIn, keyMade, keyOut, keyPath } from "./schema.ts";

const tags = ["API keys"];
const path = "/v1/api-keys";
const door = { access: "keys:manage", asksAccount: true } as const;

const create = operation({
  method: "post",
  path,
  ...door,
  stepUp: true,
  once: "secret",
  tags,
  summary: "Make an API key",
  description:
    "Its text is shown this once. Each key has a rate of its own. With `signing` every call by it carries X-Timestamp (ms), " +
    `X-Nonce and X-Signature, good for ${SIGNATURE_WINDOW_MS / 1_000} s and once; docs/api-keys.md says what is signed.`,
  request: { headers: secretIdempotencyHeaders, body: body(keyIn) },
  responses: {
    201: answer(keyMade, "The key"),
    ...problems(
      ...TOKEN_CODES,
      ...BODY_CODES,
      ...SECRET_KEY_CODES,
      "email_not_verified",
      "step_up_required",
      "too_many_api_keys",
    ),
  },
});
const list = operation({
  method: "get",
  path,
  ...door,
  tags,
  summary: "Your API keys, newest first",
  request: { query: pageQuery },
  responses: { 200: answer(pageOf(keyOut), "Keys, expired ones included"), ...problems(...TOKEN_CODES) },
});
const revoke = operation({
  method: "delete",
  path: `${path}/{id}`,
  ...door,
  tags,
  summary: "Revoke an API key",
  description: "It is refused from the next call on, and its streams close with 4001.",
  request: { params: keyPath },
  responses: { 204: { description: "Revoked" }, ...problems(...TOKEN_CODES, "not_found") },
});

export const keyRoutes = createRouter()
  .openapi(create, async (c) => send(c, await createKey(contextOf(c), c.req.valid("json")), wireMadeKey, 201))
  .openapi(list, async (c) => {
    const { limit, cursor: from } = c.req.valid("query");
    const page = await withCursor(from, (cursor) => listKeys(accessOf(c), { limit, cursor }));
    return send(c, page, (found) => renderPage(found, wireKey), 200);
  })
  .openapi(revoke, async (c) => sendNothing(c, await revokeKey(contextOf(c), c.req.valid("param").id)));

function contextOf(c: RequestContext): KeyContext {
  const caller = callerOf(c);
  const { userId } = caller;
  const secret = c.get("config").apiKeySecret;
  const mail = c.get("ports").mail(c.env);
  return {
    ...accessOf(c),
    userId,
    requireVerified: () => requireVerified(c, caller),
    secret,
    audit: (act, target) => audit(c, { act, target, outcome: "ok" }),
    tellUser: (name) => later(c, mail({ kind: "api_key_made", userId, name })),
    nowMs: Date.now(),
  };
}
