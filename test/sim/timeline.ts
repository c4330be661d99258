// Time in a simulated run: a list of what is due, one after the other in one thread, and one source of chance.
import { type Random, randomOf } from "../support/random.ts";

/** `awaited`: time stands still until it has ended; for what waits for the machine and never for a later event. */
type Waiting = "alone" | "awaited";

interface Due {
  at: number;
  run: () => void | Promise<void>;
  waiting: Waiting;
}

/** An object died, or its storage failed, in the middle of what it was doing: whoever asked cannot know what came of it. */
export class Crash extends Error {}

/** More turns than the longest chain of promises between two events has; a real pause would cost most of a run. */
const MICROTASK_TURNS = 30;
const START_MS = 1_800_000_000_000;

export class Timeline {
  readonly random: Random;
  /** How often each fault struck and each point was reached. */
  readonly counts: Record<string, number> = {};
  /** What must never happen and did. */
  readonly alerts: string[] = [];
  now = START_MS;
  readonly #due: Due[] = [];

  constructor(seed: number) {
    this.random = randomOf(seed);
  }

  /** Notes that something happened. */
  count(what: string, times = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + times;
  }

  /** True with this likelihood; a likelihood of zero draws nothing. */
  chance(rate: number): boolean {
    return rate > 0 && this.random.unit() < rate;
  }

  /** Whether a fault of this likelihood happens now; one that does is counted. */
  strikes(what: string, rate: number): boolean {
    const struck = this.chance(rate);
    if (struck) this.count(what);
    return struck;
  }

  /** Runs `run` in `ms` of simulated time. */
  later(ms: number, run: Due["run"], waiting: Waiting = "alone"): void {
    const at = this.now + ms;
    let low = 0;
    let high = this.#due.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#due[middle]?.at ?? at) <= at) low = middle + 1;
      else high = middle;
    }
    this.#due.splice(low, 0, { at, run, waiting });
  }

  /** Runs what is due until `untilMs` of simulated time. */
  async run(untilMs: number): Promise<void> {
    for (;;) {
      const next = this.#due[0];
      if (next === undefined || next.at > untilMs) break;
      this.#due.shift();
      this.now = Math.max(this.now, next.at);
      const done = this.#start(next);
      if (next.waiting === "awaited") await done;
      // Lets the promises that this event resolved run on before time does.
      for (let turn = 0; turn < MICROTASK_TURNS; turn += 1) await null;
    }
    this.now = Math.max(this.now, untilMs);
  }

  async #start(due: Due): Promise<void> {
    try {
      await due.run();
    } catch (error) {
      if (!(error instanceof Crash)) this.alerts.push(String(error));
    }
  }
}
