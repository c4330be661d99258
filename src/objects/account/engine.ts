// How an account's act becomes durable and known: one transaction of state and journal, then sockets, markets and waiters.
import type { AccountTurn } from "../../core/account/decide.ts";
import { applyReports } from "../../core/account/reports.ts";
import { type AccountEvent, type AccountState, accountPeer, emptyAccount } from "../../core/account/state.ts";
import { FIRST_EPOCH } from "../../core/epochs.ts";
import { BACKOFF_FIRST_MS } from "../../core/limits.ts";
import type { Order } from "../../core/order.ts";
import type { PaymentDesk } from "../../core/payments.ts";
import { type Result, refuse } from "../../core/result.ts";
import type { TransferPolicy } from "../../core/transfer-policy.ts";
import type {
  ExchangeAnswer,
  ExchangeCall,
  HandshakeAnswer,
  HandshakeCall,
  PreviewAnswer,
  PreviewCall,
} from "../calls.ts";
import type { MarketView } from "../governing.ts";
import type { Handshakes } from "../handshakes.ts";
import { Memory } from "../memory.ts";
import { Outbox } from "../outbox.ts";
import type { ObjectPorts } from "../ports.ts";
import type { OperatorAct, PageRequest, ParkedView } from "../protocol.ts";
import { checkStored } from "../stored.ts";
import type { Timer } from "../timers.ts";
import { Absence } from "./absence.ts";
import { withLegs } from "./groups.ts";
import { MarketLinks, type Said } from "./markets.ts";
import { Payouts } from "./payouts.ts";
import { AccountRestoring } from "./restoring.ts";
import { AccountStore } from "./store.ts";
import { Waiters } from "./waiters.ts";

/** What an account needs of the world: prices, the way to its markets, and its own sockets. */
export interface AccountPorts extends ObjectPorts {
  priceSeed: number;
  /** What transfers are judged by now. */
  transferPolicy: () => TransferPolicy;
  /** Who moves fiat outside. */
  desk: PaymentDesk;
  send: {
    exchange: (symbol: string, call: ExchangeCall) => Promise<ExchangeAnswer>;
    preview: (symbol: string, call: PreviewCall) => Promise<PreviewAnswer>;
    rules: (symbol: string) => Promise<MarketView | null>;
    shake: (symbol: string, call: HandshakeCall) => Promise<HandshakeAnswer>;
  };
  sockets: {
    /** Tells the account's sockets what has just been committed. */
    publish: (events: readonly AccountEvent[]) => void;
    /** Closes the sockets of a revoked session or key, or with null those of all sessions. */
    closeSession: (sessionId: string | null) => void;
    /** Closes the sockets whose token has run out. Answers when the next one's does, in ms; null when none is left. */
    closeExpired: () => number | null;
    /** As {@link AbsencePorts.watch}. */
    watch: (guard: string) => number | null;
  };
}

/** The timer for the earliest end of a token that a socket lives by. */
const TOKEN_TIMER = "token";

/** What a stopped account answers to every command. */
export const HALTED = refuse({ code: "unavailable", detail: "This account is halted." });
/** The account's state, and the only way in which it changes: one act, one transaction, then everybody who waits is told. */
export class AccountEngine {
  readonly #ports: AccountPorts;
  readonly store: AccountStore;
  readonly #memory: Memory<AccountState>;
  readonly absence: Absence;
  readonly #payouts: Payouts;
  /** Restore, and the handshakes after it. */
  readonly restoring: AccountRestoring;
  /** The journal as the read model gets it. */
  readonly journal: Outbox;
  readonly #links: MarketLinks;
  readonly #waiters: Waiters;

  constructor(ports: AccountPorts) {
    this.#ports = ports;
    this.store = new AccountStore(ports);
    this.#memory = new Memory({
      ...ports,
      title: `account ${ports.name}`,
      load: () => this.#load(),
      empty: () => emptyAccount(ports.name, FIRST_EPOCH),
      meta: (key) => this.store.meta(key),
      setMeta: (key, value) => this.store.setMeta(key, value),
    });
    this.#waiters = new Waiters({
      openOrder: (id) => this.state.orders.get(id),
      isParked: (symbol) => this.isParked(symbol),
    });
    this.restoring = new AccountRestoring(this, ports);
    this.absence = new Absence({
      now: ports.now,
      makeId: ports.makeId,
      tx: (work) => this.#memory.tx(work),
      timers: () => this.#memory.timers,
      isStopped: () => this.stopped !== null,
      commit: (work) => this.commit(work),
      tell: (symbol) => this.tell(symbol),
      watch: (guard) => ports.sockets.watch(guard),
    });
    this.#payouts = new Payouts({
      ...ports,
      tx: (work) => this.#memory.tx(work),
      timers: () => this.#memory.timers,
      state: () => this.state,
      isStopped: () => this.stopped !== null,
      commit: (work) => this.commit(work),
    });
    this.journal = new Outbox(ports, {
      object: "account",
      epoch: () => this.state.epoch,
      first: "first",
      seq: () => this.readable?.seq ?? 0,
      base: () => this.readable?.base.seq ?? 0,
    });
    this.#links = new MarketLinks({
      now: ports.now,
      tx: (work) => this.#memory.tx(work),
      alert: ports.alert,
      send: ports.send,
      restoring: this.restoring,
      isUnmet: (symbol) => this.handshakes.has(symbol),
      timers: () => this.#memory.timers,
      parking: () => this.#memory.parking,
      identity: () => ({ account: ports.name, epoch: this.state.epoch }),
      peer: (symbol) => accountPeer(this.state, symbol),
      applied: (symbol, said) => this.apply(symbol, said),
      isStopped: () => this.stopped !== null,
    });
  }

  #load(): AccountState {
    const state = this.store.load();
    checkStored(this.#ports, "entry_kind IS NOT NULL", state);
    return state;
  }

  /** The state as the last act left it. Throws InvariantError while what is stored cannot be read. */
  get state(): Readonly<AccountState> {
    return this.#memory.kept;
  }

  /** As {@link state}; null while what is stored cannot be read. */
  get readable(): Readonly<AccountState> | null {
    return this.#memory.readable;
  }

  /** Why this object takes no commands any more; null while it does. */
  get stopped(): string | null {
    return this.#memory.stopped;
  }

  /** With which markets hands are to be shaken. */
  get handshakes(): Handshakes {
    return this.#memory.handshakes;
  }

  /** The order as it is now, open or closed. */
  order(id: string): Order | undefined {
    return this.state.orders.get(id) ?? this.store.findOrder(id);
  }

  /** As {@link order}; a parent comes with its legs. */
  shown(id: string): Order | undefined {
    const order = this.order(id);
    return order === undefined ? undefined : withLegs(order, (leg) => this.order(leg));
  }

  /**
   * One act: decide, write state and journal together, then tell. A broken invariant writes nothing and stops the object. `write`
   * stores what there is so far, of which nobody is told: history is too long to be held. `anew`: all that is stored goes first.
   */
  commit<T>(work: (turn: AccountTurn, write: () => void) => T, anew = false): T {
    const { now, makeId, sha256, priceSeed } = this.#ports;
    const events: AccountEvent[] = [];
    const value = this.#memory.tx(() => {
      if (anew) this.#memory.forget();
      const turn: AccountTurn = { state: this.state, ctx: { now: now(), makeId, sha256, priceSeed }, events };
      const answer = work(turn, () => this.#write(turn.state, events.splice(0)));
      this.#write(turn.state, events);
      return answer;
    });
    if (events.length > 0) {
      this.#ports.sockets.publish(events);
      this.#ports.queue.wake();
    }
    return value;
  }

  #write(state: AccountState, events: readonly AccountEvent[]): void {
    this.store.write(state, events);
    for (const event of events) {
      if ("command" in event && event.command !== null) this.#links.arm(event.order.symbol);
      if ("transfer" in event) this.#payouts.arm(event.transfer);
    }
  }

  /** Does one act. One that breaks an invariant stops this object, and is refused like all that will follow it. */
  act<T>(work: () => Result<T>): Result<T> {
    return this.#memory.act(work, () => HALTED);
  }

  /**
   * Applies a market's reports and what it has acknowledged, in one transaction, and wakes who waited for them. The first
   * contact settles which epoch of the market is known. Answers the last report applied.
   */
  apply(symbol: string, said: Said): number {
    const rseq = this.commit((turn) => {
      const last = applyReports(turn, symbol, said.reports, (id) => this.store.findOrder(id));
      const peer = accountPeer(turn.state, symbol);
      const met = peer.epoch === null && said.epoch !== undefined;
      if (!met && said.acknowledged <= peer.acknowledged) return last;
      peer.epoch ??= said.epoch ?? null;
      peer.acknowledged = Math.max(peer.acknowledged, said.acknowledged);
      peer.pending = peer.pending.filter((command) => command.cseq > peer.acknowledged);
      if (turn.events.length === 0) this.store.writePeer(turn.state, symbol);
      return last;
    });
    for (const report of said.reports) this.wake(report.orderId);
    this.#waiters.wakeParents();
    return rseq;
  }

  /** Sends a market what it has not answered yet. Returns at once; the order's own promise says when it has spoken. */
  tell(symbol: string): void {
    void this.#links.drain(symbol);
  }

  /** Has a timer see that a market is told; belongs in the transaction that makes it needed. */
  arm(symbol: string): void {
    this.#links.arm(symbol);
  }

  /** Whether a market is parked: it is sent nothing, and takes no new orders. */
  isParked(symbol: string): boolean {
    return this.#memory.parking.has(symbol);
  }

  /** The markets that are parked, and whether this object is stopped. */
  parked(query: PageRequest): ParkedView {
    const waiting = (symbol: string) => this.readable?.peers.get(symbol)?.pending.length ?? 0;
    return { stopped: this.stopped, ...this.#memory.parking.page(query, waiting) };
  }

  /** Takes a parked market up again and sends it what waits. False when it was not parked. */
  unpark(symbol: string, act: OperatorAct): boolean {
    return this.#links.resume(symbol, act);
  }

  /** See {@link Waiters.settled}. */
  settled(order: Order): Promise<void> {
    return this.#waiters.settled(order);
  }

  /** See {@link Waiters.wake}. */
  wake(orderId: string): void {
    this.#waiters.wake(orderId);
  }

  /** Rings what is due. Never throws: the platform drops an alarm after six failures. */
  async alarm(): Promise<void> {
    // Nobody may be told anything, and ringing on would find the same until an operator restores the object.
    if (this.readable === null) return;
    try {
      const due = this.#memory.timers.due(this.#ports.now());
      const rung = await Promise.allSettled(due.map((timer) => this.#ring(timer)));
      for (const one of rung) if (one.status === "rejected") this.#alarmFailed(one.reason);
      this.journal.wakeIfBehind();
    } catch (error) {
      this.#alarmFailed(error);
    } finally {
      this.#memory.timers.rearm(this.#ports.now() + BACKOFF_FIRST_MS);
    }
  }

  #alarmFailed(error: unknown): void {
    this.#ports.alert(`alarm of ${this.#ports.name}: ${String(error)}`);
  }

  async #ring(timer: Timer): Promise<void> {
    if (this.absence.rings(timer)) return this.absence.ring(timer);
    if (this.#payouts.rings(timer)) return this.#payouts.ring(timer);
    if (timer.kind !== TOKEN_TIMER) return this.#links.ring(timer.ref);
    const next = this.#ports.sockets.closeExpired();
    this.#memory.tx(() => {
      if (next === null) this.#memory.timers.clear(TOKEN_TIMER, "");
      else this.#memory.timers.arm(TOKEN_TIMER, "", next);
    });
  }

  /** Has the sockets looked at when a token runs out, at `at` in ms. An earlier look stays: it finds the next. */
  awaitExpiry(at: number): void {
    const due = this.#memory.timers.dueAt(TOKEN_TIMER, "");
    if (due === undefined || at < due) this.#memory.tx(() => this.#memory.timers.arm(TOKEN_TIMER, "", at));
  }
}
