// When a market must be woken: for the first expiry, for the end of a halt, and for the next step at which the house would trade.
import { bestPrice } from "../../core/book.ts";
import { nextCrossingStep } from "../../core/house.ts";
import { BACKOFF_MAX_MS, HOUSE_HORIZON_STEPS } from "../../core/limits.ts";
import type { MarketState } from "../../core/market/state.ts";
import { referencePrice, STEP_MS } from "../../core/prices.ts";
import type { ObjectPorts } from "../ports.ts";
import type { Timers } from "../timers.ts";

/** What the clock needs of its market. */
export interface ClockPorts extends Pick<ObjectPorts, "now" | "tx"> {
  priceSeed: number;
  timers: () => Timers;
  state: () => MarketState;
}

export class MarketClock {
  readonly #ports: ClockPorts;
  /** The customers' best prices and triggers that the house's alarm was set for. */
  #wakeFor: string | null = null;

  constructor(ports: ClockPorts) {
    this.#ports = ports;
  }

  /** Memory has been read again: what was armed may have been rolled back. */
  forget(): void {
    this.#wakeFor = null;
  }

  /** Sees that somebody wakes the market for the first expiry, for the end of a halt, and soon after there is something else to be woken for. */
  arm(): void {
    const firstExpiry = this.#ports.state().expiring.first();
    if (firstExpiry !== null) this.#ports.timers().arm("expiry", "", firstExpiry);
    const until = this.#ports.state().rules.halt?.until ?? null;
    if (until !== null) this.#ports.timers().arm("resume", "", until);
    else this.#ports.timers().clear("resume", "");
    const key = this.#key();
    if (key === this.#wakeFor) return;
    this.#wakeFor = key;
    if (key !== null) this.#ports.timers().arm("house", "", this.#ports.now() + STEP_MS);
  }

  #key(): string | null {
    const { resting, waiting, book } = this.#ports.state();
    if (resting.size + waiting.size === 0) return null;
    return `${bestPrice(book.buy, true)}/${bestPrice(book.sell, true)}/${waiting.key}`;
  }

  /** While the market is stopped or restored its clock stands still; looking again now and then finds it well. */
  postpone(kinds: ReadonlySet<string>): void {
    this.#ports.tx(() => {
      for (const kind of ["house", "expiry", "resume"].filter((one) => kinds.has(one)))
        this.#ports.timers().arm(kind, "", this.#ports.now() + BACKOFF_MAX_MS);
    });
  }

  /** Quotes as of now, then sleeps until the next step that matters to a resting order, an hour at most. */
  wake(comeToNow: () => void): void {
    comeToNow();
    this.#ports.tx(() => {
      const timers = this.#ports.timers();
      timers.clear("expiry", "");
      timers.clear("house", "");
      this.arm();
      this.#wakeFor = this.#key();
      if (this.#wakeFor === null) return;
      const { rules, step: from, book, waiting } = this.#ports.state();
      const { priceSeed } = this.#ports;
      const [bid, ask] = [bestPrice(book.buy, true), bestPrice(book.sell, true)];
      const now = referencePrice(rules, priceSeed, from * STEP_MS);
      const watch = waiting.watch({ low: now, high: now }, rules.tickSize);
      const step = nextCrossingStep(rules, priceSeed, from, bid, ask, HOUSE_HORIZON_STEPS, watch);
      timers.arm("house", "", step * STEP_MS);
    });
  }
}
