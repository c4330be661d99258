// What is done for an owner who is not there: all open orders are canceled, after a time that they have set and not put off,
// or when a stream closes that they have put in charge of them.
import { type AccountTurn, requestCancel } from "../../core/account/decide.ts";
import { BACKOFF_MAX_MS, SAFETY_NET_MS, SOCKET_SILENCE_MAX_MS } from "../../core/limits.ts";
import type { CancelReason } from "../../core/messages.ts";
import type { Timer, Timers } from "../timers.ts";

/** What this needs of the account, and of its sockets. */
export interface AbsencePorts {
  now: () => number;
  makeId: (prefix: string, at: number) => string;
  tx: <T>(work: () => T) => T;
  timers: () => Timers;
  isStopped: () => boolean;
  commit: <T>(work: (turn: AccountTurn) => T) => T;
  tell: (symbol: string) => void;
  /** Looks at a socket in charge, and closes a silent one. Answers when to look again, in ms; null when it is gone. */
  watch: (guard: string) => number | null;
}

/** The timers' kinds are what the orders' reasons say. */
const AFTER: CancelReason = "cancel_all_after";
const DISCONNECT: CancelReason = "cancel_on_disconnect";

/** Cancels for an owner who is not there, by timers that outlive the object's memory. Once for each absence. */
export class Absence {
  readonly #ports: AbsencePorts;

  constructor(ports: AbsencePorts) {
    this.#ports = ports;
  }

  /** Has all open orders canceled in `timeoutMs`, in place of any time before; 0: not at all. Answers when, in ms. */
  cancelAfter(timeoutMs: number): number | null {
    const at = timeoutMs === 0 ? null : this.#ports.now() + timeoutMs;
    this.#ports.tx(() => {
      if (at === null) this.#ports.timers().clear(AFTER, "");
      else this.#ports.timers().arm(AFTER, "", at);
    });
    return at;
  }

  /** Puts a socket in charge: it is named `known`, or gets the name that is answered. Belongs to no transaction. */
  guard(known: string | undefined): string {
    const name = known ?? this.#ports.makeId("grd", this.#ports.now());
    this.#ports.tx(() => this.#ports.timers().arm(DISCONNECT, name, this.#ports.now() + SOCKET_SILENCE_MAX_MS));
    return name;
  }

  /** Takes a socket out of charge: it may close. */
  unguard(name: string): void {
    this.#ports.tx(() => this.#ports.timers().clear(DISCONNECT, name));
  }

  /** A socket that may be in charge has closed. The alarm does the rest: what is being published now must be heard first. */
  left(name: string): void {
    const timers = this.#ports.timers();
    if (timers.dueAt(DISCONNECT, name) === undefined) return;
    this.#ports.tx(() => timers.arm(DISCONNECT, name, this.#ports.now()));
  }

  /** After a start: sockets in charge that did not outlive the object's memory have closed. */
  lookForLost(): void {
    for (const { kind, ref } of this.#ports.timers().due(Number.POSITIVE_INFINITY)) {
      if (kind === DISCONNECT && this.#ports.watch(ref) === null) this.left(ref);
    }
  }

  /** Whether a timer is one of these. */
  rings({ kind }: Timer): boolean {
    return kind === AFTER || kind === DISCONNECT;
  }

  /** A timer has rung: the time is over, or a socket is to be looked at. */
  ring({ kind, ref }: Timer): void {
    const { timers, now, tx } = this.#ports;
    const again = this.#ports.isStopped() ? now() + BACKOFF_MAX_MS : kind === AFTER ? null : this.#ports.watch(ref);
    if (again !== null) tx(() => timers().arm(kind, ref, again));
    else this.#cancelAll(kind === AFTER ? AFTER : DISCONNECT, ref);
  }

  #cancelAll(reason: CancelReason, ref: string): void {
    const { timers, now } = this.#ports;
    const asked = this.#ports.commit((turn) => {
      // Orders that a restored account has yet to hear of are canceled when they are back.
      if (turn.state.restoring) timers().arm(reason, ref, now() + SAFETY_NET_MS);
      else timers().clear(reason, ref);
      return [...turn.state.orders.values()].map((order) => requestCancel(turn, order, reason));
    });
    for (const symbol of new Set(asked.map((order) => order.symbol))) this.#ports.tell(symbol);
  }
}
