// What operators ask of markets and accounts to keep trading in order, and what markets say of their own rules.
import type { AccountStatus } from "../core/account/state.ts";
import type { MarketRules, MarketStatus } from "../core/listings.ts";
import type { RulesChange } from "../core/market/rules.ts";
import type { Result } from "../core/result.ts";

/** What an operator does by hand: who, by user id, and why. */
export interface OperatorAct {
  by: string;
  reason: string;
}

/**
 * A market's rules as they are now, and what it takes: that is its status, but `cancel_only` while it is being restored and
 * `halted` while it is stopped. `canceling`: open orders that a mass cancel has yet to come to.
 */
export interface MarketView {
  rules: MarketRules;
  takes: MarketStatus;
  canceling: number;
}

/** What a market answers to those who govern it. Each act is journalled with who did it and why. */
export interface GovernedRpc {
  /** Null while what is stored cannot be read. */
  rules(): Promise<MarketView | null>;
  setStatus(status: MarketStatus, act: OperatorAct): Promise<Result<MarketView>>;
  /** Refuses as core's changeRules does. */
  changeRules(change: RulesChange, act: OperatorAct): Promise<Result<MarketView>>;
  /** Halts it until {@link release}; with `cancelOrders` all its open orders are canceled, some in each turn. */
  kill(cancelOrders: boolean, act: OperatorAct): Promise<Result<MarketView>>;
  /** The market is what it was before it was killed; a mass cancel ends where it is. */
  release(act: OperatorAct): Promise<Result<MarketView>>;
}

/** What an account answers to operators. */
export interface OperatedRpc {
  /** Freezes or thaws it; `by`: an operator, by user id, where it was one. */
  setStatus(status: AccountStatus, reason: string, by?: string): Promise<Result<null>>;
  /** Freezes the account and asks for a cancel of each of its open orders. Answers how many these are. */
  stopTrading(act: OperatorAct): Promise<Result<{ canceling: number }>>;
  /** Thaws it where {@link stopTrading} has frozen it, and nobody else since. */
  resumeTrading(act: OperatorAct): Promise<Result<null>>;
}
