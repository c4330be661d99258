// What is asked of whoever moves money outside, and what they answer.
import type { ProviderFact } from "./account/reviews.ts";
import type { Transfer } from "./account/transfer-events.ts";

/** A transfer as its provider is told of it: whose it is, too, since what the provider says later comes without a caller. */
export type MovedOutside = Pick<Transfer, "id" | "kind" | "asset" | "amount"> & { account: string };

/**
 * What came of asking: done; `later`: nobody can tell, or not yet, and asking again does no harm, but to no end before
 * `afterSeconds`; `refused`: nothing was moved and nothing will be, for the provider's `reason`.
 */
export type PaymentOutcome<T> =
  | { kind: "done"; value: T }
  | { kind: "later"; reason: string; afterSeconds?: number }
  | { kind: "refused"; reason: string };

/** How an account has a withdrawal paid out, and looks after what is pending. Never throws. */
export interface PaymentDesk {
  /** Pays out, once for each transfer however often it is asked. Answers what the provider calls it. */
  payOut(transfer: MovedOutside): Promise<PaymentOutcome<{ ref: string }>>;
  /** What the provider says of a transfer now: its words may have been lost on the way. */
  look(transfer: MovedOutside, ref: string): Promise<PaymentOutcome<ProviderFact>>;
}
