// A client of an account's stream: it hears what is published, asks for what it missed, and knows when it was told wrong.
import type { AccountEvent } from "../../src/core/account/state.ts";

export class Follower {
  readonly #account: string;
  readonly #eventsAfter: (seq: number) => readonly AccountEvent[];
  readonly #breaks: string[] = [];
  readonly #bodies = new Map<number, string>();
  #last = 0;

  constructor(account: string, eventsAfter: (seq: number) => readonly AccountEvent[]) {
    this.#account = account;
    this.#eventsAfter = eventsAfter;
  }

  /** Takes what was published. An act that was told and then not kept would be a break: its number comes again. */
  hear(events: readonly AccountEvent[]): void {
    for (const event of events) {
      if (event.first > this.#last + 1)
        this.#take(this.#eventsAfter(this.#last).filter(({ seq }) => seq < event.first));
      this.#take([event]);
    }
  }

  #take(events: readonly AccountEvent[]): void {
    for (const event of events) {
      // It was told of what these stand for.
      if (event.kind === "base" || event.kind === "kept") continue;
      const known = this.#bodies.get(event.seq);
      const body = `${event.kind} ${event.first} ${event.at}`;
      if (known !== undefined && known !== body)
        this.#breaks.push(`${this.#account}: ${event.seq} was ${known}, then ${body}`);
      if (known === undefined && event.first !== this.#last + 1) {
        this.#breaks.push(`${this.#account}: ${event.first} follows ${this.#last}`);
      }
      this.#bodies.set(event.seq, body);
      this.#last = Math.max(this.#last, event.seq);
    }
  }

  /** Catches up by resuming from the last message heard, and answers all that was wrong. */
  breaks(): string[] {
    this.#take(this.#eventsAfter(this.#last));
    this.#take(this.#eventsAfter(0));
    return this.#breaks;
  }
}
