// What an object keeps in memory of its tables, the one transaction that changes both, and what stops the object: a broken
// invariant, or rows that cannot be what was written.
import { InvariantError, onBreak } from "../core/result.ts";
import { Handshakes } from "./handshakes.ts";
import { Parking } from "./parking.ts";
import type { ObjectPorts } from "./ports.ts";
import { emptyTables } from "./schema.ts";
import { isOfContent } from "./stored.ts";
import { Timers } from "./timers.ts";

/** What the memory needs of its object: its name for people, and its own tables. */
export interface MemoryPorts<Kept> extends ObjectPorts {
  /** The object's name in alerts. */
  title: string;
  /** What the tables hold. Throws InvariantError for what cannot have been written so. */
  load: () => Kept;
  /** What an object holds in which nothing has happened. */
  empty: () => Kept;
  meta: (key: string) => string | undefined;
  setMeta: (key: string, value: string) => void;
}

interface Recalled<Kept> {
  kept: Kept | null;
  timers: Timers;
  parking: Parking;
  handshakes: Handshakes;
}

/** An object's memory. While its rows cannot be read there is none: whoever asks for it meets the reason as InvariantError. */
export class Memory<Kept> {
  readonly #ports: MemoryPorts<Kept>;
  /** Null when it could not be read again: whoever asks next reads it, and never goes by what was rolled back. */
  #recalled: Recalled<Kept> | null = null;
  #stopped: string | null;
  #unreadable: string | null = null;
  #alerted = false;

  constructor(ports: MemoryPorts<Kept>) {
    this.#ports = ports;
    this.#recalled = this.#recall();
    this.#stopped = ports.meta("stopped") ?? null;
  }

  /** What the last act left. Throws InvariantError while what is stored cannot be read. */
  get kept(): Kept {
    const { kept } = this.#now;
    if (kept === null) throw new InvariantError(this.#unreadable ?? "unreadable");
    return kept;
  }

  /** As {@link kept}; null while what is stored cannot be read. */
  get readable(): Kept | null {
    return this.#now.kept;
  }

  /** Why this object takes no commands any more; null while it does. */
  get stopped(): string | null {
    return this.#unreadable ?? this.#stopped;
  }

  get timers(): Timers {
    return this.#now.timers;
  }

  get parking(): Parking {
    return this.#now.parking;
  }

  get handshakes(): Handshakes {
    return this.#now.handshakes;
  }

  /** One transaction, of whatever this object keeps in memory and on disk. */
  tx<T>(work: () => T): T {
    try {
      return this.#ports.tx(work);
    } catch (error) {
      // Memory ran ahead of what was rolled back: a pair that is parked in it alone would never be resumed.
      this.#recalled = null;
      this.#recalled = this.#recall();
      this.#stopped ??= this.#ports.meta("stopped") ?? null;
      if (error instanceof InvariantError) this.#stop(error);
      throw error;
    }
  }

  /** Does one act. One that breaks an invariant stops this object, and is answered like all that will follow it. */
  act<T>(work: () => T, halted: () => T): T {
    return onBreak(work, (broken) => {
      this.#stop(broken);
      return halted();
    });
  }

  /** Throws away all that is stored, readable or not, and why it stopped. Belongs in the transaction that writes it anew. */
  forget(): void {
    emptyTables(this.#ports.sql);
    this.#unreadable = null;
    this.#stopped = null;
    this.#recalled = this.#with(this.#ports.empty());
  }

  /** Takes no more commands, until a person has looked at what is broken. */
  #stop(broken: InvariantError): void {
    // Nothing is written into tables that cannot be read.
    if (this.stopped !== null) return;
    this.#stopped = broken.message;
    this.#ports.setMeta("stopped", broken.message);
    this.#ports.alert(`${this.#ports.title} stopped: ${broken.message}`);
  }

  get #now(): Recalled<Kept> {
    this.#recalled ??= this.#recall();
    return this.#recalled;
  }

  #recall(): Recalled<Kept> {
    try {
      this.#unreadable = null;
      return this.#with(this.#ports.load());
    } catch (error) {
      const spoiled = spoiledBecause(error);
      if (spoiled === null) throw error;
      this.#unreadable = `unreadable: ${spoiled}`;
      if (!this.#alerted) this.#ports.alert(`${this.#ports.title} is ${this.#unreadable}`);
      this.#alerted = true;
      return this.#with(null);
    }
  }

  #with(kept: Kept | null): Recalled<Kept> {
    const ports = this.#ports;
    return { kept, timers: new Timers(ports), parking: new Parking(ports), handshakes: new Handshakes(ports) };
  }
}

/** Why what is stored cannot be gone by; null for a fault of storage itself, which the next life may not meet. */
function spoiledBecause(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  // SQLite's own words for a body that is no JSON, and for pages that are no database.
  return isOfContent(error) || error.message.includes("malformed") ? error.message : null;
}
