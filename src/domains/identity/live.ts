// Whether a session goes on, as part of the statement that does something for it.

import { and, eq, exists, isNull, type SQL } from "drizzle-orm";
import { sessions } from "../../db/tables.ts";
import type { Principal } from "../../http/context.ts";
import type { IdentityContext } from "./user.ts";

/**
 * That the caller's session has not ended. A call that was let in before its owner took the account back may come to its
 * statement after that: it must change nothing that outlives the session.
 */
export function isLive(ctx: IdentityContext, { sessionId }: Pick<Principal, "sessionId">): SQL {
  const own = and(eq(sessions.id, sessionId), isNull(sessions.endedAt));
  return exists(ctx.db.select({ id: sessions.id }).from(sessions).where(own));
}
