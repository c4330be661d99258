// What an account pays: each market's own fees, less a discount by what the account has traded in thirty days. Pure: the volume is
// counted from the account's ledger as its fills are booked, and judged as an order is admitted, when its fees are frozen.
import type { LedgerEntry } from "./ledger.ts";
import { DAY_MS } from "./limits.ts";
import type { MarketRules } from "./listings.ts";

/** From which volume on (USD units, over {@link VOLUME_DAYS}) a tier counts, and what it takes off every fee, in percent. */
export interface FeeTier {
  tier: number;
  volume: bigint;
  discountPercent: number;
}

/** UTC days that a volume is summed over, today included: what is traded counts from its fill on. */
export const VOLUME_DAYS = 30;
/** Volume is counted in this asset. */
const COUNTED_IN = "USD";
const MILLION_USD = 1_000_000_000_000n;

/** Every tier, lowest first. Steps of ten keep most accounts one good month from the next. */
export const FEE_TIERS = [
  { tier: 0, volume: 0n, discountPercent: 0 },
  { tier: 1, volume: MILLION_USD / 10n, discountPercent: 10 },
  { tier: 2, volume: MILLION_USD, discountPercent: 20 },
  { tier: 3, volume: MILLION_USD * 10n, discountPercent: 35 },
  { tier: 4, volume: MILLION_USD * 100n, discountPercent: 50 },
] as const satisfies readonly FeeTier[];

/** The tier of a volume. */
export function tierOf(volume: bigint): FeeTier {
  return FEE_TIERS.reduce((best, tier) => (tier.volume <= volume ? tier : best));
}

/** The tier after that of a volume; null at the last. */
export function nextTierOf(volume: bigint): FeeTier | null {
  return FEE_TIERS.find((tier) => tier.volume > volume) ?? null;
}

/** What an order pays in a market at a tier, in hundredths of a percent: whole ones, rounded up. */
export function feesAt(
  rules: Pick<MarketRules, "makerFeeBps" | "takerFeeBps">,
  { discountPercent }: FeeTier,
): Pick<MarketRules, "makerFeeBps" | "takerFeeBps"> {
  const less = (bps: number) => Math.ceil((bps * (100 - discountPercent)) / 100);
  return { makerFeeBps: less(rules.makerFeeBps), takerFeeBps: less(rules.takerFeeBps) };
}

function dayOf(at: number): number {
  return Math.floor(at / DAY_MS);
}

/**
 * Counts what a fill's entry, booked at `at` (ms), has moved against its market, whichever side, and forgets the days that no
 * volume is summed over any more. `volumes`: USD units by UTC day since 1970. The table `volumes` is kept by the same rule.
 */
export function countVolume(volumes: Map<string, bigint>, at: number, entry: LedgerEntry): void {
  const day = dayOf(at);
  for (const known of volumes.keys()) if (Number(known) <= day - VOLUME_DAYS) volumes.delete(known);
  for (const { account, asset, amount } of entry.postings) {
    if (asset !== COUNTED_IN || !account.startsWith("clearing:")) continue;
    volumes.set(String(day), (volumes.get(String(day)) ?? 0n) + (amount < 0n ? -amount : amount));
  }
}

/** What has been traded in the {@link VOLUME_DAYS} that end with the day of `at` (ms), in USD units. */
export function volumeAt(volumes: ReadonlyMap<string, bigint>, at: number): bigint {
  const day = dayOf(at);
  let sum = 0n;
  for (const [known, units] of volumes) if (Number(known) > day - VOLUME_DAYS) sum += units;
  return sum;
}
