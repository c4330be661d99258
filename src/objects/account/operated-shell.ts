// The account object's calls for operators.
import type { AccountStatus } from "../../core/account/state.ts";
import type { Result } from "../../core/result.ts";
import type { OperatedRpc } from "../governing.ts";
import type { OperatorAct, Snapshot } from "../protocol.ts";
import { ObjectShell } from "../shell.ts";
import type { AccountOperations } from "./operations.ts";

/** What operators ask of an account; its own class adds what its owner and its markets do. */
export abstract class OperatedShell extends ObjectShell implements OperatedRpc {
  protected abstract override readonly operated: AccountOperations;

  async setStatus(status: AccountStatus, reason: string, by?: string): Promise<Result<null>> {
    return this.operated.setStatus(status, reason, by);
  }

  async stopTrading(act: OperatorAct): Promise<Result<{ canceling: number }>> {
    return this.operated.stopTrading(act);
  }

  async restore(snapshot: Snapshot, act: OperatorAct): Promise<Result<null>> {
    return this.operated.restore(snapshot, act);
  }
}
