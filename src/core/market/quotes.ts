// The house's quotes in a market's book.
import { addToBook, HOUSE, type RestingOrder, reduceInBook } from "../book.ts";
import type { HouseQuote } from "../house.ts";
import type { Side } from "../order.ts";
import { invariant } from "../result.ts";
import type { MarketState } from "./state.ts";

/** The id under which the house's quote at one price stands in the book. */
export function houseOrderId(side: Side, price: bigint): string {
  return `${HOUSE}-${side}-${price}`;
}

/** The quotes of a step in place of those before. Throws InvariantError for a step that has been. */
export function placeQuotes(state: MarketState, step: number, quotes: HouseQuote[]): void {
  invariant(step > state.step, `step ${step} after ${state.step}`);
  state.step = step;
  removeQuotes(state);
  for (const quote of quotes) addToBook(state.book, houseOrder(quote, state.seq));
}

/** Takes the house out of the book. */
export function removeQuotes(state: MarketState): void {
  for (const side of [state.book.buy, state.book.sell]) {
    for (const level of [...side.levels.values()]) {
      const quote = level.orders.get(houseOrderId(side.side, level.price));
      if (quote !== undefined) reduceInBook(state.book, quote, quote.leaves);
    }
  }
}

/** The house's quote as an order: no fee, no owner's hold. */
export function houseOrder(quote: HouseQuote, seq: number): RestingOrder {
  return {
    id: houseOrderId(quote.side, quote.price),
    account: HOUSE,
    side: quote.side,
    price: quote.price,
    leaves: quote.qty,
    timeInForce: "gtc",
    selfTradePrevention: "none",
    makerFeeBps: 0,
    takerFeeBps: 0,
    // Nothing is held for the house: more than any quote may cost.
    budget: 2n ** 80n,
    feeNumerator: 0n,
    fee: 0n,
    expiresAt: null,
    seq,
  };
}
