// What identity does for other domains, as the ports that app.ts hands to every request: sessions judged, e-mails sent.

import { eq } from "drizzle-orm";
import { ok } from "../../core/result.ts";
import { database, guardD1 } from "../../db/client.ts";
import { users } from "../../db/tables.ts";
import type { Ports, SessionAuthority } from "../../http/context.ts";
import { accountStub, askAccount, callObject } from "../../objects/stubs.ts";
import { askForMail } from "./mail-wish.ts";
import { noteRefusedUse } from "./refused-uses.ts";

/** Asks and tells account objects of sessions; an object that cannot be reached is the refusal `unavailable`. */
export function sessionAuthority(env: Env): SessionAuthority {
  return {
    admit: (asking, spend, heard) => {
      const caller = { ...asking, spend };
      return askAccount({ env, caller, heard }, async (account) => account.admit(caller));
    },
    revokeSession: (accountId, sessionId, untilMs) =>
      callObject(() => accountStub(env, accountId).revokeSession(sessionId, untilMs)),
    noteRefusedUse: (sessionId) => noteRefusedUse(database(env), sessionId),
    revokeKeys: (accountId) => callObject(() => accountStub(env, accountId).revokeAllKeys()),
    revokeAll: (accountId, validFromMs) => callObject(() => accountStub(env, accountId).revokeAllBefore(validFromMs)),
  };
}

/** Whether a user's e-mail address is verified, as D1 has it. A user who is not there has none. */
export const emailVerified: Ports["emailVerified"] = (env) => async (userId) => {
  const verified = database(env).select({ verified: users.emailVerified }).from(users).where(eq(users.id, userId));
  const found = await guardD1(verified);
  return found.ok ? ok(found.value[0]?.verified === true) : found;
};

/** Asks for an e-mail, which tells a user of something. Refuses `unavailable` when the queue does not take it. */
export const mail: Ports["mail"] = (env) => (subject) => askForMail(env, subject, Date.now());
