// Many orders in one turn: what an account takes of them, and what a market takes all or none of.
import { describe, expect, it } from "vitest";
import { type BatchEntry, type BatchItem, placeBatch, requestsOf } from "../../src/core/account/batch.ts";
import { meetMarket } from "../../src/core/account/reimport.ts";
import { accountStateHash } from "../../src/core/account/state-hash.ts";
import { wholeTrades } from "../../src/core/market/reimport.ts";
import { marketStateHash } from "../../src/core/market/state.ts";
import { type Command, commandsOfCall } from "../../src/core/messages.ts";
import type { Refusal } from "../../src/core/result.ts";
import { sha256 } from "../support/book.ts";
import { type CoreWorld, PLAIN_ORDER } from "../support/core-world.ts";
import { money, now, pair, placed, sol, usd } from "../support/pair.ts";
import { recover, restoreMarket } from "../support/restore.ts";

const SYMBOL = "SOL-USD";
const BID = { qty: sol("1"), limitPrice: usd("180") };
const AT_ONCE = { ...BID, timeInForce: "fok" } as const;

function pending(world: CoreWorld) {
  return world.customer("ann").state.peers.get(SYMBOL)?.pending ?? [];
}

/** Both journals give the state again; that the house stays away no journal knows. */
function expectReplays(world: CoreWorld): void {
  const [ann, market] = [world.customer("ann").state, world.venue(SYMBOL).state];
  const again = { ...world.replayedMarket(SYMBOL), step: market.step };
  expect(marketStateHash(again, sha256)).toBe(marketStateHash(market, sha256));
  expect(accountStateHash(world.replayedAccount("ann"), sha256)).toBe(accountStateHash(ann, sha256));
}

/** What became of the orders of a batch once everybody has heard: `status reason`, or the code of a refusal. */
function outcomes(world: CoreWorld, placed: ReturnType<CoreWorld["placeMany"]>): string[] {
  world.settle();
  expect(world.breaks(true)).toEqual([]);
  expectReplays(world);
  return placed.map((one) => {
    if (typeof one === "string") return one;
    const { status, reason } = now(world, "ann", one);
    return reason === null ? status : `${status} ${reason}`;
  });
}

describe("at the account", () => {
  it("orders of a batch go each with a command of its own", () => {
    const world = pair();
    const many = world.placeMany("ann", [BID, { ...BID, qty: sol("1000") }, BID], false);
    expect(pending(world).map(({ kind }) => kind)).toEqual(["submit", "submit"]);
    expect(outcomes(world, many)).toEqual(["new", "insufficient_funds", "new"]);
  });

  it("those of an atomic one go with one command, once all of them are written down", () => {
    const world = pair();
    const many = world.placeMany("ann", [BID, BID, BID], true);
    const ids = many.map((one) => (typeof one === "string" ? one : one.id));
    expect(pending(world)).toMatchObject([
      { kind: "submit_all", cseq: 1, orders: ids.map((id) => ({ order: { id } })) },
    ]);
    const accepted = world.accountEvents("ann").filter((event) => event.kind === "order_accepted");
    expect(accepted.map(({ command }) => command === null)).toEqual([true, true, false]);
    expect(outcomes(world, many)).toEqual(["new", "new", "new"]);
  });

  it("those that could not be read are not judged: their rules need not be known", () => {
    const request = { ...PLAIN_ORDER, ...BID };
    const refusal: Refusal = { code: "validation_failed", errors: [] };
    const items: BatchItem[] = [
      { kind: "invalid", body: "{}", refusal },
      { kind: "order", request },
      { kind: "unread", clientOrderId: "one", body: "{}", refusal },
    ];
    expect(requestsOf({ items, atomic: false })).toEqual([request]);
  });

  it("a single one needs no batch", () => {
    const world = pair();
    world.placeMany("ann", [BID], true);
    expect(pending(world)).toMatchObject([{ kind: "submit" }]);
  });

  it("one that lacks funds after the holds of those before it leaves nothing behind but its refusal", () => {
    const world = pair();
    const before = money(world, "ann", "USD");
    const { state } = world.customer("ann");
    const parts = () => [state.orders.size, state.ledgerHead, state.credits.get("SOL") ?? 0n, pending(world).length];
    const whole = parts();
    const half = { ...BID, qty: sol("30") };
    expect(world.placeMany("ann", [half, half], true)).toEqual(["batch_aborted", "insufficient_funds"]);
    expect(money(world, "ann", "USD")).toBe(before);
    expect(parts()).toEqual(whole);
    expect(world.accountEvents("ann").at(-1)).toMatchObject({ kind: "refused" });
    expectReplays(world);
  });
});

describe("a market takes none of an atomic batch", () => {
  it.each([
    ["that would cross though it must not", { ...BID, postOnly: true }, "post_only_would_cross"],
    ["that cannot be filled whole, for those before it take what there is", AT_ONCE, "fok_not_fillable"],
  ])("with one %s", (_, wrong, why) => {
    const world = pair();
    placed(world, "bob", { side: "sell", qty: sol("1.5") });
    const before = [money(world, "ann", "USD"), money(world, "bob", "SOL")];
    const many = world.placeMany("ann", [BID, wrong, BID], true);
    world.sendCommands("ann", SYMBOL);
    expect(world.marketEvents(SYMBOL).filter((event) => event.kind === "report" && event.report.fill !== null)).toEqual(
      [],
    );
    expect(outcomes(world, many)).toEqual(["rejected batch_aborted", `rejected ${why}`, "rejected batch_aborted"]);
    expect([money(world, "ann", "USD"), money(world, "bob", "SOL")]).toEqual(before);
  });

  it("of which one crosses an order of the same batch", () => {
    const world = pair();
    const many = world.placeMany("ann", [BID, { ...BID, side: "sell", postOnly: true }], true);
    expect(outcomes(world, many)).toEqual(["rejected batch_aborted", "rejected post_only_would_cross"]);
  });

  it("that it hears of too late", () => {
    const world = pair();
    const many = world.placeMany("ann", [BID, AT_ONCE], true);
    world.now += 5_001;
    expect(outcomes(world, many)).toEqual(["rejected batch_aborted", "rejected submitted_too_late"]);
  });

  it("that was admitted under other rules; the next one is admitted under its own", () => {
    const world = pair();
    world.changeRules(SYMBOL, { takerFeeBps: 50 });
    const many = world.placeMany("ann", [BID, BID], true);
    expect(outcomes(world, many)).toEqual(["rejected batch_aborted", "rejected batch_aborted"]);
    expect(outcomes(world, world.placeMany("ann", [BID, BID], true))).toEqual(["new", "new"]);
  });

  it("and rehearsing it changes nothing of the market but the reports", () => {
    const told = (wishes: (typeof BID)[]) => {
      const world = pair();
      placed(world, "bob", { side: "sell", qty: sol("1.5") });
      placed(world, "bob", { side: "sell", qty: sol("1"), timeInForce: "gtd", expiresAt: world.now + 60_000 });
      // Out of reach of every order of the batch.
      placed(world, "bob", { side: "sell", qty: sol("1"), limitPrice: usd("181") });
      const { state } = world.venue(SYMBOL);
      const { book, orders, resting, balances, ledgerHead, lastPrice, expiring } = structuredClone({
        ...state,
        expiring: [...state.expiring.keys()],
      });
      world.placeMany("ann", wishes, true);
      world.sendCommands("ann", SYMBOL);
      const after = { ...state, expiring: [...state.expiring.keys()] };
      expect(after).toMatchObject({ book, orders, resting, balances, ledgerHead, lastPrice, expiring });
      world.settle();
      expectReplays(world);
    };
    told([BID, { ...BID, qty: sol("2") }, { ...AT_ONCE, qty: sol("1") }]);
  });
});

describe("a market takes all of an atomic batch", () => {
  it("one after the other, as it would have taken them alone", () => {
    const wishes = [BID, AT_ONCE, { ...BID, postOnly: true, limitPrice: usd("179") }];
    const ends = [true, false].map((atomic) => {
      const world = pair();
      placed(world, "bob", { side: "sell", qty: sol("2.5") });
      const many = outcomes(world, world.placeMany("ann", wishes, atomic));
      return {
        many,
        usd: money(world, "ann", "USD"),
        sol: money(world, "ann", "SOL"),
        bob: money(world, "bob", "SOL"),
      };
    });
    expect(ends[0]).toEqual(ends[1]);
    expect(ends[0]?.many).toEqual(["filled", "filled", "new"]);
  });
});

describe("an order of a batch", () => {
  const request = { ...PLAIN_ORDER, ...BID };
  const entry = (change: Partial<BatchEntry> = {}): BatchEntry => ({
    ...{ item: { kind: "order", request: { ...request, clientOrderId: "a" } }, bodyHash: "one", before: undefined },
    away: null,
    ...change,
  });
  const unavailable: Refusal = { code: "unavailable" };
  const invalid: BatchEntry = entry({ item: { kind: "invalid", body: "{}", refusal: { code: "internal" } } });
  const unread = entry({ item: { kind: "unread", clientOrderId: "u", body: "u", refusal: { code: "off_lot" } } });
  const known = { bodyHash: "one", ref: "ord_1", refusal: null };
  const decide = (world: CoreWorld, entries: BatchEntry[], atomic: boolean) =>
    world
      .atAccount("ann", (turn) => placeBatch(turn, entries, atomic))
      .map((one) => (one === null ? "none" : "refusal" in one ? one.refusal.code : one.repeated ? one.orderId : "new"));

  it.each<[string, BatchEntry[], string[], string[]]>([
    ["that is none", [invalid, entry()], ["none", "new"], ["none", "batch_aborted"]],
    ["refused before", [unread, entry()], ["off_lot", "new"], ["off_lot", "batch_aborted"]],
    ["there before", [entry({ before: known })], ["ord_1"], ["ord_1"]],
    [
      "there before with another body",
      [entry({ before: { ...known, bodyHash: "two" } })],
      ["client_order_id_reused"],
      ["client_order_id_reused"],
    ],
    ["refused for ever", [entry({ before: { ...known, refusal: { code: "off_tick" } } })], ["off_tick"], ["off_tick"]],
    [
      "whose market is away",
      [entry({ away: unavailable }), unread],
      ["unavailable", "off_lot"],
      ["unavailable", "batch_aborted"],
    ],
    ["given twice", [entry(), entry()], ["new", "ord_1"], ["batch_aborted", "client_order_id_reused"]],
    ["refused twice", [unread, unread], ["off_lot", "off_lot"], ["batch_aborted", "client_order_id_reused"]],
    [
      "given twice, differently",
      [entry(), entry({ bodyHash: "two" })],
      ["new", "client_order_id_reused"],
      ["batch_aborted", "client_order_id_reused"],
    ],
    [
      "without an id, twice",
      [entry({ item: { kind: "order", request } }), entry({ item: { kind: "order", request } })],
      ["new", "new"],
      ["new", "new"],
    ],
  ])("%s", (_, entries, alone, together) => {
    const world = pair();
    const [first] = [decide(world, entries, false)];
    expect(first.map((one) => (one.startsWith("ord_") ? "ord_1" : one))).toEqual(alone);
    expect(decide(pair(), entries, true)).toEqual(together);
    world.settle();
    expect(world.breaks(true)).toEqual([]);
  });
});

describe("one call to a market", () => {
  const cancel = (cseq: number): Command => ({ kind: "cancel", cseq, orderId: "x" });
  const submitAll = (cseq: number, count: number): Command => {
    const world = pair();
    world.placeMany(
      "ann",
      Array.from({ length: count }, () => ({ ...BID, qty: sol("0.1") })),
      true,
    );
    return { ...(pending(world)[0] ?? cancel(0)), cseq };
  };

  it("has at most a hundred orders, but at least one command", () => {
    const lengths = (commands: Command[]) => commandsOfCall(commands).length;
    expect(lengths(Array.from({ length: 101 }, (_, n) => cancel(n)))).toBe(100);
    expect(lengths([])).toBe(0);
    expect(lengths([submitAll(1, 60), submitAll(2, 40), cancel(3)])).toBe(2);
    expect(lengths([submitAll(1, 60), submitAll(2, 41)])).toBe(1);
    const [all] = [submitAll(1, 60)];
    const tooMany = all.kind === "submit_all" ? { ...all, orders: [...all.orders, ...all.orders] } : all;
    expect(lengths([tooMany, cancel(2)])).toBe(1);
  });

  it("may come from a version that says nothing of an order's origin", () => {
    const world = pair();
    placed(world, "bob", { side: "sell", qty: sol("1.5") });
    world.placeMany("ann", [BID, { ...BID, postOnly: true, qty: sol("2") }], true);
    for (const command of pending(world)) {
      if (command.kind === "submit_all") for (const { order } of command.orders) delete order.origin;
    }
    world.sendCommands("ann", SYMBOL);
    const reports = world.marketEvents(SYMBOL).slice(-2);
    expect(reports).toMatchObject([{ origin: null }, { origin: null }]);
  });
});

describe("after a restore", () => {
  it("a snapshot that ends in the middle of an atomic batch has nothing of it", () => {
    const world = pair();
    placed(world, "bob", { side: "sell", qty: sol("1") });
    const { length } = world.marketEvents(SYMBOL);
    world.placeMany("ann", [BID, BID, BID], true);
    world.settle();
    const events = world.marketEvents(SYMBOL);
    expect(events.length).toBe(length + 5);
    const kept = [1, 2, 3, 4, 5].map((count) => wholeTrades(events.slice(0, length + count)).length - length);
    expect(kept).toEqual([0, 0, 0, 0, 5]);
  });

  it("what its market has not heard of goes there as one batch again", () => {
    const world = pair();
    const many = world.placeMany("ann", [BID, { ...AT_ONCE, qty: sol("2") }, BID], true);
    restoreMarket(world, SYMBOL, 0);
    world.atAccount("ann", (turn) => meetMarket(turn, SYMBOL, 2, 1));
    expect(pending(world)).toMatchObject([{ kind: "submit_all", cseq: 2 }]);
    const hash = accountStateHash(world.customer("ann").state, sha256);
    expect(accountStateHash(world.replayedAccount("ann"), sha256)).toBe(hash);
    recover(world);
    world.settle();
    expect(many.map((one) => (typeof one === "string" ? one : now(world, "ann", one).status))).toEqual([
      "rejected",
      "rejected",
      "rejected",
    ]);
  });
});
