// What an account knows of its markets' rules: the last that each has told it. Of a rule that has been loosened it would never
// hear, since nobody sends a market what is refused here: so the market is asked before a refusal is given.
import type { MarketRules } from "../listings.ts";
import type { Order } from "../order.ts";
import { admit, type OrderRequest } from "./admission.ts";
import { type AccountTurn, emit, referenceFor, turnTime } from "./decide.ts";
import { type GroupRequest, isGroup, judgeGroup } from "./grouping.ts";
import { type ReplaceWish, ruleBrokenBy } from "./replace.ts";
import { rulesOf } from "./state.ts";

/** Whether a new order, or a group, would be refused now for a rule that its market may have changed. */
export function breaksRule(turn: AccountTurn, request: OrderRequest | GroupRequest): boolean {
  const judged = isGroup(request) ? judgeGroup(turn, request) : judge(turn, request);
  return !judged.ok && "broken" in judged.refusal;
}

function judge(turn: AccountTurn, request: OrderRequest) {
  const rules = rulesOf(turn.state, request.symbol);
  return admit(turn.state, request, rules, referenceFor(turn, rules), turnTime(turn));
}

/** As {@link breaksRule}, of other terms for an open order. */
export function replacementBreaksRule(turn: AccountTurn, order: Order, wish: ReplaceWish): boolean {
  return ruleBrokenBy(turn, order, wish) !== null;
}

/** Goes by these rules from now on, where they are not those that it goes by. */
export function learnRules(turn: AccountTurn, rules: MarketRules): void {
  const { symbol, version } = rules;
  if (version !== rulesOf(turn.state, symbol).version) emit(turn, { kind: "rules_learned", symbol, rules });
}
