// Who people are: sign-up and login. The profile is in profile.ts, sessions and their tokens in sessions.ts.

import { and, eq, or } from "drizzle-orm";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { type Database, guardD1 } from "../../db/client.ts";
import { accounts, users } from "../../db/tables.ts";
import { type Entered, enter } from "./enter.ts";
import { hashPassword, needsRehash } from "./password.ts";
import { checkPassword } from "./password-check.ts";
import { judgePassword } from "./password-strength.ts";
import { oneHashAtATime } from "./turnstile.ts";
import {
  canonicalEmail,
  type IdentityContext,
  newId,
  type Origin,
  PROFILE_AT_FIRST,
  type User,
  userOf,
} from "./user.ts";

const EMAIL_TAKEN: Refusal = { code: "email_taken", detail: "This e-mail address has an account already." };
const USERNAME_TAKEN: Refusal = { code: "username_taken", detail: "This username is taken." };
const WRONG_LOGIN: Refusal = { code: "invalid_credentials", detail: "The login or the password is wrong." };

/**
 * Makes a user and their account. Refuses a weak password (`validation_failed`), and with `email_taken` or `username_taken`;
 * the database decides a tie.
 */
export async function register(
  ctx: IdentityContext,
  input: { email: string; username: string; password: string },
): Promise<Result<User>> {
  const strong = judgePassword(input.password, input, "/password");
  if (!strong.ok) return strong;
  const emailCanonical = canonicalEmail(input.email);
  const free = await requireFree(ctx.db, emailCanonical, input.username);
  if (!free.ok) return free;
  const passwordHash = await oneHashAtATime(() => hashPassword(input.password, ctx.config.passwordPeppers.current));
  if (!passwordHash.ok) return passwordHash;
  const at = ctx.nowMs;
  const user = {
    ...PROFILE_AT_FIRST,
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
    ctx.later(ctx.mail({ kind: "verify_email", userId: user.id }));
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

/** Tries of one login: the first may have been judged by a hash that was only made anew meanwhile. */
const TRIES_MAX = 2;

/**
 * Lets somebody in by an e-mail address or username and its password ({@link enter}). Unknown names cost the same hash and get the
 * same `invalid_credentials` as a wrong password, and are locked like known ones: `rate_limited`, without a hash. A password
 * that has been replaced while it was judged is judged once more, and is wrong then.
 */
export async function login(
  ctx: IdentityContext,
  input: { login: string; password: string },
  origin: Origin,
  triesLeft = TRIES_MAX,
): Promise<Result<Entered>> {
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
  const userId = row?.user.id ?? null;
  const tries = { policy: "login_failures", key: userId ?? `login/${name}`, userId } as const;
  const right = await checkPassword(ctx, tries, input.password, row?.user.passwordHash ?? null);
  if (!right.ok) return right;
  const stored = row?.user.passwordHash ?? null;
  if (row === undefined || stored === null || !right.value) {
    // A name that nobody has is not written down: people type their passwords there.
    ctx.audit({ act: "session.login", target: row?.user.id ?? "", outcome: WRONG_LOGIN.code });
    return refuse(WRONG_LOGIN);
  }
  const entered = await enter(ctx, userOf(row.user, row.accountId), origin, stored);
  if (!entered.ok && entered.refusal.code === WRONG_LOGIN.code && triesLeft > 1) {
    return login(ctx, input, origin, triesLeft - 1);
  }
  // After it: the session is opened while the hash is still the one that was judged.
  if (entered.ok && needsRehash(stored, ctx.config.passwordPeppers.current)) {
    ctx.later(rehash(ctx, row.user.id, stored, input.password));
  }
  return entered;
}

/** Replaces the hash of a password that was right; not when it has been changed meanwhile. The next login tries again. */
async function rehash(ctx: IdentityContext, userId: string, stored: string, password: string): Promise<void> {
  const hashed = await oneHashAtATime(() => hashPassword(password, ctx.config.passwordPeppers.current));
  if (!hashed.ok) return;
  const same = and(eq(users.id, userId), eq(users.passwordHash, stored));
  await guardD1(ctx.db.update(users).set({ passwordHash: hashed.value }).where(same));
}
