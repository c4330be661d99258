// How a journal reaches the queue: in slices that follow each other, from where it was left, and again when asked.
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { decode } from "../../src/core/codec.ts";
import { SLICE_BYTES_MAX } from "../../src/core/limits.ts";
import type { JournalSlice } from "../../src/objects/ports.ts";
import {
  accountOf,
  asked,
  atMarket,
  callerOf,
  checkEverything,
  crash,
  eventually,
  evict,
  limit,
  marketOf,
  openAccount,
  place,
  sql,
  stopClock,
} from "../support/objects.ts";

/** What the queue has taken, in order; nothing goes on to the read model. */
let taken: JournalSlice[] = [];
let queue: ReturnType<typeof takeAll>;

function takeAll() {
  return vi.spyOn(Object.getPrototypeOf(env.JOURNAL) as typeof env.JOURNAL, "send").mockImplementation(async (body) => {
    taken.push(body as JournalSlice);
    return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
  });
}

beforeEach(() => {
  stopClock();
  taken = [];
  queue = takeAll();
});

afterEach(async () => {
  await checkEverything();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const slicesOf = (name: string) => taken.filter((slice) => slice.name === name);

/** Waits until the queue has been told everything up to the object's head. */
async function toldAll(stub: ReturnType<typeof accountOf> | ReturnType<typeof marketOf>, name: string): Promise<void> {
  const { seq } = await stub.head();
  await eventually(async () => {
    expect(slicesOf(name).at(-1)?.to).toBe(seq);
    expect(await sql(stub, "SELECT sent_seq FROM outbox")).toEqual([{ sent_seq: seq }]);
  });
}

/** The journal's bodies from a stream number on, as stored. */
async function bodies(stub: ReturnType<typeof accountOf> | ReturnType<typeof marketOf>, from = 1): Promise<string[]> {
  const rows = await sql<{ body: string }>(stub, "SELECT body FROM journal WHERE seq >= ? ORDER BY seq", from);
  return rows.map(({ body }) => body);
}

/** Slices that follow each other without a gap or an overlap, each as it says of itself. */
function expectContiguous(slices: readonly JournalSlice[], from = 1): void {
  let last = from - 1;
  for (const slice of slices) {
    expect(slice).toMatchObject({ v: 1, epoch: 1, from: last + 1 });
    for (const body of slice.events) {
      const event = decode<{ first?: number; seq: number }>(body);
      expect(event.first ?? event.seq).toBe(last + 1);
      last = event.seq;
    }
    expect(slice.to).toBe(last);
  }
}

describe("the journal goes to the queue", () => {
  it("of an account and of a market: every event once, in slices that follow each other", async () => {
    const id = await openAccount({ ETH: 5_000_000_000n });
    await place(id, atMarket("ETH-USD", "buy"));
    await toldAll(accountOf(id), id);
    await place(id, limit("ETH-USD", "buy"));
    await asked(id, limit("ETH-USD", "sell", { qty: 10_000_000_000_000n }));
    await toldAll(accountOf(id), id);
    await toldAll(marketOf("ETH-USD"), "main/ETH-USD");
    expect(slicesOf(id).length).toBeGreaterThanOrEqual(2);
    expectContiguous(slicesOf(id));
    expect(slicesOf(id).flatMap(({ events }) => events)).toEqual(await bodies(accountOf(id)));
    expect(new Set(slicesOf(id).map(({ object }) => object))).toEqual(new Set(["account"]));
    expectContiguous(slicesOf("main/ETH-USD"));
    expect(slicesOf("main/ETH-USD").flatMap(({ events }) => events)).toEqual(await bodies(marketOf("ETH-USD")));
    expect(new Set(slicesOf("main/ETH-USD").map(({ object }) => object))).toEqual(new Set(["market"]));
  });

  it("many events together, but no slice above 100 KB and so no message above the queue's 128 KB", async () => {
    const id = await openAccount();
    const deposit = { kind: "deposit", asset: "USD", amount: 1n } as const;
    for (let from = 0; from < 400; from += 100) {
      await Promise.all(Array.from({ length: 100 }, () => accountOf(id).transfer(callerOf(id), deposit, null)));
    }
    await toldAll(accountOf(id), id);
    taken = [];
    await accountOf(id).replay(1);
    await toldAll(accountOf(id), id);
    const slices = slicesOf(id);
    expectContiguous(slices);
    expect(slices.length).toBeGreaterThan(1);
    expect(slices.length).toBeLessThan(20);
    for (const slice of slices) expect(JSON.stringify(slice).length).toBeLessThanOrEqual(SLICE_BYTES_MAX);
    expect(slices.flatMap(({ events }) => events)).toEqual(await bodies(accountOf(id)));
  });
});

describe("the cursor", () => {
  it("is where an evicted object goes on: what was told is not told again", async () => {
    const id = await openAccount();
    await toldAll(accountOf(id), id);
    await evict(accountOf(id));
    await place(id, limit("SOL-USD", "buy"));
    await toldAll(accountOf(id), id);
    expectContiguous(slicesOf(id));
  });

  it("stays behind a queue that does not take a slice; a start without any command sends it", async () => {
    const id = await openAccount();
    await toldAll(accountOf(id), id);
    queue.mockRejectedValue(new Error("Queue is overloaded. Please back off."));
    const before = (await accountOf(id).head()).seq;
    await place(id, limit("SOL-USD", "buy"));
    await eventually(() => expect(queue.mock.results.some(({ type }) => type !== "incomplete")).toBe(true));
    await crash(accountOf(id));
    queue.mockRestore();
    queue = takeAll();
    expect(await sql(accountOf(id), "SELECT sent_seq FROM outbox")).toEqual([{ sent_seq: before }]);
    await toldAll(accountOf(id), id);
    expectContiguous(slicesOf(id));
  });
});

describe("replay", () => {
  it("sends everything from a stream number on again, as it was", async () => {
    const id = await openAccount();
    const order = await place(id, atMarket("SOL-USD", "buy"));
    await toldAll(accountOf(id), id);
    const all = await bodies(accountOf(id));
    taken = [];
    const from = order.seq;
    const first =
      (await sql<{ first: number }>(accountOf(id), "SELECT first FROM journal WHERE seq >= ? LIMIT 1", from))[0]
        ?.first ?? 0;
    const head = await accountOf(id).replay(first);
    expect(head).toEqual(await accountOf(id).head());
    await toldAll(accountOf(id), id);
    expectContiguous(slicesOf(id), first);
    expect(slicesOf(id).flatMap(({ events }) => events)).toEqual(
      all.slice(-slicesOf(id).flatMap((s) => s.events).length),
    );
    expect(slicesOf(id).at(-1)?.to).toBe(head.seq);
  });

  it("of what has not been sent, or beyond the head, changes nothing", async () => {
    const id = await openAccount();
    await toldAll(accountOf(id), id);
    const { seq } = await accountOf(id).head();
    taken = [];
    expect(await accountOf(id).replay(seq + 1)).toEqual({ epoch: 1, seq });
    expect(await accountOf(id).replay(seq + 1_000)).toEqual({ epoch: 1, seq });
    await scheduler.wait(300);
    expect(slicesOf(id)).toEqual([]);
  });

  it.each([
    ["from before the beginning", true],
    ["from a number in the middle of an event", false],
  ])("%s sends whole events, once", async (_, fromZero) => {
    const id = await openAccount();
    await place(id, atMarket("SOL-USD", "buy"));
    await toldAll(accountOf(id), id);
    const [spread] = await sql<{ first: number; seq: number }>(
      accountOf(id),
      "SELECT first, seq FROM journal WHERE seq > first LIMIT 1",
    );
    taken = [];
    // Should it not end, it must not fill the memory: ten slices are enough to tell.
    queue.mockImplementation(async (body) => {
      taken.push(body as JournalSlice);
      if (taken.length > 10) throw new Error("without end");
      return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
    });
    await accountOf(id).replay(fromZero ? 0 : (spread?.seq ?? 0));
    await toldAll(accountOf(id), id);
    await scheduler.wait(300);
    expect(slicesOf(id)).toHaveLength(1);
    expectContiguous(slicesOf(id), fromZero ? 1 : (spread?.first ?? 0));
  });
});
