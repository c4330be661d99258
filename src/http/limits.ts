// How often: the port that counts, what stands at a route's door, and the headers that tell it.
import type { Context, MiddlewareHandler } from "hono";
import { POLICIES, type PolicyName, type Standing } from "../core/policies.ts";
import type { Result } from "../core/result.ts";
import { clientIp, ipKey } from "./client-ip.ts";
import { type AppEnv, accessOf } from "./context.ts";
import { problemResponse } from "./problem.ts";

/**
 * Counts against a policy for a key. Refuses `rate_limited`; while the counter cannot be reached, `unavailable` where the
 * policy says closed, and lets pass with null where it says open.
 */
export interface Limits {
  /** Takes `count` units of a policy. */
  take(policy: PolicyName, key: string, count: number): Promise<Result<Standing | null>>;
  /** Whether there may be another try: asked before the costly part of it. */
  failures(policy: PolicyName, key: string): Promise<Result<Standing | null>>;
  /**
   * Says how a try ended that {@link failures} let pass. Refused, the outcome must not be told: others have failed too
   * often meanwhile, and one of many guesses at once may have been right.
   */
  settle(policy: PolicyName, key: string, failed: boolean): Promise<Result<Standing | null>>;
}

/** Remembers what counting has left, for the headers of the answer. */
export function hear(c: Context<AppEnv>, standing: Standing): void {
  const before = c.get("standings") ?? [];
  c.set("standings", [...before.filter(({ policy }) => policy !== standing.policy), standing]);
}

/** Counts the call under each policy, per address or per account; a route's door. Refuses `rate_limited`, `unavailable`. */
export function limited(policies: readonly PolicyName[]): MiddlewareHandler<AppEnv> {
  return async function limited(c, next) {
    const limits = c.get("ports").limits(c.env, c.get("config").rates);
    for (const policy of policies) {
      const taken = await limits.take(policy, keyOf(c, policy), 1);
      if (!taken.ok) return problemResponse(c, taken.refusal);
      if (taken.value !== null) hear(c, taken.value);
    }
    return next();
  };
}

function keyOf(c: Context<AppEnv>, policy: PolicyName): string {
  return POLICIES[policy].per === "account" ? accessOf(c).caller.accountId : ipKey(clientIp(c));
}

/** Sets `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11) on a limited answer. */
export function tellLimits(c: Context<AppEnv>, headers: Headers): void {
  const standings = c.get("standings");
  if (standings === undefined) return;
  const { rates } = c.get("config");
  const policies = standings.map(({ policy }) => {
    const { units, windowMs } = rates[policy];
    return `"${policy}";q=${units};w=${Math.ceil(windowMs / 1_000)}`;
  });
  const left = standings.map(({ policy, remaining, resetSeconds }) => `"${policy}";r=${remaining};t=${resetSeconds}`);
  headers.set("RateLimit-Policy", policies.join(", "));
  headers.set("RateLimit", left.join(", "));
}
