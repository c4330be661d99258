// A market under its operators: its status and rules, the kill switch, and the mass cancel that may come with it.
import { BACKOFF_MAX_MS, MASS_CANCEL_ORDERS_MAX, SAFETY_NET_MS } from "../../core/limits.ts";
import type { MarketStatus } from "../../core/listings.ts";
import { takes } from "../../core/market/breaker.ts";
import { settleGroups } from "../../core/market/exits.ts";
import { changeRules, type RulesChange } from "../../core/market/rules.ts";
import type { MarketState } from "../../core/market/state.ts";
import { changeStatus, kill, release } from "../../core/market/status.ts";
import { type MarketTurn, referenceNow, report } from "../../core/market/turn.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import type { MarketView } from "../governing.ts";
import type { ObjectPorts } from "../ports.ts";
import type { OperatorAct } from "../protocol.ts";
import type { Timers } from "../timers.ts";

/** What this needs of its market: its state, and the one way to change it. */
export interface GovernancePorts extends Pick<ObjectPorts, "now" | "tx" | "isFull"> {
  timers: () => Timers;
  readable: () => MarketState | null;
  stopped: () => string | null;
  /** Does an act; one that breaks an invariant stops the market, and answers as halted. */
  act: <T>(work: () => Result<T>) => Result<T>;
  /** One act of the market, journalled, of which all who are concerned are told. */
  commit: (work: (turn: MarketTurn) => void) => void;
}

/** The timer for the next part of a mass cancel: while it is there, one is under way. It outlives the memory, not the storage. */
export const MASS_CANCEL_TIMER = "mass_cancel";

const STOPPED = refuse({ code: "unavailable", detail: "This market is halted." });

/** Changes what a market goes by. */
export class MarketGovernance {
  readonly #ports: GovernancePorts;

  constructor(ports: GovernancePorts) {
    this.#ports = ports;
  }

  /** The rules as they are now; null while what is stored cannot be read. */
  view(): MarketView | null {
    this.#resumeInTime();
    const state = this.#ports.readable();
    if (state === null) return null;
    const status = this.#ports.stopped() === null ? takes(state, this.#ports.isFull()).status : "halted";
    const canceling = this.#isCanceling() ? state.orders.size : 0;
    return { rules: state.rules, takes: status, canceling };
  }

  /** An alarm may be late: whoever looks must not see a halt whose time is over. */
  #resumeInTime(): void {
    const state = this.#ports.readable();
    const until = state?.rules.halt?.until ?? Number.POSITIVE_INFINITY;
    if (until > this.#ports.now() || this.#ports.stopped() !== null) return;
    this.#ports.act(() => ok(this.#ports.commit(() => undefined)));
  }

  /** Gives the market another status. One with an end, such as the breaker's, has none once an operator has said it. */
  setStatus(status: MarketStatus, act: OperatorAct): Result<MarketView> {
    return this.#change((turn) => ok(changeStatus(turn, status, act)));
  }

  /** Changes rules. Refuses as core's {@link changeRules}. */
  changeRules(change: RulesChange, act: OperatorAct): Result<MarketView> {
    return this.#change((turn) => changeRules(turn, change, act));
  }

  /** Halts the market until {@link release}; with `cancelOrders` its open orders are canceled, the first ones at once. */
  kill(cancelOrders: boolean, act: OperatorAct): Result<MarketView> {
    return this.#change((turn) => {
      kill(turn, act);
      if (cancelOrders) this.#cancelSome(turn);
      return ok(undefined);
    });
  }

  /** Lets the market go on as it was before the kill switch. */
  release(act: OperatorAct): Result<MarketView> {
    return this.#change((turn) => {
      this.#ports.timers().clear(MASS_CANCEL_TIMER, "");
      release(turn, act);
      return ok(undefined);
    });
  }

  /** The timer has rung: the next part of a mass cancel. */
  ring(): void {
    if (this.#ports.stopped() === null) this.#ports.commit((turn) => this.#cancelSome(turn));
    // Looking again now and then finds it repaired.
    else this.#ports.tx(() => this.#arm(this.#ports.now() + BACKOFF_MAX_MS));
  }

  #change(work: (turn: MarketTurn) => Result<unknown>): Result<MarketView> {
    if (this.#ports.stopped() !== null) return STOPPED;
    return this.#ports.act(() => {
      let done: Result<unknown> = STOPPED;
      this.#ports.commit((turn) => {
        done = work(turn);
      });
      const view = this.view();
      if (!done.ok) return done;
      return view === null ? STOPPED : ok(view);
    });
  }

  #isCanceling(): boolean {
    return this.#ports.timers().dueAt(MASS_CANCEL_TIMER, "") !== undefined;
  }

  #arm(due: number): void {
    this.#ports.timers().arm(MASS_CANCEL_TIMER, "", due);
  }

  /** Cancels as many orders as one turn may, and has itself rung for the others. */
  #cancelSome(turn: MarketTurn): void {
    const { orders, restoring } = turn.state;
    // A report now would take a number that an account may know as something else.
    if (restoring) {
      this.#arm(this.#ports.now() + SAFETY_NET_MS);
      return;
    }
    const some = [...orders.values()].slice(0, MASS_CANCEL_ORDERS_MAX);
    for (const { id: orderId, account } of some)
      report(turn, account, { orderId, execType: "canceled", reason: "kill_switch" });
    settleGroups(turn, referenceNow(turn));
    if (orders.size > 0) this.#arm(this.#ports.now());
    else this.#ports.timers().clear(MASS_CANCEL_TIMER, "");
  }
}
