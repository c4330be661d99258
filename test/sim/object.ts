// One simulated object: storage that outlives its memory, one alarm, and the ports that its logic is run with. Everything
// that a platform may do to an object is done to it here.
import { createHash } from "node:crypto";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { typeId } from "../../src/core/ids.ts";
import { SLICE_DELAY_MS } from "../../src/core/limits.ts";
import type { ObjectPorts, SqlValue } from "../../src/objects/ports.ts";
import type { JournalSlice } from "../../src/objects/protocol.ts";
import type { FaultRates } from "./faults.ts";
import { Crash, type Timeline } from "./timeline.ts";

/** What the simulated platform needs of an object's logic. */
export interface Logic {
  alarm: () => Promise<void>;
  journal: { flush: () => Promise<void> };
}

/** An object's ports, and a check that the life they belong to goes on: the dead send nothing. */
export interface LivePorts extends ObjectPorts {
  alive: () => void;
}

/** What objects share: time and chance, their faults, the clock that they read, and the queue. */
export interface Platform extends Timeline {
  faults: FaultRates;
  clock: () => number;
  enqueue: (slice: JournalSlice) => void;
  alerted: (name: string, message: string) => void;
}

/** Rewrites or leaves out what an object stores: the bug that a canary run must find. */
export type Tamper = (query: string, bindings: SqlValue[]) => SqlValue[] | null;

const ALARM_LATE_MS_MAX = 5_000;
const EVICTION_MS_MAX = 60_000;
const RESTART_MS_MAX = 50;

/** SHA-256 in lower-case hex. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

export class SimulatedObject<L extends Logic> {
  readonly name: string;
  readonly #platform: Platform;
  readonly #make: (ports: LivePorts) => L;
  readonly #tamper: Tamper;
  readonly #db = new DatabaseSync(":memory:");
  readonly #statements = new Map<string, StatementSync>();
  #logic: L | null = null;
  #life = 0;
  #alarmAt: number | null = null;
  #lost = false;

  constructor(name: string, platform: Platform, make: (ports: LivePorts) => L, tamper: Tamper) {
    this.name = name;
    this.#platform = platform;
    this.#make = make;
    this.#tamper = tamper;
  }

  /** The logic in this life; the first call after a death begins the next one. */
  get logic(): L {
    if (this.#lost) throw new Crash(`${this.name} is lost`);
    this.#logic ??= this.#make(this.#ports());
    return this.#logic;
  }

  /** Ends its life: memory goes, storage stays. Something wakes it again soon. */
  crash(): void {
    if (this.#logic === null) return;
    this.#platform.count("crash");
    this.#logic = null;
    this.#life += 1;
    this.#platform.later(1 + this.#platform.random.unit() * RESTART_MS_MAX, () => void this.logic);
  }

  /** Ends it for good: its storage is gone too. Answers the journal that it had. */
  lose(): string[] {
    const bodies = this.journal();
    this.#lost = true;
    this.#logic = null;
    this.#life += 1;
    this.#alarmAt = null;
    return bodies;
  }

  /** Lets something happen to what it has stored, of which it hears nothing; then its life ends. */
  spoil<T>(work: (db: DatabaseSync) => T | null): T | null {
    const done = this.#isMade() ? work(this.#db) : null;
    if (done !== null) this.crash();
    return done;
  }

  /** Its journal, oldest first, as stored. */
  journal(): string[] {
    if (!this.#isMade()) return [];
    const rows = this.#db.prepare("SELECT body FROM journal ORDER BY seq").all() as { body: string }[];
    return rows.map(({ body }) => body);
  }

  /** Whether its first tables are there: it may have died before. */
  #isMade(): boolean {
    return this.#db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'journal'").get() !== undefined;
  }

  /** Sets the alarm anew: the clock that it is measured by has jumped. */
  rearm(): void {
    if (this.#alarmAt !== null) this.#setAlarm(this.#alarmAt);
  }

  close(): void {
    this.#db.close();
  }

  #die(what: string): never {
    this.#platform.count(what);
    this.crash();
    throw new Crash(what);
  }

  #ports(): LivePorts {
    const life = this.#life;
    const platform = this.#platform;
    const lives = () => this.#life === life;
    const alive = () => {
      if (!lives()) throw new Crash(`${this.name} is dead`);
    };
    return {
      name: this.name,
      alive,
      sql: (query, ...bindings) => {
        alive();
        return this.#sql(query, bindings);
      },
      tx: (work) => {
        alive();
        return this.#tx(work);
      },
      now: () => Math.floor(platform.clock()),
      makeId: (prefix, at) =>
        typeId(
          prefix,
          at,
          Uint8Array.from({ length: 10 }, () => platform.random.int(256)),
        ),
      sha256,
      alarm: { set: (at) => void (lives() && this.#setAlarm(at)) },
      queue: { send: async (slice) => platform.enqueue(slice), wake: this.#waker(lives) },
      isFull: () => false,
      alert: (message) => void (lives() && platform.alerted(this.name, message)),
    };
  }

  #sql<Row extends Record<string, SqlValue>>(query: string, wanted: SqlValue[]): Row[] {
    const bindings = this.#tamper(query, wanted);
    if (bindings === null) return [];
    const writes = this.#logic !== null && !query.startsWith("SELECT");
    if (writes && this.#platform.strikes("disk_full", this.#platform.faults.storageFails))
      throw new Crash("SQLITE_FULL: database or disk is full");
    let statement = this.#statements.get(query);
    if (statement === undefined) {
      statement = this.#db.prepare(query);
      this.#statements.set(query, statement);
    }
    return statement.all(...bindings) as Row[];
  }

  #tx<T>(work: () => T): T {
    const { faults } = this.#platform;
    this.#db.exec("BEGIN");
    try {
      const value = work();
      if (this.#logic !== null && this.#platform.strikes("disk_error", faults.storageFails))
        throw new Crash("SQLITE_IOERR: disk I/O error");
      if (this.#platform.chance(faults.crashBeforeCommit)) this.#die("crash_before_commit");
      this.#db.exec("COMMIT");
      if (this.#platform.chance(faults.crashAfterCommit)) this.#die("crash_after_commit");
      return value;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  #waker(lives: () => boolean): () => void {
    let waking = false;
    return () => {
      if (waking) return;
      waking = true;
      this.#platform.later(SLICE_DELAY_MS, async () => {
        waking = false;
        if (lives()) await this.logic.journal.flush().catch(() => this.#platform.count("flush_failed"));
      });
    };
  }

  #setAlarm(at: number): void {
    const platform = this.#platform;
    this.#alarmAt = at;
    const late = platform.strikes("alarm_late", platform.faults.alarmLate)
      ? platform.random.unit() * ALARM_LATE_MS_MAX
      : 0;
    platform.later(Math.max(0, at - platform.clock()) + late, async () => {
      // Another alarm took its place, or the clock went back and it was set anew.
      if (this.#alarmAt !== at || platform.clock() < at) return;
      this.#alarmAt = null;
      if (platform.strikes("alarm_dropped", platform.faults.alarmDropped)) {
        platform.later(platform.random.unit() * EVICTION_MS_MAX, () => this.crash());
        return;
      }
      if (platform.strikes("alarm_twice", platform.faults.alarmTwice)) platform.later(0, () => this.#ring());
      await this.#ring();
    });
  }

  async #ring(): Promise<void> {
    this.#platform.count("alarm");
    await this.logic.alarm().catch(() => this.#platform.count("alarm_crashed"));
  }
}
