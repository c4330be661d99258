// Whatever is asked for, what it would do is what it does; and asking changes nothing.
import { describe, expect, it } from "vitest";
import { balanceOf } from "../../src/core/account/state.ts";
import { accountStateHash } from "../../src/core/account/state-hash.ts";
import { marketStateHash } from "../../src/core/market/state.ts";
import { SELF_TRADE_PREVENTIONS } from "../../src/core/order.ts";
import { referencePrice } from "../../src/core/prices.ts";
import { listed, SEED, sha256, units } from "../support/book.ts";
import { CoreWorld, type GroupWish } from "../support/core-world.ts";
import { randomTrigger } from "../support/orders.ts";
import { money, pair, placed, sol, usd, value } from "../support/pair.ts";
import { type Random, randomOf } from "../support/random.ts";

const RULES = listed("SOL-USD");
const { symbol } = RULES;
const NAMES = ["ann", "bob", "cat"];

function randomWish(world: CoreWorld, random: Random) {
  const reference = referencePrice(RULES, SEED, world.now);
  const isMarket = random.once(3);
  const byNotional = isMarket && random.once(2);
  const side = random.pick(["buy", "sell"] as const);
  const timeInForce = isMarket ? ("ioc" as const) : random.pick(["gtc", "gtc", "ioc", "fok", "day"] as const);
  const whole = random.pick([1_000n, 20_000n, 400_000n]) * BigInt(1 + random.int(40));
  const waits = timeInForce === "gtc" && random.once(3) ? randomTrigger(random, RULES, reference, side) : {};
  return {
    ...{ side, timeInForce, type: isMarket ? ("market" as const) : ("limit" as const) },
    qty: byNotional ? null : whole * RULES.lotSize,
    notional: byNotional ? BigInt(1 + random.int(2_000_000_000)) : null,
    limitPrice: isMarket ? null : reference + BigInt(random.int(60) - 30) * RULES.tickSize,
    postOnly: timeInForce === "gtc" && random.once(6),
    selfTradePrevention: random.pick(SELF_TRADE_PREVENTIONS),
    ...waits,
  };
}

describe("a preview", () => {
  it.each([1, 2, 3])(
    "is what then happens, and leaves both sides as they were, seed %d, 1,200 orders",
    { timeout: 60_000 },
    (seed) => {
      const world = new CoreWorld(NAMES, [RULES]);
      const random = randomOf(seed);
      for (const id of NAMES) {
        world.transfer(id, "deposit", "USD", units("50000", 6));
        world.transfer(id, "deposit", "SOL", units("100", 8));
      }
      const seen = new Map<string, number>();
      for (let turn = 0; turn < 1_200; turn += 1) {
        world.now += random.int(900);
        world.wake(symbol);
        world.settle();
        const id = random.pick(NAMES);
        const { state } = world.customer(id);
        const open = [...state.orders.values()];
        if (open.length > 12 || random.once(9)) for (const order of open.slice(0, 3)) world.cancel(id, order);
        world.settle();
        const wish = randomWish(world, random);
        const hashes = () => [accountStateHash(state, sha256), marketStateHash(world.venue(symbol).state, sha256)];
        const before = hashes();
        const said = world.preview(id, wish);
        expect(hashes()).toEqual(before);
        const placed = world.place(id, wish);
        world.settle();
        expect(placed.ok).toBe(said.ok);
        if (!said.ok || !placed.ok) {
          expect(placed).toEqual(said);
          seen.set("refused", (seen.get("refused") ?? 0) + 1);
          continue;
        }
        const happened = world.customer(id).orders.get(placed.value.id);
        const { id: _, bodyHash: __, seq: ___, ...promised } = said.value.order;
        expect(happened).toMatchObject(promised);
        for (const { asset, available, held } of said.value.balances) {
          expect([balanceOf(state, "available", asset), balanceOf(state, "held", asset)]).toEqual([available, held]);
        }
        const filled = said.value.fills.reduce((sum, fill) => sum + fill.qty, 0n);
        expect(filled).toBe(promised.filledQty);
        const prevented = world
          .accountEvents(id)
          .flatMap((event) => (event.kind === "report" && event.prevented !== undefined ? [event.prevented] : []))
          .filter(({ takerOrderId }) => takerOrderId === placed.value.id);
        const met = (one: (typeof prevented)[number]) => [one.makerOrderId, one.side, one.price, one.qty];
        expect(said.value.prevented.map(met)).toEqual(prevented.map(met));
        if (prevented.length > 0) seen.set("prevented", (seen.get("prevented") ?? 0) + 1);
        seen.set(promised.status, (seen.get(promised.status) ?? 0) + 1);
      }
      for (const status of [
        "refused",
        "new",
        "held",
        "filled",
        "canceled",
        "partially_filled",
        "rejected",
        "prevented",
      ])
        expect(seen.get(status) ?? 0, status).toBeGreaterThan(0);
    },
  );

  it("says why a rest would be canceled: there is more, but beyond the band", () => {
    const world = new CoreWorld(NAMES, [RULES]);
    world.transfer("ann", "deposit", "SOL", units("10000", 8));
    world.transfer("bob", "deposit", "USD", units("1000", 6));
    const low = (referencePrice(RULES, SEED, world.now) / RULES.tickSize / 100n) * 95n * RULES.tickSize;
    world.place("bob", { qty: units("1", 8), limitPrice: low });
    world.settle();
    world.changeRules(symbol, { priceBandBps: 100 });
    // More than the house buys.
    const wish = { side: "sell", type: "market", timeInForce: "ioc", qty: units("10000", 8) } as const;
    const said = world.preview("ann", wish);
    const placed = world.place("ann", wish);
    world.settle();
    const id = placed.ok ? placed.value.id : "";
    expect(world.customer("ann").orders.get(id)).toMatchObject({ status: "canceled", reason: "price_band" });
    expect(said).toMatchObject({ value: { order: { status: "canceled", reason: "price_band" } } });
  });
});

describe("a preview of a group", () => {
  const stopLoss = { price: usd("170"), trail: null, limitPrice: null };
  const takeProfit = { limitPrice: usd("181") };
  const BRACKET: GroupWish = {
    ...{ kind: "bracket", takeProfit, stopLoss },
    lead: { side: "buy", type: "limit", limitPrice: usd("180"), qty: sol("3") },
  };
  const OCO: GroupWish = {
    ...{ kind: "oco", takeProfit, stopLoss },
    lead: { side: "sell", type: "limit", limitPrice: usd("181"), qty: sol("3") },
  };

  it.each<[string, GroupWish, string | null, object, string[]]>([
    ["an entry that rests", BRACKET, null, { status: "new", hold: usd("541.08") }, ["USD 9458.92 + 541.08"]],
    [
      "an entry that fills: what it brings in is held for its exits",
      ...[BRACKET, "bob sells 3 @ 179", { status: "filled", filledQty: sol("3"), hold: 0n }],
      ["USD 9461.926 + 0", "SOL 10 + 3"],
    ],
    ["exits alone, which hold once", OCO, null, { status: "new", hold: sol("3") }, ["SOL 7 + 3"]],
    [
      "exits of which one trades in part: the rest is held",
      ...[OCO, "bob buys 1 @ 182", { status: "partially_filled", filledQty: sol("1"), hold: sol("2") }],
      ["USD 10181.636 + 0", "SOL 7 + 2"],
    ],
    [
      "exits of which one trades whole: nothing is held any more",
      ...[OCO, "bob buys 3 @ 182", { status: "filled", filledQty: sol("3"), hold: 0n }],
      ["USD 10544.908 + 0", "SOL 7 + 0"],
    ],
  ] as [string, GroupWish, string | null, object, string[]][])("tells of %s", (_, wish, other, order, balances) => {
    const world = pair();
    const [, act, qty = "", , price = ""] = other?.split(" ") ?? [];
    if (act !== undefined)
      placed(world, "bob", { side: act === "sells" ? "sell" : "buy", qty: sol(qty), limitPrice: usd(price) });
    const before = accountStateHash(world.customer("ann").state, sha256);
    const said = value(world.previewGroup("ann", wish));
    expect(accountStateHash(world.customer("ann").state, sha256)).toBe(before);
    expect(said.order).toMatchObject(order);
    const scaleOf = (asset: string) => (asset === "USD" ? 1e6 : 1e8);
    const told = said.balances.map(
      ({ asset, available, held }) =>
        `${asset} ${Number(available) / scaleOf(asset)} + ${Number(held) / scaleOf(asset)}`,
    );
    expect(told.sort()).toEqual(balances.sort());
    value(world.placeGroup("ann", wish));
    world.settle();
    const happened = [money(world, "ann", "USD"), money(world, "ann", "SOL")];
    expect(happened).toEqual(expect.arrayContaining(balances));
  });

  it("refuses what placing it would refuse", () => {
    const misplaced = { ...BRACKET, takeProfit: { limitPrice: usd("179") } };
    expect(pair().previewGroup("ann", misplaced)).toMatchObject({ refusal: { code: "exits_misplaced" } });
  });
});

describe("what happens while the market is asked", () => {
  const BUY = { qty: sol("1"), limitPrice: usd("180") };

  it("counts: an account that is frozen by then is told so", () => {
    const world = pair();
    const frozen = { kind: "status_changed", status: "frozen", reason: "a drill" } as const;
    const said = world.preview("ann", BUY, () => world.happen("ann", frozen));
    expect(said).toMatchObject({ refusal: { code: "account_frozen" } });
  });

  it.each([["cancel_oldest"], ["decrement"]] as const)(
    "may take away what the market has met, and then it is to be asked again: %s",
    (selfTradePrevention) => {
      const world = pair();
      const own = placed(world, "ann", { side: "sell", qty: sol("2"), limitPrice: usd("179") });
      const said = world.preview("ann", { ...BUY, selfTradePrevention }, () => {
        world.cancel("ann", own);
        world.settle();
      });
      expect(said).toMatchObject({ ok: false, refusal: { code: "unavailable" } });
      expect(world.preview("ann", { ...BUY, selfTradePrevention })).toMatchObject({ ok: true });
      expect(money(world, "ann", "SOL")).toBe("SOL 10 + 0");
    },
  );

  it("may be what the account has not heard of: an order that its market has taken", () => {
    const world = pair();
    value(world.place("ann", { side: "sell", qty: sol("2"), limitPrice: usd("179") }));
    world.sendCommands("ann", "SOL-USD");
    const wish = { ...BUY, selfTradePrevention: "cancel_oldest" } as const;
    expect(world.preview("ann", wish)).toMatchObject({ ok: false, refusal: { code: "unavailable" } });
    world.settle();
    expect(world.preview("ann", wish)).toMatchObject({ ok: true });
  });
});
