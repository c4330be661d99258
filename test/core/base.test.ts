// What stands for events that have been cut: whatever was cut, and however often, it leads to where the events have led.
import { describe, expect, it } from "vitest";
import { isTransfer, type OnceKept } from "../../src/core/account/base.ts";
import { accountRemains } from "../../src/core/account/cut.ts";
import { ordersOf, refOf } from "../../src/core/account/events.ts";
import { type AccountEvent, applyAccountEvent, emptyAccount } from "../../src/core/account/state.ts";
import { accountStateHash } from "../../src/core/account/state-hash.ts";
import { baseAfter, goesOn, goneConflict, standIns, UNCUT, wholeBase } from "../../src/core/base.ts";
import { decode, encode } from "../../src/core/codec.ts";
import { BASE_PART_CHARS, KEPT_DIGEST_CHARS } from "../../src/core/limits.ts";
import { accountsOf } from "../../src/core/market/base.ts";
import { marketRemains } from "../../src/core/market/cut.ts";
import { applyMarketEvent, emptyMarket, type MarketEvent, marketStateHash } from "../../src/core/market/state.ts";
import { emit } from "../../src/core/market/turn.ts";
import { isOpen, type Order } from "../../src/core/order.ts";
import { referencePrice } from "../../src/core/prices.ts";
import { PAPER_POLICY } from "../../src/core/transfer-policy.ts";
import { listed, SEED, sha256, units } from "../support/book.ts";
import { CoreWorld } from "../support/core-world.ts";
import { randomGroup } from "../support/groups.ts";
import { randomChange, randomTrigger } from "../support/orders.ts";
import { type Random, randomOf } from "../support/random.ts";

const SOL = listed("SOL-USD");
const DOGE = listed("DOGE-USD");
const NAMES = ["ann", "bob", "cat"];
/** A journal that was never cut. */
const NEW = { after: 0, placedSeqOf: () => undefined };

/** Some hours of three accounts: orders of every kind, groups, changes, transfers, and what operators do. */
function someHours(seed: number, acts: number): CoreWorld {
  const world = new CoreWorld(NAMES, [SOL]);
  const random = randomOf(seed);
  for (const id of NAMES) {
    world.transfer(id, "deposit", "USD", units("500000", 6));
    world.transfer(id, "deposit", "SOL", units("1000", 8));
  }
  for (let count = 0; count < acts; count += 1) {
    world.now += random.once(10) ? random.int(60_000) : random.int(20);
    act(world, random);
    world.settle();
  }
  return world;
}

function act(world: CoreWorld, random: Random): void {
  const id = random.pick(NAMES);
  const open = [...world.customer(id).state.orders.values()];
  const reference = referencePrice(SOL, SEED, world.now);
  const qty = BigInt(1 + random.int(40)) * 1_000n * SOL.lotSize;
  const dice = random.int(20);
  if (dice < 4) world.placeGroup(id, randomGroup(random, SOL, reference, qty, random.pick([8, 40])));
  else if (dice < 7 && open.length > 0) world.cancel(id, random.pick(open));
  else if (dice < 9 && open.length > 0) {
    const order = random.pick(open);
    world.replace(id, order, randomChange(random, order, SOL));
  } else if (dice === 9)
    world.transfer(id, random.pick(["deposit", "withdrawal"]), "USD", BigInt(1 + random.int(1_000_000)));
  else if (dice === 10) operate(world, random, id);
  else {
    const side = random.pick(["buy", "sell"] as const);
    const waits = random.once(5) ? randomTrigger(random, SOL, reference, side) : {};
    const limitPrice = reference + BigInt(random.int(24) - 12) * SOL.tickSize;
    const clientOrderId = random.once(2) ? `${id}-${world.now}-${random.int(1_000_000)}` : null;
    const expires = random.once(6) ? ({ timeInForce: "gtd", expiresAt: world.now + 3_600_000 } as const) : {};
    world.place(id, { side, type: "limit", qty, limitPrice, clientOrderId, ...waits, ...expires });
  }
}

function operate(world: CoreWorld, random: Random, id: string): void {
  const what = random.int(6);
  if (what === 0)
    world.happen(id, { kind: "status_changed", status: "active", reason: "it was looked into", by: "usr_1" });
  if (what === 1)
    world.happen(id, { kind: "session_revoked", sessionId: `ses_${random.int(9)}`, until: world.now + 60_000 });
  if (what === 2) world.happen(id, { kind: "settings_changed", selfTradePrevention: "cancel_both" });
  if (what === 3) world.happen(id, { kind: "status_changed", status: "active", reason: "over", cause: "kill_switch" });
  // Of a market in which it has never dealt, it knows the rules alone.
  if (what === 5) world.happen(id, { kind: "rules_learned", symbol: DOGE.symbol, rules: DOGE });
  if (what === 4) world.changeRules(SOL.symbol, { priceBandBps: 900 + random.int(100) });
}

/** What a journal's base says, what it keeps for ever, and the number of its last event. */
const itemsOf = (journal: readonly AccountEvent[]) =>
  journal.flatMap((event) => (event.kind === "base" ? event.items : []));
const keptIn = (journal: readonly AccountEvent[]) =>
  journal.flatMap((event) => (event.kind === "kept" ? event.items : []));
const lastOf = (journal: readonly { seq: number }[]) => journal.at(-1)?.seq ?? 0;

/** The journal after it has been cut at an event. */
function cutAccount(id: string, journal: readonly AccountEvent[], through: number): AccountEvent[] {
  const [first, rest] = split(journal, through);
  const kept = first.filter(({ kind }) => kind === "kept");
  const transfers = keptIn(first).filter(isTransfer);
  const placedSeqOf = (of: string) => transfers.find(({ transfer }) => transfer.id === of)?.placedSeq;
  const events = first.filter(({ kind }) => kind !== "kept");
  const remains = accountRemains(id, { after: kept.at(-1)?.seq ?? 0, events, placedSeqOf }, sha256);
  return remains === null ? [...journal] : [...kept, ...remains.events, ...rest];
}

function cutMarket(journal: readonly MarketEvent[], through: number): MarketEvent[] {
  const [first, rest] = split(journal, through);
  const made = marketRemains(SOL, first, () => 1, sha256);
  return made === null ? [...journal] : [...made, ...rest];
}

/** Decoded anew, as from a table: what is applied changes what it is given. */
function split<Event extends { seq: number }>(journal: readonly Event[], through: number): [Event[], Event[]] {
  const read = journal.map((event) => decode<Event>(encode(event)));
  return [read.filter(({ seq }) => seq <= through), read.filter(({ seq }) => seq > through)];
}

const accountHash = (id: string, journal: readonly AccountEvent[]) => {
  const state = emptyAccount(id, 1);
  for (const event of split(journal, 0)[1]) applyAccountEvent(state, event);
  return { hash: accountStateHash(state, sha256), base: state.base.seq };
};
const marketAfter = (journal: readonly MarketEvent[]) => {
  const state = emptyMarket(SOL, 1);
  for (const event of split(journal, 0)[1]) applyMarketEvent(state, event);
  return state;
};
const marketHash = (journal: readonly MarketEvent[]) => {
  const state = marketAfter(journal);
  return { hash: marketStateHash(state, sha256), base: state.base.seq };
};

describe.each([1, 2, 3])("some hours of three accounts, cut again and again (seed %d)", (seed) => {
  const world = someHours(seed, 400);
  const random = randomOf(seed + 100);
  /** Ten events to cut at, one after the other. */
  const places = <Event extends { seq: number }>(journal: readonly Event[]) =>
    Array.from({ length: 10 }, () => random.pick(journal).seq).sort((a, b) => a - b);

  it.each(NAMES)("%s comes to the same state, number and time", (id) => {
    const whole = world.accountEvents(id);
    let journal = [...whole];
    for (const through of places(whole)) {
      journal = cutAccount(id, journal, through);
      expect(accountHash(id, journal).hash).toBe(accountHash(id, whole).hash);
    }
    expect(accountHash(id, journal).base).toBeGreaterThan(0);
    expect(journal.length).toBeLessThan(whole.length);
  });

  it.each(NAMES)("%s has every key that was ever used, once, and every transfer that has ended", (id) => {
    const whole = world.accountEvents(id);
    const journal = places(whole).reduce((cut, through) => cutAccount(id, cut, through), [...whole]);
    const kept = keptIn(journal);
    const ended = kept.filter(isTransfer).map(({ transfer }) => transfer.id);
    expect(new Set(ended).size).toBe(ended.length);
    const all = whole.flatMap((event) => ("transfer" in event ? [event.transfer.id] : []));
    const rest = journal.flatMap((event) => ("transfer" in event ? [event.transfer.id] : []));
    expect(new Set([...ended, ...rest])).toEqual(new Set(all));
    const keys = whole.flatMap((event) => ("once" in event ? event.once : [])).length;
    const left = journal.flatMap((event) => ("once" in event ? event.once : [])).length;
    expect(kept.filter((one) => !isTransfer(one)).length + left).toBe(keys);
  });

  it("their market comes to the same book, queue by queue", () => {
    const whole = world.marketEvents(SOL.symbol);
    let journal = [...whole];
    for (const through of places(whole)) {
      journal = cutMarket(journal, through);
      expect(marketHash(journal).hash).toBe(marketHash(whole).hash);
    }
    expect(marketHash(journal).base).toBeGreaterThan(0);
    const [first] = journal;
    expect(first === undefined ? [] : accountsOf(first).sort()).toEqual(NAMES);
  });
});

describe.each([1, 2, 3])("a base of some hours (seed %d)", (seed) => {
  const world = someHours(seed, 400);
  world.happen("ann", { kind: "status_changed", status: "active", reason: "over", cause: "kill_switch" });
  world.happen("bob", { kind: "status_changed", status: "active", reason: "seen", by: "usr_1" });
  world.happen("cat", { kind: "rules_learned", symbol: DOGE.symbol, rules: DOGE });

  it.each(NAMES)(
    "%s has what each event said last, as of that event, and of orders those alone whose group is open",
    (id) => {
      const whole = world.accountEvents(id);
      const items = itemsOf(cutAccount(id, whole, lastOf(whole)));
      const balances = new Map(
        whole.flatMap(({ balances, seq }) => balances.map((balance) => [balance.asset, { balance, seq }])),
      );
      expect(items.filter((one) => one.item === "balance")).toEqual(
        [...balances.values()].map((one) => ({ item: "balance", ...one })),
      );
      const orders = new Map(
        whole.flatMap((event) => ordersOf(event).map((order) => [order.id, { order, seq: event.seq }])),
      );
      const all = [...orders.values()];
      const isLive = ({ id: of, group }: Order) =>
        all.some(
          ({ order }) =>
            isOpen(order.status) && (order.id === of || (group !== undefined && order.group?.id === group.id)),
        );
      expect(items.filter((one) => one.item === "order")).toEqual(
        all.filter(({ order }) => isLive(order)).map((one) => ({ item: "order", ...one })),
      );
    },
  );

  it("says who has frozen or thawed an account last, and why", () => {
    const changes = NAMES.map((id) => {
      const whole = world.accountEvents(id);
      return itemsOf(cutAccount(id, whole, lastOf(whole))).find((one) => one.item === "facts")?.facts.statusChange;
    });
    const thawed = { kind: "status_changed", status: "active" };
    expect(changes.slice(0, 2)).toStrictEqual([
      { ...thawed, reason: "over", cause: "kill_switch" },
      { ...thawed, reason: "seen", by: "usr_1" },
    ]);
  });

  it("knows the rules of a market in which an account has never dealt", () => {
    const whole = world.accountEvents("cat");
    const peers = itemsOf(cutAccount("cat", whole, lastOf(whole))).filter((one) => one.item === "peer");
    expect(peers.find(({ symbol }) => symbol === DOGE.symbol)).toEqual({
      ...{ item: "peer", symbol: DOGE.symbol, epoch: null, cseq: 0, rseq: 0, rules: DOGE },
    });
  });

  it.each(NAMES)("%s has the same in it however often the journal was cut before", (id) => {
    const whole = world.accountEvents(id);
    const once = cutAccount(id, whole, lastOf(whole));
    const first = whole[Math.floor(whole.length / 2)]?.seq ?? 0;
    const twice = cutAccount(id, cutAccount(id, whole, first), lastOf(whole));
    const sorted = (journal: readonly AccountEvent[]) => itemsOf(journal).map(encode).sort();
    expect(sorted(twice)).toEqual(sorted(once));
  });

  it.each(NAMES)("%s keeps the digests of each key and body, what was made, and how it was refused", (id) => {
    const whole = world.accountEvents(id);
    const kept = keptIn(cutAccount(id, whole, lastOf(whole)));
    const short = (digest: string) => digest.slice(0, KEPT_DIGEST_CHARS);
    const expected = whole.flatMap((event) => {
      const keys = "once" in event ? event.once : [];
      const refusal = event.kind === "refused" ? [event.refusal] : [];
      return keys.map(({ scope, key, bodyHash }) => {
        return [short(sha256(`${scope} ${key}`)), short(bodyHash), refOf(event), ...refusal];
      });
    });
    expect(expected.length).toBeGreaterThan(0);
    expect(kept.filter((one) => !isTransfer(one))).toEqual(expected);
  });

  it("leaves a market's clocks and triggers as they were: what was to expire or to be triggered will be", () => {
    const whole = world.marketEvents(SOL.symbol);
    const [before, after] = [marketAfter(whole), marketAfter(cutMarket(whole, lastOf(whole)))];
    const far = Number.MAX_SAFE_INTEGER;
    const due = ({ expiring, orders, waiting }: typeof before) => ({
      expiring: expiring
        .due(far)
        .map(({ id, at }) => `${at} ${id}`)
        .sort(),
      waiting: [...orders.keys()].filter((id) => waiting.has(id)).sort(),
    });
    expect(due(before).expiring.length).toBeGreaterThan(0);
    expect(due(before).waiting.length).toBeGreaterThan(0);
    expect(due(after)).toEqual(due(before));
  });
});

describe("what is left of an account's past", () => {
  const world = new CoreWorld(NAMES, [SOL]);
  world.transfer("ann", "deposit", "USD", units("500000", 6));
  const price = referencePrice(SOL, SEED, world.now);
  const bid = (bps: bigint) => {
    const wanted = (price * (10_000n - bps)) / 10_000n;
    return wanted - (wanted % SOL.tickSize);
  };
  const wish = { side: "buy", type: "limit", qty: 1_000n * SOL.lotSize } as const;
  world.place("ann", { ...wish, limitPrice: bid(300n), clientOrderId: "open" });
  const gone = world.place("ann", { ...wish, limitPrice: bid(400n), clientOrderId: "gone" });
  world.settle();
  if (gone.ok) world.cancel("ann", gone.value);
  world.settle();
  const refused = world.place("ann", { ...wish, qty: 10n ** 15n, limitPrice: bid(300n), clientOrderId: "refused" });
  const events = world.accountEvents("ann");
  const remains = accountRemains("ann", { ...NEW, events }, sha256);
  if (remains === null || refused.ok) throw new Error("nothing was cut");
  const items = itemsOf(remains.events);
  const kept = keptIn(remains.events);

  it("are open orders, whole; of others that they have been", () => {
    const orders = items.flatMap((one) => (one.item === "order" ? [one.order] : []));
    expect(orders.map(({ clientOrderId, status }) => [clientOrderId, isOpen(status)])).toEqual([["open", true]]);
    expect(remains.gathered.gone(remains.state)).toEqual([gone.ok ? gone.value.id : ""]);
  });

  it("are keys in a hundred bytes each, with what was made or refused under them", () => {
    const keys = kept.filter((one): one is OnceKept => !isTransfer(one));
    expect(keys.map(([key, body]) => [key.length, body.length])).toEqual(
      keys.map(() => [KEPT_DIGEST_CHARS, Math.min(KEPT_DIGEST_CHARS, "body".length)]),
    );
    const codes = keys.map(([, , ref, refusal]) => (ref === null ? refusal?.code : "made"));
    expect(codes).toEqual(expect.arrayContaining(["made", refused.refusal.code]));
  });

  it("follows what is kept for ever, of which none is read: the numbers before are taken already", () => {
    const later = events.map((event) => ({ ...event, first: event.first + 90, seq: event.seq + 90 }));
    const again = accountRemains("ann", { ...NEW, after: 90, events: later }, sha256);
    expect(again?.events.map(({ first, seq }) => [first, seq])).toEqual(
      remains.events.map(({ first, seq }) => [first + 90, seq + 90]),
    );
  });

  it("is nothing where there are fewer numbers than it would take", () => {
    expect(accountRemains("ann", { ...NEW, events: [] }, sha256)).toBeNull();
    expect(marketRemains(SOL, [], () => 1, sha256)).toBeNull();
  });
});

describe("a transfer that has not ended when it is cut", () => {
  const world = new CoreWorld(["ann"], [SOL]);
  world.transfer("ann", "deposit", "USD", units("1000", 6));
  world.policy = { ...PAPER_POLICY, reviewOver: 0n, provider: "stripe" };
  const paidIn = world.transfer("ann", "deposit", "USD", units("50", 6));
  const paidOut = world.transfer("ann", "withdrawal", "USD", units("20", 6));
  if (!paidIn.ok || !paidOut.ok) throw new Error("neither is pending");
  const ends = () => lastOf(world.accountEvents("ann"));
  const cuts = [ends()];
  world.hear("ann", paidIn.value.id, { outcome: "settled", ref: "pi_1", amount: units("50", 6) });
  world.cancelTransfer("ann", paidOut.value.id);
  cuts.push(ends());
  world.review("ann", paidIn.value.id, "reverse", "olivia");
  cuts.push(ends());
  const whole = world.accountEvents("ann");

  it("ends as it would have, and then is kept in its place", () => {
    let journal = [...whole];
    for (const through of cuts) {
      journal = cutAccount("ann", journal, through);
      expect(accountHash("ann", journal).hash).toBe(accountHash("ann", whole).hash);
    }
    const placed = new Map(
      whole.flatMap((event) => (event.kind === "transfer_requested" ? [[event.transfer.id, event.seq] as const] : [])),
    );
    const kept = keptIn(journal).filter(isTransfer);
    // Reversed after it was kept as settled, it is kept once more; the last one counts.
    const mine = kept.filter(({ transfer }) => transfer.id === paidIn.value.id);
    expect(mine.map(({ transfer, placedSeq }) => [transfer.status, placedSeq])).toEqual([
      ["settled", placed.get(paidIn.value.id)],
      ["reversed", placed.get(paidIn.value.id)],
    ]);
    expect(kept.find(({ transfer }) => transfer.id === paidOut.value.id)?.transfer.status).toBe("canceled");
  });
});

describe("an account with many open orders", () => {
  const world = new CoreWorld(["ann"], [SOL]);
  world.transfer("ann", "deposit", "USD", units("500000", 6));
  const price = referencePrice(SOL, SEED, world.now);
  const away = ((price * 97n) / 100n / SOL.tickSize) * SOL.tickSize;
  world.happen("ann", { kind: "status_changed", status: "active", reason: "looked into", by: "usr_1" });
  for (let count = 0; count < 300; count += 1)
    world.place("ann", {
      side: "buy",
      type: "limit",
      qty: 1_000n * SOL.lotSize,
      limitPrice: away - BigInt(count) * SOL.tickSize,
    });
  world.settle();
  const whole = world.accountEvents("ann");
  const market = world.marketEvents(SOL.symbol);

  it("has a base of several parts, and so has its market", () => {
    for (const journal of [cutAccount("ann", whole, lastOf(whole)), cutMarket(market, lastOf(market))])
      expect(journal.filter(({ kind }) => kind === "base").length).toBeGreaterThan(1);
    expect(accountHash("ann", cutAccount("ann", whole, lastOf(whole))).hash).toBe(accountHash("ann", whole).hash);
    expect(marketHash(cutMarket(market, lastOf(market))).hash).toBe(marketHash(market).hash);
    expect(new Set(market.flatMap(accountsOf))).toEqual(new Set(["ann"]));
  });

  it("leaves to its object what that keeps apart: keys, and who has frozen or thawed it last", () => {
    const remains = accountRemains("ann", { ...NEW, events: split(whole, lastOf(whole))[0] }, sha256);
    expect(remains?.gathered.statusChange).toEqual({
      ...{ kind: "status_changed", status: "active", reason: "looked into", by: "usr_1" },
    });
    expect(remains?.gathered.once.map(({ key }) => key)).toEqual(
      whole.flatMap((event) => ("once" in event ? event.once : [])),
    );
  });
});

describe("what stands for events", () => {
  const big = (name: string) => ({ name, text: "x".repeat(BASE_PART_CHARS * 0.6) });
  const numbers = { after: 4, through: 20, at: 7 };

  it("takes their numbers: the first all that the others do not, and the last ends where they did", () => {
    const parts = standIns(numbers, [big("k1"), big("k2")], [big("b1"), big("b2")]);
    expect(parts?.map(({ kind, first, seq, more, at }) => [kind, first, seq, more, at])).toEqual([
      ["kept", 5, 17, undefined, 7],
      ["kept", 18, 18, undefined, 7],
      ["base", 19, 19, true, 7],
      ["base", 20, 20, undefined, 7],
    ]);
    expect(standIns({ ...numbers, after: 17 }, [big("k1"), big("k2")], [big("b1"), big("b2")])).toBeNull();
  });

  it("puts small things together, and a large one by itself", () => {
    const small = ["a", "b", "c"];
    expect(standIns(numbers, [], small)?.map(({ items }) => items)).toEqual([small]);
    const huge = "y".repeat(BASE_PART_CHARS * 2);
    expect(standIns(numbers, [], ["a", huge, "c"])?.map(({ items }) => items.length)).toEqual([1, 1, 1]);
  });

  it("cannot stand without its end", () => {
    const [kept, part, last, after] = [
      { kind: "kept" },
      { kind: "base", more: true },
      { kind: "base" },
      { kind: "report" },
    ];
    expect(wholeBase([kept, part, last, after])).toEqual([kept, part, last, after]);
    expect(wholeBase([kept, part, part])).toEqual([kept]);
    expect(wholeBase([])).toEqual([]);
    expect([kept, part, last, after].map(goesOn)).toEqual([true, true, false, false]);
  });
});

describe("where a journal begins", () => {
  it("is told by the journal itself", () => {
    const world = new CoreWorld(["ann"], [SOL]);
    world.transfer("ann", "deposit", "USD", units("1000", 6));
    world.happen("ann", { kind: "cut", through: 1, before: world.now });
    expect(world.customer("ann").state.base).toEqual({ seq: 1, at: world.now, by: 2 });
    world.atMarket(SOL.symbol, (turn) => emit(turn, { kind: "cut", through: 1, before: 7 }));
    const { seq, base } = world.venue(SOL.symbol).state;
    expect(base).toEqual({ seq: 1, at: 7, by: seq });
    expect(world.marketEvents(SOL.symbol).flatMap(accountsOf)).toEqual([]);
    world.expectReplays();
  });

  it("is after its last cut: an older one, which it goes on telling, takes nothing back", () => {
    const cut = baseAfter(UNCUT, { kind: "cut", through: 500, before: 70, seq: 900 });
    expect(cut).toEqual({ seq: 500, at: 70, by: 900 });
    expect(baseAfter(cut, { kind: "cut", through: 400, before: 60, seq: 901 })).toBe(cut);
    expect(baseAfter(cut, { kind: "cut", through: 500, before: 60, seq: 901 })).toBe(cut);
    // A base alone does not know by which event it came about, and of which time: its journal says so later.
    const told = { kind: "cut", through: 500, before: 70, seq: 900 } as const;
    expect(baseAfter({ seq: 500, at: 66, by: 0 }, told)).toEqual(cut);
  });

  it("is told to who asks for a report of before: it is told no more", () => {
    expect(goneConflict(3, 9, 4)).toBeNull();
    expect(goneConflict(9, 9, undefined)).toBeNull();
    expect(goneConflict(3, 9, 6)).toContain("report 4 has been archived");
    expect(goneConflict(3, 9, undefined)).toContain("report 4 has been archived");
  });
});
