// How the orders of a group come in: all of them or none, the exits of an entry asleep until it fills.
import type { BookOrder } from "../book.ts";
import type { RuleRefusal } from "../broken-rules.ts";
import type { MatchPlan } from "../matching.ts";
import type { Command, Submission } from "../messages.ts";
import { invariant } from "../result.ts";
import { execute, fireTriggers, mayRest, NO_PLAN } from "./active.ts";
import { bookOrderOf, markWhole } from "./batch.ts";
import { settleGroups } from "./exits.ts";
import { type MarketTurn, referenceNow, report } from "./turn.ts";

type SubmitGroup = Command & { kind: "submit_group" };

/** What an order that comes in would meet, and why it is not taken; null when it is. */
export interface Judged {
  plan: MatchPlan;
  refused: { code: RuleRefusal["code"]; broken?: RuleRefusal["broken"] } | null;
}

/** How a market judges one order that comes in. */
type Judge = (turn: MarketTurn, order: BookOrder, sent: Submission) => Judged;

/** Under rules that are not this market's nothing is judged. */
const OUTDATED: Judged = { plan: NO_PLAN, refused: { code: "rules_changed" } };

/**
 * Takes the orders of a group in one turn, or rejects all: the first, which is the only one that may trade at once, for what
 * it would be refused with alone, the others with `entry` or `oco`. Under rules that are not this market's all are, with
 * `rules_changed`, and the account is told them.
 */
export function submitGroup(turn: MarketTurn, account: string, command: SubmitGroup, judge: Judge): void {
  const { cseq, rulesVersion, orders } = command;
  const { rules } = turn.state;
  const from = turn.events.length;
  const [first] = orders;
  invariant(first !== undefined, "a group has orders");
  const lead = bookOrderOf(account, first.order);
  const newer = rulesVersion === rules.version ? null : rules;
  const { plan, refused } = newer === null ? judge(turn, lead, first) : OUTDATED;
  for (const sent of orders) {
    const { id: orderId, origin = null } = sent.order;
    const order = bookOrderOf(account, sent.order);
    const isLead = sent === first;
    if (refused === null)
      report(turn, account, { orderId, execType: "new" }, { cseq, order, rests: mayRest(order), origin });
    else {
      const others = order.group?.kind === "oco" ? "oco" : "entry";
      const { code: reason, broken } = refused;
      const why = isLead ? { reason, broken, rules: newer } : { reason: others };
      report(turn, account, { orderId, execType: "rejected", ...why }, { cseq, order, origin });
    }
  }
  const reference = referenceNow(turn);
  if (refused === null && lead.trigger === undefined && lead.leaves !== 0n) execute(turn, lead, plan);
  if (refused === null) fireTriggers(turn, reference);
  settleGroups(turn, reference);
  markWhole(turn, from);
}
