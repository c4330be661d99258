// The points that runs must have reached, or they prove little: those of trading, read off the journals of a run.
import type { AccountEvent } from "../../src/core/account/state.ts";
import { decode } from "../../src/core/codec.ts";
import type { World } from "./world.ts";

/** Every point that some seed of a thousand must reach; a run that misses one is blind there. */
export const SOMETIMES = [
  ...[
    "accepted",
    "cancel",
    "deposit_settled",
    "withdrawal_settled",
    "refused_insufficient_funds",
    "refused_unavailable",
  ],
  ...["withdrawal_pending_review", "transfer_pending_review", "transfer_settled", "transfer_rejected"],
  ...["transfer_canceled", "transfer_reversed", "approve_already_approved", "approve_transfer_not_pending"],
  ...["deposit_pending", "provider_settled", "provider_failed", "payout_refused", "withdrawal_paid_and_failed"],
  ...["payment_request_lost", "payment_answer_lost"],
  ...["request_lost", "answer_lost", "duplicated", "late", "overloaded"],
  ...[
    "crash_before_commit",
    "crash_after_commit",
    "disk_full",
    "disk_error",
    "evicted",
    "clock_jump",
    "clock_went_back",
  ],
  ...["alarm", "alarm_twice", "alarm_late", "alarm_dropped"],
  ...["client_retry", "same_key_again", "storm", "other_body_refused"],
  ...["answered_by_key", "key_in_flight", "key_unanswered"],
  ...["queue_lost", "queue_duplicated", "queue_spoiled", "queue_retried", "queue_unanswered", "queue_dead_letter"],
  ...["consumer_died", "d1_failed", "d1_answer_lost", "d1_outage", "swept", "pulled"],
  ...["books_checked", "books_left", "exam_lost", "exam_owed"],
  ...["cut_account", "cut_market", "cut_not_applied"],
  ...["restored_account_behind", "restored_market_behind", "booked_again"],
  ...["corrupted_entry_changed", "corrupted_entry_cut", "corrupted_hash_changed", "corrupted_order_cut"],
  ...["corrupted_balance_changed", "safe_halt_entered", "alerted_unreadable", "replaced_account", "replaced_market"],
  ...["said_by_version_before", "said_by_version_after", "stored_by_version_after"],
  ...["said_unknown_kind", "answered_unknown_kind"],
  ...["batch_placed", "batch_atomic", "batch_aborted", "batch_taken", "batch_rejected", "batch_unanswered"],
  ...["batch_idempotency_in_flight"],
  ...["entry_filled", "entry_ended_by_exit", "exit_ended_by_oco", "exit_ended_by_entry"],
  ...["take_profit_filled", "stop_loss_filled", "oco_filled", "oco_canceled"],
  ...["canceled_cancel_all_after", "canceled_cancel_on_disconnect"],
  ...["operator_status", "operator_rules", "operator_kill", "operator_release", "operator_stop", "operator_thaw"],
  ...["breaker_tripped", "breaker_resumed", "killed", "mass_canceled", "canceled_kill_switch", "rules_learned"],
  ...["refused_market_not_open", "refused_market_post_only", "refused_account_frozen"],
  ...["parked_by_account", "parked_by_market", "resumed"],
  ...[
    "rested",
    "iceberg_filled_in_parts",
    "filled",
    "partial_then_canceled",
    "partial_then_expired",
    "five_levels",
    "released_to_zero",
    "fee_charged",
  ],
  ...["rest_of_ioc_canceled", "rejected_post_only_would_cross", "rejected_fok_not_fillable", "self_trade_prevented"],
  ...["held", "triggered", "trailed", "held_then_canceled", "held_then_expired"],
  ...[
    "replace",
    "replace_replace_pending",
    "replaced",
    "replace_rejected",
    "replaced_while_held",
    "replaced_then_filled",
  ],
];

/** Counts what the accounts' journals tell of a run. */
export function countReached(world: World): void {
  for (const { object, bodies } of world.journals()) {
    if (object !== "account") continue;
    const prices = new Map<string, Set<bigint>>();
    for (const body of bodies) {
      const event = decode<AccountEvent>(body);
      if (event.kind === "report") countReport(world, event, prices);
      if (event.kind === "rules_learned") world.count("rules_learned");
    }
    if ([...prices.values()].some(({ size }) => size >= 5)) world.count("five_levels");
  }
}

function countReport(
  world: World,
  { order, fill, execType }: AccountEvent & { kind: "report" },
  prices: Map<string, Set<bigint>>,
): void {
  const { reason } = order;
  if (execType === "new" && order.timeInForce === "gtc") world.count("rested");
  if (execType === "rejected") world.count(`rejected_${reason}`);
  if (fill !== null) {
    const levels = prices.get(order.id) ?? new Set();
    prices.set(order.id, levels.add(fill.price));
    if (order.displayQty !== undefined && fill.liquidity === "maker" && order.filledQty > order.displayQty)
      world.count("iceberg_filled_in_parts");
    if (fill.fee > 0n) world.count("fee_charged");
  }
  if (order.status === "filled") world.count("filled");
  if (order.status !== "new" && order.status !== "partially_filled" && order.hold === 0n)
    world.count("released_to_zero");
  if (order.status === "held") world.count("held");
  if (execType === "triggered") world.count(order.type === "trailing_stop" ? "trailed" : "triggered");
  if (execType === "replace_rejected") world.count("replace_rejected");
  if (execType === "replaced") world.count(order.status === "held" ? "replaced_while_held" : "replaced");
  if (execType === "replaced") prices.set(`${order.id} replaced`, new Set());
  if (order.status === "filled" && prices.has(`${order.id} replaced`)) world.count("replaced_then_filled");
  const waited = order.trigger !== undefined && order.filledQty === 0n;
  if (waited && execType === "canceled" && reason === "user") world.count("held_then_canceled");
  if (waited && execType === "expired") world.count("held_then_expired");
  const partial = order.filledQty > 0n;
  if (execType === "canceled" && reason !== null) world.count(`canceled_${reason}`);
  if (execType === "canceled" && reason === "user" && partial) world.count("partial_then_canceled");
  if (execType === "canceled" && order.timeInForce === "ioc") world.count("rest_of_ioc_canceled");
  if (execType === "canceled" && reason === "self_trade_prevention") world.count("self_trade_prevented");
  if (execType === "expired" && partial) world.count("partial_then_expired");
}
