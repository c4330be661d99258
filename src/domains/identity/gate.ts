// What identity asks of the account objects and of its own tables, as the port that app.ts hands to every request.

import { eq, sql } from "drizzle-orm";
import { database, guardD1 } from "../../db/client.ts";
import { sessions } from "../../db/tables.ts";
import type { SessionAuthority } from "../../http/context.ts";
import { accountStub, callObject } from "../../objects/stubs.ts";

/** Asks and tells account objects of sessions; an object that cannot be reached is the refusal `unavailable`. */
export function sessionAuthority(env: Env): SessionAuthority {
  return {
    admit: ({ accountId, sessionId, issuedAtMs }) =>
      callObject(() => accountStub(env, accountId).admit({ accountId, sessionId, issuedAtMs })),
    revokeSession: (accountId, sessionId, untilMs) =>
      callObject(() => accountStub(env, accountId).revokeSession(sessionId, untilMs)),
    noteRefusedUse: async (sessionId) => {
      await guardD1(
        database(env)
          .update(sessions)
          .set({ refusedUses: sql`${sessions.refusedUses} + 1` })
          .where(eq(sessions.id, sessionId)),
      );
    },
    revokeAll: (accountId, validFromMs) => callObject(() => accountStub(env, accountId).revokeAllBefore(validFromMs)),
  };
}
