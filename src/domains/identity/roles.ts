// Roles: who is more than a customer. Only an admin says so, and never of themselves.

import { and, eq, sql } from "drizzle-orm";
import { mayByRole, type Role } from "../../core/permissions.ts";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { guardD1 } from "../../db/client.ts";
import { accounts, users } from "../../db/tables.ts";
import type { Principal } from "../../http/context.ts";
import { endAll } from "./ending.ts";
import type { IdentityContext } from "./user.ts";

/** A user and all the roles that they have, or are to have. */
export interface UserRoles {
  id: string;
  roles: Role[];
}

const OWN: Refusal = { code: "forbidden", detail: "Nobody changes their own roles." };
const NO_USER: Refusal = { code: "not_found", detail: "There is no such user." };
const LAST_ADMIN: Refusal = { code: "last_admin", detail: "There would be no admin any more." };

/**
 * Gives a user these roles and no others, then ends their sessions, so that no token of the old ones is left. Refuses
 * `forbidden` for the caller's own, `not_found`, `last_admin`, and `unavailable`: asked again it does what is left.
 */
export async function setRoles(
  ctx: IdentityContext,
  caller: Principal,
  wish: UserRoles,
  act: { by: string; reason: string },
): Promise<Result<UserRoles>> {
  if (wish.id === caller.userId) return refuse(OWN);
  const found = await guardD1(ctx.db.select({ id: accounts.id }).from(accounts).where(eq(accounts.userId, wish.id)));
  if (!found.ok) return found;
  const [account] = found.value;
  if (account === undefined) return refuse(NO_USER);
  // The database decides: two admins who take the role from each other at once are not both heard.
  const another = sql`EXISTS (SELECT 1 FROM users AS other, json_each(other.roles) AS role
    WHERE other.id <> ${wish.id} AND role.value = 'admin')`;
  const enough = wish.roles.includes("admin") ? undefined : another;
  const written = await guardD1(
    ctx.db
      .update(users)
      .set({ roles: wish.roles, updatedAt: ctx.nowMs })
      .where(and(eq(users.id, wish.id), enough))
      .returning({ id: users.id }),
  );
  if (!written.ok) return refuse(written.refusal);
  if (written.value.length === 0) return refuse(LAST_ADMIN);
  // What keys may do is no role's: they go with the right to make them.
  const keys = mayByRole("keys:manage", wish.roles) ? ok(null) : await ctx.revoker.revokeKeys(account.id);
  if (!keys.ok) return keys;
  const user = { userId: wish.id, accountId: account.id };
  const ended = await endAll(ctx, user, { reason: "operator", by: act.by, note: act.reason });
  return ended.ok ? ok(wish) : ended;
}
