// The identities that a user may sign in with: linked, listed, unlinked.

import { and, eq, exists, isNotNull, isNull, ne, or, type SQL, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/sqlite-core";
import type { ProviderName } from "../../core/providers.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { guardD1 } from "../../db/client.ts";
import { oauthIdentities, sessions, users } from "../../db/tables.ts";
import type { Principal } from "../../http/context.ts";
import { identityOf, type Somebody } from "./oauth-people.ts";
import type { IdentityContext } from "./user.ts";

const other = alias(oauthIdentities, "other");

const TAKEN: Refusal = { code: "identity_taken", detail: "This identity is linked to a user already." };
const LAST: Refusal = {
  code: "last_sign_in",
  detail: "There is no other way to sign in: set a password or link another identity first.",
};
const ENDED: Refusal = { code: "session_revoked", detail: "The session that began this has ended." };
const NO_IDENTITY: Refusal = { code: "not_found", detail: "There is no such identity." };

/** Whether a user has an identity of this provider. Refuses `unavailable`. */
export async function hasIdentity(ctx: IdentityContext, userId: string, name: ProviderName): Promise<Result<boolean>> {
  const found = await guardD1(
    ctx.db
      .select({ id: oauthIdentities.id })
      .from(oauthIdentities)
      .where(and(eq(oauthIdentities.userId, userId), eq(oauthIdentities.provider, name))),
  );
  return found.ok ? ok(found.value.length > 0) : found;
}

/**
 * Links an identity to the user who has asked for it, while the session that did has not ended (`session_revoked`), and tells
 * them by e-mail. Once more is as good as once. Refuses `identity_taken` for another user's, or a second one of its provider,
 * and `unavailable`.
 */
export async function linkIdentity(
  ctx: IdentityContext,
  { userId, sessionId }: { userId: string; sessionId: string },
  who: Somebody,
): Promise<Result<null>> {
  const row = identityOf(ctx, who, userId);
  const live = and(eq(sessions.id, sessionId), eq(sessions.userId, userId), isNull(sessions.endedAt));
  const written = await guardD1(ctx.db.insert(oauthIdentities).select(rowWhile(row, live)).returning());
  const told = { act: "identity.link", actor: userId };
  if (written.ok) {
    if (written.value.length === 0) return refuse(ENDED);
    ctx.audit({ ...told, target: `${userId}/${who.name}/${row.id}`, outcome: "ok" });
    ctx.later(ctx.mail({ kind: "identity_linked", userId, provider: who.name }));
    return ok(null);
  }
  if (written.uniqueColumn === undefined) return refuse(written.refusal);
  const own = await isOwn(ctx, userId, who);
  if (!own.ok || own.value) return own.ok ? ok(null) : own;
  ctx.audit({ ...told, target: `${userId}/${who.name}`, outcome: TAKEN.code });
  return refuse(TAKEN);
}

/** The row out of a session that is there: judged and written in one statement, so that whoever ends it meanwhile wins. */
function rowWhile(row: ReturnType<typeof identityOf>, live: SQL | undefined): SQL {
  const { id, provider, issuer, subject, userId, email, createdAt, lastUsedAt } = row;
  return sql`SELECT ${id}, ${provider}, ${issuer}, ${subject}, ${userId}, ${email}, ${createdAt}, ${lastUsedAt}
    FROM ${sessions} WHERE ${live}`;
}

async function isOwn(ctx: IdentityContext, userId: string, { issuer, subject }: Somebody): Promise<Result<boolean>> {
  const found = await guardD1(
    ctx.db
      .select({ userId: oauthIdentities.userId })
      .from(oauthIdentities)
      .where(and(eq(oauthIdentities.issuer, issuer), eq(oauthIdentities.subject, subject))),
  );
  return found.ok ? ok(found.value[0]?.userId === userId) : found;
}

/** The caller's identities, the oldest first: one of each provider at most. Refuses `unavailable`. */
export async function listIdentities(ctx: IdentityContext, caller: Principal) {
  const found = await guardD1(
    ctx.db.select().from(oauthIdentities).where(eq(oauthIdentities.userId, caller.userId)).orderBy(oauthIdentities.id),
  );
  if (!found.ok) return found;
  const data = found.value.map(({ id, provider, email, createdAt, lastUsedAt }) => {
    return { id, provider, email, created_at: wireTime(createdAt), last_used_at: wireTime(lastUsedAt) };
  });
  return ok({ data, next_cursor: null });
}

/**
 * Unlinks one of the caller's identities, unless they could not sign in any more (`last_sign_in`): one statement judges and
 * removes, so that of two at once one stays. Tells them by e-mail. Refuses `not_found` for what is not theirs, and `unavailable`.
 */
export async function unlinkIdentity(ctx: IdentityContext, caller: Principal, id: string): Promise<Result<null>> {
  const { userId } = caller;
  const own = and(eq(oauthIdentities.id, id), eq(oauthIdentities.userId, userId));
  const removed = await guardD1(
    ctx.db
      .delete(oauthIdentities)
      .where(and(own, anotherWay(ctx, userId, id)))
      .returning({
        provider: oauthIdentities.provider,
      }),
  );
  if (!removed.ok) return removed;
  const [gone] = removed.value;
  const target = `${userId}/${id}`;
  if (gone !== undefined) {
    ctx.audit({ act: "identity.unlink", target, outcome: "ok" });
    ctx.later(ctx.mail({ kind: "identity_unlinked", userId, provider: gone.provider }));
    return ok(null);
  }
  const there = await guardD1(ctx.db.select({ id: oauthIdentities.id }).from(oauthIdentities).where(own));
  if (!there.ok) return there;
  if (there.value.length === 0) return refuse(NO_IDENTITY);
  ctx.audit({ act: "identity.unlink", target, outcome: LAST.code });
  return refuse(LAST);
}

/** A password, or an identity other than this one. */
function anotherWay(ctx: IdentityContext, userId: string, id: string) {
  const password = ctx.db
    .select({ id: users.id })
    .from(users)
    .where(and(eq(users.id, userId), isNotNull(users.passwordHash)));
  const others = ctx.db
    .select({ id: other.id })
    .from(other)
    .where(and(eq(other.userId, userId), ne(other.id, id)));
  return or(exists(password), exists(others));
}
