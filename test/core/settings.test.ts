// What an owner chooses for orders that do not say: part of the journal, and of nothing that was there before.
import { describe, expect, it } from "vitest";
import { bodyOf } from "../../src/core/account/admission.ts";
import { chooseSettings } from "../../src/core/account/settings.ts";
import { canonical } from "../../src/core/codec.ts";
import { SELF_TRADE_PREVENTIONS } from "../../src/core/order.ts";
import { PLAIN_ORDER } from "../support/core-world.ts";
import { pair, placed, sol } from "../support/pair.ts";

describe("self-trade prevention", () => {
  it.each(SELF_TRADE_PREVENTIONS)("chosen as %s is that of the next order that does not say", (mode) => {
    const world = pair();
    const choose = () => world.atAccount("ann", (turn) => chooseSettings(turn, { selfTradePrevention: mode }));
    choose();
    choose();
    const changes = world.accountEvents("ann").filter(({ kind }) => kind === "settings_changed");
    expect(changes).toHaveLength(mode === "cancel_newest" ? 0 : 1);
    const order = { side: "sell", qty: sol("1") } as const;
    expect(placed(world, "ann", order).selfTradePrevention).toBe(mode);
    expect(placed(world, "ann", { ...order, selfTradePrevention: "decrement" }).selfTradePrevention).toBe("decrement");
    expect(placed(world, "ann", { ...order, preventionGiven: true }).selfTradePrevention).toBe("cancel_newest");
    expect(placed(world, "bob", { ...order, side: "sell" }).selfTradePrevention).toBe("cancel_newest");
    expect(world.replayedAccount("ann").selfTradePrevention).toBe(mode);
  });

  it("written out or left out is the same body", () => {
    expect(canonical(bodyOf({ ...PLAIN_ORDER, preventionGiven: true }))).toBe(canonical(bodyOf(PLAIN_ORDER)));
    expect(canonical(bodyOf(PLAIN_ORDER))).toBe(canonical(PLAIN_ORDER));
  });
});
