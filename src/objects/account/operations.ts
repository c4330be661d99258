// What operators do with an account: freeze it, resume what is parked, restore it.
import { emit, requestCancel } from "../../core/account/decide.ts";
import type { AccountStatus, StatusChanged } from "../../core/account/events.ts";
import { isContainer } from "../../core/groups.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import type { Outbox } from "../outbox.ts";
import type { OperatorAct, PageRequest, ParkedView, RestoreView, Snapshot } from "../protocol.ts";
import type { AtBase } from "./archived.ts";
import { AccountCutting } from "./cutting.ts";
import { type AccountEngine, type AccountPorts, HALTED } from "./engine.ts";
import { AccountExam } from "./exam.ts";
import type { AccountRestoring } from "./restoring.ts";

/** The acts of operators on one account. */
export class AccountOperations {
  readonly #engine: AccountEngine;
  /** What a check may ask. */
  readonly exam: AccountExam;
  /** What takes its past away, once that is archived. */
  readonly cutting: AccountCutting;

  constructor(engine: AccountEngine, ports: AccountPorts, atBase: AtBase) {
    this.#engine = engine;
    this.exam = new AccountExam(ports, engine, atBase);
    this.cutting = new AccountCutting(ports, engine);
  }

  /** Freezes or thaws the account, with the reason for it. */
  setStatus(status: AccountStatus, reason: string, by?: string): Result<null> {
    return this.#engine.act(() => {
      // Frozen anew where the kill switch has done it: its release must leave frozen what somebody else wants so.
      if (status !== this.#engine.state.status || (status === "frozen" && this.#isKilled()))
        this.#engine.commit((turn) => emit(turn, statusChanged(status, reason, by)));
      return ok(null);
    });
  }

  /** Thaws the account where {@link stopTrading} has frozen it, and nobody else since. */
  resumeTrading({ by, reason }: OperatorAct): Result<null> {
    return this.#engine.act(() => {
      if (this.#isKilled()) this.#engine.commit((turn) => emit(turn, statusChanged("active", reason, by)));
      return ok(null);
    });
  }

  #isKilled(): boolean {
    const change = this.#engine.store.lastStatusChange();
    return change?.status === "frozen" && change.cause === "kill_switch";
  }

  /** Freezes the account and asks for a cancel of all its open orders, in one transaction. Answers how many there are. */
  stopTrading({ by, reason }: OperatorAct): Result<{ canceling: number }> {
    if (this.#engine.stopped !== null) return HALTED;
    return this.#engine.act(() => {
      const asked = this.#engine.commit((turn) => {
        if (turn.state.status !== "frozen")
          emit(turn, { ...statusChanged("frozen", reason, by), cause: "kill_switch" });
        // The parent of an oco ends with its legs.
        const open = [...turn.state.orders.values()].filter((order) => !isContainer(order));
        return open.map((order) => requestCancel(turn, order, "kill_switch"));
      });
      for (const symbol of new Set(asked.map((order) => order.symbol))) this.#engine.tell(symbol);
      return ok({ canceling: asked.length });
    });
  }

  /** The journal as the read model gets it. */
  get journal(): Outbox {
    return this.#engine.journal;
  }

  /** The markets that this account sends nothing to, and whether it is stopped. */
  parked(query: PageRequest): ParkedView {
    return this.#engine.parked(query);
  }

  /** Sends a parked market what waits for it. Refuses `not_found` when it is not parked. */
  unpark(symbol: string, act: OperatorAct): Result<null> {
    if (this.#engine.readable === null) return HALTED;
    return this.#engine.unpark(symbol, act) ? ok(null) : refuse({ code: "not_found", detail: "This is not parked." });
  }

  /** Its restores, and the handshakes after them. */
  get restoring(): AccountRestoring {
    return this.#engine.restoring;
  }

  /** Begins this account's next life, from a snapshot. Refuses `validation_failed` for one that does not fit. */
  restore(snapshot: Snapshot, act: OperatorAct): Result<null> {
    return this.#engine.act(() => this.#engine.restoring.restore(snapshot, act));
  }

  /** How far a restore has come. */
  restoration(): RestoreView {
    return this.#engine.restoring.view();
  }

  /** Opens a restored account though it still waits for markets or money. Refuses `not_found` when it is not restoring. */
  reopen(act: OperatorAct): Result<null> {
    return this.#engine.act(() => this.#engine.restoring.reopen(act));
  }
}

function statusChanged(status: AccountStatus, reason: string, by: string | undefined): StatusChanged {
  return { kind: "status_changed", status, reason, ...(by === undefined ? {} : { by }) };
}
