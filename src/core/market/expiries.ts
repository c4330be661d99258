// Which orders end by themselves, and when: the earliest is found at once, however many there are. A binary heap beside a map.

/** One order's end; `place` is its turn among those that end in the same millisecond. */
interface Expiry {
  id: string;
  at: number;
  place: number;
}

/** What has been deleted stays in the heap until it comes up, or until it is most of it. */
const HEAP_SLACK = 64;

/** The ends of orders, in ms. Setting and deleting one costs O(log n), asking for the earliest next to nothing. */
export class Expiries {
  readonly #live = new Map<string, Expiry>();
  #heap: Expiry[] = [];
  #places = 0;

  /** How many orders have an end. */
  get size(): number {
    return this.#live.size;
  }

  /** When an order ends; undefined when it does not. */
  get(id: string): number | undefined {
    return this.#live.get(id)?.at;
  }

  /** Every order that has an end, as they came. */
  keys(): IterableIterator<string> {
    return this.#live.keys();
  }

  /** Gives an order its end, in place of any it had. */
  set(id: string, at: number): void {
    const expiry = { id, at, place: this.#places };
    this.#places += 1;
    this.#live.set(id, expiry);
    this.#heap.push(expiry);
    this.#rise(this.#heap.length - 1);
    this.#compact();
  }

  /** Forgets an order's end. */
  delete(id: string): void {
    if (this.#live.delete(id)) this.#compact();
  }

  /** The first moment at which an order ends; null when none does. */
  earliest(): number | null {
    let top = this.#heap[0];
    while (top !== undefined && !this.#isLive(top)) {
      this.#pop();
      top = this.#heap[0];
    }
    return top?.at ?? null;
  }

  /** The orders that have ended by `now`, earliest first, equal ones as they came. They stay until they are deleted. */
  due(now: number): { id: string; at: number }[] {
    const found: Expiry[] = [];
    const look = [0];
    for (let index = look.pop(); index !== undefined; index = look.pop()) {
      const expiry = this.#heap[index];
      // Nothing below ends earlier.
      if (expiry === undefined || expiry.at > now) continue;
      if (this.#isLive(expiry)) found.push(expiry);
      look.push(2 * index + 1, 2 * index + 2);
    }
    return found.sort((a, b) => (isBefore(a, b) ? -1 : 1)).map(({ id, at }) => ({ id, at }));
  }

  #isLive(expiry: Expiry): boolean {
    return this.#live.get(expiry.id) === expiry;
  }

  /** Orders canceled long before their end would otherwise fill the memory. */
  #compact(): void {
    if (this.#heap.length <= 2 * this.#live.size + HEAP_SLACK) return;
    // Sorted is a heap, too.
    this.#heap = [...this.#live.values()].sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #rise(from: number): void {
    for (let index = from; index > 0; ) {
      const above = (index - 1) >>> 1;
      if (!this.#swapIfBefore(index, above)) return;
      index = above;
    }
  }

  #sink(from: number): void {
    for (let index = from; ; ) {
      const left = this.#heap[2 * index + 1];
      const right = this.#heap[2 * index + 2];
      if (left === undefined) return;
      const least = right !== undefined && isBefore(right, left) ? 2 * index + 2 : 2 * index + 1;
      if (!this.#swapIfBefore(least, index)) return;
      index = least;
    }
  }

  /** Swaps two when the lower one belongs above; whether it did. */
  #swapIfBefore(lower: number, upper: number): boolean {
    const below = this.#heap[lower];
    const above = this.#heap[upper];
    if (below === undefined || above === undefined || !isBefore(below, above)) return false;
    this.#heap[lower] = above;
    this.#heap[upper] = below;
    return true;
  }
}

function isBefore(a: Expiry, b: Expiry): boolean {
  return a.at === b.at ? a.place < b.place : a.at < b.at;
}
