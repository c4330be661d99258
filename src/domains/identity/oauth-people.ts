// Whom a provider has vouched for, as a user here: the one that the identity is linked to, or a new one.

import { and, eq } from "drizzle-orm";
import type { Vouched } from "../../adapters/oauth/provider.ts";
import type { ProviderName } from "../../core/providers.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { guardD1 } from "../../db/client.ts";
import { accounts, oauthIdentities, users } from "../../db/tables.ts";
import { type Entered, enter } from "./enter.ts";
import { isEmail } from "./schema.ts";
import {
  canonicalEmail,
  type IdentityContext,
  newId,
  type Origin,
  PROFILE_AT_FIRST,
  type User,
  userOf,
} from "./user.ts";
import { usernameFrom } from "./username.ts";

/** Names tried for somebody new: all but the first have 30 random bits of their own. */
const NAMES_TRIED_MAX = 5;

const NO_EMAIL: Refusal = { code: "email_not_verified", detail: "The provider has verified no e-mail address." };
const EXISTS: Refusal = {
  code: "account_exists",
  detail: "The e-mail address has a user; sign in as that user, and link the identity.",
};

/** Somebody, and the provider that says so. */
export type Somebody = Vouched & { name: ProviderName };

/**
 * Lets somebody in by their identity, never by their address. Who is new becomes a user with an account, without a
 * password; the provider must have verified their address (`email_not_verified`), and nobody may have it here: whoever that
 * is, they sign in and link (`account_exists`). Refuses `unavailable`, and as {@link enter}.
 */
export async function signIn(ctx: IdentityContext, who: Somebody, origin: Origin): Promise<Result<Entered>> {
  const user = await userBehind(ctx, who);
  return user.ok ? enter(ctx, user.value, origin, null) : user;
}

async function userBehind(ctx: IdentityContext, who: Somebody): Promise<Result<User>> {
  for (let attempt = 0; attempt < NAMES_TRIED_MAX; attempt += 1) {
    const one = await findOrMake(ctx, who, attempt);
    if (!one.ok) return one;
    if (one.value !== null) return ok(one.value);
  }
  return refuse({ code: "unavailable", detail: "No username could be found; try again." });
}

/** Null: a name was taken, or the same sign-in was faster elsewhere. What has happened meanwhile must be looked at again. */
async function findOrMake(ctx: IdentityContext, who: Somebody, attempt: number): Promise<Result<User | null>> {
  const known = await find(ctx, who);
  if (!known.ok || known.value !== null) return known;
  // Before anybody is looked up: whoever has not shown that an address is theirs learns nothing about it.
  if (who.email === null || !isEmail(who.email)) return refuse(NO_EMAIL);
  const free = await requireNewAddress(ctx, who.email);
  return free.ok ? make(ctx, who, who.email, attempt) : free;
}

async function find(ctx: IdentityContext, { issuer, subject }: Somebody): Promise<Result<User | null>> {
  const found = await guardD1(
    ctx.db
      .select({ identityId: oauthIdentities.id, user: users, accountId: accounts.id })
      .from(oauthIdentities)
      .innerJoin(users, eq(users.id, oauthIdentities.userId))
      .innerJoin(accounts, eq(accounts.userId, users.id))
      .where(and(eq(oauthIdentities.issuer, issuer), eq(oauthIdentities.subject, subject)))
      .limit(1),
  );
  if (!found.ok) return found;
  const [row] = found.value;
  if (row === undefined) return ok(null);
  const used = eq(oauthIdentities.id, row.identityId);
  ctx.later(guardD1(ctx.db.update(oauthIdentities).set({ lastUsedAt: ctx.nowMs }).where(used)));
  return ok(userOf(row.user, row.accountId));
}

async function requireNewAddress(ctx: IdentityContext, email: string): Promise<Result<null>> {
  const found = await guardD1(
    ctx.db
      .select({ id: users.id })
      .from(users)
      .where(eq(users.emailCanonical, canonicalEmail(email)))
      .limit(1),
  );
  if (!found.ok) return found;
  const [user] = found.value;
  if (user === undefined) return ok(null);
  ctx.audit({ act: "session.login", target: user.id, outcome: EXISTS.code });
  return refuse(EXISTS);
}

/** User, account and identity at once or not at all; null when one of them is there already. */
async function make(ctx: IdentityContext, who: Somebody, email: string, attempt: number): Promise<Result<User | null>> {
  const at = ctx.nowMs;
  const user = {
    ...PROFILE_AT_FIRST,
    id: newId("usr", at),
    email,
    emailCanonical: canonicalEmail(email),
    username: usernameFrom(who.handle ?? email.slice(0, email.indexOf("@")), attempt),
    passwordHash: null,
    roles: ["customer"],
    emailVerified: true,
    createdAt: at,
    updatedAt: at,
  };
  const account = { id: newId("acc", at), userId: user.id, createdAt: at };
  const written = await guardD1(
    ctx.db.batch([
      ctx.db.insert(users).values(user),
      ctx.db.insert(accounts).values(account),
      ctx.db.insert(oauthIdentities).values(identityOf(ctx, who, user.id)),
    ]),
  );
  if (!written.ok) return written.uniqueColumn === undefined ? refuse(written.refusal) : ok(null);
  ctx.audit({ act: "user.register", actor: user.id, target: user.id, outcome: "ok" });
  return ok(userOf(user, account.id));
}

/** The row that links somebody to a user. */
export function identityOf(ctx: IdentityContext, { name, issuer, subject, email }: Somebody, userId: string) {
  const at = ctx.nowMs;
  return { id: newId("idn", at), provider: name, issuer, subject, userId, email, createdAt: at, lastUsedAt: at };
}
