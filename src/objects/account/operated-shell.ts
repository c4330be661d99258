// The account object's calls for operators, and for those who end what signs its owner in.
import type { AccountStatus } from "../../core/account/state.ts";
import { ok, type Result } from "../../core/result.ts";
import type { OperatedRpc } from "../governing.ts";
import type { OperatorAct, Snapshot } from "../protocol.ts";
import { ObjectShell } from "../shell.ts";
import type { AccountLogic } from "./logic.ts";
import type { AccountOperations } from "./operations.ts";

/** What operators ask of an account; its own class adds what its owner and its markets do. */
export abstract class OperatedShell extends ObjectShell implements OperatedRpc {
  protected abstract override readonly operated: AccountOperations;
  protected abstract readonly ending: Pick<AccountLogic, "revokeKey" | "revokeSession" | "revokeAllBefore">;

  async revokeAllKeys(): Promise<Result<null>> {
    this.ending.revokeKey(null);
    return ok(null);
  }

  async revokeSession(sessionId: string, untilMs: number): Promise<Result<null>> {
    return this.ending.revokeSession(sessionId, untilMs);
  }

  async revokeAllBefore(fromMs: number): Promise<Result<null>> {
    return this.ending.revokeAllBefore(fromMs);
  }

  async setStatus(status: AccountStatus, reason: string, by?: string): Promise<Result<null>> {
    return this.operated.setStatus(status, reason, by);
  }

  async stopTrading(act: OperatorAct): Promise<Result<{ canceling: number }>> {
    return this.operated.stopTrading(act);
  }

  async resumeTrading(act: OperatorAct): Promise<Result<null>> {
    return this.operated.resumeTrading(act);
  }

  async restore(snapshot: Snapshot, act: OperatorAct): Promise<Result<null>> {
    return this.operated.restore(snapshot, act);
  }
}
