// Who people are: sign-up, login and the profile. Sessions and their tokens are in sessions.ts.

import { and, eq, isNull, or } from "drizzle-orm";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { type Database, guardD1 } from "../../db/client.ts";
import { accounts, sessions, users } from "../../db/tables.ts";
import type { Principal } from "../../http/context.ts";
import { DUMMY_HASH, hashPassword, verifyPassword } from "./password.ts";
import { openSession, type Tokens } from "./sessions.ts";
import { oneHashAtATime } from "./turnstile.ts";
import { type IdentityContext, newId, type Origin, type User, userOf } from "./user.ts";

const EMAIL_TAKEN: Refusal = { code: "email_taken", detail: "This e-mail address has an account already." };
const USERNAME_TAKEN: Refusal = { code: "username_taken", detail: "This username is taken." };
const WRONG_LOGIN: Refusal = { code: "invalid_credentials", detail: "The login or the password is wrong." };

/** The one form of an address under which it is unique; schema.ts lets ASCII through only. */
export function canonicalEmail(email: string): string {
  return email.toLowerCase();
}

/** Makes a user and their account. Refuses with `email_taken` or `username_taken`; the database decides a tie. */
export async function register(
  ctx: IdentityContext,
  input: { email: string; username: string; password: string },
): Promise<Result<User>> {
  const emailCanonical = canonicalEmail(input.email);
  const free = await requireFree(ctx.db, emailCanonical, input.username);
  if (!free.ok) return free;
  const passwordHash = await oneHashAtATime(() => hashPassword(input.password, ctx.config.passwordPepper));
  if (!passwordHash.ok) return passwordHash;
  const at = ctx.nowMs;
  const user = {
    id: newId("usr", at),
    email: input.email,
    emailCanonical,
    username: input.username,
    passwordHash: passwordHash.value,
    roles: ["customer"],
    emailVerified: false,
    createdAt: at,
    updatedAt: at,
  };
  const account = { id: newId("acc", at), userId: user.id, createdAt: at };
  const written = await guardD1(
    ctx.db.batch([ctx.db.insert(users).values(user), ctx.db.insert(accounts).values(account)]),
  );
  if (written.ok) {
    ctx.audit({ act: "user.register", actor: user.id, target: user.id, outcome: "ok" });
    return ok(userOf(user, account.id));
  }
  if (written.uniqueColumn === undefined) return refuse(written.refusal);
  // Somebody else was faster. Which column the database names depends on its indexes, so the names are looked at again.
  const taken = await requireFree(ctx.db, emailCanonical, input.username);
  return taken.ok ? refuse(written.refusal) : taken;
}

/** Spares a hash for a name that is taken; the insert decides again. */
async function requireFree(db: Database, emailCanonical: string, username: string): Promise<Result<null>> {
  const found = await guardD1(
    db
      .select({ emailCanonical: users.emailCanonical })
      .from(users)
      .where(or(eq(users.emailCanonical, emailCanonical), eq(users.username, username))),
  );
  if (!found.ok) return found;
  if (found.value.some((row) => row.emailCanonical === emailCanonical)) return refuse(EMAIL_TAKEN);
  return found.value.length > 0 ? refuse(USERNAME_TAKEN) : ok(null);
}

/**
 * Opens a session for an e-mail address or username and its password. Unknown names cost the same hash and get the
 * same `invalid_credentials` as a wrong password, and are locked like known ones: `rate_limited`, without a hash.
 */
export async function login(
  ctx: IdentityContext,
  input: { login: string; password: string },
  origin: Origin,
): Promise<Result<Tokens>> {
  const name = input.login.toLowerCase();
  const found = await guardD1(
    ctx.db
      .select({ user: users, accountId: accounts.id })
      .from(users)
      .innerJoin(accounts, eq(accounts.userId, users.id))
      .where(name.includes("@") ? eq(users.emailCanonical, name) : eq(users.username, name))
      .limit(1),
  );
  if (!found.ok) return found;
  const row = found.value[0];
  // By person, so that address and username share one count.
  const whose = row?.user.id ?? `login/${name}`;
  const free = await ctx.limits.failures("login_failures", whose);
  if (!free.ok) return free;
  const stored = row?.user.passwordHash ?? DUMMY_HASH;
  const verified = await oneHashAtATime(() => verifyPassword(input.password, ctx.config.passwordPepper, stored));
  if (!verified.ok) return verified;
  const settled = await ctx.limits.settle("login_failures", whose, row === undefined || !verified.value);
  if (!settled.ok) return settled;
  if (row === undefined || !verified.value) {
    // A name that nobody has is not written down: people type their passwords there.
    ctx.audit({ act: "session.login", target: row?.user.id ?? "", outcome: WRONG_LOGIN.code });
    return refuse(WRONG_LOGIN);
  }
  const opened = await openSession(ctx, userOf(row.user, row.accountId), origin);
  if (opened.ok) {
    ctx.audit({ act: "session.login", actor: row.user.id, target: opened.value.sessionId, outcome: "ok" });
  }
  return opened;
}

/** The caller's own profile. Refuses with `session_revoked` once the caller's session has ended. */
export async function readProfile(ctx: IdentityContext, caller: Principal): Promise<Result<User>> {
  const found = await guardD1(
    ctx.db
      .select({ user: users, accountId: accounts.id })
      .from(sessions)
      .innerJoin(users, eq(users.id, sessions.userId))
      .innerJoin(accounts, eq(accounts.id, sessions.accountId))
      .where(and(eq(sessions.id, caller.sessionId), eq(users.id, caller.userId), isNull(sessions.endedAt)))
      .limit(1),
  );
  if (!found.ok) return found;
  const row = found.value[0];
  if (row === undefined) return refuse({ code: "session_revoked", detail: "This session has ended; sign in again." });
  return ok(userOf(row.user, row.accountId));
}
