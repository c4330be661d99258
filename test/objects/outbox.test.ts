// How a journal reaches the queue: in slices that follow each other, from where it was left, and again when asked.
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { decode } from "../../src/core/codec.ts";
import { FLUSH_SLICES_MAX, SLICE_BYTES_MAX } from "../../src/core/limits.ts";
import { Outbox } from "../../src/objects/outbox.ts";
import type { JournalSlice } from "../../src/objects/protocol.ts";
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
    await toldAll(accountOf(id), id);
    const { seq: before } = await accountOf(id).head();
    queue.mockRejectedValue(new Error("Queue is overloaded. Please back off."));
    const deposit = { kind: "deposit", asset: "USD", amount: 1n } as const;
    for (let from = 0; from < 400; from += 100) {
      await Promise.all(Array.from({ length: 100 }, () => accountOf(id).transfer(callerOf(id), deposit, null)));
    }
    queue.mockRestore();
    queue = takeAll();
    taken = [];
    await evict(accountOf(id));
    await toldAll(accountOf(id), id);
    const slices = slicesOf(id);
    expectContiguous(slices, before + 1);
    expect(slices.length).toBeGreaterThan(1);
    expect(slices.length).toBeLessThan(20);
    for (const slice of slices) expect(JSON.stringify(slice).length).toBeLessThanOrEqual(SLICE_BYTES_MAX);
    expect(slices.flatMap(({ events }) => events)).toEqual(await bodies(accountOf(id), before + 1));
  });

  it("a few slices at a time, however much there is: the rest after a pause", async () => {
    const rows = Array.from({ length: 2_000 }, (_, at) => ({ first: at + 1, seq: at + 1, body: "x".repeat(1_000) }));
    const sql = (query: string, ...[after, limit]: unknown[]) =>
      query.includes("FROM journal") ? rows.slice(Number(after), Number(after) + Number(limit)) : [];
    const sent: JournalSlice[] = [];
    let woken = 0;
    const send = async (slice: JournalSlice) => void sent.push(slice);
    const wake = () => {
      woken += 1;
    };
    const ports = { name: "acc_1", sql: sql as never, queue: { send, wake } };
    const source = {
      object: "account",
      epoch: () => 1,
      first: "first",
      seq: () => rows.length,
      base: () => 0,
    } as const;
    const outbox = new Outbox(ports, source);
    expect(woken).toBe(1);
    for (const flush of [1, 2, 3]) {
      await outbox.flush();
      expect(sent.length).toBe(flush * FLUSH_SLICES_MAX);
      expect(woken).toBe(1 + flush);
    }
    while (sent.at(-1)?.to !== rows.length) await outbox.flush();
    expect(sent.flatMap(({ events }) => events).length).toBe(rows.length);
    for (const [index, { from }] of sent.entries()) expect(from).toBe((sent[index - 1]?.to ?? 0) + 1);
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

describe("a page of the journal", () => {
  it("has everything from a stream number on as it was, whatever the queue has been told", async () => {
    const id = await openAccount();
    const order = await place(id, atMarket("SOL-USD", "buy"));
    await toldAll(accountOf(id), id);
    const { seq } = await accountOf(id).head();
    taken = [];
    const page = await accountOf(id).journalFrom(order.seq, SLICE_BYTES_MAX);
    expect(page).toMatchObject({ v: 1, object: "account", name: id, epoch: 1, to: seq });
    expect(page?.events).toEqual(await bodies(accountOf(id), order.seq));
    await scheduler.wait(300);
    expect(slicesOf(id)).toEqual([]);
    expect(await sql(accountOf(id), "SELECT sent_seq FROM outbox")).toEqual([{ sent_seq: seq }]);
  });

  it("is as small as was asked for, but never empty before the end, and the next follows it", async () => {
    const id = await openAccount({ ETH: 5_000_000_000n });
    await place(id, atMarket("ETH-USD", "buy"));
    const pages: JournalSlice[] = [];
    for (let from = 1; ; from = (pages.at(-1)?.to ?? 0) + 1) {
      const page = await accountOf(id).journalFrom(from, 10);
      if (page === null) break;
      expect(page.events).toHaveLength(1);
      pages.push(page);
    }
    expectContiguous(pages);
    expect(pages.flatMap(({ events }) => events)).toEqual(await bodies(accountOf(id)));
    const { seq } = await accountOf(id).head();
    expect(await accountOf(id).journalFrom(seq + 1_000, SLICE_BYTES_MAX)).toBeNull();
  });

  it.each([
    ["from before the beginning", true],
    ["from a number in the middle of an event", false],
  ])("%s begins with a whole event", async (_, fromZero) => {
    const id = await openAccount();
    await place(id, atMarket("SOL-USD", "buy"));
    const [spread] = await sql<{ first: number; seq: number }>(
      accountOf(id),
      "SELECT first, seq FROM journal WHERE seq > first LIMIT 1",
    );
    const page = await accountOf(id).journalFrom(fromZero ? 0 : (spread?.seq ?? 0), SLICE_BYTES_MAX);
    expectContiguous(page === null ? [] : [page], fromZero ? 1 : (spread?.first ?? 0));
    expect(page).not.toBeNull();
  });
});
