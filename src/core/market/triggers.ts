// Orders that wait for the reference price: who is due at one, and how triggers that trail follow it.
import type { BookOrder } from "../book.ts";
import type { Watch } from "../house.ts";
import { type Trail, type Trigger, trailFrom } from "../order.ts";
import { isAsleep } from "./groups.ts";
import { Thresholds } from "./thresholds.ts";

/** An order that waits. */
export type WaitingOrder = BookOrder & { trigger: Trigger };

/** Whether an order waits for its trigger. */
export function isWaiting(order: BookOrder): order is WaitingOrder {
  return order.trigger !== undefined && !isAsleep(order);
}

/** A trigger that trails. */
type Trailing = Trigger & { trail: Trail };

/** The reference prices of a stretch of time, in quote units per whole base unit. */
export interface Range {
  low: bigint;
  high: bigint;
}

/** One trigger that has followed the reference price, and where it stands now. */
export interface Trailed {
  orderId: string;
  price: bigint;
}

/** The orders of a market that wait, by the reference price that each waits for. */
export class Waiting {
  readonly #rising = new Thresholds();
  /** By the price below zero: it comes up as the reference price falls. */
  readonly #falling = new Thresholds();
  readonly #orders = new Map<string, WaitingOrder>();
  readonly #trailing = new Map<string, Trailing>();

  /** How many orders wait. */
  get size(): number {
    return this.#orders.size;
  }

  /** Whether an order waits. */
  has(id: string): boolean {
    return this.#orders.has(id);
  }

  /** Whether any trigger trails: then each step of the price counts, not only those that something is due at. */
  get trails(): boolean {
    return this.#trailing.size > 0;
  }

  /** What the market must be woken for: changes when another order would be the first one due. */
  get key(): string {
    return `${this.#rising.first()}/${this.#falling.first()}/${this.#trailing.size}`;
  }

  /** Adds an order, or puts it where its trigger stands now. */
  set(order: WaitingOrder): void {
    const { id, trigger } = order;
    this.#orders.set(id, order);
    const { trail } = trigger;
    if (trail !== null) this.#trailing.set(id, { ...trigger, trail });
    if (trigger.when === "rises") this.#rising.set(id, Number(trigger.price));
    else this.#falling.set(id, -Number(trigger.price));
  }

  /** Takes an order out. */
  delete(id: string): void {
    this.#orders.delete(id);
    this.#trailing.delete(id);
    this.#rising.delete(id);
    this.#falling.delete(id);
  }

  /** The orders whose trigger a reference price has reached, in the order in which they came to the market. */
  due(reference: bigint): WaitingOrder[] {
    const price = Number(reference);
    const ids = [...this.#rising.due(price), ...this.#falling.due(-price)].map(({ id }) => id);
    const orders = ids.map((id) => this.#orders.get(id)).filter((order) => order !== undefined);
    return orders.sort((a, b) => a.seq - b.seq);
  }

  /** The triggers that move when the reference price has been as low and as high as `range`. */
  trailed(range: Range, tickSize: bigint): Trailed[] {
    const moved: Trailed[] = [];
    for (const [orderId, trigger] of this.#trailing) {
      const price = follow(trigger, range, tickSize);
      if (price !== trigger.price) moved.push({ orderId, price });
    }
    return moved;
  }

  /**
   * Sees the price go on from `range`, which it widens by each step that it is shown, and says at which one an order is due.
   * Null when none waits. `tickSize` in quote units.
   */
  watch(range: Range, tickSize: bigint): Watch | null {
    if (this.size === 0) return null;
    const rising = this.#rising.first() ?? Number.POSITIVE_INFINITY;
    const falling = -(this.#falling.first() ?? Number.POSITIVE_INFINITY);
    let bounds = this.#bounds(range, tickSize);
    return (ticks) => {
      const reference = BigInt(ticks) * tickSize;
      if (widen(range, reference)) bounds = this.#bounds(range, tickSize);
      const price = Number(reference);
      return price >= rising || price <= falling || reference >= bounds.rises || reference <= bounds.falls;
    };
  }

  /** The nearest prices at which a trigger that trails is due after `range`. */
  #bounds(range: Range, tickSize: bigint): { rises: bigint; falls: bigint } {
    // Beyond any price: nothing is due there.
    const bounds = { rises: 2n ** 64n, falls: -1n };
    for (const trigger of this.#trailing.values()) {
      const price = follow(trigger, range, tickSize);
      if (trigger.when === "rises" && price < bounds.rises) bounds.rises = price;
      if (trigger.when === "falls" && price > bounds.falls) bounds.falls = price;
    }
    return bounds;
  }
}

/** Widens a range to a reference price; whether it was outside. */
export function widen(range: Range, reference: bigint): boolean {
  if (reference >= range.low && reference <= range.high) return false;
  if (reference < range.low) range.low = reference;
  if (reference > range.high) range.high = reference;
  return true;
}

/** Where a trigger stands once the reference price has been as low and as high as `range`: it follows, and never goes back. */
function follow({ when, price, trail }: Trailing, { low, high }: Range, tickSize: bigint): bigint {
  const next = trailFrom(when, trail, when === "rises" ? low : high, tickSize);
  const closer = when === "rises" ? next < price : next > price;
  return closer ? next : price;
}
