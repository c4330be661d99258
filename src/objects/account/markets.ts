// How an account reaches its markets: unanswered commands go together, lowest first, one flight per market, for ever.

import { understands } from "../../core/account/reports.ts";
import type { AccountPeer } from "../../core/account/state.ts";
import { isRestored } from "../../core/epochs.ts";
import { BACKOFF_FIRST_MS, BACKOFF_MAX_MS, REPORTS_PER_CALL_MAX, SAFETY_NET_MS } from "../../core/limits.ts";
import { commandsOfCall, type Report } from "../../core/messages.ts";
import type { ExchangeAnswer, HandshakeAnswer } from "../calls.ts";
import { type Parking, reasonToPark } from "../parking.ts";
import type { OperatorAct } from "../protocol.ts";
import type { Timers } from "../timers.ts";
import type { AccountPorts } from "./engine.ts";
import type { AccountRestoring } from "./restoring.ts";

/** What a market has said: in which epoch, the last command that it has acknowledged, and its reports. */
export interface Said {
  epoch: number | undefined;
  acknowledged: number;
  reports: readonly Report[];
}

/** What this needs of the account: its peers, and the one way to apply reports. */
export interface MarketLinkPorts {
  now: () => number;
  timers: () => Timers;
  parking: () => Parking;
  tx: <T>(work: () => T) => T;
  alert: (message: string) => void;
  send: AccountPorts["send"];
  restoring: Pick<AccountRestoring, "begin" | "call" | "take">;
  /** Whether hands are to be shaken with a market: nothing else passes until then. */
  isUnmet: (symbol: string) => boolean;
  identity: () => { account: string; epoch: number };
  peer: (symbol: string) => AccountPeer;
  /** Applies an answer in one transaction. */
  applied: (symbol: string, said: Said) => void;
  isStopped: () => boolean;
}

const TIMER = "drain";

/** The account's side of every pair: one call to a market at a time, with backoff, until all is answered or the pair is parked. */
export class MarketLinks {
  readonly #ports: MarketLinkPorts;
  readonly #flying = new Set<string>();
  readonly #failures = new Map<string, number>();

  constructor(ports: MarketLinkPorts) {
    this.#ports = ports;
  }

  /** Arms the safety net for a market; belongs in the transaction that adds a command. */
  arm(symbol: string): void {
    const timers = this.#ports.timers();
    if (timers.dueAt(TIMER, symbol) === undefined) timers.arm(TIMER, symbol, this.#ports.now() + SAFETY_NET_MS);
  }

  /** Sends what is unanswered, until nothing is. Never throws: what fails is tried again by the timer. */
  async drain(symbol: string): Promise<void> {
    if (this.#flying.has(symbol) || this.#ports.parking().has(symbol)) return;
    this.#flying.add(symbol);
    try {
      let more = this.#hasMore(symbol);
      while (more && !this.#ports.isStopped()) more = await this.#fly(symbol);
    } catch (error) {
      // Nobody awaits a drain: a fault in applying an answer would otherwise be lost. The timer asks again.
      this.#ports.alert(`draining ${symbol}: ${String(error)}`);
    } finally {
      this.#flying.delete(symbol);
    }
  }

  #hasMore(symbol: string): boolean {
    return this.#ports.isUnmet(symbol) || this.#ports.peer(symbol).pending.length > 0;
  }

  /** One call. Whether another one is of use now. */
  async #fly(symbol: string): Promise<boolean> {
    if (this.#ports.isUnmet(symbol)) return this.#shake(symbol);
    const { pending, rseq, epoch: to } = this.#ports.peer(symbol);
    const commands = commandsOfCall(pending);
    const call = { v: 1 as const, ...this.#ports.identity(), to, rseq, commands };
    const answer = await this.#answerTo(() => this.#ports.send.exchange(symbol, call));
    // A handshake began while the call was out: what was said before it is told again.
    if (this.#ports.isUnmet(symbol)) return true;
    if (this.#mustPark(symbol, answer, to)) return false;
    if (isRestored(to, answer?.epoch)) {
      this.#ports.restoring.begin(symbol);
      return true;
    }
    // What came while this object was stopped, or what it is too old for, is asked for again: the market has it.
    const taken = answer?.outcome === "applied" && understands(answer.reports) && !this.#ports.isStopped();
    if (!taken) {
      // The lowest unanswered command was sent, so a gap says that the market has forgotten what it had acknowledged.
      if (answer?.outcome === "gap") this.#ports.alert(`${symbol} expects command ${answer.expected}`);
      this.#backOff(symbol);
      return false;
    }
    this.#failures.delete(symbol);
    this.#ports.applied(symbol, { epoch: answer.epoch, acknowledged: answer.cseq, reports: answer.reports });
    // A full answer may have left reports behind; waiting for the market's push would leave their orders unanswered.
    return answer.reports.length === REPORTS_PER_CALL_MAX || this.#ports.peer(symbol).pending.length > 0;
  }

  /** One call of a handshake. Whether another one is of use now. */
  async #shake(symbol: string): Promise<boolean> {
    const call = this.#ports.restoring.call(symbol);
    const answer = await this.#answerTo(() => this.#ports.send.shake(symbol, call));
    // What was asked in a life before says nothing of this one.
    if (this.#ports.identity().epoch !== call.epoch) return true;
    if (this.#mustPark(symbol, answer, call.to)) return false;
    const shaken = this.#ports.isStopped() ? null : this.#ports.restoring.take(symbol, answer);
    if (shaken === null) {
      this.#backOff(symbol);
      return false;
    }
    this.#failures.delete(symbol);
    if (typeof shaken === "object") {
      this.#park(symbol, shaken.conflict);
      return false;
    }
    return this.#hasMore(symbol);
  }

  #mustPark(symbol: string, answer: ExchangeAnswer | HandshakeAnswer | null, known: number | null): boolean {
    const reason = reasonToPark(answer, "market", known);
    if (reason !== null) this.#park(symbol, reason);
    return reason !== null;
  }

  #park(symbol: string, reason: string): void {
    this.#ports.tx(() => this.#ports.parking().park(symbol, reason));
    this.#ports.alert(`parked ${symbol}: ${reason}`);
  }

  async #answerTo<T>(call: () => Promise<T>): Promise<T | null> {
    try {
      return await call();
    } catch {
      // Lost, late or overloaded: the market's record of this account answers the same when it is asked again.
      return null;
    }
  }

  #backOff(symbol: string): void {
    const failures = (this.#failures.get(symbol) ?? 0) + 1;
    this.#failures.set(symbol, failures);
    const pause = Math.min(BACKOFF_FIRST_MS * 2 ** (failures - 1), BACKOFF_MAX_MS);
    this.#ports.tx(() => this.#ports.timers().arm(TIMER, symbol, this.#ports.now() + pause));
  }

  /** A market's timer has rung: forget it when all is answered, else try again. */
  async ring(symbol: string): Promise<void> {
    const waiting = this.#hasMore(symbol) && !this.#ports.parking().has(symbol);
    // While the account is stopped nothing is sent; looking again now and then finds it repaired.
    const pause = this.#ports.isStopped() ? BACKOFF_MAX_MS : SAFETY_NET_MS;
    this.#ports.tx(() => {
      const timers = this.#ports.timers();
      if (waiting) timers.arm(TIMER, symbol, this.#ports.now() + pause);
      else timers.clear(TIMER, symbol);
    });
    if (waiting) await this.drain(symbol);
  }

  /** Takes a parked market up again and sends it what waits. False when it was not parked. */
  resume(symbol: string, act: OperatorAct): boolean {
    const resumed = this.#ports.tx(() => {
      const was = this.#ports.parking().resume(symbol, act);
      if (was && this.#hasMore(symbol)) this.arm(symbol);
      return was;
    });
    if (!resumed) return false;
    this.#failures.delete(symbol);
    void this.drain(symbol);
    return true;
  }
}
