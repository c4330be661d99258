// A market: the one place that matches. Commands and reports are one transaction; makers are told after it.
import { assertUncrossed, depthOf } from "../../core/book.ts";
import { anotherEpoch } from "../../core/epochs.ts";
import { BACKOFF_FIRST_MS, COMMANDS_PER_CALL_MAX, REPORTS_PER_CALL_MAX } from "../../core/limits.ts";
import type { MarketRules } from "../../core/listings.ts";
import { advance, applyCommands } from "../../core/market/decide.ts";
import { type MarketState, peerOf } from "../../core/market/state.ts";
import type { MarketTurn } from "../../core/market/turn.ts";
import { InvariantError, ok, onBreak, type Result, refuse } from "../../core/result.ts";
import { Handshakes } from "../handshakes.ts";
import { Outbox } from "../outbox.ts";
import { Parking } from "../parking.ts";
import type { ObjectPorts } from "../ports.ts";
import type {
  BookView,
  ExchangeAnswer,
  ExchangeCall,
  HandshakeAnswer,
  HandshakeCall,
  OperatorAct,
  PageRequest,
  ParkedView,
  ReportAnswer,
  ReportCall,
  RestoreView,
  Snapshot,
} from "../protocol.ts";
import { Timers } from "../timers.ts";
import { MarketClock } from "./clock.ts";
import { Pushes } from "./pushes.ts";
import { GREET_TIMER, MarketRestoring } from "./restoring.ts";
import { MarketStore, type PeerRecord } from "./store.ts";

/** What a market needs of the world: its rules and prices from the start, and the way to its accounts. */
export interface MarketPorts extends ObjectPorts {
  priceSeed: number;
  listed: MarketRules;
  send: { report: (account: string, call: ReportCall) => Promise<ReportAnswer> };
}

/** The epoch of an object that has never been restored. */
const FIRST_EPOCH = 1;
const halted = () => refuse({ code: "unavailable", detail: "This market is halted." });

/** Everything that may be asked of a market: it applies commands in order, quotes for the house, and tells each account. */
export class MarketLogic {
  readonly #ports: MarketPorts;
  readonly #store: MarketStore;
  #timers: Timers;
  #parking: Parking;
  #handshakes: Handshakes;
  /** The journal as the read model gets it. */
  readonly journal: Outbox;
  readonly #pushes: Pushes;
  #state: MarketState;
  #records: Map<string, PeerRecord>;
  readonly #owing = new Set<string>();
  #stopped: string | null;
  readonly #clock: MarketClock;
  readonly #restoring: MarketRestoring;

  constructor(ports: MarketPorts) {
    this.#ports = ports;
    this.#store = new MarketStore(ports);
    this.#state = this.#store.load(ports.listed);
    this.#records = this.#store.peers();
    this.#stopped = this.#store.meta("stopped") ?? null;
    this.#timers = new Timers(ports);
    this.#parking = new Parking(ports);
    this.#handshakes = new Handshakes(ports);
    const tx = <T>(work: () => T): T => this.#tx(work);
    this.#clock = new MarketClock({ ...ports, tx, timers: () => this.#timers, state: () => this.#state });
    this.journal = new Outbox(ports, {
      object: "market",
      epoch: () => this.#state.epoch,
      first: "seq",
      seq: () => this.#state.seq,
    });
    for (const [account, peer] of this.#state.peers) if (peer.unacknowledged.length > 0) this.#owing.add(account);
    this.#pushes = new Pushes({
      now: ports.now,
      tx,
      alert: ports.alert,
      report: ports.send.report,
      timers: () => this.#timers,
      parking: () => this.#parking,
      epochOf: (account) => this.#records.get(account)?.epoch ?? null,
      identity: () => ({ symbol: this.#state.symbol, epoch: this.#state.epoch }),
      owed: (account) => this.#state.peers.get(account)?.unacknowledged ?? [],
      owing: () => this.#owing,
      acknowledge: (account, rseq) => this.#acknowledge(account, rseq),
    });
    this.#restoring = new MarketRestoring({
      ...ports,
      tx,
      report: ports.send.report,
      store: this.#store,
      journal: this.journal,
      timers: () => this.#timers,
      handshakes: () => this.#handshakes,
      state: () => this.#state,
      records: () => this.#records,
      acknowledge: (account, rseq) => this.#acknowledge(account, rseq),
      commit: (work) => void this.#pushes.push(this.#commit(work)),
      begin: (work) => void this.#commit(work, false),
    });
  }

  /** The state, for reads and checks; nobody outside may change it. */
  get state(): Readonly<MarketState> {
    return this.#state;
  }

  /**
   * Takes an account's commands and answers with its record of that account: the commands applied, the reports not
   * acknowledged. Asking again gives the same. `gap`: a command is missing; `later`: not now, also when the call has just
   * stopped this object; `bug`: never like this.
   */
  exchange(call: ExchangeCall): ExchangeAnswer {
    const answer = this.#act<ExchangeAnswer>(
      () => this.#exchange(call),
      () => ({ outcome: "later" }),
    );
    return { ...answer, epoch: this.#state.epoch };
  }

  #exchange(call: ExchangeCall): ExchangeAnswer {
    if (call.v !== 1 || this.#stopped !== null || call.commands.some((command) => !isKnown(command.kind)))
      return { outcome: "later" };
    const record = this.#records.get(call.account);
    // Meant for another life, or from one who must shake hands first. The version before has known the first life alone.
    const to = call.to === undefined ? FIRST_EPOCH : call.to;
    if (this.#handshakes.has(call.account) || (to !== null && to !== this.#state.epoch)) return { outcome: "later" };
    const stranger = anotherEpoch("account", record?.epoch ?? null, call.epoch);
    if (stranger !== null) return { outcome: "bug", detail: stranger };
    const peer = peerOf(this.#state, call.account);
    const lowest = call.commands[0]?.cseq ?? peer.cseq + 1;
    if (lowest > peer.cseq + 1) return { outcome: "gap", expected: peer.cseq + 1 };
    if (record === undefined) this.#records.set(call.account, { epoch: call.epoch, acknowledged: 0 });
    this.#acknowledge(call.account, call.rseq);
    const touched = this.#commit((turn) =>
      applyCommands(turn, call.account, call.commands.slice(0, COMMANDS_PER_CALL_MAX)),
    );
    touched.delete(call.account);
    void this.#pushes.push(touched);
    const { cseq, unacknowledged } = peerOf(this.#state, call.account);
    return { outcome: "applied", cseq, reports: unacknowledged.slice(0, REPORTS_PER_CALL_MAX) };
  }

  /** Takes an account's hand after one of the two has been restored: see {@link MarketRestoring}. */
  shake(call: HandshakeCall): HandshakeAnswer {
    const later = (): HandshakeAnswer => ({ outcome: "later" });
    const answer = this.#act(() => (this.#stopped === null ? this.#restoring.shake(call) : later()), later);
    return { ...answer, epoch: this.#state.epoch };
  }

  /** Begins this market's next life, from a snapshot. Refuses `validation_failed` for one that does not fit. */
  restore(snapshot: Snapshot, expected: readonly string[], act: OperatorAct): Result<null> {
    return this.#act<Result<null>>(() => this.#restoring.restore(snapshot, expected, act), halted);
  }

  /** How far a restore has come. */
  restoration(): RestoreView {
    return this.#restoring.view();
  }

  /** Opens a restored market though accounts are unmet. Refuses `not_found` when it is not restoring. */
  reopen(act: OperatorAct): Result<null> {
    return this.#act<Result<null>>(() => this.#restoring.reopen(act), halted);
  }

  /** The accounts that this market pushes nothing to, and whether it is stopped. */
  parked(query: PageRequest): ParkedView {
    const waiting = (account: string) => this.#state.peers.get(account)?.unacknowledged.length ?? 0;
    return { stopped: this.#stopped, ...this.#parking.page(query, waiting) };
  }

  /** Pushes to a parked account what waits for it. Refuses `not_found` when it is not parked. */
  unpark(account: string, act: OperatorAct): Result<null> {
    if (!this.#pushes.resume(account, act)) return refuse({ code: "not_found", detail: "This is not parked." });
    return ok(null);
  }

  /** The book as it stands now, best first; as it stood when this object was stopped, also by this very look. */
  book(depth: number): BookView {
    if (this.#stopped === null) {
      this.#act(
        () => this.#comeToNow(),
        () => undefined,
      );
    }
    const { symbol, seq, book } = this.#state;
    const { bids, asks } = depthOf(book, depth);
    const levels = (side: [bigint, bigint][]) => side.map(([price, qty]) => ({ price, qty }));
    return { symbol, seq, bids: levels(bids), asks: levels(asks) };
  }

  /** Brings the market to now, and tells whom that concerns. */
  #comeToNow(): void {
    void this.#pushes.push(this.#commit(() => undefined));
  }

  #isOwed(account: string): boolean {
    return (this.#state.peers.get(account)?.unacknowledged.length ?? 0) > 0;
  }

  #acknowledge(account: string, rseq: number): void {
    const peer = peerOf(this.#state, account);
    const record = this.#records.get(account);
    if (record === undefined || rseq <= record.acknowledged) return;
    // Kept in memory until the next row is written: forgetting it only means telling the account once more.
    record.acknowledged = Math.min(rseq, peer.rseq);
    peer.unacknowledged = peer.unacknowledged.filter((report) => report.rseq > rseq);
    if (peer.unacknowledged.length === 0) this.#owing.delete(account);
  }

  /**
   * One act: bring the market to now, decide, write state and journal together. Answers the accounts that got reports. The
   * act that restores it must find it as it is: for that one the clock does not tick.
   */
  #commit(work: (turn: MarketTurn) => void, ticks = true): Set<string> {
    const { now, makeId, sha256, priceSeed } = this.#ports;
    const turn: MarketTurn = { state: this.#state, ctx: { now: now(), makeId, sha256, priceSeed }, events: [] };
    const touched = new Set<string>();
    this.#tx(() => {
      if (ticks) advance(turn);
      work(turn);
      if (turn.events.length === 0) return;
      // What accounts tell after a restore comes in parts: an order may be there before what it has met.
      if (!turn.state.restoring) assertUncrossed(turn.state.book);
      // History is owed to nobody: an account that counts as owing for it would keep the timer busy for ever.
      for (const event of turn.events)
        if (event.kind === "report" && this.#isOwed(event.account)) touched.add(event.account);
      this.#store.write(turn.state, turn.events, this.#records);
      if (touched.size > 0) this.#pushes.arm();
      this.#clock.arm();
    });
    for (const account of touched) this.#owing.add(account);
    if (turn.events.length > 0) this.#ports.queue.wake();
    return touched;
  }

  /** One transaction, of whatever this object keeps in memory and on disk. */
  #tx<T>(work: () => T): T {
    try {
      return this.#ports.tx(work);
    } catch (error) {
      // Memory ran ahead of what was rolled back: a pair that is parked in it alone would never be resumed.
      this.#state = this.#store.load(this.#ports.listed);
      this.#records = this.#store.peers();
      this.#timers = new Timers(this.#ports);
      this.#parking = new Parking(this.#ports);
      this.#handshakes = new Handshakes(this.#ports);
      this.#clock.forget();
      if (error instanceof InvariantError) this.#stop(error);
      throw error;
    }
  }

  /** Does one act. One that breaks an invariant stops this object, and is answered like all that will follow it. */
  #act<T>(work: () => T, halted: () => T): T {
    return onBreak(work, (broken) => {
      this.#stop(broken);
      return halted();
    });
  }

  #stop(broken: InvariantError): void {
    if (this.#stopped !== null) return;
    this.#stopped = broken.message;
    this.#store.setMeta("stopped", broken.message);
    this.#ports.alert(`market ${this.#state.symbol} stopped: ${broken.message}`);
  }

  /** Rings what is due. Never throws: the platform drops an alarm after six failures. */
  async alarm(): Promise<void> {
    try {
      const kinds = new Set(this.#timers.due(this.#ports.now()).map((timer) => timer.kind));
      if (kinds.has("house") || kinds.has("expiry")) {
        const stands = this.#stopped !== null || this.#state.restoring;
        if (stands) this.#clock.postpone(kinds);
        else this.#clock.wake(() => this.#comeToNow());
      }
      if (kinds.has(GREET_TIMER)) this.#restoring.greet();
      // Not awaited: an account that hangs would keep the next expiry waiting for as long as a call may take.
      if (kinds.has("push")) void this.#pushes.ring();
      this.journal.wakeIfBehind();
    } catch (error) {
      this.#ports.alert(`alarm of ${this.#state.symbol}: ${String(error)}`);
    } finally {
      this.#timers.rearm(this.#ports.now() + BACKOFF_FIRST_MS);
    }
  }
}

function isKnown(kind: string): boolean {
  return kind === "submit" || kind === "cancel";
}
