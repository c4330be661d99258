// A market: the one place that matches. Commands and reports are one transaction; makers are told after it.
import { assertUncrossed } from "../../core/book.ts";
import { anotherEpoch, FIRST_EPOCH } from "../../core/epochs.ts";
import { BACKOFF_FIRST_MS, REPORTS_PER_CALL_MAX } from "../../core/limits.ts";
import type { MarketRules } from "../../core/listings.ts";
import { advance } from "../../core/market/advance.ts";
import { isTrading } from "../../core/market/breaker.ts";
import { applyCommands } from "../../core/market/decide.ts";
import { emptyMarket, type MarketEvent, type MarketState, peerOf } from "../../core/market/state.ts";
import type { MarketTurn } from "../../core/market/turn.ts";
import { commandsOfCall, isKnownCommand } from "../../core/messages.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import type {
  ExchangeAnswer,
  ExchangeCall,
  HandshakeAnswer,
  HandshakeCall,
  ReportAnswer,
  ReportCall,
} from "../calls.ts";
import { Memory } from "../memory.ts";
import { Outbox } from "../outbox.ts";
import type { ObjectPorts } from "../ports.ts";
import type { OperatorAct, PageRequest, ParkedView, RestoreView, Snapshot } from "../protocol.ts";
import { checkStored } from "../stored.ts";
import { MarketClock } from "./clock.ts";
import { MarketCutting } from "./cutting.ts";
import { MarketExam } from "./exam.ts";
import { MASS_CANCEL_TIMER, MarketGovernance } from "./governance.ts";
import { contextOf, MarketLooks } from "./looks.ts";
import { Pushes } from "./pushes.ts";
import { GREET_TIMER, type MarketAct, MarketRestoring } from "./restoring.ts";
import { MarketStore, type PeerRecord } from "./store.ts";

/** What a market needs of the world: its rules and prices from the start, and the way to its accounts. */
export interface MarketPorts extends ObjectPorts {
  priceSeed: number;
  listed: MarketRules;
  send: { report: (account: string, call: ReportCall) => Promise<ReportAnswer> };
}

/** What a market keeps of its tables: its state, what it knows of accounts beside it, and whom it owes reports. */
interface Kept {
  state: MarketState;
  records: Map<string, PeerRecord>;
  owing: Set<string>;
}

const halted = () => refuse({ code: "unavailable", detail: "This market is halted." });

/** Everything that may be asked of a market: it applies commands in order, quotes for the house, and tells each account. */
export class MarketLogic {
  readonly #ports: MarketPorts;
  readonly #store: MarketStore;
  readonly #memory: Memory<Kept>;
  /** The journal as the read model gets it. */
  readonly journal: Outbox;
  readonly #pushes: Pushes;
  readonly #clock: MarketClock;
  /** Its restores, and the handshakes after them. */
  readonly restoring: MarketRestoring;
  /** What may be seen of the market without a trace. */
  readonly looks: MarketLooks;
  /** What a check may ask. */
  readonly exam: MarketExam;
  /** What takes its past away, once that is archived. */
  readonly cutting: MarketCutting;
  /** What operators do with it. */
  readonly governance: MarketGovernance;

  constructor(ports: MarketPorts) {
    this.#ports = ports;
    this.#store = new MarketStore(ports);
    const tx = <T>(work: () => T): T => this.#memory.tx(work);
    const timers = () => this.#memory.timers;
    this.#clock = new MarketClock({ ...ports, tx, timers, state: () => this.#state });
    this.#memory = new Memory({
      ...ports,
      title: `market ${ports.listed.symbol}`,
      load: () => this.#load(),
      empty: () => ({ state: emptyMarket(ports.listed, FIRST_EPOCH), records: new Map(), owing: new Set<string>() }),
      meta: (key) => this.#store.meta(key),
      setMeta: (key, value) => this.#store.setMeta(key, value),
    });
    this.journal = new Outbox(ports, {
      object: "market",
      epoch: () => this.#state.epoch,
      first: "CASE kind WHEN 'base' THEN body ->> '$.first' ELSE seq END",
      seq: () => this.#memory.readable?.state.seq ?? 0,
      base: () => this.#memory.readable?.state.base.seq ?? 0,
    });
    this.#pushes = new Pushes({
      now: ports.now,
      tx,
      alert: ports.alert,
      report: ports.send.report,
      timers,
      parking: () => this.#memory.parking,
      epochOf: (account) => this.#records.get(account)?.epoch ?? null,
      identity: () => ({ symbol: this.#state.symbol, epoch: this.#state.epoch }),
      owed: (account) => this.#state.peers.get(account)?.unacknowledged ?? [],
      owing: () => this.#memory.kept.owing,
      acknowledge: (account, rseq) => this.#acknowledge(account, rseq),
    });
    const shared = {
      ...ports,
      tx,
      timers,
      store: this.#store,
      journal: this.journal,
      handshakes: () => this.#memory.handshakes,
      records: () => this.#records,
      stopped: () => this.#memory.stopped,
      readable: () => this.#memory.readable?.state ?? null,
      commit: (work: (turn: MarketTurn) => void) => void this.#pushes.push(this.#commit(work)),
    };
    this.exam = new MarketExam(shared);
    this.looks = new MarketLooks({
      ...shared,
      comeToNow: () => this.#comeToNow(),
      act: (work, halted) => this.#memory.act(work, halted),
    });
    this.governance = new MarketGovernance({ ...shared, act: (work) => this.#memory.act(work, halted) });
    this.cutting = new MarketCutting(shared);
    this.restoring = new MarketRestoring({
      ...shared,
      report: ports.send.report,
      state: () => this.#state,
      acknowledge: (account, rseq) => this.#acknowledge(account, rseq),
      begin: (work, anew) => void this.#commit(work, anew ? "anew" : "restores"),
    });
  }

  #load(): Kept {
    this.#clock.forget();
    const state = this.#store.load(this.#ports.listed);
    checkStored(this.#ports, "kind = 'report'", state);
    const owing = [...state.peers].filter(([, peer]) => peer.unacknowledged.length > 0);
    return { state, records: this.#store.peers(), owing: new Set(owing.map(([account]) => account)) };
  }

  get #state(): MarketState {
    return this.#memory.kept.state;
  }

  get #records(): Map<string, PeerRecord> {
    return this.#memory.kept.records;
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
    const later = (): ExchangeAnswer => ({ outcome: "later" });
    return this.#spoken(this.#memory.act(() => this.#exchange(call), later));
  }

  /** An answer with the epoch of who speaks, where that can be read. */
  #spoken<Answer extends { epoch?: number }>(answer: Answer): Answer {
    const epoch = this.#memory.readable?.state.epoch;
    return epoch === undefined ? answer : { ...answer, epoch };
  }

  #exchange(call: ExchangeCall): ExchangeAnswer {
    if (call.v !== 1 || this.#memory.stopped !== null || !call.commands.every(isKnownCommand))
      return { outcome: "later" };
    const record = this.#records.get(call.account);
    // Meant for another life, or from one who must shake hands first. The version before has known the first life alone.
    const to = call.to === undefined ? FIRST_EPOCH : call.to;
    if (this.#memory.handshakes.has(call.account) || (to !== null && to !== this.#state.epoch))
      return { outcome: "later" };
    const stranger = anotherEpoch("account", record?.epoch ?? null, call.epoch);
    if (stranger !== null) return { outcome: "bug", detail: stranger };
    const peer = peerOf(this.#state, call.account);
    const lowest = call.commands[0]?.cseq ?? peer.cseq + 1;
    if (lowest > peer.cseq + 1) return { outcome: "gap", expected: peer.cseq + 1 };
    if (record === undefined) this.#records.set(call.account, { epoch: call.epoch, acknowledged: 0 });
    this.#acknowledge(call.account, call.rseq);
    const touched = this.#commit((turn) => applyCommands(turn, call.account, commandsOfCall(call.commands)));
    touched.delete(call.account);
    void this.#pushes.push(touched);
    const { cseq, unacknowledged } = peerOf(this.#state, call.account);
    return { outcome: "applied", cseq, reports: unacknowledged.slice(0, REPORTS_PER_CALL_MAX) };
  }

  /** Takes an account's hand after one of the two has been restored: see {@link MarketRestoring}. */
  shake(call: HandshakeCall): HandshakeAnswer {
    const later = (): HandshakeAnswer => ({ outcome: "later" });
    const shake = () => (this.#memory.stopped === null ? this.restoring.shake(call) : later());
    return this.#spoken(this.#memory.act(shake, later));
  }

  /** Begins this market's next life, from a snapshot. Refuses `validation_failed` for one that does not fit. */
  restore(snapshot: Snapshot, expected: readonly string[], act: OperatorAct): Result<null> {
    return this.#memory.act<Result<null>>(() => this.restoring.restore(snapshot, expected, act), halted);
  }

  /** How far a restore has come. */
  restoration(): RestoreView {
    return this.restoring.view();
  }

  /** Opens a restored market though accounts are unmet. Refuses `not_found` when it is not restoring. */
  reopen(act: OperatorAct): Result<null> {
    return this.#memory.act<Result<null>>(() => this.restoring.reopen(act), halted);
  }

  /** The accounts that this market pushes nothing to, and whether it is stopped. */
  parked(query: PageRequest): ParkedView {
    const { readable, parking, stopped } = this.#memory;
    const waiting = (account: string) => readable?.state.peers.get(account)?.unacknowledged.length ?? 0;
    return { stopped, ...parking.page(query, waiting) };
  }

  /** Pushes to a parked account what waits for it. Refuses `not_found` when it is not parked. */
  unpark(account: string, act: OperatorAct): Result<null> {
    if (this.#memory.readable === null) return halted();
    if (!this.#pushes.resume(account, act)) return refuse({ code: "not_found", detail: "This is not parked." });
    return ok(null);
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
    if (peer.unacknowledged.length === 0) this.#memory.kept.owing.delete(account);
  }

  /**
   * One act: bring the market to now, decide, write state and journal together. Answers the accounts that got reports. The
   * act that restores it must find it as it is: for that one the clock does not tick. `anew`: it finds nothing.
   */
  #commit(work: MarketAct, how: "ticks" | "restores" | "anew" = "ticks"): Set<string> {
    const events: MarketEvent[] = [];
    const touched = new Set<string>();
    this.#memory.tx(() => {
      if (how === "anew") this.#memory.forget();
      const turn: MarketTurn = { state: this.#state, ctx: contextOf(this.#ports), events };
      if (how === "ticks") advance(turn);
      work(turn, () => this.#store.write(turn.state, events.splice(0), this.#records));
      if (events.length === 0) return;
      // What accounts tell after a restore comes in parts: an order may be there before what it has met. And where nothing trades,
      // what would have met rests.
      if (isTrading(turn.state)) assertUncrossed(turn.state.book);
      // History is owed to nobody: an account that counts as owing for it would keep the timer busy for ever.
      for (const event of events)
        if (event.kind === "report" && this.#isOwed(event.account)) touched.add(event.account);
      this.#store.write(turn.state, events, this.#records);
      if (touched.size > 0) this.#pushes.arm();
      this.#clock.arm();
    });
    for (const account of touched) this.#memory.kept.owing.add(account);
    if (events.length > 0) this.#ports.queue.wake();
    return touched;
  }

  /** Rings what is due. Never throws: the platform drops an alarm after six failures. */
  async alarm(): Promise<void> {
    // Nobody may be told anything, and ringing on would find the same until an operator restores the object.
    if (this.#memory.readable === null) return;
    try {
      const kinds = new Set(this.#memory.timers.due(this.#ports.now()).map((timer) => timer.kind));
      if (kinds.has("house") || kinds.has("expiry") || kinds.has("resume")) {
        const stands = this.#memory.stopped !== null || this.#state.restoring;
        if (stands) this.#clock.postpone(kinds);
        else this.#clock.wake(() => this.#comeToNow());
      }
      if (kinds.has(MASS_CANCEL_TIMER)) this.governance.ring();
      if (kinds.has(GREET_TIMER)) this.restoring.greet();
      // Not awaited: an account that hangs would keep the next expiry waiting for as long as a call may take.
      if (kinds.has("push")) void this.#pushes.ring();
      this.journal.wakeIfBehind();
    } catch (error) {
      this.#ports.alert(`alarm of ${this.#ports.listed.symbol}: ${String(error)}`);
    } finally {
      this.#memory.timers.rearm(this.#ports.now() + BACKOFF_FIRST_MS);
    }
  }
}
