import { describe, expect, it } from "vitest";
import { followLegs } from "../../src/core/account/containers.ts";
import type { Order } from "../../src/core/order.ts";
import { sol } from "../support/pair.ts";

/** An oco's parent, or a leg of it, as far as its parent looks at it: `status[: reason] filled/qty`. */
function orderOf(said: string, role: "container" | "take_profit" | "stop_loss"): Order {
  const [, status, , reason = null, filled = "", qty = ""] = /^(\w+)(: (\w+))? (\d+)\/(\d+)$/.exec(said) ?? [];
  const amounts = { qty: sol(qty), filledQty: sol(filled), filledNotional: 0n, feeNumerator: 0n, fee: 0n };
  return { ...amounts, status, reason, group: { id: "ord_1", role, legs: ["ord_2", "ord_3"] } } as unknown as Order;
}

function told(parent: string, legs: readonly [string, string]): string | null {
  const followed = followLegs(
    orderOf(parent, "container"),
    legs.map((leg, index) => orderOf(leg, index === 0 ? "take_profit" : "stop_loss")),
  );
  if (followed === null) return null;
  const { order, execType } = followed;
  const reason = order.reason === null ? "" : `: ${order.reason}`;
  return `${execType}, ${order.status}${reason} ${Number(order.filledQty) / 1e8}/${Number(order.qty) / 1e8}`;
}

describe("how much the parent of an oco is of", () => {
  it.each<[string, string, [string, string], string | null]>([
    ["is open once both are", "pending_new 0/3", ["new 0/3", "held 0/3"], "new, new 0/3"],
    ["and closed with the other", "partially_filled 3/3", ["filled 3/3", "canceled: oco 0/3"], "fill, filled 3/3"],
    ["has less once a match is prevented", "new 0/3", ["new 0/2", "held 0/3"], "replaced, new 0/2"],
    ["which the other hears of later", "new 0/2", ["new 0/2", "held 0/2"], null],
    ["restored, is filled by less", "new 0/3", ["filled 2/2", "canceled: oco 0/2"], "fill, filled 2/2"],
  ])("%s: %s, %s → %s", (_, parent, legs, says) => {
    expect(told(parent, legs)).toBe(says);
  });
});
