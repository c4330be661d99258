// What operators do with an account: freeze it, and resume what is parked.
import { emit } from "../../core/account/decide.ts";
import type { AccountStatus } from "../../core/account/state.ts";
import { ok, type Result, refuse } from "../../core/result.ts";
import type { OperatorAct, PageRequest, ParkedView } from "../protocol.ts";
import type { AccountEngine } from "./engine.ts";

/** The acts of operators on one account. */
export class AccountOperations {
  readonly #engine: AccountEngine;

  constructor(engine: AccountEngine) {
    this.#engine = engine;
  }

  /** Freezes or thaws the account, with the reason for it. */
  setStatus(status: AccountStatus, reason: string): Result<null> {
    return this.#engine.act(() => {
      if (status !== this.#engine.state.status)
        this.#engine.commit((turn) => emit(turn, { kind: "status_changed", status, reason }));
      return ok(null);
    });
  }

  /** The markets that this account sends nothing to, and whether it is stopped. */
  parked(query: PageRequest): ParkedView {
    return this.#engine.parked(query);
  }

  /** Sends a parked market what waits for it. Refuses `not_found` when it is not parked. */
  unpark(symbol: string, act: OperatorAct): Result<null> {
    return this.#engine.unpark(symbol, act) ? ok(null) : refuse({ code: "not_found", detail: "This is not parked." });
  }
}
