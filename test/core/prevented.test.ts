// A prevented match is known to both sides of a pair, whichever of them has been restored from before it.
import { describe, expect, it } from "vitest";
import type { Told } from "../../src/core/messages.ts";
import { referencePrice } from "../../src/core/prices.ts";
import { listed, SEED, units } from "../support/book.ts";
import { CoreWorld } from "../support/core-world.ts";
import { restoreAccount, restoreMarket, shake, toldByAccount, toldByMarket } from "../support/restore.ts";

const RULES = listed("SOL-USD");
const { symbol } = RULES;

function world(): CoreWorld {
  const made = new CoreWorld(["ann"], [RULES]);
  made.transfer("ann", "deposit", "USD", units("50000", 6));
  made.transfer("ann", "deposit", "SOL", units("100", 8));
  return made;
}

function meet(made: CoreWorld): void {
  const terms = { symbol, type: "limit", timeInForce: "gtc", notional: null } as const;
  const limitPrice = referencePrice(RULES, SEED, made.now);
  const qty = RULES.lotSize * 1_000n;
  for (const side of ["buy", "sell"] as const) {
    const order = { ...terms, side, qty, limitPrice, selfTradePrevention: "cancel_both" as const };
    expect(made.place("ann", order).ok).toBe(true);
    made.settle();
  }
}

const matches = (told: Told[]) => told.flatMap(({ report: { prevented } }) => prevented ?? []);

describe("a prevented match", () => {
  it.each(["account", "market"] as const)("is told by the one to the other that has been restored: the %s", (which) => {
    const made = world();
    const kept = { account: made.accountEvents("ann").length, market: made.marketEvents(symbol).length };
    meet(made);
    const before = matches(toldByMarket(made, symbol, "ann"));
    expect(before).toHaveLength(1);
    expect(matches(toldByAccount(made, "ann", symbol))).toEqual(before);
    if (which === "account") restoreAccount(made, "ann", kept.account);
    else restoreMarket(made, symbol, kept.market);
    expect(shake(made, "ann", symbol)).toBeNull();
    expect(matches(toldByMarket(made, symbol, "ann"))).toEqual(before);
    expect(matches(toldByAccount(made, "ann", symbol))).toEqual(before);
  });
});
