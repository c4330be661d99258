// One user's writes while the database is away: kept, and done in order when it is back. Whether a write was done the database
// itself remembers, in the transaction that does it: this object may die between that and its own next line.
import {
  BACKOFF_FIRST_MS,
  BACKOFF_MAX_MS,
  BUFFER_ALERT_FAILURES,
  BUFFER_DRAIN_MAX,
  SAFETY_NET_MS,
} from "../../core/limits.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import { afterTry, type Conflict, judgeWrite, type Kept, type Outcome, type Write } from "../../core/write-buffer.ts";
import type { ObjectPorts } from "../ports.ts";
import type { Page, PageRequest } from "../protocol.ts";
import { WriteBufferStore } from "./store.ts";

/** What a write buffer needs of the world. `apply` does a write in the database, once however often it is called. */
export interface WriteBufferPorts extends Pick<ObjectPorts, "sql" | "tx" | "now" | "alarm" | "alert"> {
  apply: (write: Write) => Promise<Outcome>;
}

/** The buffer of one user. */
export class WriteBufferLogic {
  readonly #ports: WriteBufferPorts;
  readonly #store: WriteBufferStore;
  /** The one turn that is under way: of two at once the later could do a write before the earlier has done the one before it. */
  #turn: Promise<void> | null = null;
  #failures = 0;
  /** When the next turn may begin, in ms; forgotten with this life. */
  #restsUntil = 0;

  constructor(ports: WriteBufferPorts) {
    this.#ports = ports;
    this.#store = new WriteBufferStore(ports);
    // The alarm may have been lost with the life before.
    if (this.#store.waiting().length > 0) ports.alarm.set(ports.now() + BACKOFF_FIRST_MS);
  }

  /** What waits, oldest first. While there is any, all of this user's writes go through here. */
  waiting(): Write[] {
    return this.#store.waiting();
  }

  /**
   * Takes writes behind those that wait, each for itself: what {@link judgeWrite} refuses does not keep the others out. One that waits
   * already is not taken twice.
   */
  append(writes: readonly Write[]): Kept {
    const waiting = this.#store.waiting();
    const full = this.#store.fullness();
    const taken: Write[] = [];
    const refused: Kept["refused"] = [];
    for (const write of writes) {
      const judged = judgeWrite([...waiting, ...taken], full, write);
      if (!judged.ok) refused.push({ id: write.id, refusal: judged.refusal });
      else if (judged.value) taken.push(write);
    }
    if (taken.length > 0) this.#keep(taken);
    return { waiting: [...waiting, ...taken], refused };
  }

  #keep(taken: readonly Write[]): void {
    this.#store.make();
    this.#ports.tx(() => {
      for (const write of taken) this.#store.add(write);
      this.#ports.alarm.set(this.#ports.now() + BACKOFF_FIRST_MS);
    });
  }

  /** Does what waits, in order, unless the database has failed a moment ago. Never rejects: the alarm goes on. */
  async drain(): Promise<void> {
    if (this.#ports.now() < this.#restsUntil) return;
    await this.#drained().catch(() => undefined);
  }

  /** The alarm's turn: what it was set for is due, whatever the clock of the life before has said. */
  async alarm(): Promise<void> {
    const { now, alarm } = this.#ports;
    try {
      await this.#drained();
    } finally {
      // It may have rung while a turn was ending, and been all that would have begun the next one.
      if (this.#store.waiting().length > 0) alarm.set(Math.max(this.#restsUntil, now() + BACKOFF_FIRST_MS));
    }
  }

  #drained(): Promise<void> {
    this.#turn ??= this.#drainInOrder().finally(() => {
      this.#turn = null;
    });
    return this.#turn;
  }

  async #drainInOrder(): Promise<void> {
    const { now, alarm } = this.#ports;
    for (let turns = 0; turns < BUFFER_DRAIN_MAX; turns += 1) {
      const [first] = this.#store.waiting();
      if (first === undefined) return;
      // A life that ends in the middle must be followed by another turn.
      if (turns === 0) alarm.set(now() + SAFETY_NET_MS);
      if (!(await this.#tryFirst(first))) return this.#rest();
      this.#failures = 0;
    }
    alarm.set(now());
  }

  /** Tries the first write, and takes it off when something has come of it. False while the database is away. */
  async #tryFirst(first: Write): Promise<boolean> {
    const outcome = await this.#applied(first);
    if (outcome.kind === "away") return false;
    this.#ports.tx(() => {
      // What waits now: more may have come meanwhile, or all been forgotten.
      const { done, conflicts } = afterTry(this.#store.waiting(), first, outcome);
      this.#store.remove([...done, ...conflicts.map(({ write }) => write)]);
      for (const { write, refusal } of conflicts) this.#store.keep(write, refusal, this.#ports.now());
    });
    return true;
  }

  async #applied(write: Write): Promise<Outcome> {
    try {
      return await this.#ports.apply(write);
    } catch (error) {
      this.#ports.alert(`write ${write.id} cannot be tried: ${String(error)}`);
      return { kind: "away" };
    }
  }

  #rest(): void {
    const { now, alarm, alert } = this.#ports;
    this.#failures += 1;
    if (this.#failures === BUFFER_ALERT_FAILURES) alert(`writes wait after ${this.#failures} tries`);
    this.#restsUntil = now() + Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.#failures, 20));
    alarm.set(this.#restsUntil);
  }

  /** Writes that could not be done, newest first. */
  conflicts(query: PageRequest): Page<Conflict> {
    return this.#store.conflicts(query);
  }

  /** Forgets a conflict, which its owner has seen. Refuses `not_found`. */
  dismiss(writeId: string): Result<null> {
    return this.#store.dismiss(writeId)
      ? ok(null)
      : refuse({ code: "not_found", detail: "There is no such conflict." });
  }

  /** Forgets everything: whose writes these were has closed their account. */
  forget(): Result<null> {
    this.#ports.tx(() => this.#store.clear());
    return ok(null);
  }
}
