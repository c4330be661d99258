// What a market is sent of an order.
import { isExit, type Membership } from "../groups.ts";
import { SUBMIT_DEADLINE_MS } from "../limits.ts";
import type { MarketRules } from "../listings.ts";
import type { Origin, Submission } from "../messages.ts";
import type { Order, OrderTerms } from "../order.ts";
import { budgetOf } from "./holds.ts";

/** The command that an order goes by: a market that does not know what it has must not take it for a plain one. */
export function submitKind({ displayQty, trigger }: Order) {
  if (displayQty !== undefined) return "submit_iceberg";
  return trigger === undefined ? "submit" : "submit_held";
}

/** What its market is sent of an order. */
export function submissionOf(order: Order, rules: MarketRules): Submission {
  return {
    notAfter: notAfterOf(order, order.createdAt),
    order: {
      id: order.id,
      side: order.side,
      limitPrice: order.limitPrice,
      qty: order.qty,
      timeInForce: order.timeInForce,
      postOnly: order.postOnly,
      selfTradePrevention: order.selfTradePrevention,
      makerFeeBps: order.makerFeeBps,
      takerFeeBps: order.takerFeeBps,
      budget: isExit(order) ? budgetOf(order, rules.baseScale) : order.hold,
      expiresAt: order.expiresAt,
      ...(order.displayQty === undefined ? {} : { displayQty: order.displayQty }),
      ...(order.trigger === undefined ? {} : { trigger: order.trigger }),
      ...membershipOf(order),
      origin: originOf(order),
    },
  };
}

/** What its market knows of an order's place in a group. */
export function membershipOf({ group }: Order): { group?: Membership } {
  if (group === undefined) return {};
  const { legs: _, key: __, ...membership } = group;
  return { group: membership };
}

/** What is sent with an order so that it can be made again from what its market knows. */
export function originOf({ batch, group, ...order }: Order): Origin {
  const { clientOrderId, bodyHash, type, notional, postOnly, credit, createdAt } = order;
  const origin: Origin = { clientOrderId, bodyHash, type, notional, postOnly, credit, createdAt };
  if (batch !== undefined) origin.batch = batch;
  if (group !== undefined) origin.parent = { legs: group.legs, ...(group.key === undefined ? {} : { key: group.key }) };
  return origin;
}

function notAfterOf(terms: OrderTerms, at: number): number | null {
  const immediate = terms.type === "market" || terms.timeInForce === "ioc" || terms.timeInForce === "fok";
  return immediate ? at + SUBMIT_DEADLINE_MS : terms.expiresAt;
}
