// Fees by tier: what thirty days of volume take off every market's fees, and that an order keeps those that it came in with.
import { describe, expect, it } from "vitest";
import { accountStateHash } from "../../src/core/account/state-hash.ts";
import { countVolume, FEE_TIERS, feesAt, nextTierOf, tierOf, VOLUME_DAYS, volumeAt } from "../../src/core/fees.ts";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import { MARKETS } from "../../src/core/listings.ts";
import { NOON, sha256 } from "../support/book.ts";
import type { CoreWorld } from "../support/core-world.ts";
import { now, pair, placed, sol, usd, value } from "../support/pair.ts";

const DAY_MS = 86_400_000;

function entry(...postings: [account: string, asset: string, amount: bigint][]): LedgerEntry {
  const facts = { id: "ent_1", seq: 1, at: NOON, kind: "fill", ref: "exe_1", hash: "" };
  return { ...facts, postings: postings.map(([account, asset, amount]) => ({ account, asset, amount, balance: 0n })) };
}

describe("a tier", () => {
  it.each<[string, number, string | null]>([
    ["0", 0, "100000"],
    ["99999.999999", 0, "100000"],
    ["100000", 1, "1000000"],
    ["999999.999999", 1, "1000000"],
    ["1000000", 2, "10000000"],
    ["10000000", 3, "100000000"],
    ["99999999.999999", 3, "100000000"],
    ["100000000", 4, null],
    ["999999999", 4, null],
  ])("of %s USD is %d, and the next begins at %s", (volume, tier, next) => {
    expect(tierOf(usd(volume)).tier).toBe(tier);
    expect(nextTierOf(usd(volume))?.volume ?? null).toBe(next === null ? null : usd(next));
  });

  it.each<[tier: number, maker: number, taker: number]>([
    [0, 10, 20],
    [1, 9, 18],
    [2, 8, 16],
    [3, 7, 13],
    [4, 5, 10],
  ])("%d pays %d and %d of 10 and 20, rounded up", (tier, makerFeeBps, takerFeeBps) => {
    expect(feesAt({ makerFeeBps: 10, takerFeeBps: 20 }, FEE_TIERS[tier] ?? FEE_TIERS[0])).toEqual({
      makerFeeBps,
      takerFeeBps,
    });
  });

  it("never pays more than the one before, nor more than the market's fee, nor less than nothing", () => {
    for (const rules of [...MARKETS, { makerFeeBps: 0, takerFeeBps: 1 }, { makerFeeBps: 999, takerFeeBps: 1_000 }]) {
      let before = { makerFeeBps: rules.makerFeeBps, takerFeeBps: rules.takerFeeBps };
      for (const tier of FEE_TIERS) {
        const fees = feesAt(rules, tier);
        expect(fees.makerFeeBps).toBeLessThanOrEqual(before.makerFeeBps);
        expect(fees.takerFeeBps).toBeLessThanOrEqual(before.takerFeeBps);
        expect(Math.min(fees.makerFeeBps, fees.takerFeeBps)).toBeGreaterThanOrEqual(0);
        before = fees;
      }
    }
  });
});

describe("a volume", () => {
  it("is what fills moved against their markets in USD, bought or sold, by UTC day", () => {
    const volumes = new Map<string, bigint>();
    countVolume(
      volumes,
      NOON,
      entry(["clearing:SOL-USD", "USD", 5n], ["clearing:SOL-USD", "SOL", -7n], ["fees:X", "USD", 9n]),
    );
    countVolume(volumes, NOON, entry(["clearing:BTC-USD", "USD", -11n]));
    countVolume(volumes, NOON + DAY_MS / 2, entry(["clearing:BTC-USD", "USD", 100n]));
    expect([...volumes.values()]).toEqual([16n, 100n]);
    expect(volumeAt(volumes, NOON)).toBe(116n);
  });

  it("of a day counts for thirty days and is forgotten with the next fill", () => {
    const volumes = new Map<string, bigint>();
    countVolume(volumes, NOON, entry(["clearing:SOL-USD", "USD", 5n]));
    expect(volumeAt(volumes, NOON + (VOLUME_DAYS - 1) * DAY_MS)).toBe(5n);
    expect(volumeAt(volumes, NOON + VOLUME_DAYS * DAY_MS)).toBe(0n);
    countVolume(volumes, NOON + VOLUME_DAYS * DAY_MS, entry(["clearing:SOL-USD", "USD", 1n]));
    expect([...volumes.values()]).toEqual([1n]);
  });
});

/** An account that has traded so much today. */
function traded(world: CoreWorld, id: string, volume: string): void {
  world.customer(id).state.volumes.set(String(Math.floor(NOON / DAY_MS)), usd(volume));
}

describe("an order", () => {
  it("is charged what the account's tier gives as it comes in, on either side of a trade, and holds no more", () => {
    const world = pair();
    traded(world, "ann", "1000000");
    const resting = placed(world, "bob", { side: "sell", qty: sol("2") });
    const order = placed(world, "ann", { qty: sol("1") });
    expect(now(world, "ann", order)).toMatchObject({
      status: "filled",
      makerFeeBps: 8,
      takerFeeBps: 16,
      fee: usd("0.288"),
    });
    expect(now(world, "bob", resting)).toMatchObject({ makerFeeBps: 10, fee: usd("0.18") });
    const holding = value(world.place("ann", { qty: sol("1"), limitPrice: usd("170") }));
    expect(holding.hold).toBe(usd("170.272"));
    expect(world.breaks(false)).toEqual([]);
  });

  it("keeps its fees while the account's tier changes under it", () => {
    const world = pair();
    const resting = placed(world, "bob", { side: "sell", qty: sol("2") });
    traded(world, "bob", "100000000");
    placed(world, "ann", { qty: sol("1") });
    expect(now(world, "bob", resting)).toMatchObject({ makerFeeBps: 10, fee: usd("0.18") });
    expect(world.breaks(true)).toEqual([]);
  });

  it("counts as volume of both, which a replay of the journal counts again", () => {
    const world = pair();
    world.venue("SOL-USD").state.step = 0;
    placed(world, "bob", { side: "sell", qty: sol("2"), limitPrice: usd("179.97") });
    placed(world, "ann", { qty: sol("1"), limitPrice: usd("179.97") });
    for (const id of ["ann", "bob"]) expect(volumeAt(world.customer(id).state.volumes, NOON)).toBe(usd("179.97"));
    world.expectReplays();
  });

  it("by notional never costs more than that at any tier", () => {
    for (const [tier, volume] of FEE_TIERS.map(({ tier, volume }) => [tier, volume] as const)) {
      const world = pair();
      world.customer("ann").state.volumes.set(String(Math.floor(NOON / DAY_MS)), volume);
      placed(world, "bob", { side: "sell", qty: sol("5") });
      const order = placed(world, "ann", { notional: usd("500"), limitPrice: usd("180") });
      const { filledNotional, fee } = now(world, "ann", order);
      expect(filledNotional + fee, `tier ${tier}`).toBeLessThanOrEqual(usd("500"));
      expect(filledNotional + fee, `tier ${tier}`).toBeGreaterThan(usd("499.9"));
      expect(world.breaks(true)).toEqual([]);
    }
  });

  it("is previewed with the fees that it then has", () => {
    const world = pair();
    traded(world, "ann", "10000000");
    placed(world, "bob", { side: "sell", qty: sol("2") });
    const said = value(world.preview("ann", { qty: sol("1"), limitPrice: usd("180") }));
    expect(said.order).toMatchObject({ takerFeeBps: 13, fee: usd("0.234") });
    expect(said.fills.map(({ fee }) => fee)).toEqual([usd("0.234")]);
  });
});

describe("an account that has not traded", () => {
  it("has the hash that it had before volumes were counted", () => {
    const world = pair();
    const { state } = world.customer("ann");
    const { volumes: _, ...before } = state;
    expect(accountStateHash(state, sha256)).toBe(accountStateHash({ ...before, volumes: new Map() }, sha256));
  });
});
