// Tries that may fail only so often: how one ended is counted, and who is locked by it is told once while that lasts.

import type { Standing } from "../../core/policies.ts";
import type { Result } from "../../core/result.ts";
import type { IdentityContext } from "./user.ts";

/** What locks, by the policy that it is counted under, as the audit trail and the e-mail call it. */
const LOCKS = { login_failures: "login", own_password_failures: "password", mfa_failures: "code" } as const;

/** Whose tries are counted: `key` under `policy`; `userId` null for a name that nobody has, which nobody is told of. */
export interface Tries {
  policy: keyof typeof LOCKS;
  key: string;
  userId: string | null;
}

/** The tries of a person whom a session shows to be there: apart from those of strangers who try to sign in. */
export function ownTries(userId: string): Tries {
  return { policy: "own_password_failures", key: userId, userId };
}

/**
 * Counts how a try ended, and refuses, as `settle` of http/limits.ts does. The one that leaves none to fail tells the audit
 * trail of a lock, and the user by e-mail: once while it lasts, however many follow as the first ones are forgiven.
 */
export async function settleTry(ctx: IdentityContext, tries: Tries, failed: boolean): Promise<Result<Standing | null>> {
  const settled = await ctx.limits.settle(tries.policy, tries.key, failed);
  if (failed && settled.ok && settled.value?.remaining === 0) ctx.later(tellOfLock(ctx, tries, settled.value));
  return settled;
}

async function tellOfLock(ctx: IdentityContext, { policy, key, userId }: Tries, standing: Standing): Promise<void> {
  const first = await ctx.limits.settle("lock_notices", `${policy}/${key}`, true);
  if (!first.ok) return;
  const what = LOCKS[policy];
  // A name that nobody has is not written down: people type their passwords there.
  ctx.audit({ act: `${what}.lock`, target: userId ?? "", outcome: "ok" });
  if (userId === null) return;
  await ctx.mail({ kind: "locked", userId, what, minutes: Math.ceil(standing.resetSeconds / 60) });
}
