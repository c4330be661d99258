// What the caller pays for trades: the volume is the account's own, the fees that it takes something off are the markets'.
import { type FeeTier, feesAt, nextTierOf, tierOf } from "../../core/fees.ts";
import { formatUnits } from "../../core/ledger.ts";
import { ok, type Result } from "../../core/result.ts";
import type { Caller, MarketView } from "../../objects/protocol.ts";
import { type AccountAccess, askAccount, readAllRules } from "../../objects/stubs.ts";

/** A volume in USD units, and every market's rules. */
export interface Fees {
  volume: bigint;
  markets: MarketView[];
}

/** The caller's volume, and the markets' fees as they were a second ago at most. */
export async function readFees(ctx: AccountAccess, nowMs: number): Promise<Result<Fees>> {
  const volume = await askAccount<bigint, Caller>(ctx, async (account, caller) => account.volume(caller));
  return volume.ok ? ok({ volume: volume.value, markets: await readAllRules(ctx.env, nowMs) }) : volume;
}

/** Fees as the contract shows them. */
export function wireFees({ volume, markets }: Fees) {
  const tier = tierOf(volume);
  const next = nextTierOf(volume);
  return {
    volume_30d: formatUnits(volume, "USD"),
    tier: wireTier(tier),
    next_tier: next === null ? null : wireTier(next),
    markets: markets.map(({ rules }) => {
      const { makerFeeBps, takerFeeBps } = feesAt(rules, tier);
      return { symbol: rules.symbol, maker_fee_bps: makerFeeBps, taker_fee_bps: takerFeeBps };
    }),
  };
}

function wireTier({ tier, volume, discountPercent }: FeeTier) {
  return { tier, volume: formatUnits(volume, "USD"), discount_percent: discountPercent };
}
