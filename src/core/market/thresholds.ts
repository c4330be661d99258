// Which orders something is due for once a rising number reaches them: their ends by the time, triggers by the price. The
// first is found at once, however many there are: a binary heap beside a map.

/** Where one order comes up; `place` is its turn among those that come up at the same number. */
interface Threshold {
  id: string;
  at: number;
  place: number;
}

/** What has been deleted stays in the heap until it comes up, or until it is most of it. */
const HEAP_SLACK = 64;

/** Orders by the number at which they come up. Setting and deleting one costs O(log n), asking for the first next to nothing. */
export class Thresholds {
  readonly #live = new Map<string, Threshold>();
  #heap: Threshold[] = [];
  #places = 0;

  /** How many orders are in it. */
  get size(): number {
    return this.#live.size;
  }

  /** Where an order comes up; undefined when it is not in it. */
  get(id: string): number | undefined {
    return this.#live.get(id)?.at;
  }

  /** Every order in it, as they came. */
  keys(): IterableIterator<string> {
    return this.#live.keys();
  }

  /** Puts an order at a number, in place of any it had. */
  set(id: string, at: number): void {
    const threshold = { id, at, place: this.#places };
    this.#places += 1;
    this.#live.set(id, threshold);
    this.#heap.push(threshold);
    this.#rise(this.#heap.length - 1);
    this.#compact();
  }

  /** Takes an order out. */
  delete(id: string): void {
    if (this.#live.delete(id)) this.#compact();
  }

  /** The first number at which an order comes up; null when none does. */
  first(): number | null {
    let top = this.#heap[0];
    while (top !== undefined && !this.#isLive(top)) {
      this.#pop();
      top = this.#heap[0];
    }
    return top?.at ?? null;
  }

  /** The orders that have come up by `now`, first ones first, equal ones as they came. They stay until they are deleted. */
  due(now: number): { id: string; at: number }[] {
    const found: Threshold[] = [];
    const look = [0];
    for (let index = look.pop(); index !== undefined; index = look.pop()) {
      const threshold = this.#heap[index];
      // Nothing below comes up earlier.
      if (threshold === undefined || threshold.at > now) continue;
      if (this.#isLive(threshold)) found.push(threshold);
      look.push(2 * index + 1, 2 * index + 2);
    }
    return found.sort((a, b) => (isBefore(a, b) ? -1 : 1)).map(({ id, at }) => ({ id, at }));
  }

  #isLive(threshold: Threshold): boolean {
    return this.#live.get(threshold.id) === threshold;
  }

  /** Orders that are taken out long before they come up would otherwise fill the memory. */
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

function isBefore(a: Threshold, b: Threshold): boolean {
  return a.at === b.at ? a.place < b.place : a.at < b.at;
}
