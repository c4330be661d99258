// What an account owes to its payment provider, by timers that outlive its memory: each approved withdrawal is paid out once, and
// whatever is pending there is looked after, since the provider's own words may be lost.
import type { AccountTurn } from "../../core/account/decide.ts";
import { type ProviderFact, providerSays } from "../../core/account/reviews.ts";
import type { AccountState, Transfer } from "../../core/account/state.ts";
import { isPending } from "../../core/account/transfer-events.ts";
import { BACKOFF_FIRST_MS, BACKOFF_MAX_MS, PAYMENT_LOOK_MS, PAYOUT_TRIES_MS } from "../../core/limits.ts";
import type { PaymentDesk } from "../../core/payments.ts";
import type { ObjectPorts } from "../ports.ts";
import type { Timer, Timers } from "../timers.ts";

/** What this needs of the account. */
export interface PayoutPorts extends Pick<ObjectPorts, "name" | "now" | "alert"> {
  desk: PaymentDesk;
  timers: () => Timers;
  tx: <T>(work: () => T) => T;
  state: () => Readonly<AccountState>;
  isStopped: () => boolean;
  commit: <T>(work: (turn: AccountTurn) => T) => T;
}

const TIMER = "payment";

/** One flight for each transfer; a lost answer is asked for again under the same key. */
export class Payouts {
  readonly #ports: PayoutPorts;
  readonly #failures = new Map<string, number>();
  readonly #flying = new Set<string>();

  constructor(ports: PayoutPorts) {
    this.#ports = ports;
  }

  /** Sees that a transfer which the provider has is looked after, and forgets one that has ended. Belongs in its transaction. */
  arm({ id, kind, status, provider, providerRef }: Transfer): void {
    const timers = this.#ports.timers();
    if (status !== "pending" || provider === undefined) {
      timers.clear(TIMER, id);
      return;
    }
    // A deposit that was never begun at the provider cannot be paid, and there is nothing to ask there.
    const wait = providerRef !== undefined ? PAYMENT_LOOK_MS : kind === "withdrawal" ? 0 : null;
    if (wait !== null) timers.arm(TIMER, id, this.#ports.now() + wait);
  }

  /** Whether a timer is one of these. */
  rings({ kind }: Timer): boolean {
    return kind === TIMER;
  }

  /** A timer has rung: the provider is asked to pay, or what has come of it. */
  async ring({ ref: id }: Timer): Promise<void> {
    const { state, timers, tx, now, isStopped } = this.#ports;
    const transfer = state().transfers.get(id);
    if (transfer === undefined || !isPending(transfer)) return tx(() => timers().clear(TIMER, id));
    // The owner's journal may have more to say of it: nothing new is begun before that is known.
    if (isStopped() || state().restoring) return tx(() => timers().arm(TIMER, id, now() + BACKOFF_MAX_MS));
    if (this.#flying.has(id)) return;
    this.#flying.add(id);
    try {
      await (transfer.providerRef === undefined ? this.#pay(transfer) : this.#look(transfer, transfer.providerRef));
    } finally {
      this.#flying.delete(id);
    }
  }

  async #pay(transfer: Transfer): Promise<void> {
    const { desk, name, now, tx, timers, alert } = this.#ports;
    const { id } = transfer;
    // The provider forgets a key after a day, and would then pay a second time.
    if (now() - (transfer.updatedAt ?? transfer.createdAt) > PAYOUT_TRIES_MS) {
      alert(`nobody knows whether ${id} was paid out: look it up at the provider`);
      return tx(() => timers().clear(TIMER, id));
    }
    const outcome = await desk.payOut({ ...transfer, account: name });
    if (outcome.kind === "later") return this.#backOff(id, outcome.afterSeconds ?? 0);
    this.#failures.delete(id);
    if (outcome.kind === "done") this.#hear(id, { outcome: "known", ref: outcome.value.ref });
    else this.#hear(id, { outcome: "failed", ref: null, failure: outcome.reason });
  }

  async #look(transfer: Transfer, ref: string): Promise<void> {
    const { desk, name, now, tx, timers } = this.#ports;
    const outcome = await desk.look({ ...transfer, account: name }, ref);
    if (outcome.kind === "done" && outcome.value.outcome !== "known") this.#hear(transfer.id, outcome.value);
    else tx(() => timers().arm(TIMER, transfer.id, now() + PAYMENT_LOOK_MS));
  }

  #hear(id: string, fact: ProviderFact): void {
    if (this.#ports.isStopped()) return;
    this.#ports.commit((turn) => {
      const known = turn.state.transfers.get(id);
      if (known === undefined) return;
      const heard = providerSays(turn, known, fact);
      if (!heard.ok) this.#ports.alert(`${id}: ${JSON.stringify(heard.refusal)}`);
    });
  }

  #backOff(id: string, leastSeconds: number): void {
    const { tx, timers, now } = this.#ports;
    const failures = (this.#failures.get(id) ?? 0) + 1;
    this.#failures.set(id, failures);
    const pause = Math.min(BACKOFF_FIRST_MS * 2 ** (failures - 1), BACKOFF_MAX_MS);
    tx(() => timers().arm(TIMER, id, now() + Math.max(pause, leastSeconds * 1_000)));
  }
}
