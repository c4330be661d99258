// The payment provider of a simulated run: it pays out and collects once for each transfer, and says so late, twice, in another
// order, or about what nobody remembers. In a third of the runs all USD goes through it.
import type { ProviderFact } from "../../src/core/account/reviews.ts";
import type { Transfer } from "../../src/core/account/state.ts";
import type { MovedOutside, PaymentDesk, PaymentOutcome } from "../../src/core/payments.ts";
import { PAPER_POLICY, type TransferPolicy } from "../../src/core/transfer-policy.ts";
import { untilDone } from "./workload.ts";
import type { World } from "./world.ts";

/** In USD units. */
export const REVIEW_OVER = 500_000_000n;
const SAYS_MS_MAX = 4_000;

/** What the provider has done with a transfer. */
interface Moved extends MovedOutside {
  ref: string;
  paid: boolean;
  failed: boolean;
}

export class SimulatedProvider {
  /** Most withdrawals wait for operators; no limit is in anybody's way. */
  readonly policy: TransferPolicy;
  readonly #world: World;
  readonly #moved = new Map<string, Moved>();

  constructor(world: World, isThere: boolean) {
    this.#world = world;
    this.policy = { ...PAPER_POLICY, reviewOver: REVIEW_OVER, provider: isThere ? "stripe" : null };
  }

  /** What an account asks of it. Whoever has died meanwhile hears nothing. */
  desk(alive: () => void): PaymentDesk {
    return {
      payOut: (transfer) => this.#asked(alive, () => this.#payOut(transfer)),
      look: ({ id }) => this.#asked(alive, () => this.#look(id)),
    };
  }

  #asked<T>(alive: () => void, work: () => PaymentOutcome<T>): Promise<PaymentOutcome<T>> {
    return new Promise((resolve) => {
      alive();
      const world = this.#world;
      const { requestLost, answerLost, delayMsMax } = world.faults;
      // Of so few calls many must be lost, or no seed would see it.
      const lost = { kind: "later", reason: "lost" } as const;
      const asked = world.strikes("payment_request_lost", 2 * requestLost) ? lost : work();
      const heard = world.strikes("payment_answer_lost", 2 * answerLost) ? lost : asked;
      world.later(world.random.unit() * delayMsMax, () => resolve(heard));
    });
  }

  #payOut(transfer: MovedOutside): PaymentOutcome<{ ref: string }> {
    const { random } = this.#world;
    const known = this.#moved.get(transfer.id);
    if (known === undefined && random.once(4)) {
      this.#world.count("payout_refused");
      return { kind: "refused", reason: "balance_insufficient" };
    }
    const moved = known ?? this.#begin(transfer);
    return { kind: "done", value: { ref: moved.ref } };
  }

  #look(id: string): PaymentOutcome<ProviderFact> {
    const moved = this.#moved.get(id);
    if (moved === undefined) return { kind: "refused", reason: "resource_missing" };
    const { ref, paid, failed, amount } = moved;
    if (failed) return { kind: "done", value: { outcome: "failed", ref, failure: "no_account" } };
    return { kind: "done", value: paid ? { outcome: "settled", ref, amount } : { outcome: "known", ref } };
  }

  /** A customer pays a deposit, or does not. */
  collect(account: string, transfer: Transfer): void {
    if (!this.#moved.has(transfer.id)) this.#begin({ ...transfer, account });
  }

  #begin(transfer: MovedOutside): Moved {
    const world = this.#world;
    const { random } = world;
    const { id, account, kind, amount } = transfer;
    const moved: Moved = { ...transfer, ref: `ref_${id}`, paid: false, failed: false };
    this.#moved.set(id, moved);
    const { ref } = moved;
    const settled: ProviderFact = { outcome: "settled", ref, amount };
    const failed: ProviderFact = { outcome: "failed", ref, failure: "no_account" };
    // Of a payout failure is the last word; a payment that has come in is.
    const both = kind === "deposit" ? [failed, settled] : [settled, failed];
    const facts = random.once(6) ? both : random.once(6) ? [failed] : [settled];
    if (facts === both) world.count(`${kind}_paid_and_failed`);
    moved.paid = facts.includes(settled);
    moved.failed = facts.includes(failed) && (kind === "withdrawal" || !moved.paid);
    const copies = random.once(3) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) for (const fact of facts) this.#say(account, id, fact);
    return moved;
  }

  #say(account: string, id: string, fact: ProviderFact): void {
    const world = this.#world;
    untilDone(world, 1 + world.random.unit() * SAYS_MS_MAX, () => {
      const heard = world.account(account).transfers.decide(id, fact);
      if (!heard.ok && heard.refusal.code === "unavailable") return "again";
      world.count(heard.ok ? `provider_${fact.outcome}` : `provider_${heard.refusal.code}`);
      return undefined;
    });
  }

  /** What accounts believe of what was moved outside, and must not; what a restore has forgotten of it waits for a person. */
  breaks(): string[] {
    return [...this.#moved.values()].flatMap(({ id, account, paid, failed }) => {
      const { transfers, state } = this.#world.account(account);
      const known = transfers.one(id);
      if (known === undefined || known.status === "pending" || known.status === "pending_review") return [];
      // A restore has forgotten that it came in, and of the provider's words only the older one came again: docs/adr/0025.
      if (state.epoch > 1 && known.kind === "deposit" && known.status === "failed") return [];
      const wanted = failed ? ["failed", "reversed"] : paid ? ["settled", "reversed"] : ["failed"];
      return wanted.includes(known.status) ? [] : [`${id} is ${known.status}, paid ${paid}, failed ${failed}`];
    });
  }
}
