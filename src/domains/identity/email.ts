// What e-mails are for: verifying an address and choosing a new password; and the local mailbox, where they end up.

import { and, desc, eq, gt, isNotNull, isNull, lt, ne, type SQL, sql } from "drizzle-orm";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { wireTime } from "../../core/wire.ts";
import { guardD1 } from "../../db/client.ts";
import { accounts, mails, mailTokens, mfaChallenges, sessions, users } from "../../db/tables.ts";
import type { Principal } from "../../http/context.ts";
import { idCursor, type PageWish, pageById } from "../../http/page.ts";
import { blacklistEnded, endStatement, refreshedSince, tellLate } from "./ending.ts";
import { withdrawLinks } from "./links.ts";
import { mailTokenHash } from "./mail-wish.ts";
import { hashPassword } from "./password.ts";
import { judgePassword } from "./password-strength.ts";
import { oneHashAtATime } from "./turnstile.ts";
import { canonicalEmail, type IdentityContext } from "./user.ts";

const WRONG_TOKEN: Refusal = { code: "invalid_code", detail: "This token is wrong, used, or too old." };

/** Told to nobody but who has just shown that the address is theirs. */
const TAKEN: Refusal = { code: "email_taken", detail: "Another user has this e-mail address by now." };

type TokenKind = (typeof mailTokens.$inferSelect)["kind"];

function goodToken(ctx: IdentityContext, kind: TokenKind, token: string): SQL | undefined {
  return and(
    eq(mailTokens.hash, mailTokenHash(token)),
    eq(mailTokens.kind, kind),
    isNull(mailTokens.usedAt),
    gt(mailTokens.expiresAt, ctx.nowMs),
  );
}

/** The user of a good token, while the address that it was sent to is still theirs; as part of the statement that uses it. */
function ownerOf(ctx: IdentityContext, good: SQL | undefined) {
  return ctx.db
    .select({ id: users.id })
    .from(users)
    .innerJoin(mailTokens, and(eq(mailTokens.userId, users.id), eq(mailTokens.email, users.emailCanonical)))
    .where(good);
}

/** Uses a token up. Goes last in its batch, which is one transaction: of many at once, one finds it unused. */
function useUp(ctx: IdentityContext, good: SQL | undefined) {
  return ctx.db.update(mailTokens).set({ usedAt: ctx.nowMs }).where(good).returning({ hash: mailTokens.hash });
}

/**
 * Verifies the address that a token was sent to, the user's present one or the one that is to follow it; the next refresh has
 * it in the access token. Refuses `invalid_code`, `email_taken` when another user has got it meanwhile, and `unavailable`.
 */
export async function verifyEmail(ctx: IdentityContext, token: string): Promise<Result<null>> {
  const good = goodToken(ctx, "verify_email", token);
  const written = await guardD1(
    ctx.db.batch([
      ctx.db
        .update(users)
        .set({ emailVerified: true, updatedAt: ctx.nowMs })
        .where(sql`${users.id} = (${ownerOf(ctx, good)})`)
        .returning({ id: users.id }),
      useUp(ctx, good),
    ]),
  );
  if (!written.ok) return refuse(written.refusal);
  const [[user]] = written.value;
  if (user === undefined) return changeEmail(ctx, goodToken(ctx, "change_email", token));
  ctx.audit({ act: "email.verify", actor: user.id, target: user.id, outcome: "ok" });
  return ok(null);
}

/** Puts the address that waits in the place of the present one, which hears of it. */
async function changeEmail(ctx: IdentityContext, good: SQL | undefined): Promise<Result<null>> {
  const waiting = sql`lower(${users.pendingEmail})`;
  const owner = ctx.db
    .select({ id: users.id })
    .from(users)
    .innerJoin(mailTokens, and(eq(mailTokens.userId, users.id), eq(mailTokens.email, waiting)))
    .where(good);
  const theirs = sql`${users.id} = (${owner})`;
  const written = await guardD1(
    ctx.db.batch([
      ctx.db.select({ id: users.id, email: users.email }).from(users).where(theirs),
      ctx.db
        .update(users)
        .set({
          email: sql`${users.pendingEmail}`,
          emailCanonical: waiting,
          emailVerified: true,
          pendingEmail: null,
          updatedAt: ctx.nowMs,
        })
        .where(theirs),
      useUp(ctx, good),
    ]),
  );
  if (!written.ok) return refuse(written.uniqueColumn === undefined ? written.refusal : TAKEN);
  const [[before]] = written.value;
  if (before === undefined) return refuse(WRONG_TOKEN);
  ctx.audit({ act: "email.change", actor: before.id, target: before.id, outcome: "ok" });
  ctx.later(ctx.mail({ kind: "email_changed", userId: before.id, email: before.email }));
  return ok(null);
}

/**
 * Sends the caller another e-mail to verify their address with, unless it is verified. Refuses `rate_limited` after too many
 * to them, and `unavailable`.
 */
export async function resendVerification(ctx: IdentityContext, caller: Principal): Promise<Result<null>> {
  const taken = await ctx.limits.take("mail_to", `user/${caller.userId}`, 1);
  return taken.ok ? ctx.mail({ kind: "verify_email", userId: caller.userId }) : taken;
}

/**
 * Sends whoever has this address an e-mail to choose a new password with. Nobody is looked up here, so that answer and time
 * say nothing of who there is. Refuses `rate_limited` after too many for this address, had by anybody or not, and
 * `unavailable`.
 */
export async function forgotPassword(ctx: IdentityContext, email: string): Promise<Result<null>> {
  const taken = await ctx.limits.take("mail_to", `email/${canonicalEmail(email)}`, 1);
  if (!taken.ok) return taken;
  // Neither whom, nor whether anybody: who is refused or unknown looks the same to who reads the trail.
  ctx.audit({ act: "password.forgot", target: "", outcome: "ok" });
  return ctx.mail({ kind: "reset_password", email });
}

/**
 * Sets a new password by the token of an e-mail, and ends every session. Hashes once, and only for a good token. Refuses
 * `invalid_code`, a weak password (`validation_failed`; the token stays good), and `unavailable`.
 */
export async function resetPassword(
  ctx: IdentityContext,
  wish: { token: string; password: string },
): Promise<Result<null>> {
  const found = await guardD1(
    ctx.db
      .select({ user: users, accountId: accounts.id })
      .from(users)
      .innerJoin(accounts, eq(accounts.userId, users.id))
      .where(sql`${users.id} = (${ownerOf(ctx, goodToken(ctx, "reset_password", wish.token))})`)
      .limit(1),
  );
  if (!found.ok) return found;
  const [row] = found.value;
  if (row === undefined) return wrongReset(ctx);
  const strong = judgePassword(wish.password, row.user, "/password");
  if (!strong.ok) return strong;
  const hashed = await oneHashAtATime(() => hashPassword(wish.password, ctx.config.passwordPeppers.current));
  if (!hashed.ok) return hashed;
  // A login may have come in while this was hashed: its token must be from before.
  const now = { ...ctx, nowMs: Date.now() };
  return replaceByToken(now, wish.token, { userId: row.user.id, accountId: row.accountId, passwordHash: hashed.value });
}

function wrongReset(ctx: IdentityContext): Result<never> {
  ctx.audit({ act: "password.reset", target: "", outcome: WRONG_TOKEN.code });
  return refuse(WRONG_TOKEN);
}

async function replaceByToken(
  ctx: IdentityContext,
  token: string,
  { userId, accountId, passwordHash }: { userId: string; accountId: string; passwordHash: string },
): Promise<Result<null>> {
  const told = await ctx.revoker.revokeAll(accountId, ctx.nowMs + 1);
  if (!told.ok) return told;
  const good = goodToken(ctx, "reset_password", token);
  const owner = ownerOf(ctx, good);
  const written = await guardD1(
    ctx.db.batch([
      ctx.db
        .update(users)
        .set({ passwordHash, pendingEmail: null, updatedAt: ctx.nowMs })
        .where(sql`${users.id} = (${owner})`)
        .returning({ id: users.id }),
      endStatement(ctx, sql`${sessions.userId} = (${owner})`, { reason: "password_reset", by: userId }),
      // A sign-in that waits for its code began with the password before.
      ctx.db.delete(mfaChallenges).where(sql`${mfaChallenges.userId} = (${owner})`),
      // All but the one that does it, which is looked for until it is used up.
      withdrawLinks(ctx, sql`${mailTokens.userId} = (${owner}) AND ${ne(mailTokens.hash, mailTokenHash(token))}`),
      useUp(ctx, good),
    ]),
  );
  if (!written.ok) return refuse(written.refusal);
  const [changed, ended] = written.value;
  if (changed.length === 0) return wrongReset(ctx);
  ctx.audit({ act: "password.reset", actor: userId, target: userId, outcome: "ok" });
  blacklistEnded(ctx, ended);
  await tellLate(ctx, accountId, refreshedSince(ctx, ended));
  ctx.later(ctx.mail({ kind: "password_changed", userId }));
  return ok(null);
}

/** The e-mails of a local run, the last first. Refuses `not_found` anywhere else, and a wrong cursor. */
export async function readMailbox(ctx: IdentityContext, wish: PageWish & { to?: string | undefined }) {
  if (ctx.config.environment !== "local") return refuse({ code: "not_found" });
  const cursor = idCursor("mal", wish.cursor);
  if (!cursor.ok) return cursor;
  const found = await guardD1(
    ctx.db
      .select()
      .from(mails)
      .where(
        and(
          isNotNull(mails.text),
          wish.to === undefined ? undefined : eq(mails.recipient, wish.to),
          cursor.value === null ? undefined : lt(mails.id, cursor.value),
        ),
      )
      .orderBy(desc(mails.id))
      .limit(wish.limit + 1),
  );
  if (!found.ok) return found;
  const render = ({ id, kind, recipient: to, subject, text, html, at }: typeof mails.$inferSelect) => {
    return { id, kind, to, subject, text: text ?? "", html: html ?? "", at: wireTime(at) };
  };
  return ok(pageById(found.value, wish.limit, render));
}
