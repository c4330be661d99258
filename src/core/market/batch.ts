// Orders of which a market takes all or none: rehearsed one after the other on a copy of what they can meet, then done or not.
import type { BookOrder } from "../book.ts";
import type { Command, SubmitOrder } from "../messages.ts";
import type { MarketEvent } from "./events.ts";
import { rehearsalOf } from "./rehearsal.ts";
import { type MarketTurn, report } from "./turn.ts";

type SubmitAll = Command & { kind: "submit_all" };

/** How a market takes one order. */
type Submit = (turn: MarketTurn, account: string, command: Extract<Command, { order: SubmitOrder }>) => void;

/** Why the others of an atomic batch are refused when one is. */
const ABORTED = "batch_aborted";

/**
 * Takes all orders of a batch, in their order and in one turn, or rejects all: the first that the market would refuse with
 * its reason, the others with `batch_aborted`. Under rules that are not this market's all are, and the account is told them.
 */
export function submitAll(turn: MarketTurn, account: string, command: SubmitAll, submit: Submit): void {
  const { cseq, rulesVersion, orders } = command;
  const { rules } = turn.state;
  const from = turn.events.length;
  const newer = rulesVersion === rules.version ? null : rules;
  const refused =
    newer === null ? refusedOf(turn, account, command, submit) : { orderId: "", reason: ABORTED, broken: undefined };
  for (const { order, notAfter } of orders) {
    const { id: orderId, origin = null } = order;
    if (refused === null) {
      submit(turn, account, { kind: "submit", cseq, order, notAfter, rulesVersion: turn.state.rules.version });
      continue;
    }
    const { reason, broken } = refused.orderId === orderId ? refused : { reason: ABORTED };
    const told = order === orders[0]?.order ? newer : null;
    const facts = { orderId, execType: "rejected" as const, reason, broken, rules: told };
    report(turn, account, facts, { cseq, order: bookOrderOf(account, order), origin });
  }
  markWhole(turn, from);
}

/** The events of a turn from one on are one act: a snapshot that ends within them forgets all of them. */
export function markWhole(turn: MarketTurn, from: number): void {
  const made = turn.events.splice(from);
  const last = made.length - 1;
  const goesOn = ({ kind }: MarketEvent) => kind === "report" || kind === "rules";
  turn.events.push(
    ...made.map((event, index) => (goesOn(event) && index < last ? { ...event, more: true as const } : event)),
  );
}

/** An order as its market keeps it once it has come in. */
export function bookOrderOf(account: string, sent: SubmitOrder): BookOrder {
  const { origin: _, postOnly: __, limitPrice: price, qty: leaves, ...terms } = sent;
  return { ...terms, account, price, leaves, feeNumerator: 0n, fee: 0n, seq: 0 };
}

/** The first order that would be refused after those before it, and why; null when all would be taken. */
function refusedOf(turn: MarketTurn, account: string, { cseq, orders }: SubmitAll, submit: Submit) {
  const rehearsal = rehearsalOf(
    turn,
    orders.map(({ order }) => order),
  );
  for (const { order, notAfter } of orders) {
    const from = rehearsal.events.length;
    // Of now: an order before it may have halted the market, and then this one is refused, not judged again.
    const rulesVersion = rehearsal.state.rules.version;
    submit(rehearsal, account, { kind: "submit", cseq, order, notAfter, rulesVersion });
    const answer = rehearsal.events[from];
    if (answer?.kind === "report" && answer.report.execType === "rejected")
      return { orderId: order.id, reason: answer.report.reason, broken: answer.report.broken };
  }
  return null;
}
