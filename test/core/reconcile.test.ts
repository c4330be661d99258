// What the read model may differ in from an object, each with both figures; and that being late is no difference.
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { AsApplied, Figures } from "../../src/core/exam.ts";
import { entryText, GENESIS_HASH } from "../../src/core/ledger.ts";
import { CHECK_BREAKS_MAX, CHECK_LAG_MS } from "../../src/core/limits.ts";
import type { Order } from "../../src/core/order.ts";
import {
  type CopiedEntry,
  type CopiedOrder,
  type Copy,
  compare,
  forgedEntry,
  ownFindings,
  type Windows,
} from "../../src/core/reconcile.ts";

const NOW = 1_800_000_000_000;
const ALL: Windows = { orders: { after: "", limit: 100, also: [] }, entries: { after: 0, limit: 100, also: [] } };
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

function order(id: string, more: Partial<Order> = {}): Order {
  const terms = { symbol: "BTC-USD", side: "buy", type: "limit", timeInForce: "gtc", postOnly: false } as const;
  const amounts = { qty: 10n, notional: null, limitPrice: 5n, filledQty: 0n, filledNotional: 0n, fee: 0n, hold: 50n };
  const facts = { clientOrderId: null, expiresAt: null, makerFeeBps: 10, takerFeeBps: 20, status: "new", reason: null };
  const times = { cancelRequested: false, createdAt: 1, updatedAt: 2, seq: 3 };
  return { id, ...terms, ...amounts, ...facts, ...times, ...more } as Order;
}

/** The same as D1 has it: amounts as numbers. */
function copied(one: Order): CopiedOrder {
  const row = Object.entries(one).map(([key, value]) => [key, typeof value === "bigint" ? Number(value) : value]);
  return Object.fromEntries(row) as CopiedOrder;
}

function entry(seq: number, before: string): CopiedEntry {
  const postings = [
    { account: "available", asset: "USD", amount: 5n, balance: 5n },
    { account: "external", asset: "USD", amount: -5n, balance: -5n },
  ];
  const facts = { id: `ent_${seq}`, seq, at: NOW, kind: "deposit", ref: "dep_1", postings };
  return { ...facts, hash: sha256(entryText(before, facts)) };
}

const FIRST = entry(1, GENESIS_HASH);
const SECOND = entry(4, FIRST.hash);
const marks = [
  { seq: 1, before: GENESIS_HASH, hash: FIRST.hash },
  { seq: 4, before: FIRST.hash, hash: SECOND.hash },
];

function applied(more: Partial<AsApplied> = {}): AsApplied {
  return {
    ...{ seq: 6, head: { seq: 4, hash: SECOND.hash }, entryCount: 2, orderCount: 2 },
    entries: { rows: marks, upTo: null, also: [] },
    balances: [{ asset: "USD", available: 5n, held: 0n }],
    orders: { rows: [order("ord_a"), order("ord_b")], upTo: null, also: [], moved: [] },
    ...more,
  };
}

function figures(asApplied: AsApplied | null = applied(), more: Partial<Figures> = {}): Figures {
  return {
    ...{ epoch: 1, seq: 6, restoring: false, money: [], own: [], stored: [], orders: 2, entries: 2, asApplied },
    ...{ waitingSince: null, booked: [], peers: 0 },
    ...more,
  };
}

function copy(more: Partial<Copy> = {}): Copy {
  return {
    applied: { epoch: 1, seq: 6 },
    balances: [{ asset: "USD", available: 5n, held: 0n }],
    ...{ orderCount: 2, entryCount: 2, head: { seq: 4, hash: SECOND.hash } },
    orders: { rows: [copied(order("ord_a")), copied(order("ord_b"))], upTo: null },
    entries: { rows: [FIRST, SECOND], upTo: null },
    ...more,
  };
}

const found = (mine: Figures, theirs: Copy, windows = ALL) => compare(mine, theirs, windows, NOW).findings;

describe("a read model that is as its object", () => {
  it("has no difference, and says what texts the hashes must be of", () => {
    const { findings, claims, ...rest } = compare(figures(), copy(), ALL, NOW);
    expect(findings).toEqual([]);
    expect(claims.map(({ subject, text, hash }) => [subject, sha256(text) === hash])).toEqual([
      ["1", true],
      ["4", true],
    ]);
    expect(rest).toEqual({ ordersAfter: "", entriesAfter: 0, ordersSeen: true });
  });

  it("may be late: what it has not applied is not asked for, what has moved since only has to be there", () => {
    const late = applied({
      orders: {
        rows: [order("ord_a", { status: "filled" }), order("ord_b"), order("ord_c", { seq: 7 })],
        upTo: null,
        also: [],
        moved: ["ord_a"],
      },
      entries: { rows: marks.slice(0, 1), upTo: null, also: [] },
      ...{ seq: 3, head: marks[0] ?? null, entryCount: 1 },
    });
    const theirs = copy({ applied: { epoch: 1, seq: 3 }, entryCount: 1, head: { seq: 1, hash: FIRST.hash } });
    expect(found(figures(late, { waitingSince: NOW - CHECK_LAG_MS + 1 }), theirs)).toEqual([]);
  });

  it("is not looked at for orders when too much has happened since, nor for anything of a life before", () => {
    const crowded = compare(figures(applied({ orders: null })), copy({ orders: { rows: [], upTo: null } }), ALL, NOW);
    expect(crowded).toMatchObject({ findings: [], ordersSeen: false });
    const reborn = compare(figures(null, { epoch: 2 }), copy({ balances: [], head: { seq: 0, hash: "" } }), ALL, NOW);
    expect(reborn).toMatchObject({ findings: [], claims: [], ordersSeen: false });
  });
});

describe("a difference is found", () => {
  it.each<[string, Partial<Copy>, { kind: string; subject: string; expected: string; found: string }]>([
    [
      "in a balance",
      { balances: [{ asset: "USD", available: 4n, held: 1n }] },
      { kind: "balance", subject: "USD", expected: "available 5, held 0", found: "available 4, held 1" },
    ],
    [
      "in a balance that is missing",
      { balances: [] },
      { kind: "balance", subject: "USD", expected: "available 5, held 0", found: "none" },
    ],
    [
      "in a balance that is one too many",
      { balances: [...copy().balances, { asset: "BTC", available: 1n, held: 0n }] },
      { kind: "balance", subject: "BTC", expected: "none", found: "available 1, held 0" },
    ],
    ["in how many orders", { orderCount: 3 }, { kind: "order_count", subject: "", expected: "2", found: "3" }],
    ["in how many entries", { entryCount: 1 }, { kind: "entry_count", subject: "", expected: "2", found: "1" }],
    [
      "in the end of the chain",
      { head: { seq: 1, hash: "aa" } },
      { kind: "chain", subject: "", expected: `entry 4, ${SECOND.hash}`, found: "entry 1, aa" },
    ],
    [
      "in an order",
      {
        orders: { rows: [copied(order("ord_a", { hold: 51n, status: "filled" })), copied(order("ord_b"))], upTo: null },
      },
      { kind: "order", subject: "ord_a", expected: "status new, hold 50", found: "status filled, hold 51" },
    ],
    [
      "in an order that is missing",
      { orders: { rows: [copied(order("ord_a"))], upTo: null } },
      { kind: "order", subject: "ord_b", expected: "new", found: "none" },
    ],
    [
      "in an order that is one too many",
      { orders: { rows: [...copy().orders.rows, copied(order("ord_x"))], upTo: null } },
      { kind: "order", subject: "ord_x", expected: "none", found: "there is one" },
    ],
    [
      "in an entry's hash",
      { entries: { rows: [FIRST, { ...SECOND, hash: "bb" }], upTo: null } },
      { kind: "entry", subject: "4", expected: SECOND.hash, found: "bb" },
    ],
    [
      "in an entry that is missing",
      { entries: { rows: [SECOND], upTo: null } },
      { kind: "entry", subject: "1", expected: FIRST.hash, found: "none" },
    ],
    [
      "in an entry that is one too many",
      { entries: { rows: [FIRST, SECOND, entry(5, SECOND.hash)], upTo: null } },
      { kind: "entry", subject: "5", expected: "none", found: entry(5, SECOND.hash).hash },
    ],
    [
      "when D1 says that there is more",
      { applied: { epoch: 1, seq: 7 } },
      { kind: "head", subject: "", expected: "epoch 1, event 6", found: "epoch 1, event 7" },
    ],
    [
      "when D1 says that there is a later life",
      { applied: { epoch: 2, seq: 1 } },
      { kind: "head", subject: "", expected: "epoch 1, event 6", found: "epoch 2, event 1" },
    ],
  ])("%s", (_, theirs, finding) => {
    expect(found(figures(), copy(theirs))).toEqual([finding]);
  });

  it("when D1 has lacked something for too long, or everything", () => {
    const waiting = figures(applied(), { seq: 9, waitingSince: NOW - CHECK_LAG_MS });
    expect(found(waiting, copy())).toEqual([
      { kind: "not_applied", subject: "", expected: "epoch 1, event 9", found: "epoch 1, event 6" },
    ]);
    const nothing = found(figures(null, { waitingSince: NOW - CHECK_LAG_MS }), copy({ applied: null }));
    expect(nothing).toMatchObject([{ kind: "not_applied", found: "nothing" }]);
  });

  it("in what an entry says, by the hash of its text; also where that cannot be written down", () => {
    const forge = (change: Partial<CopiedEntry>) =>
      compare(figures(), copy({ entries: { rows: [FIRST, { ...SECOND, ...change }], upTo: null } }), ALL, NOW)
        .claims[1];
    for (const change of [{ ref: "dep_2" }, { at: 1 }, { postings: [] }, { kind: "fill" }]) {
      const claim = forge(change);
      expect(sha256(claim?.text ?? "")).not.toBe(claim?.hash);
    }
    const unknown = forge({ postings: [{ account: "available", asset: "XXX", amount: 1n }] });
    expect(unknown?.text).toBe("");
    expect(forgedEntry({ subject: "4", text: "", hash: "aa" }, "bb")).toEqual({
      ...{ kind: "entry", subject: "4", expected: "aa", found: "what it says has the hash bb" },
    });
  });

  it("but not what nobody has looked up: an entry whose forerunner is too far back, the end of a long chain, counts of markets", () => {
    const far = applied({
      entries: { rows: [{ seq: 1, before: null, hash: FIRST.hash }, ...marks.slice(1)], upTo: null, also: [] },
      ...{ head: null, entryCount: null, orderCount: null },
    });
    const { findings, claims } = compare(figures(far), copy({ entryCount: 9, orderCount: 9 }), ALL, NOW);
    expect([findings, claims.map(({ subject }) => subject)]).toEqual([[], ["4"]]);
  });
});

describe("a window", () => {
  it("ends where the shorter of both does, and the next one begins there", () => {
    const short = applied({
      orders: { rows: [order("ord_a")], upTo: "ord_a", also: [], moved: [] },
      entries: { rows: marks, upTo: 4, also: [] },
    });
    const theirs = copy({ entries: { rows: [FIRST], upTo: 1 }, orders: { rows: copy().orders.rows, upTo: "ord_b" } });
    expect(compare(figures(short), theirs, ALL, NOW)).toMatchObject({
      ...{ findings: [], ordersAfter: "ord_a", entriesAfter: 1 },
    });
  });

  it("looks at what is broken besides, wherever it is, and at nothing before it", () => {
    const windows: Windows = {
      orders: { after: "ord_b", limit: 100, also: ["ord_a"] },
      entries: { after: 4, limit: 100, also: [1] },
    };
    const mine = applied({
      orders: { rows: [], upTo: null, also: [order("ord_a")], moved: [] },
      entries: { rows: [], upTo: null, also: marks.slice(0, 1) },
    });
    const theirs = copy({
      orders: { rows: [copied(order("ord_a", { hold: 1n })), copied(order("ord_b", { hold: 2n }))], upTo: null },
      entries: {
        rows: [
          { ...FIRST, hash: "cc" },
          { ...SECOND, hash: "dd" },
        ],
        upTo: null,
      },
    });
    expect(found(figures(mine), theirs, windows).map(({ kind, subject }) => [kind, subject])).toEqual([
      ["entry", "1"],
      ["order", "ord_a"],
    ]);
  });

  it("says what is wrong throughout only so often", () => {
    const many = Array.from({ length: CHECK_BREAKS_MAX + 20 }, (_, n) => order(`ord_${1000 + n}`));
    const mine = applied({ orders: { rows: many, upTo: null, also: [], moved: [] } });
    const theirs = copy({ orders: { rows: [], upTo: null } });
    expect(found(figures(mine), theirs)).toHaveLength(CHECK_BREAKS_MAX);
    // Those that are open stay so, or they would close and open for ever.
    const open = many.slice(30).map(({ id }) => id);
    const windows = { ...ALL, orders: { ...ALL.orders, also: open } };
    const again = found(figures(mine), theirs, windows).map(({ subject }) => subject);
    expect(again).toHaveLength(CHECK_BREAKS_MAX);
    expect(again).toEqual(expect.arrayContaining(open));
  });
});

describe("an object against itself", () => {
  it("says that it is stopped, and what its rules and its tables say", () => {
    expect(ownFindings({ stopped: null, figures: figures() })).toEqual([]);
    expect(ownFindings({ stopped: "unreadable", figures: null })).toEqual([
      { kind: "stopped", subject: "", expected: "", found: "unreadable" },
    ]);
    const broken = figures(applied(), { own: ["a", "b"], stored: ["c"] });
    expect(ownFindings({ stopped: null, figures: broken })).toEqual([
      { kind: "invariants", subject: "", expected: "", found: "2: a; b" },
      { kind: "stored", subject: "", expected: "", found: "1: c" },
    ]);
  });
});
