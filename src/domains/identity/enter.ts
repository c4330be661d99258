// The one end of every first step of a sign-in, by password or by a provider: a session, or a question for a code.

import { createHash } from "node:crypto";
import { and, eq, isNotNull, isNull, notExists, type SQL, sql } from "drizzle-orm";
import { MFA_TOKEN_TTL_MS } from "../../core/limits.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { guardD1 } from "../../db/client.ts";
import { mfaChallenges, mfaFactors, users } from "../../db/tables.ts";
import { openSession, type Tokens } from "./sessions.ts";
import type { IdentityContext, Origin, User } from "./user.ts";

/** What a sign-in has come to: a session's tokens, or with a second factor what its code is given with. */
export type Entered = { kind: "session"; tokens: Tokens } | { kind: "mfa_required"; mfaToken: string };

const GONE: Refusal = { code: "invalid_credentials", detail: "The login or the password is wrong." };

/**
 * Lets a user in who has shown who they are, by a password whose hash is `passwordHash`, or null for none: opens a session, or
 * answers an `mfaToken` when they have a second factor. That is good once, for {@link MFA_TOKEN_TTL_MS}, and for nothing but
 * `verifyMfa`. Tells the audit trail. Refuses `invalid_credentials` for a user who has been closed meanwhile, or has another
 * password or a second factor since, and `unavailable`.
 */
export async function enter(
  ctx: IdentityContext,
  user: User,
  origin: Origin,
  passwordHash: string | null,
): Promise<Result<Entered>> {
  const found = await guardD1(
    ctx.db
      .select({ mfaSince: mfaFactors.confirmedAt })
      .from(users)
      .leftJoin(mfaFactors, eq(mfaFactors.userId, users.id))
      .where(and(eq(users.id, user.id), isNull(users.closedAt))),
  );
  if (!found.ok) return found;
  const [row] = found.value;
  if (row === undefined) return refuse(GONE);
  const same = passwordHash === null ? undefined : eq(users.passwordHash, passwordHash);
  if (row.mfaSince !== null) return challenge(ctx, user, and(eq(users.id, user.id), isNull(users.closedAt), same));
  const opened = await openSession(ctx, user, origin, and(same, withoutFactor(ctx, user)));
  if (!opened.ok) return opened;
  if (opened.value === null) return refuse(GONE);
  ctx.audit({ act: "session.login", actor: user.id, target: opened.value.sessionId, outcome: "ok" });
  return ok({ kind: "session", tokens: opened.value });
}

/** Whoever turns a second factor on ends all sessions but one: none may be opened without its code after that. */
function withoutFactor(ctx: IdentityContext, user: User): SQL {
  const on = and(eq(mfaFactors.userId, user.id), isNotNull(mfaFactors.confirmedAt));
  return notExists(ctx.db.select({ userId: mfaFactors.userId }).from(mfaFactors).where(on));
}

async function challenge(ctx: IdentityContext, user: User, open: SQL | undefined): Promise<Result<Entered>> {
  const mfaToken = `mfa_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url")}`;
  const expiresAt = ctx.nowMs + MFA_TOKEN_TTL_MS;
  const row = sql`SELECT ${mfaTokenHash(mfaToken)}, ${user.id}, ${ctx.nowMs}, ${expiresAt}, NULL FROM ${users} WHERE ${open}`;
  const written = await guardD1(ctx.db.insert(mfaChallenges).select(row).returning({ hash: mfaChallenges.hash }));
  if (!written.ok) return refuse(written.refusal);
  if (written.value.length === 0) return refuse(GONE);
  ctx.audit({ act: "session.login", actor: user.id, target: user.id, outcome: "mfa_required" });
  return ok({ kind: "mfa_required", mfaToken });
}

/** What is stored of an `mfaToken`: enough to know it again. It is no JWT, so that nothing takes it for an access token. */
export function mfaTokenHash(mfaToken: string): string {
  return createHash("sha256").update(mfaToken, "utf8").digest("hex");
}
