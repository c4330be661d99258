// What others decide of an account's transfers: operators, the payment provider, and their owner who thinks better of it.
import { formatUnits } from "../ledger.ts";
import { WITHDRAWAL_APPROVALS } from "../limits.ts";
import { ok, type Refusal, type Result, refuse } from "../result.ts";
import { creditRefusal } from "./admission.ts";
import { type AccountTurn, turnTime } from "./decide.ts";
import { isPending, type Transfer, type TransferDecision } from "./transfer-events.ts";
import { dropTransfer, keepTransfer, settleTransfer, undoTransfer } from "./transfers.ts";

/** Whoever may both approve and undo what they take out themselves needs nobody else. */
const OWN: Refusal = { code: "own_withdrawal", detail: "Nobody approves or undoes their own withdrawal." };

/** An operator's decision: who, by user id and by their own account, and why. */
export interface TransferReview {
  verdict: TransferDecision["verdict"];
  by: string;
  account: string;
  reason: string;
}

/**
 * What the payment provider says of a transfer. `amount`: in units, what it has moved; `ref`: what it calls the transfer;
 * `failure`: its word for why nothing, or no longer anything, has been moved.
 */
export type ProviderFact =
  | { outcome: "known"; ref: string }
  | { outcome: "settled"; ref: string; amount: bigint }
  | { outcome: "failed"; ref: string | null; failure: string };

/**
 * Takes a withdrawal back that nobody has approved yet; one that is canceled already is answered as it is. Refuses
 * `not_found` for what is no withdrawal, and `transfer_not_pending`.
 */
export function cancelTransfer(turn: AccountTurn, known: Transfer): Result<Transfer> {
  if (known.kind !== "withdrawal") return refuse({ code: "not_found" });
  if (known.status === "canceled") return ok(known);
  return known.status === "pending_review" ? ok(dropTransfer(turn, known, "canceled")) : notPending(known);
}

/**
 * Does what an operator has decided. The last approval of {@link WITHDRAWAL_APPROVALS}, each of another operator, settles a
 * withdrawal, or hands it to its provider. Refuses `not_found` for an approval or rejection of what is no withdrawal,
 * `own_withdrawal` but for a rejection, `already_approved` by the same operator, `transfer_not_pending`, `account_frozen` for an approval, and as
 * {@link undoTransfer}.
 */
export function reviewTransfer(turn: AccountTurn, known: Transfer, review: TransferReview): Result<Transfer> {
  const { verdict } = review;
  if (verdict !== "reject" && known.kind === "withdrawal" && review.account === turn.state.id) return refuse(OWN);
  if (verdict === "reverse") return undoTransfer(turn, decided(turn, known, review));
  const refusal = reviewRefusal(turn, known, review);
  if (refusal !== null) return refuse(refusal);
  const changed = decided(turn, known, review);
  if (verdict === "reject") return ok(dropTransfer(turn, changed, "rejected"));
  if (approvalsOf(changed).length < WITHDRAWAL_APPROVALS) return ok(keepTransfer(turn, changed));
  return ok(
    changed.provider === undefined
      ? settleTransfer(turn, changed)
      : keepTransfer(turn, { ...changed, status: "pending" }),
  );
}

function reviewRefusal(turn: AccountTurn, known: Transfer, { verdict, by }: TransferReview): Refusal | null {
  const { state } = turn;
  if (known.kind !== "withdrawal") return { code: "not_found" };
  if (verdict === "approve" && approvalsOf(known).some((one) => one.by === by)) {
    return { code: "already_approved", detail: "You have approved this; it needs another operator." };
  }
  if (known.status !== "pending_review") return notPending(known).refusal;
  return verdict === "approve" && state.status === "frozen" ? { code: "account_frozen" } : null;
}

function approvalsOf({ decisions = [] }: Transfer): TransferDecision[] {
  return decisions.filter(({ verdict }) => verdict === "approve");
}

function decided(turn: AccountTurn, known: Transfer, { verdict, by, reason }: TransferReview): Transfer {
  const decision: TransferDecision = { verdict, by, reason, at: turnTime(turn) };
  return { ...known, decisions: [...(known.decisions ?? []), decision] };
}

function notPending({ status }: Transfer) {
  return refuse({ code: "transfer_not_pending", detail: `This is ${status}; nobody has to decide of it.` });
}

/**
 * Believes what the provider says, whatever came before it: facts come twice, late, and in another order. A payout that
 * fails after it was paid is undone; a deposit that comes in after it had failed is settled. What changes nothing is answered
 * as it is. Refuses `validation_failed` for another amount than was asked for, `not_found` for a transfer that no provider
 * has, and `amount_out_of_range` when a balance could pass its bound.
 */
export function providerSays(turn: AccountTurn, known: Transfer, fact: ProviderFact): Result<Transfer> {
  if (known.provider === undefined) return refuse({ code: "not_found" });
  const ref = known.providerRef ?? fact.ref;
  const changed = ref === null ? known : { ...known, providerRef: ref };
  if (fact.outcome === "known") {
    return ok(isPending(known) && known.providerRef === undefined ? keepTransfer(turn, changed) : known);
  }
  if (fact.outcome === "failed") return failTransfer(turn, known, { ...changed, failure: fact.failure });
  if (fact.amount !== known.amount) return otherAmount(fact.amount, known);
  if (known.status === "pending") return ok(settleTransfer(turn, changed));
  return known.kind === "deposit" && known.status === "failed" ? settleLate(turn, changed) : ok(known);
}

/** What a failure makes of a transfer: pending it comes to nothing, paid out it comes back; it may have ended otherwise. */
function failTransfer(turn: AccountTurn, known: Transfer, changed: Transfer): Result<Transfer> {
  if (known.status === "pending") return ok(dropTransfer(turn, changed, "failed"));
  return known.kind === "withdrawal" && known.status === "settled" ? undoTransfer(turn, changed) : ok(known);
}

/** Nothing was kept free for it since it had failed. */
function settleLate(turn: AccountTurn, changed: Transfer): Result<Transfer> {
  const beyond = creditRefusal(turn.state, changed.asset, changed.amount);
  return beyond === null ? ok(settleTransfer(turn, changed)) : refuse(beyond);
}

function otherAmount(amount: bigint, { id, asset, amount: asked }: Transfer) {
  const detail = `${formatUnits(amount, asset)} ${asset} were moved for ${id}, which is of ${formatUnits(asked, asset)}`;
  return refuse({ code: "validation_failed", errors: [{ pointer: "/amount", code: "other_amount", detail }] });
}
