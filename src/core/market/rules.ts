// A market's rules as they change: always as a whole, one version later, with who changed them and why.
import type { MarketRules } from "../listings.ts";
import { BASE_TICKS_MAX } from "../prices.ts";
import { type FieldError, ok, type Result, refuse } from "../result.ts";
import { emit, type MarketTurn } from "./turn.ts";

/** Who changes the rules of a market, by user id, and why; the market itself has no reason of its own. */
export interface RuleAct {
  by: string | null;
  reason?: string;
}

/** Versions of another life of the market begin elsewhere: one number never means two sets of rules. */
const VERSIONS_PER_EPOCH = 1_000_000;

/** Puts other rules in force, one version later. */
export function enact(turn: MarketTurn, change: Partial<MarketRules>, act: RuleAct): void {
  const { rules, epoch } = turn.state;
  const version = Math.max(rules.version, (epoch - 1) * VERSIONS_PER_EPOCH) + 1;
  emit(turn, { kind: "rules", rules: { ...rules, ...change, version }, ...act });
}

/** What operators may change of a market's rules; amounts in units, what is left out stays. */
export type RulesChange = Partial<
  Pick<
    MarketRules,
    | "tickSize"
    | "lotSize"
    | "minNotional"
    | "maxQty"
    | "maxOpenOrders"
    | "priceBandBps"
    | "breakerBps"
    | "breakerWindowMs"
    | "breakerHaltMs"
    | "makerFeeBps"
    | "takerFeeBps"
  >
>;

/**
 * Changes rules; what is as it was makes no new version. Refuses `validation_failed` for a tick and a lot that would have notionals
 * rounded, and for a `maxQty` that is not in whole lots; and `market_not_empty` for another tick or lot while orders are open:
 * they would be off it.
 */
export function changeRules(turn: MarketTurn, change: RulesChange, act: RuleAct): Result<null> {
  const { rules, orders } = turn.state;
  const after = { ...rules, ...change };
  const misfit = misfitOf(after);
  if (misfit !== null) return refuse({ code: "validation_failed", errors: [misfit] });
  const regridded = after.tickSize !== rules.tickSize || after.lotSize !== rules.lotSize;
  if (regridded && orders.size > 0) {
    const detail = `Tick and lot cannot change while orders are open: there are ${orders.size}.`;
    return refuse({ code: "market_not_empty", detail });
  }
  const names = Object.keys(change) as (keyof RulesChange)[];
  if (names.some((name) => change[name] !== rules[name])) enact(turn, change, act);
  return ok(null);
}

function misfitOf({ tickSize, lotSize, maxQty, basePrice, baseScale }: MarketRules): FieldError | null {
  const ticks = basePrice / tickSize;
  if (ticks < 1n || ticks > BASE_TICKS_MAX)
    return { pointer: "/tick_size", code: "invalid", detail: "Prices here cannot be told in such ticks." };
  if ((tickSize * lotSize) % 10n ** BigInt(baseScale) !== 0n)
    return {
      pointer: "/tick_size",
      code: "not_whole",
      detail: "Tick times lot must be a whole number of quote units.",
    };
  if (maxQty % lotSize !== 0n) return { pointer: "/max_qty", code: "not_whole", detail: "It must be in whole lots." };
  return null;
}
