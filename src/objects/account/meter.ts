// How often an account's owner calls: buckets in memory, so that counting an order costs neither a hop nor a write.
import type { KeyOwner } from "../../core/api-keys.ts";
import type { Rates, Spend, Standing } from "../../core/policies.ts";
import { takeUnits } from "../../core/rate.ts";
import { type Refusal, type Result, refuse } from "../../core/result.ts";
import type { Answered, Caller, Counted } from "../protocol.ts";

/** What an account counts itself. */
export type AccountRates = Pick<Rates, "orders" | "calls">;

interface MeterPorts {
  rates: () => AccountRates;
  now: () => number;
  /** Whether the caller's session or key counts: one that has ended is told so, and spends nothing. Asked once a call. */
  admit: (caller: Caller) => Result<KeyOwner>;
}

/** Counts the calls of one account. What it knows is lost with the object, which then forgives. */
export class Meter {
  readonly #ports: MeterPorts;
  /** By key, and under the empty name all sessions together. */
  readonly #fullAt = new Map<string, Record<Spend["policy"], number>>();

  constructor(ports: MeterPorts) {
    this.#ports = ports;
  }

  /** Answers a call that may be made often enough yet. Refuses as the admission does, then `rate_limited`. */
  async counted<T>(caller: Caller, answer: (owner: KeyOwner) => Result<T> | Promise<Result<T>>): Promise<Counted<T>> {
    const admitted = this.#ports.admit(caller);
    if (!admitted.ok) return admitted;
    if (caller.spend === undefined) return answer(admitted.value);
    const { refusal, standing } = this.#spend(caller, caller.spend);
    return { ...(refusal === null ? await answer(admitted.value) : refuse(refusal)), standing };
  }

  /** As {@link counted}, for an act that happens once; a replay costs as much as the act. */
  async countedOnce<T>(caller: Caller, answer: () => Promise<Answered<T>>): Promise<Answered<T>> {
    const admitted = this.#ports.admit(caller);
    if (!admitted.ok) return { result: admitted, replay: null };
    if (caller.spend === undefined) return answer();
    const { refusal, standing } = this.#spend(caller, caller.spend);
    if (refusal !== null) return { result: refuse(refusal), replay: null, standing };
    const answered = await answer();
    answered.standing = standing;
    return answered;
  }

  #spend(caller: Caller, { policy, count }: Spend): { refusal: Refusal | null; standing: Standing } {
    const whose = caller.key === undefined ? "" : caller.sessionId;
    const fullAt = this.#fullAt.get(whose) ?? { orders: 0, calls: 0 };
    const taken = takeUnits(this.#ports.rates()[policy], fullAt[policy], count, this.#ports.now());
    this.#fullAt.set(whose, { ...fullAt, [policy]: taken.fullAt });
    const resetSeconds = Math.ceil(taken.resetMs / 1_000);
    const standing = { policy, remaining: taken.remaining, resetSeconds };
    return {
      refusal: taken.allowed ? null : { code: "rate_limited", retryAfterSeconds: resetSeconds, policy },
      standing,
    };
  }
}
