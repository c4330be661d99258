// One market's resting orders: price levels best first, in each level first come first served. No matching here.

import type { Membership } from "./groups.ts";
import type { SelfTradePrevention, Side, TimeInForce, Trigger } from "./order.ts";
import { invariant } from "./result.ts";

/** The owner of the house's quotes: it has no account object, no hold and no report. */
export const HOUSE = "house";

/**
 * An order as its market keeps it. `leaves` in base units, null when only the budget bounds it; `budget` is what is
 * still held for it, in quote units for a buy and base units for a sell; `seq` is its place in time.
 */
export interface BookOrder {
  id: string;
  account: string;
  side: Side;
  price: bigint | null;
  leaves: bigint | null;
  timeInForce: TimeInForce;
  selfTradePrevention: SelfTradePrevention;
  makerFeeBps: number;
  takerFeeBps: number;
  budget: bigint;
  feeNumerator: bigint;
  fee: bigint;
  expiresAt: number | null;
  seq: number;
  /** What it still waits for, outside of the book. */
  trigger?: Trigger | undefined;
  /** Its place in a group. An exit with nothing left is asleep until its entry fills. */
  group?: Membership;
  /** The most that it shows at a time, in base units; an order without shows all that it has left. */
  displayQty?: bigint;
  /** What it shows now, while it rests and has a `displayQty`. */
  shownQty?: bigint;
}

/** An order that rests: it has a price and a quantity. */
export interface RestingOrder extends BookOrder {
  price: bigint;
  leaves: bigint;
}

/** The orders at one price, first come first; `total` is what they show, in base units. */
export interface Level {
  price: bigint;
  total: bigint;
  orders: Map<string, RestingOrder>;
}

/** One side: `prices` sorted best first, `levels` by price. */
export interface BookSide {
  side: Side;
  prices: bigint[];
  levels: Map<bigint, Level>;
}

/** A market's resting orders, customers' and the house's. */
export interface Book {
  buy: BookSide;
  sell: BookSide;
}

/** A book with nothing in it. */
export function emptyBook(): Book {
  return {
    buy: { side: "buy", prices: [], levels: new Map() },
    sell: { side: "sell", prices: [], levels: new Map() },
  };
}

/** The other side. */
export function opposite(side: Side): Side {
  return side === "buy" ? "sell" : "buy";
}

/** Whether price `a` is strictly better than `b` for a resting order of this side. */
export function isBetter(side: Side, a: bigint, b: bigint): boolean {
  return side === "buy" ? a > b : a < b;
}

/** Whether an incoming order of `side` with limit `limit` accepts a resting price on the other side. */
export function accepts(side: Side, limit: bigint, restingPrice: bigint): boolean {
  return side === "buy" ? restingPrice <= limit : restingPrice >= limit;
}

/** The index of the first price that is not better than `price`: where it stands or belongs. */
function positionOf(side: BookSide, price: bigint): number {
  let low = 0;
  let high = side.prices.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = side.prices[middle];
    if (at !== undefined && isBetter(side.side, at, price)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What is left of an order by quantity, in base units. Throws InvariantError for one that its money alone bounds. */
export function leftOf({ id, leaves }: BookOrder): bigint {
  invariant(leaves !== null, `order ${id} has no quantity`);
  return leaves;
}

/** What a resting order shows, in base units: all that it has left, but for an iceberg. */
export function shownOf({ shownQty, leaves }: RestingOrder): bigint {
  return shownQty ?? leaves;
}

/** What an iceberg with so much left shows next. */
export function nextShown(displayQty: bigint, leaves: bigint): bigint {
  return displayQty < leaves ? displayQty : leaves;
}

/** Puts an order at the end of its level. Throws InvariantError when it is there already. */
export function addToBook(book: Book, order: RestingOrder): void {
  const side = book[order.side];
  let level = side.levels.get(order.price);
  if (level === undefined) {
    level = { price: order.price, total: 0n, orders: new Map() };
    side.levels.set(order.price, level);
    side.prices.splice(positionOf(side, order.price), 0, order.price);
  }
  invariant(!level.orders.has(order.id), `order ${order.id} rests already`);
  if (order.displayQty !== undefined) order.shownQty ??= nextShown(order.displayQty, order.leaves);
  level.orders.set(order.id, order);
  level.total += shownOf(order);
}

/**
 * Trades `qty` base units of what a resting order shows. An iceberg that has traded all of it shows more, with the place in
 * time `seq`, behind all others at its price. Throws InvariantError for more than it shows.
 */
export function fillInBook(book: Book, order: RestingOrder, qty: bigint, seq: number): void {
  const { displayQty, shownQty } = order;
  invariant(qty <= shownOf(order), `cannot trade ${qty} of ${shownOf(order)} that ${order.id} shows`);
  if (displayQty === undefined || shownQty === undefined || qty === order.leaves) {
    reduceInBook(book, order, qty);
    return;
  }
  const level = levelAt(book[order.side], order.price);
  invariant(level.orders.get(order.id) === order, `order ${order.id} does not rest`);
  order.leaves -= qty;
  level.total -= qty;
  order.shownQty = shownQty - qty;
  if (order.shownQty > 0n) return;
  order.shownQty = nextShown(displayQty, order.leaves);
  order.seq = seq;
  level.orders.delete(order.id);
  level.orders.set(order.id, order);
  level.total += order.shownQty;
}

/** Takes `qty` base units off a resting order, of what it hides first; an order or a level with nothing left disappears. */
export function reduceInBook(book: Book, order: RestingOrder, qty: bigint): void {
  const side = book[order.side];
  const level = side.levels.get(order.price);
  invariant(level?.orders.get(order.id) === order, `order ${order.id} does not rest`);
  invariant(qty > 0n && qty <= order.leaves, `cannot take ${qty} of ${order.leaves} from ${order.id}`);
  const shown = shownOf(order);
  order.leaves -= qty;
  if (order.shownQty !== undefined) order.shownQty = nextShown(order.shownQty, order.leaves);
  level.total -= shown - shownOf(order);
  if (order.leaves > 0n) return;
  level.orders.delete(order.id);
  if (level.orders.size > 0) return;
  side.levels.delete(order.price);
  side.prices.splice(positionOf(side, order.price), 1);
}

/** The level at one of a side's prices. Throws InvariantError when there is none: prices and levels have come apart. */
export function levelAt(side: BookSide, price: bigint): Level {
  const level = side.levels.get(price);
  invariant(level !== undefined, `${side.side} ${price} has no level`);
  return level;
}

/** The resting order at this side and price with this id, if there is one. */
export function findInBook(book: Book, side: Side, price: bigint, id: string): RestingOrder | undefined {
  return book[side].levels.get(price)?.orders.get(id);
}

/** The best price of a side, or null when it is empty; with `exceptHouse`, of customers' orders alone. */
export function bestPrice(side: BookSide, exceptHouse = false): bigint | null {
  if (!exceptHouse) return side.prices[0] ?? null;
  for (const price of side.prices) {
    for (const order of levelAt(side, price).orders.values()) if (order.account !== HOUSE) return price;
  }
  return null;
}

/** The first price at which an order of `side` with this limit would trade with what rests on the other side; null for none. */
export function crossedPrice(book: Book, side: Side, limit: bigint): bigint | null {
  const best = bestPrice(book[opposite(side)]);
  return best !== null && accepts(side, limit, best) ? best : null;
}

/** Whether an order of `side` with this limit would trade with what rests on the other side. */
export function crosses(book: Book, side: Side, limit: bigint): boolean {
  return crossedPrice(book, side, limit) !== null;
}

/** Throws InvariantError when someone would buy for more than someone else would sell for: matching has failed. */
export function assertUncrossed(book: Book): void {
  const bid = bestPrice(book.buy);
  const ask = bestPrice(book.sell);
  invariant(bid === null || ask === null || bid < ask, `the book is crossed: ${bid} bid, ${ask} asked`);
}

/** The best `depth` levels of each side as [price, total] pairs, best first. */
export function depthOf(book: Book, depth: number): { bids: [bigint, bigint][]; asks: [bigint, bigint][] } {
  const top = (side: BookSide) =>
    side.prices.slice(0, depth).map((price): [bigint, bigint] => [price, levelAt(side, price).total]);
  return { bids: top(book.buy), asks: top(book.sell) };
}
