// What the orders of a group are made of as they are placed, and what the parent of an oco says of its legs.
import { describe, expect, it } from "vitest";
import { followLegs } from "../../src/core/account/containers.ts";
import { capOf } from "../../src/core/account/exit-rules.ts";
import { UNITS_MAX } from "../../src/core/money.ts";
import { notionalOf, type Order } from "../../src/core/order.ts";
import { listed, NOON } from "../support/book.ts";
import type { CoreWorld, GroupWish } from "../support/core-world.ts";
import { AT_MARKET, money, pair, sol, usd, value } from "../support/pair.ts";

const RULES = listed("SOL-USD");
/** At noon. */
const REFERENCE = usd("179.97");

const stop = (price: string, limit: string | null = null) => ({
  price: usd(price),
  trail: null,
  limitPrice: limit === null ? null : usd(limit),
});
const trail = (amount: string) => ({ price: null, trail: { amount: usd(amount) }, limitPrice: null });

const BUY = { side: "buy", type: "limit", limitPrice: usd("179"), qty: sol("3") } as const;
const SELL = { ...BUY, side: "sell", limitPrice: usd("181") } as const;
const BRACKET: GroupWish = {
  ...{ kind: "bracket", lead: BUY },
  ...{ takeProfit: { limitPrice: usd("190") }, stopLoss: stop("170") },
};
const OCO: GroupWish = { ...BRACKET, kind: "oco", lead: SELL, takeProfit: { limitPrice: usd("181") } };

/** A group's orders as they are placed, the parent first. */
function made(wish: GroupWish, world: CoreWorld = pair()): Order[] {
  const parent = value(world.placeGroup("ann", wish));
  const { orders } = world.customer("ann");
  return [parent, ...(parent.group?.legs ?? []).map((id) => orders.get(id) as Order)];
}

describe("the exit against the market", () => {
  it.each<[string, GroupWish, object]>([
    ["at a price", BRACKET, { type: "stop", limitPrice: null, trigger: { when: "falls", price: usd("170") } }],
    [
      "with a limit from then on",
      { ...BRACKET, stopLoss: stop("170", "169") },
      { type: "stop_limit", limitPrice: usd("169"), trigger: { when: "falls", price: usd("170") } },
    ],
    [
      "trails where its entry is to trade",
      { ...BRACKET, stopLoss: trail("9") },
      { type: "trailing_stop", limitPrice: null, trigger: { when: "falls", price: usd("170") } },
    ],
    [
      "trails the price of now, where there is no entry",
      { ...OCO, stopLoss: trail("9") },
      { type: "trailing_stop", trigger: { when: "falls", price: usd("170.97") } },
    ],
    [
      "of an entry that sells buys back, and may get no dearer than the band around it",
      { kind: "oto", lead: SELL, takeProfit: null, stopLoss: stop("190") },
      { type: "stop", side: "buy", trigger: { when: "rises", price: usd("190") }, group: { cap: usd("209") } },
    ],
    [
      "that buys and trails begins at the dearer of its entry",
      { kind: "oto", lead: SELL, takeProfit: null, stopLoss: trail("9") },
      { type: "trailing_stop", trigger: { when: "rises", price: usd("190") } },
    ],
    [
      "and the price of now",
      { kind: "oto", lead: { ...SELL, limitPrice: usd("178") }, takeProfit: null, stopLoss: trail("9") },
      { type: "trailing_stop", trigger: { when: "rises", price: usd("188.97") } },
    ],
  ])("%s", (_, wish, facts) => {
    expect(made(wish).at(-1)).toMatchObject(facts);
  });

  it.each([
    ["that sells", "sell", null, "190", null],
    ["with a limit", "buy", usd("191"), "190", null],
    ["for a price above that of now", "buy", null, "190", usd("209")],
    ["for one below it", "buy", null, "150", usd("197.96")],
  ] as const)("%s has a cap only where it buys without a limit, at the band's edge: %s", (_, side, limit, at, cap) => {
    expect(capOf(side, limit, { price: usd(at) }, REFERENCE, RULES)).toBe(cap);
  });

  it("has none where it needs none", () => {
    for (const exit of made(BRACKET).slice(1)) expect(exit.group).not.toHaveProperty("cap");
  });
});

describe("exits", () => {
  const day = Date.UTC(2026, 10, 22);

  it.each<[string, GroupWish["lead"], [string, number | null]]>([
    ["gtc", BUY, ["gtc", null]],
    ["day", { ...BUY, timeInForce: "day" }, ["day", day]],
    ["gtd", { ...BUY, timeInForce: "gtd", expiresAt: NOON + 60_000 }, ["gtd", NOON + 60_000]],
    ["at once", { ...AT_MARKET, side: "buy", qty: sol("3") }, ["gtc", null]],
  ])("last as long as their entry, or until they are canceled: %s", (_, lead, wanted) => {
    const exits = made({ ...BRACKET, lead }).slice(1);
    expect(exits.map(({ timeInForce, expiresAt }) => [timeInForce, expiresAt])).toEqual([wanted, wanted]);
  });

  it("are limit orders for a profit, post_only where an oco is, and have nothing before an entry has", () => {
    const leadOf = (wish: GroupWish) => ({ ...wish, lead: { ...wish.lead, postOnly: true } });
    const shown = (wish: GroupWish) => made(leadOf(wish)).map(({ type, postOnly, qty }) => [type, postOnly, qty]);
    expect(shown(BRACKET)).toEqual([
      ["limit", true, sol("3")],
      ["limit", false, 0n],
      ["stop", false, 0n],
    ]);
    expect(shown(OCO)).toEqual([
      ["limit", true, sol("3")],
      ["limit", true, sol("3")],
      ["stop", false, sol("3")],
    ]);
  });

  it("may bring in twice the price of now, or twice their limit where that is above it", () => {
    expect(made({ ...BRACKET, stopLoss: stop("170", "169") }).map(({ credit }) => credit)).toEqual([
      ...[sol("3"), usd("1140"), usd("1079.82")],
    ]);
    const [entry, profit] = made({ ...BRACKET, lead: { ...AT_MARKET, side: "buy", notional: usd("180") } });
    expect(entry?.credit).toBeGreaterThan(sol("2"));
    expect(profit?.credit).toBe(notionalOf(usd("380"), entry?.credit ?? 0n, 8));
  });

  it("are refused where a balance could pass its bound by both together", () => {
    const put = (room: string) => {
      const world = pair();
      world.customer("ann").state.balances.set("available|USD", UNITS_MAX - usd(room));
      return world.placeGroup("ann", BRACKET);
    };
    expect(put("2219.82")).toMatchObject({ ok: true });
    const refusal = { code: "amount_out_of_range", detail: "USD could pass its bound." };
    expect(put("2219.819999")).toMatchObject({ ok: false, refusal });
  });

  it("alone may have the price of now on either side: no entry stands between them", () => {
    expect(
      made({ ...OCO, takeProfit: { limitPrice: usd("175") }, lead: { ...SELL, limitPrice: usd("175") } }),
    ).toHaveLength(3);
  });

  it("alone may hold all that there is", () => {
    const world = pair();
    made({ ...OCO, lead: { ...SELL, qty: sol("10") } }, world);
    expect(money(world, "ann", "SOL")).toBe("SOL 0 + 10");
    expect(world.accountEvents("ann").at(-1)).toMatchObject({ kind: "group_accepted", entry: { kind: "hold" } });
  });

  it("have the numbers after their parent's", () => {
    const [first = 0, ...others] = made(BRACKET).map(({ seq }) => seq);
    expect(others).toEqual([first + 1, first + 2]);
  });
});

describe("the parent of an oco", () => {
  const [parent, ...legs] = made(OCO);
  if (parent === undefined) throw new Error("no parent was made");

  /** A leg as a sentence says it: `canceled: user 1`, its status, why, and what it has got. */
  function leg(sentence: string): Order {
    const [, status, reason, filled = "0"] = /^(\w+)(?:: (\w+))?(?: (\d+))?$/.exec(sentence) ?? [];
    const filledQty = sol(filled);
    const money = { filledNotional: filledQty * 2n, feeNumerator: filledQty * 3n, fee: filledQty * 4n };
    return { ...(legs[0] as Order), status: status as Order["status"], reason: reason ?? null, filledQty, ...money };
  }

  it.each<[before: string, legs: string[], after: string]>([
    ["pending_new", ["pending_new", "pending_new"], "-"],
    ["pending_new", ["new", "pending_new"], "-"],
    ["pending_new", ["new", "held"], "new new"],
    ["new", ["new", "held"], "-"],
    ["new", ["partially_filled 1", "held"], "fill partially_filled 1"],
    ["partially_filled 1", ["partially_filled 1", "held"], "-"],
    ["partially_filled 1", ["partially_filled 2", "held"], "fill partially_filled 2"],
    ["partially_filled 1", ["partially_filled 1", "canceled: user"], "-"],
    ["partially_filled 1", ["filled 3", "canceled: oco"], "fill filled 3"],
    ["partially_filled 3", ["filled 3", "canceled: oco"], "fill filled 3"],
    ["new", ["canceled: user", "canceled: oco"], "canceled canceled: user"],
    ["new", ["canceled: oco", "canceled: user"], "canceled canceled: user"],
    ["new", ["canceled: entry", "expired: gtd"], "expired expired: gtd"],
    ["new", ["canceled: oco", "expired: gtd"], "expired expired: gtd"],
    ["new", ["canceled: entry", "canceled: user"], "canceled canceled: user"],
    ["new", ["expired: gtd", "canceled: oco"], "expired expired: gtd"],
    ["pending_new", ["rejected: off_tick", "rejected: oco"], "rejected rejected: off_tick"],
    ["partially_filled 1", ["canceled: user 1", "canceled: oco"], "canceled canceled: user 1"],
    // A part was lost to an order of its owner's: it was filled by less than it had.
    ["partially_filled 2", ["filled 2", "canceled: oco"], "fill filled 2"],
    ["new", [], "canceled canceled"],
  ])("that is %s, of which the legs are %j, is told: %s", (before, sentences, after) => {
    const { status, filledQty } = leg(before);
    const followed = followLegs({ ...parent, status, filledQty }, sentences.map(leg));
    const shown = (order: Order) => {
      const got = order.filledQty === 0n ? "" : ` ${order.filledQty / sol("1")}`;
      return `${order.status}${order.reason === null ? "" : `: ${order.reason}`}${got}`;
    };
    expect(followed === null ? "-" : `${followed.execType} ${shown(followed.order)}`).toBe(after);
  });

  it("has got what its legs have, and has paid their fees", () => {
    const followed = followLegs({ ...parent, status: "new" }, [leg("partially_filled 1"), leg("partially_filled 2")]);
    expect(followed?.order).toMatchObject({
      ...{ filledQty: sol("3"), filledNotional: sol("6") },
      ...{ feeNumerator: sol("9"), fee: sol("12") },
    });
  });

  it("alone follows legs: another order does not", () => {
    expect(followLegs(legs[0] as Order, [leg("canceled: user")])).toBeNull();
  });
});
