// Whether a password is right. The only place that asks, so that every guess is counted, and counted before it is hashed.

import { ok, type Result } from "../../core/result.ts";
import { settleTry, type Tries } from "./locks.ts";
import { DUMMY_HASH, verifyPassword } from "./password.ts";
import { oneHashAtATime } from "./turnstile.ts";
import type { IdentityContext } from "./user.ts";

/**
 * Judges a password, counted as one of `tries`: a user's, or a name's that nobody has, whose `stored` is null and who is never
 * right but costs the same hash. Refuses `rate_limited` without a hash after too many wrong ones, and `unavailable`.
 */
export async function checkPassword(
  ctx: IdentityContext,
  tries: Tries,
  password: string,
  stored: string | null,
): Promise<Result<boolean>> {
  const free = await ctx.limits.failures(tries.policy, tries.key);
  if (!free.ok) return free;
  const { passwordPeppers } = ctx.config;
  const verified = await oneHashAtATime(() => verifyPassword(password, passwordPeppers, stored ?? DUMMY_HASH));
  if (!verified.ok) return verified;
  const right = stored !== null && verified.value;
  const settled = await settleTry(ctx, tries, !right);
  return settled.ok ? ok(right) : settled;
}
