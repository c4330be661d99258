// What each event of an account says besides its state: what it sends, and what the key of its act leads to from then on.
import { describe, expect, it } from "vitest";
import { type AccountEvent, commandOf, ordersOf, refOf } from "../../src/core/account/events.ts";
import { pair, placed, sol, usd, value } from "../support/pair.ts";

type Kind = AccountEvent["kind"];

/** One event of each of some kinds, by the acts that make them. */
function lived(): AccountEvent[] {
  const world = pair();
  const order = placed(world, "ann", { qty: sol("1") });
  const lead = { side: "buy", type: "limit", limitPrice: usd("170"), qty: sol("1") } as const;
  value(world.placeGroup("ann", { kind: "oto", lead, takeProfit: { limitPrice: usd("190") }, stopLoss: null }));
  world.place("ann", { qty: sol("900"), limitPrice: usd("180") });
  world.cancel("ann", order);
  world.happen("ann", { kind: "batched", verdicts: [], once: [] });
  world.settle();
  return [...world.accountEvents("ann")];
}

describe("an event", () => {
  const events = lived();
  const found = <K extends Kind>(kind: K) => {
    const event = events.find((one): one is AccountEvent & { kind: K } => one.kind === kind);
    if (event === undefined) throw new Error(`nothing was ${kind}`);
    return event;
  };

  it.each<[Kind, string | null]>([
    ["order_accepted", "submit"],
    ["group_accepted", "submit_group"],
    ["cancel_requested", "cancel"],
    ["report", null],
    ["refused", null],
    ["transfer", null],
  ])("%s sends its market: %s", (kind, command) => {
    expect(commandOf(found(kind))?.kind ?? null).toBe(command);
  });

  it.each<[Kind, () => string | null]>([
    ["order_accepted", () => found("order_accepted").order.id],
    ["group_accepted", () => found("group_accepted").order.id],
    ["transfer", () => found("transfer").transfer.id],
    ["batched", () => String(found("batched").seq)],
    ["refused", () => null],
  ])("%s is what its key leads to: the order, the transfer, or the batch's place", (kind, ref) => {
    expect(refOf(found(kind))).toBe(ref());
  });

  it("has the orders that it has changed, a parent before its legs", () => {
    const { order, legs } = found("group_accepted");
    expect(ordersOf(found("group_accepted"))).toEqual([order, ...legs]);
    expect(ordersOf(found("order_accepted"))).toEqual([found("order_accepted").order]);
    expect(ordersOf(found("transfer"))).toEqual([]);
  });
});
