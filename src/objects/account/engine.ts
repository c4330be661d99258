// How an account's act becomes durable and known: one transaction of state and journal, then sockets, markets and waiters.
import type { AccountTurn } from "../../core/account/decide.ts";
import { applyReports } from "../../core/account/reports.ts";
import { type AccountEvent, type AccountState, accountPeer } from "../../core/account/state.ts";
import { BACKOFF_FIRST_MS } from "../../core/limits.ts";
import type { Report } from "../../core/messages.ts";
import { isOpen, type Order } from "../../core/order.ts";
import { InvariantError } from "../../core/result.ts";
import { Outbox } from "../outbox.ts";
import type { ObjectPorts } from "../ports.ts";
import type { ExchangeAnswer, ExchangeCall } from "../protocol.ts";
import { type Timer, Timers } from "../timers.ts";
import { MarketLinks } from "./markets.ts";
import { AccountStore } from "./store.ts";

export interface AccountPorts extends ObjectPorts {
  priceSeed: number;
  send: { exchange: (symbol: string, call: ExchangeCall) => Promise<ExchangeAnswer> };
  sockets: {
    /** Tells the account's sockets what has just been committed. */
    publish: (events: readonly AccountEvent[]) => void;
    /** Closes the sockets of a revoked session, or with null all that are open. */
    closeSession: (sessionId: string | null) => void;
    /** Closes the sockets whose token has run out. Answers when the next one's does, in ms; null when none is left. */
    closeExpired: () => number | null;
  };
}

/** The timer for the earliest end of a token that a socket lives by. */
const TOKEN_TIMER = "token";

/** The promise of an order that waits for nothing. */
export const SETTLED: Promise<void> = Promise.resolve();

export class AccountEngine {
  readonly #ports: AccountPorts;
  readonly store: AccountStore;
  #timers: Timers;
  /** The journal as the read model gets it. */
  readonly journal: Outbox;
  readonly #links: MarketLinks;
  readonly #waiters = new Map<string, (() => void)[]>();
  #state: AccountState;
  #stopped: string | null;

  constructor(ports: AccountPorts) {
    this.#ports = ports;
    this.store = new AccountStore(ports);
    this.#state = this.store.load();
    this.#stopped = this.store.meta("stopped") ?? null;
    this.#timers = new Timers(ports);
    this.journal = new Outbox(ports, {
      object: "account",
      epoch: this.#state.epoch,
      first: "first",
      seq: () => this.#state.seq,
    });
    this.#links = new MarketLinks(
      {
        now: ports.now,
        tx: ports.tx,
        alert: ports.alert,
        exchange: ports.send.exchange,
        timers: () => this.#timers,
        identity: () => ({ account: ports.name, epoch: this.#state.epoch }),
        peer: (symbol) => accountPeer(this.#state, symbol),
        applied: (symbol, acknowledged, reports) => this.apply(symbol, reports, acknowledged),
        park: (symbol, reason) => this.store.park(symbol, reason),
        isStopped: () => this.#stopped !== null,
      },
      this.store.parked(),
    );
  }

  /** The state as the last act left it. */
  get state(): Readonly<AccountState> {
    return this.#state;
  }

  /** Why this object takes no commands any more; null while it does. */
  get stopped(): string | null {
    return this.#stopped;
  }

  /** The order as it is now, open or closed. */
  order(id: string): Order | undefined {
    return this.#state.orders.get(id) ?? this.store.findOrder(id);
  }

  /** One act: decide, write state and journal together, then tell. A broken invariant writes nothing and stops the object. */
  commit<T>(work: (turn: AccountTurn) => T): T {
    const { now, makeId, sha256, priceSeed } = this.#ports;
    const turn: AccountTurn = { state: this.#state, ctx: { now: now(), makeId, sha256, priceSeed }, events: [] };
    let value: T;
    try {
      value = this.#ports.tx(() => {
        const answer = work(turn);
        this.store.write(turn.state, turn.events);
        for (const event of turn.events) {
          if ("command" in event && event.command !== null) this.#links.arm(event.order.symbol);
        }
        return answer;
      });
    } catch (error) {
      this.#afterThrow(error);
      throw error;
    }
    if (turn.events.length > 0) {
      this.#ports.sockets.publish(turn.events);
      this.#ports.queue.wake();
    }
    return value;
  }

  #afterThrow(error: unknown): void {
    // Memory ran ahead of the rolled-back transaction: read it again from what is stored.
    this.#state = this.store.load();
    this.#timers = new Timers(this.#ports);
    if (!(error instanceof InvariantError)) return;
    this.#stopped = error.message;
    this.store.setMeta("stopped", error.message);
    this.#ports.alert(`account ${this.#ports.name} stopped: ${error.message}`);
  }

  /**
   * Applies a market's reports and what it has acknowledged, in one transaction, and wakes who waited for them. Answers
   * the last report applied.
   */
  apply(symbol: string, reports: readonly Report[], acknowledged: number): number {
    const rseq = this.commit((turn) => {
      const last = applyReports(turn, symbol, reports, (id) => this.store.findOrder(id));
      const peer = accountPeer(turn.state, symbol);
      if (acknowledged <= peer.acknowledged) return last;
      peer.acknowledged = acknowledged;
      peer.pending = peer.pending.filter((command) => command.cseq > acknowledged);
      if (turn.events.length === 0) this.store.writePeer(turn.state, symbol);
      return last;
    });
    for (const report of reports) this.#wake(report.orderId);
    return rseq;
  }

  /** Sends a market what it has not answered yet. Returns at once; the order's own promise says when it has spoken. */
  tell(symbol: string): void {
    void this.#links.drain(symbol);
  }

  /** Resolves when the order's market has answered what it was last asked. */
  settled(order: Order): Promise<void> {
    if (!isWaiting(order)) return SETTLED;
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(order.id) ?? [];
      waiters.push(resolve);
      this.#waiters.set(order.id, waiters);
    });
  }

  #wake(orderId: string): void {
    const order = this.#state.orders.get(orderId);
    if (order !== undefined && isWaiting(order)) return;
    for (const resolve of this.#waiters.get(orderId) ?? []) resolve();
    this.#waiters.delete(orderId);
  }

  /** Rings what is due. Never throws: the platform drops an alarm after six failures. */
  async alarm(): Promise<void> {
    const due = this.#timers.due(this.#ports.now());
    await Promise.allSettled(due.map((timer) => this.#ring(timer)));
    this.#timers.rearm(this.#ports.now() + BACKOFF_FIRST_MS);
    this.journal.wakeIfBehind();
  }

  async #ring({ kind, ref }: Timer): Promise<void> {
    if (kind !== TOKEN_TIMER) return this.#links.ring(ref);
    const next = this.#ports.sockets.closeExpired();
    this.#ports.tx(() => {
      if (next === null) this.#timers.clear(TOKEN_TIMER, "");
      else this.#timers.arm(TOKEN_TIMER, "", next);
    });
  }

  /** Has the sockets looked at when a token runs out, at `at` in ms. An earlier look stays: it finds the next. */
  awaitExpiry(at: number): void {
    const due = this.#timers.dueAt(TOKEN_TIMER, "");
    if (due === undefined || at < due) this.#ports.tx(() => this.#timers.arm(TOKEN_TIMER, "", at));
  }
}

function isWaiting(order: Order): boolean {
  return order.status === "pending_new" || (isOpen(order.status) && order.cancelRequested);
}
