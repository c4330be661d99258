// Who waits for a market to speak of an order.
import { isContainer } from "../../core/groups.ts";
import { isOpen, isReplacing, type Order } from "../../core/order.ts";

/** The promise of an order that waits for nothing. */
export const SETTLED: Promise<void> = Promise.resolve();

/** What it needs of the account: an order while it is open, and whether a market is told anything. */
export interface WaiterPorts {
  openOrder: (id: string) => Order | undefined;
  isParked: (symbol: string) => boolean;
}

/** Those who wait, by order; in memory alone, since nobody waits longer than a request. */
export class Waiters {
  readonly #ports: WaiterPorts;
  readonly #waiters = new Map<string, (() => void)[]>();
  /** The parents among those that are waited for. */
  readonly #containers = new Set<string>();

  constructor(ports: WaiterPorts) {
    this.#ports = ports;
  }

  /** Resolves when the order's market has answered what it was last asked; at once when nobody will ask it. */
  settled(order: Order): Promise<void> {
    if (!isWaiting(order) || this.#ports.isParked(order.symbol)) return SETTLED;
    if (isContainer(order)) this.#containers.add(order.id);
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(order.id) ?? [];
      waiters.push(resolve);
      this.#waiters.set(order.id, waiters);
    });
  }

  /** Answers who waits for an order, if its market has spoken; whether it has. */
  wake(orderId: string): boolean {
    const order = this.#ports.openOrder(orderId);
    if (order !== undefined && isWaiting(order)) return false;
    for (const resolve of this.#waiters.get(orderId) ?? []) resolve();
    this.#waiters.delete(orderId);
    return true;
  }

  /** Answers who waits for a parent that no market reports of: it follows its legs. */
  wakeParents(): void {
    for (const id of this.#containers) if (this.wake(id)) this.#containers.delete(id);
  }
}

function isWaiting(order: Order): boolean {
  if (order.status === "pending_new") return true;
  return isOpen(order.status) && (order.cancelRequested || isReplacing(order));
}
