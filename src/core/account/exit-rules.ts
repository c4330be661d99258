// What the rules of a market mean for an exit: its quantity is not its own, its prices are.
import { exitsMisplaced } from "../broken-rules.ts";
import type { MarketRules } from "../listings.ts";
import { bandOf, type OrderTerms, type Side, type Trigger } from "../order.ts";
import type { Refusal } from "../result.ts";
import { brokenRule } from "./admission.ts";

/** The price at which an exit that buys without a limit is held: the edge of the band around its trigger. */
export function capOf(
  side: Side,
  limitPrice: bigint | null,
  { price }: Pick<Trigger, "price">,
  reference: bigint,
  rules: MarketRules,
): bigint | null {
  if (side === "sell" || limitPrice !== null) return null;
  return bandOf(price > reference ? price : reference, rules.priceBandBps, rules.tickSize).high;
}

/**
 * The first rule that an exit breaks: its prices are on tick, and a limit inside the band. How much it is for and worth is not
 * its own: it goes by its entry's fills.
 */
export function brokenExitRule(
  exit: OrderTerms,
  rules: MarketRules,
  reference: bigint,
  now: number,
  kept: bigint | null = null,
): Refusal | null {
  const lot = { ...exit, qty: rules.lotSize, notional: null, expiresAt: null };
  return brokenRule(lot, { ...rules, minNotional: 0n }, reference, now, kept);
}

/**
 * Refuses prices of profit, entry and loss, as far as there are any, that are not in their order: of exits that sell, each above
 * the next; the other way for those that buy.
 */
export function misplacement(
  rules: MarketRules,
  side: Side,
  ladder: readonly [profit: bigint | null, entry: bigint | null, loss: bigint | null],
): Refusal | null {
  const prices = ladder.filter((price) => price !== null);
  if (side === "buy") prices.reverse();
  for (const [index, price] of prices.entries()) {
    const above = prices[index - 1];
    if (above !== undefined && price >= above) return exitsMisplaced(rules, above, price);
  }
  return null;
}
