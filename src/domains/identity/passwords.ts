// How a password is changed.

import { and, eq } from "drizzle-orm";
import { ok, type Refusal, type Result, refuse } from "../../core/result.ts";
import { guardD1 } from "../../db/client.ts";
import { mailTokens, users } from "../../db/tables.ts";
import type { Principal } from "../../http/context.ts";
import { changeAndEndOthers } from "./ending-others.ts";
import { withdrawLinks } from "./links.ts";
import { ownTries } from "./locks.ts";
import { hashPassword } from "./password.ts";
import { checkPassword } from "./password-check.ts";
import { judgePassword } from "./password-strength.ts";
import { oneHashAtATime } from "./turnstile.ts";
import type { IdentityContext } from "./user.ts";

const WRONG: Refusal = { code: "wrong_password", detail: "The current password is wrong." };

/**
 * Changes the caller's password and ends their other sessions, open links to reset it and an address that waits. Refuses a weak new password (`validation_failed`),
 * `wrong_password`, of which only ten may be in a quarter of an hour (`rate_limited`; a stranger's wrong logins do not count), and `unavailable` while account or D1 are away.
 */
export async function changePassword(
  ctx: IdentityContext,
  caller: Principal,
  wish: { current: string; next: string },
): Promise<Result<null>> {
  const found = await guardD1(ctx.db.select().from(users).where(eq(users.id, caller.userId)).limit(1));
  if (!found.ok) return found;
  const [user] = found.value;
  if (user === undefined) return refuse({ code: "not_found" });
  const strong = judgePassword(wish.next, user, "/new_password");
  if (!strong.ok) return strong;
  const right = await checkPassword(ctx, ownTries(user.id), wish.current, user.passwordHash);
  if (!right.ok) return right;
  if (!right.value) return wrongPassword(ctx, caller);
  const hashed = await oneHashAtATime(() => hashPassword(wish.next, ctx.config.passwordPeppers.current));
  if (!hashed.ok) return hashed;
  // Nobody without a password has given a right one.
  return user.passwordHash === null
    ? wrongPassword(ctx, caller)
    : replaceHash(ctx, caller, user.passwordHash, hashed.value);
}

function wrongPassword(ctx: IdentityContext, caller: Principal): Result<never> {
  ctx.audit({ act: "password.change", target: caller.userId, outcome: WRONG.code });
  return refuse(WRONG);
}

async function replaceHash(
  ctx: IdentityContext,
  caller: Principal,
  before: string,
  passwordHash: string,
): Promise<Result<null>> {
  const same = and(eq(users.id, caller.userId), eq(users.passwordHash, before));
  const change = ctx.db
    .update(users)
    .set({ passwordHash, pendingEmail: null, updatedAt: ctx.nowMs })
    .where(same)
    .returning({ id: users.id });
  const links = withdrawLinks(ctx, eq(mailTokens.userId, caller.userId));
  const changed = await changeAndEndOthers(ctx, caller, "password_changed", change, [links]);
  if (!changed.ok) return changed;
  // Somebody else has changed it while this was hashed.
  if (!changed.value) return wrongPassword(ctx, caller);
  ctx.audit({ act: "password.change", target: caller.userId, outcome: "ok" });
  ctx.later(ctx.mail({ kind: "password_changed", userId: caller.userId }));
  return ok(null);
}
