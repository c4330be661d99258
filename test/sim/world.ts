// A world in one thread and one seed: the real object logic over simulated storage, calls, alarms, queue and clock.
// Time is an event list; every fault is drawn from the seed, so a seed is a whole run.
import { createHash } from "node:crypto";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { typeId } from "../../src/core/ids.ts";
import { SLICE_DELAY_MS } from "../../src/core/limits.ts";
import { findMarket } from "../../src/core/listings.ts";
import { sweep } from "../../src/domains/ops/scheduled.ts";
import { AccountLogic, type AccountPorts } from "../../src/objects/account/logic.ts";
import { MarketLogic, type MarketPorts } from "../../src/objects/market/logic.ts";
import type { ObjectPorts, SqlValue } from "../../src/objects/ports.ts";
import { type D1Fate, SimulatedD1 } from "./d1.ts";
import { SimulatedQueue } from "./queue.ts";

/** How likely each fault is, 0 to 1; drawn per seed, zero in some. */
export interface FaultRates {
  requestLost: number;
  answerLost: number;
  duplicated: number;
  crashBeforeCommit: number;
  crashAfterCommit: number;
  queueLost: number;
  queueDuplicated: number;
  queueSpoiled: number;
  queueDelayMsMax: number;
  /** Deliveries of a message beyond its first before it is a dead letter; wrangler.toml has ten. */
  queueRetriesMax: number;
  consumerDies: number;
  d1Fails: number;
  d1AnswerLost: number;
  /** How likely D1 goes away for up to a minute, at each call. */
  d1Outage: number;
  /** How likely one end of a pair calls everything that the other says a bug, for a while. */
  bug: number;
  delayMsMax: number;
}

export const NO_FAULTS: FaultRates = {
  requestLost: 0,
  answerLost: 0,
  duplicated: 0,
  crashBeforeCommit: 0,
  crashAfterCommit: 0,
  queueLost: 0,
  queueDuplicated: 0,
  queueSpoiled: 0,
  queueDelayMsMax: 100,
  queueRetriesMax: 10,
  consumerDies: 0,
  d1Fails: 0,
  d1AnswerLost: 0,
  d1Outage: 0,
  bug: 0,
  delayMsMax: 5,
};

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A small seeded generator (mulberry32): the same numbers for the same seed, for ever. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** An object died in the middle of what it was doing. */
export class Crash extends Error {}

/** An object's ports, and a check that the life they belong to goes on: the dead send nothing. */
interface LivePorts extends ObjectPorts {
  alive: () => void;
}

interface Node<Logic> {
  logic: Logic | null;
  db: DatabaseSync;
  alarmAt: number | null;
  life: number;
}

/** `awaited`: time stands still until it has ended; for what waits for the machine and never for a later event. */
type Waiting = "alone" | "awaited";

interface Event {
  at: number;
  run: () => void | Promise<void>;
  waiting: Waiting;
}

/** More turns than the longest chain of promises between two events has; a real pause would cost most of a run. */
const MICROTASK_TURNS = 30;
const START_MS = 1_800_000_000_000;
const D1_OUTAGE_MS_MAX = 60_000;
const SWEEP_MS = 60_000;

export class World {
  readonly random: () => number;
  readonly counts: Record<string, number> = {};
  readonly d1: SimulatedD1;
  readonly #queue: SimulatedQueue;
  #d1AwayUntil = 0;
  readonly alerts: string[] = [];
  /** Who calls everything that whom says a bug: `<sender>><receiver>`. */
  readonly bugs = new Set<string>();
  faults: FaultRates;
  now = START_MS;
  readonly #events: Event[] = [];
  readonly #accounts = new Map<string, Node<AccountLogic>>();
  readonly #markets = new Map<string, Node<MarketLogic>>();

  constructor(seed: number, faults: FaultRates) {
    this.random = randomOf(seed);
    this.faults = faults;
    this.d1 = new SimulatedD1(() => this.#d1Fate());
    this.#queue = new SimulatedQueue(this, this.d1);
    this.later(SWEEP_MS, () => this.#sweep(), "awaited");
  }

  #d1Fate(): D1Fate {
    if (this.faults === NO_FAULTS) return "answers";
    if (this.strikes("d1_outage", this.faults.d1Outage))
      this.#d1AwayUntil = this.now + this.random() * D1_OUTAGE_MS_MAX;
    if (this.now < this.#d1AwayUntil || this.strikes("d1_failed", this.faults.d1Fails)) return "fails";
    return this.strikes("d1_answer_lost", this.faults.d1AnswerLost) ? "answer_lost" : "answers";
  }

  /** The cron's sweeper, once a minute. */
  async #sweep(): Promise<void> {
    this.later(SWEEP_MS, () => this.#sweep(), "awaited");
    const journals = (logic: () => AccountLogic | MarketLogic) => ({
      head: async () => logic().journal.head(),
      replay: async (fromSeq: number) => logic().journal.replay(fromSeq),
    });
    const asleep = { head: async () => ({ epoch: 1, seq: 0 }), replay: async () => ({ epoch: 1, seq: 0 }) };
    const env = {
      DB: this.d1.binding,
      VENUE: "main",
      ACCOUNT: { getByName: (id: string) => journals(() => this.account(id)) },
      MARKET: {
        getByName: (name: string) => {
          const symbol = name.slice("main/".length);
          return this.#markets.has(symbol) ? journals(() => this.market(symbol)) : asleep;
        },
      },
    };
    const { replayed } = await sweep(env as never, this.now, 0);
    if (replayed > 0) this.count("swept");
  }

  /** Notes that something happened, for the `sometimes` points. */
  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  chance(rate: number): boolean {
    return rate > 0 && this.random() < rate;
  }

  /** Whether a fault of this likelihood happens now; one that does is counted. */
  strikes(what: string, rate: number): boolean {
    const struck = this.chance(rate);
    if (struck) this.count(what);
    return struck;
  }

  /** Runs `work` in `ms` of simulated time. */
  later(ms: number, run: Event["run"], waiting: Waiting = "alone"): void {
    const at = this.now + ms;
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#events[middle]?.at ?? at) <= at) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, { at, run, waiting });
  }

  /** Runs what is due until `untilMs` of simulated time. Returns whether anything is left. */
  async run(untilMs: number): Promise<boolean> {
    for (;;) {
      const next = this.#events[0];
      if (next === undefined || next.at > untilMs) break;
      this.#events.shift();
      this.now = Math.max(this.now, next.at);
      const done = this.#start(next);
      if (next.waiting === "awaited") await done;
      // Lets the promises that this event resolved run on before time does.
      for (let turn = 0; turn < MICROTASK_TURNS; turn += 1) await null;
    }
    this.now = Math.max(this.now, untilMs);
    return this.#events.length > 0;
  }

  async #start(event: Event): Promise<void> {
    try {
      await event.run();
    } catch (error) {
      if (!(error instanceof Crash)) this.alerts.push(String(error));
    }
  }

  account(id: string): AccountLogic {
    return this.#boot(this.#node(this.#accounts, id), (ports) => new AccountLogic(this.#accountPorts(id, ports)), id);
  }

  market(symbol: string): MarketLogic {
    return this.#boot(
      this.#node(this.#markets, symbol),
      (ports) => new MarketLogic(this.#marketPorts(symbol, ports)),
      `main/${symbol}`,
    );
  }

  /** Ends an object's life: its memory goes, its storage stays. */
  crash(name: string): void {
    const node = this.#accounts.get(name) ?? this.#markets.get(name);
    if (node === undefined || node.logic === null) return;
    this.count("crash");
    node.logic = null;
    node.life += 1;
    this.later(1 + this.random() * 50, () => this.#wake(name));
  }

  #wake(name: string): void {
    if (this.#accounts.has(name)) this.account(name);
    else this.market(name);
  }

  #node<Logic>(nodes: Map<string, Node<Logic>>, name: string): Node<Logic> {
    let node = nodes.get(name);
    if (node === undefined) {
      node = { logic: null, db: new DatabaseSync(":memory:"), alarmAt: null, life: 0 };
      nodes.set(name, node);
    }
    return node;
  }

  #boot<Logic extends { alarm: () => Promise<void>; journal: { flush: () => Promise<void> } }>(
    node: Node<Logic>,
    make: (ports: LivePorts) => Logic,
    name: string,
  ): Logic {
    node.logic ??= make(this.#ports(node, name));
    return node.logic;
  }

  #ports<Logic extends { alarm: () => Promise<void>; journal: { flush: () => Promise<void> } }>(
    node: Node<Logic>,
    name: string,
  ): LivePorts {
    const life = node.life;
    const alive = () => {
      if (node.life !== life) throw new Crash(`${name} is dead`);
    };
    const statements = new Map<string, StatementSync>();
    let waking = false;
    const key = name.startsWith("main/") ? name.slice(5) : name;
    return {
      name,
      alive,
      sql: <Row extends Record<string, SqlValue>>(query: string, ...bindings: SqlValue[]): Row[] => {
        alive();
        let statement = statements.get(query);
        if (statement === undefined) {
          statement = node.db.prepare(query);
          statements.set(query, statement);
        }
        return statement.all(...bindings) as Row[];
      },
      tx: (work) => {
        alive();
        node.db.exec("BEGIN");
        try {
          const value = work();
          if (this.chance(this.faults.crashBeforeCommit)) throw new Crash("before commit");
          node.db.exec("COMMIT");
          if (this.chance(this.faults.crashAfterCommit)) this.#die(key, "crash_after_commit");
          return value;
        } catch (error) {
          if (node.db.isTransaction) node.db.exec("ROLLBACK");
          if (error instanceof Crash && error.message === "before commit") this.#die(key, "crash_before_commit");
          throw error;
        }
      },
      now: () => Math.floor(this.now),
      makeId: (prefix, at) =>
        typeId(
          prefix,
          at,
          Uint8Array.from({ length: 10 }, () => Math.floor(this.random() * 256)),
        ),
      sha256,
      alarm: {
        set: (at) => {
          if (node.life === life) this.#setAlarm(node, at);
        },
      },
      queue: {
        send: async (slice) => this.#queue.send(slice),
        wake: () => {
          if (waking) return;
          waking = true;
          this.later(SLICE_DELAY_MS, async () => {
            waking = false;
            if (node.life === life) await node.logic?.journal.flush().catch(() => this.count("flush_failed"));
          });
        },
      },
      alert: (message) => {
        if (node.life !== life) return;
        if (message.startsWith("parked "))
          this.count(name.startsWith("main/") ? "parked_by_market" : "parked_by_account");
        else this.alerts.push(message);
      },
    };
  }

  #die(key: string, what: string): never {
    this.count(what);
    this.crash(key);
    throw new Crash(what);
  }

  #setAlarm<Logic extends { alarm: () => Promise<void> }>(node: Node<Logic>, at: number): void {
    node.alarmAt = at;
    this.later(Math.max(0, at - this.now), async () => {
      if (node.alarmAt !== at || node.logic === null) return;
      node.alarmAt = null;
      this.count("alarm");
      await node.logic.alarm().catch(() => this.count("alarm_crashed"));
    });
  }

  /** A call over a network that loses, doubles and delays: the effect may happen without the answer. */
  #call<T>(alive: () => void, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      alive();
      const delay = () => this.random() * this.faults.delayMsMax;
      const deliver = (answer: (value: T) => void) => () => {
        try {
          const value = structuredClone(work());
          if (this.chance(this.faults.answerLost)) {
            this.count("answer_lost");
            this.later(delay(), () => reject(new Error("answer lost")));
          } else this.later(delay(), () => answer(value));
        } catch (error) {
          this.later(delay(), () => reject(error));
        }
      };
      if (this.chance(this.faults.requestLost)) {
        this.count("request_lost");
        this.later(delay(), () => reject(new Error("request lost")));
        return;
      }
      this.later(delay(), deliver(resolve));
      if (!this.chance(this.faults.duplicated)) return;
      this.count("duplicated");
      this.later(
        delay() + this.random() * 2_000,
        deliver(() => undefined),
      );
    });
  }

  /** What the receiver answers: while it is faulty `bug`, whether it has done what it was asked or not. */
  #judged<T>(sender: string, receiver: string, work: () => T): T | { outcome: "bug"; detail: string } {
    if (!this.bugs.has(`${sender}>${receiver}`)) return work();
    if (this.chance(0.5)) work();
    return { outcome: "bug", detail: "simulated" };
  }

  #accountPorts(id: string, ports: LivePorts): AccountPorts {
    return {
      ...ports,
      name: id,
      priceSeed: 7,
      send: {
        exchange: (symbol, call) =>
          this.#call(ports.alive, () =>
            this.#judged(id, symbol, () => this.market(symbol).exchange(structuredClone(call))),
          ),
      },
      sockets: { publish: () => undefined, closeSession: () => undefined, closeExpired: () => null },
    };
  }

  #marketPorts(symbol: string, ports: LivePorts): MarketPorts {
    const listed = findMarket(symbol);
    if (listed === undefined) throw new Error(`no market ${symbol}`);
    return {
      ...ports,
      priceSeed: 7,
      listed,
      send: {
        report: (account, call) =>
          this.#call(ports.alive, () =>
            this.#judged(symbol, account, () => this.account(account).report(structuredClone(call))),
          ),
      },
    };
  }

  /** An object's journal, oldest first, as stored. */
  journal(name: string): string[] {
    const node = this.#accounts.get(name) ?? this.#markets.get(name);
    const rows = node?.db.prepare("SELECT body FROM journal ORDER BY seq").all() as { body: string }[] | undefined;
    return rows?.map((row) => row.body) ?? [];
  }

  /** Gives up everything: databases are closed. */
  close(): void {
    for (const node of [...this.#accounts.values(), ...this.#markets.values()]) node.db.close();
    this.d1.close();
  }

  accounts(): [string, AccountLogic][] {
    return [...this.#accounts.keys()].map((id) => [id, this.account(id)]);
  }

  markets(): [string, MarketLogic][] {
    return [...this.#markets.keys()].map((symbol) => [symbol, this.market(symbol)]);
  }
}
