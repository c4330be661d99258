// How a market reaches the accounts that it owes reports: at once, one flight per account, for ever (protocol rules 8, 9).
import { isSameLife } from "../../core/epochs.ts";
import {
  BACKOFF_FIRST_MS,
  BACKOFF_MAX_MS,
  DESTINATIONS_PER_TURN_MAX,
  REPORTS_PER_CALL_MAX,
  SAFETY_NET_MS,
} from "../../core/limits.ts";
import type { Report } from "../../core/messages.ts";
import type { ReportAnswer, ReportCall } from "../calls.ts";
import { type Parking, reasonToPark } from "../parking.ts";
import type { OperatorAct } from "../protocol.ts";
import type { Timers } from "../timers.ts";

/** What this needs of the market: whom it owes what, and how to send it. */
export interface PushPorts {
  now: () => number;
  timers: () => Timers;
  parking: () => Parking;
  tx: <T>(work: () => T) => T;
  alert: (message: string) => void;
  report: (account: string, call: ReportCall) => Promise<ReportAnswer>;
  identity: () => { symbol: string; epoch: number };
  /** The epoch that an account is known by; null before its first call. */
  epochOf: (account: string) => number | null;
  /** The reports that an account has not acknowledged, oldest first. */
  owed: (account: string) => readonly Report[];
  /** The accounts that are owed anything. */
  owing: () => Iterable<string>;
  acknowledge: (account: string, rseq: number) => void;
}

const TIMER = "push";

/** The market's side of every pair: pushes what an account has not acknowledged, with backoff, until it has or is parked. */
export class Pushes {
  readonly #ports: PushPorts;
  readonly #flying = new Set<string>();
  readonly #retryAt = new Map<string, { at: number; failures: number }>();

  constructor(ports: PushPorts) {
    this.#ports = ports;
  }

  /** Arms the safety net; belongs in the transaction that adds a report. */
  arm(): void {
    const timers = this.#ports.timers();
    if (timers.dueAt(TIMER, "") === undefined) timers.arm(TIMER, "", this.#ports.now() + SAFETY_NET_MS);
  }

  /** Pushes to these accounts, as many as one turn may; the timer does the rest. Never throws. */
  async push(accounts: Iterable<string>): Promise<void> {
    const turn: Promise<void>[] = [];
    for (const account of accounts) {
      if (turn.length === DESTINATIONS_PER_TURN_MAX) break;
      if (this.#mayPush(account)) turn.push(this.#drain(account));
    }
    await Promise.all(turn);
  }

  #mayPush(account: string): boolean {
    if (this.#flying.has(account) || this.#ports.parking().has(account)) return false;
    const retry = this.#retryAt.get(account);
    return retry === undefined || retry.at <= this.#ports.now();
  }

  async #drain(account: string): Promise<void> {
    this.#flying.add(account);
    try {
      for (let owed = this.#ports.owed(account); owed.length > 0; owed = this.#ports.owed(account)) {
        const met = this.#ports.epochOf(account);
        const answer = await this.#call(account, owed.slice(0, REPORTS_PER_CALL_MAX));
        if (!this.#handle(account, owed[0]?.rseq ?? 0, met, answer)) return;
      }
    } catch (error) {
      // Nobody awaits a push: a fault in parking would otherwise be lost. The timer pushes again.
      this.#ports.alert(`pushing to ${account}: ${String(error)}`);
    } finally {
      this.#flying.delete(account);
    }
  }

  /** Whether the next push is of use now. `met`: the account's epoch as it was known when this one was sent. */
  #handle(account: string, lowest: number, met: number | null, answer: ReportAnswer | null): boolean {
    const reason = reasonToPark(answer, "account", met);
    if (reason !== null) {
      this.#ports.tx(() => this.#ports.parking().park(account, reason));
      this.#ports.alert(`parked ${account}: ${reason}`);
      return false;
    }
    // What one life has applied another one may not have: the handshake tells what there is.
    const known = isSameLife(this.#ports.epochOf(account), answer?.epoch) ? answer : null;
    // An answer below what was sent means that the account cannot go on: pushing the same at once would spin.
    if (known?.outcome === "applied" && known.rseq >= lowest) {
      this.#retryAt.delete(account);
      this.#ports.acknowledge(account, known.rseq);
      return true;
    }
    const failures = (this.#retryAt.get(account)?.failures ?? 0) + 1;
    const pause = Math.min(BACKOFF_FIRST_MS * 2 ** (failures - 1), BACKOFF_MAX_MS);
    this.#retryAt.set(account, { at: this.#ports.now() + pause, failures });
    return false;
  }

  async #call(account: string, reports: readonly Report[]): Promise<ReportAnswer | null> {
    try {
      return await this.#ports.report(account, { v: 1, ...this.#ports.identity(), reports: [...reports] });
    } catch {
      // Lost or late: the account answers with the last report it has applied when it is told again.
      return null;
    }
  }

  /** Takes a parked account up again and pushes what waits for it. False when it was not parked. */
  resume(account: string, act: OperatorAct): boolean {
    const resumed = this.#ports.tx(() => {
      const was = this.#ports.parking().resume(account, act);
      if (was && this.#ports.owed(account).length > 0) this.arm();
      return was;
    });
    if (!resumed) return false;
    this.#retryAt.delete(account);
    void this.push([account]);
    return true;
  }

  /** The timer has rung: push what is owed, and come back while anything is. Never throws. */
  async ring(): Promise<void> {
    try {
      // A flight may be out for long: the timer goes on without it.
      this.#ports.tx(() => this.#ports.timers().arm(TIMER, "", this.#ports.now() + SAFETY_NET_MS));
      await this.push(this.#ports.owing());
      this.#ports.tx(() => this.#armNext());
    } catch (error) {
      this.#ports.alert(`pushing: ${String(error)}`);
    }
  }

  #armNext(): void {
    const now = this.#ports.now();
    let next = Number.POSITIVE_INFINITY;
    for (const account of this.#ports.owing()) {
      if (this.#ports.parking().has(account)) continue;
      // One whose flight is still out is due already: ringing for it at once would spin.
      const soonest = this.#flying.has(account) ? now + SAFETY_NET_MS : now + BACKOFF_FIRST_MS;
      next = Math.min(next, Math.max(this.#retryAt.get(account)?.at ?? 0, soonest));
    }
    if (Number.isFinite(next)) this.#ports.timers().arm(TIMER, "", next);
    else this.#ports.timers().clear(TIMER, "");
  }
}
