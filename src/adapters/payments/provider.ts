// Whoever moves fiat outside: one shape for all providers.
import type { ProviderFact } from "../../core/account/reviews.ts";
import type { MovedOutside, PaymentDesk, PaymentOutcome } from "../../core/payments.ts";
import type { Result } from "../../core/result.ts";

/** What a provider tells on its own: which event, of whose transfer, and what of it. */
export interface PaymentEvent {
  id: string;
  account: string;
  transfer: string;
  fact: ProviderFact;
}

/** What a customer needs to pay a deposit at the provider. It is shown to them alone, and kept nowhere. */
export interface Collection {
  ref: string;
  clientSecret: string;
}

/** A payment provider. Asking never throws. */
export interface PaymentProvider extends PaymentDesk {
  /** Which amounts it moves, in units of the asset: from and to, in whole steps. */
  amounts: { least: bigint; most: bigint; step: bigint };
  /** Begins to collect a deposit, once for each however often it is asked within a day. */
  collect(transfer: MovedOutside): Promise<PaymentOutcome<Collection>>;
  /** A collection that was begun before. */
  collection(ref: string): Promise<PaymentOutcome<Collection>>;
  /**
   * What a signed message says; null for one that is about nothing of ours. Refuses `unauthenticated` for another's signature
   * and for an old one, and `malformed_json`.
   */
  read(body: Uint8Array, signature: string | undefined, nowMs: number): Promise<Result<PaymentEvent | null>>;
}
