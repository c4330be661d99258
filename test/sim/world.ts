// A world in one thread and one seed: the real object logic, the real consumer and sweeper, over simulated storage, calls,
// alarms, queue, D1 and clock. Every fault is drawn from the seed, so a seed is a whole run.

import type { AccountEvent } from "../../src/core/account/state.ts";
import { decode } from "../../src/core/codec.ts";
import type { ExamRpc, Figures } from "../../src/core/exam.ts";
import { findMarket } from "../../src/core/listings.ts";
import { refuse } from "../../src/core/result.ts";
import { checkBooks } from "../../src/domains/books/scheduled.ts";
import { rebuildReadModel } from "../../src/domains/ops/repair.ts";
import { sweep } from "../../src/domains/ops/scheduled.ts";
import { AccountLogic } from "../../src/objects/account/logic.ts";
import type { PreviewCall } from "../../src/objects/calls.ts";
import { MarketLogic } from "../../src/objects/market/logic.ts";
import type { SqlValue } from "../../src/objects/ports.ts";
import type { JournalSlice, OperatorAct } from "../../src/objects/protocol.ts";
import type { JournalRpc } from "../../src/objects/rpc.ts";
import type { ConsumerBindings } from "../../src/projections/consumer.ts";
import { type D1Fate, SimulatedD1 } from "./d1.ts";
import { type FaultRates, NO_FAULTS } from "./faults.ts";
import { Follower } from "./follower.ts";
import { Network } from "./network.ts";
import { type LivePorts, type Logic, type Platform, SimulatedObject, type Tamper } from "./object.ts";
import { SimulatedProvider } from "./provider.ts";
import { SimulatedQueue } from "./queue.ts";
import { Timeline } from "./timeline.ts";
import { Versions } from "./versions.ts";

export const PRICE_SEED = 7;

const VENUE = "main";
const D1_OUTAGE_MS_MAX = 60_000;
const SWEEP_MS = 60_000;
const CLOCK_MS = 500;
/** Pages of a few events, so that a simulated journal has many. */
const PAGE_BYTES_MAX = 10_000;

/** A market in which nothing has ever happened. */
const NOBODY: Figures = {
  ...{ epoch: 1, seq: 0, restoring: false, money: [], own: [], stored: [], orders: 0, entries: 0 },
  ...{ asApplied: null, waitingSince: null, booked: [], peers: 0 },
};

/** One object's journal. */
export interface Journalled {
  object: "account" | "market";
  name: string;
  epoch: number;
  seq: number;
  bodies: string[];
  stored: string[];
}

/** What is stored, under the object's feet. `run` answers how many rows it changed. */
export interface SpoiledDb {
  rows: (query: string) => { seq: number; kind: string; body: string }[];
  run: (query: string, ...bindings: SqlValue[]) => number;
}

export class World extends Timeline implements Platform {
  faults: FaultRates;
  readonly d1: SimulatedD1;
  readonly #queue: SimulatedQueue;
  readonly provider: SimulatedProvider;
  readonly #versions = new Versions(this, () => this.faults.versions);
  readonly #network = new Network(this, this.#versions);
  readonly #tamper: Tamper;
  readonly #accounts = new Map<string, SimulatedObject<AccountLogic>>();
  readonly #markets = new Map<string, SimulatedObject<MarketLogic>>();
  readonly #followers = new Map<string, Follower>();
  /** Events that have been cut, by the name of their object and their number. */
  readonly #archived = new Map<string, Map<number, string>>();
  /** Objects whose rows have been spoiled, by name. */
  readonly #spoiled = new Set<string>();
  #d1AwayUntil = 0;
  #clockSkew = 0;

  constructor(seed: number, faults: FaultRates, tamper: Tamper = (_, bindings) => bindings) {
    super(seed);
    this.faults = faults;
    this.#tamper = (query, bindings) => {
      const stored = tamper(query, bindings);
      return stored === null ? null : this.#versions.stored(query, stored);
    };
    this.d1 = new SimulatedD1(() => this.#d1Fate());
    this.provider = new SimulatedProvider(this, this.random.once(3));
    this.#queue = new SimulatedQueue(this, () => this.#bindings());
    this.later(SWEEP_MS, () => this.#sweep(), "awaited");
    if (faults.clockJumps > 0 || faults.evicted > 0) this.later(CLOCK_MS, () => this.#disturb());
  }

  /** Who calls everything that whom says a bug: `<sender>><receiver>`. */
  get bugs(): Set<string> {
    return this.#network.bugs;
  }

  /** Ends all faults: what is broken may come to rest now. */
  heal(): void {
    this.faults = NO_FAULTS;
    this.#setClock(0);
  }

  /** The account's logic, waking it if need be. */
  account(id: string): AccountLogic {
    return this.#object(this.#accounts, id, id, (ports) => new AccountLogic(this.#accountPorts(id, ports))).logic;
  }

  /** The market's logic, waking it if need be. */
  market(symbol: string): MarketLogic {
    const name = `${VENUE}/${symbol}`;
    return this.#object(this.#markets, symbol, name, (ports) => new MarketLogic(this.#marketPorts(symbol, ports)))
      .logic;
  }

  accounts(): [id: string, logic: AccountLogic][] {
    return [...this.#accounts.keys()].map((id) => [id, this.account(id)]);
  }

  markets(): [symbol: string, logic: MarketLogic][] {
    return [...this.#markets.keys()].map((symbol) => [symbol, this.market(symbol)]);
  }

  /** Takes an object and all that it has stored away; the next call makes an empty one. Answers its journal and epoch. */
  lose(kind: "account" | "market", key: string): { journal: string[]; epoch: number } {
    const objects = this.#known(kind);
    const object = objects.get(key);
    if (object === undefined) return { journal: [], epoch: 1 };
    const { epoch } = object.logic.journal.head();
    objects.delete(key);
    this.forgetStream(key);
    return { journal: object.lose(), epoch };
  }

  /** An object's journal, oldest first, as stored. */
  journalOf(kind: "account" | "market", key: string): string[] {
    return this.#known(kind).get(key)?.journal() ?? [];
  }

  /** Has something happen to what an object has stored; when it does, the object's life ends. Null when nothing did. */
  spoil<T>(kind: "account" | "market", key: string, work: (db: SpoiledDb) => T | null): T | null {
    const object = this.#known(kind).get(key);
    if (object === undefined) return null;
    const done = object.spoil((db) =>
      work({
        rows: (query) => db.prepare(query).all() as never,
        run: (query, ...bindings) => Number(db.prepare(query).run(...bindings).changes),
      }),
    );
    if (done !== null) this.#spoiled.add(object.name);
    return done;
  }

  /** Its streams end: who resumes is told of a gap, and begins anew. */
  forgetStream(key: string): void {
    this.#followers.delete(key);
  }

  #known(kind: "account" | "market"): Map<string, SimulatedObject<AccountLogic | MarketLogic>> {
    return kind === "account" ? this.#accounts : this.#markets;
  }

  /** Keeps what an object has journalled so far, before some of it is cut. */
  archive(kind: "account" | "market", key: string): void {
    const object = this.#known(kind).get(key);
    if (object === undefined) return;
    const archived = this.#archived.get(object.name) ?? new Map<number, string>();
    this.#archived.set(object.name, archived);
    for (const body of object.journal()) {
      const { kind: what, seq } = decode<{ kind: string; seq: number }>(body);
      if (what !== "base" && what !== "kept") archived.set(seq, body);
    }
  }

  /** Every object's journal, oldest first: `stored` as it is, `bodies` with what has been cut in place of what stands for it. */
  journals(): Journalled[] {
    return [
      ...[...this.#accounts].map(([key, one]) => ({ one, key, object: "account" as const })),
      ...[...this.#markets].map(([key, one]) => ({ one, key, object: "market" as const })),
    ].map(({ one, key, object }) => {
      const stored = one.journal();
      if (this.#archived.has(one.name)) this.archive(object, key);
      const whole = this.#archived.get(one.name);
      const bodies = whole === undefined ? stored : [...whole].sort(([a], [b]) => a - b).map(([, body]) => body);
      return { object, name: one.name, ...one.logic.journal.head(), bodies, stored };
    });
  }

  /** What the account's follower missed or heard twice, once it has caught up. */
  streamBreaks(): string[] {
    return [...this.#followers.values()].flatMap((follower) => follower.breaks());
  }

  /** The clock that objects read; it may jump. */
  clock(): number {
    return this.now + this.#clockSkew;
  }

  enqueue(slice: JournalSlice): void {
    this.#queue.send(slice);
  }

  alerted(name: string, message: string): void {
    if (message.startsWith("parked ")) this.count(name.startsWith(VENUE) ? "parked_by_market" : "parked_by_account");
    else if (message.includes(" is unreadable: ") && this.#spoiled.has(name)) this.count("alerted_unreadable");
    else if (!message.includes("SQLITE_")) this.alerts.push(`${name}: ${message}`);
  }

  /** Gives up everything: databases are closed. */
  close(): void {
    for (const object of [...this.#accounts.values(), ...this.#markets.values()]) object.close();
    this.d1.close();
  }

  #object<L extends Logic>(
    objects: Map<string, SimulatedObject<L>>,
    key: string,
    name: string,
    make: (ports: LivePorts) => L,
  ): SimulatedObject<L> {
    const known = objects.get(key);
    if (known !== undefined) return known;
    const object = new SimulatedObject(name, this, make, this.#tamper);
    objects.set(key, object);
    return object;
  }

  #accountPorts(id: string, ports: LivePorts) {
    return {
      ...ports,
      priceSeed: PRICE_SEED,
      transferPolicy: () => this.provider.policy,
      desk: this.provider.desk(ports.alive),
      send: {
        // Nothing of it is kept: what is lost of it is lost to who asks alone.
        preview: async (symbol: string, call: PreviewCall) => this.market(symbol).looks.preview(call),
        rules: async (symbol: string) => this.market(symbol).governance.view(),
        exchange: (symbol: string, call: Parameters<MarketLogic["exchange"]>[0]) =>
          this.#network.call(ports.alive, id, symbol, call, (said) => this.market(symbol).exchange(said)),
        shake: (symbol: string, call: Parameters<MarketLogic["shake"]>[0]) =>
          this.#network.call(ports.alive, id, symbol, call, (said) => this.market(symbol).shake(said)),
      },
      sockets: {
        publish: (events: readonly AccountEvent[]) => this.#follower(id).hear(events),
        closeSession: () => undefined,
        closeExpired: () => null,
        // What is in charge here never says anything again.
        watch: () => null,
      },
    };
  }

  #follower(id: string): Follower {
    const follower =
      this.#followers.get(id) ?? new Follower(id, (from) => this.account(id).reads.eventsAfter(from, 10_000));
    this.#followers.set(id, follower);
    return follower;
  }

  #marketPorts(symbol: string, ports: LivePorts) {
    const listed = findMarket(symbol);
    if (listed === undefined) throw new Error(`no market ${symbol}`);
    return {
      ...ports,
      priceSeed: PRICE_SEED,
      listed,
      send: {
        report: (account: string, call: Parameters<AccountLogic["report"]>[0]) =>
          this.#network.call(ports.alive, symbol, account, call, (said) => this.account(account).report(said)),
      },
    };
  }

  /** Now and then the clock jumps, and an object is evicted for no reason. */
  #disturb(): void {
    this.later(CLOCK_MS, () => this.#disturb());
    if (this.strikes("clock_jump", this.faults.clockJumps)) {
      this.#setClock((this.random.unit() * 2 - 1) * this.faults.clockJumpMsMax);
    }
    for (const object of [...this.#accounts.values(), ...this.#markets.values()]) {
      if (this.strikes("evicted", this.faults.evicted)) object.crash();
    }
  }

  #setClock(skewMs: number): void {
    if (skewMs < this.#clockSkew) this.count("clock_went_back");
    this.#clockSkew = skewMs;
    for (const object of [...this.#accounts.values(), ...this.#markets.values()]) object.rearm();
  }

  #d1Fate(): D1Fate {
    const { faults } = this;
    if (faults === NO_FAULTS) return "answers";
    if (this.strikes("d1_outage", faults.d1Outage))
      this.#d1AwayUntil = this.now + this.random.unit() * D1_OUTAGE_MS_MAX;
    if (this.now < this.#d1AwayUntil || this.strikes("d1_failed", faults.d1Fails)) return "fails";
    return this.strikes("d1_answer_lost", faults.d1AnswerLost) ? "answer_lost" : "answers";
  }

  /** The cron's sweeper, once a minute. */
  async #sweep(): Promise<void> {
    this.later(SWEEP_MS, () => this.#sweep(), "awaited");
    // The pause between its two looks is real time, of which a simulated run has none.
    const { replayed } = await sweep(this.#bindings(), this.now, 0);
    if (replayed > 0) this.count("swept");
  }

  /** A whole check of all books, as the cron makes it. False when a fault has left it half way. */
  async checkBooks(): Promise<boolean> {
    this.d1.rows("DELETE FROM checks WHERE finished_at IS NOT NULL");
    const row = await checkBooks({ ...this.#bindings(), pairPauseMs: 0 }, () => this.now);
    return row?.phase === "done";
  }

  /** What an operator does after a restore: the read model is made again from the journals that there are. */
  async rebuild(act: OperatorAct): Promise<void> {
    await rebuildReadModel(this.#bindings(), act, this.now);
  }

  /** What the Worker has: sweeper and consumer ask objects for their journals. */
  #bindings(): ConsumerBindings {
    const reach = (name: string) => {
      if (this.strikes("exam_lost", this.faults.requestLost / 10)) throw new Error(`no route to ${name}`);
    };
    const journals = (logic: () => AccountLogic | MarketLogic): JournalRpc & ExamRpc => ({
      inspect: async (question) => {
        const object = logic();
        reach(object instanceof MarketLogic ? "a market" : "an account");
        return object instanceof MarketLogic ? object.exam.inspect(question) : object.operations.exam.inspect(question);
      },
      fingerprint: async () => {
        const object = logic();
        return object instanceof MarketLogic ? object.exam.fingerprint() : object.operations.exam.fingerprint();
      },
      head: async () => logic().journal.head(),
      // Cut by hand: see cuts.ts.
      cuttable: async () => null,
      cut: async () => refuse({ code: "not_found" }),
      journalFrom: async (fromSeq, bytesMax) => {
        const slice = logic().journal.sliceFrom(fromSeq, Math.min(bytesMax, PAGE_BYTES_MAX));
        if (slice !== null) this.count("pulled");
        return slice;
      },
    });
    const dealing = (symbol: string) => ({
      ...journals(() => this.market(symbol)),
      toldBy: async (seq: number, accounts: string[]) => this.market(symbol).exam.toldBy(seq, accounts),
      owed: async (account: string, from: number, to: number) => {
        this.count("exam_owed");
        return this.market(symbol).exam.owed(account, from, to);
      },
    });
    const asleep = {
      head: async () => ({ epoch: 1, seq: 0 }),
      journalFrom: async () => null,
      inspect: async () => ({ stopped: null, figures: NOBODY }),
      toldBy: async () => [],
    };
    return {
      DB: this.d1.binding,
      VENUE,
      ACCOUNT: { getByName: (id: string) => journals(() => this.account(id)) },
      MARKET: {
        getByName: (name: string) => {
          const symbol = name.slice(VENUE.length + 1);
          return this.#markets.has(symbol) ? dealing(symbol) : asleep;
        },
      },
      JOURNAL: {
        sendBatch: async (messages: { body: unknown }[]) => {
          for (const { body } of messages) this.#queue.send(body);
        },
      },
    } as unknown as ConsumerBindings;
  }
}
