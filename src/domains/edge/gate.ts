// The ports of the edge that app.ts hands to every request: how often somebody may call, asked of the limiter objects; whose
// address is shut out; what an idempotency key got before.
import { POLICIES, type PolicyName, type Rates, type Standing } from "../../core/policies.ts";
import type { Taken } from "../../core/rate.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import type { Limits } from "../../http/limits.ts";
import { callObject, limiterStub, type ObjectBindings } from "../../objects/stubs.ts";

export { addressGate } from "./ip-lists.ts";
export { onceStore } from "./once.ts";

/** Counts with one limiter object for each address, account or name; a policy says what is done while it is away. */
export function limits(env: Pick<ObjectBindings, "LIMITER">, rates: Rates): Limits {
  const limiter = (policy: PolicyName, key: string) => limiterStub(env, `${POLICIES[policy].per}/${key}`);
  return {
    take: (policy, key, count) => judged(policy, () => limiter(policy, key).take(policy, rates[policy], count)),
    failures: (policy, key) => judged(policy, () => limiter(policy, key).failures(policy, rates[policy])),
    settle: (policy, key, failed) => judged(policy, () => limiter(policy, key).settle(policy, rates[policy], failed)),
  };
}

async function judged(policy: PolicyName, count: () => Promise<Taken>): Promise<Result<Standing | null>> {
  const taken = await callObject(async () => ok(await count()));
  if (!taken.ok) return POLICIES[policy].away === "open" ? ok(null) : taken;
  const { allowed, remaining, resetMs } = taken.value;
  const resetSeconds = Math.ceil(resetMs / 1_000);
  if (allowed) return ok({ policy, remaining, resetSeconds });
  return refuse({ code: "rate_limited", retryAfterSeconds: resetSeconds, policy });
}
