// The read model ends the same whatever the queue does to the slices: doubled, late, early, overlapping, cut off.

import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { toColumn } from "../../src/core/money.ts";
import { database } from "../../src/db/client.ts";
import type { JournalSlice } from "../../src/objects/protocol.ts";
import { applySlices } from "../../src/projections/apply.ts";
import { consumeJournal, retrySeconds } from "../../src/projections/consumer.ts";
import { readSlice } from "../../src/projections/slice.ts";
import { expectedBalances, type Journal, play, sliceOf, slicesOf, spanOf } from "./history.ts";
import { batchOf, deliver, dump, faultyD1, rows, spoiled, wipe } from "./queue.ts";

const history = play(11, 60);
const [alice, bob, market] = history.journals as [Journal, Journal, Journal];
const inOrder = history.journals.flatMap((journal) => slicesOf(journal, 12));

function parsed(slice: JournalSlice) {
  const read = readSlice(slice);
  if (read.kind !== "slice") throw new Error(read.reason);
  return read.slice;
}

beforeEach(wipe);

describe("in order", () => {
  it("makes D1 what the objects are, row by row", async () => {
    expect(new Set(await deliver(inOrder))).toEqual(new Set(["acked"]));
    const found = await dump();
    expect(found.projection_heads.map((head) => [head.name, head.applied_seq]).sort()).toEqual(
      history.journals.map(({ name, events }) => [name, spanOf(events.at(-1) ?? (events[0] as never)).seq]).sort(),
    );
    const balances = found.balances.map(({ account_id, asset, available, held }) => ({
      account_id,
      asset,
      available,
      held,
    }));
    expect(balances.sort((a, b) => `${a.account_id} ${a.asset}`.localeCompare(`${b.account_id} ${b.asset}`))).toEqual(
      expectedBalances(history),
    );
    expect(found.orders.length).toBe(history.orders.size);
    for (const row of found.orders) {
      const order = history.orders.get(String(row.id));
      expect(order).toBeDefined();
      if (order === undefined) continue;
      const { status, reason, seq, filledQty, filledNotional, fee, hold, cancelRequested, updatedAt } = order;
      expect(row).toMatchObject({
        status,
        reason,
        seq,
        cancel_requested: cancelRequested ? 1 : 0,
        updated_at: updatedAt,
      });
      expect([row.filled_qty, row.filled_notional, row.fee, row.hold]).toEqual(
        [filledQty, filledNotional, fee, hold].map(toColumn),
      );
    }
    const fills = history.journals
      .flatMap(({ events }) => events)
      .filter((event) => "fill" in event && event.fill !== null);
    expect(found.executions.length).toBe(fills.length);
    expect(fills.length).toBeGreaterThan(10);
    const traded = market.events.filter((event) => "trade" in event && event.trade !== null);
    expect(found.trades.length).toBe(traded.length);
    const entries = history.journals
      .flatMap(({ events }) => events)
      .filter((event) => "entry" in event && event.entry !== null);
    expect(found.ledger_entries.length).toBe(entries.length);
    expect(found.transfers.length).toBeGreaterThanOrEqual(4);
  });

  it("keeps postings so that SQL can sum them: zero for each object and asset", async () => {
    await deliver(inOrder);
    const sums = await rows(
      "SELECT object, name, asset, CAST(sum(amount) AS TEXT) AS total FROM ledger_postings GROUP BY 1, 2, 3",
    );
    expect(sums.length).toBeGreaterThanOrEqual(4);
    expect(new Set(sums.map(({ total }) => total))).toEqual(new Set(["0"]));
  });

  it("asks D1 twice for a whole batch, however many objects and slices are in it", async () => {
    let calls = 0;
    const counting = faultyD1(() => {
      calls += 1;
      return false;
    });
    expect(new Set(await deliver(inOrder, counting))).toEqual(new Set(["acked"]));
    expect(calls).toBe(2);
  });

  it("moves the head over refusals, logouts and quotes, which make no rows", async () => {
    const empty = market.events.findIndex((event) => event.kind === "requote");
    expect(empty).toBe(0);
    expect(await deliver([sliceOf(market, 0, 1)])).toEqual(["acked"]);
    const found = await dump();
    expect(found.projection_heads).toMatchObject([{ name: "main/BTC-USD", applied_seq: 1 }]);
    expect(found.trades).toEqual([]);
  });
});

describe("at least once, in any order", () => {
  it("changes nothing when a slice comes twice, late, or as part of another", async () => {
    await deliver(inOrder);
    const before = await dump();
    const again = [...inOrder, sliceOf(alice, 3, 9), sliceOf(alice, 0, alice.events.length)];
    expect(new Set(await deliver(again))).toEqual(new Set(["acked"]));
    expect(await dump()).toEqual(before);
  });

  it("applies only what is new of a slice that overlaps the head", async () => {
    await deliver([sliceOf(alice, 0, 10), sliceOf(alice, 6, 20), sliceOf(alice, 2, 25)]);
    const overlapped = await dump();
    await wipe();
    await deliver([sliceOf(alice, 0, 25)]);
    expect(overlapped).toEqual(await dump());
  });

  it("keeps an early slice and applies it as soon as the gap closes", async () => {
    expect(await deliver([sliceOf(alice, 10, 20)])).toEqual(["acked"]);
    expect(await deliver([sliceOf(alice, 5, 10)])).toEqual(["acked"]);
    expect((await dump()).orders).toEqual([]);
    expect((await rows("SELECT * FROM projection_slices")).length).toBe(2);
    expect(await deliver([sliceOf(alice, 0, 5)])).toEqual(["acked"]);
    const closed = await dump();
    await wipe();
    await deliver([sliceOf(alice, 0, 20)]);
    expect(closed).toEqual(await dump());
  });

  it("applies what was kept behind a slice whose consumer died before it could", async () => {
    await deliver([sliceOf(alice, 5, 12)]);
    await applySlices(database(env), [{ slice: parsed(sliceOf(alice, 0, 5)), head: 0 }], 1);
    const stuckAt = (await dump()).projection_heads[0]?.applied_seq;
    expect(await deliver([sliceOf(alice, 0, 5)], env.DB, 2)).toEqual(["acked"]);
    expect((await dump()).projection_heads[0]?.applied_seq).toBeGreaterThan(Number(stuckAt));
  });

  it("keeps epochs apart, and never lets an older (epoch, seq) replace a newer row", async () => {
    await deliver([sliceOf(alice, 0, 20)]);
    const before = await dump();
    const [older] = [{ ...sliceOf(alice, 0, 3), epoch: 2 }];
    await deliver([older]);
    const restored = await dump();
    expect(restored.projection_heads.map(({ epoch }) => epoch)).toEqual([1, 2]);
    expect(restored.balances.filter(({ epoch }) => epoch === 2).length).toBeGreaterThan(0);
    await wipe();
    await deliver([older]);
    await deliver([sliceOf(alice, 0, 20)]);
    expect((await dump()).balances.filter(({ epoch }) => epoch === 2)).toEqual(
      restored.balances.filter(({ epoch }) => epoch === 2),
    );
    expect(before.orders.length).toBeGreaterThan(0);
  });

  it("ends equal for every order, with repeats, in batches of every size, two consumers at once", async () => {
    const short = play(23, 25);
    const slices = short.journals.flatMap((journal) => slicesOf(journal, 7));
    await deliver(slices);
    const wanted = await dump();
    const deliveries = fc
      .tuple(
        fc.shuffledSubarray(slices, { minLength: slices.length, maxLength: slices.length }),
        fc.array(fc.nat({ max: slices.length - 1 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: slices.length + 8, maxLength: slices.length + 8 }),
      )
      .map(([all, repeats, sizes]) => {
        const stream = [...all];
        for (const [at, index] of repeats.entries())
          stream.splice((index * 7 + at) % stream.length, 0, slices[index] as JournalSlice);
        const batches: JournalSlice[][] = [];
        for (let at = 0, n = 0; at < stream.length; n += 1) {
          batches.push(stream.slice(at, at + (sizes[n] ?? 1)));
          at += sizes[n] ?? 1;
        }
        return batches;
      });
    await fc.assert(
      fc.asyncProperty(deliveries, async (batches) => {
        await wipe();
        for (let at = 0; at < batches.length; at += 2) {
          const outcomes = await Promise.all(batches.slice(at, at + 2).map((batch) => deliver(batch)));
          expect(new Set(outcomes.flat())).toEqual(new Set(["acked"]));
        }
        expect(await dump()).toEqual(wanted);
      }),
      { numRuns: 30 },
    );
  }, 120_000);
});

describe("all or nothing", () => {
  it("lets one of two consumers win that follow the same head", async () => {
    const db = database(env);
    const slice = parsed(sliceOf(alice, 0, 10));
    const longer = parsed(sliceOf(alice, 0, 14));
    const answers = await Promise.all([slice, longer].map((one) => applySlices(db, [{ slice: one, head: 0 }], 1)));
    expect(answers.map((answer) => answer.ok && answer.value[0]?.head)).toEqual([slice.to, slice.to]);
    const raced = await dump();
    await wipe();
    await deliver([sliceOf(alice, 0, 10)]);
    expect(raced).toEqual(await dump());
  });

  it("changes nothing when the last statement of a slice breaks a constraint", async () => {
    await deliver([sliceOf(bob, 0, 1)]);
    const before = await dump();
    const poison = spoiled(sliceOf(bob, 1, 8), 0, (body) =>
      body.replace(/"amount":"\$\d+","status"/, '"amount":"$-5","status"'),
    );
    expect(poison.events[0]).toContain('"amount":"$-5","status"');
    expect(await deliver([poison])).toEqual(["retried"]);
    expect(await dump()).toEqual(before);
    expect(await deliver([sliceOf(bob, 1, 8)])).toEqual(["acked"]);
  });

  it("applies the other objects' slices when one of the batch breaks a constraint", async () => {
    const poison = spoiled(sliceOf(bob, 0, 8), 0, (body) =>
      body.replace(/"amount":"\$\d+","status"/, '"amount":"$-5","status"'),
    );
    expect(await deliver([sliceOf(alice, 0, 5), poison, sliceOf(market, 0, 5)])).toEqual(["acked", "retried", "acked"]);
    expect((await dump()).projection_heads.map(({ name }) => name).sort()).toEqual([alice.name, market.name].sort());
  });

  it("refuses units that no money column may hold, whoever writes them", async () => {
    for (const units of ["9007199254740992", "-1", "1.5", "'a'"]) {
      const insert = `INSERT INTO balances (account_id, asset, available, held, epoch, seq) VALUES ('a', 'USD', ${units}, 0, 1, 1)`;
      await expect(Promise.resolve(env.DB.prepare(insert).run())).rejects.toThrow(/balances_available_units/);
    }
  });

  it("leaves the slice to the queue while D1 is away, and loses nothing by it", async () => {
    let away = true;
    const db = faultyD1(() => away);
    const { batch, fates } = batchOf(inOrder, "tradepost-journal", 3);
    await consumeJournal(batch, { ...env, DB: db });
    expect(fates.map(({ outcome }) => outcome)).toEqual(inOrder.map(() => "retried"));
    expect(new Set(fates.map(({ delaySeconds }) => delaySeconds))).toEqual(new Set([retrySeconds(3)]));
    expect((await dump()).orders).toEqual([]);
    away = false;
    expect(new Set(await deliver(inOrder, db))).toEqual(new Set(["acked"]));
  });

  it("ends equal when D1 fails now and then", async () => {
    await deliver(inOrder);
    const wanted = await dump();
    await wipe();
    let calls = 0;
    const db = faultyD1(() => {
      calls += 1;
      return calls % 4 === 0;
    });
    let left: unknown[] = inOrder;
    for (let round = 0; round < 40 && left.length > 0; round += 1) {
      const { batch, fates } = batchOf(left, "tradepost-journal", round + 1);
      await consumeJournal(batch, { ...env, DB: db });
      left = fates.filter(({ outcome }) => outcome === "retried").map(({ body }) => body);
    }
    expect(left).toEqual([]);
    // What was kept when D1 failed twice waits for the next slice, or for the sweeper, as here.
    await deliver(inOrder.slice(-1));
    for (const journal of history.journals) await deliver(slicesOf(journal, 50));
    expect(await dump()).toEqual(wanted);
  });

  it("comes again for what was kept behind it when D1 fails in between", async () => {
    await deliver([sliceOf(alice, 5, 12)]);
    let calls = 0;
    const db = faultyD1(() => {
      calls += 1;
      return calls === 3;
    });
    expect(await deliver([sliceOf(alice, 0, 5)], db)).toEqual(["retried"]);
    expect(await deliver([sliceOf(alice, 0, 5)], db, 2)).toEqual(["acked"]);
    expect((await dump()).projection_heads).toMatchObject([{ applied_seq: sliceOf(alice, 5, 12).to }]);
  });
});
