// What must hold of an order book after every event, as sentences about what does not.
import { type Book, type BookSide, HOUSE, isBetter, type Level, type RestingOrder, shownOf } from "./book.ts";
import { houseOrderId } from "./market/quotes.ts";

/**
 * B1 and B3, one sentence for each that is broken: not crossed where it must not be (`uncrossed`), sorted, no empty or wrongly
 * summed level, time order within each.
 */
export function bookBreaks(book: Book, uncrossed: boolean): string[] {
  const breaks = [...sideBreaks(book.buy), ...sideBreaks(book.sell)];
  const [bid] = book.buy.prices;
  const [ask] = book.sell.prices;
  if (uncrossed && bid !== undefined && ask !== undefined && bid >= ask)
    breaks.push(`the book is crossed: bid ${bid}, ask ${ask}`);
  return breaks;
}

function sideBreaks(side: BookSide): string[] {
  const breaks: string[] = [];
  if (side.prices.length !== side.levels.size) {
    breaks.push(`${side.side} has ${side.prices.length} prices and ${side.levels.size} levels`);
  }
  side.prices.forEach((price, index) => {
    const before = side.prices[index - 1];
    if (before !== undefined && !isBetter(side.side, before, price))
      breaks.push(`${side.side} has ${before} before ${price}`);
    const level = side.levels.get(price);
    if (level === undefined) breaks.push(`${side.side} ${price} has no level`);
    else breaks.push(...levelBreaks(side, price, level));
  });
  return breaks;
}

/** What an iceberg shows is something, of what it has, and no more than it was told to. */
function shownBreaks({ id, leaves, displayQty, shownQty }: RestingOrder): string[] {
  const shown = shownQty ?? 0n;
  const wrong = displayQty === undefined ? shownQty !== undefined : shown <= 0n || shown > displayQty || shown > leaves;
  return wrong ? [`order ${id} shows ${shownQty} of ${leaves}, where it may show ${displayQty ?? "all"}`] : [];
}

function levelBreaks(side: BookSide, price: bigint, level: Level): string[] {
  const breaks: string[] = [];
  const where = `level ${side.side} ${price}`;
  if (level.price !== price) breaks.push(`${where} thinks its price is ${level.price}`);
  if (level.orders.size === 0) breaks.push(`${where} is empty`);
  let total = 0n;
  let seq = 0;
  for (const [id, order] of level.orders) {
    total += shownOf(order);
    if (order.id !== id || order.side !== side.side || order.price !== price)
      breaks.push(`${where} has the foreign order ${order.id}`);
    if (order.account === HOUSE && id !== houseOrderId(side.side, price))
      breaks.push(`${where} has the house's order ${id}`);
    if (order.leaves <= 0n) breaks.push(`order ${id} rests with ${order.leaves} left`);
    breaks.push(...shownBreaks(order));
    if (order.seq <= seq) breaks.push(`${where} has order ${id} of ${order.seq} after ${seq}`);
    seq = order.seq;
  }
  if (total !== level.total) breaks.push(`${where} has ${total} and says ${level.total}`);
  return breaks;
}
