// The tree of liabilities: whoever is in it can show it, with the very sum, and nothing in a proof can be other than it is.
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkProof, isProof } from "../../scripts/liability-check.ts";
import type { Amount } from "../../src/core/exam.ts";
import {
  climb,
  hourOf,
  joinedSums,
  leafText,
  nodeText,
  roundName,
  roundOf,
  type Sibling,
  shownSums,
  type TreeNode,
} from "../../src/core/liabilities.ts";

const ROUND = "2026-11-21T19Z";
const digest = async (text: string) => createHash("sha256").update(text).digest("hex");
const shown = (sums: readonly Amount[]) => shownSums(sums).map(([asset, amount]) => ({ asset, amount }));

interface Customer {
  account: string;
  salt: string;
  sums: Amount[];
}

function customer(n: number, usd: bigint, btc = 0n): Customer {
  const sums = joinedSums([{ asset: "USD", units: usd }], [{ asset: "BTC", units: btc }]);
  return { account: `acc_${n}`, salt: `salt ${n}`, sums };
}

async function leafOf({ account, salt, sums }: Customer): Promise<TreeNode> {
  return { hash: await digest(leafText({ round: ROUND, account, salt, sums: shownSums(sums) })), sums };
}

async function proofs(customers: readonly Customer[]) {
  const leaves = await Promise.all(customers.map(leafOf));
  return Promise.all(
    customers.map(async (one, index) => {
      const { top, path } = await climb(leaves, index, digest);
      return proofOf(one, leaves[index]?.hash ?? "", path, top);
    }),
  );
}

function proofOf({ account, salt, sums }: Customer, leaf: string, path: readonly Sibling[], top: TreeNode | undefined) {
  return {
    ...{ v: 1, round: ROUND, account_id: account, salt, balances: shown(sums), leaf },
    path: path.map((step) => ({ side: step.side, hash: step.hash, sums: shown(step.sums) })),
    root: top?.hash ?? "",
    totals: shown(top?.sums ?? []),
  };
}

type Proof = ReturnType<typeof proofOf>;
const wrongOf = (proof: unknown, root: string | null = null) => checkProof(JSON.stringify(proof), root).wrong;
const some = fc.array(fc.tuple(fc.bigInt(1n, 10n ** 15n), fc.bigInt(0n, 10n ** 12n)), { minLength: 1, maxLength: 40 });

describe("a tree", () => {
  it("has a proof for everybody, whose totals are the sum of all balances", async () => {
    await fc.assert(
      fc.asyncProperty(some, async (balances) => {
        const customers = balances.map(([usd, btc], n) => customer(n, usd, btc));
        const all = await proofs(customers);
        expect(new Set(all.map(({ root }) => root)).size).toBe(1);
        const totals = customers.map(({ sums }) => sums).reduce<Amount[]>(joinedSums, []);
        for (const proof of all) {
          expect(wrongOf(proof, proof.root)).toBeNull();
          expect(proof.totals).toEqual(shown(totals));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("is the same built in blocks of 2^n as all at once, with the same paths", async () => {
    const leaves = await Promise.all(Array.from({ length: 37 }, (_, n) => leafOf(customer(n, BigInt(n + 1)))));
    const blocks = Array.from({ length: 5 }, (_, n) => leaves.slice(n * 8, n * 8 + 8));
    const folded = await Promise.all(blocks.map((block) => climb(block, 0, digest)));
    const above = folded.flatMap(({ top }) => top ?? []);
    for (const index of [0, 7, 8, 31, 32, 36]) {
      const whole = await climb(leaves, index, digest);
      const lower = await climb(blocks[Math.floor(index / 8)] ?? [], index % 8, digest);
      const upper = await climb(above, Math.floor(index / 8), digest);
      expect([...lower.path, ...upper.path]).toEqual(whole.path);
      expect(upper.top).toEqual(whole.top);
    }
  });

  it("over nobody is none, over one is the leaf", async () => {
    expect(await climb([], 0, digest)).toEqual({ top: undefined, path: [] });
    const [alone] = await proofs([customer(1, 5n)]);
    expect(alone?.root).toBe(alone?.leaf);
    expect(wrongOf(alone)).toBeNull();
  });

  it("is made of these texts", () => {
    const sums = shownSums([
      { asset: "USD", units: 1_500_000n },
      { asset: "ETH", units: 0n },
      { asset: "BTC", units: 1n },
    ]);
    expect(leafText({ round: ROUND, account: "acc_1", salt: "ab", sums })).toBe(
      '["leaf",1,"2026-11-21T19Z","acc_1","ab",[["BTC","0.00000001"],["USD","1.5"]]]',
    );
    expect(nodeText({ hash: "aa", sums }, { hash: "bb", sums: [["USD", "2"]] })).toBe(
      '["node",1,["aa",[["BTC","0.00000001"],["USD","1.5"]]],["bb",[["USD","2"]]]]',
    );
  });
});

describe("a proof fails", () => {
  const spoilt: [string, (proof: Proof) => unknown][] = [
    ["with another salt", (p) => ({ ...p, salt: "other" })],
    ["for another account", (p) => ({ ...p, account_id: "acc_9" })],
    ["for another round", (p) => ({ ...p, round: "2026-11-21T20Z" })],
    ["with another balance", (p) => ({ ...p, balances: [{ asset: "USD", amount: "99" }] })],
    ["with another leaf", (p) => ({ ...p, leaf: "0".repeat(64) })],
    ["with another root", (p) => ({ ...p, root: "0".repeat(64) })],
    ["with other totals", (p) => ({ ...p, totals: [{ asset: "USD", amount: "1" }] })],
    ["with a step less", (p) => ({ ...p, path: p.path.slice(1) })],
    ["with a step more", (p) => ({ ...p, path: [...p.path, ...p.path.slice(-1)] })],
    ["with its steps in another order", (p) => ({ ...p, path: p.path.toReversed() })],
    ["with children swapped", (p) => stepOf(p, (s) => ({ ...s, side: s.side === "left" ? "right" : "left" }))],
    ["with a sibling's hash changed", (p) => stepOf(p, (s) => ({ ...s, hash: "f".repeat(64) }))],
    ["with a sibling's sum changed", (p) => stepOf(p, (s) => ({ ...s, sums: [{ asset: "USD", amount: "7" }] }))],
    ["with a sibling's sum left out", (p) => stepOf(p, (s) => ({ ...s, sums: [] }))],
    ["without a side", (p) => stepOf(p, (s) => ({ ...s, side: "up" }))],
    ["without its path", (p) => ({ ...p, path: null })],
    ["with a path of something else", (p) => ({ ...p, path: [1] })],
    ["with a name that is no text", (p) => ({ ...p, account_id: 1 })],
    ["of another version", (p) => ({ ...p, v: 2 })],
  ];

  function stepOf(proof: Proof, change: (step: Proof["path"][number]) => unknown): unknown {
    return { ...proof, path: proof.path.map((step, index) => (index === 0 ? change(step) : step)) };
  }

  it.each(spoilt)("%s", async (_, spoil) => {
    const all = await proofs([1n, 2n, 3n, 4n, 5n].map((usd, n) => customer(n, usd * 1_000_000n)));
    for (const proof of all.slice(0, 4)) expect(wrongOf(spoil(proof))).toEqual(expect.any(String));
  });

  it.each([
    ["a negative sum, though every hash fits", "-1"],
    ["a sum of nothing", "0"],
    ["a sum in another form", "1.50"],
    ["what is no decimal", "1e3"],
  ])("with %s", async (_, amount) => {
    const debt: TreeNode = { hash: "d".repeat(64), sums: [] };
    const leaf = await leafOf(customer(1, 5_000_000n));
    const sums = [["USD", amount]] as const;
    const root = await digest(nodeText({ hash: leaf.hash, sums: shownSums(leaf.sums) }, { hash: debt.hash, sums }));
    const path = [{ side: "right", hash: debt.hash, sums: [{ asset: "USD", amount }] }];
    const proof = { ...proofOf(customer(1, 5_000_000n), leaf.hash, [], undefined), path, root };
    expect(wrongOf({ ...proof, totals: [{ asset: "USD", amount: "4" }] })).toContain(amount);
  });

  it("with assets twice, or out of order", async () => {
    const [proof] = await proofs([customer(1, 5n, 5n)]);
    expect(wrongOf({ ...proof, balances: proof?.balances.toReversed() })).toContain("not in its place");
    expect(wrongOf({ ...proof, balances: [...(proof?.balances ?? []), proof?.balances[1]] })).toContain(
      "not in its place",
    );
  });

  it("against another root than its own, and where it is no JSON", async () => {
    const [proof] = await proofs([customer(1, 5n)]);
    expect(wrongOf(proof, "0".repeat(64))).toContain("and not to 000");
    expect(checkProof("{", null).wrong).toEqual(expect.any(String));
    expect([isProof(JSON.stringify(proof)), isProof('{"entries":[]}'), isProof("record,seq"), isProof("1")]).toEqual([
      ...[true, false, false, false],
    ]);
  });
});

describe("a round", () => {
  it("is named after its hour, and nothing else is its name", () => {
    const hour = Date.parse("2026-11-21T19:00:00.000Z");
    expect(roundName(hour)).toBe(ROUND);
    expect(roundOf(ROUND)).toBe(hour);
    expect(hourOf(hour + 3_599_999)).toBe(hour);
    for (const name of ["2026-11-21T24Z", "2026-02-30T01Z", "2026-11-21", "", "2026-11-21T19:00Z"])
      expect(roundOf(name)).toBeUndefined();
  });
});
