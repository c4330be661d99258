// How a market reaches the accounts that it owes reports: at once, one flight per account, for ever (protocol rules 8, 9).
import {
  BACKOFF_FIRST_MS,
  BACKOFF_MAX_MS,
  DESTINATIONS_PER_TURN_MAX,
  REPORTS_PER_CALL_MAX,
  SAFETY_NET_MS,
} from "../../core/limits.ts";
import type { Report } from "../../core/messages.ts";
import type { ReportAnswer, ReportCall } from "../protocol.ts";
import type { Timers } from "../timers.ts";

export interface PushPorts {
  now: () => number;
  timers: () => Timers;
  tx: <T>(work: () => T) => T;
  alert: (message: string) => void;
  report: (account: string, call: ReportCall) => Promise<ReportAnswer>;
  identity: () => { symbol: string; epoch: number };
  /** The reports that an account has not acknowledged, oldest first. */
  owed: (account: string) => readonly Report[];
  /** The accounts that are owed anything. */
  owing: () => Iterable<string>;
  acknowledge: (account: string, rseq: number) => void;
}

const TIMER = "push";

export class Pushes {
  readonly #ports: PushPorts;
  readonly #flying = new Set<string>();
  readonly #parked = new Set<string>();
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
    const retry = this.#retryAt.get(account);
    return (
      !this.#flying.has(account) && !this.#parked.has(account) && (retry === undefined || retry.at <= this.#ports.now())
    );
  }

  async #drain(account: string): Promise<void> {
    this.#flying.add(account);
    try {
      for (let owed = this.#ports.owed(account); owed.length > 0; owed = this.#ports.owed(account)) {
        const answer = await this.#call(account, owed.slice(0, REPORTS_PER_CALL_MAX));
        if (!this.#handle(account, owed[0]?.rseq ?? 0, answer)) return;
      }
    } finally {
      this.#flying.delete(account);
    }
  }

  #handle(account: string, lowest: number, answer: ReportAnswer | null): boolean {
    if (answer?.outcome === "bug") {
      this.#parked.add(account);
      this.#ports.alert(`parked ${account}: ${answer.detail}`);
      return false;
    }
    // An answer below what was sent means that the account cannot go on: pushing the same at once would spin.
    if (answer?.outcome === "applied" && answer.rseq >= lowest) {
      this.#retryAt.delete(account);
      this.#ports.acknowledge(account, answer.rseq);
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
      if (this.#parked.has(account)) continue;
      // One whose flight is still out is due already: ringing for it at once would spin.
      const soonest = this.#flying.has(account) ? now + SAFETY_NET_MS : now + BACKOFF_FIRST_MS;
      next = Math.min(next, Math.max(this.#retryAt.get(account)?.at ?? 0, soonest));
    }
    if (Number.isFinite(next)) this.#ports.timers().arm(TIMER, "", next);
    else this.#ports.timers().clear(TIMER, "");
  }
}
