// What identity asks of the account objects, as the port that app.ts hands to every request.

import type { SessionRevoker } from "../../http/context.ts";
import { accountStub, callObject } from "../../objects/stubs.ts";

/** Tells account objects of ended sessions; an object that cannot be reached is the refusal `unavailable`. */
export function sessionRevoker(env: Env): SessionRevoker {
  return {
    revokeSession: (accountId, sessionId, untilMs) =>
      callObject(() => accountStub(env, accountId).revokeSession(sessionId, untilMs)),
    revokeAll: (accountId, validFromMs) => callObject(() => accountStub(env, accountId).revokeAllBefore(validFromMs)),
  };
}
