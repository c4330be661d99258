// What identity asks of the account objects, as the port that app.ts hands to every request.

import type { SessionAuthority } from "../../http/context.ts";
import { accountStub, askAccount, callObject } from "../../objects/stubs.ts";

/** Asks and tells account objects of sessions; an object that cannot be reached is the refusal `unavailable`. */
export function sessionAuthority(env: Env): SessionAuthority {
  return {
    admit: ({ accountId, sessionId, issuedAtMs }, spend, heard) => {
      const caller = { accountId, sessionId, issuedAtMs, spend };
      return askAccount({ env, caller, heard }, async (account) => account.admit(caller));
    },
    revokeSession: (accountId, sessionId, untilMs) =>
      callObject(() => accountStub(env, accountId).revokeSession(sessionId, untilMs)),
    revokeAll: (accountId, validFromMs) => callObject(() => accountStub(env, accountId).revokeAllBefore(validFromMs)),
  };
}
