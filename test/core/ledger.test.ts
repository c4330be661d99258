import { describe, expect, it } from "vitest";
import {
  applyEntry,
  type Balances,
  balanceKey,
  entriesBreak,
  entryText,
  formatUnits,
  GENESIS_HASH,
  isCustomerMoney,
  keyParts,
  type LedgerEntry,
  type Movement,
  makeEntry,
} from "../../src/core/ledger.ts";
import { UNITS_MAX } from "../../src/core/money.ts";
import { addToPosition, flatPosition, takeFromPosition } from "../../src/core/positions.ts";
import { InvariantError } from "../../src/core/result.ts";
import { wireEntry } from "../../src/core/wire.ts";
import { sha256 } from "../support/book.ts";

const FACTS = { id: "ent_1", seq: 1, at: 1_795_262_400_000, kind: "deposit", ref: "dep_1" };

function enter(balances: Balances, movements: Movement[], head = GENESIS_HASH) {
  return makeEntry(balances, head, FACTS, movements, sha256);
}

describe("an entry", () => {
  it("sums to zero for each asset by itself, or is not made", () => {
    expect(
      enter(new Map(), [
        ["available", "USD", 5n],
        ["external", "USD", -5n],
      ])?.postings,
    ).toHaveLength(2);
    expect(() =>
      enter(new Map(), [
        ["available", "USD", 5n],
        ["external", "USD", -4n],
      ]),
    ).toThrow("entry ent_1 leaves 1 of USD");
    const crossed: Movement[] = [
      ["available", "USD", 5n],
      ["external", "BTC", -5n],
    ];
    expect(() => enter(new Map(), crossed)).toThrow(InvariantError);
  });

  it("merges what moves on one account, leaves out what does not move, and says each balance after it", () => {
    const balances: Balances = new Map([
      ["held|USD", 10n],
      ["available|USD", 3n],
      ["external|USD", -13n],
    ]);
    const entry = enter(balances, [
      ["held", "USD", -7n],
      ["available", "USD", 2n],
      ["clearing:SOL-USD", "USD", 5n],
      ["external", "USD", 4n],
      ["external", "USD", -4n],
    ]);
    expect(entry?.postings).toEqual([
      { account: "held", asset: "USD", amount: -7n, balance: 3n },
      { account: "available", asset: "USD", amount: 2n, balance: 5n },
      { account: "clearing:SOL-USD", asset: "USD", amount: 5n, balance: 5n },
    ]);
    if (entry !== null) applyEntry(balances, entry);
    expect(Object.fromEntries(balances)).toEqual({
      "held|USD": 3n,
      "available|USD": 5n,
      "external|USD": -13n,
      "clearing:SOL-USD|USD": 5n,
    });
  });

  it("that moves nothing is no entry", () => {
    expect(enter(new Map(), [])).toBeNull();
    expect(
      enter(new Map(), [
        ["held", "USD", 3n],
        ["held", "USD", -3n],
      ]),
    ).toBeNull();
  });

  it.each(["available", "held"])("never leaves %s below zero", (account) => {
    const balances: Balances = new Map([[`${account}|USD`, 5n]]);
    expect(
      enter(balances, [
        [account, "USD", -5n],
        ["external", "USD", 5n],
      ]),
    ).not.toBeNull();
    expect(() =>
      enter(balances, [
        [account, "USD", -6n],
        ["external", "USD", 6n],
      ]),
    ).toThrow(`${account} USD would be -1`);
  });

  it.each(["external", "clearing:SOL-USD", "fees:SOL-USD", "house", "rounding"])(
    "may leave %s below zero",
    (account) => {
      expect(isCustomerMoney(account)).toBe(false);
      expect(
        enter(new Map(), [
          [account, "USD", -1n],
          ["available", "USD", 1n],
        ]),
      ).not.toBeNull();
    },
  );

  it("keeps customers' money and every amount within what a money column stores exactly", () => {
    const most: Movement[] = [
      ["available", "USD", UNITS_MAX],
      ["external", "USD", -UNITS_MAX],
    ];
    expect(enter(new Map(), most)).not.toBeNull();
    expect(() => enter(new Map([["available|USD", 1n]]), most)).toThrow("available USD out of range");
    const more: Movement[] = most.map(([account, asset, amount]) => [
      account === "available" ? "house" : account,
      asset,
      2n * amount,
    ]);
    expect(() => enter(new Map(), more)).toThrow("house USD moves out of range");
    const outwards: Movement[] = [
      ["external", "USD", -UNITS_MAX - 1n],
      ["house", "USD", UNITS_MAX],
      ["rounding", "USD", 1n],
    ];
    expect(() => enter(new Map(), outwards)).toThrow("external USD moves out of range");
  });

  it("lets what stands against customers' money grow without a bound: all of them together may pass it", () => {
    const entry = enter(new Map([["external|USD", -UNITS_MAX]]), [
      ["available", "USD", UNITS_MAX],
      ["external", "USD", -UNITS_MAX],
    ]);
    expect(entry?.postings).toContainEqual({
      account: "external",
      asset: "USD",
      amount: -UNITS_MAX,
      balance: -2n * UNITS_MAX,
    });
  });
});

describe("a ledger account's key", () => {
  it.each(["available", "clearing:SOL-USD"])("gives back %s and its asset", (account) => {
    expect(keyParts(balanceKey(account, "USD"))).toEqual({ account, asset: "USD" });
  });
});

describe("the chain", () => {
  const movements: Movement[] = [
    ["available", "BTC", 150_000_000n],
    ["external", "BTC", -150_000_000n],
  ];

  it("hashes these very bytes: a change here breaks every statement that was ever exported", () => {
    const entry = enter(new Map(), movements);
    if (entry === null) throw new Error("nothing was entered");
    const text = `["${GENESIS_HASH}",1,"ent_1","2026-11-21T12:00:00.000Z","deposit","dep_1",[["available","BTC","1.5"],["external","BTC","-1.5"]]]`;
    expect(entryText(GENESIS_HASH, entry)).toBe(text);
    expect(entry.hash).toBe(sha256(text));
  });

  it("can be recomputed from what a client sees of an entry", () => {
    const entry = enter(new Map(), movements);
    if (entry === null) throw new Error("nothing was entered");
    const { seq, id, at, kind, ref, postings, hash } = wireEntry(entry);
    const seen = postings.map((p) => [p.account, p.asset, p.amount]);
    expect(sha256(JSON.stringify([GENESIS_HASH, seq, id, at, kind, ref, seen]))).toBe(hash);
  });

  it.each<[string, object]>([
    ["its number", { seq: 2 }],
    ["its id", { id: "ent_2" }],
    ["its time", { at: FACTS.at + 1 }],
    ["its kind", { kind: "withdrawal" }],
    ["what it is about", { ref: "dep_2" }],
  ])("changes with %s", (_what, change) => {
    const hash = (facts: typeof FACTS) => makeEntry(new Map(), GENESIS_HASH, facts, movements, sha256)?.hash;
    expect(hash({ ...FACTS, ...change })).not.toBe(hash(FACTS));
  });

  it("changes with an amount by one unit, and with the entry before", () => {
    const hash = enter(new Map(), movements)?.hash;
    const other: Movement[] = [
      ["available", "BTC", 150_000_001n],
      ["external", "BTC", -150_000_001n],
    ];
    expect(enter(new Map(), other)?.hash).not.toBe(hash);
    expect(enter(new Map(), movements, sha256("another"))?.hash).not.toBe(hash);
  });

  it("names no asset that is not listed", () => {
    expect(() => formatUnits(1n, "GOLD")).toThrow("asset GOLD is not listed");
  });
});

describe("a position", () => {
  const held = addToPosition(addToPosition(flatPosition("SOL-USD"), 10n, 1_000n), 5n, 503n);

  it("costs what was paid for it, fees included", () => {
    expect(held).toEqual({ symbol: "SOL-USD", qty: 15n, costBasis: 1_503n, realizedPnl: 0n });
  });

  it("sold in part gives up cost in proportion, rounded down, and realises the rest", () => {
    expect(takeFromPosition(held, 4n, 500n)).toEqual({
      symbol: "SOL-USD",
      qty: 11n,
      costBasis: 1_103n,
      realizedPnl: 100n,
    });
    expect(takeFromPosition(held, 7n, 600n)).toMatchObject({ costBasis: 1_503n - 701n, realizedPnl: -101n });
  });

  it("sold whole gives up all its cost, also what rounding had left", () => {
    const rest = takeFromPosition(takeFromPosition(held, 7n, 600n), 8n, 1_000n);
    expect(rest).toEqual({ symbol: "SOL-USD", qty: 0n, costBasis: 0n, realizedPnl: 600n + 1_000n - 1_503n });
  });

  it("never gives more than there is: its cost would not cover what leaves", () => {
    expect(() => takeFromPosition(held, 16n, 500n)).toThrow(new InvariantError("16 of SOL-USD leave a position of 15"));
    expect(() => takeFromPosition(flatPosition("SOL-USD"), 1n, null)).toThrow(InvariantError);
  });

  it("withdrawn realises nothing and takes its cost along", () => {
    expect(takeFromPosition(held, 15n, null)).toEqual({ symbol: "SOL-USD", qty: 0n, costBasis: 0n, realizedPnl: 0n });
  });
});

describe("entries that follow each other", () => {
  /** Three deposits, and the balances after them. */
  function chain(): { entries: LedgerEntry[]; balances: Balances } {
    const balances: Balances = new Map();
    const entries: LedgerEntry[] = [];
    for (const seq of [1, 2, 3]) {
      const facts = { ...FACTS, id: `ent_${seq}`, seq };
      const moved: Movement[] = [
        ["available", "USD", BigInt(seq)],
        ["external", "USD", -BigInt(seq)],
      ];
      const entry = makeEntry(balances, entries.at(-1)?.hash ?? GENESIS_HASH, facts, moved, sha256);
      if (entry === null) throw new Error("an entry moves something");
      applyEntry(balances, entry);
      entries.push(entry);
    }
    return { entries, balances };
  }

  it("are whole from the first, and from any of them whose hash is believed", () => {
    const { entries, balances } = chain();
    expect(entriesBreak(GENESIS_HASH, entries, balances, sha256)).toBeUndefined();
    expect(entriesBreak(null, entries.slice(1), balances, sha256)).toBeUndefined();
    expect(entriesBreak(entries[0]?.hash ?? "", entries.slice(1), balances, sha256)).toBeUndefined();
    expect(entriesBreak(GENESIS_HASH, [], new Map(), sha256)).toBeUndefined();
  });

  it.each<[string, (entries: LedgerEntry[]) => void, string]>([
    ["a reference", ([, two]) => two && Object.assign(two, { ref: "dep_2" }), "the hash of entry 2 is another's"],
    ["a hash", ([one]) => one && Object.assign(one, { hash: GENESIS_HASH }), "the hash of entry 2 is another's"],
    ["the last hash", (entries) => entries[2] && Object.assign(entries[2], { hash: "" }), "the hash of entry 3"],
    ["an entry that is gone", (entries) => entries.splice(0, 1), "the hash of entry 2 is another's"],
    [
      "an amount",
      ([, , three]) => three?.postings[0] && Object.assign(three.postings[0], { amount: 7n }),
      "the hash of entry 3 is another's",
    ],
    [
      "a running balance",
      ([, two]) => two?.postings[0] && Object.assign(two.postings[0], { balance: 4n }),
      "available|USD is 3 after entry 2, which says 4",
    ],
  ])("are broken by %s", (_, spoil, says) => {
    const { entries, balances } = chain();
    spoil(entries);
    expect(entriesBreak(GENESIS_HASH, entries, balances, sha256)).toContain(says);
  });

  it("lead to the balances that are stored, also to one that is not", () => {
    const { entries, balances } = chain();
    balances.set(balanceKey("available", "USD"), 7n);
    expect(entriesBreak(GENESIS_HASH, entries, balances, sha256)).toBe(
      "available|USD is 7 after entry 3, which says 6",
    );
    expect(entriesBreak(GENESIS_HASH, entries, new Map(), sha256)).toBe(
      "available|USD is 0 after entry 3, which says 6",
    );
  });

  it("that begin in the middle do not vouch for the first one's text", () => {
    const { entries, balances } = chain();
    const [first] = entries.splice(1, 1, { ...(entries[1] as LedgerEntry), ref: "dep_2" });
    expect(first?.ref).toBe("dep_1");
    expect(entriesBreak(null, entries.slice(1), balances, sha256)).toBeUndefined();
  });
});
