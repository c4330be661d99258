// The limiter object's class: wires the logic to the platform and decides nothing.
import { DurableObject } from "cloudflare:workers";
import type { Rate } from "../../core/rate.ts";
import { storageSql } from "../platform.ts";
import type { LimiterRpc } from "../rpc.ts";
import { LimiterLogic } from "./logic.ts";

/** Counts what one key does: an address, or a name. */
export class RateLimiter extends DurableObject<Env> implements LimiterRpc {
  readonly #logic: LimiterLogic;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#logic = new LimiterLogic({
      sql: storageSql(ctx.storage),
      now: () => Date.now(),
      forget: { at: (ms) => void ctx.storage.setAlarm(ms), all: () => void ctx.storage.deleteAll() },
    });
  }

  async take(policy: string, rate: Rate, count: number) {
    return this.#logic.take(policy, rate, count);
  }

  async failures(policy: string, rate: Rate) {
    return this.#logic.failures(policy, rate);
  }

  async settle(policy: string, rate: Rate, failed: boolean) {
    return this.#logic.settle(policy, rate, failed);
  }

  override async alarm(): Promise<void> {
    this.#logic.forget();
  }
}
