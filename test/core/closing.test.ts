import { describe, expect, it } from "vitest";
import { closingOrder } from "../../src/core/account/closing.ts";
import { emptyAccount } from "../../src/core/account/state.ts";
import { listed } from "../support/book.ts";
import { sol } from "../support/pair.ts";

// SOL-USD: a lot of 0.0001 SOL.
function closing(qty: string | null, lotSize = sol("0.0001")) {
  const state = emptyAccount("acc_1", 1);
  state.rules.set("SOL-USD", { ...listed("SOL-USD"), lotSize });
  const position = { symbol: "SOL-USD", costBasis: 1n, realizedPnl: 0n };
  if (qty !== null) state.positions.set("SOL-USD", { ...position, qty: sol(qty) });
  return closingOrder(state, "SOL-USD");
}

describe("the order that closes a position", () => {
  it.each([
    ["of whole lots", "1.5", "1.5"],
    ["of more than whole lots", "1.50005", "1.5"],
    ["of less than a lot, for the lot to refuse", "0.00005", "0.00005"],
  ])("sells a position %s", (_, has, sells) => {
    const request = closing(has);
    expect(request).toMatchObject({
      ok: true,
      value: { symbol: "SOL-USD", side: "sell", type: "market", qty: sol(sells) },
    });
  });

  it("goes by the lot that the market has now", () => {
    expect(closing("1.5", sol("1"))).toMatchObject({ value: { qty: sol("1") } });
  });

  it.each([
    ["never opened", null],
    ["closed before", "0"],
  ])("is none for a position that was %s", (_, has) => {
    expect(closing(has)).toMatchObject({ ok: false, refusal: { code: "not_found" } });
  });
});
