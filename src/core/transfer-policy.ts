// What transfers are judged by besides the account itself: how much on one day, what people look at, who moves the money.
import type { TransferKind } from "./account/transfer-events.ts";
import { findAsset } from "./listings.ts";

/**
 * `perDay`: the most that may come in and go out on one UTC day, in USD units; null: there is no such limit. `reviewOver`: a
 * withdrawal worth more waits for two operators; null: none does. `provider`: who moves fiat outside, by name; null: nobody,
 * it is paper and settles at once.
 */
export interface TransferPolicy {
  perDay: Readonly<Record<TransferKind, bigint | null>>;
  reviewOver: bigint | null;
  provider: string | null;
}

/** Figures in place of an environment's own, in USD units; null takes a limit away, what is left out stays. */
export type ChangedLimits = { [K in TransferKind]?: bigint | null } & { reviewOver?: bigint | null };

/** A policy that stands in nobody's way: the contract's, for a local run. */
export const PAPER_POLICY: TransferPolicy = {
  perDay: { deposit: null, withdrawal: null },
  reviewOver: null,
  provider: null,
};

const USD = 1_000_000n;

/** Wherever ENVIRONMENT is not local: what a stolen session could move in one day, and what two people look at before it goes. */
const DEPLOYED: TransferPolicy = {
  perDay: { deposit: 50_000n * USD, withdrawal: 20_000n * USD },
  reviewOver: 5_000n * USD,
  provider: null,
};

/** The policy of an environment, with the figures in `changed` in place of its own. */
export function transferPolicyOf(local: boolean, changed: ChangedLimits, provider: string | null): TransferPolicy {
  const usual = local ? PAPER_POLICY : DEPLOYED;
  const {
    deposit = usual.perDay.deposit,
    withdrawal = usual.perDay.withdrawal,
    reviewOver = usual.reviewOver,
  } = changed;
  return { perDay: { deposit, withdrawal }, reviewOver, provider };
}

/** Who moves an asset outside: fiat alone goes through a provider, all else is paper. */
export function providerOf(policy: TransferPolicy, asset: string): string | null {
  return findAsset(asset)?.class === "fiat" ? policy.provider : null;
}
