// Journals fetched from their objects end as their slices would: at a pace of D1's own, and no message is needed for an event.

import { env } from "cloudflare:workers";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  JOURNAL_QUEUE_WAIT_MS,
  PULL_ASK_ROUND,
  PULL_BYTES_MAX,
  PULL_OBJECTS_MAX,
  PULL_ROUNDS_MAX,
} from "../../src/core/limits.ts";
import type { JournalPull, JournalSlice } from "../../src/objects/protocol.ts";
import { consumeJournal } from "../../src/projections/consumer.ts";
import { consumeDeadLetters } from "../../src/projections/dead-letters.ts";
import { type Journal, play, sliceOf, slicesOf } from "./history.ts";
import { batchOf, deliver, dump, faultyD1, keepersOf, rows, spoiled, wipe } from "./queue.ts";

const history = play(41, 60);
const [alice, bob, market] = history.journals as [Journal, Journal, Journal];
let wanted: Awaited<ReturnType<typeof dump>>;

const pullOf = ({ object, name }: Journal): JournalPull => ({ v: 2, kind: "pull", object, name, epoch: 1 });
const headOf = async ({ name }: Journal) =>
  (await dump()).projection_heads.find((head) => head.name === name)?.applied_seq ?? 0;

/** Objects with these journals, and the wish for each of them in their queue. */
function pulled(journals: readonly Journal[], manner: Parameters<typeof keepersOf>[1] = {}) {
  const keepers = keepersOf(journals, manner);
  keepers.queued.push(...journals.map(pullOf));
  return keepers;
}

beforeAll(async () => {
  await wipe();
  await deliver(history.journals.flatMap((journal) => slicesOf(journal, 12)));
  wanted = await dump();
});

beforeEach(wipe);

describe("a journal that is fetched", () => {
  it("makes of an empty read model what its slices made, row by row", async () => {
    const objects = pulled(history.journals);
    expect(await objects.settle()).toBe(1);
    expect(await dump()).toEqual(wanted);
  });

  it("comes from where D1 is, whatever D1 has kept or is told meanwhile", async () => {
    await deliver([...slicesOf(alice, 12).slice(0, 1), ...slicesOf(alice, 12).slice(2, 4)]);
    const objects = pulled(history.journals);
    objects.queued.push(...slicesOf(bob, 9).slice(0, 3), ...slicesOf(market, 7).reverse());
    await objects.settle();
    expect(objects.pages.filter(({ name }) => name === alice.name)[0]?.from).toBe((sliceOf(alice, 0, 12).to ?? 0) + 1);
    expect(await dump()).toEqual(wanted);
  });

  it("asks D1 twice for many objects, and is asked for once when it is wished twice", async () => {
    let calls = 0;
    const counting = faultyD1(() => {
      calls += 1;
      return false;
    });
    const objects = pulled(history.journals);
    objects.queued.push(pullOf(alice));
    await objects.settle(counting);
    expect(calls).toBe(2);
    expect(objects.pages.length).toBe(history.journals.length);
  });

  it("is fetched to its end by two consumers at once", async () => {
    const objects = pulled(history.journals);
    const others = pulled(history.journals);
    await Promise.all([objects.settle(), others.settle()]);
    expect(await dump()).toEqual(wanted);
  });

  it("of what is not an object's, or has come to its end, changes nothing", async () => {
    const objects = keepersOf([alice]);
    objects.queued.push(pullOf(bob), { ...pullOf(alice), epoch: 2 });
    expect(await objects.settle()).toBe(1);
    expect((await dump()).projection_heads).toEqual([]);
  });
});

describe("the pace", () => {
  // A page holds at least one event: asked for one byte, a journal has as many pages as events.
  it("goes on in another batch after so many pages, so that what comes meanwhile is not behind a whole journal", async () => {
    const [long] = play(43, 130).journals as [Journal];
    expect(long.events.length).toBeGreaterThan(PULL_ROUNDS_MAX);
    const objects = pulled([long], { bytesMax: 1 });
    expect(await objects.settle()).toBeGreaterThan(1);
    expect(await headOf(long)).toBe(long.events.at(-1)?.seq);
  });

  it("asks the queue ahead, works on while that waits for more, and ends when its batch is due", async () => {
    const [long] = play(43, 130).journals as [Journal];
    const objects = pulled([long], { bytesMax: 1 });
    const { batch } = batchOf(objects.queued.splice(0));
    const pauseMs = (2 * JOURNAL_QUEUE_WAIT_MS) / (PULL_ROUNDS_MAX - PULL_ASK_ROUND);
    await consumeJournal(batch, objects.env, pauseMs);
    expect(objects.queued).toEqual([pullOf(long)]);
    expect(objects.pages.length).toBeGreaterThan(PULL_ASK_ROUND);
    expect(objects.pages.length).toBeLessThan(PULL_ROUNDS_MAX);
  });

  it("asks once more at its end when the queue did not take it before", async () => {
    const [long] = play(43, 130).journals as [Journal];
    const objects = pulled([long], { bytesMax: 1 });
    const { batch } = batchOf(objects.queued.splice(0));
    let asked = 0;
    const JOURNAL = {
      sendBatch: async () => {
        asked += 1;
        if (asked === 1) throw new Error("Queue is overloaded. Please back off.");
      },
    };
    await consumeJournal(batch, { ...objects.env, JOURNAL: JOURNAL as never }, 0);
    expect(asked).toBe(2);
    expect(objects.pages.length).toBe(PULL_ROUNDS_MAX);
  });

  it("rests between two pages: in that time the runtime and D1 see to others", async () => {
    const objects = pulled([{ ...alice, events: alice.events.slice(0, 6) }], { bytesMax: 1 });
    const started = performance.now();
    await objects.settle(env.DB, 100);
    expect(objects.pages.length).toBe(6);
    expect(performance.now() - started).toBeGreaterThan(6 * 90);
  });

  it("is a page of a few objects at once, which share one batch's bytes", async () => {
    const many = Array.from({ length: 2 * PULL_OBJECTS_MAX }, (_, n) => ({ ...bob, name: `acc_${n}` }));
    const objects = pulled(many);
    expect(await objects.settle()).toBe(1);
    expect(objects.most).toBe(PULL_OBJECTS_MAX);
    for (const { events } of objects.pages.slice(0, PULL_OBJECTS_MAX)) {
      expect(events.join("").length).toBeLessThanOrEqual(PULL_BYTES_MAX / PULL_OBJECTS_MAX);
    }
    expect((await dump()).projection_heads.length).toBe(many.length);
  });
});

describe("what fails", () => {
  it("is left to the sweeper: an object that is away holds up no other, and nothing comes again by itself", async () => {
    const objects = pulled(history.journals, { unreachable: [bob.name] });
    expect(await objects.settle()).toBe(1);
    const heads = (await dump()).projection_heads.map(({ name }) => name);
    expect(heads.sort()).toEqual([alice.name, market.name].sort());
    await pulled(history.journals).settle();
    expect(await dump()).toEqual(wanted);
  });

  it("asks no further while D1 is away", async () => {
    const objects = pulled(history.journals);
    expect(await objects.settle(faultyD1(() => true))).toBe(1);
    expect(objects.pages).toEqual([]);
    let calls = 0;
    const dying = faultyD1(() => {
      calls += 1;
      return calls > 1;
    });
    const later = pulled(history.journals);
    expect(await later.settle(dying)).toBe(1);
    expect(later.pages.length).toBe(history.journals.length);
  });

  it("is a dead letter when a journal cannot be read, and what is before it is applied", async () => {
    const broken = sliceOf(alice, 4, 5).from;
    const page = (slice: JournalSlice) => (slice.from === broken ? spoiled(slice, 0, () => "{") : slice);
    const objects = keepersOf([alice], { bytesMax: 1, page });
    const { batch, fates } = batchOf([pullOf(alice)]);
    await consumeJournal(batch, objects.env);
    expect(fates).toMatchObject([{ outcome: "acked" }]);
    expect(await headOf(alice)).toBe(broken - 1);
    expect(await rows("SELECT queue, subject FROM dead_letters")).toEqual([
      { queue: "pull", subject: `account ${alice.name} 1 ${broken}` },
    ]);
    expect(objects.queued).toEqual([]);
  });

  it("is a dead letter of its object when no consumer lived to see to it", async () => {
    await consumeDeadLetters(batchOf([pullOf(alice)], "tradepost-journal-dlq").batch, env);
    expect(await rows("SELECT subject, reason FROM dead_letters")).toEqual([
      { subject: `account ${alice.name} 1`, reason: "not applied in all its tries" },
    ]);
  });
});
