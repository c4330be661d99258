// What somebody changes about how they sign in ends their other sessions: whoever has one of those may be why.

import { and, eq, gt, isNull, ne, type SQL } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import { ok, type Result, refuse } from "../../core/result.ts";
import type { SessionEndReason } from "../../core/session-ends.ts";
import { guardD1 } from "../../db/client.ts";
import { mfaChallenges, sessions } from "../../db/tables.ts";
import type { Principal } from "../../http/context.ts";
import { blacklistEnded, endStatement, REVOKED_KEPT_MS, tellAccount, tellLate } from "./ending.ts";
import type { IdentityContext } from "./user.ts";

/** A statement that answers a row for each that it has changed. */
type Change = BatchItem<"sqlite"> & PromiseLike<unknown[]>;

/**
 * Does `change`, and `also` what goes with it, and ends the caller's other sessions, and sign-ins that wait for a code, in one
 * transaction; the account hears of it first. Answers whether `change` has found its row: the others have ended in any case. Refuses `unavailable`.
 */
export async function changeAndEndOthers(
  ctx: IdentityContext,
  caller: Principal,
  reason: SessionEndReason,
  change: Change,
  also: readonly BatchItem<"sqlite">[] = [],
): Promise<Result<boolean>> {
  const told = await tellOthers(ctx, caller);
  if (!told.ok) return told;
  const written = await guardD1(
    ctx.db.batch([
      change,
      endStatement(ctx, othersOf(caller), { reason, by: caller.userId }),
      ctx.db.delete(mfaChallenges).where(eq(mfaChallenges.userId, caller.userId)),
      ...also,
    ]),
  );
  if (!written.ok) return refuse(written.refusal);
  const [changed, ended] = written.value;
  const late = blacklistEnded(ctx, ended).filter((id) => !told.value.has(id));
  await tellLate(ctx, caller.accountId, late);
  return ok(changed.length > 0);
}

/** The sessions of the caller's user but the one that calls. */
function othersOf(caller: Principal): SQL | undefined {
  return and(eq(sessions.userId, caller.userId), ne(sessions.id, caller.sessionId));
}

/** Tells the account of every other session that may have a good access token. Answers which. Refuses `unavailable`. */
async function tellOthers(ctx: IdentityContext, caller: Principal): Promise<Result<Set<string>>> {
  const usable = gt(sessions.rotatedAt, ctx.nowMs - REVOKED_KEPT_MS);
  const found = await guardD1(
    ctx.db
      .select({ id: sessions.id })
      .from(sessions)
      .where(and(othersOf(caller), usable, isNull(sessions.endedAt))),
  );
  if (!found.ok) return found;
  const ids = found.value.map(({ id }) => id);
  const told = await tellAccount(ctx, caller.accountId, ids);
  return told.ok ? ok(new Set(ids)) : told;
}
