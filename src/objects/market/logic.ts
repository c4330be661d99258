// A market: the one place that matches. Commands and reports are one transaction; makers are told after it.
import { assertUncrossed, bestPrice, depthOf } from "../../core/book.ts";
import { strangeEpoch } from "../../core/epochs.ts";
import { nextCrossingStep } from "../../core/house.ts";
import {
  BACKOFF_FIRST_MS,
  BACKOFF_MAX_MS,
  COMMANDS_PER_CALL_MAX,
  HOUSE_HORIZON_STEPS,
  REPORTS_PER_CALL_MAX,
} from "../../core/limits.ts";
import type { MarketRules } from "../../core/listings.ts";
import { advance, applyCommands } from "../../core/market/decide.ts";
import { type MarketState, peerOf } from "../../core/market/state.ts";
import type { MarketTurn } from "../../core/market/turn.ts";
import { STEP_MS } from "../../core/prices.ts";
import { InvariantError, ok, onBreak, type Result, refuse } from "../../core/result.ts";
import { Outbox } from "../outbox.ts";
import { Parking } from "../parking.ts";
import type { ObjectPorts } from "../ports.ts";
import type {
  BookView,
  ExchangeAnswer,
  ExchangeCall,
  OperatorAct,
  PageRequest,
  ParkedView,
  ReportAnswer,
  ReportCall,
} from "../protocol.ts";
import { Timers } from "../timers.ts";
import { Pushes } from "./pushes.ts";
import { MarketStore, type PeerRecord } from "./store.ts";

/** What a market needs of the world: its rules and prices from the start, and the way to its accounts. */
export interface MarketPorts extends ObjectPorts {
  priceSeed: number;
  listed: MarketRules;
  send: { report: (account: string, call: ReportCall) => Promise<ReportAnswer> };
}

/** Everything that may be asked of a market: it applies commands in order, quotes for the house, and tells each account. */
export class MarketLogic {
  readonly #ports: MarketPorts;
  readonly #store: MarketStore;
  #timers: Timers;
  #parking: Parking;
  /** The journal as the read model gets it. */
  readonly journal: Outbox;
  readonly #pushes: Pushes;
  #state: MarketState;
  #records: Map<string, PeerRecord>;
  readonly #owing = new Set<string>();
  #stopped: string | null;
  /** The customers' best prices that the house's alarm was set for. */
  #wakeFor: string | null = null;

  constructor(ports: MarketPorts) {
    this.#ports = ports;
    this.#store = new MarketStore(ports);
    this.#state = this.#store.load(ports.listed);
    this.#records = this.#store.peers();
    this.#stopped = this.#store.meta("stopped") ?? null;
    this.#timers = new Timers(ports);
    this.#parking = new Parking(ports);
    this.journal = new Outbox(ports, {
      object: "market",
      epoch: this.#state.epoch,
      first: "seq",
      seq: () => this.#state.seq,
    });
    for (const [account, peer] of this.#state.peers) if (peer.unacknowledged.length > 0) this.#owing.add(account);
    this.#pushes = new Pushes({
      now: ports.now,
      tx: (work) => this.#tx(work),
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
    const stranger = strangeEpoch("account", record?.epoch ?? null, call.epoch);
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

  #acknowledge(account: string, rseq: number): void {
    const peer = peerOf(this.#state, account);
    const record = this.#records.get(account);
    if (record === undefined || rseq <= record.acknowledged) return;
    // Kept in memory until the next row is written: forgetting it only means telling the account once more.
    record.acknowledged = Math.min(rseq, peer.rseq);
    peer.unacknowledged = peer.unacknowledged.filter((report) => report.rseq > rseq);
    if (peer.unacknowledged.length === 0) this.#owing.delete(account);
  }

  /** One act: bring the market to now, decide, write state and journal together. Answers the accounts that got reports. */
  #commit(work: (turn: MarketTurn) => void): Set<string> {
    const { now, makeId, sha256, priceSeed } = this.#ports;
    const turn: MarketTurn = { state: this.#state, ctx: { now: now(), makeId, sha256, priceSeed }, events: [] };
    const touched = new Set<string>();
    this.#tx(() => {
      advance(turn);
      work(turn);
      if (turn.events.length === 0) return;
      assertUncrossed(turn.state.book);
      for (const event of turn.events) if (event.kind === "report") touched.add(event.account);
      this.#store.write(turn.state, turn.events, this.#records);
      if (touched.size > 0) this.#pushes.arm();
      this.#armClock();
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
      this.#wakeFor = null;
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

  /** Sees that somebody wakes the market for the first expiry, and soon after the customers' best prices have changed. */
  #armClock(): void {
    const firstExpiry = this.#state.expiring.earliest();
    if (firstExpiry !== null) this.#timers.arm("expiry", "", firstExpiry);
    const key = this.#customersBest();
    if (key === this.#wakeFor) return;
    this.#wakeFor = key;
    if (key !== null) this.#timers.arm("house", "", this.#ports.now() + STEP_MS);
  }

  #customersBest(): string | null {
    if (this.#state.resting.size === 0) return null;
    return `${bestPrice(this.#state.book.buy, true)}/${bestPrice(this.#state.book.sell, true)}`;
  }

  /** Rings what is due. Never throws: the platform drops an alarm after six failures. */
  async alarm(): Promise<void> {
    try {
      const kinds = new Set(this.#timers.due(this.#ports.now()).map((timer) => timer.kind));
      if (kinds.has("house") || kinds.has("expiry")) {
        if (this.#stopped === null) this.#wakeHouse();
        else this.#postponeHouse(kinds);
      }
      // Not awaited: an account that hangs would keep the next expiry waiting for as long as a call may take.
      if (kinds.has("push")) void this.#pushes.ring();
      this.journal.wakeIfBehind();
    } catch (error) {
      this.#ports.alert(`alarm of ${this.#state.symbol}: ${String(error)}`);
    } finally {
      this.#timers.rearm(this.#ports.now() + BACKOFF_FIRST_MS);
    }
  }

  /** While the market is stopped its clock stands still; looking again now and then finds it repaired. */
  #postponeHouse(kinds: ReadonlySet<string>): void {
    this.#tx(() => {
      for (const kind of kinds) if (kind !== "push") this.#timers.arm(kind, "", this.#ports.now() + BACKOFF_MAX_MS);
    });
  }

  /** Quotes as of now, then sleeps until the next step that matters to a resting order, an hour at most. */
  #wakeHouse(): void {
    this.#comeToNow();
    this.#tx(() => {
      this.#timers.clear("expiry", "");
      this.#timers.clear("house", "");
      this.#armClock();
      this.#wakeFor = this.#customersBest();
      if (this.#wakeFor === null) return;
      const { state } = this;
      const step = nextCrossingStep(
        state.rules,
        this.#ports.priceSeed,
        state.step,
        bestPrice(state.book.buy, true),
        bestPrice(state.book.sell, true),
        HOUSE_HORIZON_STEPS,
      );
      this.#timers.arm("house", "", step * STEP_MS);
    });
  }
}

function isKnown(kind: string): boolean {
  return kind === "submit" || kind === "cancel";
}
