// The journal queue of a simulated run: at least once, in any order, late, sometimes not at all; with its dead letters.
import { type ConsumerBindings, consumeJournal } from "../../src/projections/consumer.ts";
import { consumeDeadLetters } from "../../src/projections/dead-letters.ts";
import type { World } from "./world.ts";

const BATCH_MAX = 100;
const BATCH_WAIT_MS = 1_000;

interface Parcel {
  body: unknown;
  attempts: number;
}

type Outcome = { kind: "acked" } | { kind: "retried"; delaySeconds: number };

export class SimulatedQueue {
  readonly #world: World;
  readonly #bindings: () => ConsumerBindings;
  readonly #waiting: Parcel[] = [];
  #ringing = false;

  constructor(world: World, bindings: () => ConsumerBindings) {
    this.#world = world;
    this.#bindings = bindings;
  }

  /** Takes a message; what becomes of it is the world's to draw. */
  send(message: unknown): void {
    const { faults } = this.#world;
    const sent = structuredClone(message);
    if (this.#world.strikes("queue_lost", faults.queueLost)) return;
    const spoiled = this.#world.strikes("queue_spoiled", faults.queueSpoiled);
    const body = spoiled ? { ...(sent as object), events: ["{"] } : sent;
    this.#arrive({ body, attempts: 0 });
    if (this.#world.strikes("queue_duplicated", faults.queueDuplicated)) this.#arrive({ body, attempts: 0 });
  }

  #arrive(parcel: Parcel, delayMs = 0): void {
    this.#world.later(delayMs + this.#world.random.unit() * this.#world.faults.queueDelayMsMax, () => {
      this.#waiting.push(parcel);
      if (this.#ringing) return;
      this.#ringing = true;
      this.#world.later(BATCH_WAIT_MS, () => this.#deliver(), "awaited");
    });
  }

  async #deliver(): Promise<void> {
    this.#ringing = false;
    const parcels = this.#shuffled(this.#waiting.splice(0)).slice(0, BATCH_MAX);
    const dies = this.#world.chance(this.#world.faults.consumerDies);
    const outcomes = await this.#consume("tradepost-journal", parcels, dies ? this.#world.random.unit() : 1);
    for (const [index, parcel] of parcels.entries()) {
      const outcome = outcomes[index];
      if (outcome?.kind === "acked") continue;
      // A consumer that dies answers for nothing: all that it has not answered comes again.
      const delayMs = outcome?.kind === "retried" ? outcome.delaySeconds * 1_000 : 0;
      this.#world.count(outcome === undefined ? "queue_unanswered" : "queue_retried");
      if (parcel.attempts <= this.#world.faults.queueRetriesMax) this.#arrive(parcel, delayMs);
      else await this.#bury(parcel);
    }
  }

  async #bury(parcel: Parcel): Promise<void> {
    this.#world.count("queue_dead_letter");
    await this.#consume("tradepost-journal-dlq", [parcel], 1);
  }

  /** Hands a batch over. The consumer lives for this share of its words; what it says and asks after that is unheard. */
  async #consume(queue: string, parcels: Parcel[], share: number): Promise<(Outcome | undefined)[]> {
    const outcomes: (Outcome | undefined)[] = parcels.map(() => undefined);
    let words = 0;
    const heard = () => share === 1 || ++words <= share * parcels.length;
    if (share < 1) this.#world.count("consumer_died");
    const messages = parcels.map((parcel, index) => {
      parcel.attempts += 1;
      const say = (outcome: Outcome) => {
        if (heard()) outcomes[index] ??= outcome;
      };
      return {
        id: String(index),
        timestamp: new Date(0),
        body: structuredClone(parcel.body),
        attempts: parcel.attempts,
        ack: () => say({ kind: "acked" }),
        retry: (options?: QueueRetryOptions) => say({ kind: "retried", delaySeconds: options?.delaySeconds ?? 0 }),
      };
    });
    const batch = { queue, messages } as unknown as MessageBatch;
    const consume = queue.endsWith("-dlq") ? consumeDeadLetters : consumeJournal;
    await consume(batch, this.#bindings());
    return outcomes;
  }

  #shuffled<T>(items: T[]): T[] {
    return items
      .map((item) => ({ item, at: this.#world.random.unit() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  }
}
