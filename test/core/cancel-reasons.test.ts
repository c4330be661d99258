// Why an order was canceled: by hand, or for its owner who is not there.
import { describe, expect, it } from "vitest";
import { requestCancel } from "../../src/core/account/decide.ts";
import { meetMarket } from "../../src/core/account/reimport.ts";
import { now, pair, placed, sol, usd, value } from "../support/pair.ts";

const BID = { qty: sol("1"), limitPrice: usd("180") };

describe("a cancel", () => {
  it.each(["cancel_all_after", "cancel_on_disconnect", undefined] as const)("for %s says so", (reason) => {
    const world = pair();
    const order = now(world, "ann", placed(world, "ann", BID));
    world.atAccount("ann", (turn) => requestCancel(turn, order, reason));
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "canceled", reason: reason ?? "user" });
  });

  it("says why it was asked for first", () => {
    const world = pair();
    const order = now(world, "ann", placed(world, "ann", BID));
    world.cancel("ann", order);
    world.atAccount("ann", (turn) => requestCancel(turn, now(world, "ann", order), "cancel_all_after"));
    world.settle();
    expect(now(world, "ann", order).reason).toBe("user");
  });

  it("still says so where it overtook its order, which was admitted anew under other rules", () => {
    const world = pair();
    world.changeRules("SOL-USD", { takerFeeBps: 50 });
    const order = value(world.place("ann", BID));
    world.atAccount("ann", (turn) => requestCancel(turn, order, "cancel_on_disconnect"));
    world.settle();
    expect(now(world, "ann", order)).toMatchObject({ status: "canceled", reason: "cancel_on_disconnect" });
  });

  it("still says so when it is asked for anew, of a market that has forgotten it", () => {
    const world = pair();
    const order = now(world, "ann", placed(world, "ann", BID));
    world.atAccount("ann", (turn) => requestCancel(turn, order, "cancel_all_after"));
    world.atAccount("ann", (turn) => meetMarket(turn, "SOL-USD", 2, 2));
    const { pending } = world.customer("ann").state.peers.get("SOL-USD") ?? { pending: [] };
    expect(pending).toMatchObject([{ kind: "cancel", orderId: order.id, reason: "cancel_all_after" }]);
  });
});
