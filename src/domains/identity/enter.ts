// The one end of every first step of a sign-in, by password or by a provider: a session, or a question for a code.

import { createHash } from "node:crypto";
import { and, eq, isNull } from "drizzle-orm";
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
 * Lets a user in who has shown who they are: opens a session, or answers an `mfaToken` when they have a second factor. That is
 * good once, for {@link MFA_TOKEN_TTL_MS}, and for nothing but `verifyMfa`. Tells the audit trail. Refuses `invalid_credentials`
 * for a user who has been closed meanwhile, and `unavailable`.
 */
export async function enter(ctx: IdentityContext, user: User, origin: Origin): Promise<Result<Entered>> {
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
  if (row.mfaSince !== null) return challenge(ctx, user);
  const opened = await openSession(ctx, user, origin);
  if (!opened.ok) return opened;
  ctx.audit({ act: "session.login", actor: user.id, target: opened.value.sessionId, outcome: "ok" });
  return ok({ kind: "session", tokens: opened.value });
}

async function challenge(ctx: IdentityContext, user: User): Promise<Result<Entered>> {
  const mfaToken = `mfa_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url")}`;
  const row = {
    hash: mfaTokenHash(mfaToken),
    userId: user.id,
    createdAt: ctx.nowMs,
    expiresAt: ctx.nowMs + MFA_TOKEN_TTL_MS,
  };
  const written = await guardD1(ctx.db.insert(mfaChallenges).values(row));
  if (!written.ok) return refuse(written.refusal);
  ctx.audit({ act: "session.login", actor: user.id, target: user.id, outcome: "mfa_required" });
  return ok({ kind: "mfa_required", mfaToken });
}

/** What is stored of an `mfaToken`: enough to know it again. It is no JWT, so that nothing takes it for an access token. */
export function mfaTokenHash(mfaToken: string): string {
  return createHash("sha256").update(mfaToken, "utf8").digest("hex");
}
